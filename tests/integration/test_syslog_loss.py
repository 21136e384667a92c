"""What is lost when rsyslog is killed with SIGKILL: nothing over RELP; over TCP and TLS nothing of the replay window.

Everything runs as in the product: journal, route, mapping and sink.
"""

import contextlib
import threading

import pytest

from connector import configuration, notification
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Page, Unavailable
from connector.pipeline.deliver import Delivery
from connector.pipeline.route import Route
from connector.settings.producer import Producer
from connector.simulator.notifications import notifications
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink

pytest_plugins = ["integration.syslog_peers"]
pytestmark = pytest.mark.xdist_group("syslog")

EVENT = rb"externalId=([0-9]+)"
TRANSPORTS = {"relp": "relp", "relptls": "relp-tls", "tcp": "tcp", "ossl": "tls"}


class Run:
    """Notifications in a journal, and a route to an input of rsyslog."""

    def __init__(self, stack, folder, server, source, certificates, **options):
        self.journal = SqliteJournal(SqliteSettings(path=folder / "journal.db"))
        stack.callback(self.journal.close)
        stack.enter_context(self.journal.lease("vt"))
        stack.enter_context(self.journal.lease("syslog"))
        if source in ("relptls", "ossl"):
            options |= {"ca_bundle": certificates.ca, "client_certificate": certificates.client}
        settings = SyslogSettings(
            host="127.0.0.1", port=server.ports[source], transport=TRANSPORTS[source], hostname="vt-1", **options
        )
        self.sink = stack.enter_context(contextlib.closing(SyslogSink(settings)))
        self.mapping = configuration.load_mapping("cef", Producer())
        self.server, self.source = server, source
        self.raised, self.breaks = set(), 0
        self.delivery = Delivery(Route("syslog", ["vt"], lambda _: True, self.mapping, self.sink), self.journal)

    def raise_notifications(self, count):
        page = [notification.read(body) for body in notifications(count, seed=len(self.raised))]
        self.raised |= {each.id.encode() for each in page}
        self.journal.append("vt", Page(page, None))

    def drain(self, after_a_break=lambda: None):
        """Deliver everything, as the runner does; whenever the server is gone, it comes back."""
        while True:
            try:
                if self.delivery.step() is None:
                    self.delivery.finish()
                    return
            except Unavailable:
                self.breaks += 1
                if self.server.process.poll() is not None:
                    self.server.start()
                    after_a_break()


@pytest.fixture
def run(tmp_path, own_rsyslog, certificates):
    with contextlib.ExitStack() as stack:
        yield lambda source, **options: Run(stack, tmp_path, own_rsyslog, source, certificates, **options)


class Killer:
    """Kills the server once each time it has written so many messages more."""

    def __init__(self, server, source, thresholds):
        self.server, self.source = server, source
        self.thresholds = list(thresholds)
        self.thread = None

    def watch(self):
        if self.thread:
            self.thread.join()
        if self.thresholds:
            self.thread = threading.Thread(target=self._kill_beyond, args=(self.thresholds.pop(0),))
            self.thread.start()

    def _kill_beyond(self, threshold):
        path = self.server.folder / f"{self.source}.json"
        self.server._until(lambda: path.exists() and path.stat().st_size > threshold, f"has written {threshold} bytes")
        self.server.kill()


@pytest.mark.parametrize("source", ["relp", "relptls", "tcp", "ossl"])
def test_nothing_is_lost_when_the_receiver_is_killed_mid_stream(run, own_rsyslog, source):
    this = run(source)
    this.raise_notifications(2000)
    killer = Killer(own_rsyslog, source, [600_000, 1_500_000])
    killer.watch()
    this.drain(after_a_break=killer.watch)
    if killer.thread:
        killer.thread.join()
    assert this.breaks >= 2
    stored = own_rsyslog.wait_for_all(source, EVENT, this.raised)
    assert set(stored) == this.raised
    print(f"{source}: {len(stored) - len(this.raised)} repeats after two kills")
    if source.startswith("relp"):
        assert len(stored) - len(this.raised) <= 2 * 500  # a batch each time


@pytest.mark.parametrize("source", ["tcp", "ossl"])
@pytest.mark.parametrize("window", [10_000, 0])
def test_what_only_the_kernel_of_a_killed_receiver_had_is_sent_again_if_there_is_a_window(
    run, own_rsyslog, source, window
):
    this = run(source, replay_window_messages=window)
    this.raise_notifications(100)
    this.delivery.step()
    before = set(this.raised)
    own_rsyslog.wait_for_all(source, EVENT, before)
    own_rsyslog.pause()
    this.raise_notifications(101)
    this.delivery.step()
    own_rsyslog.kill()
    unread = this.raised - before

    this.drain()
    this.raise_notifications(102)
    this.drain()
    stored = set(own_rsyslog.wait_for_all(source, EVENT, this.raised - unread))
    assert this.raised - stored == (set() if window else unread)
