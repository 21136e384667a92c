"""The one file that knows every kind of source, sink, format and journal, by the name that a configuration gives it.

A new kind is one entry here. All others know it only by its settings and by the ports that it implements.
"""

import functools
import operator
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from connector.formats.cef.format import CefFormat
from connector.formats.json import JsonFormat
from connector.formats.leef import LeefFormat
from connector.formats.stix.format import StixFormat
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Misconfigured
from connector.ports import Collections, Format, Journal, SearchableSource, Sink, Source
from connector.settings.parts import SinkSettings, SourceSettings
from connector.settings.producer import Producer
from connector.sinks.collection import CollectionSettings, CollectionSink
from connector.sinks.file.sink import FileSink, FileSinkSettings
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink
from connector.sinks.taxii.sink import TaxiiSettings, TaxiiSink
from connector.sources.file.source import FileSource, FileSourceSettings
from connector.sources.virustotal.source import VirusTotalSettings, VirusTotalSource
from connector.version import USER_AGENT

Sleep = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class SourceKind:
    """The settings of a kind of source, and what makes one of them."""

    settings: type[SourceSettings]
    make: Callable[[Any], Source]


@dataclass(frozen=True, slots=True)
class SinkKind:
    """The settings of a kind of sink, and what makes one from settings, the journal's collections and a `sleep`."""

    settings: type[SinkSettings]
    make: Callable[[Any, Collections, Sleep], Sink]


SOURCES: Mapping[str, SourceKind] = {
    "virustotal": SourceKind(VirusTotalSettings, lambda settings: VirusTotalSource(settings, user_agent=USER_AGENT)),
    "file": SourceKind(FileSourceSettings, FileSource),
}
SINKS: Mapping[str, SinkKind] = {
    "taxii": SinkKind(
        TaxiiSettings, lambda settings, _, sleep: TaxiiSink(settings, user_agent=USER_AGENT, sleep=sleep)
    ),
    "syslog": SinkKind(SyslogSettings, lambda settings, *_: SyslogSink(settings)),
    "file": SinkKind(FileSinkSettings, lambda settings, *_: FileSink(settings)),
    "collection": SinkKind(CollectionSettings, lambda settings, collections, _: CollectionSink(settings, collections)),
}
FORMATS: Mapping[str, Callable[[Producer], Format]] = {
    "stix": StixFormat,
    "cef": lambda _: CefFormat(),
    "leef": lambda _: LeefFormat(),
    "json": lambda _: JsonFormat(),
}
JournalSettings = SqliteSettings
"""The one kind of journal there is. With a second, this becomes a registry like those above."""


def _one_of(kinds: Iterable[SourceKind | SinkKind]) -> Any:
    return Annotated[
        functools.reduce(operator.or_, (kind.settings for kind in kinds)),
        Field(discriminator="type"),
    ]


if TYPE_CHECKING:
    AnySourceSettings = SourceSettings
    AnySinkSettings = SinkSettings
else:
    AnySourceSettings = _one_of(SOURCES.values())
    AnySinkSettings = _one_of(SINKS.values())


def make_source(settings: SourceSettings) -> Source:
    """A source of these settings."""
    return SOURCES[settings.type].make(settings)


def make_searchable_source(settings: SourceSettings) -> SearchableSource:
    """A source that can be asked for single notifications.

    Raises:
        Misconfigured: sources of this kind cannot.
    """
    source = make_source(settings)
    if isinstance(source, SearchableSource):
        return source
    source.close()
    raise Misconfigured(f"a source of type {settings.type} cannot be asked for single notifications")


def make_sink(settings: SinkSettings, collections: Collections, sleep: Sleep = time.sleep) -> Sink:
    """A sink of these settings; `collections` are the journal's, `sleep` is how it waits for a receiver to finish."""
    return SINKS[settings.type].make(settings, collections, sleep)


def make_formats(producer: Producer) -> Mapping[str, Format]:
    """Every format, by the name that mappings give it."""
    return {name: make(producer) for name, make in FORMATS.items()}


def make_journal(settings: JournalSettings) -> Journal:
    """The journal of these settings; nothing is opened before it is used."""
    return SqliteJournal(settings)
