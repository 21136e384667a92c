"""A plan becomes running parts: journal, sources, sinks and routes are opened, run and closed."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from connector import kinds, telemetry
from connector.configuration import Plan
from connector.model import JsonObject, Misconfigured, Unavailable
from connector.monitoring.status import StatusReport, former_parts, report
from connector.pipeline.part import Part
from connector.pipeline.route import Route, everything
from connector.pipeline.runner import PolledSource, Runner, sleep_until
from connector.ports import Journal, SharedJournal, Sink
from connector.version import VERSION

LISTEN_AGAIN_SECONDS = 10.0
"""How long to wait before an address for metrics that was taken is tried again."""


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

    settings = plan.settings.journal
    now = current_status.CurrentStatus(lambda: status_report(plan, journal))
    registry, durations = metrics.registry(metrics.RunCollector(runner.parts, now, settings.files(), VERSION))
    pages = server.pages(registry, lambda: health.alive(runner), lambda: health.ready(runner, journal))
    is_over = threading.Event()

    def serve() -> None:
        reason = ""
        while not is_over.is_set():
            try:
                with server.serving(host, port, pages, plan.settings.telemetry.hosts) as url:
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
    with suppress(Unavailable):  # every part waits for it by itself
        kinds.check_journal(plan.settings.journal)
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
    published = settings.sink.published()
    return Route(
        name=name,
        sources=plan.read_by(settings),
        wants=plan.conditions.get(name, everything),
        mapping=plan.mappings[name],
        sink=sink,
        receiver=settings.receiver_name(),
        refresh=settings.refresh,
        reads_all=settings.sources is None,
        batch=settings.sink.at_once(),
        waits_for=settings.sink.waits_for(),
        collection="" if published is None else published.name,
        keep_days=None if published is None else published.keep_days,
        tenants=plan.tenants(name),
        beside=plan.beside(name),
        terms=plan.terms(name),
    )


@contextmanager
def open_journal(plan: Plan, *, make: bool = False) -> Iterator[Journal]:
    """The journal of a plan that has run before; with `make`, one that is made when there is none.

    Raises:
        Misconfigured: there is no journal yet.
    """
    settings = plan.settings.journal
    if not make and not kinds.journal_exists(settings):
        raise Misconfigured(f"there is no journal at {settings.place()} yet: `iocstream run` makes it")
    kinds.check_journal(settings)
    journal = kinds.make_journal(settings)
    try:
        yield journal
    finally:
        journal.close()


def status_report(plan: Plan, journal: Journal, sources: Collection[str] | None = None) -> StatusReport:
    """What is known of a plan's sources and routes now.

    With `sources`, for whoever may see these alone: `plan` is as they see it (`Plan.only`), to which all that is left
    out would be what is no longer configured.
    """
    per_day = {name: settings.look_up_limit() for name, settings in plan.settings.sources.items()}
    reads = plan.reads()
    known = journal.status(reads, sources)
    if sources is not None:
        return report(known, plan.settings.journal.place(), per_day)
    others = [source.name for source in known.sources if source.name not in plan.settings.sources]
    former = former_parts(journal.served(reads), others, reads, plan.receivers())
    workers = journal.workers() if isinstance(journal, SharedJournal) else ()
    return report(known, plan.settings.journal.place(), per_day, former, workers)


@contextmanager
def _naming(part: str) -> Iterator[None]:
    """Say in an error which part of the configuration could not be made."""
    try:
        yield
    except Misconfigured as error:
        raise Misconfigured(f"{part}: {error}") from None


def _everything(_: JsonObject) -> bool:
    return True
