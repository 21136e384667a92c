"""What every kind of source, sink and journal says of itself, whatever its own options are."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field, field_validator

from connector.model import Ahead
from connector.settings.config import Settings
from connector.settings.guards import GuardSettings
from connector.settings.producer import Producer

MAX_LABELS = 20

LabelName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
"""A name that expressions can write as it is."""
LabelText = Annotated[str, Field(min_length=1, max_length=200)]


class SourceSettings(Settings):
    """Options of a source. A kind adds its own and says here what it can do."""

    if TYPE_CHECKING:  # each kind declares these itself, where its documentation has them
        type: str
        poll_seconds: int

    labels: dict[LabelName, LabelText] = Field(
        default_factory=dict,
        max_length=MAX_LABELS,
        description=(
            "What mappings and conditions see as `source.labels`: names with a text each, such as "
            "`{tenant: acme, region: eu}`. The bundled mappings write out `tenant`, whose notifications these "
            "are, and the others where the format has a place."
        ),
    )
    producer: Producer | None = Field(
        None,
        description=(
            "Who signs the STIX objects of this source's notifications, and their TLP marking. What is left "
            "out is as under `producer` at the top of the file. Without it: the producer at the top."
        ),
    )

    guards: GuardSettings | None = Field(
        None,
        description=(
            "What is known to be good for notifications of this source, beside what the top of the configuration names."
        ),
    )

    @field_validator("labels")
    @classmethod
    def _one_line_each(cls, labels: dict[str, str]) -> dict[str, str]:
        for name, text in labels.items():
            if not text.isprintable():
                raise ValueError(f"{name} must be one line of printable text")
        return labels

    def look_up_limit(self) -> int:
        """How many look-ups it may make a day; 0: it makes none."""
        return 0

    def shares(self) -> Sequence[str]:
        """What it may tell others upstream of what is judged, when it is asked to: `comment`, `vote`."""
        return ()

    def looks_up(self) -> Ahead | None:
        """What it looks up of the entities that its notifications are about; see `connector.model.Page`."""
        return None

    def waits_for(self) -> str:
        """Whose answers it waits for: parts that wait for the same share a few threads, and so hold up no others."""
        return self.type

    def upstream(self) -> Hashable | None:
        """Where single notifications can be asked for, by id (`connector.ports.SearchableSource`); None: nowhere.

        Two sources with the same upstream see the same notifications.
        """
        return None


class Destination(NamedTuple):
    """Where a sink writes, when no other route may write there.

    Attributes:
        key: the same for all sinks that write there.
        option: the option that says where.
        taken: what the route that has it does, for an error: `writes this file`.
    """

    key: Hashable
    option: str
    taken: str


class Misfit(NamedTuple):
    """Why a sink cannot take what a mapping makes, and the option that is at fault."""

    option: str
    reason: str


class PublishedCollection(NamedTuple):
    """A collection of the journal that a sink fills and the server publishes."""

    name: str
    title: str
    description: str | None
    keep_days: int | None = None


class JournalSettings(Settings):
    """Options of a journal: how long it keeps what. A kind adds its own, and says here where it is."""

    if TYPE_CHECKING:  # each kind declares this itself, where its documentation has it
        type: str

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

    def place(self) -> str:
        """Where it is, for people: nothing secret is in it."""
        raise NotImplementedError

    def beside(self, suffix: str) -> Path:
        """A file of this machine that belongs to it, where nothing says which."""
        raise NotImplementedError

    def files(self) -> Sequence[Path]:
        """The files of this machine that it is in; none, for one in a database."""
        return ()


AT_ONCE = 500
"""Notifications that a sink is given at once, where it does not say otherwise."""


class SinkSettings(Settings):
    """Options of a sink. A kind adds its own and says here what it needs of its route."""

    if TYPE_CHECKING:
        type: str

    def writes_to_stdout(self) -> bool:
        """Whether its output goes where a command's own answer would go."""
        return False

    def destination(self) -> Destination | None:
        """Where it writes, when no other route may; None: others may send there too."""
        return None

    def receiver(self) -> str:
        """A text that tells its destination from all others, for people to read too; without secrets.

        While it stays the same, what was delivered there counts as delivered.
        """
        return self.type

    def waits_for(self) -> str:
        """Whose answers it waits for: parts that wait for the same share a few threads, and so hold up no others."""
        return self.receiver()

    def at_once(self) -> int:
        """How many notifications it is given at once: what a crash in between may have it send again."""
        return AT_ONCE

    def misfit(self, format_name: str) -> Misfit | None:
        """Why it cannot take documents of a format; None: it can."""
        del format_name
        return None

    def published(self) -> PublishedCollection | None:
        """The collection of the journal that it fills; None: it fills none."""
        return None
