"""What becomes of what was refused, could not be read, or was damaged, until it is dealt with."""

import time
from dataclasses import replace

import pytest

from connector.contract.journal.steps import (
    OnEntries,
    advance,
    answer,
    damaged,
    ids,
    learn,
    mend,
    notification,
    page,
    pass_all,
    store,
)
from connector.model import (
    UNREADABLE,
    Advance,
    Appended,
    DeadLetter,
    Notification,
    Page,
    Redelivery,
    Subject,
    Unreadable,
)


class DeadLettersContract(OnEntries):
    """Dead letters of routes and of sources, and how they are retried, mended and dropped."""

    def test_a_dead_letter_is_replaced_by_a_later_one_for_the_same_document(self, journal):
        store(journal, "vt", page(1, 2))
        first, second = (entry.seq for entry in journal.pending("route", ["vt"], 2))
        advance(journal, "route", ["vt"], Advance(first, 0, 0, 1, [DeadLetter(first, "sink", "x", "a", b"{}")]))
        again = [
            DeadLetter(first, "sink", "y", "a"),
            DeadLetter(first, "sink", "y", "b"),
            DeadLetter(second, "mapping", "z"),
        ]
        advance(journal, "route", ["vt"], Advance(second, 0, 0, 1, again))

        (route,) = journal.status({"route": ["vt"]}).routes
        assert (route.dead_letters, route.refused) == (3, 2)

    def test_a_dead_letter_keeps_its_number_while_the_same_is_refused(self, journal):
        store(journal, "vt", page(1, 2))
        first, second = (entry.seq for entry in journal.pending("route", ["vt"], 2))
        letters = [DeadLetter(second, "mapping", "z"), DeadLetter(first, "sink", "x", "a", b"{}")]
        advance(journal, "route", ["vt"], Advance(second, 0, 0, 2, letters))
        advance(journal, "other", ["vt"], Advance(first, 0, 0, 1, [DeadLetter(first, "format", "y")]))

        found = list(journal.dead_letters())

        assert [(each.route, each.letter) for each in found] == [
            ("route", letters[1]),
            ("other", DeadLetter(first, "format", "y")),
            ("route", letters[0]),
        ]
        assert [(each.source, each.letter.notification_id, each.date) for each in found] == [
            ("vt", "1", 1_760_000_000),
            ("vt", "1", 1_760_000_000),
            ("vt", "2", 1_760_000_000),
        ]
        assert found[0].letter.document == b"{}"
        assert all(each.refused_at > 1_760_000_000 for each in found)
        again = DeadLetter(first, "sink", "still", "a")
        with journal.lease("route"):
            journal.record_redelivery("route", Redelivery([first, second], 1, 0, 1, [again]))
        (kept,) = journal.dead_letters("route")
        assert (kept.id, kept.letter) == (found[0].id, again)
        assert list(journal.dead_letters(ids=[found[1].id, found[2].id, 10**6])) == [found[1]]
        assert list(journal.dead_letters("never heard of")) == []

    def test_whoever_serves_a_route_is_told_what_to_retry_until_it_has(self, open_journal):
        journal = open_journal()
        store(journal, "vt", page(1, 2, 3))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 10)]
        letters = [DeadLetter(seq, "sink", "no", str(n)) for seq in seqs for n in (1, 2)]
        for route in ("route", "other"):
            advance(journal, route, ["vt"], Advance(seqs[-1], 0, 0, 3, letters))
        assert journal.to_retry("route", 10) == []
        ids = [each.id for each in journal.dead_letters("route")]
        assert journal.ask_retry([ids[0], ids[1], ids[4], 10**6]) == 3
        journal.close()
        journal = open_journal()
        assert [entry.seq for entry in journal.to_retry("route", 1)] == [seqs[0]]
        assert [entry.seq for entry in journal.to_retry("route", 10)] == [seqs[0], seqs[2]]
        assert journal.to_retry("other", 10) == journal.to_retry("never heard of", 10) == []
        with journal.lease("route"):
            journal.record_redelivery("route", Redelivery([seqs[0]], 0, 0, 1, letters[:1], []))
        assert [entry.seq for entry in journal.to_retry("route", 10)] == [seqs[2]]
        with journal.lease("route"):
            journal.record_redelivery("route", Redelivery([seqs[2]], 1, 0, 0, [], []))
        assert journal.to_retry("route", 10) == []
        assert [each.id for each in journal.dead_letters("route")] == [ids[0], ids[2], ids[3]]
        journal.close()

    def test_a_retry_can_be_asked_of_what_was_refused_for_one_reason(self, journal):
        store(journal, "vt", page(1, 2, 3))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 10)]
        reasons = ("busy: 429", "no", "busy")
        letters = [DeadLetter(seq, "sink", reason) for seq, reason in zip(seqs, reasons, strict=True)]
        for route in ("route", "other"):
            advance(journal, route, ["vt"], Advance(seqs[-1], 0, 0, 3, letters))
        refused_at = max(each.refused_at for each in journal.dead_letters("route"))
        assert journal.ask_retry_of("route", "busy:", refused_at - 1) == 0
        assert journal.ask_retry_of("never heard of", "busy:", refused_at) == 0
        assert journal.to_retry("route", 10) == []
        assert journal.ask_retry_of("route", "busy:", refused_at) == 1
        assert [entry.seq for entry in journal.to_retry("route", 10)] == seqs[:1]
        assert journal.to_retry("other", 10) == []

    def test_the_news_name_the_routes_with_dead_letters_to_retry(self, journal):
        store(journal, "vt", page(1))
        (entry,) = journal.pending("route", ["vt"], 10)
        for route in ("route", "other"):
            advance(journal, route, ["vt"], Advance(entry.seq, 0, 0, 1, [DeadLetter(entry.seq, "sink", "no", "1")]))
        assert journal.news().to_retry == []
        (letter,) = journal.dead_letters("other")
        journal.ask_retry([letter.id])
        assert journal.news().to_retry == ["other"]
        with journal.lease("other"):
            journal.record_redelivery("other", Redelivery([entry.seq], 1, 0, 0))
        assert journal.news().to_retry == []

    def test_what_a_source_could_not_read_is_one_dead_letter_of_the_source(self, journal):
        unreadable = Unreadable("7", "no JSON at byte 5", date=1_760_000_001, notification_id="7", excerpt="NaN")
        seen = Page([notification(1)], {"at": 1}, unreadable=[unreadable])
        with journal.lease("vt"):
            appended = [journal.append("vt", seen) for _ in range(2)]
        assert appended == [Appended(1, [unreadable]), Appended(0, [])]
        (letter,) = journal.dead_letters("vt")
        assert (letter.route, letter.source, letter.date) == ("vt", "vt", 1_760_000_001)
        assert (letter.letter.by, letter.letter.reason) == ("source", "no JSON at byte 5")
        (entry,) = journal.entries([letter.letter.seq])
        assert entry.notification.id == UNREADABLE + "7"
        assert entry.notification.body["unreadable"]["notification_id"] == "7"
        assert journal.status({"route": ["vt"]}).other_dead_letters == {"vt": 1}
        assert journal.ask_retry([letter.id]) == 1
        assert journal.to_retry("vt", 10) == [entry]
        with journal.lease("vt"):
            journal.record_redelivery("vt", Redelivery([entry.seq], 1, 0, 0))
        assert list(journal.dead_letters()) == []

    def test_what_could_not_be_read_is_kept_without_a_date_too(self, journal):
        store(journal, "vt", Page([], None, unreadable=[Unreadable("7", "no JSON")]))
        (letter,) = journal.dead_letters()
        assert (letter.date, letter.letter.notification_id) == (None, UNREADABLE + "7")
        assert letter.refused_at is not None
        assert letter.refused_at > 1_760_000_000

    def test_what_routes_find_damaged_is_one_dead_letter_of_the_source_to_be_retried(self, journal, garble):
        seq = damaged(journal, garble)
        (letter,) = journal.dead_letters("vt")
        assert (letter.letter.seq, letter.letter.by, letter.letter.reason) == (seq, "source", "damaged")
        assert letter.refused_at == pytest.approx(time.time(), abs=600)
        assert [entry.seq for entry in journal.to_retry("vt", 10)] == [seq]
        assert journal.to_retry("route", 10) == journal.to_retry("other", 10) == []

    def test_what_a_source_has_been_asked_for_again_is_not_asked_for_by_itself_a_second_time(self, journal, garble):
        seq = damaged(journal, garble)
        with journal.lease("vt"):
            journal.record_redelivery("vt", Redelivery([seq], 0, 0, 1, [DeadLetter(seq, "source", "gone")]))
        journal.ask_again([seq], "damaged")
        assert journal.to_retry("vt", 10) == []
        assert [each.letter.reason for each in journal.dead_letters("vt")] == ["gone"]

    def test_of_what_is_asked_for_again_the_whole_is_retried_by_its_routes_and_the_damaged_by_its_source(
        self, journal, garble
    ):
        store(journal, "vt", page(1, 2))
        mended, broken = (entry.seq for entry in journal.pending("route", ["vt"], 2))
        advance(journal, "route", ["vt"], Advance(broken, 1, 0, 1, [DeadLetter(mended, "notification", "damaged")]))
        garble(broken, "body", b"x")
        journal.ask_again([mended, broken], "damaged")
        assert [entry.seq for entry in journal.to_retry("route", 10)] == [mended]
        assert [entry.seq for entry in journal.to_retry("vt", 10)] == [broken]

    def test_what_a_source_was_asked_for_again_is_forgotten_with_it(self, journal, garble):
        damaged(journal, garble)
        with journal.lease("vt"):
            journal.forget_source("vt")
        assert list(journal.dead_letters()) == []
        assert "vt" not in {each.name for each in journal.served()}

    @pytest.mark.parametrize("changed", [{"body": b"x"}, {"date": 5}])
    def test_what_is_mended_is_whole_and_retried_by_the_routes_that_refused_it(self, open_journal, garble, changed):
        journal = open_journal()
        seq = damaged(journal, garble, **changed)
        assert mend(journal, seq, notification(2))
        journal.close()
        journal = open_journal()
        (entry,) = journal.entries([seq])
        assert (entry.damaged, entry.notification) == (False, notification(2))
        assert journal.to_retry("route", 10) == journal.to_retry("other", 10) == [entry]
        assert store(journal, "vt", page(1, 2, 3)) == [0]
        journal.close()

    def test_only_what_is_damaged_is_mended_and_only_with_itself_by_its_own_source(self, journal, garble):
        seq = damaged(journal, garble)
        (whole,) = journal.find(["vt"], "1")
        other = replace(notification(1), body={"other": 1})
        assert mend(journal, whole.seq, other)  # it is whole
        assert journal.entries([whole.seq]) == [whole]
        assert not mend(journal, seq, notification(1))
        assert not mend(journal, seq, notification(2), source="another")
        assert not mend(journal, 10**6, notification(2))
        assert [entry.damaged for entry in journal.entries([seq])] == [True]
        assert journal.to_retry("route", 10) == []
        with pytest.raises(RuntimeError, match="without its lease"):
            journal.mend("vt", seq, notification(2))

    @pytest.mark.parametrize("instead", ["1", "7"])
    def test_what_has_another_id_than_it_was_stored_under_is_not_mended(self, journal, garble, instead):
        seq = damaged(journal, garble, notification_id=instead)
        assert not mend(journal, seq, notification(int(instead)))
        assert [entry.damaged for entry in journal.entries([seq])] == [True]

    def test_a_retry_of_what_was_damaged_leaves_what_others_refused_of_it(self, journal, garble):
        store(journal, "vt", page(1))
        (entry,) = journal.pending("route", ["vt"], 1)
        for route, by in (("route", "notification"), ("other", "person"), ("third", "sink")):
            advance(journal, route, ["vt"], Advance(entry.seq, 0, 0, 1, [DeadLetter(entry.seq, by, "no")]))
        garble(entry.seq, "body", b"x")
        assert mend(journal, entry.seq, notification(1))
        assert journal.news().to_retry == ["route"]

    def test_a_dead_letter_of_a_source_is_no_route_that_holds_anything_back(self, journal):
        store(journal, "vt", page(1, 2), Page([], None, unreadable=[Unreadable("7", "no JSON", date=5)]))
        assert len(pass_all(journal)) == 3
        assert journal.prune(1_760_000_001, {"route": ["vt"]}) == 2
        (letter,) = journal.dead_letters()
        journal.drop([letter.id])
        assert journal.prune(1_760_000_001, {"route": ["vt"]}) == 1
        assert journal.status({}).entries == 0

    def test_what_was_refused_for_lack_of_its_url_is_retried_once_that_is_known(self, journal):
        about = Subject("url", "a" * 64)
        body = {"type": "url", "id": about.id, "context_attributes": {"notification_id": "1"}}
        store(journal, "vt", Page([Notification("1", 1_760_000_000, body)], None))
        assert journal.due("vt", 10, 5) == [about]
        seq = journal.pending("route", ["vt"], 1)[0].seq
        letters = [DeadLetter(seq, "mapping", "no URL"), DeadLetter(seq, "sink", "no room", "o")]
        advance(journal, "route", ["vt"], Advance(seq, 0, 0, 1, letters))
        assert learn(journal, answer(about)) == [True]
        (entry,) = journal.to_retry("route", 10)
        assert entry.context[about]["said"] == 1

    def test_what_is_dropped_is_counted_and_nothing_else_goes(self, journal):
        store(journal, "vt", page(1))
        (entry,) = journal.pending("route", ["vt"], 1)
        letters = [DeadLetter(entry.seq, "sink", "x", name) for name in "abc"]
        advance(journal, "route", ["vt"], Advance(entry.seq, 0, 0, 1, letters))
        a, b, c = (each.id for each in journal.dead_letters())

        assert journal.drop([a, c, 10**6]) == 2
        assert journal.drop([a]) == journal.drop([]) == 0
        (route,) = journal.status({"route": ["vt"]}).routes
        assert (route.dead_letters, route.dropped, route.refused) == (1, 2, 1)
        assert [each.id for each in journal.dead_letters()] == [b]

    def test_what_is_set_aside_is_a_dead_letter_until_it_is_dealt_with_otherwise(self, journal):
        store(journal, "vt", page(1, 2, 3))
        first, second, third = (entry.seq for entry in journal.pending("route", ["vt"], 3))
        assert journal.are_set_aside("route", [first, second, third]) == set()
        assert journal.set_aside("route", second, "enough")
        assert journal.are_set_aside("route", [first, second, third]) == {second}
        assert journal.are_set_aside("route", [first, third]) == journal.are_set_aside("other", [second]) == set()
        assert [entry.seq for entry in journal.pending("route", ["vt"], 3)] == [first, second, third]
        (stored,) = journal.dead_letters()
        assert (stored.route, stored.letter.by, stored.letter.reason) == ("route", "person", "enough")
        assert stored.refused_at == pytest.approx(time.time(), abs=600)

        advance(journal, "route", ["vt"], Advance(third, 2, 0, 1, [DeadLetter(second, "person", "enough")]))
        assert [each.id for each in journal.dead_letters()] == [stored.id]
        assert not journal.set_aside("route", third, "too late")
        assert len(list(journal.dead_letters())) == 1

    def test_what_is_delivered_after_a_replay_has_no_dead_letter_whichever_source_it_is_of(self, journal):
        sources = ["vt", "other", "third"]
        for number, source in enumerate(sources):
            store(journal, source, page(number))
        entries = journal.pending("route", sources, 10)
        letters = [DeadLetter(entry.seq, "sink", "no") for entry in entries]
        advance(journal, "route", sources, Advance(entries[-1].seq, 0, 0, 3, letters))
        with journal.lease("route"):
            journal.rewind("route", dict.fromkeys(sources, 0))
        advance(journal, "route", sources, Advance(entries[-1].seq, 3, 0, 0))
        assert list(journal.dead_letters()) == []

    def test_more_dead_letters_can_be_read_than_are_read_at_once(self, journal):
        numbers = range(450)
        store(journal, "vt", page(*numbers))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 450)]
        letters = [DeadLetter(seq, "sink", "x", name) for seq in seqs for name in "ab"]
        advance(journal, "route", ["vt"], Advance(seqs[-1], 0, 0, 450, letters))

        found = list(journal.dead_letters("route"))

        assert [each.letter for each in found] == letters
        assert journal.drop([each.id for each in found]) == 900

    def test_a_route_that_is_rewound_delivers_again_and_its_dead_letters_are_those_of_the_last_time(self, journal):
        store(journal, "vt", Page([notification(n, date=n * 10) for n in (1, 2, 3, 4)], None))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 4)]
        refused = [DeadLetter(seq, "sink", "no", "a") for seq in seqs[:3]]
        advance(journal, "route", ["vt"], Advance(seqs[2], 0, 0, 3, refused))
        with journal.lease("route"):
            positions = journal.positions_since("route", ["vt"], 20)
            journal.rewind("route", positions)
        assert ids(journal.pending("route", ["vt"], 10)) == ["2", "3", "4"]
        assert journal.status({"route": ["vt"]}).routes[0].dead_letters == 3

        advance(journal, "route", ["vt"], Advance(seqs[1], 1, 0, 0))

        (route,) = journal.status({"route": ["vt"]}).routes
        assert (route.position, route.delivered, route.refused, route.dead_letters) == (seqs[1], 1, 3, 2)
        assert [each.letter.seq for each in journal.dead_letters()] == [seqs[0], seqs[2]]
        with journal.lease("route"):
            journal.rewind("route", {"vt": seqs[3]})
        assert journal.status({"route": ["vt"]}).routes[0].position == seqs[1]

    def test_what_a_route_refused_of_a_source_it_reads_no_more_stays(self, journal):
        store(journal, "new", page(1))
        store(journal, "old", page(2))
        store(journal, "new", page(3))
        seqs = [entry.seq for entry in journal.pending("route", ["old", "new"], 3)]
        refused = [DeadLetter(seq, "sink", "no") for seq in seqs]
        advance(journal, "route", ["old", "new"], Advance(seqs[2], 0, 0, 3, refused))
        with journal.lease("route"):
            journal.rewind("route", journal.positions_since("route", ["new"], None))
        advance(journal, "route", ["new"], Advance(seqs[2], 2, 0, 0))

        assert [each.letter.seq for each in journal.dead_letters()] == [seqs[1]]
