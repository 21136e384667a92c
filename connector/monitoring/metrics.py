"""Prometheus metrics: what this run did, from its parts, and what the journal knows at the time of asking.

(prometheus.io/docs/practices/naming; docs/monitoring.md lists every metric)
"""

import datetime
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from connector.monitoring.current_status import CurrentStatus
from connector.monitoring.status import LookUpsReport, RouteReport, RuleReport, SourceReport, StatusReport
from connector.pipeline.part import REFUSERS, Part
from connector.telemetry import HttpExchange
from connector.values.quota import allowances

MAX_HOSTS = 32
"""How many hosts have request durations of their own; the others share the name `other`."""

MAX_RULESETS = 64
"""How many rulesets have metrics of their own: those come first whose matches are dropped."""

_VERDICTS = ("true_positive", "false_positive", "benign")
_STATES = ("running", "done", "waiting", "blocked", "elsewhere")
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_Samples = Iterable[tuple[tuple[str, ...], float]]
_Named = TypeVar("_Named", Part, SourceReport, RouteReport)


class RequestDurations:
    """How long HTTP requests took; called with each that ends (`connector.telemetry.listening`)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._hosts: set[str] = set()
        self._seconds = Histogram(
            "iocstream_http_request_duration_seconds",
            "Seconds that HTTP requests took, by the class of their status, or `failed` without a complete answer.",
            ["host", "method", "outcome"],
            buckets=_BUCKETS,
            registry=registry,
        )

    def __call__(self, exchange: HttpExchange) -> None:
        """Count one request."""
        host = exchange.host
        if host not in self._hosts:
            if len(self._hosts) < MAX_HOSTS:
                self._hosts.add(host)
            else:
                host = "other"
        self._seconds.labels(host, exchange.method, exchange.outcome).observe(exchange.seconds)


class RunCollector(Collector):
    """Makes the metrics of a run when they are asked for, so that nothing is counted twice or kept in step."""

    def __init__(self, parts: Mapping[str, Part], status: CurrentStatus, files: Sequence[Path], version: str) -> None:
        self._parts = parts
        self._status = status
        self._files = files
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """All metrics but those of the process and of HTTP requests."""
        build = {"version": self._version, "python": platform.python_version()}
        yield InfoMetricFamily("iocstream_build", "Version of the connector and of Python; always 1.", value=build)
        yield from self._this_run()
        yield from self._journal_file()
        report, _ = self._status.now()
        yield _gauge("journal_up", "1 while the journal can be read, else 0.", [], [((), report is not None)])
        yield from _reported(report)

    def _this_run(self) -> Iterator[Metric]:
        parts = list(self._parts.values())
        sources = [part for part in parts if part.kind == "source"]
        routes = [part for part in parts if part.kind == "route"]
        yield from _families(
            _counter,
            "source",
            sources,
            [
                ("notifications_fetched", "Notifications that a source gave, repeats included.", lambda p: p.fetched),
                ("notifications_new", "Notifications that were stored in the journal.", lambda p: p.new),
                (
                    "notifications_deduplicated",
                    "Notifications that the journal had already.",
                    lambda p: p.fetched - p.new,
                ),
                ("look_ups", "Look-ups of rulesets and collections that were answered.", lambda p: p.looked_up),
            ],
        )
        yield from _families(
            _counter,
            "route",
            routes,
            [
                ("notifications_delivered", "Notifications that a route has delivered.", lambda p: p.delivered),
                (
                    "notifications_filtered",
                    "Notifications that a route or its mapping does not want.",
                    lambda p: p.filtered,
                ),
                (
                    "notifications_made_nothing",
                    "Notifications that a mapping wants and made nothing of.",
                    lambda p: p.made_nothing,
                ),
                (
                    "notifications_refused",
                    "Notifications that were refused, in whole or in part.",
                    lambda p: p.refused,
                ),
                (
                    "notifications_muted",
                    "Notifications that a route withheld because of what an analyst judged.",
                    lambda p: p.muted,
                ),
                (
                    "notifications_guarded",
                    "Notifications that a route did not deliver because a known-good list has them.",
                    lambda p: p.guarded,
                ),
                (
                    "notifications_withdrawn",
                    "Notifications that took back what a route had delivered.",
                    lambda p: p.withdrawn,
                ),
                (
                    "notifications_revised",
                    "Delivered notifications that were converted again with what was looked up or judged later.",
                    lambda p: p.revised,
                ),
                ("messages_sent", "Objects or events that a receiver accepted.", lambda p: p.messages),
            ],
        )
        yield _counter(
            "dead_letters_made",
            "Dead letters that were made, by who refused.",
            ["route", "by"],
            [((part.name, by), part.refused_by[by]) for part in routes for by in REFUSERS],
        )
        yield _gauge(
            "part_state",
            "1 for the state that a source or route is in, 0 for the others.",
            ["part", "kind", "state"],
            [((part.name, part.kind, state), part.state == state) for part in parts for state in _STATES],
        )
        yield _gauge(
            "last_success_timestamp_seconds",
            "Unix time in seconds when a source or route last succeeded; before the first time, when the run began.",
            ["part", "kind"],
            [((part.name, part.kind), part.succeeded_at) for part in parts],
        )

    def _journal_file(self) -> Iterator[Metric]:
        if self._files:
            size = sum(file.stat().st_size for file in self._files if file.exists())
            yield _gauge(
                "journal_size_bytes",
                "Bytes that a journal in a file takes on the disk, with -wal and -shm.",
                [],
                [((), size)],
            )


def registry(collector: RunCollector) -> tuple[CollectorRegistry, RequestDurations]:
    """A registry of this run's own, and what counts its HTTP requests."""
    own = CollectorRegistry()
    own.register(collector)
    ProcessCollector(registry=own)
    return own, RequestDurations(own)


def _reported(report: StatusReport | None) -> Iterator[Metric]:
    """What `iocstream status --json` says, as metrics; without samples where the journal cannot be read."""
    sources, routes = (report.sources, report.routes) if report else ([], [])
    if report is not None:
        stored = report.journal.notifications
        yield _gauge("journal_notifications", "Notifications that the journal has now.", [], [((), stored)])
    yield from _families(
        _gauge,
        "source",
        sources,
        [
            (
                "source_lag_seconds",
                "Seconds since the source last knew that it had fetched everything.",
                lambda source: source.lag_seconds,
            ),
            (
                "source_watermark_timestamp_seconds",
                "Date up to which every notification has been stored, as Unix time in seconds.",
                lambda source: _unix(source.watermark),
            ),
            (
                "source_gaps",
                "Spans of time that VirusTotal deleted before they were fetched.",
                lambda source: len(source.lost),
            ),
            (
                "source_dead_letters",
                "Items that a source could not read, or the disk has changed, and that are not fetched again yet.",
                lambda source: source.dead_letters,
            ),
        ],
    )
    quotas = [((source.name, each.span, each.whose), each) for source in sources for each in allowances(source.quota)]
    labels = ["source", "span", "whose"]
    used, allowed = (
        [(values, each.used) for values, each in quotas],
        [(values, each.allowed) for values, each in quotas],
    )
    yield _gauge("quota_used_requests", "Requests of the API key's quota that are used.", labels, used)
    yield _gauge("quota_allowed_requests", "Requests that the API key's quota allows.", labels, allowed)
    yield from _look_ups({source.name: source.look_ups for source in sources if source.look_ups})
    yield from _rules(report.rules if report else [])
    yield from _families(
        _gauge,
        "route",
        routes,
        [
            (
                "route_lag_seconds",
                "Age in seconds of the oldest notification that waits to be delivered; 0 without one.",
                lambda route: route.lag_seconds or 0,
            ),
            (
                "route_backlog_notifications",
                "Notifications that wait to be delivered.",
                lambda route: route.backlog,
            ),
            (
                "route_outdated_notifications",
                "Delivered notifications to be converted again with what was looked up or judged later.",
                lambda route: route.outdated,
            ),
            (
                "route_nothing_passed_notifications",
                "Notifications in a row, until now, that were filtered out or made nothing of.",
                lambda route: route.nothing_passed,
            ),
            ("dead_letters", "Dead letters that wait for someone to act.", lambda route: route.dead_letters),
        ],
    )


def _rules(rules: Sequence[RuleReport]) -> Iterator[Metric]:
    """What the matches of rules were judged; the rules to tune are among them."""
    named = [((each.source or "", each.ruleset or "", each.name), each) for each in rules]
    yield _gauge(
        "rule_judgements",
        "Judgements in force of a rule or its matches, by verdict; of the 20 rules with the most false positives.",
        ["source", "ruleset", "rule", "verdict"],
        [((*rule, verdict), getattr(each, verdict)) for rule, each in named for verdict in _VERDICTS],
    )
    yield _gauge(
        "rule_precision_ratio",
        "Part of the judgements of a rule that say true_positive, from 0 to 1; of the same rules.",
        ["source", "ruleset", "rule"],
        [(rule, each.precision) for rule, each in named],
    )


def _look_ups(found: Mapping[str, LookUpsReport]) -> Iterator[Metric]:
    """What is known of what notifications name, and what VirusTotal drops before it becomes one."""
    counts = [
        ((name, state), number)
        for name, each in found.items()
        for state, number in (
            ("known", each.known),
            ("absent", each.absent),
            ("forbidden", each.forbidden),
            ("waiting", each.waiting),
        )
    ]
    yield _gauge(
        "subjects",
        "Rulesets and collections that notifications name, by what is known of them.",
        ["source", "state"],
        counts,
    )
    today = [((name,), each.today) for name, each in found.items()]
    yield _gauge("look_ups_today", "Look-ups of today, since 00:00 UTC.", ["source"], today)
    per_day = [((name,), each.per_day) for name, each in found.items()]
    yield _gauge("look_ups_allowed", "Look-ups allowed a day, by `look_ups_per_day`.", ["source"], per_day)
    paused = [((name,), each.message is not None) for name, each in found.items()]
    yield _gauge("look_ups_paused", "1 while look-ups are paused; `iocstream status` says why.", ["source"], paused)
    rulesets = [((name, each.id, each.name or ""), each) for name, report in found.items() for each in report.rulesets]
    rulesets.sort(key=lambda each: (not each[1].rate_limited, -(each[1].rate_limited_ratio or 0.0)))
    labels = ["source", "ruleset", "name"]
    limited = [(values, float(each.rate_limited)) for values, each in rulesets[:MAX_RULESETS]]
    yield _gauge(
        "ruleset_rate_limited",
        "1 while VirusTotal drops the matches of a ruleset because its limit is reached.",
        labels,
        limited,
    )
    ratios = [(values, each.rate_limited_ratio or 0.0) for values, each in rulesets[:MAX_RULESETS]]
    yield _gauge(
        "ruleset_rate_limited_ratio",
        "Part of the last 24 hours in which VirusTotal dropped matches of a ruleset, from 0 to 1.",
        labels,
        ratios,
    )


def _unix(text: str | None) -> float | None:
    return None if text is None else datetime.datetime.fromisoformat(text).timestamp()


def _counter(name: str, meaning: str, labels: list[str], samples: _Samples) -> Metric:
    family = CounterMetricFamily(f"iocstream_{name}", meaning, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _gauge(name: str, meaning: str, labels: list[str], samples: _Samples) -> Metric:
    family = GaugeMetricFamily(f"iocstream_{name}", meaning, labels=labels)
    for values, number in samples:
        family.add_metric(values, number)
    return family


def _families(
    make: Callable[[str, str, list[str], _Samples], Metric],
    label: str,
    named: Iterable[_Named],
    families: Iterable[tuple[str, str, Callable[[_Named], float | None]]],
) -> Iterator[Metric]:
    """Metrics with a sample for each source or route.

    Args:
        make: `_counter` or `_gauge`.
        label: the label that has the name of the source or route.
        named: the sources or routes.
        families: of each metric its name, its meaning, and what gives its value; None: no sample.
    """
    for name, meaning, value in families:
        numbers = [(each.name, value(each)) for each in named]
        yield make(name, meaning, [label], [((who,), number) for who, number in numbers if number is not None])
