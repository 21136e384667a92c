"""What was said long ago counts like what was said last, however many notifications came between."""

from dataclasses import replace
from functools import partial

import pytest
from pipeline_receivers import START, deliver, route_into, store

from connector.guards.guards import GuardBook
from connector.journals.sql import entries as stored
from connector.journals.sql import named_hosts
from connector.model import Judged, Judgement
from connector.pipeline import deliver as delivering
from connector.pipeline import seen as sight
from connector.pipeline.newest import newest
from connector.pipeline.redeliver import redeliver
from connector.pipeline.route import Tenant

MALICIOUS, UNDETECTED, BENIGN = (f"VERDICT_{verdict}" for verdict in ("MALICIOUS", "UNDETECTED", "BENIGN"))
MANY = [25, 60, 150]
C2 = "c2.example"


def match(number, kind, identifier, verdict=MALICIOUS, *, rule="phish", at=None, **entity):
    said = {"notification_id": str(number), "notification_date": START + (number * 900 if at is None else at)}
    said |= {"origin": "hunting", "hunting_info": {"rule_name": rule}, "sources": []}
    known = {"gti_assessment": {"verdict": {"value": verdict}}, **entity} if verdict else {}
    return {"type": kind, "id": identifier, "attributes": known, "context_attributes": said}


def file(number, name, verdict=MALICIOUS):
    """A match of a file whose configuration names a host."""
    connections = [{"host": C2, "categories": ["C2"]}]
    config = {"families": [{"family": "sedge", "configs": [{"net_info": {"connections": connections}}]}]}
    return match(number, "file", f"{name:064x}", verdict, malware_config=config)


def naming(number, *hosts, name=None, **more):
    connections = [{"host": host, "categories": ["C2"]} for host in hosts]
    config = {"families": [{"family": "sedge", "configs": [{"net_info": {"connections": connections}}]}]}
    return match(number, "file", f"{number if name is None else name:064x}", malware_config=config, **more)


def domain(number, verdict=MALICIOUS, **more):
    return match(number, "domain", "bad.example", verdict, **more)


def judge(journal, judged):
    journal.judge(Judgement(judged, "false_positive", "ana"))


def said(documents):
    """What is said of the host by configurations, last of each id: how sure, or that it is revoked."""
    about = [each for each in documents if each.get("name") == C2 and each["type"] == "indicator"]
    versions = {each["id"]: each for each in about if "malware configuration" in each["description"]}
    return ["revoked" if each.get("revoked") else each["confidence"] for each in versions.values()]


def revoked(documents, kind="indicator"):
    return [each.get("revoked", False) for each in documents if each["type"] == kind]


@pytest.mark.parametrize("many", MANY)
def test_one_malicious_file_upholds_a_host_that_many_undetected_ones_name(journal, stix, sink, many):
    others = [file(number, number, UNDETECTED) for number in range(2, many)]
    deliver(stix, journal, file(1, 1), *others)
    assert said(sink.taken()) == [75]
    deliver(stix, journal, file(many, many, UNDETECTED), file(many + 1, 2, BENIGN))
    assert said(sink.taken()) == []
    deliver(stix, journal, file(many + 2, 1, UNDETECTED))
    assert said(sink.taken()) == [20]


@pytest.mark.parametrize("many", MANY)
def test_one_malicious_file_upholds_a_host_that_another_names_at_many_matches(journal, stix, sink, many):
    deliver(stix, journal, file(1, 1), *[file(number, 2, UNDETECTED) for number in range(2, many)])
    assert said(sink.taken()) == [75]
    deliver(stix, journal, file(many, 2, BENIGN))
    assert said(sink.taken()) == []


@pytest.mark.parametrize(("many", "at_once"), [(25, 1), (60, 7), (150, 150)])
def test_a_host_is_lowered_with_the_last_of_many_files_that_were_malicious(journal, stix, sink, many, at_once):
    deliver(stix, journal, *[file(number, number) for number in range(1, many)])
    for first in range(1, many - 1, at_once):
        benign = range(first, min(first + at_once, many - 1))
        deliver(stix, journal, *[file(many + number, number, BENIGN) for number in benign])
    assert said(sink.taken()) == [75]
    deliver(stix, journal, file(3 * many, many - 1, BENIGN))
    assert said(sink.taken()) == ["revoked"]


@pytest.mark.parametrize("using", ["stix21", "cef"])
@pytest.mark.parametrize("many", MANY)
def test_one_match_upholds_what_many_others_say_that_are_judged_wrong(journal, sink, many, using):
    out = route_into(sink, using)
    deliver(out, journal, domain(1, rule="other"), *[domain(number) for number in range(2, many)])
    sink.sent.clear()
    judge(journal, Judged("rule", "phish"))
    assert deliver(out, journal).withdrawn == 0
    judge(journal, Judged("rule", "other"))
    assert deliver(out, journal).withdrawn == 1


@pytest.mark.parametrize("many", MANY)
def test_every_spelling_of_a_url_is_taken_back_however_long_ago_it_was_sent(journal, cef, sink, many):
    spellings = ["http://bad.example/a?x=%c3", *["http://bad.example/a?x=%C3"] * many]
    deliver(cef, journal, *[match(number, "url", url, url=url) for number, url in enumerate(spellings, 1)])
    sink.sent.clear()
    deliver(cef, journal, match(many + 2, "url", spellings[-1], BENIGN, url=spellings[-1]))
    gone = [each.body.decode() for each in sink.sent if b"|withdrawn:url|" in each.body]
    assert [any(spelled in each for each in gone) for spelled in ("%c3", "%C3")] == [True, True]


@pytest.mark.parametrize("many", MANY)
def test_what_the_first_of_many_matches_named_is_taken_back_too(journal, stix, sink, many):
    named = {"attribution": {"threat_actors": ["APT9"]}}
    deliver(stix, journal, domain(1, **named), *[domain(number) for number in range(2, many)])
    sink.taken()
    deliver(stix, journal, domain(many, BENIGN))
    assert True in revoked(sink.taken(), "relationship")


@pytest.mark.parametrize("many", MANY)
def test_a_backlog_of_older_matches_overrides_no_newer_verdict(journal, stix, sink, many):
    deliver(stix, journal, domain(1, at=many * 900))
    sink.taken()
    deliver(stix, journal, *[domain(number + 2, BENIGN, at=number) for number in range(many)])
    assert not any(revoked(sink.taken()))


@pytest.mark.parametrize("many", MANY)
def test_a_host_stays_benign_although_many_matches_of_it_say_nothing(journal, stix, sink, many):
    out = replace(stix, tenants={"vt": Tenant({"name": "vt", "labels": {}}, stix.mapping, GuardBook().of())})
    matches = [match(number, "domain", C2, None) for number in range(2, many)]
    deliver(out, journal, match(1, "domain", C2, BENIGN), *matches, file(many, 1))
    assert said(sink.taken()) == []


def test_what_is_read_of_many_matches_is_bounded(journal, stix, sink, monkeypatch):
    read = []
    entries = type(journal).entries
    monkeypatch.setattr(type(journal), "entries", lambda self, seqs: read.append(len(seqs)) or entries(self, seqs))
    deliver(replace(stix, batch=30), journal, *[file(number, number, UNDETECTED) for number in range(1, 400)])
    assert 0 < max(read) <= 100


def test_what_many_entries_bring_with_them_is_dealt_with_in_parts(journal, stix, sink, monkeypatch):
    """Each file is lowered with another that names the same host: no more of these are read than may be at once."""
    hosts = 12
    deliver(stix, journal, *[naming(number, f"h{number}.example") for number in range(1, hosts)])
    deliver(
        stix, journal, *[naming(100 + number, f"h{number}.example", long="y" * 30_000) for number in range(1, hosts)]
    )
    sink.taken()
    sizes = []
    revise = delivering.revise
    monkeypatch.setattr(
        delivering,
        "revise",
        lambda route, journal, found: sizes.append(len(found.entries)) or revise(route, journal, found),
    )
    monkeypatch.setattr(stored, "READ_BYTES", 100_000)
    for number in range(1, hosts):
        journal.judge(Judgement(Judged("observable", f"{number:064x}"), "false_positive", "ana"))
    deliver(stix, journal)
    assert min(sizes) < max(sizes) <= hosts
    names = {each["pattern"] for each in sink.taken() if each["type"] == "indicator" and each.get("revoked")}
    assert len(names) == hosts - 1


def test_what_one_entry_brings_with_it_is_never_too_much(journal, stix, sink, monkeypatch):
    """Neither are the last match of the same file, and the others that name the same hosts, together."""
    names = [f"h{number}.example" for number in range(12)]
    deliver(stix, journal, naming(1, *names), naming(2, *names, name=1))
    deliver(stix, journal, *[naming(100 + number, name, long="y" * 30_000) for number, name in enumerate(names)])
    sink.taken()
    sizes = []
    revise = delivering.revise

    def counted(route, journal, found):
        sizes.append(len(found.entries))
        assert len(sizes) < 20, "the same is found again without end"
        return revise(route, journal, found)

    monkeypatch.setattr(delivering, "revise", counted)
    monkeypatch.setattr(stored, "READ_BYTES", 100_000)
    judge(journal, Judged("observable", f"{1:064x}"))
    deliver(stix, journal)
    assert True in revoked(sink.taken())


@pytest.mark.parametrize("later", [20, 60])
@pytest.mark.parametrize("using", ["stix21", "cef"])
def test_a_match_upholds_what_it_says_however_many_wait_behind_it(journal, sink, monkeypatch, using, later):
    monkeypatch.setattr(sight, "newest", partial(newest, most=30))
    out = replace(route_into(sink, using), batch=10)
    judge(journal, Judged("rule", "noisy"))
    matches = [domain(1), domain(2, rule="noisy"), *[domain(3 + number) for number in range(later)]]
    assert deliver(out, journal, *matches).withdrawn == 0


def test_former_names_are_taken_back_however_many_matches_wait(journal, stix, sink, monkeypatch):
    monkeypatch.setattr(sight, "newest", partial(newest, most=30))
    named = {"attribution": {"threat_actors": ["APT9"]}}
    deliver(
        replace(stix, batch=10), journal, domain(1, **named), domain(2, BENIGN), *[domain(3 + n) for n in range(60)]
    )
    assert True in revoked(sink.taken(), "relationship")


def test_an_event_that_takes_back_names_what_was_sent_however_many_wait(journal, cef, sink, monkeypatch):
    monkeypatch.setattr(sight, "newest", partial(newest, most=30))
    deliver(replace(cef, batch=10), journal, domain(1), domain(2, BENIGN), *[domain(3 + n) for n in range(60)])
    (gone,) = [each.body for each in sink.sent if b"|withdrawn:domain|" in each.body]
    assert gone.endswith(b"WithdrawnNotifications=1")


@pytest.mark.parametrize("later", [20, 60])
def test_what_has_ended_is_not_said_again_however_many_wait(journal, cef, sink, monkeypatch, later):
    monkeypatch.setattr(sight, "newest", partial(newest, most=30))
    deliver(cef, journal, domain(1), domain(2, BENIGN))
    sink.events()
    store(journal, *[domain(3 + number) for number in range(later)])
    redeliver(cef, journal, journal.entries([1]))
    assert ("hunting:domain", "1") not in sink.events()


@pytest.mark.parametrize(("walked", "found"), [(20, [1]), (5, [])])
def test_the_matches_of_a_file_itself_are_bounded_among_those_that_name_its_hosts(journal, monkeypatch, walked, found):
    store(journal, file(1, 1), *[file(number, 2) for number in range(2, 12)])
    monkeypatch.setattr(named_hosts, "ALIKE", walked)
    monkeypatch.setattr(named_hosts, "MATCHES", 1)
    assert [*journal.naming_alike([11], ["vt"], 1, 100)] == found
