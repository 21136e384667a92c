"""The versions of objects that each route has sent to each of its receivers, or is about to send.

Two routes into one receiver have a ledger each: neither waits for the other, whose mapping may be another.
"""

from collections.abc import Mapping, Sequence

from connector.journals.sql.dialect import Transaction
from connector.journals.sql.rows import json_list
from connector.model import Version


def versions(db: Transaction, route: str, object_ids: Sequence[str], receiver: str) -> Mapping[str, Sequence[Version]]:
    """As `connector.ports.Outbox.versions`."""
    found: dict[str, list[Version]] = {}
    ledger = db.run("ledger", {"route": route, "receiver": receiver}).fetchone()
    if ledger is None:
        return found
    rows = db.run("versions", {"ledger": ledger[0], "object_ids": json_list(object_ids)})
    for object_id, seq, digest, created, modified, sent, last_seq in rows:
        version = Version(object_id, seq, digest, created, modified, sent=bool(sent), last_seq=last_seq)
        found.setdefault(object_id, []).append(version)
    return found


def ledger_id(db: Transaction, route: str, route_number: int, receiver: str) -> int:
    """The number of a route's ledger for a receiver, which gets one if it has none.

    The one of before ledgers were kept for each receiver becomes that of the first that is asked for.
    """
    row = db.run("ledger", {"route": route, "receiver": receiver}).fetchone()
    if row is None:
        return db.insert("add_ledger", {"route": route_number, "receiver": receiver})
    ledger, of = row
    if of != receiver:
        db.run("adopt_ledger", {"ledger": ledger, "receiver": receiver})
    return int(ledger)


def record(db: Transaction, ledger: int, versions: Sequence[Version]) -> None:
    """Write versions down, or that one written down has been sent.

    Raises:
        RuntimeError: one is written down with another content, which only a bug brings about.
    """
    rows = [{**version._asdict(), "ledger": ledger} for version in versions]
    if db.run_many("record_version", rows) < len(rows):
        raise RuntimeError("two contents for one version of an object")


def mark_unsent(db: Transaction, ledger: int, versions: Sequence[Version]) -> None:
    """Forget that the sink has accepted these versions."""
    keys = ({"object_id": each.object_id, "modified": each.modified} for each in versions)
    db.run_many("mark_unsent", [{**key, "ledger": ledger} for key in keys])
