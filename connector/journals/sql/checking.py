"""All of a journal read, to see whether it is what was stored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from connector.journals.sql import judgements, positions
from connector.journals.sql.bodies import is_garbled
from connector.journals.sql.collections import said_version
from connector.journals.sql.damage import is_checkpoint_damaged
from connector.journals.sql.dialect import Transaction
from connector.journals.sql.rows import is_damaged

ROWS = 1000
"""Rows that are read at once."""
Progress = Callable[[int, int], None]
"""Called with how much has been dealt with, and how much there is."""
EVERY_DICTIONARY = "SELECT number, copy, content, checksum FROM dictionaries ORDER BY number, copy"
_NOTIFICATIONS = (
    "SELECT seq, notification_id, date, checksum, dictionary, body FROM notifications WHERE seq > :after ORDER BY seq"
    " LIMIT :limit"
)
_OBJECTS = (
    "SELECT added, collections.name, unpacked_id(object_id), modified, version, checksum, dictionary, body"
    " FROM collection_objects JOIN collections ON collections.id = collection_objects.collection"
    " WHERE added > :after ORDER BY added LIMIT :limit"
)
_EVERY_POSITION = (
    "SELECT routes.name, sources.name, positions.route, positions.source, positions.seq, positions.checksum"
    " FROM positions LEFT JOIN routes ON routes.id = positions.route LEFT JOIN sources ON sources.id = positions.source"
)
_EVERY_CHECKPOINT = "SELECT name, id, checkpoint, checkpoint_checksum FROM sources"
_EVERY_JUDGEMENT = "SELECT id, kind, value, ruleset, source, verdict, by, note, at, until, checksum FROM judgements"


def what_is_wrong(db: Transaction, progress: Progress) -> tuple[int, Sequence[str]]:
    """How many notifications a journal has, and what of it is not what was stored, a sentence each."""
    wrong = [*_wrong_progress(db)]
    (total,) = db.ask("SELECT count(*) FROM notifications").fetchone()
    done = 0
    for rows in _pages(db, _NOTIFICATIONS):
        for seq, notification_id, date, check, dictionary, stored in rows:
            if is_damaged(check, dictionary, stored, date, notification_id):
                wrong.append(f"the notification {notification_id} (entry {seq}) is not what was stored")
        done += len(rows)
        progress(done, total)
    for rows in _pages(db, _OBJECTS):
        for _, name, object_id, modified, version, check, dictionary, stored in rows:
            if is_damaged(check, dictionary, stored, object_id, said_version(modified, version)):
                wrong.append(
                    f"the object {object_id} in the collection {name} is not what was stored: a replay of its route"
                    " from the start mends it"
                )
    wrong += [
        f"the judgement {row[0]} is not what was stored, and decides nothing: judge again"
        for row in db.ask(_EVERY_JUDGEMENT)
        if judgements.is_damaged(row)
    ]
    wrong += [
        f"the copy {copy} of the dictionary {number} is not what was stored: `compact` mends it"
        for number, copy, content, check in db.ask(EVERY_DICTIONARY)
        if is_garbled(content, check)
    ]
    return int(total), wrong


def _pages(db: Transaction, statement: str) -> Iterator[Sequence[Any]]:
    after: Mapping[str, int] = {"after": -(2**63)}
    while rows := db.ask(statement, {**after, "limit": ROWS}).fetchall():
        yield rows
        after = {"after": rows[-1][0]}


def _wrong_progress(db: Transaction) -> Iterator[str]:
    """What is wrong with how far routes and sources have come."""
    for route, source, *position in db.ask(_EVERY_POSITION):
        if positions.is_damaged(position):
            yield (
                f"the position of {route} in {source} is not what was stored: the next run delivers again from the"
                " oldest notification kept"
            )
    for source, *checkpoint in db.ask(_EVERY_CHECKPOINT):
        if is_checkpoint_damaged(*checkpoint):
            yield (
                f"the checkpoint of {source} is not what was stored: the next run reads again all that its upstream"
                " still has"
            )
