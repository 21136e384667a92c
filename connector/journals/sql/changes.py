"""What has changed of entries since somebody read them: looked up again, or judged."""

import itertools
from collections.abc import Sequence
from typing import Any

from connector.journals.sql import entries
from connector.journals.sql.bodies import Bodies
from connector.journals.sql.dialect import Transaction
from connector.journals.sql.look_ups import learned_so_far
from connector.journals.sql.positions import AFTER_ALL
from connector.journals.sql.rows import json_list
from connector.model import Change, ChangeMark, Changes


def since(
    db: Transaction, bodies: Bodies, sources: Sequence[str], after: ChangeMark | None, *, until: int, limit: int
) -> Changes:
    """As `connector.ports.Journal.changes`."""
    now = ChangeMark(learned_so_far(db))
    if after is None:
        return Changes([], now, are_all=True)
    seq = AFTER_ALL if after.seq is None else after.seq
    asked = {"learned": after.learned, "seq": seq, "sources": json_list(sources), "until": until, "limit": limit}
    rows = db.run("changes", asked).fetchall()
    found, left = entries.that_fit(db, bodies, sorted({seq for _, seq, _ in rows}))
    fit: Sequence[Any] = rows
    if left != AFTER_ALL:  # as many of the first as fit by themselves, for entries are read in their own order
        fit = _first_of(rows)
        found, left = entries.that_fit(db, bodies, [seq for _, seq, _ in fit])
        fit = [row for row in fit if row[1] < left]
    by_seq = {entry.seq: entry for entry in found}
    changes = [
        Change(ChangeMark(learned, seq), by_seq[seq], bool(is_judged))
        for learned, seq, is_judged in fit
        if seq in by_seq
    ]
    are_all = len(rows) < limit and len(fit) == len(rows)
    return Changes(changes, now if are_all else ChangeMark(*fit[-1][:2]), are_all)


def _first_of(rows: Sequence[Any]) -> Sequence[Any]:
    """The rows of what was learned first."""
    return [*next(group for _, group in itertools.groupby(rows, key=lambda row: row[0]))]
