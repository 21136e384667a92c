"""Real TAXII 2.1 servers on loopback, each in a temporary folder, on a free port, ended by its own process id.

`make peers` installs them.
"""

import json
import os
import re
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import free_ports
import requests
from missing_software import Missing
from urllib3.util import Retry

PEERS = Path(__file__).parents[2] / ".peers"
USERNAME, PASSWORD = "pusher", "correct horse battery"
MEDIA_TYPE = "application/taxii+json;version=2.1"
START_SECONDS = 60
RETRIES = 3
ANSWER_SECONDS = 300
"""Long, because medallion searches everything it has for each answer, and the machine may be busy."""


@dataclass(frozen=True)
class Peer:
    """A running server; `said` grows with what it prints."""

    discovery_url: str
    root_url: str
    small_root_url: str | None = None
    said: Sequence[str] = ()

    login = {"username": USERNAME, "password": PASSWORD}  # noqa: RUF012 -- read alone

    def collection_url(self, title):
        """The address of the collection with a title, by a reader that shares nothing with the connector."""
        answer = self.get(f"{self.root_url}collections/")
        (found,) = [c["id"] for c in answer["collections"] if c["title"] == title]
        return f"{self.root_url}collections/{found}/"

    def get(self, url, *, retries=RETRIES, **query):
        with requests.Session() as session:
            # A server under load hangs up now and then, and whoever only reads may ask again.
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=Retry(retries, backoff_factor=1)))
            answer = session.get(
                url, params=query, auth=(USERNAME, PASSWORD), headers={"Accept": MEDIA_TYPE}, timeout=ANSWER_SECONDS
            )
            answer.raise_for_status()
            return answer.json()

    def errors(self):
        """The exceptions that Flask, which both servers stand on, has printed for a request: each with how often."""
        lines, found = iter(list(self.said)), Counter()
        for line in lines:
            if "Exception on /" in line:
                found[next((each.strip() for each in lines if re.match(r"[\w.]+Error\b", each)), "unknown")] += 1
        return found

    def objects(self, collection_url):
        """Everything in a collection, every version, page by page.

        medallion forgets a page when it has given it: whoever loses one reads from the first one again.
        """
        for _ in range(RETRIES):
            with suppress(requests.ConnectionError):
                return list(self._pages(f"{collection_url}objects/"))
        return list(self._pages(f"{collection_url}objects/"))

    def _pages(self, url):
        query = {}
        while True:
            page = self.get(url, retries=0, **{"match[version]": "all", **query})
            yield from page.get("objects", [])
            if not page.get("more"):
                return
            query = {"next": page["next"], "limit": "1000"}

    def versions(self, collection_url, identifier):
        """Every version of one object; none where the server does not know it."""
        try:
            return self.get(f"{collection_url}objects/{identifier}/", **{"match[version]": "all"}).get("objects", [])
        except requests.HTTPError as error:
            if error.response.status_code == HTTPStatus.NOT_FOUND:
                return []
            raise


@contextmanager
def medallion(folder, more=()):
    """OASIS's reference server for a block, with its data in a folder and with more collections like `rw`; its
    `small_root_url` takes 2048 bytes at once.

    Raises:
        Missing: it is not installed.
    """
    program, port = _program("medallion", "medallion"), free_ports.reserve()
    url = f"http://127.0.0.1:{port}/"
    roots = {"api1": 100 * 1024 * 1024, "small": 2048}
    data = {
        "/discovery": {
            "title": "peer",
            "default": f"{url}api1/",
            "api_roots": [f"{url}{name}/" for name in roots],
        }
    }
    for name, limit in roots.items():
        data[name] = {
            "information": {"title": name, "versions": [MEDIA_TYPE], "max_content_length": limit},
            "status": [],
            "collections": [
                _medallion_collection("rw", can_read=True, can_write=True),
                _medallion_collection("ro", can_read=True, can_write=False),
                _medallion_collection("wo", can_read=False, can_write=True),
                {**_medallion_collection("no manifest", can_read=True, can_write=True), "manifest": None},
                *(_medallion_collection(title, can_read=True, can_write=True) for title in more),
            ],
        }
    config = {
        "backend": {
            "module": "medallion.backends.memory_backend",
            "module_class": "MemoryBackend",
            "filename": str(folder / "data.json"),
            "session_timeout": ANSWER_SECONDS,  # for which it remembers the pages that a reader has not asked for yet
        },
        "users": {USERNAME: PASSWORD},
        "taxii": {"max_page_size": 1000},
    }
    (folder / "data.json").write_text(json.dumps(data))
    (folder / "config.json").write_text(json.dumps(config))
    command = [program, "--host", "127.0.0.1", "--port", str(port), str(folder / "config.json")]
    with _running(command, folder, r"Running on http", {}) as said:
        yield Peer(f"{url}taxii2/", f"{url}api1/", f"{url}small/", said)


@contextmanager
def opentaxii(folder, peer="opentaxii", workers=1, more=()):
    """EclecticIQ's server for a block, in the pre-release whose TAXII 2.1 works; `opentaxii-0.9` is the released one,
    which answers 500 to objects that it has stored. Its collections are `rw` and more like it.

    Raises:
        Missing: it is not installed.
    """
    gunicorn = _program(peer, "gunicorn")
    port = free_ports.reserve()
    config = {
        "domain": f"127.0.0.1:{port}",
        "support_basic_auth": True,
        "return_server_error_details": False,
        "auth_api": {
            "class": "opentaxii.auth.sqldb.SQLDatabaseAPI",
            "parameters": {
                "db_connection": f"sqlite:///{folder / 'auth.db'}",
                "create_tables": True,
                "secret": uuid.uuid4().hex,
                "token_ttl_secs": 3600,
            },
        },
        "taxii1": None,
        "taxii2": {
            "persistence_api": {
                "class": "opentaxii.persistence.sqldb.Taxii2SQLDatabaseAPI",
                "parameters": {"db_connection": f"sqlite:///{folder / 'data.db'}", "create_tables": True},
            },
            "title": "peer",
            "public_discovery": False,
            "allow_custom_properties": True,
            "max_content_length": 1024 * 1024,
        },
        "logging": {"opentaxii": "info", "root": "info"},
    }
    (folder / "opentaxii.json").write_text(json.dumps(config))  # JSON is YAML
    environment = {"OPENTAXII_CONFIG": str(folder / "opentaxii.json")}
    setup = subprocess.run(
        [
            PEERS / peer / "bin" / "python",
            Path(__file__).with_name("opentaxii_setup.py"),
            USERNAME,
            PASSWORD,
            "rw",
            *more,
        ],
        env={**_environment(), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert setup.returncode == 0, setup.stderr
    root_id = setup.stdout.split()[-1]
    command = [gunicorn, "opentaxii.http:app", "--workers", str(workers), "--bind", f"127.0.0.1:{port}"]
    with _running(command, folder, r"Listening at", environment) as said:
        url = f"http://127.0.0.1:{port}/taxii2/"
        yield Peer(url, f"{url}{root_id}/", said=said)


def _medallion_collection(title, **access):
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, title)),
        "title": title,
        **access,
        "media_types": ["application/stix+json;version=2.1"],
        "objects": [],
        "manifest": [],
    }


def _program(peer, name):
    program = PEERS / peer / "bin" / name
    if not program.is_file():
        raise Missing(f"{peer} is not installed; `make peers` does it")
    return str(program)


def _environment():
    # The servers run in environments of their own, where warnings are not errors.
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "COV"))}


@contextmanager
def _running(command, folder, ready, environment):
    """Start a server and wait until it says that it is ready; gives what it prints, line by line."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**_environment(), **environment, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    said, is_ready = [], threading.Event()

    def listen():
        for line in process.stdout:
            said.append(line)
            if re.search(ready, line):
                is_ready.set()
        is_ready.set()  # it has ended; whoever waits looks why

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        if not is_ready.wait(START_SECONDS) or process.poll() is not None:
            raise RuntimeError(f"{Path(command[0]).name} did not start: {''.join(said[-30:])}")
        yield said
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        listener.join(5)
        process.stdout.close()
        sys.stdout.write("".join(said[-30:]))
