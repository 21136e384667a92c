"""What decides what is fetched and delivered next, when the disk has changed it: seen, made good, and written down.

Nothing goes on with a wrong value: a position would skip entries, a checkpoint what the source has. Both begin anew
instead, which costs repeats. What was found stays in the status.
"""

from collections.abc import Sequence

import orjson

from connector import telemetry
from connector.journals.sql import positions
from connector.journals.sql.dialect import Database, Transaction
from connector.journals.sql.rows import columns_checksum
from connector.model import ANEW, Damage, Json

OF_CHECKPOINT = (
    "the disk has changed how far it had come: it reads anew all that its upstream still has (VirusTotal: the last 7"
    " days), and what is known already is not stored again"
)
OF_POSITION = (
    "the disk has changed how far it had come in {}: it begins anew there with the oldest notification kept, and may"
    " deliver again what it has delivered"
)


def checkpoint_row(source_id: int, checkpoint: Json) -> dict[str, bytes | int]:
    """A checkpoint and its checksum, as the columns have them."""
    stored = orjson.dumps(checkpoint)
    return {"checkpoint": stored, "checksum": _checksum(source_id, stored)}


def is_checkpoint_damaged(source_id: int, stored: object, check: int | None) -> bool:
    """Whether a checkpoint is not what was stored; there is none before the first page."""
    return (stored, check) != (None, None) and check != _checksum(source_id, stored)


def mend_checkpoint(database: Database, source: str, now: int) -> None:
    """Have a source begin anew if its checkpoint is damaged."""
    with database.write() as db:
        source_id, stored, check = db.run("checkpoint", {"source": source}).fetchone()
        if is_checkpoint_damaged(source_id, stored, check):
            db.run("set_checkpoint", {"id": source_id, **checkpoint_row(source_id, ANEW)})
            _tell(db, source, OF_CHECKPOINT, now)


def mend_positions(database: Database, route: str, sources: Sequence[str], now: int) -> None:
    """Set the positions of a route that are damaged to before the first entry."""
    with database.write() as db:
        wrong = positions.damaged(db, route, sources)
        for source in wrong:
            positions.move(db, positions.route_id(db, route), positions.source_id(db, source), 0)
        if wrong:
            _tell(db, route, OF_POSITION.format(", ".join(wrong)), now)


def last(db: Transaction, name: str) -> Damage | None:
    """What was last made good of a source or route."""
    row = db.run("damage", {"name": name}).fetchone()
    return None if row is None else Damage(*row)


def _tell(db: Transaction, name: str, reason: str, now: int) -> None:
    db.run("store_damage", {"name": name, "reason": reason, "at": now})
    telemetry.logger().error("damaged", part=name, reason=reason)


def _checksum(source_id: int, stored: object) -> int:
    return columns_checksum("checkpoint", source_id, stored)
