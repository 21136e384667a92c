"""What may be spent of the quota at VirusTotal on one day."""

import threading
from contextlib import suppress

import pytest

from connector.sources.virustotal.spending import DAY_SECONDS, DailyShare, NotAllowed, ShareSpent, Spending


class Clock:
    now = 3.0 * DAY_SECONDS + 100

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def share(clock, most, today=(0, 0)):
    made = DailyShare("soar", today, clock)
    made.most = most
    return made


def taken(share, times):
    """How many of so many requests may be sent."""
    sent = 0
    for _ in range(times):
        with suppress(ShareSpent):
            share.take()
            sent += 1
    return sent


def test_no_more_may_be_sent_on_a_day_and_as_many_again_on_the_next(clock):
    spent = share(clock, 3)
    assert taken(spent, 9) == 3
    with pytest.raises(ShareSpent, match=r"the token soar has had the 3 requests .* \(quota_per_day\)") as refused:
        spent.must_be_left()
    assert refused.value.retry_after == DAY_SECONDS - 100
    clock.now += DAY_SECONDS - 101
    assert taken(spent, 9) == 0
    clock.now += 1
    assert taken(spent, 9) == 3


def test_what_was_sent_before_on_the_same_day_counts_and_what_was_on_another_does_not(clock):
    assert taken(share(clock, 3, (3, 2)), 9) == 1
    assert taken(share(clock, 3, (2, 2)), 9) == 3


def test_without_a_limit_it_is_counted_and_with_none_nothing_may_be_sent(clock):
    unlimited = share(clock, None)
    assert taken(unlimited, 500) == 500
    assert (unlimited.told(), unlimited.told()) == ((3, 500), (3, 0))
    assert taken(share(clock, 0), 5) == 0


def test_a_limit_that_is_changed_holds_at_once(clock):
    spent = share(clock, 2)
    taken(spent, 2)
    spent.most = 3
    assert taken(spent, 2) == 1


def test_what_many_threads_send_at_once_is_within_it(clock):
    spending = Spending(share=share(clock, 50))

    def send():
        for _ in range(20):
            try:
                spending.count()
            except ShareSpent:
                return

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spending.requests == 50


def test_who_may_not_spend_is_told_so_whatever_is_left(clock):
    spending = Spending(is_allowed=False, share=share(clock, 0))
    with pytest.raises(NotAllowed, match="scope act"):
        spending.count()
    assert spending.requests == 0
