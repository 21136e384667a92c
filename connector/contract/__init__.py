"""The contract suite: what every source, format, sink, journal and mapping function must do, as tests to inherit.

A plugin's tests derive a class from that of its kind, and say where the other side is:

    from connector.contract import SinkContract

    class TestContract(SinkContract):
        @contextmanager
        def receiving(self, folder): ...

The classes need pytest and hypothesis (`pip install 'iocstream-connector[contract]'`), which nothing else here does.
Ours are held to the same classes, in `tests/contract/`. There is a module or folder for each kind of part: `sinks`,
`sources`, `formats`, `functions`, `journal`; `offers` is asked of plugins of every kind. `examples` says how many of
them hypothesis tries, and `pytest_plugin` is what pytest loads.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.contract.formats import FormatContract
    from connector.contract.functions import FunctionContract
    from connector.contract.journal.claims import ClaimsContract
    from connector.contract.journal.collections import CollectionsContract
    from connector.contract.journal.entries import EntriesContract
    from connector.contract.journal.judgements import JudgementsContract
    from connector.contract.journal.named_hosts import NamedHostsContract
    from connector.contract.journal.store import Store
    from connector.contract.offers import OfferContract
    from connector.contract.sinks import Receiver, SinkContract
    from connector.contract.sources import Feed, SourceContract

__all__ = [
    "ClaimsContract",
    "CollectionsContract",
    "EntriesContract",
    "Feed",
    "FormatContract",
    "FunctionContract",
    "JudgementsContract",
    "NamedHostsContract",
    "OfferContract",
    "Receiver",
    "SinkContract",
    "SourceContract",
    "Store",
]

_ORIGIN = {
    "formats": ("FormatContract",),
    "functions": ("FunctionContract",),
    "offers": ("OfferContract",),
    "sinks": ("Receiver", "SinkContract"),
    "sources": ("Feed", "SourceContract"),
    "journal.claims": ("ClaimsContract",),
    "journal.collections": ("CollectionsContract",),
    "journal.entries": ("EntriesContract",),
    "journal.judgements": ("JudgementsContract",),
    "journal.named_hosts": ("NamedHostsContract",),
    "journal.store": ("Store",),
}


def __getattr__(name: str) -> Any:
    # Imported on first use: pytest loads the plugin beside this wherever it is installed.
    import importlib  # noqa: PLC0415 -- likewise

    module = next((module for module, names in _ORIGIN.items() if name in names), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
