"""Prometheus metrics: what this run did, from its parts, and what the journal knows at the time of asking.

(prometheus.io/docs/practices/naming; docs/monitoring.md lists every metric)
"""

import datetime
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from connector.monitoring.current_status import CurrentStatus
from connector.monitoring.status import LookUpsReport, StatusReport
from connector.pipeline.part import REFUSERS, Part
from connector.telemetry import Exchange

MAX_HOSTS = 32
"""How many hosts have request durations of their own; the others share the name `other`."""

MAX_RULESETS = 64
"""How many rulesets have metrics of their own: those come first whose matches are dropped."""

_STATES = ("running", "done", "waiting", "blocked")
_MAX_SPANS = 16
_MAX_COUNT = 2**53
_SPAN = re.compile(r"[a-z0-9_]{1,64}\Z")
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_Samples = Iterable[tuple[tuple[str, ...], float]]


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

    def __call__(self, exchange: Exchange) -> None:
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

    def __init__(self, parts: Mapping[str, Part], status: CurrentStatus, journal: Path, version: str) -> None:
        self._parts = parts
        self._status = status
        self._journal = journal
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
        for name, meaning, counts in (
            (
                "notifications_fetched",
                "Notifications that a source gave, repeats included.",
                [(p.name, p.fetched) for p in sources],
            ),
            ("notifications_new", "Notifications that were stored in the journal.", [(p.name, p.new) for p in sources]),
            (
                "notifications_deduplicated",
                "Notifications that the journal had already.",
                [(p.name, p.fetched - p.new) for p in sources],
            ),
            (
                "look_ups",
                "Look-ups of rulesets and collections that were answered.",
                [(p.name, p.looked_up) for p in sources],
            ),
        ):
            yield _counter(name, meaning, ["source"], [((who,), count) for who, count in counts])
        for name, meaning, counts in (
            (
                "notifications_delivered",
                "Notifications that a route has delivered.",
                [(p.name, p.delivered) for p in routes],
            ),
            (
                "notifications_filtered",
                "Notifications that a route or its mapping does not want.",
                [(p.name, p.filtered) for p in routes],
            ),
            (
                "notifications_made_nothing",
                "Notifications that a mapping wants and made nothing of.",
                [(p.name, p.made_nothing) for p in routes],
            ),
            (
                "notifications_refused",
                "Notifications that were refused, in whole or in part.",
                [(p.name, p.refused) for p in routes],
            ),
            (
                "notifications_revised",
                "Delivered notifications that were converted again with what was looked up later.",
                [(p.name, p.revised) for p in routes],
            ),
            ("messages_sent", "Objects or events that a receiver accepted.", [(p.name, p.messages) for p in routes]),
        ):
            yield _counter(name, meaning, ["route"], [((who,), count) for who, count in counts])
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
        files = (self._journal, *(Path(f"{self._journal}{suffix}") for suffix in ("-wal", "-shm")))
        size = sum(file.stat().st_size for file in files if file.exists())
        yield _gauge(
            "journal_size_bytes", "Bytes that the journal takes on the disk, with -wal and -shm.", [], [((), size)]
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
    for name, meaning, numbers in (
        (
            "source_lag_seconds",
            "Seconds since the source last knew that it had fetched everything.",
            [(source.name, source.lag_seconds) for source in sources],
        ),
        (
            "source_watermark_timestamp_seconds",
            "Date up to which every notification has been stored, as Unix time in seconds.",
            [(source.name, _unix(source.watermark)) for source in sources],
        ),
        (
            "source_gaps",
            "Spans of time that VirusTotal deleted before they were fetched.",
            [(source.name, len(source.lost)) for source in sources],
        ),
    ):
        yield _gauge(name, meaning, ["source"], [((who,), number) for who, number in numbers if number is not None])
    quotas = [((source.name, *label), numbers) for source in sources for label, numbers in _quotas(source.quota)]
    labels = ["source", "span", "whose"]
    used, allowed = [(k, used) for k, (used, _) in quotas], [(k, allowed) for k, (_, allowed) in quotas]
    yield _gauge("quota_used_requests", "Requests of the API key's quota that are used.", labels, used)
    yield _gauge("quota_allowed_requests", "Requests that the API key's quota allows.", labels, allowed)
    yield from _look_ups({source.name: source.look_ups for source in sources if source.look_ups})
    for name, meaning, counts in (
        (
            "route_lag_seconds",
            "Age in seconds of the oldest notification that waits to be delivered; 0 without one.",
            [(route.name, route.lag_seconds or 0) for route in routes],
        ),
        (
            "route_backlog_notifications",
            "Notifications that wait to be delivered.",
            [(route.name, route.backlog) for route in routes],
        ),
        (
            "route_outdated_notifications",
            "Delivered notifications to be converted again with what was looked up later.",
            [(route.name, route.outdated) for route in routes],
        ),
        (
            "route_nothing_passed_notifications",
            "Notifications in a row, until now, that were filtered out or made nothing of.",
            [(route.name, route.nothing_passed) for route in routes],
        ),
        (
            "dead_letters",
            "Dead letters that wait for someone to act.",
            [(route.name, route.dead_letters) for route in routes],
        ),
    ):
        yield _gauge(name, meaning, ["route"], [((who,), count) for who, count in counts])


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


def _quotas(quota: Any) -> Iterator[tuple[tuple[str, str], tuple[int, int]]]:
    """The allowances of `overall_quotas` (VirusTotal API v3), as far as they look like what they should be."""
    spans = list(quota.items())[:_MAX_SPANS] if isinstance(quota, dict) else []
    for name, said in spans:
        for whose in ("user", "group"):
            numbers = said.get(whose) if isinstance(said, dict) else None
            used, allowed = (numbers.get("used"), numbers.get("allowed")) if isinstance(numbers, dict) else (None, None)
            if _SPAN.match(name) and _is_count(used) and _is_count(allowed):
                yield (name.removeprefix("api_requests_"), whose), (used, allowed)


def _is_count(number: Any) -> TypeGuard[int]:
    return isinstance(number, int) and 0 <= number < _MAX_COUNT


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
