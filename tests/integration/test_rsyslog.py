import contextlib
import itertools

import pytest
from malformed_notifications import body_of
from mapping_examples import CASES

from connector import convert
from connector.model import Message, Misconfigured, Unavailable
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink

pytest_plugins = ["integration.syslog_peers"]
pytestmark = pytest.mark.xdist_group("syslog")

MAY_17 = 1684311125  # 2023-05-17T08:12:05Z, a time of no daylight saving's doing
WAYS = [("udp", None), *itertools.product(("tcp", "ptcp", "gtls", "ossl"), ("lf", "octet"))]
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
    transport = {"udp": "udp", "tcp": "tcp", "ptcp": "tcp"}.get(source, "tls")
    settings = SyslogSettings(
        host="127.0.0.1", port=server.ports[source], transport=transport, hostname="vt-1", **options
    )
    with contextlib.closing(SyslogSink(settings)) as sink:
        yield sink


def known(source, certificates):
    """Options with which this input accepts us."""
    if source not in ("gtls", "ossl"):
        return {}
    return {"ca_bundle": certificates.ca, "client_certificate": certificates.client}


@pytest.mark.parametrize("header", ["rfc3164", "rfc5424"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(filter(None, way)))
def test_what_was_sent_is_what_is_stored(rsyslog, certificates, marker, way, header):
    source, framing = way
    messages = events(marker, 300)
    options = known(source, certificates) | ({"framing": framing} if framing else {})
    with sink_to(rsyslog, source, header=header, tag="vtcef", **options) as sink:
        assert str(rsyslog.ports[source]) in sink.check()
        assert sink.send(messages[:100]) == []
        assert sink.send(messages[100:]) == []
        stored = rsyslog.wait_for(source, marker, 300)
    assert [each["msg"].lstrip(" ").encode() for each in stored] == [each.body for each in messages]
    for each in stored:
        assert (each["pri"], each["host"]) == ("132", "vt-1")
        assert each["time"].startswith("2023-05-17T" if header == "rfc5424" else "20")
        assert "-05-17T08:12:05" in each["time"]
        assert each["tag"].removesuffix(":") == "vtcef"


def test_without_a_tag_the_event_stands_where_cef_collectors_look_for_it(rsyslog, marker):
    (event,) = events(marker, 1)
    with sink_to(rsyslog, "tcp", tag="") as sink:
        sink.send([event])
        (stored,) = rsyslog.wait_for("tcp", marker, 1)
    assert stored["raw"].encode() == b"<132>May 17 08:12:05 vt-1 " + event.body


def test_the_largest_event_is_stored_whole_and_a_larger_one_is_refused(rsyslog, marker):
    header = len("<132>May 17 08:12:05 vt-1 iocstream: ")
    start = f"CEF:0|a|b|1|c|d|5|cs1={marker}".encode()
    fits = Message(1, "n-1", start.ljust(8000 - header, b"x"), MAY_17)
    too_long = Message(2, "n-2", fits.body + b"x", MAY_17)
    with sink_to(rsyslog, "ptcp") as sink:
        (refusal,) = sink.send([fits, too_long])
        assert refusal.message is too_long
        (stored,) = rsyslog.wait_for("ptcp", marker, 1)
    assert len(stored["raw"]) == 8000


def test_ten_thousand_events_in_one_batch_are_all_stored(rsyslog, marker):
    messages = events(marker, 10_000)
    with sink_to(rsyslog, "tcp") as sink:
        sink.send(messages)
        stored = rsyslog.wait_for("tcp", marker, len(messages))
    assert len(stored) == len(messages)


@pytest.mark.parametrize("source", ["gtls", "ossl"])
def test_a_receiver_that_cannot_prove_who_it_is_gets_nothing(rsyslog, certificates, marker, source):
    mine = known(source, certificates)
    for wrong in ({"ca_bundle": certificates.other_ca}, {"server_name": "other.test"}):
        with sink_to(rsyslog, source, **{**mine, **wrong}) as sink, pytest.raises(Misconfigured, match="set "):
            sink.send(events(marker, 1))
    assert nothing_stored(rsyslog, certificates, source, marker)


@pytest.mark.parametrize(
    ("source", "certificate"),
    [("gtls", None), ("gtls", "stranger"), ("gtls", "not_permitted"), ("ossl", None), ("ossl", "stranger")],
)
def test_nothing_counts_as_sent_to_a_receiver_that_refuses_our_certificate(
    rsyslog, certificates, marker, source, certificate
):
    options = {"ca_bundle": certificates.ca}
    if certificate:
        options["client_certificate"] = getattr(certificates, certificate)
    # The gtls driver hangs up without a word, which might as well be an outage behind a proxy.
    expected = Unavailable if source == "gtls" else Misconfigured
    with sink_to(rsyslog, source, **options) as sink:
        for attempt in (sink.check, lambda: sink.send(events(marker, 1))):
            with pytest.raises(expected, match="client_certificate"):
                attempt()
    assert nothing_stored(rsyslog, certificates, source, marker)


def nothing_stored(server, certificates, source, marker):
    """Whether an event sent now is the only one with this marker."""
    with sink_to(server, source, **known(source, certificates)) as sink:
        sink.send(events(marker, 1))
        return len(server.wait_for(source, marker, 1)) == 1


def test_a_stop_between_batches_is_an_outage_and_then_the_same_batch_arrives(own_rsyslog, marker):
    first, second = events(marker + "a", 50), events(marker + "b", 50)
    with sink_to(own_rsyslog, "tcp", tag="vtcef") as sink:
        sink.send(first)
        own_rsyslog.wait_for("tcp", marker, 50)
        own_rsyslog.stop()
        with pytest.raises(Unavailable):
            sink.send(second)
        with pytest.raises(Unavailable):
            sink.check()
        own_rsyslog.start()
        sink.send(second)
        stored = own_rsyslog.wait_for("tcp", marker, 100)
    assert [each["msg"].lstrip(" ").encode() for each in stored] == [each.body for each in first + second]


def test_leef_events_are_stored_as_they_were_made(rsyslog):
    made = [message for each in convert(map(body_of, CASES), "leef") for message in each.messages]
    with sink_to(rsyslog, "tcp", header="rfc5424", framing="lf") as sink:
        assert sink.send(made) == []
        stored = rsyslog.wait_for("tcp", "LEEF:2.0|", len(CASES))
    assert [each["msg"].encode() for each in stored] == [message.body for message in made]
