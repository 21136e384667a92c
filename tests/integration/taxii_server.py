"""Collections served over TAXII on loopback, by the server that people run, for as long as a block lasts."""

import base64
import socket
import threading
import time
import uuid
from contextlib import closing, contextmanager

import orjson
import requests
import uvicorn
from fastapi import FastAPI, Header, HTTPException

from connector.journals.sqlite import SqliteJournal, SqliteSettings
from connector.model import StixObject
from connector.server.taxii import Published, router

MEDIA_TYPE = "application/taxii+json;version=2.1"
NAMESPACE = uuid.UUID("a0a6a7e5-44f2-4b6a-b9ff-1d8a5a3f8a10")
LOGINS = {"reader": {"iocs", "empty"}, "other": {"private"}}
"""By name, which collections it may read; the password is the name backwards."""


class Reader:
    def __init__(self, name):
        self.name = name

    def may_read(self, collection):
        return collection in LOGINS[self.name]


def authenticate(authorization: str = Header("")):
    kind, _, credentials = authorization.partition(" ")
    for name in LOGINS:
        basic = base64.b64encode(f"{name}:{name[::-1]}".encode()).decode()
        if (kind, credentials) in (("Basic", basic), ("Bearer", name[::-1])):
            return Reader(name)
    raise HTTPException(401, "log in", {"WWW-Authenticate": 'Basic realm="iocstream"'})


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


@contextmanager
def serving(folder):
    """Two collections, `iocs` and `empty`, for the login `reader`, and `private` for another."""
    published = [
        Published("iocs", "Indicators", "What matched."),
        Published("empty", "Empty"),
        Published("private", "P"),
    ]
    with closing(SqliteJournal(SqliteSettings(path=folder / "served.db"))) as journal:
        app = FastAPI(openapi_url="/openapi.json")
        app.include_router(router(published, journal.collections, authenticate))
        with listening(app) as url:
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
