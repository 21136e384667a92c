"""A route: which notifications go through which mapping into which sink."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard, runtime_checkable

from connector.model import Document, Entry, JsonObject, Judgement, Withheld
from connector.pipeline.versions import REFRESH
from connector.ports import Format, Guards, ObjectFormat, Outbox, Sink
from connector.values import assessments
from connector.values.display import one_line


class RouteMapping(Protocol):
    """A compiled mapping, as far as the pipeline uses it."""

    @property
    def format(self) -> Format:
        """The format of its documents."""
        ...

    def render(self, view: JsonObject) -> Sequence[Document] | None:
        """Documents, in order of reference; None when the notification is not for this mapping; or Refused."""
        ...


class Rendering(Protocol):
    """What a mapping made of one notification."""

    @property
    def documents(self) -> Sequence[Document]:
        """In order of reference."""
        ...

    @property
    def claims(self) -> bool:
        """Whether they say that the observable is bad."""
        ...


@runtime_checkable
class Withdrawing(RouteMapping, Protocol):
    """A mapping that can say how to take back what was delivered of an observable."""

    @property
    def withdraws(self) -> bool:
        """Whether it does say so."""
        ...

    def rendering(self, view: JsonObject, *, whatever: bool = False) -> Any:
        """As `render`, to be handed to `withdrawal`; `whatever` the mapping's own condition says."""
        ...

    def withdrawal(self, rendering: Any, why: Withheld, *, alone: bool) -> Sequence[Document]:
        """What takes back what was delivered; unless `alone`, among the documents of the rendering; or Refused."""
        ...

    def is_for(self, view: JsonObject) -> bool:
        """Whether a notification is for this mapping, by the mapping's own condition; or Refused."""
        ...


GUARD = "guard"
"""The reason by a known-good list."""
JUDGEMENT = "judgement"
"""Who withholds what an analyst judged."""
VERDICT = "verdict"
"""Who withholds what is benign, where it is merely named."""
CONDITION = "condition"
"""Who withholds what a `when` or `match` does not let through."""
_VERDICTS = {"false_positive": "a false positive", "benign": "benign"}
NOT_WANTED = Withheld(CONDITION, "the route's `when` does not let it through")
NOT_WANTED_BENIGN = Withheld(CONDITION, f"VirusTotal calls it benign now, and {NOT_WANTED.reason}")
SPOKEN_AGAINST = Withheld("verdict", "a later notification has ended what it claims")
NOT_MATCHED = Withheld(CONDITION, "the mapping's `match` does not let it through")


def everything(_: JsonObject) -> bool:
    """The filter of a route without `when`."""
    return True


def makes_claims(mapping: RouteMapping) -> TypeGuard[Withdrawing]:
    """Whether what a mapping makes can be taken back."""
    return isinstance(mapping, Withdrawing) and mapping.withdraws


def _said(judgement: Judgement) -> str:
    what = "its rule" if judgement.judged.kind == "rule" else "it"
    note = f": {one_line(judgement.note)}" if judgement.note else ""
    return f"{judgement.by} judged {what} {_VERDICTS[judgement.verdict]}{note}"


def judged_wrong(judgement: Judgement | None) -> Withheld | None:
    """That an analyst judged what a notification is about, or the notification, wrong; None: nobody did."""
    return Withheld(JUDGEMENT, _said(judgement)) if judgement is not None and judgement.withholds else None


def guarded_view(view: dict[str, Any], guards: Guards | None) -> dict[str, Any]:
    """The view of a notification, with what guards that which it is about."""
    guard = None if guards is None else guards.of_notification(view)
    view["guard"] = None if guard is None else guard.for_mappings()
    return view


def known_good(view: JsonObject) -> Withheld | None:
    """That a known-good list suppresses what a notification is about; None: none does."""
    guard = view["guard"]
    if guard is None or guard["effect"] != "suppress":
        return None
    return Withheld(GUARD, f"it is on the list {guard['list']} of what is known to be good")


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose notifications a source fetches.

    Attributes:
        source: what mappings and conditions see as `source`: its `name` and `labels`.
        mapping: that of the route, for the producer that signs for this source.
        guards: what is known to be good of what they say; None: what the mapping itself has.
    """

    source: JsonObject
    mapping: RouteMapping
    guards: Guards | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A mapping and a sink, with a position of its own in the journal.

    Attributes:
        sources: the sources whose notifications it reads.
        wants: the route's filter over the view of a notification.
        mapping: its mapping, for the producer that signs for all sources which are not among the tenants.
        receiver: the identity of where the sink sends; see `connector.ports.Outbox.versions`.
        refresh: see `connector.pipeline.versions.REFRESH`.
        reads_all: whether sources that are added later are read too.
        batch: how many notifications are rendered, sent and advanced past at once.
        waits_for: see `connector.settings.parts.SinkSettings.waits_for`.
        collection: the collection of the journal that the sink fills, if it does.
        keep_days: how many days that keeps what is not valid any more; None: for ever.
        tenants: what is said of its sources, by their names.
        terms: on which it lets notifications through, its condition and known-good lists, as a digest: when that has
            changed, what it has delivered on others is looked through. Empty: nothing is.
        beside: other routes that may tell the same receiver of the same objects: none says what another ends, and none
            ends what another says.
    """

    name: str
    sources: Sequence[str]
    wants: Callable[[JsonObject], bool]
    mapping: RouteMapping
    sink: Sink
    receiver: str = ""
    refresh: float = REFRESH
    reads_all: bool = False
    batch: int = 500
    waits_for: str = ""
    collection: str = ""
    keep_days: int | None = None
    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    beside: Sequence[str] = ()
    terms: str = ""

    def turn(self, journal: Outbox) -> AbstractContextManager[None]:
        """What a step must hold in which anything is told to the receiver."""
        return journal.turn(self.receiver) if self.beside else nullcontext()

    def withheld(self, entry: Entry, view: JsonObject) -> Withheld | None:
        """Why the route does not let a notification through; None: it does; or Refused.

        Args:
            entry: the notification.
            view: how mappings and conditions see it, with what guards it.
        """
        if (judged := judged_wrong(entry.judgement)) is not None:
            return judged
        if (guarded := known_good(view)) is not None:
            return guarded
        if self.wants(view):
            return None
        return NOT_WANTED_BENIGN if assessments.is_benign(view["entity"]) else NOT_WANTED

    @property
    def can_revise(self) -> bool:
        """Whether something can be sent of what was learned later.

        New versions, what takes back what was sent, or events of what `when` has turned away.
        """
        is_filtered = self.wants is not everything
        return isinstance(self.mapping.format, ObjectFormat) or makes_claims(self.mapping) or is_filtered

    def tenant(self, source: str) -> Tenant:
        """Whose notifications a source fetches."""
        return self.tenants.get(source) or Tenant({"name": source, "labels": {}}, self.mapping)
