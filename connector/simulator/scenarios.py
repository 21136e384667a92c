"""Bad days to choose from: what goes wrong at the simulated VirusTotal, for a dry run of what then happens here."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.subjects import Item

QUOTA, QUOTA_SECONDS = 8, 20
"""Requests, and after how many seconds there are as many again."""
OUTAGE_SECONDS, WELL_SECONDS = 10, 20
"""How long nothing is answered, and how long everything is, in turn."""
LATE, LATE_SECONDS = 5, 3600
"""How many notifications appear with each new look at the stream, and how much earlier they are dated."""
FLOOD = 200
"""How many more are raised with each new look at the stream."""
LONG = 2_000_000
"""Characters in a field of a poisoned notification."""
_UNAVAILABLE = b'{"error": {"code": "TransientError", "message": "Transient server error, retry later"}}'


class Scenario(NamedTuple):
    """A bad day.

    Attributes:
        says: what goes wrong, in a sentence.
    """

    says: str
    prepare: Callable[[Api, WSGIApplication], WSGIApplication]


def simulated(names: Sequence[str], count: int, key: str) -> WSGIApplication:
    """The simulated VirusTotal with everything going wrong that is named."""
    api = Api(notifications(count), key=key, reassesses=True)
    application: WSGIApplication = api
    for name in dict.fromkeys(names):
        application = SCENARIOS[name].prepare(api, application)
    return application


def _quota(api: Api, inner: WSGIApplication) -> WSGIApplication:
    api.allowed = QUOTA
    renewed = time.monotonic()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        nonlocal renewed
        if time.monotonic() - renewed >= QUOTA_SECONDS:
            renewed, api.used = time.monotonic(), 0
        return inner(environ, start_response)

    return application


def _outage(api: Api, inner: WSGIApplication) -> WSGIApplication:
    del api
    began = time.monotonic()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if (time.monotonic() - began) % (OUTAGE_SECONDS + WELL_SECONDS) >= OUTAGE_SECONDS:
            return inner(environ, start_response)
        start_response("503 Service Unavailable", [("Content-Type", "application/json"), ("Retry-After", "2")])
        return [_UNAVAILABLE]

    return application


def _late(api: Api, inner: WSGIApplication) -> WSGIApplication:
    return _with_each_look(
        inner, lambda number: api.add(_named(LATE, "late", number, now=time.time() - LATE_SECONDS)), from_look=2
    )


def _flood(api: Api, inner: WSGIApplication) -> WSGIApplication:
    return _with_each_look(inner, lambda number: api.add(_named(FLOOD, "flood", number)), from_look=1)


def _poisoned(api: Api, inner: WSGIApplication) -> WSGIApplication:
    api.add(_poison())
    return inner


def _tenants(api: Api, inner: WSGIApplication) -> WSGIApplication:
    """Beside the key there is KEY-2, of another customer: some of its notifications have the same ids."""
    other = Api(notifications(60, seed=2), key=f"{api.key}-2", user="demo-2", reassesses=True)
    shared = notifications(5)
    other.add(shared)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_other = environ.get("HTTP_X_APIKEY") == other.key
        return (other if is_other else inner)(environ, start_response)

    return application


SCENARIOS: dict[str, Scenario] = {
    "quota": Scenario(f"the quota is {QUOTA} requests, renewed every {QUOTA_SECONDS} s", _quota),
    "outage": Scenario(f"for {OUTAGE_SECONDS} s of every {OUTAGE_SECONDS + WELL_SECONDS} s it answers 503", _outage),
    "late": Scenario(f"each look at the stream finds {LATE} more, dated an hour earlier", _late),
    "poisoned": Scenario("among the notifications are broken, huge and hostile ones", _poisoned),
    "flood": Scenario(f"each look at the stream finds {FLOOD} more", _flood),
    "tenants": Scenario("a second customer has the key KEY-2; some ids are in both streams", _tenants),
}


def _with_each_look(inner: WSGIApplication, raise_more: Callable[[int], None], *, from_look: int) -> WSGIApplication:
    """Raise more whenever somebody begins to read the stream: a request without a cursor."""
    looks, lock = 0, threading.Lock()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        nonlocal looks
        if environ["PATH_INFO"].endswith("/ioc_stream") and "cursor=" not in environ.get("QUERY_STRING", ""):
            with lock:
                looks += 1
                if looks >= from_look:
                    raise_more(looks)
        return inner(environ, start_response)

    return application


def _named(count: int, name: str, number: int, *, now: float | None = None) -> list[Item]:
    """Notifications with ids of their own."""
    items = notifications(count, seed=1000 + number, now=now)
    for index, item in enumerate(items):
        item["context_attributes"]["notification_id"] = f"{name}-{number}-{index}"
    return items


def _poison() -> list[Item]:
    """What a hostile or broken stream could hold; each has an id that says what is wrong with it."""
    base = next(item for item in notifications(100) if item["type"] == "domain")

    def item(name: str, **changes: object) -> Item:
        context = {**base["context_attributes"], "notification_id": f"poisoned-{name}"}
        return {**base, "context_attributes": context, **changes}

    hunting = {"rule_name": "=cmd|' /C calc'!A0", "rule_tags": ["\x1b[2J", "a\nCEF:0|forged|"]}
    forged = item("rule-that-forges-a-line")
    forged["context_attributes"] = {**forged["context_attributes"], "hunting_info": hunting}
    no_id = item("without-an-id")
    no_id["context_attributes"] = {k: v for k, v in no_id["context_attributes"].items() if k != "notification_id"}
    return [
        item("domain-that-is-none", id="not a domain\x00' OR 1=1"),
        item("type-of-the-future", type="quantum_file"),
        item("attributes-that-are-a-list", attributes=[1, 2, 3]),
        item("field-of-two-million-characters", attributes={**base["attributes"], "whois": "A" * LONG}),
        item("deep", attributes={**base["attributes"], "x": _nested(150)}),
        forged,
        no_id,
    ]


def _nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value
