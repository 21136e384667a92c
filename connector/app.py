"""A configuration becomes a plan, and a plan running parts."""

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from connector import kinds, mapping, telemetry
from connector.formats.stix.format import Producer
from connector.journals.sqlite.file_check import check_file
from connector.kinds import AnySinkSettings, AnySourceSettings, JournalSettings
from connector.mapping import CompiledMapping, files
from connector.mapping.files import MappingChoice
from connector.model import JsonObject, Misconfigured
from connector.monitoring.status import StatusReport, former_parts, report
from connector.pipeline.part import Part
from connector.pipeline.route import Route
from connector.pipeline.runner import SHUTDOWN_SECONDS, PolledSource, Runner, sleep_until
from connector.ports import Journal, Sink
from connector.settings import config, yamldoc
from connector.settings.config import Name, Placeholders, Settings
from connector.settings.parts import Destination
from connector.settings.server import ServerSettings
from connector.settings.telemetry import TelemetrySettings
from connector.settings.yamldoc import YamlDocument
from connector.version import VERSION

LISTEN_AGAIN_SECONDS = 10.0
"""How long to wait before an address for metrics that was taken is tried again."""


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
            "A JMESPath condition over `notification`, `entity` and `entity_value`. The route delivers "
            "only notifications for which it is true. Without it: all."
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


class Config(Settings):
    """The configuration file, `iocstream.yaml`."""

    sources: dict[Name, AnySourceSettings] = Field(
        min_length=1, description="Where notifications come from: each source by a name of your choice."
    )
    routes: dict[Name, RouteSettings] = Field(
        min_length=1, description="Where notifications go: each route by a name of your choice."
    )
    journal: JournalSettings = Field(
        default_factory=dict,
        validate_default=True,
        description="Where notifications are kept between source and route.",
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


@dataclass(frozen=True, slots=True)
class Plan:
    """A configuration that has been validated, with its mappings compiled; nothing is open yet."""

    settings: Config
    mappings: Mapping[str, CompiledMapping]
    conditions: Mapping[str, Callable[[JsonObject], bool]]

    def reads(self) -> Mapping[str, Sequence[str]]:
        """Route → the sources it reads."""
        return {name: self.read_by(route) for name, route in self.settings.routes.items()}

    def read_by(self, route: RouteSettings) -> Sequence[str]:
        """The sources that a route reads."""
        return tuple(route.sources or self.settings.sources)

    def receivers(self) -> Mapping[str, str]:
        """Route → where it sends."""
        return {name: route.sink.receiver() for name, route in self.settings.routes.items()}

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
        raise NotFound(f"there is no {what} {name!r}; there is {', '.join(parts)}")
    return parts[name]


def load(path: Path, environ: Mapping[str, str] | None = None) -> Plan:
    """Read and validate a configuration file and the mappings it names. No I/O beyond these files.

    Raises:
        Misconfigured: naming file, line, path and remedy.
    """
    document = yamldoc.load(path)
    placeholders = Placeholders(path.parent.resolve(), environ)
    with config.placeholders_shown(document, placeholders):
        return _plan(document, placeholders)


def _plan(document: YamlDocument, placeholders: Placeholders) -> Plan:
    settings = config.validate(document, Config, placeholders)
    for name in settings.routes.keys() & settings.sources.keys():
        raise document.error(("routes", name), "a route and a source cannot have the same name")
    taken: dict[Hashable, str] = {}
    used: dict[str, CompiledMapping] = {}
    mappings: dict[str, CompiledMapping] = {}
    conditions: dict[str, Callable[[JsonObject], bool]] = {}
    for name, route in settings.routes.items():
        where = ("routes", name)
        for index, source in enumerate(route.sources or ()):
            if source not in settings.sources:
                known = ", ".join(settings.sources)
                raise document.error((*where, "sources", index), f"there is no source {source!r}; there is {known}")
        if (compiled := used.get(key := route.mapping.model_dump_json())) is None:
            chosen = route.mapping
            compiled = load_mapping(chosen.use, settings.producer, chosen.profile, chosen.overlay)
            used[key] = compiled
        mappings[name] = compiled
        destination = route.sink.destination()
        if destination is not None and (other := taken.setdefault(destination.key, name)) != name:
            raise _already_taken(document, name, destination, other)
        if misfit := route.sink.misfit(mappings[name].format_name):
            raise document.error((*where, "sink", misfit.option), misfit.reason)
        if route.when is not None:
            place = f"{document.place((*where, 'when'))}: routes.{name}.when"
            conditions[name] = mapping.compile_condition(route.when, place)
    return Plan(settings, mappings, conditions)


def _already_taken(document: YamlDocument, route: str, destination: Destination, other: str) -> Misconfigured:
    option = destination.option
    return document.error(
        ("routes", route, "sink", option),
        f"the route {other} {destination.taken} already; give each a {option} of its own",
    )


def run(
    plan: Plan,
    *,
    once: bool = False,
    stop: threading.Event | None = None,
    on_progress: Callable[[Part], None] = lambda _: None,
    on_start: Callable[[Runner], None] = lambda _: None,
) -> Sequence[Part]:
    """Fetch and deliver: until `stop` is set, or `once` until nothing is left; say how each part stands at the end.

    Args:
        plan: what to run.
        once: end when nothing is left.
        stop: ends it when set.
        on_progress: called whenever a part has something to show.
        on_start: called when all is open and the parts are about to begin; never with `once`.

    Raises:
        Misconfigured: it cannot be started.
    """
    log = telemetry.logger()
    with _opened(plan, stop or threading.Event(), on_progress) as (runner, journal), ExitStack() as stack:
        if once:
            return runner.run_once()
        log.info("started", version=VERSION, sources=list(plan.settings.sources), routes=list(plan.settings.routes))
        if address := plan.settings.telemetry.address():
            stack.enter_context(_monitored(plan, runner, journal, *address))
        on_start(runner)
        parts = runner.run()
        log.info("ended", states={part.name: part.state for part in parts})
        return parts


@contextmanager
def _monitored(plan: Plan, runner: Runner, journal: Journal, host: str, port: int) -> Iterator[None]:
    """Serve metrics and health while the block lasts. While the address is taken it is tried again: work goes on."""
    from connector.monitoring import current_status, health, metrics, server  # noqa: PLC0415 -- heavy, and used by `run` alone

    path = plan.settings.journal.path
    now = current_status.CurrentStatus(lambda: status_report(plan, journal))
    registry, durations = metrics.registry(metrics.RunCollector(runner.parts, now, path, VERSION))
    pages = server.pages(registry, lambda: health.alive(runner), lambda: health.ready(runner, journal))
    is_over = threading.Event()

    def serve() -> None:
        reason = ""
        while not is_over.is_set():
            try:
                with server.serving(host, port, pages) as url:
                    telemetry.logger().info("listening", url=url)
                    is_over.wait()
            except Misconfigured as error:
                if reason != str(error):
                    reason = str(error)
                    telemetry.logger().error("not_listening", reason=reason, seconds=LISTEN_AGAIN_SECONDS)
                is_over.wait(LISTEN_AGAIN_SECONDS)

    thread = threading.Thread(target=serve, name="listening", daemon=True)
    with telemetry.listening(durations):
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


@contextmanager
def _opened(plan: Plan, stop: threading.Event, on_progress: Callable[[Part], None]) -> Iterator[tuple[Runner, Journal]]:
    shutdown_seconds = plan.settings.shutdown_seconds
    check_file(plan.settings.journal.path)
    with ExitStack() as stack:
        journal = kinds.make_journal(plan.settings.journal)
        stack.callback(journal.close)
        sources = {}
        for name, settings in plan.settings.sources.items():
            with _naming(f"sources.{name}"):
                source = kinds.make_source(settings)
            stack.callback(source.close)
            sources[name] = PolledSource(source, settings.poll_seconds, settings.look_up_limit(), settings.waits_for())
        routes = {}
        for name, route in plan.settings.routes.items():
            # Half of the time to stop for the receiver to finish, half for what then remains to be done.
            with _naming(f"routes.{name}.sink"):
                sink = kinds.make_sink(route.sink, journal.collections, sleep_until(stop, shutdown_seconds / 2))
            stack.callback(sink.close)
            routes[name] = make_route(plan, name, sink)
        runner = make_runner(plan, sources, routes, journal, stop=stop, on_progress=on_progress)
        yield runner, journal
        if runner.left_behind():
            stack.pop_all()  # they still use what would be closed here; the end of the process closes it


def make_runner(
    plan: Plan,
    sources: Mapping[str, PolledSource],
    routes: Mapping[str, Route],
    journal: Journal,
    *,
    stop: threading.Event,
    on_progress: Callable[[Part], None] = lambda _: None,
) -> Runner:
    """What runs these sources and routes of a plan. Once it has left parts behind, nothing they use may be closed."""
    return Runner(
        sources,
        routes,
        journal,
        retention_seconds=plan.settings.journal.retention_days * 86400.0,
        shutdown_seconds=plan.settings.shutdown_seconds,
        stop=stop,
        on_progress=on_progress,
    )


def make_route(plan: Plan, name: str, sink: Sink) -> Route:
    """A route of a plan, into a sink."""
    settings = plan.route(name)
    return Route(
        name=name,
        sources=plan.read_by(settings),
        wants=plan.conditions.get(name, _everything),
        mapping=plan.mappings[name],
        sink=sink,
        receiver=settings.sink.receiver(),
        reads_all=settings.sources is None,
        waits_for=settings.sink.waits_for(),
    )


@contextmanager
def open_journal(plan: Plan, *, make: bool = False) -> Iterator[Journal]:
    """The journal of a plan that has run before; with `make`, one that is made when there is none.

    Raises:
        Misconfigured: there is no journal yet.
    """
    path = plan.settings.journal.path
    if not make and not path.exists():
        raise Misconfigured(f"there is no journal at {path} yet: `iocstream run` makes it")
    check_file(path)
    journal = kinds.make_journal(plan.settings.journal)
    try:
        yield journal
    finally:
        journal.close()


def status_report(plan: Plan, journal: Journal) -> StatusReport:
    """What is known of a plan's sources and routes now."""
    per_day = {name: settings.look_up_limit() for name, settings in plan.settings.sources.items()}
    reads = plan.reads()
    known = journal.status(reads)
    others = [source.name for source in known.sources if source.name not in plan.settings.sources]
    former = former_parts(journal.served(reads), others, reads, plan.receivers())
    return report(known, plan.settings.journal.path, per_day, former)


def load_mapping(
    using: str | Path,
    producer: Producer | None = None,
    profile: str | None = None,
    overlays: Sequence[str | Path] = (),
) -> CompiledMapping:
    """Compile a bundled mapping by name, or a mapping file by path, with what is to be laid over it.

    Args:
        using: a bundled mapping by name, or the path of a mapping file.
        producer: who signs STIX objects; without one the default of the configuration.
        profile: a bundled overlay for one kind of receiver, by name: `opencti`.
        overlays: the paths of overlays, laid over the mapping in this order, after the profile.

    Raises:
        Misconfigured: there is no such mapping, profile or overlay, or one has an error.
    """
    return mapping.compile_mapping(files.read(using, profile, overlays), kinds.make_formats(producer or Producer()))


@contextmanager
def _naming(part: str) -> Iterator[None]:
    """Say in an error which part of the configuration could not be made."""
    try:
        yield
    except Misconfigured as error:
        raise Misconfigured(f"{part}: {error}") from None


def _everything(_: JsonObject) -> bool:
    return True
