"""What a thousand tests would do again, each with the same outcome, is done once in each process of a test run.

Commands that tests start in processes of their own do all of it themselves.
"""

import functools
import sqlite3
import threading

from connector import configuration
from connector.journals.sqlite import database
from connector.journals.sqlite.database import Connection, Database
from connector.mapping import CompiledMapping, files
from connector.settings.producer import Producer

_lock = threading.Lock()


def share() -> None:
    """From here on."""
    Database._migrate = _migrate
    configuration.load_mapping = _load_mapping


_migrate_itself = Database._migrate
_load_mapping_itself = configuration.load_mapping


def _migrate(self: Database, connection: Connection) -> None:
    """Copy the tables of a new journal, which takes a tenth of the time that all migrations take."""
    if list(self._migrations) != _migrations() or not database._is_empty(connection):
        _migrate_itself(self, connection)
        return
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    with _lock:
        _new_journal().backup(connection)
    connection.execute("UPDATE identity SET id = lower(hex(randomblob(16)))")


@functools.cache
def _migrations() -> list[str]:
    return list(database.migrations())


@functools.cache
def _new_journal() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", factory=Connection, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    for script in _migrations():
        connection.executescript(script)
    return connection


def _load_mapping(using, producer=None, profile=None, overlays=()):
    """Bundled mappings are compiled once for each producer and profile; nothing in them changes when they are used."""
    if overlays or using not in files.bundled_mappings():
        return _load_mapping_itself(using, producer, profile, overlays)
    signed = producer or Producer()
    with _lock:
        return _bundled(using, signed.model_dump_json(), profile)


@functools.cache
def _bundled(using: str, producer: str, profile: str | None) -> CompiledMapping:
    return _load_mapping_itself(using, Producer.model_validate_json(producer), profile)
