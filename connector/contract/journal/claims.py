"""What a journal keeps of what routes have told of observables, and of versions that end."""

from contextlib import suppress

import pytest

from connector.contract.journal.store import OnStore
from connector.model import Advance, Claim, Notification, Page, Redelivery, Version
from connector.ports import Journal

DAY = 86_400
TELLS = [Claim(-(2**63), 1, stands=True), Claim(7, 1, stands=True, last_seq=2), Claim(7, 3, stands=False)]


def tell(journal: Journal, *claims: Claim, position: int = 3, receiver: str = "", withdrawn: int = 0) -> None:
    with journal.lease("out"):
        journal.advance(
            "out", ["vt"], Advance(position, 1, 0, 0, receiver=receiver, claims=claims, withdrawn=withdrawn)
        )


def looked_through(journal, terms, limit=1):
    """The entries that stand, as they are looked through, and what is noted of each step."""
    found = []
    while (standing := journal.standing("out", terms, limit)) is not None:
        found.append([entry.seq for entry in standing.entries])
        assert journal.standing("out", terms, limit) == standing  # until that is recorded
        journal.record_redelivery("out", Redelivery((), 0, 0, 0, reconsidered=standing.until))
    return found


class ClaimsContract(OnStore):
    """What is kept of claims; derive from it, and say on which store (`make_store`)."""

    @pytest.fixture
    def open_journal(self, tmp_path):
        store = self.make_store(tmp_path)
        now = [1_000_000.0]
        opened = []

        def make() -> Journal:
            opened.append(store.open(lambda: now[0], ledger_days=30))
            return opened[-1]

        make.now = now
        yield make
        for each in opened:
            with suppress(Exception):
                each.close()

    @pytest.fixture
    def journal(self, open_journal):
        made = open_journal()
        with made.lease("vt"):
            made.append("vt", Page([Notification(str(n), n, {}) for n in range(1, 5)], None))
        return made

    def test_what_was_told_of_an_observable_is_known_in_order_after_reopening(self, journal, open_journal):
        tell(journal, *TELLS)
        journal.close()
        again = open_journal()
        assert again.claims("out", [7, -(2**63), 8]) == {7: TELLS[1:], -(2**63): TELLS[:1]}
        assert again.claims("out", []) == again.claims("other", [7]) == {}

    def test_what_one_receiver_was_told_is_not_known_of_another(self, journal):
        tell(journal, Claim(7, 1, stands=True), receiver="a")
        assert journal.claims("out", [7], "a")
        assert journal.claims("out", [7], "b") == {}

    def test_what_is_told_again_at_the_same_entry_takes_the_place_of_what_was(self, journal):
        tell(journal, Claim(7, 1, stands=True))
        tell(journal, Claim(7, 1, stands=True, last_seq=2), Claim(7, 3, stands=False))
        with journal.lease("out"):
            journal.record_redelivery("out", Redelivery([3], 0, 0, 0, claims=[Claim(7, 3, stands=True)]))
        assert journal.claims("out", [7]) == {7: [Claim(7, 1, stands=True, last_seq=2), Claim(7, 3, stands=True)]}

    def test_what_is_about_to_be_told_is_in_doubt_until_it_is_told_or_refused(self, journal, open_journal):
        doubtful = [Claim(7, 1, stands=True, in_doubt=True), Claim(8, 1, stands=True, last_seq=2, in_doubt=True)]
        with journal.lease("out"):
            journal.record("out", [], "", doubtful)
        assert journal.claims("out", [7, 8]) == {7: doubtful[:1], 8: doubtful[1:]}
        told = doubtful[0]._replace(in_doubt=False)
        tell(journal, told)
        with journal.lease("out"):
            journal.forget("out", [], "", doubtful[1:])
        journal.close()
        assert open_journal().claims("out", [7, 8]) == {7: [told]}

    def test_a_version_that_is_forgotten_was_never_made_for_that_receiver(self, journal):
        made = [Version("indicator--1", seq, bytes(16), "a", f"{seq}", sent=False, revoked=seq == 2) for seq in (1, 2)]
        with journal.lease("out"):
            for receiver in ("here", "there"):
                journal.record("out", made, receiver)
            journal.forget("out", made[1:], "here")
            journal.forget("out", [], "there")
            assert journal.versions("out", ["indicator--1"], "here") == {"indicator--1": made[:1]}
            assert journal.versions("out", ["indicator--1"], "there") == {"indicator--1": made}

    def test_an_advance_that_fails_tells_nothing(self, journal):
        unwritable = Claim(8, 2**70, stands=True)
        with pytest.raises(OverflowError):
            tell(journal, Claim(7, 1, stands=True), unwritable)
        assert journal.claims("out", [7, 8]) == {}
        assert journal.status({"out": ["vt"]}).routes[0].position == 0

    def test_notifications_that_took_something_back_are_counted(self, journal):
        tell(journal, position=1, withdrawn=1)
        tell(journal, position=2, withdrawn=2)
        tell(journal, position=2, withdrawn=2)  # the repeat of a commit that seemed to fail
        assert journal.status({"out": ["vt"]}).routes[0].withdrawn == 3

    def test_a_route_that_is_forgotten_leaves_nothing_behind(self, journal):
        tell(journal, *TELLS)
        with journal.lease("out"):
            journal.forget_route("out")
        assert journal.claims("out", [7]) == {}

    def test_what_was_told_is_forgotten_when_nothing_has_said_it_for_long(self, journal, open_journal):
        tell(
            journal,
            Claim(7, 1, stands=True),
            Claim(8, 1, stands=True, last_seq=5),
            Claim(9, 6, stands=False),
            position=4,
        )
        for day, number in ((40, 5), (50, 6)):
            open_journal.now[0] = 1_000_000.0 + day * DAY
            with journal.lease("vt"):
                raised = int(open_journal.now[0])
                journal.append("vt", Page([Notification(str(number), raised, {})], None))
        with journal.lease("out"):
            journal.forget_old("out", "")
        assert sorted(journal.claims("out", [7, 8, 9])) == [8, 9]

    def test_the_end_of_a_version_and_its_revocation_are_known(self, journal, open_journal):
        first = Version("a--1", 1, b"d" * 16, "c", "m1", sent=True, valid_until="2026-01-01T00:00:00Z")
        last = Version("a--1", 2, b"e" * 16, "c", "m2", sent=True, revoked=True)
        with journal.lease("out"):
            journal.record("out", [first, last])
            journal.record("out", [first, last])
            with pytest.raises(RuntimeError):
                journal.record("out", [first._replace(valid_until="2027-01-01T00:00:00Z")])
            with pytest.raises(RuntimeError):
                journal.record("out", [last._replace(revoked=False)])
        journal.close()
        assert open_journal().versions("out", ["a--1"]) == {"a--1": [first, last]}

    def test_a_revocation_is_never_forgotten(self, journal, open_journal):
        first = Version("a--1", 1, b"d" * 16, "c", "m1", sent=True)
        last = Version("a--1", 2, b"e" * 16, "c", "m2", sent=True, revoked=True)
        with journal.lease("out"):
            journal.record("out", [first, last, first._replace(object_id="b--1")])
        tell(journal, position=4)
        open_journal.now[0] += 100 * DAY
        with journal.lease("vt"):
            journal.append("vt", Page([Notification("5", int(open_journal.now[0]), {})], None))
        with journal.lease("out"):
            journal.forget_old("out", "")
        assert journal.versions("out", ["a--1", "b--1"]) == {"a--1": [last]}

    def test_claims_are_not_written_without_the_lease(self, journal):
        with pytest.raises(RuntimeError, match="without its lease"):
            journal.record_redelivery("out", Redelivery([], 0, 0, 0, claims=TELLS))

    def test_what_stands_is_looked_through_once_for_each_change_of_terms(self, open_journal, journal):
        with journal.lease("out"):
            assert looked_through(journal, "new") == [[]]
            assert looked_through(journal, "new") == []
            told = [*TELLS, Claim(9, 4, stands=False, in_doubt=True), Claim(8, 2, stands=True)]
            journal.record_redelivery("out", Redelivery((), 0, 0, 0, claims=told))
            assert looked_through(journal, "first") == [[1], [], [2], [4], []]
            assert looked_through(journal, "first") == []
            assert looked_through(journal, "second", 9) == [[1, 2, 4]]

    def test_it_is_gone_on_where_it_was_left_and_begun_anew_for_other_terms(self, open_journal, journal):
        with journal.lease("out"):
            told = [Claim(each, each, stands=True) for each in (1, 2, 3)]
            journal.record_redelivery("out", Redelivery((), 0, 0, 0, claims=told))
            standing = journal.standing("out", "new", 2)
            journal.record_redelivery("out", Redelivery((), 0, 0, 0, reconsidered=standing.until))
        again = open_journal()
        with again.lease("out"):
            assert [entry.seq for entry in again.standing("out", "new", 2).entries] == [3]
            assert [entry.seq for entry in again.standing("out", "newer", 2).entries] == [1, 2]

    def test_what_came_late_is_told_with_what_is_dated_later(self, open_journal):
        journal = open_journal()

        def about(number, date, domain):
            return Notification(str(number), date, {"type": "domain", "id": domain, "attributes": {}})

        dated = [
            (1, 50, "a.example"),
            (2, 90, "a.example"),
            (3, 70, "b.example"),
            (4, 60, "a.example"),
            (5, 40, "a.example"),
        ]
        with journal.lease("vt"):
            journal.append("vt", Page([about(*each) for each in dated], None))
        assert journal.newer_dated([1, 2, 3, 4, 5], ["vt"]) == {4: [2], 5: [2, 4, 1]}
        assert journal.newer_dated([3, 4], ["other"]) == {}
        of_all = {1: [2, 4], 4: [2], 5: [2, 4, 1]}
        assert journal.newer_dated([1, 2, 3, 4, 5], ["vt"], of_all=True) == of_all
