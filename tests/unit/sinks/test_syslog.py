import contextlib
import select
import socket
import threading

import free_ports
import pytest
from unit.sinks.senders import HEADER, message, reset, settings, sink_to, talking

from connector.model import Misconfigured, Unavailable
from connector.simulator.syslog import SyslogReceiver
from connector.sinks.syslog.datagrams import Pace
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink


@pytest.fixture(params=["udp", "tcp-lf", "tcp-octet", "tls-lf", "tls-octet"])
def way(request, certificates):
    transport, _, framing = request.param.partition("-")
    options = {"framing": framing} if framing else {}
    tls = None
    if transport == "tls":
        tls = certificates.server_context()
        options["ca_bundle"] = certificates.ca
    with (
        SyslogReceiver("udp" if transport == "udp" else "tcp", tls=tls) as receiver,
        sink_to(receiver.port, transport, **options) as sink,
    ):
        yield sink, receiver


def test_what_was_sent_is_what_arrives_in_order(way):
    sink, receiver = way
    assert sink.send([message(n, b"CEF:0|\xc3\xa9|" + b"x" * n) for n in range(300)]) == []
    assert receiver.wait_for(300, seconds=10)
    assert receiver.lines() == [HEADER + b"CEF:0|\xc3\xa9|" + b"x" * n + b"cnt=%d" % n for n in range(300)]


def test_no_body_can_end_a_frame(way):
    sink, receiver = way
    sink.send([message(1, b"a\n<0>b\x00c\r\nd\xc2\x85e\xe2\x80\xa8f "), message(2)])
    assert receiver.wait_for(2, seconds=10)
    assert receiver.lines()[0] == HEADER + b"a <0>b c  d e f cnt=1"


def test_lower_dependency_levels_go_first(way):
    sink, receiver = way
    sink.send(
        [
            message(1, dependency_level=2),
            message(2, dependency_level=0),
            message(3, dependency_level=2),
            message(4, dependency_level=1),
        ]
    )
    assert receiver.wait_for(4, seconds=10)
    assert [line[-1:] for line in receiver.lines()] == [b"2", b"4", b"1", b"3"]


def test_an_event_that_is_too_long_is_refused_and_the_others_arrive(way):
    sink, receiver = way
    fits = message(2, b"x" * (8000 - len(HEADER) - len("cnt=2")))
    too_long = message(3, b"x" * (8000 - len(HEADER) - len("cnt=3") + 1))
    (refusal,) = sink.send([message(1), fits, too_long, message(4)])
    assert refusal.message is too_long
    assert "8001 bytes" in refusal.reason
    assert "max_frame_bytes (8000)" in refusal.reason
    assert receiver.wait_for(3, seconds=10)
    assert [line[-1:] for line in receiver.lines()] == [b"1", b"2", b"4"]


def test_nothing_to_send_opens_nothing():
    with sink_to(free_ports.reserve()) as sink:
        assert sink.send([]) == []
        (refusal,) = sink.send([message(1, b"x" * 9000)])
        assert refusal.message.seq == 1


def test_checking_leaves_nothing_behind(way):
    sink, receiver = way
    assert str(receiver.port) in sink.check()
    sink.send([message(1)])
    assert receiver.wait_for(1, seconds=10)
    assert len(receiver.lines()) == 1


def test_a_sink_can_be_used_again_after_closing(way):
    sink, receiver = way
    sink.send([message(1)])
    sink.close()
    sink.send([message(2)])
    assert receiver.wait_for(2, seconds=10)


def test_one_connection_serves_many_batches():
    with SyslogReceiver() as receiver, sink_to(receiver.port) as sink:
        for number in range(5):
            sink.send([message(number)])
        assert receiver.wait_for(5, seconds=10)
        assert receiver.connections() == 1


def test_an_rfc5424_header_is_used_when_asked_for():
    with SyslogReceiver() as receiver, sink_to(receiver.port, header="rfc5424", tag="CEF") as sink:
        sink.send([message(1, b"CEF:0|")])
        assert receiver.wait_for(1, seconds=10)
        assert receiver.lines() == [b"<132>1 2023-05-17T08:12:05.000Z vt-1 CEF - - - CEF:0|cnt=1"]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_closed_port_is_an_outage(transport):
    with sink_to(free_ports.reserve(), transport) as sink:
        with pytest.raises(Unavailable, match="refused"):
            sink.send([message(1)])
        with pytest.raises(Unavailable, match="refused"):
            sink.check()


def test_a_closed_port_shows_over_udp_too():
    with sink_to(free_ports.reserve(), "udp") as sink:
        for _ in range(2):  # again on a new socket
            with pytest.raises(Unavailable, match="nothing listens"):
                sink.send([message(1)])


def test_checking_udp_says_that_it_cannot_tell():
    with sink_to(free_ports.reserve(), "udp") as sink:
        assert "cannot tell" in sink.check()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_name_that_does_not_resolve_is_an_outage(transport, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with sink_to(514, transport) as sink, pytest.raises(Unavailable, match="cannot be resolved"):
        sink.send([message(1)])


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_name_that_no_host_can_have_is_a_matter_for_a_person(transport):
    wrong = SyslogSettings(host="a" * 70 + ".example", port=514, transport=transport, hostname="vt-1")
    with contextlib.closing(SyslogSink(wrong)) as sink, pytest.raises(Misconfigured, match="not the name of a host"):
        sink.send([message(1)])


def test_a_datagram_that_the_network_cannot_carry_is_refused():
    with (
        SyslogReceiver("udp") as receiver,
        sink_to(receiver.port, "udp", max_frame_bytes=65536) as sink,
    ):
        largest = 65507 - len(HEADER) - len("cnt=2")
        (refusal,) = sink.send([message(1), message(2, b"x" * largest), message(3, b"x" * (largest + 1)), message(4)])
        assert refusal.message.seq == 3
        assert "65508 bytes" in refusal.reason
        assert receiver.wait_for(3, seconds=10)


def test_udp_tries_each_address_of_a_name_in_turn(monkeypatch):
    with SyslogReceiver("udp") as receiver:
        wrong = ("127.0.0.1", free_ports.reserve())
        right = ("127.0.0.1", receiver.port)
        found = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", target) for target in (wrong, right)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with sink_to(receiver.port, "udp") as sink:
            with pytest.raises(Unavailable):
                sink.send([message(1)])
            sink.send([message(1)])
        assert receiver.wait_for(1, seconds=10)


def test_datagrams_keep_to_their_pace():
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(1000, clock=lambda: now[0], sleep=sleep)
    for _ in range(2000):
        pace.wait()
    assert sum(slept) == pytest.approx(2.0, abs=0.02)
    assert min(slept) > 0.01  # no sleep is much shorter
    now[0] += 60  # a rest is no credit for a burst
    for _ in range(1000):
        pace.wait()
    assert sum(slept) == pytest.approx(3.0, abs=0.03)


def test_a_receiver_that_went_away_between_batches_is_an_outage_and_then_gets_the_same_batch():
    receiver = SyslogReceiver()
    with receiver:
        sink = SyslogSink(settings(receiver.port))
        sink.send([message(1)])
        assert receiver.wait_for(1, seconds=10)
    with contextlib.closing(sink):
        with pytest.raises(Unavailable):
            sink.send([message(2)])
        with receiver:
            sink.send([message(2)])
            assert receiver.wait_for(2, seconds=10)
    assert [line[-1:] for line in receiver.lines()] == [b"1", b"2"]


def test_a_connection_that_was_ended_while_idle_is_replaced_without_an_outage():
    receiver = SyslogReceiver()
    with receiver:
        sink = SyslogSink(settings(receiver.port, replay_window_messages=0))
        sink.send([message(1)])
        assert receiver.wait_for(1, seconds=10)
    with contextlib.closing(sink), receiver:
        sink.send([message(2)])
        assert receiver.wait_for(2, seconds=10)


@pytest.mark.parametrize("ending", [socket.socket.close, reset])
def test_a_receiver_that_hangs_up_in_the_middle_is_an_outage(ending):
    def serve(connection):
        connection.recv(100)
        ending(connection)

    batch = [message(n, b"x" * 7000) for n in range(3000)]
    with talking(serve) as port, sink_to(port) as sink, pytest.raises(Unavailable):
        sink.send(batch)


def test_nothing_is_written_to_a_connection_that_the_receiver_has_ended():
    connected, hung_up = threading.Event(), threading.Event()

    def serve(connection):
        connected.wait(10)
        reset(connection)
        hung_up.set()

    with talking(serve) as port, sink_to(port) as sink:
        connection = sink._connected()
        connected.set()
        assert hung_up.wait(10)
        with pytest.raises(Unavailable):
            connection.send([b"lost\n"])


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_receiver_that_reads_nothing_is_an_outage(transport, certificates):
    done = threading.Event()
    context = certificates.server_context()

    def serve(connection):
        if transport == "tls":
            connection = context.wrap_socket(connection, server_side=True)
        done.wait(60)
        connection.close()

    options = {"ca_bundle": certificates.ca} if transport == "tls" else {}
    batch = [message(n, b"x" * 7000) for n in range(3000)]
    with talking(serve) as port, sink_to(port, transport, send_timeout_seconds=0.2, **options) as sink:
        try:
            with pytest.raises(Unavailable, match=r"took nothing for 0\.2 s"):
                sink.send(batch)
        finally:
            done.set()


def test_what_waits_in_our_own_kernel_does_not_count_as_sent():
    done = threading.Event()

    def serve(connection):
        done.wait(60)

    batch = [message(n, b"x" * 7000) for n in range(9)]  # one write, and less than a socket takes
    with talking(serve, receive_buffer=4096) as port, sink_to(port, send_timeout_seconds=0.2) as sink:
        try:
            with pytest.raises(Unavailable, match="took nothing"):
                sink.send(batch)
        finally:
            done.set()


def test_a_receiver_that_answers_is_none():
    def serve(connection):
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.recv(100)

    with talking(serve) as port, sink_to(port) as sink, pytest.raises(Misconfigured, match=r"HTTP/1\.1 400"):
        sink.send([message(1)])


def test_an_alert_says_that_the_receiver_speaks_tls():
    def serve(connection):
        connection.recv(65536)
        connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")
        connection.recv(100)

    with talking(serve) as port, sink_to(port) as sink, pytest.raises(Misconfigured, match="set transport: tls"):
        sink.send([message(1)])


def test_closing_is_no_reset_even_with_something_unread():
    received, resets = bytearray(), []
    sent, spoke = threading.Event(), threading.Event()

    def serve(connection):
        sent.wait(10)
        connection.sendall(b"?")
        spoke.set()
        ended = select.poll()
        ended.register(connection, select.POLLRDHUP)
        ended.poll(10_000)
        try:
            while chunk := connection.recv(65536):
                received.extend(chunk)
        except ConnectionResetError as reset:  # upon which some systems throw away what was not read yet
            resets.append(reset)

    with talking(serve) as port, sink_to(port) as sink:
        sink.send([message(n) for n in range(100)])
        sent.set()
        assert spoke.wait(10)
        sink.close()
    assert received.count(b"\n") == 100
    assert not resets


def test_a_batch_that_was_broken_off_leaves_no_half_frame_for_the_next(monkeypatch):
    with SyslogReceiver() as receiver, sink_to(receiver.port) as sink:
        connection = sink._connected()

        def interrupted(_):
            connection._channel.write(b"<132>half a frame", 1)
            raise KeyboardInterrupt

        monkeypatch.setattr(connection, "send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sink.send([message(1)])
        sink.send([message(2)])
        assert receiver.wait_for(1, seconds=10)
        assert receiver.lines() == [HEADER + b"CEF:0|a|b|1|c|d|5|cnt=2"]
