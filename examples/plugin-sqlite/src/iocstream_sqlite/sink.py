"""The sink `sqlite`: each message is a row, added once, however often it is sent."""

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Literal

from pydantic import Field

from connector.plugin import Message, Misconfigured, PlacedPath, Refusal, SinkKind, SinkSettings, Unavailable

TABLE = """
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,  -- of id and body: what is sent again is there already
    id TEXT NOT NULL,             -- of the STIX object or the notification
    version TEXT,                 -- of the STIX object
    raised INTEGER NOT NULL,      -- when the notification was, in Unix seconds
    body BLOB NOT NULL
)
"""
ADD = "INSERT OR IGNORE INTO messages (digest, id, version, raised, body) VALUES (?, ?, ?, ?, ?)"


class SqliteSettings(SinkSettings):
    """The table `messages` of an SQLite file, to which each message is added once."""

    type: Literal["sqlite"] = Field("sqlite", description="The kind of sink: a table of SQLite.")
    path: PlacedPath = Field(description="The path of the SQLite file. A file that does not exist is made.")
    max_message_bytes: int = Field(
        1_000_000, ge=1, description="The longest message that is taken, in bytes; a longer one becomes a dead letter."
    )
    timeout_seconds: float = Field(
        10, gt=0, le=600, description="Longest wait, in seconds, for another program that is writing to the file."
    )

    def receiver(self) -> str:
        """See `connector.plugin.SinkSettings`."""
        return f"sqlite {self.path}"


class SqliteSink:
    """Implements `connector.plugin.Sink`. A batch is one transaction: all of it is there, or nothing."""

    def __init__(self, settings: SqliteSettings) -> None:
        self._settings = settings

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """Add what is not there yet, by dependency level and then as given."""
        most = self._settings.max_message_bytes
        refused = [Refusal(each, f"longer than {most} bytes") for each in messages if len(each.body) > most]
        taken = sorted(
            (each for each in messages if len(each.body) <= most), key=lambda message: message.dependency_level
        )
        if taken:
            with self._opened() as db, db:
                db.execute(TABLE)
                db.executemany(ADD, [(_digest(each), each.id, each.version, each.time, each.body) for each in taken])
        return refused

    def check(self) -> str:
        """Look at the file, and make none."""
        path = self._settings.path
        if not path.exists():
            if not os.access(path.parent, os.W_OK | os.X_OK):
                raise Unavailable(f"the folder {path.parent} is not there, or may not be written to")
            return f"{path} will be made"
        with self._opened() as db:
            db.execute("SELECT 1 FROM sqlite_schema").fetchone()
        return f"{path} can be added to"

    def close(self) -> None:
        """Hold nothing open between batches."""

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._settings.path, timeout=self._settings.timeout_seconds)) as db:
                yield db
        except sqlite3.OperationalError as error:  # locked, no room, no such folder: it may pass
            raise Unavailable(f"{self._settings.path}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise Misconfigured(f"{self._settings.path}: {error}; set `path` to another file") from None


def _digest(message: Message) -> bytes:
    return hashlib.sha256(message.id.encode() + b"\0" + message.body).digest()


KIND = SinkKind(contract=1, settings=SqliteSettings, make=lambda settings, _: SqliteSink(settings))
