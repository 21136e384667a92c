"""What a journal forgets, by age or on command, and what it must not."""

import pytest

from connector.contract.journal.steps import (
    ACTOR,
    RULES,
    OnEntries,
    advance,
    answer,
    ids,
    learn,
    naming,
    notification,
    page,
    store,
    version,
)
from connector.model import (
    Advance,
    DeadLetter,
    Gap,
    Notification,
    Page,
    Unavailable,
)


class RetentionContract(OnEntries):
    """Pruning, and forgetting a source or a route."""

    def test_pruning_keeps_what_is_young_unread_or_refused(self, journal):
        store(journal, "vt", Page([notification(n, date=n) for n in range(1, 7)], None))
        seqs = [entry.seq for entry in journal.pending("slow", ["vt"], 10)]
        advance(journal, "fast", ["vt"], Advance(seqs[5], 5, 0, 1, [DeadLetter(seqs[1], "sink", "no")]))
        advance(journal, "slow", ["vt"], Advance(seqs[3], 4, 0, 0))
        routes = {"fast": ["vt"], "slow": ["vt"], "of another source": ["other"]}

        assert journal.status(routes).sources[1].pruned_until is None
        assert journal.prune(4, routes) == 2
        assert journal.prune(4, routes) == 0
        assert journal.status(routes).sources[1].pruned_until == 3
        assert ids(journal.pending("observer", ["vt"], 10)) == ["2", "4", "5", "6"]
        assert journal.prune(100, routes) == 1
        assert ids(journal.pending("observer", ["vt"], 10)) == ["2", "5", "6"]
        assert journal.prune(100, routes) == 0
        assert journal.prune(100, {**routes, "never heard of": ["vt"]}) == 0
        assert journal.status(routes).sources[1].pruned_until == 4

    def test_what_a_route_has_not_read_is_held_back_whatever_the_configuration_says_until_it_is_forgotten(
        self, journal
    ):
        store(journal, "vt", page(1, 2, 3))
        second = journal.pending("gone", ["vt"], 2)[1].seq
        advance(journal, "gone", ["vt"], Advance(second, 0, 0, 1, [DeadLetter(second, "sink", "no")]))

        assert journal.prune(2_000_000_000, {"other": []}) == 1
        status = journal.status({})
        assert (status.entries, status.other_dead_letters) == (2, {"gone": 1})
        assert [(each.name, each.unread, each.dead_letters) for each in journal.served() if each.unread] == [
            ("gone", {"vt": 1}, 1)
        ]
        with journal.lease("gone"):
            journal.forget_route("gone")
        assert "gone" not in {each.name for each in journal.served()}
        assert list(journal.dead_letters()) == []
        assert journal.prune(2_000_000_000, {}) == 2

    def test_a_route_holds_back_what_it_reads_before_it_has_delivered_anything(self, journal):
        with journal.lease("new"):
            journal.enlist("new", ["vt"], "there")
        store(journal, "vt", page(1))
        store(journal, "other", page(2))

        assert journal.prune(2_000_000_000, {}) == 1
        assert [each.unread for each in journal.served()] == [{"vt": 1}]

    def test_a_route_that_reads_all_sources_holds_back_those_that_come_later(self, journal):
        with journal.lease("all"):
            journal.enlist("all", ["vt"], "there", reads_all=True)
        store(journal, "later", page(1))

        assert journal.prune(2_000_000_000, {}) == 0
        assert [each.unread for each in journal.served()] == [{"later": 1, "vt": 0}]
        with journal.lease("all"):
            journal.enlist("all", ["vt"], "there")
        assert journal.prune(2_000_000_000, {}) == 1

    def test_of_a_route_only_what_it_reads_no_more_can_be_forgotten(self, journal):
        store(journal, "kept", page(1, 2))
        store(journal, "left", page(3, 4))
        entries = journal.pending("route", ["kept", "left"], 10)
        with journal.lease("route"):
            journal.enlist("route", ["kept", "left"], "first")
            journal.record("route", [version("a", 1, 1)], "first")
            journal.enlist("route", ["kept", "left"], "second")
            journal.record("route", [version("b", 1, 1)], "second")
        letters = [DeadLetter(entry.seq, "sink", "no") for entry in entries]
        advance(journal, "route", ["kept", "left"], Advance(entries[-1].seq, 0, 0, 4, letters))
        (before,) = journal.served()
        assert (before.receiver, before.former_receivers, before.unread) == (
            "second",
            ["first"],
            {"kept": 0, "left": 0},
        )
        assert [each.unread for each in journal.served({"route": ["kept"], "other": ["left"]})] == [{"left": 0}]

        with journal.lease("route"):
            journal.forget_route("route", ["kept"], "second")

        (route,) = journal.served()
        assert (route.former_receivers, route.unread, route.dead_letters) == ([], {"kept": 0}, 2)
        assert journal.versions("route", ["a"], "first") == {}
        assert journal.versions("route", ["b"], "second") == {"b": [version("b", 1, 1)]}
        assert ids(journal.pending("route", ["kept", "left"], 10)) == ["3", "4"]

    def test_a_source_is_forgotten_with_all_that_came_from_it(self, journal):
        store(journal, "vt", Page([naming(1, RULES), naming(2, ACTOR)], {"watermark": 1}, Gap(1, 2)))
        store(journal, "other", page(3))
        learn(journal, answer(RULES))
        first = journal.pending("route", ["vt"], 1)[0].seq
        advance(journal, "route", ["vt", "other"], Advance(first, 0, 0, 1, [DeadLetter(first, "sink", "no")]))
        journal.report("vt", {"state": "done"})

        with journal.lease("vt"):
            journal.forget_source("vt")

        status = journal.status({"route": ["other"]})
        assert [source.name for source in status.sources] == ["other"]
        assert (status.entries, status.routes[0].dead_letters, status.routes[0].backlog) == (1, 0, 1)
        assert journal.checkpoint("vt") is None
        assert store(journal, "vt", page(1, 2)) == [2]
        assert ids(journal.pending("route", ["vt"], 10)) == ["1", "2"]

    @pytest.mark.parametrize("is_pruned", [False, True])
    def test_more_can_be_forgotten_of_a_source_than_one_transaction_takes(self, journal, is_pruned):
        store(journal, "vt", page(*range(1500)))
        if is_pruned:  # whose ids are known for longer
            assert journal.prune(1_760_000_001, {}) == 1500
        with journal.lease("vt"):
            journal.forget_source("vt")
        assert journal.status({}).entries == 0
        assert store(journal, "vt", page(*range(1500))) == [1500], "an id is known still"

    def test_to_forget_takes_the_lease(self, open_journal):
        first, second = open_journal(), open_journal()
        store(first, "vt", page(1))
        with first.lease("vt"), first.lease("route"):
            first.enlist("route", ["vt"], "there")
            with pytest.raises(Unavailable), second.lease("route"):
                second.forget_route("route")
            with pytest.raises(RuntimeError, match="without its lease"):
                second.forget_source("vt")
        assert [each.unread for each in second.served()] == [{"vt": 1}]
        first.close()
        second.close()

    def test_what_was_pruned_stays_known_and_its_number_is_not_used_again(self, journal):
        store(journal, "vt", page(1, 2))
        last = journal.pending("route", ["vt"], 2)[-1].seq
        journal.prune(1_760_000_001, {})

        assert store(journal, "vt", page(1, 2, 3)) == [1]
        (entry,) = journal.pending("route", ["vt"], 10)
        assert entry.notification.id == "3"
        assert entry.seq > last
        status = journal.status({})
        assert (status.entries, status.sources[0].notifications) == (1, 3)

    def test_the_id_of_what_was_pruned_is_forgotten_later(self, journal):
        day = 86_400

        def raised(on):
            return Page([Notification(str(on), on * day, {})], None)

        store(journal, "vt", *(raised(on) for on in (100, 101, 102)))
        advance(journal, "route", ["vt"], Advance(3, 2, 0, 1, [DeadLetter(3, "mapping", "odd")]))
        assert journal.prune(150 * day, {"route": ["vt"]}) == 2
        assert store(journal, "vt", raised(100)) == [0]
        journal.prune(161 * day, {"route": ["vt"]})  # the ids of day 100 alone, 60 days longer than what they are of
        assert store(journal, "vt", raised(101), raised(100)) == [0, 1]
        journal.prune(400 * day, {})
        assert store(journal, "vt", raised(102)) == [0]  # which is kept, for its dead letter

    def test_more_can_be_pruned_than_one_transaction_takes(self, journal):
        store(journal, "vt", page(*range(2500)))
        assert journal.prune(2_000_000_000, {}) == 2500
        assert journal.status({}).entries == 0
