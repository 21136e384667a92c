"""What a receiver believes follows from what there is now, in whatever order it came: see `World`."""

import tempfile
from pathlib import Path

import pytest
from beliefs import BENIGN, CONDITIONS, MALICIOUS, SUSPICIOUS, UNDETECTED, Match, Receiver, World, judge
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from pipeline_receivers import Clock, opened, store

BOTH = pytest.mark.parametrize("using", ["stix21", "cef"])
HOST, DOMAIN = "c2.example", "bad.example"
VERDICTS = [MALICIOUS, SUSPICIOUS, UNDETECTED, BENIGN]
RULES = ["r1", "r2", "r3"]
ORIGINS = ["hunting", "subscription"]
DATES = range(1, 7)
HUNTING, SCORED = "notification.origin == 'hunting'", "entity.gti_assessment.threat_score.value >= `40`"


class History:
    """Steps that are taken with a receiver, and what it should believe after them."""

    def __init__(self, using, folder):
        self.world = World()
        self.receiver = Receiver(using, folder)
        self._folder = folder

    def take(self, steps):
        """Take these, and deliver what there is then."""
        with opened(self._folder, Clock()) as journal:
            for step, *said in steps:
                getattr(self, f"_{step}")(journal, *said)
            self._run(journal)

    def _match(self, journal, *said):
        match = Match(*said)
        store(journal, match.body())
        self.world.matches.append(match)

    def _run(self, journal):
        self.receiver.wants, self.receiver.guarded = self.world.wants, self.world.guarded
        self.receiver.run(journal)

    def _judge(self, journal, kind, value, verdict="false_positive"):
        value = value * 64 if kind == "observable" and len(value) == 1 else value
        judge(journal, kind, value, verdict)
        self.world.judged[kind, value] = verdict

    def _when(self, _, wants):
        self.world.is_widened |= wants != self.world.wants and bool(self.world.matches)
        self.world.wants = wants

    def _guard(self, _, value):
        """Put a value on the known-good list, or take it off."""
        value = value * 64 if len(value) == 1 else value
        self.world.is_widened |= value in self.world.guarded
        self.world.guarded ^= {value}

    def check(self):
        """Compare what the receiver believes with what it should."""
        if self.receiver.using == "cef":
            self._compare(self.receiver.events(self.world.matches), self.world.own())
        else:
            own, named = self.receiver.indicators()
            self._compare(own, self.world.own())
            self._compare(named, self.world.named())

    def _compare(self, told, believed):
        """What a condition or list lets through again is said with the next match, so until then nothing is wrong."""
        if self.world.is_widened:
            believed = {value: verdict for value, verdict in believed.items() if value in told}
        assert told == believed


def after(using, *taken):
    with tempfile.TemporaryDirectory() as folder:
        history = History(using, Path(folder))
        history.take(taken)
        history.check()
        return history


def steps():
    about = st.sampled_from(["a", "b", HOST])
    match = st.tuples(about, st.sampled_from(VERDICTS), st.sampled_from(RULES), st.sampled_from(ORIGINS))
    judged = st.one_of(
        st.tuples(st.just("notification"), st.sampled_from(DATES).map(str)),
        st.tuples(st.just("observable"), about),
        st.tuples(st.just("rule"), st.sampled_from(RULES)),
    )
    words = st.sampled_from(["false_positive", "false_positive", "benign", "none", "none", "true_positive"])
    matches = st.tuples(st.just("match"), match)
    others = [
        st.just(("run",)),
        st.tuples(st.just("judge"), judged, words),
        st.tuples(st.just("when"), st.sampled_from([*CONDITIONS])),
        st.tuples(st.just("guard"), about),
    ]
    return st.tuples(st.permutations(DATES), st.lists(st.one_of(matches, matches, *others), max_size=12)).map(_dated)


def _dated(drawn):
    """Steps, each match with a date of its own: what comes in this order may have been raised in another."""
    dates, taken = drawn
    left = iter(dates)
    found = []
    for step, *said in taken:
        if step == "match":
            about, *more = said[0]
            if (date := next(left, None)) is not None:
                found.append((step, date, about, *more, "" if about == HOST else HOST))
        elif step == "judge":
            found.append((step, *said[0], said[1]))
        else:
            found.append((step, *said))
    return found


@BOTH
@given(taken=steps())
@examples(150)
def test_what_receivers_believe_does_not_depend_on_the_order_in_which_things_came(using, taken):
    after(using, *taken)


HISTORIES = {
    "a host that is benign is named by a file, and an older match of the host comes late": [
        ("match", 2, HOST, BENIGN),
        ("run",),
        ("match", 3, "a", MALICIOUS, "r1", "hunting", HOST),
        ("run",),
        ("match", 1, HOST, MALICIOUS),
    ],
    "a condition is edited when an older match comes late": [
        ("match", 2, DOMAIN, UNDETECTED, "r1", "subscription"),
        ("run",),
        ("when", HUNTING),
        ("match", 1, DOMAIN, MALICIOUS),
    ],
    "a match that is not judged wrong any more is older than what was told since": [
        ("match", 1, DOMAIN, MALICIOUS, "r1"),
        ("run",),
        ("judge", "rule", "r1"),
        ("run",),
        ("match", 2, DOMAIN, UNDETECTED, "r2"),
        ("run",),
        ("judge", "rule", "r1", "none"),
    ],
    "the same of an observable, in one run": [
        ("match", 1, DOMAIN, MALICIOUS, "r1"),
        ("run",),
        ("judge", "observable", DOMAIN),
        ("run",),
        ("judge", "observable", DOMAIN, "none"),
        ("match", 2, DOMAIN, UNDETECTED, "r2"),
    ],
    "a benign match that is judged wrong is benign": [
        ("match", 1, DOMAIN, MALICIOUS),
        ("match", 2, DOMAIN, BENIGN),
        ("run",),
        ("judge", "notification", "1"),
        ("run",),
        ("judge", "notification", "2"),
        ("judge", "notification", "1", "none"),
    ],
    "what a condition turned away is let through when a newer match was told": [
        ("when", HUNTING),
        ("match", 1, DOMAIN, MALICIOUS, "r1", "subscription"),
        ("run",),
        ("when", "`true`"),
        ("match", 3, DOMAIN, UNDETECTED),
        ("run",),
        ("judge", "notification", "1", "true_positive"),
    ],
    "a rule is judged wrong in the run in which a late match comes": [
        ("match", 1, "a", SUSPICIOUS, "r0", "hunting", HOST),
        ("match", 2, "b", UNDETECTED, "r0", "hunting", HOST),
        ("match", 4, "b", BENIGN, "r1", "hunting", HOST),
        ("run",),
        ("judge", "rule", "r0"),
        ("match", 3, "b", UNDETECTED, "r0", "hunting", HOST),
    ],
    "an edited condition is asked what is known now, also by a match that it turned away": [
        ("when", HUNTING),
        ("match", 1, DOMAIN, MALICIOUS),
        ("match", 2, DOMAIN, UNDETECTED, "r1", "subscription"),
        ("run",),
        ("when", SCORED),
    ],
    "of two that say it the newer is judged wrong": [
        ("match", 1, "a", MALICIOUS, "r1", "hunting", HOST),
        ("match", 4, "a", UNDETECTED, "r2", "subscription", HOST),
        ("run",),
        ("judge", "notification", "4"),
    ],
    "the last to name a host is turned away, and names it no more": [
        ("match", 3, "b", SUSPICIOUS, "r1", "hunting", HOST),
        ("match", 4, "a", MALICIOUS, "r2", "subscription", HOST),
        ("match", 6, "a", UNDETECTED, "r1", "hunting", HOST),
        ("when", SCORED),
        ("run",),
        ("judge", "observable", HOST),
    ],
    "a condition that is edited takes back a host that a file named which is over": [
        ("match", 5, "a", MALICIOUS, "r1", "hunting", HOST),
        ("match", 3, "b", UNDETECTED, "r2", "subscription", HOST),
        ("match", 6, "a", BENIGN, "r2", "hunting", HOST),
        ("run",),
        ("when", SCORED),
    ],
    "a benign match comes late, and the newer one is turned away": [
        ("when", HUNTING),
        ("match", 6, "a", SUSPICIOUS, "r2", "subscription", HOST),
        ("match", 5, "a", BENIGN, "r2", "hunting", HOST),
    ],
}


@BOTH
@pytest.mark.parametrize("name", HISTORIES)
def test_of_these_histories_receivers_believe_what_is_true_now(using, name):
    after(using, *HISTORIES[name])


def test_what_a_condition_takes_back_names_the_matches_that_were_delivered_alone():
    history = after(
        "cef",
        ("when", SCORED),
        ("match", 1, DOMAIN, MALICIOUS),
        ("match", 2, DOMAIN, UNDETECTED),
    )
    last = history.receiver.sink.sent[-1].body.decode()
    assert "withdrawn:domain" in last
    assert last.endswith("VirusTotalIoCStreamWithdrawnNotifications=1")


def test_a_match_that_was_taken_back_with_all_others_is_not_taken_back_once_more():
    history = after(
        "cef",
        ("match", 1, DOMAIN, SUSPICIOUS, "r0"),
        ("match", 2, DOMAIN, BENIGN, "r0"),
        ("run",),
        ("match", 3, DOMAIN, UNDETECTED, "r1"),
        ("run",),
        ("judge", "rule", "r0"),
    )
    assert [kind for kind, _ in history.receiver.sink.events()] == [
        "hunting:domain",
        "hunting:domain",
        "withdrawn:domain",
        "hunting:domain",
    ]


def test_what_confirms_an_older_match_has_the_newest_verdict():
    history = after(
        "cef",
        ("match", 1, DOMAIN, MALICIOUS, "r1"),
        ("match", 2, DOMAIN, UNDETECTED, "r2"),
        ("run",),
        ("judge", "rule", "r1", "true_positive"),
    )
    assert history.receiver.sink.events()[-1] == ("confirmed:domain", "1")
