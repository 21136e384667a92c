import contextlib
import itertools

import pytest

from connector.model import Message, Misconfigured, Unavailable
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink

pytest_plugins = ["integration.syslog_peers"]
pytestmark = pytest.mark.xdist_group("syslog")

MAY_17 = 1684311125  # 2023-05-17T08:12:05Z
_markers = itertools.count()


@pytest.fixture
def marker():
    """Tells the events of one test from those of all others in the same server."""
    return f"t{next(_markers)}-"


def events(marker, count):
    return [
        Message(n, f"n-{n}", f"CEF:0|a|b|1|c|é€😀|5|cs1={marker}{n} msg={'x' * (n * 7 % 900)}".encode(), MAY_17)
        for n in range(count)
    ]


@contextlib.contextmanager
def sink_to(server, source, **options):
    transport = {"udp": "udp", "tls": "tls"}.get(source, "tcp")
    settings = SyslogSettings(
        host="127.0.0.1", port=server.ports[source], transport=transport, hostname="vt-1", **options
    )
    with contextlib.closing(SyslogSink(settings)) as sink:
        yield sink


WAYS = {
    "udp": {"header": "rfc3164"},
    "lf": {"header": "rfc3164"},
    "octet": {"header": "rfc5424", "framing": "octet"},
    "tls": {"header": "rfc5424"},
}


@pytest.mark.parametrize("source", WAYS)
def test_what_was_sent_is_what_is_stored(syslog_ng, certificates, marker, source):
    messages = events(marker, 300)
    options = WAYS[source]
    if source == "tls":
        options = {**options, "ca_bundle": certificates.ca, "client_certificate": certificates.client}
    with sink_to(syslog_ng, source, tag="vtcef", **options) as sink:
        assert sink.send(messages[:100]) == []
        assert sink.send(messages[100:]) == []
        stored = syslog_ng.wait_for(source, marker, 300)
    assert [each["msg"].encode() for each in stored] == [each.body for each in messages]
    assert {(each["pri"], each["host"], each["tag"]) for each in stored} == {("132", "vt-1", "vtcef")}
    if options["header"] == "rfc5424":
        assert {float(each["time"]) for each in stored} == {MAY_17}


@pytest.mark.parametrize("certificate", [None, "stranger", "not_permitted"])
def test_nothing_counts_as_sent_to_a_receiver_that_refuses_our_certificate(
    syslog_ng, certificates, marker, certificate
):
    mine = {"ca_bundle": certificates.ca}
    if certificate:
        mine["client_certificate"] = getattr(certificates, certificate)
    with sink_to(syslog_ng, "tls", **mine) as sink, pytest.raises(Misconfigured, match="set client_certificate"):
        sink.send(events(marker, 1))
    mine["client_certificate"] = certificates.client
    with sink_to(syslog_ng, "tls", header="rfc5424", **mine) as sink:
        sink.send(events(marker, 1))
        assert len(syslog_ng.wait_for("tls", marker, 1)) == 1


def test_counted_frames_are_not_understood_where_line_feeds_are_expected(syslog_ng, marker):
    with sink_to(syslog_ng, "lf", framing="octet") as sink:
        sink.send(events(marker, 3))
    with sink_to(syslog_ng, "lf") as sink:
        sink.send(events(marker + "after-", 1))
        stored = syslog_ng.wait_for("lf", marker, 2)
    # All in one, with the lengths of the others among them: so `framing` is an option and nothing is guessed.
    assert not {each["msg"].encode() for each in stored[:-1]} & {each.body for each in events(marker, 3)}


def test_line_feeds_are_not_understood_where_counted_frames_are_expected(syslog_ng, marker):
    with contextlib.suppress(Unavailable), sink_to(syslog_ng, "octet", header="rfc5424", framing="lf") as sink:
        sink.send(events(marker, 3))
    with sink_to(syslog_ng, "octet", header="rfc5424", framing="octet") as sink:
        sink.send(events(marker + "after-", 1))
        stored = syslog_ng.wait_for("octet", marker, 1)
    assert [each["msg"].encode() for each in stored] == [each.body for each in events(marker + "after-", 1)]


@pytest.mark.parametrize("source", ["lf", "octet"])
def test_the_largest_event_is_stored_whole_and_a_larger_one_is_refused(syslog_ng, marker, source):
    (event,) = events(marker, 1)
    with sink_to(syslog_ng, source, **WAYS[source]) as sink:
        header = len(sink._header.at(MAY_17))
        fits = Message(1, "n-1", event.body.ljust(8000 - header, b"x"), MAY_17)
        too_long = Message(2, "n-2", fits.body + b"x", MAY_17)
        (refusal,) = sink.send([fits, too_long])
        assert refusal.message is too_long
        (stored,) = syslog_ng.wait_for(source, marker, 1)
    assert fits.body.endswith(stored["msg"].encode()[-4000:])
    assert len(stored["msg"].encode()) >= len(fits.body) - len("CEF:")
