"""What guards the notifications of one source on one route: lists named for all, for the source and for the route."""

import functools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from connector.guards import lists
from connector.guards.matcher import Match, Matcher
from connector.model import Guarded, JsonObject
from connector.settings.guards import GuardSettings, ListSettings, Reach

BUNDLED = "bundled"
"""How the names of the lists that come with the product begin."""
_KNOWN_GOOD = Path(__file__).parent / "known_good"
_NOTHING = GuardSettings()


class Guards:
    """What guards the notifications of one source on one route; safe for use from several threads.

    Args:
        sections: the lists of each section, the widest section first.
        exceptions: what no list guards.
        known_good: the list that comes with the product.
        reach: what that list guards.
    """

    def __init__(
        self, sections: Sequence[Matcher], exceptions: Matcher, known_good: Matcher, reach: Reach = "derived"
    ) -> None:
        self._exceptions = exceptions
        self._for_observables = [*sections, *([known_good] if reach == "all" else [])]
        self._for_derived = [*sections, *([] if reach == "none" else [known_good])]

    @functools.cached_property
    def digest(self) -> bytes:
        """What tells whether these guard the same values with the same effect as others."""
        parts = [self._exceptions, *self._for_observables, None, *self._for_derived]
        return b"\0".join(b"" if each is None else each.digest for each in parts)

    def derived(self, value: str) -> Guarded | None:
        """What guards a value that a notification merely names, such as a host in a malware configuration."""
        return _guarded(self._best(self._for_derived, value))

    def observable(self, value: str) -> Guarded | None:
        """What guards a value that a notification is about."""
        return _guarded(self._best(self._for_observables, value))

    def of_notification(self, view: JsonObject) -> Guarded | None:
        """What guards that which a notification is about: of a file, any of its hashes.

        Args:
            view: what `connector.notification.view` gives.
        """
        if not self._for_observables:
            return None
        entity = view["entity"]
        is_file = view["notification"]["entity_type"] == "file"
        values = (view["entity_value"], *((entity.get("md5"), entity.get("sha1")) if is_file else ()))
        found = [
            match
            for value in values
            if isinstance(value, str) and (match := self._best(self._for_observables, value)) is not None
        ]
        return _guarded(min(found, key=_rank, default=None))

    def exception(self, value: str) -> str | None:
        """The exception for which no list guards a value; None: there is none."""
        found = self._exceptions.match(value)
        return None if found is None else found.entry

    def matches(self, value: str, *, derived: bool) -> Sequence[Match]:
        """What each section has to say of a value, whether or not it is an exception."""
        matchers = self._for_derived if derived else self._for_observables
        return [match for matcher in matchers if (match := matcher.match(value)) is not None]

    def _best(self, matchers: Sequence[Matcher], value: str) -> Match | None:
        best: Match | None = None
        for matcher in matchers:
            found = matcher.match(value)
            if found is not None and (best is None or _rank(found) < _rank(best)):
                best = found
        # Exceptions are few; they are asked only of what would be guarded.
        return None if best is None or self._exceptions.match(value) is not None else best


def _rank(match: Match) -> bool:
    return match.of.effect != "suppress"


def _guarded(match: Match | None) -> Guarded | None:
    if match is None:
        return None
    of = match.of
    return Guarded(of.name, of.effect, of.confidence if of.effect == "label" else None, match.entry)


class GuardBook:
    """The guards of a whole configuration. A list is read when it is first needed, once however many sections name it.

    Args:
        everywhere: the section at the top of the configuration.
        sources, routes: the sections of sources and routes that have one, by name.
    """

    def __init__(
        self,
        everywhere: GuardSettings = _NOTHING,
        sources: Mapping[str, GuardSettings] | None = None,
        routes: Mapping[str, GuardSettings] | None = None,
    ) -> None:
        self._everywhere = everywhere
        self._sources = sources or {}
        self._routes = routes or {}
        self._matchers: dict[str, Matcher] = {}
        self._guards: dict[tuple[str, str], Guards] = {}
        self._lock = threading.Lock()

    def of(self, route: str = "", source: str = "") -> Guards:
        """What guards the notifications of a source on a route; without names, what guards all.

        Raises:
            Misconfigured: a list is not what it should be.
        """
        key = self.key(route, source)
        with self._lock:
            if key not in self._guards:
                self._guards[key] = self._made(*key)
            return self._guards[key]

    def read(self) -> Sequence[lists.GuardList]:
        """Read every list that the configuration names; those of a section once, however many have the same.

        Raises:
            Misconfigured: a list is not what it should be.
        """
        for source in ("", *self._sources):
            for route in ("", *self._routes):
                self.of(route, source)
        return self._read()

    def _read(self) -> Sequence[lists.GuardList]:
        return [each for matcher in self._matchers.values() for each in matcher.lists]

    def key(self, route: str, source: str) -> tuple[str, str]:
        """The route and the source, each by its name where it has guards of its own, else empty."""
        return (route if route in self._routes else "", source if source in self._sources else "")

    def _made(self, route: str, source: str) -> Guards:
        sections = [self._everywhere, self._sources.get(source, _NOTHING), self._routes.get(route, _NOTHING)]
        exceptions = [value for section in sections for value in section.exceptions]
        reach: Reach = "derived"
        for section in sections:
            reach = section.bundled or reach
        return Guards(
            [self._matcher(section.lists) for section in sections if section.lists],
            Matcher([lists.of_values("except", exceptions)] if exceptions else []),
            known_good(),
            reach,
        )

    def _matcher(self, chosen: Sequence[ListSettings]) -> Matcher:
        key = "\n".join(each.model_dump_json() for each in chosen)
        if key not in self._matchers:
            self._matchers[key] = Matcher(lists.read(chosen, self._read()))
        return self._matchers[key]


@functools.cache
def known_good() -> Matcher:
    """The list that comes with the product, in several files by what they are of."""
    paths = sorted(_KNOWN_GOOD.glob("*.txt"))
    return Matcher(lists.read([ListSettings(path=path, name=f"{BUNDLED}.{path.stem}") for path in paths]))


@functools.cache
def bundled() -> Guards:
    """What guards where no configuration says otherwise: the list that comes with the product."""
    return GuardBook().of()
