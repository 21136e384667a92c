"""Entries as a route's mappings and conditions see them: with their source, what guards them, and who makes claims."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from connector import notification
from connector.mapping import Guarding
from connector.model import UNREADABLE, Entry, JsonObject, Refused, Withheld
from connector.pipeline.claims import observable
from connector.pipeline.convert import DAMAGED, Rendered
from connector.pipeline.judged_values import JudgedValues
from connector.pipeline.route import (
    GUARD,
    JUDGEMENT,
    Route,
    RouteMapping,
    Tenant,
    Withdrawing,
    guarded_view,
    makes_claims,
)
from connector.ports import Guards, Outbox


class Seen(NamedTuple):
    """An entry as mappings see it.

    Attributes:
        withheld: why the route does not let it through.
        claiming: the mapping, if it makes claims.
        observable: what these are about.
    """

    entry: Entry
    mapping: RouteMapping
    view: JsonObject
    withheld: Withheld | None
    claiming: Withdrawing | None = None
    observable: int = 0

    @property
    def is_muted(self) -> bool:
        """Whether an analyst judged it wrong."""
        return self.withheld is not None and self.withheld.by == JUDGEMENT

    @property
    def is_guarded(self) -> bool:
        """Whether a known-good list suppresses what it is about."""
        return self.withheld is not None and self.withheld.by == GUARD


class Sight:
    """How one route sees the entries of one batch."""

    def __init__(self, route: Route, journal: Outbox) -> None:
        self._route = route
        self._journal = journal
        self._claiming_mappings: dict[int, tuple[Withdrawing, str] | None] = {}  # by id(); with who makes the claims
        self._tenants: dict[str, Tenant] = {}  # by source

    def see(self, entry: Entry) -> Seen | Rendered:
        """An entry as mappings see it; what could not be read is the source's matter."""
        if entry.notification.id.startswith(UNREADABLE):
            return Rendered(entry, wanted=False)
        if entry.damaged:
            return Rendered(entry, refusal=Refused(DAMAGED, by="notification"))
        tenant = self._tenant(entry.source)
        try:
            view = self.view(entry)
            with self.guarding(entry.source):
                withheld = self._route.withheld(entry, view)
        except Refused as refusal:
            return Rendered(entry, refusal=refusal)
        if (found := self._makes_claims(tenant.mapping)) is None:
            return Seen(entry, tenant.mapping, view, withheld)
        claiming, author = found
        return Seen(entry, claiming, view, withheld, claiming, observable(view, author))

    def view(self, entry: Entry) -> JsonObject:
        """An entry as mappings and conditions see it; or Refused."""
        tenant = self._tenant(entry.source)
        view = notification.view(entry.notification, entry.context, tenant.source, entry.judgement, entry.entity)
        return guarded_view(view, tenant.guards)

    def guards(self, source: str) -> Guards | None:
        """What guards what a source's notifications say, what is judged among it; None: what the mapping itself has."""
        return self._tenant(source).guards

    def guarding(self, source: str) -> Guarding:
        """The same, for as long as a block lasts in which conditions and mappings are evaluated."""
        guards = self.guards(source)
        return Guarding(None if guards is None else guards.derived)

    def alike(self, entry: Entry, most: int) -> Sequence[Entry]:
        """Other entries of the route about the same observable, the newest first."""
        return self._journal.alike(entry.seq, self._route.sources, most)

    def _tenant(self, source: str) -> Tenant:
        """Whose notifications a source fetches, what is judged among what guards them."""
        if source not in self._tenants:
            tenant = self._route.tenant(source)
            if tenant.guards is not None:
                tenant = replace(tenant, guards=JudgedValues(tenant.guards, self._journal, source))
            self._tenants[source] = tenant
        return self._tenants[source]

    def _makes_claims(self, mapping: RouteMapping) -> tuple[Withdrawing, str] | None:
        """A mapping that makes claims, with the author of these: each has objects of its own."""
        key = id(mapping)
        if key not in self._claiming_mappings:
            found = None
            if makes_claims(mapping):
                found = mapping, mapping.format.names.get("producer", {}).get("id", "")
            self._claiming_mappings[key] = found
        return self._claiming_mappings[key]
