"""What is due to be looked up, and what is known of it then."""

import time

import pytest

from connector.contract.journal.steps import (
    ACTOR,
    FILE,
    HOST,
    LATER,
    RULES,
    OnEntries,
    about,
    answer,
    assessed,
    ids,
    learn,
    naming,
    newest,
    outdated,
    pass_all,
    store,
)
from connector.model import (
    Advance,
    Ahead,
    LookUp,
    Page,
    Subject,
)
from connector.notification import TECHNIQUES


class LookUpsContract(OnEntries):
    """Which subjects are due, and what was learned of them."""

    def test_it_is_known_how_many_subjects_a_source_was_asked_about_since_a_time(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR, RULES)], None))
        store(journal, "other", Page([naming(2, ACTOR)], None))
        learn(journal, answer(ACTOR, at=10), LookUp(RULES, "failed", 20, 60))
        learn(journal, answer(ACTOR, at=30), source="other")
        assert [journal.asked_since("vt", since) for since in (10, 11, 20, 21)] == [2, 1, 1, 0]
        assert journal.asked_since("never heard of", 1) == 0

    def test_entries_carry_what_is_known_of_what_they_name_whichever_way_they_are_read(self, journal):
        store(journal, "vt", Page([naming(1, RULES, ACTOR), naming(2, ACTOR), naming(3)], None))
        assert [entry.context for entry in journal.pending("route", ["vt"], 10)] == [{}, {}, {}]

        assert learn(journal, answer(ACTOR)) == [True]

        known = {ACTOR: {"said": 1, "text": "\x00\u03f2"}}
        entries = journal.pending("route", ["vt"], 10)
        assert [entry.context for entry in entries] == [known, known, {}]
        assert journal.history({"vt": 0}, 10) == entries
        assert journal.entries([entry.seq for entry in entries]) == entries
        assert journal.find(["vt"], "2") == [entries[1]]
        with journal.lease("route"):
            step = Advance(entries[-1].seq, 0, 0, 0, learned=0)
            journal.advance("route", ["vt"], step)
        assert outdated(journal).entries == entries[:2]

    def test_what_one_source_learned_is_not_told_to_another(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        store(journal, "other", Page([naming(2, ACTOR)], None))
        learn(journal, answer(ACTOR), source="other")
        contexts = [entry.context for entry in journal.pending("route", ["vt", "other"], 10)]
        assert contexts == [{}, {ACTOR: {"said": 1, "text": "\x00\u03f2"}}]
        assert [journal.due(source, 50, 9) for source in ("vt", "other", "never heard of")] == [[ACTOR], [], []]

    def test_what_was_never_looked_up_comes_first_the_newest_before_all_and_then_what_is_due(self, journal):
        subjects = [Subject("collection", f"c{number}") for number in range(5)]
        store(journal, "vt", *(Page([naming(number, subject)], None) for number, subject in enumerate(subjects)))
        assert journal.due("vt", 0, 9) == subjects[::-1]
        learn(journal, answer(subjects[4], due=30), answer(subjects[1], due=20), answer(subjects[3], due=1000))
        assert journal.due("vt", 10, 9) == [subjects[2], subjects[0]]
        assert journal.due("vt", 30, 9) == [subjects[2], subjects[0], subjects[1], subjects[4]]
        assert journal.due("vt", 30, 1) == [subjects[2]]
        assert journal.due("vt", 30, 0) == journal.due("vt", 30, -3) == []

    def test_what_is_absent_forbidden_or_failed_is_asked_again_when_it_is_due_and_takes_nothing_back(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR, RULES)], None))
        learn(journal, answer(ACTOR), LookUp(RULES, "absent", 1, 40))
        assert learn(journal, LookUp(ACTOR, "forbidden", 2, 50)) == [False]
        assert learn(journal, LookUp(ACTOR, "failed", 3, 60)) == [False]
        (entry,) = journal.pending("route", ["vt"], 10)
        assert entry.context == {ACTOR: {"said": 1, "text": "\x00\u03f2"}}
        found = journal.status({}).sources[0].look_ups
        assert (found.known, found.absent, found.forbidden) == (0, 1, 1)
        assert [journal.due("vt", now, 9) for now in (39, 40, 60)] == [[], [RULES], [RULES, ACTOR]]
        assert learn(journal, answer(ACTOR)) == [False]
        assert learn(journal, answer(RULES)) == [True]

    def test_a_failed_first_look_up_leaves_the_subject_waiting(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        learn(journal, LookUp(ACTOR, "failed", 3, 60))
        found = journal.status({}).sources[0].look_ups
        assert (found.known, found.absent, found.forbidden, found.waiting) == (0, 0, 0, 1)
        assert [journal.due("vt", now, 9) for now in (59, 60)] == [[], [ACTOR]]

    def test_what_no_entry_names_is_not_learned(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        assert learn(journal, answer(RULES)) == [False]
        assert journal.due("vt", 0, 9) == [ACTOR]

    def test_status_tells_how_look_ups_stand_and_what_they_report(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR, RULES, Subject("collection", "new"))], None))
        report = {"name": "kits", "rate_limited": True}
        now = int(time.time())
        learn(journal, answer(RULES, at=now, due=now + 1000, report=report), answer(ACTOR, at=now - 2 * 86400, due=now))
        found = journal.status({}).sources[0].look_ups
        assert (found.known, found.waiting, found.asked_today) == (2, 2, 1)
        assert found.reports == {RULES: report}

    def test_what_is_known_is_forgotten_with_the_last_notification_that_names_it(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR, date=10), naming(2, ACTOR, RULES, date=20)], None))
        pass_all(journal)
        learn(journal, answer(ACTOR), answer(RULES))
        assert journal.prune(15, {"route": ["vt"]}) == 1
        assert ids(outdated(journal).entries) == ["2"]
        assert journal.status({}).sources[0].look_ups.known == 2

        assert journal.prune(25, {"route": ["vt"]}) == 1

        assert journal.outdated("route", ["vt"], 10) is None
        assert journal.status({}).sources[0].look_ups.known == 0
        store(journal, "vt", Page([naming(3, ACTOR)], None))
        assert journal.pending("route", ["vt"], 10)[0].context == {}
        assert journal.due("vt", 0, 9) == [ACTOR]
        assert learn(journal, answer(ACTOR)) == [True]

    def test_learning_needs_the_lease_of_the_source(self, journal):
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        with pytest.raises(RuntimeError, match="lease"):
            journal.learn("vt", answer(ACTOR))
        assert journal.due("vt", 0, 9) == [ACTOR]

    def test_of_a_notification_that_names_too_many_a_hundred_are_kept(self, journal):
        named = [Subject("collection", f"c{number}") for number in range(1000)]
        store(journal, "vt", Page([naming(1, *named)], None))
        assert len(journal.due("vt", 0, 1000)) == 100

    def test_what_entries_are_about_is_due_after_what_they_name_and_only_if_that_is_wanted(self, journal):
        named = naming(1, RULES)
        store(journal, "vt", Page([named, about(2, HOST.id)], None))
        assert journal.due("vt", LATER, 9, about=9) == [RULES]
        store(journal, "vt", Page([about(3, HOST.id)], None, looks_up=Ahead(3600)))
        assert journal.due("vt", int(time.time()) + 3500, 9, about=9) == [RULES]
        assert journal.due("vt", int(time.time()) + 3600, 9, about=9) == [RULES, HOST]
        assert journal.due("vt", LATER, 9) == journal.due("vt", LATER, 1, about=9) == [RULES]

    def test_of_what_entries_are_about_the_newest_comes_first_and_no_more_than_asked(self, journal):
        for number in range(1, 5):
            store(journal, "vt", Page([about(number, f"{number}.example")], None, looks_up=Ahead(3600 * number)))
        due = [subject.id for subject in journal.due("vt", LATER, 9, about=3)]
        assert due == ["4.example", "3.example", "2.example"]

    def test_an_entry_that_was_stored_after_a_look_up_says_itself_what_is_newer(self, journal):
        store(journal, "vt", Page([about(1, HOST.id)], None, looks_up=Ahead(3600)))
        learn(journal, assessed(HOST, 30, at=5))
        store(journal, "vt", Page([about(2, HOST.id)], None, looks_up=Ahead(3600)))
        assert newest(journal) == [{"last_analysis_stats": {"malicious": 30}}, None]
        assert learn(journal, assessed(HOST, 0, at=6), assessed(HOST, 30, at=7)) == [False, True]
        assert newest(journal) == [{"last_analysis_stats": {"malicious": 30}}] * 2

    def test_an_entity_is_due_again_so_long_after_it_was_last_named(self, journal):
        store(journal, "vt", Page([about(1, HOST.id)], None, looks_up=Ahead(3600)))
        now = int(time.time())
        learn(journal, assessed(HOST, 0, at=now + 3600, again=[3600, 86400]))
        assert journal.due("vt", now + 86_300, 9, about=9) == []
        assert journal.due("vt", now + 86_500, 9, about=9) == [HOST]
        learn(journal, assessed(HOST, 0, at=now + 86_500, again=[3600, 86400]))
        assert journal.due("vt", now + 10**8, 9, about=9) == []
        store(journal, "vt", Page([about(2, HOST.id)], None, looks_up=Ahead(3600)))
        assert journal.due("vt", int(time.time()) + 3600, 9, about=9) == [HOST]

    def test_what_a_look_up_leads_to_is_named_by_the_same_entries_and_asked_for_once(self, journal):
        does = Subject(TECHNIQUES, FILE.id)
        store(
            journal,
            "vt",
            Page([about(1, FILE.id, kind="file"), about(2, FILE.id, kind="file")], None, looks_up=Ahead(3600)),
        )
        assert journal.due("vt", int(time.time()), 9, about=9) == []
        learn(journal, assessed(FILE, 30, at=5, leads_to=[does]))
        assert journal.due("vt", 5, 9, about=9) == [does]
        learn(journal, LookUp(does, "known", 6, LATER + 1, {"techniques": [{"id": "T1059"}]}, b"1"))
        assert [entry.context[does] for entry in journal.entries([1, 2])] == [{"techniques": [{"id": "T1059"}]}] * 2
        learn(journal, assessed(FILE, 31, at=7, leads_to=[does]))
        assert does not in journal.due("vt", LATER, 9, about=9)

    def test_a_file_that_is_bad_when_it_is_stored_is_asked_at_once_what_it_does_if_that_is_wanted(self, journal):
        bad = about(1, FILE.id, malicious=30, kind="file")
        store(journal, "other", Page([bad], None, looks_up=Ahead(3600, techniques=False)))
        store(journal, "vt", Page([bad], None, looks_up=Ahead(None)))
        due = [journal.due(source, int(time.time()), 9, about=9) for source in ("other", "vt")]
        assert due == [[], [Subject(TECHNIQUES, FILE.id)]]

    def test_each_look_up_counts_though_it_was_of_the_same_subject(self, journal):
        store(journal, "vt", Page([about(1, HOST.id)], None, looks_up=Ahead(3600)))
        learn(journal, *(assessed(HOST, 0, at=at) for at in (10, 11, 12)))
        assert [journal.asked_since("vt", since) for since in (10, 12, 13)] == [3, 1, 0]
