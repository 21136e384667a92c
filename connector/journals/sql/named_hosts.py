"""The hosts that entries merely name, in the malware configuration of the file that they are about.

Each is a subject (`look_ups`) that is never looked up: which entries name it is found again without reading them, and
they are outdated when something else is said of the host itself. Its digest is what was said of it last.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from connector import notification
from connector.journals.sql import look_ups
from connector.journals.sql.dialect import Transaction
from connector.journals.sql.judgements import trait_of_name
from connector.journals.sql.positions import AFTER_ALL
from connector.journals.sql.rows import json_list
from connector.model import Json, JsonObject, LookUp
from connector.notification import CONFIGURATION
from connector.ports import ALIKE
from connector.values import assessments, observables

MOST = 200
"""Hosts of one entry that are kept, at most: more than mappings make documents of."""
MATCHES = 20
"""Of so many entries for each observable that is asked for, the newest that name a host are looked at: one observable
may have several. Those of the one that is asked about come on top (`ALIKE`)."""
_HOSTS = ("domain", "ip_address")
_FILE = "file"
_IN_HOSTS = re.compile("[.:%]")
"""What all hosts and addresses have in them, unless they are written in other characters than ASCII."""


def add(db: Transaction, source_id: int, stored: Iterable[tuple[int, JsonObject]]) -> None:
    """Write down which hosts entries name, given as seq and body."""
    rows = [
        {"source": source_id, "seq": seq, "due": AFTER_ALL, **subject(host)}
        for seq, body in stored
        for host in named(body)
    ]
    if rows:
        db.run_many("add_named_host", rows)
        db.run_many("add_mention", rows)


def note_verdicts(db: Transaction, bodies: Iterable[JsonObject]) -> None:
    """Have the entries that name these hosts learn what is said of the hosts themselves, if that is something else."""
    said = {}
    for body in bodies:
        found = notification.entity(body)
        if found is not None and found[0].type in _HOSTS and found[1]:
            said[observables.name(found[0].id)] = found[1]
    _note_verdicts(db, said)


def note_look_up(db: Transaction, source_id: int, look_up: LookUp) -> None:
    """The same of what was looked up; of a file, which hosts it names."""
    attributes = look_up.attributes
    if not attributes:
        return
    if look_up.subject.type in _HOSTS:
        _note_verdicts(db, {observables.name(look_up.subject.id): attributes})
    elif look_up.subject.type == _FILE and attributes.get(CONFIGURATION):
        asked = {"source": source_id, "type": _FILE, "subject_id": look_up.subject.id}
        found = db.run("subject", asked).fetchone()
        if found is not None:
            add_looked_up(db, source_id, found[0], attributes)


def add_looked_up(db: Transaction, source_id: int, file: int, attributes: JsonObject) -> None:
    """Write down that the entries about a file name the hosts of its attributes; it is given as its subject."""
    for host in _hosts(attributes):
        named_host = {"source": source_id, "due": AFTER_ALL, **subject(host)}
        db.run("add_named_host", named_host)
        db.run("share_mentions", {**named_host, "of": file})


def with_hosts_of(
    db: Transaction, seqs: Sequence[int], sources: Sequence[str], limit: int, until: int
) -> Sequence[int]:
    """As `connector.ports.Outbox.naming_alike`."""
    asked = {"seqs": json_list(seqs), "sources": json_list(sources)}
    hosts = [each for (each,) in db.run("hosts_named_by", asked).fetchall()]
    if not hosts:
        return ()
    (about,) = db.run("observable_of", {"seq": seqs[0]}).fetchone() or (None,)
    found: set[int] = set()
    for host in hosts:
        newest = {"subject": host, "about": about, "until": until, "limit": limit, "most": limit * MATCHES}
        newest["walked"] = newest["most"] + ALIKE
        found.update(seq for (seq,) in db.run("newest_naming", newest))
    return sorted(found, reverse=True)


def named(body: JsonObject) -> Iterable[str]:
    """The hosts and addresses that the malware configuration of a notification names, each once."""
    found = notification.entity(body)
    return _hosts(found[1]) if found is not None else ()


def subject(name: str) -> Mapping[str, Any]:
    """The type and id of the subject that a host is which is merely named, by its one spelling."""
    return {"type": "named_host", "subject_id": f"{trait_of_name('observable', name):x}"}


def _hosts(attributes: JsonObject) -> Sequence[str]:
    configuration = attributes.get(CONFIGURATION)
    return [*dict.fromkeys(_configured(configuration))][:MOST] if configuration else ()


def _configured(configuration: Json) -> Iterator[str]:
    """By themselves or in URLs, with or without a scheme, in their one spelling."""
    for text in _texts(configuration):
        if text.isascii() and not _IN_HOSTS.search(text):
            continue  # as most texts: a family, a category, a key
        if "://" in text:
            host = observables.host_of(text)
        else:
            host = observables.read(text)
            if host is None and "/" in text:
                host = observables.read(text.partition("/")[0])
        if host is not None and host.kind == "host":
            yield host.value
        elif host is not None and host.kind == "address":
            yield observables.name(host.value)


def _texts(value: Json) -> Iterator[str]:
    """All texts in a value, in their order, however deep."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, list | dict):
            left += reversed([*each.values()] if isinstance(each, dict) else each)


def _note_verdicts(db: Transaction, said: Mapping[str, JsonObject]) -> None:
    """Of each host, what is said of it."""
    named = db.run_each("judged_subjects", [{**subject(host), "source": None} for host in said])
    for attributes, rows in zip(said.values(), named, strict=True):
        digest = assessments.verdict(attributes).encode("utf-8", "replace")
        for number, source_id in rows:
            if db.run("note_said", {"id": number, "digest": digest}).rowcount:
                look_ups.outdate(db, source_id, number)
