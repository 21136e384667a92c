"""What a journal keeps of a route: its position, what it counts, and the versions that it made."""

import pytest

from connector.contract.journal.steps import OnEntries, advance, ids, notification, page, store, version
from connector.model import (
    Advance,
    DeadLetter,
    Page,
    Redelivery,
)


class RoutesContract(OnEntries):
    """How a route gets on, and which versions it has sent to whom."""

    def test_a_route_reads_its_sources_in_storing_order(self, journal):
        store(journal, "a", page(1, 2))
        store(journal, "b", page(3))
        store(journal, "c", page(4))
        store(journal, "a", page(5))

        both = journal.pending("route", ["b", "a"], 10)

        assert ids(both) == ["1", "2", "3", "5"]
        assert [entry.source for entry in both] == ["a", "a", "b", "a"]
        assert [entry.seq for entry in both] == sorted({entry.seq for entry in both})
        assert ids(journal.pending("route", ["a", "b", "c"], 3)) == ["1", "2", "3"]
        assert journal.pending("route", [], 10) == []
        assert journal.pending("route", ["never heard of"], 10) == []

    def test_each_route_has_its_own_position(self, journal):
        store(journal, "vt", page(1, 2, 3))
        second = journal.pending("one", ["vt"], 2)[-1].seq
        advance(journal, "one", ["vt"], Advance(second, 2, 0, 0))

        assert ids(journal.pending("one", ["vt"], 10)) == ["3"]
        assert ids(journal.pending("two", ["vt"], 10)) == ["1", "2", "3"]

    def test_a_position_never_moves_backwards_and_a_repeated_advance_counts_once(self, journal):
        store(journal, "vt", page(1, 2, 3))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 3)]
        step = Advance(seqs[1], 1, 0, 1, [DeadLetter(seqs[0], "mapping", "first")])
        advance(journal, "route", ["vt"], step)
        advance(journal, "route", ["vt"], step)
        advance(journal, "route", ["vt"], Advance(seqs[0], 1, 0, 0))

        (route,) = journal.status({"route": ["vt"]}).routes
        assert (route.position, route.delivered, route.refused, route.dead_letters) == (seqs[1], 1, 1, 1)
        assert ids(journal.pending("route", ["vt"], 10)) == ["3"]

    def test_a_source_added_to_a_route_is_read_from_its_first_notification(self, journal):
        store(journal, "old", page(1))
        store(journal, "added", page(2))
        store(journal, "old", page(3))
        last = journal.pending("route", ["old"], 10)[-1].seq
        advance(journal, "route", ["old"], Advance(last, 2, 0, 0))

        entries = journal.pending("route", ["old", "added"], 10)

        assert ids(entries) == ["2"]
        advance(journal, "route", ["old", "added"], Advance(entries[-1].seq, 1, 0, 0))
        assert journal.pending("route", ["old", "added"], 10) == []
        assert journal.status({"route": ["old", "added"]}).routes[0].delivered == 3

    def test_versions_belong_to_a_route_and_come_in_order(self, journal):
        first, second, replayed = version("a", 1, 1), version("a", 5, 2), version("a", 1, 3)
        with journal.lease("route"):
            journal.record("route", [second, first, version("b", 2, 1)])
            journal.record("route", [replayed])

        assert journal.versions("route", ["a", "never heard of"]) == {"a": [first, replayed, second]}
        assert journal.versions("other", ["a"]) == {}
        assert journal.versions("route", []) == {}

    def test_a_version_is_sent_when_the_route_has_advanced_with_it(self, journal):
        store(journal, "vt", page(1))
        (entry,) = journal.pending("route", ["vt"], 1)
        recorded = [version("a", entry.seq, 1), version("a", entry.seq, 2)]
        sent = recorded[0]._replace(sent=True)
        with journal.lease("route"):
            journal.record("route", recorded)
            journal.advance("route", ["vt"], Advance(entry.seq, 1, 0, 0, sent=[sent]))
            journal.record("route", recorded)

        assert journal.versions("route", ["a"]) == {"a": [sent, recorded[1]]}

    def test_one_version_never_gets_a_second_content(self, journal):
        with journal.lease("route"):
            journal.record("route", [version("a", 1, 1)])
            with pytest.raises(RuntimeError, match=r"^two contents for one version of an object$"):
                journal.record("route", [version("b", 1, 1), version("a", 2, 1, digest=b"e" * 32)])

        assert journal.versions("route", ["a", "b"]) == {"a": [version("a", 1, 1)]}

    def test_three_thousand_objects_are_looked_up_at_once(self, journal):
        versions = [version(f"indicator--{number}", 1, 1) for number in range(3000)]
        with journal.lease("route"):
            journal.record("route", versions)
        assert len(journal.versions("route", [each.object_id for each in versions])) == 3000

    def test_settling_changes_the_counts_and_leaves_the_position(self, journal):
        store(journal, "vt", page(1, 2))
        first = journal.pending("route", ["vt"], 2)[0].seq
        advance(journal, "route", ["vt"], Advance(first, 0, 0, 1, [DeadLetter(first, "sink", "x", "a")]))
        sent = version("a", first, 1, sent=True)
        with journal.lease("route"):
            journal.record("route", [sent._replace(sent=False)])
            journal.record_redelivery("route", Redelivery([first], 1, 0, 0, sent=[sent]))

        (route,) = journal.status({"route": ["vt"]}).routes
        assert (route.position, route.backlog, route.delivered, route.refused, route.dead_letters) == (
            first,
            1,
            1,
            1,
            0,
        )
        assert journal.versions("route", ["a"]) == {"a": [sent]}

    def test_a_route_that_reads_nothing_is_at_the_beginning(self, journal):
        store(journal, "vt", page(1, 2))
        (route,) = journal.status({"route": []}).routes
        assert (route.position, route.backlog, route.oldest_pending) == (0, 0, None)

    def test_a_source_that_a_route_is_to_read_and_that_has_fetched_nothing_has_nothing(self, journal):
        (source,) = journal.status({"route": ["new"]}).sources
        assert (source.name, source.checkpoint, source.notifications, source.newest) == ("new", None, 0, None)
        assert (source.gaps, source.report, source.look_ups.waiting, source.damage) == ([], {}, 0, None)

    def test_where_a_replay_begins_is_told_for_each_source(self, journal):
        store(journal, "a", Page([notification(1, date=10), notification(2, date=30)], None))
        store(journal, "b", Page([notification(3, date=20), notification(4, date=5), notification(5, date=40)], None))
        last = journal.pending("route", ["a", "b"], 10)[3].seq
        advance(journal, "route", ["a", "b"], Advance(last, 4, 0, 0))

        def begins(since, sources=("a", "b")):
            positions = journal.positions_since("route", sources, since)
            return ids(journal.history(positions, 10))

        assert begins(None) == ["1", "2", "3", "4", "5"]
        assert begins(15) == ["2", "3", "4", "5"]
        assert begins(25) == ["2", "5"]
        assert begins(35) == ["5"]
        assert begins(99) == ["5"]  # not delivered yet
        assert begins(None, ["a"]) == ["1", "2"]
        assert begins(None, ["never heard of"]) == []
        positions = journal.positions_since("route", ["a", "b"], None)
        second = journal.history(positions, 2)[1].seq
        assert ids(journal.history(positions, 2, after=second)) == ["3", "4"]
        assert ids(journal.pending("route", ["a", "b"], 10)) == ["5"]

        def since(moment):
            return ids(journal.history(journal.positions_since(None, ["a", "b"], moment), 10))

        assert since(None) == ["1", "2", "3", "4", "5"]
        assert since(25) == ["2", "5"]
        assert since(99) == []

    def test_a_version_that_is_to_be_sent_again_is_no_more_sent(self, journal):
        versions = [version("a", 1, 1, sent=True), version("a", 2, 2, sent=True), version("b", 2, 2, sent=True)]
        store(journal, "vt", page(1))
        with journal.lease("route"):
            journal.advance("route", ["vt"], Advance(1, 1, 0, 0, sent=versions))
            journal.mark_unsent("route", versions[:1])
            journal.mark_unsent("route", [])
        unsent = versions[0]._replace(sent=None)  # it was accepted once
        assert journal.versions("route", ["a", "b"]) == {"a": [unsent, versions[1]], "b": [versions[2]]}

    def test_a_version_knows_the_last_entry_that_says_the_same(self, journal):
        store(journal, "vt", page(1, 2))
        sent = version("a", 1, 1, sent=True)
        with journal.lease("route"):
            journal.advance("route", ["vt"], Advance(1, 1, 0, 0, sent=[sent]))
            again = [sent._replace(last_seq=last) for last in (2, 3, 1)]
            journal.advance("route", ["vt"], Advance(2, 1, 0, 0, sent=again))
        assert journal.versions("route", ["a"]) == {"a": [sent._replace(last_seq=3)]}

    def test_what_one_receiver_has_another_has_not(self, journal):
        store(journal, "vt", page(1))
        (entry,) = journal.pending("route", ["vt"], 1)
        here, there = version("a", entry.seq, 1), version("a", entry.seq, 1, digest=b"e" * 32)
        with journal.lease("route"):
            journal.record("route", [here], "here")
            assert journal.versions("route", ["a"], "there") == {}
            journal.record("route", [there], "there")
            sent = here._replace(sent=True)
            journal.advance("route", ["vt"], Advance(entry.seq, 1, 0, 0, sent=[sent], receiver="here"))
            assert journal.versions("route", ["a"], "here") == {"a": [sent]}
            assert journal.versions("route", ["a"], "there") == {"a": [there]}
            also = there._replace(sent=True)
            journal.record_redelivery("route", Redelivery([entry.seq], 1, 0, 0, sent=[also], receiver="there"))
            journal.mark_unsent("route", [sent], "here")
            assert journal.versions("route", ["a"], "here") == {"a": [here._replace(sent=None)]}
            assert journal.versions("route", ["a"], "there") == {"a": [also]}
            journal.record("route", [version("b", 1, 1, sent=True)], "there")
            journal.mark_unsent("route", None, "there")
        assert journal.versions("route", ["a", "b"], "there") == {"a": [there], "b": [version("b", 1, 1)]}
