"""A journal for the IoC-Stream Connector: that of the connector in a file of yours, to be changed verb by verb.

A journal has some fifty verbs, and one transaction for what belongs together, so that nothing is lost when the process
is killed. Begin with one that keeps this, and have the tests tell what your own store still lacks.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from connector.journals.sqlite.journal import KIND as SQLITE
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.plugin import JournalKind, JournalSettings, PlacedPath


class NewNameSettings(JournalSettings):
    """A journal in a file."""

    type: Literal["new_name"] = Field("new_name", description="The kind of journal: a file.")
    path: PlacedPath = Field(description="The path of the file. One that does not exist is made.")

    def place(self) -> str:
        """Where it is, for people and logs; without secrets."""
        return f"new_name {self.path}"

    def beside(self, suffix: str) -> Path:
        """Where a file that belongs to the journal lies, such as that of what was judged."""
        return Path(f"{self.path}.{suffix}")

    def kept(self) -> SqliteSettings:
        """The same for the journal that it is made of."""
        return SqliteSettings(path=self.path, **self.model_dump(include={*JournalSettings.model_fields} - {"type"}))


class NewNameJournal(SqliteJournal):
    """Implements `connector.plugin.Journal`. Opens nothing before it is used."""

    def __init__(self, settings: NewNameSettings, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(settings.kept(), clock=clock)

    # A verb that is defined here takes the place of the one that is inherited.


KIND = JournalKind(
    contract=1,
    settings=NewNameSettings,
    make=NewNameJournal,
    check=lambda settings: SQLITE.check(settings.kept()),
    exists=lambda settings: settings.path.exists(),
    is_of_this_version=lambda settings: SQLITE.is_of_this_version(settings.kept()),
)
