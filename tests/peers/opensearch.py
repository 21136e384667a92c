"""OpenSearch, as `make .peers/opensearch/ready` fetched it: one node on loopback, without a login."""

import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import orjson
from free_ports import reserve
from missing_software import Missing

ROOT = Path(__file__).parents[2]
JARS = ROOT / ".peers" / "opensearch" / "lib"
_STARTING_SECONDS = 120


class OpenSearch:
    """A running node, and what a test asks of it from the side."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, document=None):
        """The answer to a request, decoded; null when nothing is there."""
        body = None if document is None else orjson.dumps(document)
        request = urllib.request.Request(f"{self.url}{path}", body, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return orjson.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise AssertionError(error.read()) from None

    def documents(self, index):
        """All that an index holds."""
        self.ask("POST", f"/{index}/_refresh")
        found = self.ask("POST", f"/{index}/_search", {"size": 10_000, "query": {"match_all": {}}})
        return [hit["_source"] for hit in found["hits"]["hits"]]


@contextmanager
def opensearch(folder, **settings):
    """A node with these settings, with `__` for a point in their names; it ends with the block.

    Raises:
        Missing: it was not fetched.
    """
    if not (JARS.parent / "ready").exists():
        raise Missing("there is no OpenSearch (make .peers/opensearch/ready)")
    folder.mkdir(parents=True, exist_ok=True)
    http, transport = reserve(), reserve()
    more = [f"{name.replace('__', '.')}={value}" for name, value in settings.items()]
    node = ["-Xmx512m", "-cp", f"{JARS}/*", str(Path(__file__).with_name("OneNode.java")), str(folder)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(["java", *node, str(http), str(transport), *more], stdout=log, stderr=log)
    made = OpenSearch(f"http://127.0.0.1:{http}")
    try:
        deadline = time.monotonic() + _STARTING_SECONDS
        while True:
            try:
                made.ask("GET", "/_cluster/health")
                break
            except (OSError, AssertionError):
                said = (folder / "log").read_text()[-3000:]
                assert process.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.2)
        yield made
    finally:
        process.kill()
        process.wait()
