"""What a route made of entries before something was learned of them, until it has made it anew."""

from connector.contract.journal.steps import (
    ACTOR,
    HOST,
    RULES,
    OnEntries,
    about,
    advance,
    answer,
    assessed,
    ids,
    learn,
    naming,
    newest,
    outdated,
    pass_all,
    record_redelivery,
    store,
)
from connector.model import (
    Advance,
    Ahead,
    DeadLetter,
    Page,
)


class OutdatedContract(OnEntries):
    """What is outdated for a route, until it has been dealt with."""

    def test_what_a_route_passed_before_something_was_learned_is_outdated_until_it_is_settled(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR), naming(2), naming(3, ACTOR, RULES), naming(4, RULES)], None))
        pass_all(journal)
        assert journal.outdated("route", ["vt"], 10) is None

        assert learn(journal, answer(ACTOR)) == [True]

        found = outdated(journal)
        assert ids(found.entries) == ["1", "3"]
        assert all(ACTOR in entry.context for entry in found.entries)
        assert journal.status({"route": ["vt"]}).routes[0].outdated == 2
        record_redelivery(journal, found)
        assert journal.outdated("route", ["vt"], 10) is None
        assert journal.status({"route": ["vt"]}).routes[0].outdated == 0
        assert learn(journal, answer(ACTOR, at=5)) == [False]
        assert journal.outdated("route", ["vt"], 10) is None
        assert learn(journal, answer(ACTOR, said=2)) == [True]
        assert ids(outdated(journal).entries) == ["1", "3"]

    def test_what_is_outdated_comes_in_parts_and_outlives_the_process(self, open_journal):
        journal = open_journal()
        store(journal, "vt", Page([naming(number, ACTOR) for number in range(1, 8)], None))
        pass_all(journal)
        learn(journal, answer(ACTOR))
        seen = []
        while (found := journal.outdated("route", ["vt"], 3)) is not None:
            journal.close()
            journal = open_journal()
            assert journal.outdated("route", ["vt"], 3) == found
            record_redelivery(journal, found)
            seen.append(ids(found.entries))
        assert seen == [["1", "2", "3"], ["4", "5", "6"], ["7"]]
        journal.close()

    def test_what_is_learned_when_a_part_was_dealt_with_outdates_that_part_again(self, journal):
        store(journal, "vt", Page([naming(number, ACTOR) for number in range(1, 5)], None))
        pass_all(journal)
        learn(journal, answer(ACTOR))
        record_redelivery(journal, outdated(journal, limit=3))
        assert ids(outdated(journal).entries) == ["4"]
        learn(journal, answer(ACTOR, said=2))
        assert ids(outdated(journal).entries) == ["1", "2", "3", "4"]

    def test_what_is_learned_while_a_route_deals_with_entries_is_not_missed(self, journal):
        """The route has read them not knowing it, and passes them when it is known already."""
        store(journal, "vt", Page([naming(1, ACTOR), naming(2, ACTOR)], None))
        first, second = journal.pending("route", ["vt"], 10)
        learn(journal, answer(ACTOR))
        advance(journal, "route", ["vt"], Advance(first.seq, 1, 0, 0, learned=first.learned))
        assert ids(outdated(journal).entries) == ["1"]
        advance(journal, "route", ["vt"], Advance(second.seq, 1, 0, 0, learned=second.learned))
        found = outdated(journal)
        assert ids(found.entries) == ["1", "2"]

        learn(journal, answer(ACTOR, said=2))
        record_redelivery(journal, found)

        assert ids(outdated(journal).entries) == ["1", "2"]

    def test_what_is_outdated_comes_with_the_dead_letters_that_it_has_on_its_route(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR), naming(2, ACTOR)], None))
        for route, refused in (("route", 0), ("other", 1)):
            entries = journal.pending(route, ["vt"], 2)
            letters = [DeadLetter(entries[refused].seq, "sink", "no", "a")]
            advance(journal, route, ["vt"], Advance(entries[1].seq, 1, 0, 1, letters, learned=entries[0].learned))
        learn(journal, answer(ACTOR))
        assert outdated(journal).refused == {(entries[0].seq, "a")}

    def test_what_a_route_read_knowing_it_is_not_outdated(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        learn(journal, answer(ACTOR))
        assert [entry.context for entry in pass_all(journal)] == [{ACTOR: {"said": 1, "text": "\x00\u03f2"}}]
        assert journal.outdated("route", ["vt"], 10) is None

    def test_events_are_never_outdated(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        advance(journal, "events", ["vt"], Advance(journal.pending("events", ["vt"], 1)[0].seq, 1, 0, 0))
        pass_all(journal, "objects")
        learn(journal, answer(ACTOR))
        assert journal.outdated("events", ["vt"], 10) is None
        assert ids(outdated(journal, "objects").entries) == ["1"]

    def test_a_route_that_comes_to_make_events_forgets_what_was_outdated(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        pass_all(journal)
        learn(journal, answer(ACTOR))
        store(journal, "vt", Page([naming(2)], None))
        advance(journal, "route", ["vt"], Advance(journal.pending("route", ["vt"], 1)[0].seq, 1, 0, 0))
        assert journal.outdated("route", ["vt"], 10) is None

    def test_a_route_that_was_set_back_delivers_in_turn_what_it_has_before_it(self, journal):
        store(journal, "vt", Page([naming(number, ACTOR) for number in (1, 2, 3)], None))
        entries = pass_all(journal)
        learn(journal, answer(ACTOR))
        with journal.lease("route"):
            journal.rewind("route", {"vt": entries[0].seq})
        assert ids(outdated(journal).entries) == ["1"]
        record_redelivery(journal, outdated(journal))
        assert journal.outdated("route", ["vt"], 10) is None
        assert ids(pass_all(journal)) == ["2", "3"]

    def test_only_what_a_route_reads_now_is_outdated_for_it(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        pass_all(journal)
        learn(journal, answer(ACTOR))
        assert journal.outdated("route", ["other"], 10) is None
        assert journal.outdated("route", [], 10) is None

    def test_an_entity_that_is_assessed_as_before_is_no_news_and_one_that_is_not_outdates_what_was_passed(
        self, journal
    ):
        store(journal, "vt", Page([about(1, HOST.id), about(2, HOST.id, malicious=1)], None, looks_up=Ahead(3600)))
        pass_all(journal)
        assert learn(journal, assessed(HOST, 2, at=5)) == [
            False
        ]  # the last notification said one engine; two are no more
        assert newest(journal) == [None, None]
        assert learn(journal, assessed(HOST, 30, at=6)) == [True]
        assert newest(journal) == [{"last_analysis_stats": {"malicious": 30}}] * 2
        assert [entry.seq for entry in outdated(journal).entries] == [1, 2]
        assert learn(journal, assessed(HOST, 31, at=7)) == [False]
