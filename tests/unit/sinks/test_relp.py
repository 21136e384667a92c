import contextlib
import re
import socket
import threading
from collections import Counter

import free_ports
import pytest
from unit.sinks.senders import HEADER, message, reset, sink_to, talking

from connector.model import Misconfigured, Unavailable
from connector.simulator.relp import RelpReceiver
from connector.sinks.syslog import relp_frame
from connector.sinks.syslog.relp_frame import LAST_TRANSACTION

OPENED = b"200 OK\nrelp_version=0\ncommands=syslog"
LINES = [HEADER + b"CEF:0|a|b|1|c|d|5|cnt=%d" % n for n in range(1000)]


def rsp(transaction, data=b"200 OK"):
    return relp_frame.encoded(transaction, b"rsp", data)


class Dialogue:
    """The receiving side of a session, frame by frame."""

    def __init__(self, connection):
        self.connection = connection
        self.reader = relp_frame.FrameReader()
        self.waiting = []

    def next(self):
        while not self.waiting:
            piece = self.connection.recv(65536)
            if not piece:
                return None
            self.waiting += self.reader.feed(piece)
        return self.waiting.pop(0)

    def opened(self):
        self.say(rsp(self.next().transaction, OPENED))

    def say(self, frame):
        self.connection.sendall(frame)


def in_dialogue(serve):
    """A server that opens each session and hands it to `serve`."""

    def converse(connection):
        dialogue = Dialogue(connection)
        if dialogue.next() is not None:
            dialogue.say(rsp(1, OPENED))
            with contextlib.suppress(OSError):
                serve(dialogue)

    return talking(converse)


@pytest.fixture(params=["relp", "relp-tls"])
def way(request, certificates):
    tls, options = None, {}
    if request.param == "relp-tls":
        tls = certificates.server_context()
        options["ca_bundle"] = certificates.ca
    with RelpReceiver(tls=tls) as receiver, sink_to(receiver.port, request.param, **options) as sink:
        yield sink, receiver


def test_what_was_sent_is_what_arrives_in_order_and_nothing_is_unconfirmed(way):
    sink, receiver = way
    assert sink.send([message(n) for n in range(700)]) == []
    assert receiver.lines() == LINES[:700]  # all of it, at once: it is acknowledged
    assert sink.unconfirmed() == 0
    sink.finish()
    assert sink.send([message(n) for n in range(700, 1000)]) == []
    assert receiver.lines() == LINES
    assert receiver.connections() == 1


def test_an_event_that_the_receiver_refuses_is_refused_in_its_words_and_the_others_arrive(way):
    sink, receiver = way
    receiver.verdict = lambda line: b"500 no\x00 room\nat all" if line.endswith(b"cnt=3") else b"200 OK"
    (refusal,) = sink.send([message(n) for n in range(6)])
    assert refusal.message.seq == 3
    assert refusal.reason == "the receiver answers: 500 no room"
    assert receiver.lines() == LINES[:3] + LINES[4:6]
    receiver.verdict = lambda _: b"500 " + b"x" * 1000
    (refusal,) = sink.send([message(6)])
    assert refusal.reason == f"the receiver answers: 500 {'x' * 199}…"


def test_an_event_that_is_too_long_is_never_sent(way):
    # rsyslog's imrelp cuts it, and acknowledges it all the same.
    sink, receiver = way
    fits = message(2, b"x" * (8000 - len(HEADER) - len("cnt=2")))
    too_long = message(3, b"x" * (8000 - len(HEADER) - len("cnt=3") + 1))
    (refusal,) = sink.send([message(1), fits, too_long, message(4)])
    assert refusal.message is too_long
    assert [line[-1:] for line in receiver.lines()] == [b"1", b"2", b"4"]


def test_checking_opens_a_session_and_leaves_nothing_behind(way):
    sink, receiver = way
    said = sink.check()
    assert f"{receiver.port} takes " in said
    assert "RELP sessions" in said
    assert receiver.lines() == []


def test_no_more_than_a_window_is_under_way_and_answers_may_come_in_any_order():
    most = []

    def serve(dialogue):
        under_way, seen = [], 0
        while seen < 30:
            under_way.append(dialogue.next())
            seen += 1
            most.append(len(under_way))
            if len(under_way) == 10:
                # Nothing more may come before one of these is answered.
                dialogue.connection.settimeout(0.05)
                with pytest.raises(TimeoutError):
                    dialogue.next()
                dialogue.connection.settimeout(None)
                for frame in reversed(under_way):
                    dialogue.say(rsp(frame.transaction))
                under_way.clear()
        dialogue.next()

    with in_dialogue(serve) as port, sink_to(port, "relp", relp_window_messages=10) as sink:
        assert sink.send([message(n) for n in range(30)]) == []
    assert max(most) == 10


def test_a_window_is_filled_although_nothing_of_it_is_answered_yet():
    def serve(dialogue):
        frames = [dialogue.next() for _ in range(20)]
        for frame in frames:
            dialogue.say(rsp(frame.transaction))
        dialogue.next()

    big = [message(n, b"x" * 7000) for n in range(20)]  # more than goes out in one write
    with in_dialogue(serve) as port, sink_to(port, "relp", relp_window_messages=20, send_timeout_seconds=2) as sink:
        assert sink.send(big) == []


def test_transaction_numbers_begin_again_after_the_last():
    seen = []

    def serve(dialogue):
        while (frame := dialogue.next()) is not None and frame.command == b"syslog":
            seen.append(frame.transaction)
            dialogue.say(rsp(frame.transaction))

    with in_dialogue(serve) as port, sink_to(port, "relp") as sink:
        sink._connected()._transaction = LAST_TRANSACTION - 2
        sink.send([message(n) for n in range(4)])
    assert seen == [LAST_TRANSACTION - 1, LAST_TRANSACTION, 1, 2]


def test_after_a_break_the_same_batch_arrives():
    receiver = RelpReceiver()
    taken = []

    def breaks_after_five(line):
        taken.append(line)
        return b"200 OK" if len(taken) <= 5 else None

    receiver.verdict = breaks_after_five
    batch = [message(n) for n in range(20)]
    with receiver, sink_to(receiver.port, "relp") as sink:
        with pytest.raises(Unavailable):
            sink.send(batch)
        receiver.verdict = lambda line: b"200 OK"
        assert sink.send(batch) == []
        assert receiver.lines() == LINES[:5] + LINES[:20]


def hanging_up_at(*numbers):
    return lambda line: None if any(line.endswith(b"cnt=%d" % n) for n in numbers) else b"200 OK"


def until_delivered(sink, batches):
    """Send the batch, which grows, until it is delivered; the refusals and how often it failed before."""
    for failed, batch in enumerate(batches):
        with contextlib.suppress(Unavailable):
            return list(sink.send(batch)), failed
    raise AssertionError("never delivered")


@pytest.mark.parametrize("bad", [(3,), (0,), (17,), (3, 4), (2, 10, 11)])
def test_an_event_at_which_the_receiver_hangs_up_each_time_is_refused_and_the_others_arrive(way, bad):
    sink, receiver = way
    receiver.verdict = hanging_up_at(*bad)
    batches = [[message(n) for n in range(20 + more)] for more in range(10)]
    refusals, failed = until_delivered(sink, batches)
    assert [refusal.message.seq for refusal in refusals] == list(bad)
    assert all("answers other events, and each time at this one: " in refusal.reason for refusal in refusals)
    assert set(receiver.lines()) == {line for n, line in enumerate(LINES[: 20 + failed]) if n not in bad}
    assert failed <= 2 * len(bad)


def test_an_event_that_is_answered_by_what_is_no_relp_is_refused(way):
    sink, receiver = way
    sink.send([message(30)])  # who understood us before is no wrong receiver
    receiver.verdict = lambda event: b"" if event.endswith(b"cnt=3") else b"200 OK"
    refusals, failed = until_delivered(sink, [[message(n) for n in range(20)]] * 5)
    assert [refusal.message.seq for refusal in refusals] == [3]
    assert "does not keep to RELP" in refusals[0].reason
    assert failed == 2
    receiver.verdict = lambda _: b""
    for _ in range(5):
        with pytest.raises(Unavailable, match="does not keep to RELP"):
            sink.send([message(n) for n in range(31, 35)])


def test_an_event_that_is_never_acknowledged_is_refused():
    def serve(dialogue):
        while (frame := dialogue.next()) is not None:
            if frame.command == b"syslog" and not frame.data.endswith(b"cnt=3"):
                taken.append(frame.data)
                dialogue.say(rsp(frame.transaction))

    taken = []
    with in_dialogue(serve) as port, sink_to(port, "relp", send_timeout_seconds=0.2) as other:
        refusals, failed = until_delivered(other, [[message(n) for n in range(20)]] * 5)
    assert [refusal.message.seq for refusal in refusals] == [3]
    assert set(taken) == {*LINES[:3], *LINES[4:20]}
    assert failed == 2


@pytest.mark.parametrize("count", [1, 20])
def test_a_receiver_that_hangs_up_at_every_event_is_an_outage(way, count):
    sink, receiver = way
    sink.send([message(n) for n in range(100, 105)])
    receiver.verdict = lambda _: None
    batch = [message(n) for n in range(count)]
    for _ in range(6):
        with pytest.raises(Unavailable):
            sink.send(batch)
    receiver.verdict = hanging_up_at()
    assert sink.send(batch) == []
    assert receiver.lines()[5:] == LINES[:count]


def test_what_the_receiver_refuses_itself_is_told_beside_the_event_at_which_it_hangs_up(way):
    sink, receiver = way
    receiver.verdict = lambda line: b"500 no" if line.endswith((b"=1", b"=8")) else hanging_up_at(3)(line)
    refusals, _ = until_delivered(sink, [[message(n) for n in range(10)]] * 5)
    assert [refusal.message.seq for refusal in refusals] == [1, 3, 8]
    assert sorted({refusal.reason[:22] for refusal in refusals}) == ["the receiver answers o", "the receiver answers: "]


def test_an_event_of_which_there_are_several_is_delivered_as_often_past_one_that_is_refused(way):
    sink, receiver = way
    receiver.verdict = hanging_up_at(3)
    refusals, failed = until_delivered(sink, [[message(n) for n in (1, 3, 1, 1, 1)]] * 5)
    assert [refusal.message.seq for refusal in refusals] == [3]
    assert receiver.lines() == [LINES[1]] * (failed + 4)


@pytest.mark.parametrize("every", [2, 3, 7])
def test_a_receiver_that_hangs_up_now_and_then_whatever_the_event_has_refused_none(way, every):
    sink, receiver = way
    seen = []

    def verdict(line):
        seen.append(line)
        return b"200 OK" if len(seen) % every else None

    receiver.verdict = verdict
    refusals, _ = until_delivered(sink, [[message(n) for n in range(20)]] * 30)
    assert refusals == []
    assert set(receiver.lines()) == set(LINES[:20])


TEMPERS = {
    "closed": ["close"],
    "reset": ["reset"],
    "silent": ["silence"],
    "of every kind": ["silence", "reset", "close"],
}


@pytest.mark.parametrize("tempers", TEMPERS.values(), ids=TEMPERS)
@pytest.mark.parametrize("bad", [(0, 21, 42, 63, 84, 105, 125), (*range(8), 60)], ids=["apart", "in a row"])
def test_however_many_events_a_receiver_fails_at_the_others_arrive_and_not_without_end(tempers, bad):
    taken = Counter()

    def serve(dialogue):
        while (frame := dialogue.next()) is not None and frame.command == b"syslog":
            number = LINES.index(frame.data)
            if number not in bad:
                taken[number] += 1
                dialogue.say(rsp(frame.transaction))
                continue
            temper = tempers[bad.index(number) % len(tempers)]
            if temper == "reset":
                reset(dialogue.connection)
            if temper != "silence":
                return

    with in_dialogue(serve) as port, sink_to(port, "relp", send_timeout_seconds=0.1) as sink:
        refusals, failed = until_delivered(sink, [[message(n) for n in range(126)]] * 6)
    assert [refusal.message.seq for refusal in refusals] == list(bad)
    assert set(taken) == set(range(126)) - set(bad)
    assert failed <= 4
    assert sum(taken.values()) <= 3 * 126 + 2 * len(bad)


def test_failures_of_one_batch_do_not_count_for_another_with_the_same_event(way):
    sink, receiver = way
    receiver.verdict = hanging_up_at(3)
    for batch in ([message(n) for n in (0, 3, 4)], [message(n) for n in (1, 3, 4)]):
        for _ in range(2):
            with pytest.raises(Unavailable):
                sink.send(batch)
    refusals = sink.send(batch)
    assert [refusal.message.seq for refusal in refusals] == [3]


def test_another_batch_knows_nothing_of_the_one_that_failed(way):
    sink, receiver = way
    receiver.verdict = hanging_up_at(3)
    for batch in ([message(0), message(3), message(4)], [message(1), message(3), message(4)]) * 5:
        with pytest.raises(Unavailable):
            sink.send(batch)


def test_the_same_event_twice_in_a_batch_arrives_twice_over_a_break(way):
    sink, receiver = way
    receiver.verdict = hanging_up_at(3)
    batch = [message(1), message(1), message(3), message(1)]
    with pytest.raises(Unavailable):
        sink.send(batch)
    receiver.verdict = hanging_up_at()
    assert sink.send(batch) == []
    assert receiver.lines() == [LINES[1], LINES[1], LINES[1], LINES[1], LINES[3], LINES[1]]


@pytest.mark.parametrize(
    ("ending", "said"), [("close", "closed the connection"), ("reset", "broke"), ("hint", "ended the RELP session")]
)
def test_a_session_that_ends_before_all_is_acknowledged_is_an_outage(ending, said):
    def serve(dialogue):
        dialogue.say(rsp(dialogue.next().transaction))
        dialogue.next()
        if ending == "hint":
            dialogue.say(relp_frame.encoded(0, b"serverclose"))
            dialogue.next()
        elif ending == "reset":
            reset(dialogue.connection)

    with in_dialogue(serve) as port, sink_to(port, "relp") as sink, pytest.raises(Unavailable, match=said):
        sink.send([message(n) for n in range(10)])


def test_what_is_acknowledged_after_the_receiver_said_that_it_ends_the_session_counts():
    def serve(dialogue):
        frame = dialogue.next()
        dialogue.say(relp_frame.encoded(0, b"serverclose") + rsp(frame.transaction))
        dialogue.next()

    with in_dialogue(serve) as port, sink_to(port, "relp") as sink:
        assert sink.send([message(1)]) == []


def test_what_is_acknowledged_before_nonsense_counts():
    def serve(dialogue):
        dialogue.say(rsp(dialogue.next().transaction) + rsp(77))
        dialogue.next()

    with in_dialogue(serve) as port, sink_to(port, "relp") as sink:
        assert sink.send([message(1)]) == []


@pytest.mark.parametrize("ending", ["close", "hint", "reset"])
def test_a_session_that_was_ended_while_idle_is_replaced_without_an_outage(ending):
    sessions, read, ended = [], threading.Event(), threading.Event()

    def serve(dialogue):
        sessions.append(dialogue)
        acknowledgement = rsp(dialogue.next().transaction)
        if ending == "hint" and len(sessions) == 1:
            acknowledgement += relp_frame.encoded(0, b"serverclose")
        dialogue.say(acknowledgement)
        if ending == "close" and len(sessions) == 1:
            dialogue.connection.shutdown(socket.SHUT_WR)
        if ending == "reset" and len(sessions) == 1:
            # The acknowledgement has to be read first: a reset throws away what is under way.
            assert read.wait(10)
            reset(dialogue.connection)
        ended.set()
        if dialogue.connection.fileno() >= 0:
            dialogue.next()

    with in_dialogue(serve) as port, sink_to(port, "relp") as sink:
        sink.send([message(1)])
        read.set()
        assert ended.wait(10)
        sink.send([message(2)])
    assert len(sessions) == 2


def test_a_session_is_opened_with_the_version_and_the_command_that_we_offer():
    said = []

    def serve(connection):
        dialogue = Dialogue(connection)
        said.append(dialogue.next())
        dialogue.say(rsp(1, OPENED))
        dialogue.next()

    with talking(serve) as port, sink_to(port, "relp") as sink:
        sink.check()
    assert (said[0].transaction, said[0].command) == (1, b"open")
    assert said[0].data == b"relp_version=0\nrelp_software=iocstream-connector\ncommands=syslog"


def test_a_receiver_may_offer_more_than_syslog_and_say_what_it_is_in_any_words():
    def serve(connection):
        dialogue = Dialogue(connection)
        offers = b"commands=starttls,syslog,limit=5\nrelp_software=some relp, commands=few\nrelp_version=0"
        dialogue.say(rsp(dialogue.next().transaction, b"200 OK\n" + offers))
        dialogue.say(rsp(dialogue.next().transaction))
        dialogue.next()

    with talking(serve) as port, sink_to(port, "relp") as sink:
        assert sink.send([message(1)]) == []


def test_a_session_is_ended_with_the_command_close_under_the_next_number():
    said = []

    def serve(dialogue):
        while (frame := dialogue.next()) is not None:
            said.append((frame.transaction, frame.command, frame.data))
            dialogue.say(rsp(frame.transaction))

    with in_dialogue(serve) as port, sink_to(port, "relp") as sink:
        sink.send([message(1)])
    assert said[0][:2] == (2, b"syslog")
    assert said[1:] == [(3, b"close", b"")]


def test_a_receiver_that_acknowledges_nothing_is_an_outage():
    def serve(dialogue):
        while dialogue.next() is not None:
            pass

    with (
        in_dialogue(serve) as port,
        sink_to(port, "relp", send_timeout_seconds=0.2) as sink,
        pytest.raises(Unavailable, match=r"answered nothing for 0\.2 s"),
    ):
        sink.send([message(1)])


def test_a_receiver_that_reads_nothing_is_an_outage():
    done = threading.Event()

    def serve(dialogue):
        done.wait(60)

    batch = [message(n, b"x" * 7000) for n in range(1000)]
    with (
        in_dialogue(serve) as port,
        sink_to(port, "relp", relp_window_messages=1000, send_timeout_seconds=0.2) as sink,
    ):
        try:
            with pytest.raises(Unavailable, match=r"took nothing for 0\.2 s"):
                sink.send(batch)
        finally:
            done.set()


def test_a_receiver_that_stops_acknowledging_with_the_window_full_is_an_outage():
    def serve(dialogue):
        dialogue.connection.settimeout(5)  # whoever does not wait for answers is cut off then, and tells of that
        while dialogue.next() is not None:
            pass

    with (
        in_dialogue(serve) as port,
        sink_to(port, "relp", relp_window_messages=10, send_timeout_seconds=0.2) as sink,
        pytest.raises(Unavailable, match=r"answered nothing for 0\.2 s"),
    ):
        sink.send([message(n) for n in range(30)])


@pytest.mark.parametrize("said", [rsp(77), b"1 nonsense 0\n", b"\x00\xff", rsp(2, b"what?"), b"2 rsp 70000 "])
def test_garbage_from_a_receiver_that_understood_us_is_an_outage(said):
    first = threading.Event()

    def serve(dialogue):
        frame = dialogue.next()
        if first.is_set():
            dialogue.say(said)
        else:
            first.set()
            dialogue.say(rsp(frame.transaction))
            dialogue.next()
            dialogue.say(said)
        dialogue.next()

    with in_dialogue(serve) as port, sink_to(port, "relp") as sink:
        sink.send([message(1)])
        for _ in range(2):
            with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
                sink.send([message(2)])


@pytest.mark.parametrize("opening", [b"200 OK\nrelp_version=0\ncommands=sy\x00log", b"700 OK\n", b"200 OK"])
def test_a_garbled_opening_by_a_receiver_that_understood_us_is_an_outage(opening):
    sessions = []

    def serve(connection):
        dialogue = Dialogue(connection)
        dialogue.next()
        sessions.append(dialogue)
        dialogue.say(rsp(1, opening if len(sessions) == 2 else OPENED))
        if len(sessions) != 2 and (frame := dialogue.next()) is not None:
            dialogue.say(rsp(frame.transaction))

    with talking(serve) as port, sink_to(port, "relp") as sink:
        sink.send([message(1)])
        while len(sessions) < 2:  # the first of them has ended, which may show late
            with pytest.raises(Unavailable) as outage:
                sink.send([message(2)])
        assert re.search("refuses the RELP session|takes no syslog events", str(outage.value))
        sink.send([message(2)])
    assert len(sessions) == 3


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", r"answers \('HTTP/1\.1 400 Bad Request'\)"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "set transport: relp-tls"),
        (rsp(1, b"500 go\naway"), "refuses the RELP session: 500 go$"),
        (rsp(1, b"200 OK\nrelp_version=0\ncommands=starttls"), "takes no syslog events"),
        (rsp(2, OPENED), "does not keep to RELP"),
        (rsp(1, b"OK"), "does not keep to RELP"),
    ],
)
def test_who_opens_no_session_for_us_is_a_matter_for_a_person(said, fault):
    def serve(connection):
        connection.recv(65536)
        connection.sendall(said)
        connection.recv(100)

    with talking(serve) as port, sink_to(port, "relp") as sink:
        with pytest.raises(Misconfigured, match=fault):
            sink.send([message(1)])
        with pytest.raises(Misconfigured, match=fault):
            sink.check()


def test_who_takes_the_connection_and_says_nothing_is_an_outage_with_a_hint():
    # A plain syslog receiver does: to it our opening is an event.
    def serve(connection):
        while connection.recv(65536):
            pass

    with (
        talking(serve) as port,
        sink_to(port, "relp", connect_timeout_seconds=0.2) as sink,
        pytest.raises(Unavailable, match="check port and transport"),
    ):
        sink.send([message(1)])


def test_who_hangs_up_at_the_opening_is_an_outage_with_a_hint():
    with (
        talking(lambda connection: connection.recv(65536)) as port,
        sink_to(port, "relp") as sink,
        pytest.raises(Unavailable, match="set transport: relp-tls"),
    ):
        sink.send([message(1)])


def test_who_ends_the_session_at_the_opening_is_an_outage_with_a_hint():
    def serve(connection):
        connection.recv(65536)
        connection.sendall(relp_frame.encoded(0, b"serverclose"))
        connection.recv(100)

    with (
        talking(serve) as port,
        sink_to(port, "relp") as sink,
        pytest.raises(Unavailable, match=r"opens none; if it expects TLS, set transport: relp-tls"),
    ):
        sink.send([message(1)])


def test_who_hangs_up_at_the_opening_over_tls_may_want_a_certificate_of_another_name(certificates):
    context = certificates.server_context()

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as encrypted:
            encrypted.recv(65536)

    with (
        talking(serve) as port,
        sink_to(port, "relp-tls", ca_bundle=certificates.ca) as sink,
        pytest.raises(Unavailable, match=r"no RELP session: .* set client_certificate to one whose name it permits"),
    ):
        sink.send([message(1)])


@pytest.mark.parametrize("transport", ["relp", "relp-tls"])
def test_a_closed_port_is_an_outage(transport):
    with sink_to(free_ports.reserve(), transport) as sink, pytest.raises(Unavailable, match="refused"):
        sink.send([message(1)])


def test_a_receiver_that_drips_is_bounded_in_time():
    stopping = threading.Event()

    def serve(dialogue):
        dialogue.next()
        for byte in relp_frame.encoded(2, b"rsp", b"x" * 60000):
            dialogue.say(bytes([byte]))
            if stopping.wait(0.01):
                return

    with in_dialogue(serve) as port, sink_to(port, "relp", send_timeout_seconds=0.3) as sink:
        with pytest.raises(Unavailable, match="answered nothing"):
            sink.send([message(1)])
        stopping.set()


def test_a_receiver_that_our_ca_does_not_know_is_not_written_to(certificates):
    with RelpReceiver(tls=certificates.server_context()) as receiver:
        with (
            sink_to(receiver.port, "relp-tls", ca_bundle=certificates.other_ca) as sink,
            pytest.raises(Misconfigured, match="set ca_bundle"),
        ):
            sink.send([message(1)])
        assert receiver.lines() == []


def test_a_receiver_with_another_name_is_not_written_to(certificates):
    with RelpReceiver(tls=certificates.server_context(certificates.other_name)) as receiver:
        with (
            sink_to(receiver.port, "relp-tls", ca_bundle=certificates.ca) as sink,
            pytest.raises(Misconfigured, match="set server_name"),
        ):
            sink.send([message(1)])
        with sink_to(receiver.port, "relp-tls", ca_bundle=certificates.ca, server_name="other.test") as sink:
            assert sink.send([message(1)]) == []


@pytest.mark.parametrize("certificate", [None, "stranger"])
def test_a_refused_client_certificate_is_a_matter_for_a_person(certificates, certificate):
    mine = {"ca_bundle": certificates.ca}
    if certificate:
        mine["client_certificate"] = getattr(certificates, certificate)
    with RelpReceiver(tls=certificates.server_context(ask_client=True)) as receiver:
        with sink_to(receiver.port, "relp-tls", **mine) as sink:
            with pytest.raises(Misconfigured, match="set client_certificate"):
                sink.send([message(1)])
            with pytest.raises(Misconfigured, match="set client_certificate"):
                sink.check()
        assert receiver.lines() == []


def test_plain_relp_where_tls_is_expected_names_the_remedy(certificates):
    with (
        RelpReceiver(tls=certificates.server_context()) as receiver,
        sink_to(receiver.port, "relp") as sink,
        pytest.raises((Misconfigured, Unavailable), match="set transport: relp-tls"),
    ):
        sink.send([message(1)])
