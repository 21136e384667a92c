import re
import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sinks.syslog.frame import Rfc3164Header, Rfc5424Header, framed, priority, without_controls

MAY_17 = 1684311125  # 2023-05-17T08:12:05Z
JUNE_2 = 1685664000  # 2023-06-02T00:00:00Z
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
names = st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=20).map("h".__add__)
times = st.integers(0, 253_402_300_799)


def test_the_priority_is_eight_times_the_facility_plus_the_severity():
    assert priority("kern", "emerg") == 0
    assert priority("local0", "warning") == 132
    assert priority("local4", "notice") == 165  # the example of RFC 5424 section 6.5
    assert priority("auth", "crit") == 34  # the example of RFC 3164 section 5.4
    assert priority("local7", "debug") == 191


def test_an_rfc3164_header_ends_where_the_event_begins():
    assert Rfc3164Header(132, "vt-1", "").at(MAY_17) + b"CEF:0|" == b"<132>May 17 08:12:05 vt-1 CEF:0|"


def test_a_day_below_ten_is_padded_with_a_blank():
    assert Rfc3164Header(132, "vt-1", "").at(JUNE_2) == b"<132>Jun  2 00:00:00 vt-1 "


def test_a_tag_stands_before_the_event():
    assert Rfc3164Header(132, "vt-1", "vtcef").at(MAY_17) + b"CEF:0|" == b"<132>May 17 08:12:05 vt-1 vtcef: CEF:0|"


def test_an_rfc5424_header_has_milliseconds_and_no_byte_order_mark():
    header = Rfc5424Header(132, "vt-1", "iocstream").at(MAY_17)
    assert header == b"<132>1 2023-05-17T08:12:05.000Z vt-1 iocstream - - - "


@pytest.mark.parametrize("control", [chr(c) for c in (*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029)])
def test_a_control_character_becomes_a_blank(control):
    assert without_controls(f"a{control}é¨ b".encode()) == "a é¨ b".encode()


@given(st.text())
def test_nothing_but_control_characters_is_changed(text):
    expected = re.sub("[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text.encode(errors="replace").decode())
    assert without_controls(text.encode(errors="replace")).decode() == expected


def test_octet_counting_counts_bytes():
    assert framed("é€😀".encode(), "octet") == "9 é€😀".encode()


@given(st.binary(), names, st.just("") | names, times)
def test_every_rfc3164_frame_reads_back(body, hostname, tag, time):
    body = without_controls(body)
    line = framed(Rfc3164Header(13, hostname, tag).at(time) + body, "lf")
    found = re.fullmatch(
        rb"<13>(?P<month>[A-Z][a-z]{2}) (?P<day>[ 1-3][0-9]) (?P<clock>\d\d:\d\d:\d\d) (?P<host>[^ ]+) (?P<rest>.*)\n",
        line,
        re.DOTALL,
    )
    moment = datetime.fromtimestamp(time, UTC)
    assert found["month"].decode() == MONTHS[moment.month - 1]
    assert int(found["day"]) == moment.day
    assert found["clock"].decode() == moment.strftime("%H:%M:%S")
    assert found["host"].decode() == hostname
    assert found["rest"] == (f"{tag}: ".encode() if tag else b"") + body


@given(st.binary(), names, names, times)
def test_every_rfc5424_frame_reads_back(body, hostname, app_name, time):
    frame = Rfc5424Header(13, hostname, app_name).at(time) + body
    version, timestamp, host, app, process, message_id, data, message = frame.split(b" ", 7)
    assert version == b"<13>1"
    assert datetime.fromisoformat(timestamp.decode()).timestamp() == time
    assert (host.decode(), app.decode()) == (hostname, app_name)
    assert (process, message_id, data) == (b"-", b"-", b"-")
    assert message == body


@given(st.lists(st.binary().map(without_controls)))
def test_a_stream_of_lines_reads_back(messages):
    stream = b"".join(framed(message, "lf") for message in messages)
    assert stream.split(b"\n") == [*messages, b""]


@given(st.lists(st.binary()))
def test_a_stream_of_counted_frames_reads_back(messages):
    stream = b"".join(framed(message, "octet") for message in messages)
    found = []
    while stream:
        count, _, rest = stream.partition(b" ")
        found.append(rest[: int(count)])
        stream = rest[int(count) :]
    assert found == messages
