"""Every kind of source, sink, format and journal by the name that a configuration gives it: ours and those of plugins.

A kind of ours is one line here, which names its declaration as an entry point would. All others know it only by its
settings and by the ports that it implements. What nobody names is not imported.
"""

import functools
import operator
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import FunctionType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import pydantic
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

from connector import entry_points, ports
from connector.entry_points import Offer, words_of
from connector.model import Misconfigured, Refused
from connector.plugin import FormatKind, JournalKind, SinkKind, SourceKind, Surroundings, faults
from connector.ports import Collections, Format, Journal, SearchableSource, Sink, Source
from connector.settings.config import PLUGIN_FAULT, Settings
from connector.settings.parts import JournalSettings, SinkSettings, SourceSettings
from connector.settings.producer import Producer
from connector.version import VERSION

Declaration = TypeVar("Declaration", bound=SourceKind | SinkKind | FormatKind | JournalKind)
Sleep = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class Found(Generic[Declaration]):
    """A kind that was found by its name.

    Attributes:
        offer: who offers it.
        is_ours: whether the connector does.
    """

    declared: Declaration
    offer: Offer
    is_ours: bool


class Kinds(Mapping[str, Declaration]):
    """The kinds of one group. As a mapping it has ours alone.

    Args:
        group: one of `connector.entry_points.GROUPS`.
        declaration: what declares a kind of the group.
        ours: by name, where the declaration of each is, as in an entry point.
    """

    def __init__(self, group: str, declaration: type[Declaration], ours: Mapping[str, str]) -> None:
        self.group = group
        self._declaration = declaration
        self._ours = ours
        self._found: dict[str, Found[Declaration]] = {}

    def __getitem__(self, name: str) -> Declaration:
        return self._our_offer(name).load(self._declaration)

    def __contains__(self, name: object) -> bool:
        return name in self._ours

    def __iter__(self) -> Iterator[str]:
        return iter(self._ours)

    def __len__(self) -> int:
        return len(self._ours)

    def find(self, name: str) -> Found[Declaration] | None:
        """The kind of a name, imported now; None: there is none.

        Raises:
            Misconfigured: several have this name, or a plugin's cannot be used.
        """
        if name not in self._found:
            if is_ours := name in self._ours:
                entry_points.refuse_namesake(self.group, name)
            offer = self._our_offer(name) if is_ours else entry_points.find(self.group, name)
            if offer is None:
                return None
            declared = offer.load(self._declaration)
            if not is_ours:
                _check(declared, offer)
            self._found[name] = Found(declared, offer, is_ours)
        return self._found[name]

    def get_found(self, name: str) -> Found[Declaration]:
        """The kind of a name that was validated.

        Raises:
            Misconfigured: as `find` does.
            KeyError: there is none.
        """
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def names(self) -> Sequence[str]:
        """Ours, and those that plugins offer; nothing is imported."""
        theirs = {offer.name for offer in entry_points.offers() if offer.group == self.group}
        return [*self._ours, *sorted(theirs - self._ours.keys())]

    def of_plugins(self) -> Mapping[str, Declaration]:
        """Those of plugins that have been found so far."""
        return {name: each.declared for name, each in self._found.items() if not each.is_ours}

    def _our_offer(self, name: str) -> Offer:
        point = EntryPoint(name, self._ours[name], f"{entry_points.PREFIX}{self.group}")
        return Offer(self.group, name, "iocstream-connector", VERSION, point)


def _check(declared: SourceKind | SinkKind | FormatKind | JournalKind, offer: Offer) -> None:
    """See that a plugin's options are such as a configuration can have.

    Raises:
        Misconfigured: they are not.
    """
    if isinstance(declared, FormatKind):
        return
    bases: dict[type, type[Settings]]
    bases = {SourceKind: SourceSettings, SinkKind: SinkSettings, JournalKind: JournalSettings}
    wanted, settings = bases[type(declared)], cast("Any", declared.settings)  # whose type nobody may have checked
    if not (isinstance(settings, type) and issubclass(settings, wanted)):
        raise Misconfigured(f"{offer.what}: its settings are no {wanted.__name__} of connector.plugin")
    kind = settings.model_fields.get("type")
    if kind is None or get_args(kind.annotation) != (offer.name,):
        raise Misconfigured(f'{offer.what}: the `type` of its settings must be Literal["{offer.name}"]')


SOURCES: Kinds[SourceKind] = Kinds(
    "sources",
    SourceKind,
    {
        "virustotal": "connector.sources.virustotal.source:KIND",
        "file": "connector.sources.file.source:KIND",
        "kafka": "connector.sources.kafka:KIND",
    },
)
SINKS: Kinds[SinkKind] = Kinds(
    "sinks",
    SinkKind,
    {
        "taxii": "connector.sinks.taxii.sink:KIND",
        "syslog": "connector.sinks.syslog.sink:KIND",
        "http": "connector.sinks.http.sink:KIND",
        "kafka": "connector.sinks.kafka:KIND",
        "file": "connector.sinks.file.sink:KIND",
        "collection": "connector.sinks.collection:KIND",
    },
)
FORMATS: Kinds[FormatKind] = Kinds(
    "formats",
    FormatKind,
    {
        "stix": "connector.formats.stix.format:KIND",
        "cef": "connector.formats.cef.format:KIND",
        "leef": "connector.formats.leef:KIND",
        "json": "connector.formats.json:KIND",
    },
)
JOURNALS: Kinds[JournalKind] = Kinds(
    "journals",
    JournalKind,
    {
        "sqlite": "connector.journals.sqlite.journal:KIND",
        "postgresql": "connector.journals.postgresql.kind:KIND",
    },
)


def used_plugins() -> Mapping[tuple[str, str], int]:
    """Group and name of each plugin that was found so far → the version of the contract that it was written for."""
    every: tuple[Kinds[Any], ...] = (SOURCES, SINKS, FORMATS, JOURNALS)
    return {(kinds.group, name): declared.contract for kinds in every for name, declared in kinds.of_plugins().items()}


class _Chosen:
    """Settings of which `type` says of which kind they are: for pydantic, which then validates them as of that kind."""

    def __init__(self, kinds: Kinds[SourceKind] | Kinds[SinkKind] | Kinds[JournalKind], base: type[Settings]) -> None:
        self._kinds = kinds
        self._base = base

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(self, _: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        kinds: list[SourceKind | SinkKind | JournalKind] = [*self._kinds.values(), *self._kinds.of_plugins().values()]
        one_of: Any = functools.reduce(operator.or_, (kind.settings for kind in kinds))
        return handler(pydantic.TypeAdapter(Annotated[one_of, pydantic.Field(discriminator="type")]).core_schema)

    def _validated(self, data: Any, info: ValidationInfo) -> Any:
        if isinstance(data, self._base):
            return data
        if not isinstance(data, dict):
            raise PydanticKnownError("model_attributes_type")
        if "type" not in data:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": "'type'"})
        name = data["type"]
        try:
            found = self._kinds.find(name) if isinstance(name, str) else None
        except Misconfigured as error:
            raise _fault(error) from None
        if found is None:
            known = ", ".join(map(repr, self._kinds.names())) + entry_points.unread_hint()
            context = {"discriminator": "'type'", "tag": str(name), "expected_tags": known}
            raise PydanticKnownError("union_tag_invalid", context)
        model = found.declared.settings
        if found.is_ours:
            return model.model_validate(data, context=info.context)
        return _validated_of_plugin(model, data, info, found.offer, self._base)


_ABOUT: Mapping[str, Callable[[], Iterable[str]]] = {"misfit": FORMATS.names, "beside": lambda: ("tokens",)}
"""What settings are asked about, by question; the others have no arguments."""


def _questions(base: type[Settings]) -> Iterator[tuple[str, Sequence[tuple[str, ...]], tuple[type, ...]]]:
    """What settings of a kind are asked: the question, the arguments of each time, the types of an answer."""
    for name, question in vars(base).items():
        if isinstance(question, FunctionType) and not name.startswith("_"):
            answer = get_type_hints(question)["return"]
            either = get_args(answer) if isinstance(answer, UnionType) or get_origin(answer) is Union else (answer,)
            arguments = [(each,) for each in _ABOUT[name]()] if name in _ABOUT else [()]
            yield name, arguments, tuple(get_origin(each) or each for each in either)


def _question(settings: Settings, base: type[Settings]) -> None:
    """Ask settings once all that they will be asked.

    Raises:
        TypeError, ValueError: an answer is none.
        Exception: whatever they raise.
    """
    for name, arguments, types in _questions(base):
        for each in arguments:
            answer = getattr(settings, name)(*each)
            if not isinstance(answer, types):
                raise TypeError(f"{name}() gave something else than it must: {type(answer).__name__}")
            if name == "at_once" and cast("int", answer) < 1:
                raise ValueError(f"at_once() gave {answer}, which must be at least 1")


def _validated_of_plugin(
    model: type[Settings], data: Any, info: ValidationInfo, offer: Offer, base: type[Settings]
) -> Settings:
    """Settings of a plugin's kind, which have answered once what they will be asked."""
    try:
        settings = model.model_validate(data, context=info.context)
    except pydantic.ValidationError:
        raise
    except Misconfigured as error:
        raise _fault(error) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 -- of others, who may raise anything
        raise _fault(faults.fault_of(offer)(error)) from None
    try:
        _question(settings, base)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 -- likewise
        raise _fault(faults.fault_of(offer, settings)(error)) from None
    return settings


def _fault(error: Exception) -> PydanticCustomError:
    return PydanticCustomError(PLUGIN_FAULT, "{reason}", {"reason": words_of(error)})


if TYPE_CHECKING:
    AnySourceSettings = SourceSettings
    AnySinkSettings = SinkSettings
    AnyJournalSettings = JournalSettings
else:
    AnySourceSettings = Annotated[SourceSettings, _Chosen(SOURCES, SourceSettings)]
    AnySinkSettings = Annotated[SinkSettings, _Chosen(SINKS, SinkSettings)]
    AnyJournalSettings = Annotated[JournalSettings, _Chosen(JOURNALS, JournalSettings)]


def make_source(settings: SourceSettings) -> Source:
    """A source of these settings.

    Raises:
        Misconfigured: it cannot be made.
    """
    found = SOURCES.get_found(settings.type)
    if found.is_ours:
        return found.declared.make(settings)
    fault = faults.fault_of(found.offer, settings)
    made = faults.made(lambda: found.declared.make(settings), fault)
    held: Source = faults.held(made, Source, fault, (SearchableSource, ports.SharingSource))
    return held


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
    """A sink of these settings; `collections` are the journal's, `sleep` is how it waits for a receiver to finish.

    Raises:
        Misconfigured: it cannot be made.
    """
    found = SINKS.get_found(settings.type)
    around = Surroundings(collections=collections, sleep=sleep)
    if found.is_ours:
        return found.declared.make(settings, around)
    fault = faults.fault_of(found.offer, settings)
    made = faults.made(lambda: found.declared.make(settings, around), fault)
    held: Sink = faults.held(made, Sink, fault, (ports.Confirmation, ports.Resumable, ports.Emptiable))
    return held


def make_formats(producer: Producer) -> Mapping[str, Format]:
    """Every format, by the name that mappings give it; each is made when it is asked for."""
    return _Formats(producer)


_OF_DOCUMENTS = frozenset(("quote", "encode", "identify", "meaning", "undefined"))
"""What a format is asked of one document, which alone is refused when it fails."""


class _Formats(Mapping[str, Format]):
    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def __getitem__(self, name: str) -> Format:
        found = FORMATS.get_found(name)
        if found.is_ours:
            return found.declared.make(self._producer)
        fault = faults.fault_of(found.offer)
        made = faults.made(lambda: found.declared.make(self._producer), fault)
        of_document = faults.fault_of(found.offer, error=lambda reason: Refused(reason, by="format"))
        held: Format = faults.held(
            made,
            Format,
            fault,
            (ports.Finalizing, ports.ObjectFormat, ports.Vocabulary),
            others=_OF_DOCUMENTS,
            other=of_document,
        )
        return held

    def __contains__(self, name: object) -> bool:
        return name in FORMATS.names()

    def __iter__(self) -> Iterator[str]:
        return iter(FORMATS.names())

    def __len__(self) -> int:
        return len(FORMATS.names())


def make_journal(settings: JournalSettings) -> Journal:
    """The journal of these settings; nothing is opened before it is used."""
    found, fault = _journal_kind(settings)
    if fault is None:
        return found.make(settings)
    held: Journal = faults.held(faults.made(lambda: found.make(settings), fault), Journal, fault)
    return held


def check_journal(settings: JournalSettings) -> str:
    """One sentence on what is where the journal is to be. Changes nothing.

    Raises:
        Unavailable, Misconfigured: it cannot be the journal, or cannot be looked at.
    """
    return _asked(settings, lambda kind: kind.check(settings))


def journal_exists(settings: JournalSettings) -> bool:
    """Whether there is a journal already."""
    return _asked(settings, lambda kind: kind.exists(settings))


def is_journal_of_this_version(settings: JournalSettings) -> bool:
    """Whether there is a journal that can be opened without being changed: one of an older version is migrated."""
    return _asked(settings, lambda kind: kind.is_of_this_version(settings))


def _journal_kind(settings: JournalSettings) -> tuple[JournalKind, faults.Fault | None]:
    """The kind of a journal, and what its bugs become; None: it is ours, and a bug ends the program."""
    found = JOURNALS.get_found(settings.type)
    return found.declared, None if found.is_ours else faults.fault_of(found.offer, settings)


_Answer = TypeVar("_Answer")


def _asked(settings: JournalSettings, question: Callable[[JournalKind], _Answer]) -> _Answer:
    kind, fault = _journal_kind(settings)
    return question(kind) if fault is None else faults.made(lambda: question(kind), fault)
