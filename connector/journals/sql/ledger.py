"""The versions of objects that each route has sent or is about to send."""

from collections.abc import Mapping, Sequence

from connector.journals.sql.dialect import Transaction
from connector.journals.sql.rows import json_list
from connector.model import Version


def versions(db: Transaction, route: str, object_ids: Sequence[str]) -> Mapping[str, Sequence[Version]]:
    """As `connector.ports.Outbox.versions`."""
    found: dict[str, list[Version]] = {}
    rows = db.run("versions", {"route": route, "object_ids": json_list(object_ids)})
    for object_id, seq, digest, created, modified, sent, last_seq in rows:
        version = Version(object_id, seq, digest, created, modified, sent=bool(sent), last_seq=last_seq)
        found.setdefault(object_id, []).append(version)
    return found


def record(db: Transaction, route_id: int, versions: Sequence[Version]) -> None:
    """Write versions down, or that one written down has been sent.

    Raises:
        RuntimeError: one is written down with another content, which only a bug brings about.
    """
    rows = [{**version._asdict(), "route": route_id} for version in versions]
    if db.run_many("record_version", rows) < len(rows):
        raise RuntimeError("two contents for one version of an object")


def mark_unsent(db: Transaction, route_id: int, versions: Sequence[Version]) -> None:
    """Forget that the sink has accepted these versions."""
    keys = ({"object_id": each.object_id, "modified": each.modified} for each in versions)
    db.run_many("mark_unsent", [{**key, "route": route_id} for key in keys])
