"""What TCP and TLS may lose with the connection: how it is told, and when it is taken to have arrived."""

import contextlib
import select
import socket
import threading

import free_ports
import pytest
from unit.sinks.senders import message, reset, sink_to, talking

from connector.model import Misconfigured, Unavailable
from connector.simulator.syslog import SyslogReceiver
from connector.sinks.syslog.channel import Channel
from connector.sinks.syslog.connection import Address
from connector.sinks.syslog.tls import Tls


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["tcp", "tls"])
def way(request, certificates, clock):
    """A sink, and its receiver, which is not listening yet."""
    tls, options = None, {}
    if request.param == "tls":
        tls = certificates.server_context()
        options["ca_bundle"] = certificates.ca
    receiver = SyslogReceiver(port=free_ports.reserve(), tls=tls)
    with sink_to(receiver.port, request.param, clock=clock, **options) as sink:
        yield sink, receiver


def batch(count):
    return [message(n) for n in range(count)]


def ends_in_order(connection):
    connection.shutdown(socket.SHUT_WR)


def obeying(orders):
    """A receiver that reads until it is told to end the connection, and how."""

    def serve(connection):
        connection.settimeout(0.01)
        while not orders.acted.is_set():
            with contextlib.suppress(TimeoutError):
                if not connection.recv(65536):
                    return
            if orders.given.is_set():
                orders.how(connection)
                orders.acted.set()
        if connection.fileno() != -1:
            with contextlib.suppress(TimeoutError, OSError):
                connection.settimeout(10)
                while connection.recv(65536):
                    pass

    return talking(serve)


class Orders:
    def __init__(self, how=ends_in_order):
        self.how = how
        self.given, self.acted = threading.Event(), threading.Event()

    def carried_out(self):
        self.given.set()
        assert self.acted.wait(10)

    def anew(self):
        self.given.clear()
        self.acted.clear()


def test_what_was_sent_is_unconfirmed_for_a_while(way, clock):
    sink, receiver = way
    with receiver:
        sink.send(batch(3))
        clock.now += 20
        sink.send(batch(4))
        assert sink.unconfirmed() == 7
        clock.now += 10
        assert sink.unconfirmed() == 4
        clock.now += 20
        assert sink.unconfirmed() == 0


def test_refused_events_are_not_counted(way):
    sink, receiver = way
    with receiver:
        sink.send([message(1), message(2, b"x" * 9000), message(3)])
        assert sink.unconfirmed() == 2


def test_an_end_of_the_connection_is_told_once_and_all_is_sent_again_by_the_caller(way):
    sink, receiver = way
    for told in (sink.unconfirmed, sink.finish, lambda: sink.send(batch(1))):
        with receiver:
            sink.send(batch(3))
            sink._ended_in_order = False
        with pytest.raises(Unavailable, match="sent again"):
            told()
        assert sink.unconfirmed() == 0
        sink.finish()


def test_an_end_that_is_noticed_late_is_told_all_the_same(way, clock):
    sink, receiver = way
    with receiver:
        sink.send(batch(3))
    clock.now += 3600  # nobody looked, so nobody knows when it ended
    with pytest.raises(Unavailable, match="sent again"):
        sink.unconfirmed()


def test_an_end_after_all_has_left_the_window_is_none_of_our_business(way, clock):
    sink, receiver = way
    with receiver:
        sink.send(batch(3))
        clock.now += 30
        assert sink.unconfirmed() == 0
    with receiver:
        sink.send(batch(3))
        assert sink.unconfirmed() == 3


def test_finishing_confirms_everything_once_the_receiver_has_read_it(way):
    sink, receiver = way
    with receiver:
        sink.send(batch(300))
        sink.finish()
        assert sink.unconfirmed() == 0
        assert len(receiver.lines()) == 300  # without waiting


def test_finishing_is_an_outage_when_the_receiver_throws_away_what_it_had_not_read():
    orders = Orders(how=reset)

    def serve(connection):
        orders.given.wait(10)
        reset(connection)
        orders.acted.set()

    with talking(serve) as port, sink_to(port) as sink:
        sink.send(batch(3))
        orders.carried_out()
        with pytest.raises(Unavailable):
            sink.finish()


def test_a_receiver_that_never_ends_the_connection_has_the_time_of_the_window():
    done = threading.Event()
    with talking(lambda _: done.wait(10)) as port, sink_to(port, replay_window_seconds=0.3) as sink:
        sink.send(batch(3))
        sink.finish()
        assert sink.unconfirmed() == 0
        done.set()


def test_it_is_not_waited_for_longer_than_finishing_may_take(monkeypatch):
    monkeypatch.setattr("connector.sinks.syslog.sink._FINISH_SECONDS", 0.1)
    done = threading.Event()
    with talking(lambda _: done.wait(10)) as port, sink_to(port) as sink:
        sink.send(batch(3))
        with pytest.raises(Unavailable, match="not known whether it has read everything"):
            sink.finish()
        done.set()
        assert sink.unconfirmed() == 0


def test_a_receiver_that_ends_idle_connections_by_habit_does_not_get_the_same_events_for_ever(clock):
    orders = Orders()
    with obeying(orders) as port, sink_to(port, clock=clock) as sink:
        sink.send(batch(3))
        orders.carried_out()
        with pytest.raises(Unavailable):
            sink.unconfirmed()
        for _ in range(3):
            orders.anew()
            sink.send(batch(3))
            orders.carried_out()
            assert sink.unconfirmed() == 0
        orders.anew()
        sink.send(batch(3))
        clock.now += 30
        assert sink.unconfirmed() == 0  # no habit after all
        sink.send(batch(3))
        orders.carried_out()
        with pytest.raises(Unavailable):
            sink.unconfirmed()


def test_a_connection_that_is_reset_is_never_a_habit():
    orders = Orders(how=reset)
    with obeying(orders) as port, sink_to(port) as sink:
        for _ in range(3):
            orders.anew()
            sink.send(batch(3))
            orders.carried_out()
            with pytest.raises(Unavailable):
                sink.unconfirmed()


def test_the_end_of_tls_alone_does_not_show_that_everything_was_read(certificates, monkeypatch):
    monkeypatch.setattr("connector.sinks.syslog.sink._FINISH_SECONDS", 0.5)
    context = certificates.server_context()
    done = threading.Event()

    def serve(plain):
        with context.wrap_socket(plain, server_side=True) as connection:
            ended = select.poll()
            ended.register(connection, select.POLLRDHUP)
            ended.poll(10_000)
            connection.settimeout(0)
            with contextlib.suppress(OSError):
                connection.unwrap()
            done.wait(10)

    with talking(serve) as port, sink_to(port, "tls", ca_bundle=certificates.ca) as sink:
        sink.send(batch(3))
        with pytest.raises(Unavailable, match="not known whether it has read everything"):
            sink.finish()
        done.set()


def test_a_refusal_that_is_read_only_when_ending_is_none_the_less_a_refusal(certificates):
    context = certificates.server_context(ask_client=True)
    done = threading.Event()

    def serve(plain):
        with context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as connection:
            with contextlib.suppress(OSError):
                connection.do_handshake()
            done.wait(10)

    with talking(serve) as port:
        tls = Tls(certificates.ca, None, None, "127.0.0.1")
        channel = Channel(Address("127.0.0.1", port), tls, connect_timeout=10)
        refused = select.poll()
        refused.register(channel._socket, select.POLLIN)
        assert refused.poll(10_000)
        with pytest.raises(Misconfigured, match="set client_certificate"):
            channel.end(1)
        done.set()
        channel.abandon()


def test_without_a_window_nothing_is_unconfirmed():
    receiver = SyslogReceiver()
    with receiver:
        sink = sink_to(receiver.port, replay_window_messages=0)
    with sink as sink:
        with receiver:
            sink.send(batch(3))
            assert sink.unconfirmed() == 0
            sink.finish()
        with receiver:
            sink.send(batch(3))


def test_who_understood_us_before_and_now_speaks_is_an_outage():
    first = threading.Event()

    def serve(connection):
        connection.recv(65536)
        if first.is_set():
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        first.set()
        connection.recv(65536)

    with talking(serve) as port, sink_to(port, replay_window_messages=0) as sink:
        sink.send(batch(1))
        sink.close()
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"HTTP/1\.1 502"):
                sink.send(batch(1))


def test_a_stranger_that_speaks_later_is_a_matter_for_a_person():
    def serve(connection):
        connection.sendall(b"220 mail.example\r\n")
        connection.recv(65536)

    with talking(serve) as port, sink_to(port) as sink, pytest.raises(Misconfigured, match="220 mail"):
        sink.send(batch(1))


def test_a_machine_that_vanished_is_noticed_within_the_window():
    with SyslogReceiver() as receiver, sink_to(receiver.port, replay_window_seconds=60) as sink:
        sink.send(batch(1))
        tcp = sink._connection._channel._socket
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        idle, interval, probes = (tcp.getsockopt(socket.IPPROTO_TCP, option) for option in options)
        assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert idle + interval * probes < 60
