# ruff: noqa: S608 -- the names in these statements are those of this module
"""A journal made equal to another, whichever stores they are in: table by table, a page of rows at a time.

What is there already is compared and not written again, so that a copy that was cut off is gone on with, and one that
is complete is checked by the same means.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.journals.sql.dialect import Database, Transaction

ROWS = 500
"""Rows that are read, compared and written at once."""
Progress = Callable[[int, int], None]
"""Called with how many rows have been dealt with, and how many there are."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that all stores have.

    Attributes:
        key: the columns by which a row is found, and in whose order rows are read.
        others: the other columns.
        is_numbered: whether the store gives numbers to its rows, none of them twice.
    """

    name: str
    key: Sequence[str]
    others: Sequence[str] = ()
    is_numbered: bool = False

    @property
    def columns(self) -> Sequence[str]:
        """All of them."""
        return (*self.key, *self.others)


def _table(name: str, key: str, others: str = "", *, is_numbered: bool = False) -> Table:
    return Table(name, key.split(), others.split(), is_numbered)


TABLES = (
    _table("dictionaries", "number copy", "kind content checksum"),
    _table("body_kinds", "kind", "stored train_at"),
    _table(
        "sources", "id", "name checkpoint checkpoint_checksum stored kept newest pruned_until learned", is_numbered=True
    ),
    _table("seen", "source notification_id", "raised"),
    _table(
        "notifications",
        "seq",
        "source notification_id date raised checksum dictionary observable rule body",
        is_numbered=True,
    ),
    _table("gaps", 'source start "end"'),
    _table("days", "day", "seq"),
    _table(
        "routes",
        "id",
        "name receiver reads_all revises delivered filtered refused withdrawn dropped",
        is_numbered=True,
    ),
    _table("positions", "route source", "seq checksum"),
    _table("dead_letters", "id", "route seq object_id by reason document refused_at retry_asked", is_numbered=True),
    _table("damage", "name", "reason at"),
    _table("reports", "name", "report at"),
    _table(
        "subjects",
        "id",
        "source type subject_id rank state asked_at due named_at learned until digest report dictionary checksum"
        " attributes",
        is_numbered=True,
    ),
    _table("mentions", "subject seq"),
    _table("outdated", "route subject", "after until learned"),
    _table("collections", "id", "name changed", is_numbered=True),
    _table("collection_types", "id", "collection type", is_numbered=True),
    _table("collection_objects", "added", "collection type modified place checksum dictionary object_id version body"),
    _table(
        "ledgers",
        "id",
        "route receiver looked_through unclaimed_until spelled_until terms reconsidered_to",
        is_numbered=True,
    ),
    _table(
        "versions",
        "ledger object_id modified",
        "seq last_seq sent revoked checksum created valid_until digest",
    ),
    _table("claims", "ledger observable seq", "stands last_seq checksum"),
    _table(
        "judgements",
        "id",
        "kind value ruleset source verdict by note at until trait is_over decides checksum",
        is_numbered=True,
    ),
    _table("judged_rules", "judgement source ruleset rule"),
    _table("withheld", "route seq", "judged"),
    _table("guarded", "route seq value derived", "list entry"),
    _table("hosts_unread", "until"),
    _table("traits_outdated", "until"),
    _table("judgements_to_find", "judgement"),
)
"""In an order in which each row finds those that it refers to."""
APART = frozenset(("look_ups", "leases", "workers", "identity", "schema_version", "judged"))
"""What has no key, who serves what now, which journal it is, and what a store counts for itself."""
_QUOTE = '"'
_LETTERS = "abcd"


def make_equal(source: Transaction, target: Database, progress: Progress) -> int:
    """Have another journal, which nobody uses, hold what one transaction sees in this one.

    Returns:
        How many rows had to be written or removed for that: none, if it held the same already.
    """
    source.allow_long_statements()
    total = count_rows(source)
    changed = sum(_remove_what_is_gone(source, target, table) for table in reversed(TABLES))
    done = 0
    for table in TABLES:
        for page in _pages(source, table):
            changed += _write(target, table, page)
            done += len(page)
            progress(done, total)
        if table.is_numbered:
            with target.write() as db:
                db.number_after(table.name, table.key[0], source.last_number(table.name, table.key[0]))
    return changed + _copy_look_ups(source, target)


def count_rows(db: Transaction) -> int:
    """How many rows a journal has."""
    return sum(int(db.ask(f"SELECT count(*) FROM {each.name}").fetchone()[0]) for each in TABLES)


def _pages(db: Transaction, table: Table) -> Iterator[Sequence[Any]]:
    """All rows, in the order of their keys, with which they begin."""
    after: Sequence[Any] = ()
    while True:
        rows = _page(db, table, table.columns, after)
        if rows:
            yield rows
        if len(rows) < ROWS:
            return
        after = rows[-1][: len(table.key)]


def _page(db: Transaction, table: Table, columns: Sequence[str], after: Sequence[Any]) -> Sequence[Any]:
    """The rows after a key; after none, the first."""
    key = ", ".join(table.key)
    where = f"WHERE ({key}) > ({_marks('after', table)})" if after else ""
    statement = f"SELECT {', '.join(columns)} FROM {table.name} {where} ORDER BY {key} LIMIT {ROWS}"
    return db.ask(statement, _values("after", after)).fetchall()


def _found(db: Transaction, table: Table, page: Sequence[Any]) -> Mapping[Any, Any]:
    """The rows that there are from the key of the first row of a page to that of the last, by their keys."""
    width = len(table.key)
    key = ", ".join(table.key)
    between = f"({key}) >= ({_marks('first', table)}) AND ({key}) <= ({_marks('last', table)})"
    values = {**_values("first", page[0][:width]), **_values("last", page[-1][:width])}
    rows = db.ask(f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {between}", values)
    return {tuple(row[:width]): tuple(row) for row in rows}


def _write(target: Database, table: Table, page: Sequence[Any]) -> int:
    """Write what of a page is not there, or is another; return how many rows."""
    width = len(table.key)
    with target.write() as db:
        there = _found(db, table, page)
        missing = [_named(table.columns, row) for row in page if tuple(row[:width]) not in there]
        others = [_named(table.columns, row) for row in page if there.get(tuple(row[:width]), tuple(row)) != tuple(row)]
        columns, values = ", ".join(table.columns), ", ".join(map(_mark, table.columns))
        db.ask_many(f"INSERT INTO {table.name} ({columns}) VALUES ({values})", missing)
        if others:
            said, where = (_pairs(each) for each in (table.others, table.key))
            db.ask_many(f"UPDATE {table.name} SET {', '.join(said)} WHERE {' AND '.join(where)}", others)
    return len(missing) + len(others)


def _remove_what_is_gone(source: Transaction, target: Database, table: Table) -> int:
    """Remove the rows that a copy which was cut off has, and the journal has not any more; return how many."""
    removed = 0
    after: Sequence[Any] = ()
    while True:
        with target.read() as db:
            page = _page(db, table, table.key, after)
        if not page:
            return removed
        there = _found(source, table, page)
        gone = [_named(table.key, row) for row in page if tuple(row) not in there]
        with target.write() as db:
            db.ask_many(f"DELETE FROM {table.name} WHERE {' AND '.join(_pairs(table.key))}", gone)
        removed += len(gone)
        after = page[-1]


def _copy_look_ups(source: Transaction, target: Database) -> int:
    """Rows of the last two days, of which several may be the same: written anew if they differ."""
    statement = "SELECT source, asked_at FROM look_ups ORDER BY source, asked_at"
    rows = [tuple(row) for row in source.ask(statement)]
    with target.write() as db:
        if rows == [tuple(row) for row in db.ask(statement)]:
            return 0
        db.ask("DELETE FROM look_ups")
        values = [{"source": of, "asked_at": at} for of, at in rows]
        db.ask_many("INSERT INTO look_ups (source, asked_at) VALUES (:source, :asked_at)", values)
    return len(rows)


def _mark(column: str) -> str:
    return f":{column.strip(_QUOTE)}"


def _marks(name: str, table: Table) -> str:
    return ", ".join(f":{name}_{letter}" for letter in _LETTERS[: len(table.key)])


def _values(name: str, key: Sequence[Any]) -> Mapping[str, Any]:
    return {f"{name}_{letter}": value for letter, value in zip(_LETTERS, key, strict=False)}


def _named(columns: Sequence[str], row: Sequence[Any]) -> Mapping[str, Any]:
    return {column.strip(_QUOTE): value for column, value in zip(columns, row, strict=True)}


def _pairs(columns: Sequence[str]) -> Sequence[str]:
    return [f"{column} = {_mark(column)}" for column in columns]
