"""The journal in one SQLite file: for one machine, with nothing to install."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from connector.journals.sql.bodies import Bodies
from connector.journals.sql.collections import SqlCollections
from connector.journals.sql.journal import SqlJournal
from connector.journals.sql.pruning import Retention
from connector.journals.sqlite.database import Database, migrations
from connector.journals.sqlite.file_check import check_file
from connector.journals.sqlite.leases import Leases
from connector.journals.sqlite.process import Process
from connector.settings.config import Settings, placed


class SqliteSettings(Settings):
    """A journal in one SQLite file."""

    type: Literal["sqlite"] = Field("sqlite", description="The kind of journal: one SQLite file.")
    path: Path = Field(
        Path("iocstream.db"),
        validate_default=True,
        description="The journal's file, on a local disk. A file that does not exist is made, with mode 0600.",
    )
    retention_days: int = Field(
        30,
        ge=8,
        le=36_500,
        description=(
            "How many days notifications are kept for replays, once every route has dealt with them. At "
            "least 8, because VirusTotal may repeat a notification for 7 days."
        ),
    )
    repeat_days: int = Field(
        90,
        ge=8,
        le=36_500,
        description=(
            "How many days the id of a notification is known after it was raised, so that a repeat is not stored "
            "again; at least for as long as the notification is kept. VirusTotal may repeat one for 7 days; a file "
            "that is handed in again may be older. What comes again later is delivered again, as the same objects."
        ),
    )
    ledger_days: int = Field(
        400,
        ge=30,
        le=36_500,
        description=(
            "How many days it is known what a route has sent of an object, after a notification last said it. The "
            "bundled mappings make no indicator that is valid for longer than 365 days. What is said again later is "
            "sent again, and its `created` is then that of the new match. Of superseded versions it is known for "
            "`retention_days`. What is in a collection of the journal is known for as long as it is there."
        ),
    )
    busy_timeout_seconds: float = Field(
        10,
        gt=0,
        le=600,
        description=(
            "Longest wait, in seconds, for another process that is writing to the file. A write takes a "
            "fraction of a second, so a longer wait means that something is wrong."
        ),
    )

    @field_validator("path")
    @classmethod
    def _beside_the_configuration(cls, path: Path, info: ValidationInfo) -> Path:
        absolute = placed(path, info)
        if not absolute.exists() and path.is_file():
            raise ValueError(
                f"there is no journal at {absolute}, but one at {path.absolute()}, in the folder where this runs: paths"
                " are relative to the configuration's folder. Move that journal, or set journal.path to where it is;"
                " without it everything would be fetched and sent again"
            )
        return absolute


class SqliteJournal(SqlJournal):
    """A `connector.ports.Journal`. Opens its file at first use."""

    def __init__(
        self, settings: SqliteSettings, *, process: Process | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        database = Database(settings.path, busy_timeout_seconds=settings.busy_timeout_seconds, migrations=migrations())
        leases = Leases(database, process or Process.current(), clock)
        bodies = Bodies(database.damaged)
        collections = SqlCollections(database, bodies, partial(check_file, settings.path), clock)
        retention = Retention(settings.retention_days, settings.repeat_days, settings.ledger_days)
        super().__init__(database, leases, bodies, collections, clock, retention=retention)
