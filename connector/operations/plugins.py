"""Which plugins are installed, and which of them a configuration names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connector import entry_points, kinds
from connector.entry_points import Offer
from connector.mapping.language import plugin_functions
from connector.model import Misconfigured


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin that is installed.

    Attributes:
        named: whether the configuration names it; None: there is none, or it cannot be loaded.
        contract: the version that it was written for; None: it was not imported, since nothing names it.
    """

    offer: Offer
    named: bool | None
    contract: int | None


def installed(load: Callable[[], object] | None) -> tuple[Sequence[Installed], str | None]:
    """Every plugin that is installed, and what is wrong with the configuration.

    Args:
        load: loads the configuration, which imports what it names; None: there is none.
    """
    wrong = None
    if load is not None:
        try:
            load()
        except Misconfigured as error:
            wrong = str(error)
    used = {
        **kinds.used_plugins(),
        **{("functions", name): contract for name, contract in plugin_functions.used_plugins().items()},
    }
    found = []
    for offer in entry_points.offers():
        contract = used.get((offer.group, offer.name))
        is_known = contract is not None or (load is not None and wrong is None)
        found.append(Installed(offer, contract is not None if is_known else None, contract))
    return found, wrong


def import_all() -> Sequence[str]:
    """Import every source, sink and journal that is installed, for the schema; return why some could not be used."""
    wrong = []
    for each in (kinds.SOURCES, kinds.SINKS, kinds.JOURNALS):
        for name in each.names():
            try:
                each.find(name)
            except Misconfigured as error:
                wrong.append(str(error))
    return wrong
