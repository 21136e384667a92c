"""Collections served over TAXII on loopback, by the server that people run, for as long as a block lasts."""

import socket
import threading
import time
import uuid
from contextlib import closing, contextmanager

import orjson
import requests
import uvicorn

from connector import configuration
from connector.actions import ActionContext
from connector.journals.sqlite.journal import SqliteJournal
from connector.model import StixObject
from connector.server.application import application
from connector.settings.server import hashed

MEDIA_TYPE = "application/taxii+json;version=2.1"
NAMESPACE = uuid.UUID("a0a6a7e5-44f2-4b6a-b9ff-1d8a5a3f8a10")
SCOPES = {"reader": "taxii:iocs, taxii:empty", "other": "taxii:private", "stranger": "act"}
"""By login, what its token allows; the token is the name backwards."""
CONFIGURATION = """
journal: {path: served.db}
sources:
  files: {type: file, path: in.jsonl}
routes:
  one: {mapping: stix21, sink: {type: collection, name: iocs, title: Indicators, description: What matched.}}
  two: {mapping: stix21, sink: {type: collection, name: empty}}
  three: {mapping: stix21, sink: {type: collection, name: private}}
server:
  requests_per_minute: %d
  tokens:
"""


class Served:
    """A running server and what is in it."""

    def __init__(self, url, collections):
        self.url = url
        self.root = f"{url}/taxii2/root/"
        self.collections = collections

    def store(self, *objects, name="iocs"):
        assert all(self.collections.store(name, list(objects)))

    def get(self, path="", login="reader", headers=None, **options):
        """Ask for a path below the collection `iocs`, or for a whole one."""
        url = path if path.startswith("http") else f"{self.root}collections/iocs/{path}"
        return requests.request(
            options.pop("method", "GET"),
            url,
            auth=(login, login[::-1]) if login else None,
            headers={"Accept": MEDIA_TYPE} | (headers or {}),
            timeout=30,
            **options,
        )

    def ask(self, path="objects/", **parameters):
        """The resource at a path; parameters as `match_type="indicator"`."""
        names = {name: name.replace("match_", "match[") + "]" * name.startswith("match_") for name in parameters}
        answer = self.get(path, params={names[name]: value for name, value in parameters.items()})
        assert answer.status_code == 200, answer.text
        return answer.json()


def settings(requests_per_minute=1_000_000):
    tokens = [f"    - {{name: {name}, hash: '{hashed(name[::-1])}', scopes: [{SCOPES[name]}]}}\n" for name in SCOPES]
    return CONFIGURATION % requests_per_minute + "".join(tokens)


@contextmanager
def serving(folder, **limits):
    """Two collections, `iocs` and `empty`, for the login `reader`, and `private` for another."""
    (folder / "iocstream.yaml").write_text(settings(**limits).replace("served.db", str(folder / "served.db")))
    plan = configuration.load(folder / "iocstream.yaml")
    with (
        closing(SqliteJournal(plan.settings.journal)) as journal,
        listening(application(ActionContext(plan), journal.collections)) as url,
    ):
        yield Served(url, journal.collections)


@contextmanager
def listening(app):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def stix_id(name, kind="indicator"):
    return f"{kind}--{uuid.uuid5(NAMESPACE, f'{kind}{name}')}"


def stix(name, second=0, kind="indicator", **properties):
    """An object, in its version of this second; one of kind `url` has no version."""
    version = f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}.000Z"
    document = {"type": kind, "spec_version": "2.1", "id": stix_id(name, kind)}
    if kind != "url":
        document |= {"created": "2026-01-01T00:00:00.000Z", "modified": version}
    document |= {"name": f"{name}"} | properties
    return StixObject(document["id"], kind, document.get("modified"), orjson.dumps(document))
