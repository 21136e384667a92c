"""VirusTotal IoC-Stream notifications to STIX 2.1 over TAXII 2.1 and CEF over syslog, losing none.

    >>> from connector import convert
    >>> for conversion in convert(notifications, "stix21"):   # doctest: +SKIP
    ...     for message in conversion.messages:
    ...         print(message.body)

`load` and `run` do what `iocstream run` does. Everything else is the product's inside and may change.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connector.app import run
    from connector.configuration import Plan, load
    from connector.formats.stix.bundle import bundle
    from connector.formats.stix.strict import stix2_objects
    from connector.model import ConnectorError, Message, Misconfigured, Notification, Refused, Unavailable
    from connector.operations.check import Finding, check
    from connector.operations.convert import convert
    from connector.operations.status import status
    from connector.pipeline.convert import Conversion
    from connector.pipeline.part import Part
    from connector.settings.producer import Producer

__all__ = [
    "ConnectorError",
    "Conversion",
    "Finding",
    "Message",
    "Misconfigured",
    "Notification",
    "Part",
    "Plan",
    "Producer",
    "Refused",
    "Unavailable",
    "bundle",
    "check",
    "convert",
    "load",
    "run",
    "status",
    "stix2_objects",
]

_ORIGIN = {
    "connector.model": ("ConnectorError", "Message", "Misconfigured", "Notification", "Refused", "Unavailable"),
    "connector.configuration": ("Plan", "load"),
    "connector.operations.check": ("Finding", "check"),
    "connector.operations.convert": ("convert",),
    "connector.operations.status": ("status",),
    "connector.formats.stix.bundle": ("bundle",),
    "connector.formats.stix.strict": ("stix2_objects",),
    "connector.settings.producer": ("Producer",),
    "connector.pipeline.convert": ("Conversion",),
    "connector.pipeline.part": ("Part",),
}


def __getattr__(name: str) -> Any:
    # Imported on first use: `iocstream --help` must not load what it does not need.
    import importlib  # noqa: PLC0415 -- likewise

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = next((module for module, names in _ORIGIN.items() if name in names), "connector.app")
    return getattr(importlib.import_module(module), name)
