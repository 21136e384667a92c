"""What was refused: kept, replaced when it is dealt with again, listed."""

from collections.abc import Iterator, Sequence
from typing import Any

from connector.journals.sql.dialect import Database, Transaction
from connector.journals.sql.rows import dead_letter, json_list
from connector.model import DeadLetter, StoredDeadLetter

PAGE_ROWS = 200
"""Dead letters that are read at once."""


def of_entries(db: Transaction, route_id: int, seqs: Sequence[int]) -> Sequence[Any]:
    """Those of some entries of a route, as (id, seq, object id)."""
    return db.run("dead_letters_of", {"route": route_id, "seqs": json_list(seqs)}).fetchall()


def replace(
    db: Transaction, route_id: int, former: Sequence[Any], letters: Sequence[DeadLetter], refused_at: int
) -> None:
    """Put letters in the place of former ones, given as (id, seq, object id): one for the same object keeps its id."""
    key = {"route": route_id, "refused_at": refused_at}
    db.run_many(
        "store_dead_letter",
        [
            {
                **key,
                "seq": each.seq,
                "object_id": each.object_id,
                "by": each.by,
                "reason": each.reason,
                "document": each.document,
            }
            for each in letters
        ],
    )
    kept = {(each.seq, each.object_id) for each in letters}
    forget(db, [number for number, seq, object_id in former if (seq, object_id) not in kept])


def forget(db: Transaction, ids: Sequence[int]) -> int:
    """Delete the dead letters of these numbers; return how many there were."""
    return db.run_many("delete_dead_letter", [{"id": number} for number in ids])


def numbered(database: Database, ids: Sequence[int]) -> Iterator[StoredDeadLetter]:
    """Those of these numbers, in the order of their entries."""
    with database.read() as db:
        rows = db.run("numbered_dead_letters", {"ids": json_list(ids)}).fetchall()
    yield from map(dead_letter, rows)


def listed(database: Database, route: str | None) -> Iterator[StoredDeadLetter]:
    """Those of a route, or all, in the order of their entries; a transaction for each page."""
    after_seq = after_id = 0
    while True:
        asked = {"route": route, "after_seq": after_seq, "after_id": after_id, "limit": PAGE_ROWS}
        with database.read() as db:
            rows = db.run("dead_letters", asked).fetchall()
        for stored in map(dead_letter, rows):
            yield stored
            after_seq, after_id = stored.letter.seq, stored.id
        if len(rows) < PAGE_ROWS:
            return
