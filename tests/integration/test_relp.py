"""RELP against rsyslog's imrelp."""

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
    transport = {"relp": "relp", "relptls": "relp-tls"}[source]
    settings = SyslogSettings(
        host="127.0.0.1", port=server.ports[source], transport=transport, hostname="vt-1", **options
    )
    with contextlib.closing(SyslogSink(settings)) as sink:
        yield sink


def known(source, certificates):
    """Options with which this input accepts us."""
    return {"ca_bundle": certificates.ca, "client_certificate": certificates.client} if source == "relptls" else {}


@pytest.mark.parametrize("header", ["rfc3164", "rfc5424"])
@pytest.mark.parametrize("source", ["relp", "relptls"])
def test_what_was_acknowledged_is_written_already(rsyslog, certificates, marker, source, header):
    messages = events(marker, 1000)
    with sink_to(rsyslog, source, header=header, tag="vtcef", **known(source, certificates)) as sink:
        assert str(rsyslog.ports[source]) in sink.check()
        assert sink.send(messages[:100]) == []
        assert sink.send(messages[100:]) == []
        # Not waited for.
        stored = [each for each in rsyslog.stored(source) if marker in each["msg"]]
    assert [each["msg"].lstrip(" ").encode() for each in stored] == [each.body for each in messages]
    for each in stored:
        assert (each["pri"], each["host"], each["tag"].removesuffix(":")) == ("132", "vt-1", "vtcef")


def test_the_largest_event_is_stored_whole_and_a_larger_one_is_refused(rsyslog, marker):
    header = len("<132>May 17 08:12:05 vt-1 iocstream: ")
    start = f"CEF:0|a|b|1|c|d|5|cs1={marker}".encode()
    fits = Message(1, "n-1", start.ljust(8000 - header, b"x"), MAY_17)
    too_long = Message(2, "n-2", fits.body + b"x", MAY_17)
    with sink_to(rsyslog, "relp") as sink:
        (refusal,) = sink.send([fits, too_long])
        assert refusal.message is too_long
        (stored,) = rsyslog.wait_for("relp", marker, 1)
    assert len(stored["raw"]) == 8000


def test_a_wide_window_and_a_narrow_one_take_the_same(rsyslog, marker):
    messages = events(marker, 2000)
    for number, window in enumerate((1, 1000)):
        with sink_to(rsyslog, "relp", relp_window_messages=window) as sink:
            sink.send(messages)
            assert len(rsyslog.wait_for("relp", marker, 0)) == 2000 * (number + 1)


def test_a_receiver_that_cannot_prove_who_it_is_gets_nothing(rsyslog, certificates, marker):
    mine = known("relptls", certificates)
    for wrong in ({"ca_bundle": certificates.other_ca}, {"server_name": "other.test"}):
        with sink_to(rsyslog, "relptls", **{**mine, **wrong}) as sink, pytest.raises(Misconfigured, match="set "):
            sink.send(events(marker, 1))
    assert rsyslog.wait_for("relptls", marker, 0) == []


@pytest.mark.parametrize("certificate", [None, "stranger", "not_permitted"])
@pytest.mark.parametrize("library", ["openssl", "gnutls"])
def test_nothing_counts_as_delivered_to_a_receiver_that_refuses_our_certificate(
    request, certificates, marker, certificate, library
):
    server = request.getfixturevalue({"openssl": "rsyslog", "gnutls": "gnutls_rsyslog"}[library])
    options = {"ca_bundle": certificates.ca}
    if certificate:
        options["client_certificate"] = getattr(certificates, certificate)
    # GnuTLS hangs up without a word, OpenSSL may: that might as well be an outage behind a proxy.
    expected = {("openssl", None): Misconfigured, ("openssl", "stranger"): (Misconfigured, Unavailable)}
    with sink_to(server, "relptls", **options) as sink:
        for attempt in (sink.check, lambda: sink.send(events(marker, 1))):
            with pytest.raises(expected.get((library, certificate), Unavailable), match="set client_certificate"):
                attempt()
    with sink_to(server, "relptls", **known("relptls", certificates)) as sink:
        sink.send(events(marker, 1))
    assert len(server.wait_for("relptls", marker, 1)) == 1


def test_the_wrong_transport_for_a_port_says_so(rsyslog, certificates, marker):
    with sink_to(rsyslog, "relp") as sink:
        sink.send(events(marker, 1))
    plain_to_tls = SyslogSettings(host="127.0.0.1", port=rsyslog.ports["relptls"], transport="relp", hostname="vt-1")
    tls_to_plain = SyslogSettings(
        host="127.0.0.1", port=rsyslog.ports["relp"], transport="relp-tls", hostname="vt-1", ca_bundle=certificates.ca
    )
    with (
        contextlib.closing(SyslogSink(plain_to_tls)) as sink,
        pytest.raises((Misconfigured, Unavailable), match="set transport: relp-tls"),
    ):
        sink.check()
    with contextlib.closing(SyslogSink(tls_to_plain)) as sink, pytest.raises((Misconfigured, Unavailable)):
        sink.check()


def test_a_stop_is_an_outage_and_then_the_same_batch_arrives(own_rsyslog, marker):
    first, second = events(marker + "a", 50), events(marker + "b", 50)
    with sink_to(own_rsyslog, "relp", tag="vtcef") as sink:
        sink.send(first)
        own_rsyslog.stop()
        with pytest.raises(Unavailable):
            sink.send(second)
        with pytest.raises(Unavailable):
            sink.check()
        own_rsyslog.start()
        sink.send(second)
        stored = own_rsyslog.wait_for("relp", marker, 100)
    assert [each["msg"].lstrip(" ").encode() for each in stored] == [each.body for each in first + second]
