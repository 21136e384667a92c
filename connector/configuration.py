"""The configuration file: its options, and the plan that it becomes, with every mapping compiled."""

import hashlib
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, field_validator

from connector import kinds, mapping
from connector.guards.guards import GuardBook, bundled
from connector.kinds import AnyJournalSettings, AnySinkSettings, AnySourceSettings
from connector.mapping import CompiledMapping, files
from connector.mapping.files import MappingChoice
from connector.model import Guarded, JsonObject, Misconfigured
from connector.pipeline.route import Tenant
from connector.pipeline.runner import SHUTDOWN_SECONDS
from connector.pipeline.versions import REFRESH
from connector.ports import ObjectFormat
from connector.settings import config, yamldoc
from connector.settings.config import Name, Placeholders, Settings
from connector.settings.guards import GuardSettings
from connector.settings.parts import Destination
from connector.settings.producer import Producer
from connector.settings.server import ServerSettings
from connector.settings.telemetry import TelemetrySettings
from connector.settings.token_file import TokenFile
from connector.settings.yamldoc import YamlDocument
from connector.values.suggestions import instead


class NotFound(Misconfigured):
    """The caller named something that is not there."""


class RouteSettings(Settings):
    """One way out: what to convert to, where to send it, and which notifications."""

    mapping: MappingChoice = Field(
        description="What to convert to: a bundled mapping by name, the path of a YAML file, or a section."
    )
    sink: AnySinkSettings = Field(description="Where the output goes: a section, whose `type` names the kind of sink.")
    sources: list[str] | None = Field(
        None,
        min_length=1,
        description="The names of the sources whose notifications the route delivers. Without it: all sources.",
    )
    when: str | None = Field(
        None,
        description=(
            "A JMESPath condition over `notification`, `entity`, `entity_value`, `source` and `judgement`. The route "
            "delivers only notifications for which it is true. Without it: all."
        ),
    )
    refresh: float = Field(
        REFRESH,
        ge=0,
        le=1,
        description=(
            "By how much longer a STIX Indicator must be valid to be sent again, when it means the same otherwise: "
            "a share of the time from the match until it ends. 0.2 sends one that is valid for 90 days again when that "
            "is 18 days longer; 0 sends it with every match that prolongs it."
        ),
    )
    guards: GuardSettings | None = Field(
        None, description="What is known to be good for this route, beside what the top of the configuration names."
    )
    receiver: str | None = Field(
        None,
        min_length=1,
        max_length=1000,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description=(
            "What the journal calls the receiver. Without it: kind and address of the sink. Where the address changes "
            "and the receiver stays (a webhook's URL is renewed, a server moves), give the former name, which "
            "`iocstream check` says: then what was delivered there is still taken back."
        ),
    )
    examples_must_pass: bool = Field(
        default=True,
        description=(
            "Whether `iocstream check` fails when nothing of all examples comes through the route: because "
            "`when` is true for none, or the mapping makes nothing of any. Set it to false for a route "
            "whose notifications are unlike the examples."
        ),
    )

    def receiver_name(self) -> str:
        """What the journal calls the receiver; see `SinkSettings.receiver`."""
        return self.receiver or self.sink.receiver()


class Config(Settings):
    """The configuration file, `iocstream.yaml`."""

    sources: dict[Name, AnySourceSettings] = Field(
        min_length=1, description="Where notifications come from: each source by a name of your choice."
    )
    routes: dict[Name, RouteSettings] = Field(
        min_length=1, description="Where notifications go: each route by a name of your choice."
    )
    journal: AnyJournalSettings = Field(
        default_factory=dict,
        validate_default=True,
        description=(
            "Where notifications are kept between source and route: a section, whose `type` names the kind of journal; "
            "without it, one SQLite file."
        ),
    )

    guards: GuardSettings = Field(
        default_factory=GuardSettings,
        description="What is known to be good, for all routes: nothing is sent that would have it blocked.",
    )
    producer: Producer = Field(
        default_factory=Producer, description="Who is named as the author of STIX objects, and their TLP marking."
    )
    server: ServerSettings = Field(
        default_factory=ServerSettings, description="What `iocstream serve` serves, and to whom."
    )
    telemetry: TelemetrySettings = Field(
        default_factory=TelemetrySettings, description="What a monitoring system may ask `iocstream run`."
    )
    shutdown_seconds: float = Field(
        SHUTDOWN_SECONDS,
        ge=0,
        le=3600,
        description=(
            "How many seconds SIGTERM waits for batches that are being sent. A batch that takes longer "
            "is sent again by the next run. The default leaves a slow receiver time to answer, and ends "
            "before the 90 seconds after which systemd kills a service."
        ),
    )

    @field_validator("journal", mode="before")
    @classmethod
    def _is_a_file_unless_it_says(cls, journal: Any) -> Any:
        return {"type": "sqlite", **journal} if isinstance(journal, dict) else journal


@dataclass(frozen=True, slots=True)
class Plan:
    """A configuration that has been validated, with its mappings compiled; nothing is open yet.

    Attributes:
        mappings: by route: its mapping, signed by the producer at the top of the file.
        conditions: by route: its condition, if it has one.
        signed: by route: for each source with a producer of its own, the mapping that is signed by that.
        guards: what is known to be good, for all and for some; its lists are read when they are first needed.
    """

    settings: Config
    mappings: Mapping[str, CompiledMapping]
    conditions: Mapping[str, Callable[[JsonObject], bool]]
    signed: Mapping[str, Mapping[str, CompiledMapping]] = field(default_factory=dict)
    guards: GuardBook = field(default_factory=GuardBook)

    def reads(self) -> Mapping[str, Sequence[str]]:
        """Route → the sources it reads."""
        return {name: self.read_by(route) for name, route in self.settings.routes.items()}

    def read_by(self, route: RouteSettings) -> Sequence[str]:
        """The sources that a route reads."""
        return tuple(route.sources or self.settings.sources)

    def only(self, sources: Collection[str] | None) -> "Plan":
        """The plan as whoever may see these sources alone sees it: with the routes that read nothing else; None: all.

        It is for looking, and never run: what it leaves out would be taken for what is no longer configured.
        """
        if sources is None:
            return self
        seen = set(sources)
        parts = {
            "sources": {name: each for name, each in self.settings.sources.items() if name in seen},
            "routes": {
                name: each for name, each in self.settings.routes.items() if seen.issuperset(self.read_by(each))
            },
        }
        return replace(self, settings=self.settings.model_copy(update=parts))

    def token_file(self) -> TokenFile:
        """The tokens that open the server: those of this configuration, and those of the file."""
        server = self.settings.server
        return TokenFile(server.token_file or self.settings.journal.beside("tokens"), server.tokens)

    def receivers(self) -> Mapping[str, str]:
        """Route → where it sends."""
        return {name: route.receiver_name() for name, route in self.settings.routes.items()}

    def beside(self, route: str) -> Sequence[str]:
        """The other routes that may tell the same receiver of the same objects: signed by the same producer.

        Events are no objects: of those, routes that claim something, and take it back, know of each other.
        """
        mine = self._tells(route)
        if mine is None:
            return []
        producers = self._producers(route)
        return [
            other
            for other in self.settings.routes
            if other != route and self._tells(other) == mine and not producers.isdisjoint(self._producers(other))
        ]

    def _tells(self, route: str) -> tuple[str, str] | None:
        """The receiver of a route and the format of what it is told; None where another route need not know of it."""
        mapping = self.mappings[route]
        if not (isinstance(mapping.format, ObjectFormat) or mapping.withdraws):
            return None
        return self.settings.routes[route].receiver_name(), mapping.format_name

    def _producers(self, route: str) -> AbstractSet[str]:
        """The ids of those who sign what a route sends; an empty one where nobody signs."""
        sources = self.read_by(self.settings.routes[route])
        return {self.mapping(route, each).format.names.get("producer", {}).get("id", "") for each in sources}

    def mapping(self, route: str, source: str) -> CompiledMapping:
        """A route's mapping, as what comes from a source is signed."""
        return self.signed.get(route, {}).get(source, self.mappings[route])

    def said_of(self, source: str) -> JsonObject:
        """What mappings and conditions see as `source`."""
        return {"name": source, "labels": dict(self.settings.sources[source].labels)}

    def tenants(self, route: str) -> Mapping[str, Tenant]:
        """Whose notifications the sources of a route fetch.

        Raises:
            Misconfigured: a known-good list is not what it should be.
        """
        read = self.read_by(self.settings.routes[route])
        return {
            source: Tenant(self.said_of(source), self.mapping(route, source), self.guards.of(route, source))
            for source in read
        }

    def terms(self, route: str) -> str:
        """On which terms a route lets notifications through: a digest of its condition and its known-good lists.

        Raises:
            Misconfigured: a known-good list is not what it should be.
        """
        settings = self.settings.routes[route]
        made = hashlib.blake2b((settings.when or "").encode(), digest_size=16)
        for source in sorted(self.read_by(settings)):
            made.update(b"\0" + source.encode() + b"\0" + self.guards.of(route, source).digest)
        return made.hexdigest()

    def route(self, name: str) -> RouteSettings:
        """A route by its name.

        Raises:
            NotFound: there is no such route.
        """
        return _named(self.settings.routes, "route", name)

    def source(self, name: str) -> AnySourceSettings:
        """A source by its name.

        Raises:
            NotFound: there is no such source.
        """
        return _named(self.settings.sources, "source", name)


_Part = TypeVar("_Part")


def _named(parts: Mapping[str, _Part], what: str, name: str) -> _Part:
    if name not in parts:
        raise NotFound(f"there is no {what} {name!r}{instead(name, parts)}")
    return parts[name]


def load(path: Path, environ: Mapping[str, str] | None = None, *, secrets: bool = True) -> Plan:
    """Read and validate a configuration file and the mappings it names. No I/O beyond these files.

    Args:
        path: the file.
        environ: the environment variables; None: those of this process.
        secrets: whether the secrets of sources and sinks must be there. A plan without them is for looking into the
            journal, and never run.

    Raises:
        Misconfigured: naming file, line, path and remedy.
    """
    document = yamldoc.load(path)
    placeholders = Placeholders(
        path.parent.resolve(), environ, without=lambda at: not secrets and at[:1] in (("sources",), ("routes",))
    )
    with config.placeholders_shown(document, placeholders):
        return _plan(document, placeholders)


def _plan(document: YamlDocument, placeholders: Placeholders) -> Plan:
    settings = config.validate(document, Config, placeholders)
    for name in settings.routes.keys() & settings.sources.keys():
        raise document.error(("routes", name), "a route and a source cannot have the same name")
    _tokens_see_what_there_is(document, settings)
    producers = _producers(document, settings)
    taken: dict[Hashable, str] = {}
    used: dict[tuple[str, Producer], CompiledMapping] = {}
    mappings: dict[str, CompiledMapping] = {}
    signed: dict[str, Mapping[str, CompiledMapping]] = {}
    conditions: dict[str, Callable[[JsonObject], bool]] = {}
    for name, route in settings.routes.items():
        where = ("routes", name)
        for index, source in enumerate(route.sources or ()):
            if source not in settings.sources:
                known = instead(source, settings.sources)
                raise document.error((*where, "sources", index), f"there is no source {source!r}{known}")
        mappings[name] = _signed(route.mapping, settings.producer, used)
        if isinstance(mappings[name].format, ObjectFormat):  # nobody signs an event
            own = ((source, producers[source]) for source in route.sources or producers if source in producers)
            signed[name] = {source: _signed(route.mapping, producer, used) for source, producer in own}
        destination = route.sink.destination()
        if destination is not None and (other := taken.setdefault(destination.key, name)) != name:
            raise _already_taken(document, name, destination, other)
        if misfit := route.sink.misfit(mappings[name].format_name):
            raise document.error((*where, "sink", misfit.option), misfit.reason)
        if route.when is not None:
            place = f"{document.place((*where, 'when'))}: routes.{name}.when"
            conditions[name] = mapping.compile_condition(route.when, place)
    return Plan(settings, mappings, conditions, signed, _guards(settings))


def _tokens_see_what_there_is(document: YamlDocument, settings: Config) -> None:
    for number, token in enumerate(settings.server.tokens):
        for index, source in enumerate(token.sources or ()):
            if source not in settings.sources:
                at = ("server", "tokens", number, "sources", index)
                raise document.error(at, f"there is no source {source!r}{instead(source, settings.sources)}")


def _producers(document: YamlDocument, settings: Config) -> Mapping[str, Producer]:
    """The sources that have a producer of their own, with that.

    Ids are made of a producer's name, so that two with one name must be one: they would take turns at the same objects.
    """
    named = {settings.producer.name: (settings.producer, "the one at the top")}
    producers = {}
    for source, each in settings.sources.items():
        if each.producer is None:
            continue
        producer = producers[source] = settings.producer.changed_by(each.producer)
        other, whose = named.setdefault(producer.name, (producer, f"that of the source {source}"))
        if other != producer:
            raise document.error(
                ("sources", source, "producer"),
                f"its name is that of another producer, {whose}, and the rest is not: ids are made of the name, so "
                "give this one a name of its own",
            )
    return producers


def _signed(
    chosen: MappingChoice, producer: Producer, used: dict[tuple[str, Producer], CompiledMapping]
) -> CompiledMapping:
    """The mapping of a route for a producer, compiled once for all that have the same."""
    key = chosen.model_dump_json(), producer
    if key not in used:
        used[key] = load_mapping(chosen.use, producer, chosen.profile, chosen.overlay)
    return used[key]


def _guards(settings: Config) -> GuardBook:
    return GuardBook(
        settings.guards,
        {name: source.guards for name, source in settings.sources.items() if source.guards is not None},
        {name: route.guards for name, route in settings.routes.items() if route.guards is not None},
    )


def _already_taken(document: YamlDocument, route: str, destination: Destination, other: str) -> Misconfigured:
    option = destination.option
    return document.error(
        ("routes", route, "sink", option),
        f"the route {other} {destination.taken} already; give each a {option} of its own",
    )


def load_mapping(
    using: str | Path,
    producer: Producer | None = None,
    profile: str | None = None,
    overlays: Sequence[str | Path] = (),
) -> CompiledMapping:
    """Compile a bundled mapping by name, or a mapping file by path, with what is to be laid over it.

    What it says is guarded by the list that comes with the product, where a route has no guards of its own.

    Args:
        using: a bundled mapping by name, or the path of a mapping file.
        producer: who signs STIX objects; without one the default of the configuration.
        profile: a bundled overlay for one kind of receiver, by name: `opencti`.
        overlays: the paths of overlays, laid over the mapping in this order, after the profile.

    Raises:
        Misconfigured: there is no such mapping, profile or overlay, or one has an error.
    """
    formats = kinds.make_formats(producer or Producer())
    return mapping.compile_mapping(files.read(using, profile, overlays), formats, _bundled_guard)


def _bundled_guard(value: str) -> Guarded | None:
    return bundled().derived(value)  # which reads its list when it is first asked
