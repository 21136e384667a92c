"""The parties of a proof: the simulated API, real receivers, a connector's folder, and what ought to arrive."""

import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from connector import convert
from connector.simulator import stream
from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.stream import position
from connector.simulator.wsgi_server import serving
from prove.nursery import ROOT

sys.path.insert(0, str(ROOT / "tests"))  # where the servers are that the integration tests use too
import certificates
import free_ports
from missing_software import Missing
from peers import http_receivers
from peers import kafka as kafka_peers
from peers import syslog as syslog_peers
from peers import taxii as taxii_peers

Item = dict[str, Any]

__all__ = ["Api", "Missing", "certificates", "free_ports", "http_receivers", "notifications", "position", "serving"]


@contextmanager
def medallion(folder: Path, collections: Sequence[str] = ()) -> Iterator[Any]:
    """OASIS's TAXII server; its collections are empty: `rw`, and these."""
    folder.mkdir(parents=True, exist_ok=True)
    with taxii_peers.medallion(folder, collections) as peer:
        yield peer


@contextmanager
def opentaxii(folder: Path) -> Iterator[Any]:
    """EclecticIQ's TAXII server, in three processes; its collections are empty."""
    folder.mkdir(parents=True, exist_ok=True)
    with taxii_peers.opentaxii(folder, workers=3) as peer:
        yield peer


@contextmanager
def rsyslog(folder: Path) -> Iterator[Any]:
    """A running rsyslog, with `certificates` as an attribute; `ports` and `stored` go by the name of the input."""
    folder.mkdir(parents=True, exist_ok=True)
    made = certificates.make(folder)
    server = syslog_peers.rsyslog(folder, made)
    server.certificates = made
    with syslog_peers.running(server):
        yield server


@contextmanager
def kafka(folder: Path) -> Iterator[Any]:
    """A broker of Apache Kafka without topics.

    Raises:
        Missing: it was not fetched.
    """
    if not (kafka_peers.JARS.parent / "ready").exists():
        raise Missing("there is no Kafka (make .peers/kafka/ready)")
    with kafka_peers.cluster(folder) as found:
        yield found


def chunks(items: Sequence[Item], size: int) -> list[list[Item]]:
    """In the order of the stream, in pieces of at least `size`, no second cut in two.

    So whoever reads them piece by piece meets them in the order in which a reader of the whole does.
    """
    pieces: list[list[Item]] = [[]]
    last = None
    for item in sorted(items, key=position):
        second, _ = position(item)
        if len(pieces[-1]) >= size and second != last:
            pieces.append([])
        pieces[-1].append(item)
        last = second
    return pieces


def identifier(item: Item) -> str:
    """Its notification id."""
    return str(stream.context(item)["notification_id"])


def events_of(items: Sequence[Item]) -> set[bytes]:
    """The CEF lines that must arrive."""
    bodies = sorted(items, key=position)
    return {message.body for each in convert(looked_up(bodies), "cef") for message in each.messages}


def unconvertible(items: Sequence[Item], using: str) -> int:
    """How many of them nothing can be made of."""
    return sum(each.refusal is not None for each in convert(looked_up(sorted(items, key=position)), using))


def looked_up(items: Sequence[Item]) -> list[Item]:
    """With the URLs that the API knows by their digest, as the source looks them up."""
    api = Api(items)
    known = api._entities  # noqa: SLF001 -- what its /urls/{id} answers
    found = []
    for item in items:
        entity = known.get(("url", item["id"])) if item["type"] == "url" and "attributes" not in item else None
        found.append({**item, "attributes": entity["attributes"]} if entity else item)
    return found


def objects(found: Sequence[Item]) -> dict[tuple[str, str], Item]:
    """STIX objects by id and version; what a server adds to them on its own account is taken off."""
    return {
        (each["id"], str(each.get("modified", ""))): {k: v for k, v in each.items() if not k.startswith("_")}
        for each in found
    }


def lines(path: Path) -> list[bytes]:
    """The complete lines of a file."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def messages(stored: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """The events that a syslog server wrote down, from connectors that call themselves vt-1 and give the usual tag."""
    return [each["raw"].partition(" vt-1 iocstream: ")[2].encode() for each in stored]


def standing(nursery: Any, folder: Path, environment: Mapping[str, str]) -> Any:
    """`iocstream status --json`."""
    ended = nursery.run(folder, "status", "--json", environment=environment)
    assert ended.code == 0, ended
    return json.loads(ended.out)


def stored(folder: Path) -> set[str]:
    """The notification ids in a journal, read by SQLite alone."""
    path = folder / "iocstream.db"
    if not path.exists():
        return set()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute("SELECT notification_id FROM seen")}


def until(holds: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until it holds; the seconds that it took.

    Raises:
        TimeoutError: it never did.
    """
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - started


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))
