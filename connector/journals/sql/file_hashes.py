"""A file is judged by its SHA-256. Who names one by its MD5 or SHA-1 means the file that has it, once it is known."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson

from connector import notification
from connector.journals.sql import entries
from connector.journals.sql.bodies import Bodies
from connector.journals.sql.dialect import Database, Transaction
from connector.journals.sql.judgements import stored_judgement, trait
from connector.journals.sql.rows import columns_checksum, is_damaged
from connector.model import JsonObject, Judged, LookUp, Notification

ROWS = 1000
"""Rows that are read at once."""
FILE = "file"


class File(NamedTuple):
    """A file by its hashes, in lower case."""

    sha256: str
    others: frozenset[str]


def sha256_of(database: Database, bodies: Bodies, digest: str) -> str | None:
    """The SHA-256 of the file with this MD5 or SHA-1, as far as notifications or look-ups say; all of them are read."""
    wanted = digest.strip().lower()
    after = 0
    while True:
        with database.read() as db:
            rows = db.run("notifications_after", {"source": None, "after": after, "limit": ROWS}).fetchall()
            for file in _files_in(entries.body(db, bodies, row) for row in rows):
                if wanted in file.others:
                    return file.sha256
        if len(rows) < ROWS:
            break
        after = rows[-1][0]
    with database.read() as db:
        for sha256, attributes, dictionary, check in db.run("known_files"):
            known = None if is_damaged(check, dictionary, attributes) else bodies.read(db, dictionary, attributes)
            if known is not None and wanted in _file(sha256, orjson.loads(known)).others:
                return str(sha256).lower()
    return None


def of_notifications(notifications: Iterable[Notification]) -> Iterator[File]:
    """The files that notifications are about."""
    return _files_in(each.body for each in notifications)


def of_look_up(look_up: LookUp) -> Iterator[File]:
    """The file that was looked up, if it was one."""
    if look_up.subject.type == FILE and look_up.attributes is not None:
        yield _file(look_up.subject.id, look_up.attributes)


def rename(db: Transaction, files: Iterable[File]) -> list[Judged]:
    """Have what is judged by the MD5 or SHA-1 of these files be judged by their SHA-256; return what is judged then."""
    kept = {value for (value,) in db.run("judged_by_other_hashes")}
    if not kept:
        return []
    renamed: dict[Judged, None] = {}
    for file in files:
        for value in kept.intersection(file.others):
            for row in db.run("judgements_of_observable", {"value": value}).fetchall():
                stored = stored_judgement(row)
                if stored.state != "damaged":
                    checksum = columns_checksum("judgement", row[1], file.sha256, *row[3:10])
                    named = {"value": file.sha256, "trait": trait("observable", file.sha256), "checksum": checksum}
                    db.run("rename_judgement", {"id": stored.id, **named})
                    renamed[stored.judgement.judged._replace(value=file.sha256)] = None
    if renamed:
        db.run("change_judged_mark")
    return [*renamed]


def _files_in(bodies: Iterable[JsonObject]) -> Iterator[File]:
    for body in bodies:
        found = notification.entity(body)
        if found is not None and found[0].type == FILE:
            yield _file(found[0].id, found[1])


def _file(sha256: str, attributes: JsonObject) -> File:
    others = (attributes.get(name) for name in ("md5", "sha1"))
    return File(sha256.lower(), frozenset(each.strip().lower() for each in others if isinstance(each, str) and each))
