"""The contract with plugins: sources, formats, sinks, journals and mapping functions of others (docs/plugins.md).

All that a plugin needs of the connector is here, and nothing else of it keeps its promise: `CONTRACT` is raised when
something here changes so that a plugin must change too, and older contracts stay supported as long as `SUPPORTED` has
them. What is added does not raise it.

A plugin is a distribution with an entry point for each thing that it offers, in the group `iocstream.sinks`,
`iocstream.sources`, `iocstream.formats`, `iocstream.journals` or `iocstream.functions`. The entry point's name is that
by which configurations and mappings call it; its object is a `SinkKind`, `SourceKind`, `FormatKind`, `JournalKind` or
`MappingFunction`. Ours are declared by the same. The docstring of each port says what it must do, and the classes of
`connector.contract` test it. `faults` is what becomes of what a plugin raises.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connector.clients.hiding import Hiding
from connector.mapping.language.functions import Parameter
from connector.mapping.language.json_types import ANY, ARRAY, BOOLEAN, NULL, NUMBER, OBJECT, STRING
from connector.mapping.language.plugin_functions import MappingFunction
from connector.model import (
    ANEW,
    ConnectorError,
    Document,
    Gap,
    Identity,
    Json,
    JsonObject,
    LookUp,
    Message,
    Misconfigured,
    Notification,
    Page,
    Refusal,
    Refused,
    Subject,
    Unavailable,
    Unreadable,
)
from connector.notification import read as read_notification
from connector.ports import (
    Collections,
    Confirmation,
    Emptiable,
    Finalizing,
    Format,
    Journal,
    ObjectFormat,
    Resumable,
    SearchableSource,
    SharingSource,
    Sink,
    Source,
    Vocabulary,
)
from connector.settings.config import ClientCertificate, ClientKey, ExistingFile, PlacedPath, Settings
from connector.settings.parts import Destination, JournalSettings, Misfit, SinkSettings, SourceSettings
from connector.settings.producer import Producer
from connector.version import CONTRACT, SUPPORTED, USER_AGENT

__all__ = [
    "ANEW",
    "ANY",
    "ARRAY",
    "BOOLEAN",
    "CONTRACT",
    "NULL",
    "NUMBER",
    "OBJECT",
    "STRING",
    "SUPPORTED",
    "USER_AGENT",
    "ClientCertificate",
    "ClientKey",
    "Collections",
    "Confirmation",
    "ConnectorError",
    "Destination",
    "Document",
    "Emptiable",
    "ExistingFile",
    "Finalizing",
    "Format",
    "FormatKind",
    "Gap",
    "Hiding",
    "Identity",
    "Journal",
    "JournalKind",
    "JournalSettings",
    "Json",
    "JsonObject",
    "LookUp",
    "MappingFunction",
    "Message",
    "Misconfigured",
    "Misfit",
    "Notification",
    "ObjectFormat",
    "Page",
    "Parameter",
    "PlacedPath",
    "Producer",
    "Refusal",
    "Refused",
    "Resumable",
    "SearchableSource",
    "Settings",
    "SharingSource",
    "Sink",
    "SinkKind",
    "SinkSettings",
    "Source",
    "SourceKind",
    "SourceSettings",
    "Subject",
    "Surroundings",
    "Unavailable",
    "Unreadable",
    "Vocabulary",
    "read_notification",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a sink may use beside its settings.

    Attributes:
        collections: where it may keep STIX objects for others to read, in the journal's store.
        sleep: how it waits, in seconds, for its receiver to finish; it ends early when the connector is to stop.
    """

    collections: Collections
    sleep: Callable[[float], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """A kind of source.

    Attributes:
        contract: the version of the contract that it was written for.
        settings: its options. `type` is a literal, the name of the entry point; secrets are of pydantic's `SecretStr`.
        make: makes a source of settings. It opens nothing yet, and raises `Misconfigured` if it cannot work.
    """

    contract: int
    settings: type[SourceSettings]
    make: Callable[[Any], Source]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkKind:
    """A kind of sink.

    Attributes:
        contract: the version of the contract that it was written for.
        settings: its options. `type` is a literal, the name of the entry point; secrets are of pydantic's `SecretStr`.
        make: makes a sink of settings. It opens nothing yet, and raises `Misconfigured` if it cannot work.
    """

    contract: int
    settings: type[SinkSettings]
    make: Callable[[Any, Surroundings], Sink]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatKind:
    """A format, for mappings that say `format:` and the name of the entry point.

    Attributes:
        contract: the version of the contract that it was written for.
        make: makes it, for whoever signs what the mapping says.
    """

    contract: int
    make: Callable[[Producer], Format]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalKind:
    """A kind of journal. The port has some fifty verbs: begin with a store that others understand.

    Attributes:
        contract: the version of the contract that it was written for.
        settings: its options, which say where it is. `type` is a literal, the name of the entry point.
        make: makes a journal of settings. It opens nothing before it is used.
        check: looks whether it can be opened or made, changes nothing, and says in a sentence what is there.
        exists: whether there is one already.
        is_of_this_version: whether there is one that can be opened without being changed.
    """

    contract: int
    settings: type[JournalSettings]
    make: Callable[[Any], Journal]
    check: Callable[[Any], str]
    exists: Callable[[Any], bool]
    is_of_this_version: Callable[[Any], bool]
