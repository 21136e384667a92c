from connector.sinks.syslog.window import ReplayWindow


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_messages_leave_when_their_time_is_over():
    clock = Clock()
    window = ReplayWindow(1000, 30, clock=clock)
    window.add(3)
    clock.now += 20
    window.add(4)
    assert window.count() == 7
    clock.now += 9.9
    assert window.count() == 7
    clock.now += 0.1
    assert window.count() == 4
    assert window.seconds_left() == 20
    clock.now += 19.5
    assert window.seconds_left() == 0.5
    clock.now += 60
    assert window.seconds_left() == 0
    assert window.count() == 0
    assert window.seconds_left() == 0


def test_newer_messages_push_out_older_ones():
    window = ReplayWindow(1000, 30, clock=Clock())
    for _ in range(7):
        window.add(300)
        assert window.count() <= 1000
    assert window.count() == 1000
    window.add(5000)
    assert window.count() == 1000
    window.add(1)
    assert window.count() == 1000


def test_it_holds_something_until_asked_what_time_left_of_it():
    clock = Clock()
    window = ReplayWindow(1000, 30, clock=clock)
    assert not window
    window.add(0)
    assert not window
    window.add(1)
    clock.now += 60
    assert window
    assert window.count() == 0
    assert not window


def test_a_window_of_none_counts_none():
    window = ReplayWindow(0, 30, clock=Clock())
    window.add(10)
    assert not window
    assert window.count() == 0


def test_what_is_cleared_is_gone():
    window = ReplayWindow(10, 30, clock=Clock())
    window.add(4)
    window.clear()
    window.add(3)
    assert window.count() == 3
