"""A VirusTotal source in front of a simulated API."""

import time
from contextlib import contextmanager

from connector.model import Unavailable
from connector.simulator.api import Api, Fault
from connector.simulator.wsgi_server import serving
from connector.sources.virustotal.source import VirusTotalSettings, VirusTotalSource

KEY = "4f1dthekeythatnobodymaysee"
# Half an hour ahead of this machine's clock until the last test has run: when a server's clock is behind this
# machine's, a source asks again.
NOW = int(time.time()) + 1800


class Clock:
    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


def items(dates, *, first_id=1, **changes):
    """A notification for each date. Ids fall while dates rise, which the API does not rule out."""
    return [
        {
            "type": "domain",
            "id": f"host-{first_id + index}.example",
            "attributes": {"tld": "example"},
            "context_attributes": {
                "notification_id": str(900_000 - first_id - index),
                "notification_date": date,
                "origin": "hunting",
                "hunting_info": None,
                "sources": [],
                "tags": [],
            },
            **changes,
        }
        for index, date in enumerate(dates)
    ]


def ids(some):
    return {item["context_attributes"]["notification_id"] for item in some}


def settings(url, **options):
    return VirusTotalSettings(
        **{"type": "virustotal", "api_key": KEY, "api_url": f"{url}/api/v3", "timeout_seconds": 20, **options}
    )


def source(url, **options):
    return VirusTotalSource(settings(url, **options), user_agent="iocstream-connector/1.2.3")


@contextmanager
def simulated(notifications=(), *, middleware=None, clock=None, **options):
    """Serves them; yields the API and the URL it is at."""
    api = Api(notifications, key=KEY, clock=clock or Clock(), **options)
    with serving(middleware(api) if middleware else api) as url:
        yield api, url


@contextmanager
def poisoned(made, where, what):
    """Serves them, with something that is not JSON in one of them."""

    def middleware(api):
        def application(environ, start_response):
            environ.pop("HTTP_ACCEPT_ENCODING", None)
            started = []
            body = b"".join(api(environ, lambda *given: started.append(given)))
            body = body.replace(where, what)
            ((status, headers),) = started
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            start_response(status, [*headers, ("Content-Length", str(len(body)))])
            return [body]

        return application

    with simulated(made, middleware=middleware) as served:
        yield served


def stream_requests(api):
    return [asked for asked in api.requests if asked.path == "/ioc_stream"]


class Store:
    """What a journal does with pages: each with its checkpoint, deduplicated."""

    def __init__(self):
        self.notifications = {}
        self.checkpoint = None
        self.gaps = []

    def append(self, page):
        for notification in page.notifications:
            self.notifications.setdefault(notification.id, notification)
        self.checkpoint = page.checkpoint
        if page.gap:
            self.gaps.append(page.gap)

    def drain(self, some_source):
        pages = []
        for page in some_source.pages(self.checkpoint):
            self.append(page)
            pages.append(page)
        return pages


def newest_first(api):
    """A server that ignores the order it is asked for."""

    def application(environ, start_response):
        environ["QUERY_STRING"] = environ["QUERY_STRING"].replace("order=date%2B", "order=date-")
        return api(environ, start_response)

    return application


DISTURBANCES = ["crash before storing", "crash", "expire", "arrive", "outage", "cut"]


def nothing_is_lost(steps, made, *, ordered, **options):
    """Walk step by step, with what is between: DISTURBANCES, and "store"; in the end all there is was stored."""
    clock, store = Clock(NOW), Store()
    with simulated(made, clock=clock, middleware=None if ordered else newest_first) as (api, url):
        walk = source(url, **options).pages(store.checkpoint)
        for step in steps:
            if step == "expire":
                api.expire_cursors()
            elif step == "arrive":
                clock.now += 30
                more = items([clock.now] * 3, first_id=len(made) + 1)
                made = made + more
                api.add(more)
            elif step == "outage":
                api.faults.append(Fault("/ioc_stream$", status=503, body=b"<html>"))
            elif step == "cut":
                api.faults.append(Fault("/ioc_stream$", cut_at=100))
            elif step == "crash":
                walk = source(url, **options).pages(store.checkpoint)
            else:
                try:
                    page = next(walk, None)
                except Unavailable:
                    page = None
                if page is not None and step == "store":
                    store.append(page)
                else:
                    walk = source(url, **options).pages(store.checkpoint)
        api.faults.clear()
        store.drain(source(url, **options))
        assert store.checkpoint["walk"] is None
        assert store.notifications.keys() == ids(made)
