"""Nobody can fill the log, and its counts are true."""

from structlog.testing import capture_logs

from connector.server.notices import LINES, MOST_KNOWN, OTHERS, Notices


def noticed(*happened, windows=1, notices=None):
    """The lines that are written for what happened, and for the ends of windows."""
    due = []
    notices = notices or Notices(due.append)
    with capture_logs() as told:
        for event, client, times in happened:
            for _ in range(times):
                notices.tell(event, client)
        for _ in range(windows):
            notices.end_window()
    assert len(due) <= 1 + windows
    return told


def test_the_first_is_told_at_once_and_the_others_as_a_number():
    assert noticed(("login_refused", "192.0.2.7", 8687)) == [
        {"event": "login_refused", "client": "192.0.2.7", "times": times, "log_level": "warning"} for times in (1, 8686)
    ]


def test_kinds_and_networks_are_told_apart():
    told = noticed(("a", "192.0.2.7", 2), ("a", "192.0.2.8", 3), ("b", "192.0.2.7", 4), windows=3)
    sums = {}
    for line in told:
        key = (line["event"], line["client"])
        sums[key] = sums.get(key, 0) + line["times"]
    assert sums == {("a", "192.0.2.7"): 2, ("a", "192.0.2.8"): 3, ("b", "192.0.2.7"): 4}
    assert len(told) == 6


def test_an_ipv6_client_is_its_network():
    told = noticed(*((("a", f"2001:db8:0:1::{number:x}", 1)) for number in range(500)))
    assert [(line["client"], line["times"]) for line in told] == [("2001:db8:0:1::/64", 1), ("2001:db8:0:1::/64", 499)]
    assert noticed(("a", "::ffff:192.0.2.7", 1))[0]["client"] == "192.0.2.7"


def test_many_networks_make_few_lines_and_take_little_memory():
    number = 3 * MOST_KNOWN
    notices = Notices(lambda _: None)
    told = noticed(*(("a", f"2001:db8:{each:x}::1", 2) for each in range(number)), windows=2, notices=notices)
    assert len(told) <= 2 * LINES + 1
    assert sum(line["times"] for line in told) == 2 * number
    assert told[-1]["client"] == OTHERS
    assert len(notices._counts) <= MOST_KNOWN + 1


def test_whoever_goes_on_is_told_once_in_each_window():
    due = []
    notices = Notices(due.append)
    with capture_logs() as told:
        for _ in range(5):
            for _ in range(1000):
                notices.tell("a", "192.0.2.7")
            due.pop()()
            assert len(due) == 1
        due.pop()()
    assert [line["times"] for line in told] == [1, 999, 1000, 1000, 1000, 1000]
    assert due == []  # nothing has happened: no window follows


def test_what_was_counted_is_told_at_the_end():
    notices = Notices(lambda _: None)
    with capture_logs() as told:
        for _ in range(3):
            notices.tell("a", "192.0.2.7", message="Unsupported upgrade request.")
        notices.close()
    assert [(line["times"], line["message"]) for line in told] == [
        (1, "Unsupported upgrade request."),
        (2, "Unsupported upgrade request."),
    ]
