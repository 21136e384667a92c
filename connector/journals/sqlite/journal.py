"""The journal in one SQLite file: for one machine, with nothing to install."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from connector.journals.sql.bodies import Bodies
from connector.journals.sql.collections import SqlCollections
from connector.journals.sql.journal import SqlJournal
from connector.journals.sql.leases import Leases
from connector.journals.sql.process import Process
from connector.journals.sql.pruning import Retention
from connector.journals.sqlite.database import Database, migrations
from connector.journals.sqlite.file_check import check_file, is_of_this_version
from connector.plugin import CONTRACT, JournalKind
from connector.settings.config import placed
from connector.settings.parts import JournalSettings


class SqliteSettings(JournalSettings):
    """A journal in one SQLite file."""

    type: Literal["sqlite"] = Field("sqlite", description="The kind of journal: one SQLite file.")
    path: Path = Field(
        Path("iocstream.db"),
        validate_default=True,
        description="The journal's file, on a local disk. A file that does not exist is made, with mode 0600.",
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

    def place(self) -> str:
        """See `connector.settings.parts.JournalSettings`."""
        return str(self.path)

    def beside(self, suffix: str) -> Path:
        """See `connector.settings.parts.JournalSettings`."""
        return self.path.with_name(f"{self.path.name}.{suffix}")

    def files(self) -> Sequence[Path]:
        """See `connector.settings.parts.JournalSettings`."""
        return (self.path, *(self.path.with_name(f"{self.path.name}{suffix}") for suffix in ("-wal", "-shm")))


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


KIND = JournalKind(
    contract=CONTRACT,
    settings=SqliteSettings,
    make=SqliteJournal,
    check=lambda settings: check_file(settings.path),
    exists=lambda settings: settings.path.exists(),
    is_of_this_version=lambda settings: is_of_this_version(settings.path),
)
