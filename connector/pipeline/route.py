"""A route: which notifications go through which mapping into which sink."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from connector.model import Document, JsonObject
from connector.ports import Format, Sink


class RouteMapping(Protocol):
    """A compiled mapping, as far as the pipeline uses it."""

    @property
    def format(self) -> Format:
        """The format of its documents."""
        ...

    def render(self, view: JsonObject) -> Sequence[Document] | None:
        """Documents, in order of reference; None when the notification is not for this mapping; or Refused."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """A mapping and a sink, with a position of its own in the journal.

    Attributes:
        sources: the sources whose notifications it reads.
        wants: the route's filter over the view of a notification.
        receiver: the identity of where the sink sends; see `connector.ports.Outbox.versions`.
        reads_all: whether sources that are added later are read too.
        batch: how many notifications are rendered, sent and advanced past at once.
        waits_for: see `connector.settings.parts.SinkSettings.waits_for`.
        collection: the collection of the journal that the sink fills, if it does.
        keep_days: how many days that keeps what is not valid any more; None: for ever.
    """

    name: str
    sources: Sequence[str]
    wants: Callable[[JsonObject], bool]
    mapping: RouteMapping
    sink: Sink
    receiver: str = ""
    reads_all: bool = False
    batch: int = 500
    waits_for: str = ""
    collection: str = ""
    keep_days: int | None = None
