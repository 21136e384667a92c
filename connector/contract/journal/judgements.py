"""What `connector.ports.Journal` promises of judgements, asked of every journal."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from connector.contract.journal.store import OnStore
from connector.model import (
    Advance,
    Ahead,
    Changes,
    Concerned,
    Entry,
    Judged,
    Judgement,
    JudgementFilter,
    LookUp,
    Notification,
    Page,
    Redelivery,
    Rule,
    RuleRecord,
    StoredJudgement,
    Subject,
)
from connector.ports import Journal

NOW = 1_760_000_000


class Clock:
    def __init__(self):
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


def match(number: int, host: str = "evil.example", rule: str = "phish", ruleset: str = "71") -> Notification:
    context = {
        "notification_id": str(number),
        "hunting_info": {"rule_name": rule},
        "sources": [{"type": "hunting_ruleset", "id": ruleset, "label": "x"}],
    }
    return Notification(str(number), NOW, {"type": "domain", "id": host, "context_attributes": context})


def store(journal: Journal, *notifications: Notification, source: str = "vt") -> None:
    with journal.lease(source):
        journal.append(source, Page(notifications, None))


def pass_all(journal: Journal, route: str = "out", sources: Sequence[str] = ("vt",)) -> Sequence[Entry]:
    entries = journal.pending(route, sources, 10_000)
    if entries:
        with journal.lease(route):
            last = Advance(entries[-1].seq, len(entries), 0, 0, learned=entries[0].learned)
            journal.advance(route, sources, last)
    return entries


def outdated(journal: Journal, route: str = "out", sources: Sequence[str] = ("vt",)) -> dict[str, str | None]:
    """Deal with what is outdated; by notification, its verdict now."""
    found = {}
    while (batch := journal.outdated(route, sources, 3)) is not None:
        found |= verdicts(batch.entries)
        with journal.lease(route):
            journal.record_redelivery(route, Redelivery([e.seq for e in batch.entries], 0, 0, 0, mark=batch.mark))
    return found


def verdicts(entries: Sequence[Entry]) -> dict[str, str | None]:
    return {each.notification.id: verdict(each) for each in entries}


def verdict(entry: Entry) -> str | None:
    return None if entry.judgement is None else entry.judgement.verdict


def observable(value: str = "evil.example", source: str = "") -> Judged:
    return Judged("observable", value, source=source)


def judge(journal: Journal, judged: Judged, verdict: str = "false_positive", **more: object) -> StoredJudgement:
    stored, _ = journal.judge(Judgement(judged, verdict, "ana", **more))
    return stored


def naming(number: int, config: object) -> Notification:
    """A match of a file whose malware configuration this is."""
    body = {"type": "file", "id": f"{number:064x}", "attributes": {"malware_config": config}}
    return Notification(str(number), NOW, body)


def mute(journal: Journal, *seqs: int, until: int) -> None:
    with journal.lease("out"):
        journal.advance("out", ["vt"], Advance(until, 0, 2, 0, muted=seqs))


def muted(journal: Journal) -> int:
    (route,) = journal.status({"out": ["vt"]}).routes
    return route.muted


def learn(journal: Journal, host: str, said: str, source: str = "vt") -> None:
    with journal.lease(source):
        subject = Subject("domain", host)
        journal.learn(source, LookUp(subject, "known", NOW, NOW * 2, {"said": said}, said.encode()))


MD5, SHA1, SHA256 = "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "ab" * 32


def of_file(number: int, **attributes: str) -> Notification:
    body = {"type": "file", "id": SHA256, "attributes": attributes}
    return Notification(str(number), NOW, {**body, "context_attributes": {"notification_id": str(number)}})


def look_up_hosts(journal: Journal, number: int, *hosts: str) -> None:
    """Look up the file of a match, whose configuration names these hosts."""
    known = {"malware_config": {"connections": [{"host": host} for host in hosts]}, "size": len(hosts)}
    subject = Subject("file", f"{number:064x}")
    with journal.lease("vt"):
        journal.learn("vt", LookUp(subject, "known", NOW, NOW + 9_000_000, known, repr(known).encode()))


def store_to_look_up(journal: Journal, *notifications: Notification) -> None:
    with journal.lease("vt"):
        journal.append("vt", Page(notifications, None, looks_up=Ahead(3600)))


class JudgementsContract(OnStore):
    """What judgements bring about; derive from it, and say on which store (`make_store`)."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def open_journal(self, tmp_path: Path, clock: Clock) -> Callable[[], Journal]:
        store = self.make_store(tmp_path)
        return lambda: store.open(clock)

    @pytest.fixture
    def journal(self, open_journal):
        journal = open_journal()
        yield journal
        journal.close()

    @pytest.mark.parametrize(
        "config",
        [
            {"family": "sedge", "domain": "EVIL.example"},
            {"family": "sedge", "url": "https://evil.example:8443/gate"},
            {"families": [{"configs": [{"net_info": {"connections": [{"host": "evil.example:443"}]}}]}]},
        ],
        ids=["flat", "URL", "whole"],
    )
    def test_a_host_that_is_judged_concerns_those_that_merely_name_it(self, journal, config):
        store(journal, match(1), naming(2, config), naming(3, {"family": "sedge", "domain": "other.example"}))
        store(journal, naming(4, config), source="other")
        pass_all(journal)

        _, concerned = journal.judge(Judgement(observable(), "false_positive", "ana"))
        assert concerned == Concerned(1, ["2", "4"])
        assert outdated(journal) == {"1": "false_positive", "2": None}
        assert outdated(journal) == {}

        _, concerned = journal.judge(Judgement(observable(source="other"), "benign", "ana"))
        assert concerned == Concerned(0, ["4"])
        assert outdated(journal) == {}

    def test_a_host_that_is_judged_concerns_those_of_which_a_look_up_named_it(self, journal):
        store_to_look_up(journal, naming(1, {"family": "sedge"}), naming(2, {"family": "sedge"}))
        look_up_hosts(journal, 1, "EVIL.example:443")
        look_up_hosts(journal, 2, "other.example")
        pass_all(journal)

        _, concerned = journal.judge(Judgement(observable(), "false_positive", "ana"))
        assert concerned == Concerned(0, ["1"])
        assert outdated(journal) == {"1": None}

    def test_what_names_a_host_since_it_was_judged_is_outdated_when_its_time_is_over(self, journal, clock):
        judge(journal, observable(), until=NOW + 60)
        store(journal, naming(1, {"family": "sedge", "domain": "evil.example"}))
        pass_all(journal)
        assert outdated(journal) == {}
        clock.now += 61
        assert journal.end_judgements() == 1
        assert outdated(journal) == {"1": None}

    def test_what_is_no_host_is_named_by_no_configuration(self, journal):
        store(journal, naming(1, {"url": "https://evil.example/"}))
        for judged in (observable("https://evil.example/"), Judged("rule", "evil.example")):
            assert journal.judge(Judgement(judged, "false_positive", "ana"))[1] == Concerned(0, [])

    def test_a_judgement_is_kept_with_its_time_and_survives(self, open_journal, clock):
        with closing(open_journal()) as journal:
            store(journal, match(1))
            said = Judgement(observable(), "benign", "ana", "ours\nsince March", until=NOW + 60)
            stored, (concerned, _) = journal.judge(said)
        with closing(open_journal()) as journal:
            (found,) = journal.judgements(JudgementFilter(), 10)

        assert concerned == 1
        assert found == stored
        assert found.judgement == replace(said, at=NOW)
        assert (found.state, found.rules) == ("in force", [Rule("phish", "71", "vt")])

    @pytest.mark.parametrize(
        ("judged", "concerned"),
        [
            (Judged("notification", "1"), {"1"}),
            (Judged("notification", "1", source="vt"), {"1"}),
            (Judged("notification", "1", source="other"), set()),
            (observable(), {"1", "2"}),
            (observable(" EVIL.example."), {"1", "2"}),
            (observable(source="other"), set()),
            (observable("l.example"), set()),
            (Judged("rule", "phish"), {"1", "3"}),
            (Judged("rule", "Phish"), set()),
            (Judged("rule", "phish", "71"), {"1"}),
            (Judged("rule", "phish", "7"), set()),
            (Judged("rule", "phish", "72", "vt"), {"3"}),
            (Judged("rule", "phish", "72", "other"), set()),
        ],
    )
    def test_what_is_judged_is_found_among_what_was_stored_before_and_what_comes_later(
        self, journal, judged, concerned
    ):
        def matches(first: int) -> Sequence[Notification]:
            return [
                match(first),
                match(first + 1, rule="other"),
                match(first + 2, "good.example", ruleset="72"),
                match(first + 3, "third.example", rule=""),
            ]

        store(journal, *matches(1))
        pass_all(journal)

        _, (count, _) = journal.judge(Judgement(judged, "false_positive", "ana"))
        store(journal, *matches(11))

        assert count == len(concerned)
        if concerned:
            found = journal.outdated("out", ["vt"], 1000)
            assert found.judged == {(entry.seq, judged.kind) for entry in found.entries}
        assert set(outdated(journal)) == concerned
        later = set() if judged.kind == "notification" else {f"1{each}" for each in concerned}
        wanted = {each.notification.id for each in journal.history({"vt": 0}, 100) if each.judgement}
        assert wanted == concerned | later
        assert {each.notification.id for each in journal.latest(["vt"], 100) if each.judgement} == wanted
        assert {each.notification.id for each in journal.pending("out", ["vt"], 100) if each.judgement} == later

    def test_a_url_is_found_by_what_it_is_and_by_its_digest(self, journal):
        url = "http://evil.example/"
        digest = hashlib.sha256(url.encode()).hexdigest()
        about = {"hunting_info": None, "sources": []}
        known = {"type": "url", "id": digest, "attributes": {"url": url}, "context_attributes": about}
        unknown = {"type": "url", "id": digest, "context_attributes": about}
        store(journal, Notification("1", NOW, known), Notification("2", NOW, unknown))
        pass_all(journal)

        for judged in map(observable, (url, "HTTP://evil.example:80", digest, digest.upper())):
            judge(journal, judged)
            assert set(outdated(journal)) == {"1", "2"}
            judge(journal, judged, "none")
            assert outdated(journal) == {"1": "none", "2": "none"}

    def test_what_is_said_of_a_notification_goes_before_what_is_said_of_its_observable_and_that_before_its_rule(
        self, journal
    ):
        store(journal, match(1), match(2), match(3, "good.example"))
        judge(journal, Judged("notification", "1"), "true_positive")
        judge(journal, observable(), "benign")
        judge(journal, Judged("rule", "phish"), "false_positive")

        assert verdicts(journal.history({"vt": 0}, 10)) == {"1": "true_positive", "2": "benign", "3": "false_positive"}

    def test_the_newest_judgement_decides_until_it_is_taken_back_with_all_that_was_said_before(self, journal):
        store(journal, match(1))
        pass_all(journal)
        judge(journal, observable(), "false_positive")
        judge(journal, observable(), "true_positive")
        assert outdated(journal) == {"1": "true_positive"}

        judge(journal, observable(), "none", note="a mistake")

        assert outdated(journal) == {"1": "none"}
        assert [(each.judgement.verdict, each.state) for each in journal.judgements(JudgementFilter(), 10)] == [
            ("none", "over"),
            ("true_positive", "over"),
            ("false_positive", "over"),
        ]

    def test_to_take_back_ends_only_what_was_said_of_the_same(self, journal):
        store(journal, match(1))
        judge(journal, Judged("rule", "phish", "71"), "false_positive")
        judge(journal, Judged("rule", "phish"), "none")

        assert verdicts(journal.history({"vt": 0}, 10)) == {"1": "false_positive"}

    def test_a_judgement_whose_time_is_over_decides_nothing_and_an_older_one_does_again(self, journal, clock):
        store(journal, match(1))
        pass_all(journal)
        judge(journal, observable(), "false_positive")
        judge(journal, observable(), "true_positive", until=NOW + 60)
        outdated(journal)

        clock.now = NOW + 59
        assert journal.end_judgements() == 0
        clock.now = NOW + 60
        assert journal.end_judgements() == 1
        assert journal.end_judgements() == 0

        assert outdated(journal) == {"1": "false_positive"}
        assert [each.state for each in journal.judgements(JudgementFilter(), 10)] == ["over", "in force"]

    def test_what_is_said_of_a_value_that_is_merely_named_is_found_while_it_holds(self, journal, clock):
        def said(value, source):
            return journal.judged_observables(source)(value)

        assert said("evil.example", "vt") is None
        judge(journal, observable())
        judge(journal, observable("evil.example", "other"), "true_positive", until=NOW + 100)
        judge(journal, Judged("rule", "evil.example"), "benign")

        assert said("EVIL.example.", "vt").verdict == "false_positive"
        assert said("evil.example", "other").verdict == "true_positive"
        assert said("good.example", "vt") is None

        clock.now += 200
        journal.end_judgements()
        assert said("evil.example", "other").verdict == "false_positive"
        judge(journal, observable(), "none")
        assert said("evil.example", "vt") is None

    def test_what_another_process_judges_is_found_though_it_was_asked_for_before(self, journal, open_journal):
        def said(value):
            found = journal.judged_observables("vt")(value)
            return found and found.verdict

        another = open_journal()
        judge(another, observable("other.example"))
        judge(another, observable(MD5), "benign")
        assert [said("evil.example"), said(MD5), said(SHA256)] == [None, "benign", None]

        judge(another, observable("evil.example"))
        assert said("evil.example") == "false_positive"
        store(another, of_file(1, md5=MD5))  # so that it is known which file that is
        assert [said(MD5), said(SHA256)] == [None, "benign"]
        judge(another, observable("evil.example"), "true_positive")
        assert said("evil.example") == "true_positive"
        judge(another, observable("evil.example"), "none")
        assert said("evil.example") is None
        another.close()

    def test_the_last_word_is_known_when_all_is_over(self, journal, clock):
        store(journal, match(1))
        pass_all(journal)
        judge(journal, Judged("rule", "phish"), "benign", until=NOW + 60)
        clock.now = NOW + 60
        journal.end_judgements()

        (entry,) = journal.history({"vt": 0}, 10)
        assert entry.judgement == Judgement(Judged("rule", "phish"), "none", "ana", until=NOW + 60, at=NOW)
        judge(journal, observable(), "true_positive")
        judge(journal, Judged("notification", "1"), "benign")
        judge(journal, Judged("notification", "1"), "none")
        assert outdated(journal) == {"1": "true_positive"}
        judge(journal, observable(), "none")
        assert outdated(journal) == {"1": "none"}
        assert journal.judgements(JudgementFilter(in_force=True), 10) == []
        assert journal.rule_records(10) == []

    def test_the_end_of_what_was_superseded_outdates_nothing(self, journal, clock):
        store(journal, match(1))
        pass_all(journal)
        judge(journal, observable(), "false_positive", until=NOW + 60)
        judge(journal, observable(), "benign")
        outdated(journal)
        clock.now = NOW + 60

        assert journal.end_judgements() == 1
        assert outdated(journal) == {}
        assert verdicts(journal.history({"vt": 0}, 10)) == {"1": "benign"}

    def test_what_a_route_read_before_a_judgement_and_passes_after_it_is_outdated(self, journal):
        store(journal, match(1))
        entries = journal.pending("out", ["vt"], 10)
        judge(journal, observable())
        with journal.lease("out"):
            journal.advance("out", ["vt"], Advance(entries[-1].seq, 1, 0, 0, learned=entries[0].learned))

        assert outdated(journal) == {"1": "false_positive"}

    def test_what_was_muted_is_outdated_when_the_judgement_is_taken_back(self, journal):
        store(journal, match(1))
        judge(journal, observable())
        store(journal, match(2), match(3))
        assert verdicts(pass_all(journal)) == dict.fromkeys(("1", "2", "3"), "false_positive")
        assert outdated(journal) == {}

        judge(journal, observable(), "none")

        assert outdated(journal) == dict.fromkeys(("1", "2", "3"), "none")

    def test_a_judgement_is_news_for_each_source_that_raised_what_it_is_about(self, journal):
        store(journal, match(1))
        store(journal, match(1), source="other")
        store(journal, match(1, "good.example"), source="third")
        before = journal.news().sources

        judge(journal, observable())

        after = journal.news().sources
        assert {name for name in after if after[name] != before[name]} == {"vt", "other"}

    def test_judging_a_source_alone_leaves_the_others(self, journal):
        store(journal, match(1))
        store(journal, match(2), source="other")
        pass_all(journal, sources=["vt", "other"])

        judge(journal, Judged("rule", "phish", source="other"))

        assert outdated(journal, sources=["vt", "other"]) == {"2": "false_positive"}

    def test_judgements_are_listed_by_what_is_asked_for_newest_first_in_pages(self, journal):
        store(journal, match(1), match(2))
        first = judge(journal, observable(), "benign")
        second = judge(journal, Judged("notification", "2"), "false_positive")
        third, _ = journal.judge(Judgement(observable(source="vt"), "true_positive", "bob"))
        judge(journal, Judged("notification", "2"), "none")

        def ids(limit: int = 10, **wanted: object) -> list[int]:
            return [each.id for each in journal.judgements(JudgementFilter(**wanted), limit)]

        assert ids(limit=2, before=4) == [third.id, second.id]
        assert ids(kind="observable") == [third.id, first.id]
        assert ids(in_force=True) == [third.id, first.id]
        assert ids(verdict="benign") == ids(by="ana", kind="observable") == [first.id]
        assert ids(source="vt") == [third.id]
        assert ids(value="2", verdict="false_positive") == [second.id]

    def test_a_rule_is_known_by_what_its_matches_were_judged(self, journal):
        store(journal, match(1), match(2), match(3, "good.example"), match(4, "x.example", rule="other"))
        judge(journal, Judged("notification", "1"), "true_positive")
        judge(journal, Judged("notification", "2"), "benign")
        judge(journal, observable("good.example"), "false_positive")
        judge(journal, observable("x.example"), "false_positive")
        judge(journal, observable("x.example"), "true_positive")
        judge(journal, observable("never.example"), "false_positive")

        assert journal.rule_records(10) == [
            RuleRecord(Rule("phish", "71", "vt"), true_positive=1, false_positive=1, benign=1),
            RuleRecord(Rule("other", "71", "vt"), true_positive=1),
        ]
        assert [each.rule.name for each in journal.rule_records(1)] == ["phish"]
        assert journal.status({}).rules == journal.rule_records(10)

    def test_the_rules_of_some_sources_are_known_however_many_there_are_of_others(self, journal):
        store(journal, match(1, "x.example", rule="theirs"), match(2, "y.example", rule="theirs"), source="noisy")
        store(journal, match(3, rule="ours"), source="quiet")
        for number in "123":
            judge(journal, Judged("notification", number), "false_positive")
        judge(journal, Judged("rule", "of_all"), "false_positive")

        ours = [RuleRecord(Rule("ours", "71", "quiet"), false_positive=1)]
        assert journal.rule_records(1, ["quiet"]) == journal.rule_records(9, ["quiet", "unknown"]) == ours
        assert journal.status({}, ["quiet"]).rules == ours
        assert [each.rule.name for each in journal.rule_records(1)] == ["theirs"]
        assert [each.rule.name for each in journal.rule_records(9, ["noisy", "quiet"])] == ["theirs", "ours"]
        assert journal.rule_records(9, []) == []

    def test_a_rule_that_never_matched_can_be_judged(self, journal):
        stored = judge(journal, Judged("rule", "quiet", "7"))

        assert stored.rules == [Rule("quiet", "7")]
        assert journal.rule_records(10) == [RuleRecord(Rule("quiet", "7"), false_positive=1)]

    def test_what_is_over_is_forgotten_long_after(self, journal, clock):
        judge(journal, observable("a.example"))
        judge(journal, observable("a.example"), "none")
        judge(journal, observable("b.example"))

        journal.prune(NOW, {})
        assert len(journal.judgements(JudgementFilter(), 10)) == 3
        journal.prune(NOW + 400 * 86_400, {})
        assert [each.judgement.judged.value for each in journal.judgements(JudgementFilter(), 10)] == ["b.example"]

    def test_what_is_judged_is_pruned_as_anything_else(self, journal):
        store(journal, match(1))
        pass_all(journal)
        judge(journal, observable())
        outdated(journal)

        assert journal.prune(NOW + 1, {"out": ["vt"]}) == 1
        assert outdated(journal) == {}
        store(journal, match(2))
        assert verdicts(journal.pending("out", ["vt"], 10)) == {"2": "false_positive"}

    def test_a_judgement_is_kept_while_another_process_serves_the_source(self, open_journal):
        with closing(open_journal()) as one, closing(open_journal()) as other:
            store(one, match(1))
            with one.lease("vt"), one.lease("out"):
                judge(other, observable())
            assert verdicts(one.pending("out", ["vt"], 10)) == {"1": "false_positive"}

    def test_a_route_of_events_learns_of_judgements_though_of_nothing_else(self, journal):
        store(journal, match(1), match(2))
        entries = journal.pending("out", ["vt"], 10)
        judge(journal, Judged("notification", "1"))
        with journal.lease("out"):
            journal.advance("out", ["vt"], Advance(entries[-1].seq, 2, 0, 0, learned=entries[0].learned, revises=False))
        judge(journal, Judged("notification", "2"))

        assert outdated(journal) == {"1": "false_positive", "2": "false_positive"}

    def test_what_a_condition_turned_away_is_known_among_what_is_outdated_and_is_not_muted(self, journal):
        store(journal, match(1), match(2))
        *_, second = (each.seq for each in journal.pending("out", ["vt"], 10))
        with journal.lease("out"):
            journal.advance("out", ["vt"], Advance(second, 1, 1, 0, turned_away=[second]))
        assert muted(journal) == 0
        judge(journal, observable(), "true_positive")
        assert set(journal.outdated("out", ["vt"], 10).withheld) == {second}
        with journal.lease("out"):
            journal.record_redelivery("out", Redelivery([second], 1, 0, 0))
        assert not journal.outdated("out", ["vt"], 10).withheld

    def test_what_is_muted_is_known_until_it_is_dealt_with_again(self, journal):
        store(journal, match(1), match(2), match(3))
        first, second, third = (each.seq for each in journal.pending("out", ["vt"], 10))
        judge(journal, observable())
        mute(journal, first, third, until=third)
        assert muted(journal) == 2
        judge(journal, observable(), "none")

        found = journal.outdated("out", ["vt"], 10)
        assert set(found.withheld) == {first, third}
        with journal.lease("out"):
            journal.record_redelivery("out", Redelivery([first], 1, 0, 0))
        assert set(journal.outdated("out", ["vt"], 10).withheld) == {third}
        with journal.lease("out"):
            journal.record_redelivery("out", Redelivery([second], 0, 1, 0, muted=[second]))
            journal.rewind("out", {"vt": first})
        assert muted(journal) == 2
        mute(journal, until=second)
        assert muted(journal) == 1

    def test_what_other_sources_muted_stays_when_a_route_passes_entries_of_one(self, journal):
        store(journal, match(1))
        store(journal, match(1), source="other")
        (_, other) = (each.seq for each in journal.pending("out", ["vt", "other"], 10))
        with journal.lease("out"):
            journal.advance("out", ["other"], Advance(other, 0, 1, 0, muted=[other]))
            journal.advance("out", ["vt"], Advance(other, 1, 0, 0))
        assert muted(journal) == 1

    def test_it_is_known_whether_more_was_learned_of_what_entries_name(self, journal):
        store(journal, match(1), match(2, "good.example"))
        first, second = (each.seq for each in journal.history({"vt": 0}, 10))
        assert not journal.has_learned(["vt"], 0, second)
        judge(journal, observable("good.example"))

        assert journal.has_learned(["vt", "other"], 0, second)
        assert not journal.has_learned(["vt"], 0, first)
        assert not journal.has_learned(["other"], 0, second)
        (entry,) = journal.entries([second])
        assert not journal.has_learned(["vt"], entry.learned, second)

    def test_other_entries_about_the_same_are_found_the_newest_first(self, journal):
        store(journal, match(1), match(2, "good.example"), match(3))
        store(journal, match(4), source="other")
        store(journal, match(5), source="third")
        (first, *_) = journal.history({"vt": 0}, 1)

        def alike(limit: int) -> list[str]:
            return [each.notification.id for each in journal.alike(first.seq, ["vt", "other"], limit)]

        assert alike(10) == ["4", "3"]
        assert alike(1) == ["4"]

    def test_what_changes_of_an_assessment_is_told_in_the_order_in_which_it_was_learned(self, journal):
        with journal.lease("vt"):
            found = [match(1), match(2, "other.example"), match(3), match(4)]
            journal.append("vt", Page(found, None, looks_up=Ahead(60)))
        start = journal.changes(["vt"], None, 3, 10)
        assert (start.changes, start.are_all) == ([], True)
        learn(journal, "other.example", "b")
        judge(journal, observable())

        told = journal.changes(["vt"], start.mark, 3, 10)

        assert [(each.entry.notification.id, each.is_judged) for each in told.changes] == [
            ("2", False),
            ("1", True),
            ("3", True),
        ]
        assert [verdict(each.entry) for each in told.changes] == [None, "false_positive", "false_positive"]
        assert told.changes[0].entry.entity == b'{"said":"b"}'
        assert told.are_all
        assert journal.changes(["vt"], told.mark, 3, 10) == Changes([], told.mark, are_all=True)
        assert journal.changes(["other"], start.mark, 3, 10).changes == []
        step, mark = [], start.mark
        while not (page := journal.changes(["vt"], mark, 3, 1)).are_all:
            step += [each.entry.notification.id for each in page.changes]
            mark = page.mark
        assert step == ["2", "1", "3"]
        assert page.mark == told.mark

    def test_earlier_entries_about_the_same_observable_come_the_newest_first(self, journal):
        store(journal, match(1), match(2, "good.example"), match(3), match(4), match(5))
        store(journal, match(6), source="other")
        assert [each.notification.id for each in journal.before(4, ["vt", "other"], 10)] == ["3", "1"]
        assert [each.notification.id for each in journal.before(6, ["vt"], 2)] == ["5", "4"]
        assert journal.before(1, ["vt"], 10) == []

    @pytest.mark.parametrize("digest", [MD5, SHA1])
    def test_the_file_that_has_a_hash_is_known_from_its_matches(self, journal, digest):
        store(journal, match(1), of_file(2), of_file(3, md5=MD5.upper(), sha1=SHA1))
        assert journal.sha256_of(digest.upper()) == SHA256
        assert journal.sha256_of("0" * 32) is None

    def test_the_file_that_has_a_hash_is_known_from_a_look_up(self, journal):
        with journal.lease("vt"):
            journal.append("vt", Page([of_file(1)], None, looks_up=Ahead(60)))
            journal.learn("vt", LookUp(Subject("file", SHA256), "known", NOW, NOW * 2, {"md5": MD5}, b"x"))
        assert journal.sha256_of(MD5) == SHA256

    @pytest.mark.parametrize("digest", [MD5, SHA1])
    def test_what_is_judged_by_another_hash_is_judged_of_the_file_that_comes_with_it(self, journal, digest):
        store(journal, of_file(1), match(2))
        pass_all(journal)
        judge(journal, observable(digest))
        assert outdated(journal) == {}

        store(journal, of_file(3, md5=MD5, sha1=SHA1))

        assert verdicts(pass_all(journal)) == {"3": "false_positive"}
        assert outdated(journal)["1"] == "false_positive"
        (stored,) = journal.judgements(JudgementFilter(), 10)
        assert (stored.judgement.judged.value, stored.state) == (SHA256, "in force")
        judge(journal, observable(SHA256), "none")
        assert outdated(journal) == {"1": "none", "3": "none"}

    def test_what_is_judged_by_another_hash_is_judged_of_the_file_that_a_look_up_tells(self, journal):
        with journal.lease("vt"):
            journal.append("vt", Page([of_file(1)], None, looks_up=Ahead(60)))
        pass_all(journal)
        judge(journal, observable(MD5))
        with journal.lease("vt"):
            journal.learn("vt", LookUp(Subject("file", SHA256), "known", NOW, NOW * 2, {"md5": MD5}, b"x"))
        assert outdated(journal)["1"] == "false_positive"
