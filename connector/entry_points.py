"""What installed distributions offer to the connector by entry points: found by name, imported only when it is used.

To look for one reads the metadata of every distribution, and runs nothing of it.
"""

import importlib.metadata
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint
from typing import Protocol, TypeVar

from connector.model import Misconfigured
from connector.values.display import one_line, shortened
from connector.version import SUPPORTED, VERSION

PREFIX = "iocstream."
GROUPS = ("sources", "formats", "sinks", "journals", "functions")
"""The kinds of plugins. The group of their entry points is `iocstream.` and this."""
_MOST = 300
"""Characters that are shown of what another's code says."""


class _Declaration(Protocol):
    @property
    def contract(self) -> int: ...


Declared = TypeVar("Declared", bound=_Declaration)
"""A declaration of a plugin, which names the version of the contract that it was written for."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a distribution offers under a name.

    Attributes:
        group: one of `GROUPS`.
        name: by which configurations and mappings call it.
        distribution: who offers it, by the name under which pip knows it.
        version: of the distribution.
    """

    group: str
    name: str
    distribution: str
    version: str
    entry_point: EntryPoint

    @property
    def who(self) -> str:
        """The distribution and its version."""
        return f"{self.distribution} {self.version}"

    @property
    def what(self) -> str:
        """As a sentence names it: `the sink 'sqlite' of iocstream-sqlite 1.0`."""
        return f"the {self.group.removesuffix('s')} {self.name!r} of {self.who}"

    def load(self, kind: type[Declared]) -> Declared:
        """Import what it offers.

        Args:
            kind: what it must be: the declaration of a sink, …

        Raises:
            Misconfigured: it cannot be imported, whatever is the matter, is no such declaration, or was written for a
                contract that is not supported.
        """
        try:
            declared = self.entry_point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 -- of others, who may raise anything
            raise self._wrong(f"cannot be imported from {self.entry_point.value}: {said(error)}") from None
        if not isinstance(declared, kind):
            raise self._wrong(
                f"is no {kind.__name__} of connector.plugin: {self.entry_point.value} is a {type(declared).__name__}"
            )
        if declared.contract not in SUPPORTED:
            supported = ", ".join(map(str, sorted(SUPPORTED)))
            raise self._wrong(
                f"was written for version {declared.contract} of the contract with plugins, and this version of the "
                f"connector, {VERSION}, supports {supported}"
            )
        return declared

    def _wrong(self, what: str) -> Misconfigured:
        return Misconfigured(
            f"{self.what} {what}. Install a version of {self.distribution} that fits this connector, or uninstall it"
        )


def said(error: BaseException, hiding: Callable[[str], str] = str) -> str:
    """What the code of others raised, in one line: its type and its words, without what `hiding` hides."""
    words = shortened(one_line(hiding(words_of(error))), _MOST)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def is_of_the_terminal(error: BaseException) -> bool:
    """Whether a person ends the program by Ctrl-C, of which Python tells the main thread alone."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def words_of(error: BaseException) -> str:
    """What the code of others raised says; nothing, when it cannot even say that."""
    try:
        return str(error)
    except BaseException as another:
        if is_of_the_terminal(another):
            raise
        return ""


def offers() -> Sequence[Offer]:
    """Everything that is offered, by group and name."""
    return _read()[0]


def unread() -> Sequence[str]:
    """A sentence on each distribution of which it cannot be read what it offers."""
    return _read()[1]


def unread_hint() -> str:
    """What to add, in brackets, when a name is not found: it may be offered by one of those; empty without any."""
    return f" ({'; '.join(unread())})" if unread() else ""


@lru_cache(maxsize=1)
def _read() -> tuple[Sequence[Offer], Sequence[str]]:
    """What is offered, and what cannot be read; once in the life of the process."""
    found: dict[str, list[Offer]] = {}
    faulty = []
    for distribution in importlib.metadata.distributions():
        try:
            # Most have none of ours, which is seen in a fraction of the time that it takes to parse them.
            if PREFIX not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name = distribution.name
            if name not in found:  # the first is the one that is imported
                found[name] = list(_offers_of(distribution, name))
        except Exception as error:  # noqa: BLE001 -- its files are of others, and may have anything in them
            faulty.append(
                f"the entry points of {_known_as(distribution)} cannot be read: {said(error)}: install it again, or "
                "uninstall it"
            )
    every = sorted(itertools.chain(*found.values()), key=lambda offer: (offer.group, offer.name, offer.distribution))
    return every, faulty


def _known_as(distribution: Distribution) -> str:
    try:
        return shortened(one_line(f"{distribution.name} {distribution.version}"), _MOST)
    except Exception:  # noqa: BLE001 -- likewise
        return f"a distribution in {distribution.locate_file('')}"


def _offers_of(distribution: Distribution, name: str) -> Iterator[Offer]:
    for point in distribution.entry_points:
        group = point.group.removeprefix(PREFIX)
        if point.group.startswith(PREFIX) and group in GROUPS:
            yield Offer(group, point.name, name, distribution.version, point)


def find(group: str, name: str) -> Offer | None:
    """What is offered under a name, not yet imported; None: nobody offers it.

    Raises:
        Misconfigured: several offer it.
    """
    found = [offer for offer in offers() if (offer.group, offer.name) == (group, name)]
    if len(found) > 1:
        who = " and ".join(offer.who for offer in found)
        raise Misconfigured(f"the {group.removesuffix('s')} {name!r} is offered by {who}: uninstall one of them")
    return found[0] if found else None


def refuse_namesake(group: str, name: str) -> None:
    """See that nobody offers what the connector itself has under a name.

    Raises:
        Misconfigured: somebody does.
    """
    if (offer := find(group, name)) is not None:
        raise Misconfigured(
            f"{offer.what} has the name of one that the connector has itself: uninstall {offer.distribution}, or have "
            "its author choose another name"
        )
