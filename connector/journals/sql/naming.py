"""Which entries merely name a host: in the malware configuration of the file that they are about."""

from collections.abc import Mapping, Sequence

from connector.journals.sql import entries, look_ups, named_hosts
from connector.journals.sql.bodies import Bodies
from connector.journals.sql.dialect import Database, Transaction
from connector.journals.sql.rows import decoded_object
from connector.model import Judged
from connector.notification import CONFIGURATION
from connector.values import observables

ROWS = 1000
"""Rows that are read at once."""


def host(judged: Judged) -> str | None:
    """The host or address that is judged, in its one spelling; None where something else is."""
    found = observables.read(judged.value) if judged.kind == "observable" else None
    return observables.name(judged.value) if found is not None and found.kind in ("host", "address") else None


def subjects_of(db: Transaction, host: str, source: int | None) -> Sequence[tuple[int, int]]:
    """The numbers of a host that is named, each with its source: of one, or of any (None)."""
    return db.run("judged_subjects", {**named_hosts.subject(host), "source": source}).fetchall()


def entries_of(db: Transaction, subject: int, after: int) -> Sequence[tuple[int, str]]:
    """The next `ROWS` entries that name a host, as seq and notification id."""
    return db.run("entries_of_host", {"subject": subject, "after": after, "limit": ROWS}).fetchall()


def entries_unmarked(db: Transaction, subject: int, source: int, mark: Mapping[str, str]) -> Sequence[tuple[int, str]]:
    """Likewise all those that do not name another subject as well."""
    return db.run("unmarked_entries_of_host", {"subject": subject, "source": source, **mark}).fetchall()


def find_hosts(database: Database, bodies: Bodies) -> None:
    """Write down which hosts entries and look-ups name that were stored before that was done, the newest first."""
    with database.read() as db:
        if db.run("hosts_unread").fetchone() is None:
            return
    _find_looked_up_hosts(database, bodies)
    while True:
        with database.write() as db:
            row = db.run("hosts_unread").fetchone()
            if row is None:
                return
            rows = db.run("notifications_before", {"until": row[0], "limit": ROWS}).fetchall()
            for found in rows:
                text = entries.text(db, bodies, found[1:])
                if text is not None and CONFIGURATION.encode() in text:
                    named_hosts.add(db, found[0], [(found[1], decoded_object(text))])
            if len(rows) < ROWS:
                db.run("hosts_are_read")
                return
            db.run("hosts_are_read_from", {"until": rows[-1][1] - 1})


def _find_looked_up_hosts(database: Database, bodies: Bodies) -> None:
    after = 0
    while True:
        with database.write() as db:
            rows = db.run("looked_up_files", {"after": after, "limit": ROWS}).fetchall()
            for subject, source, *stored in rows:
                text = look_ups.body(db, bodies, *stored)
                if text is not None and CONFIGURATION.encode() in text:
                    named_hosts.add_looked_up(db, source, subject, decoded_object(text))
        if len(rows) < ROWS:
            return
        after = rows[-1][0]
