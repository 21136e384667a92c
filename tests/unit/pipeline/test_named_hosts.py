"""What is said of the hosts that malware configurations name rests on the files, and on what is said of the hosts."""

from dataclasses import replace

import orjson
import pytest
from mapping_examples import bundled
from pipeline_receivers import START, deliver, opened, when

from connector import notification
from connector.guards.guards import GuardBook
from connector.model import Ahead, Judged, Judgement, LookUp, Page, Subject, Unavailable
from connector.pipeline.redeliver import rewind
from connector.pipeline.route import Tenant
from connector.pipeline.versions import successor

MALICIOUS, SUSPICIOUS, UNDETECTED, BENIGN = (
    f"VERDICT_{verdict}" for verdict in ("MALICIOUS", "SUSPICIOUS", "UNDETECTED", "BENIGN")
)
PROFILES = [None, "opencti", "misp", "sentinel", "xsoar"]
WHEN_MALICIOUS = "entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'"
C2 = "c2.example"


def attributes(verdict, *hosts, categories=("C2",), family="sedge"):
    connections = [{"host": host, "categories": [*categories]} for host in hosts]
    config = {"families": [{"family": family, "configs": [{"net_info": {"connections": connections}}]}]}
    assessed = {"gti_assessment": {"verdict": {"value": verdict}}}
    return {**assessed, **({"malware_config": config} if hosts else {})}


def match(number, kind, identifier, known, rule="phish"):
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said |= {"hunting_info": {"rule_name": rule}, "sources": []}
    return {"type": kind, "id": identifier, "attributes": known, "context_attributes": said}


def file(number, name, verdict=MALICIOUS, *hosts, rule="phish", **more):
    """A match of a file, whose configuration names these hosts, by default one."""
    known = attributes(verdict, *(hosts or (C2,)), **more)
    return match(number, "file", name * 64, known, rule)


def nameless(number, name, verdict):
    return match(number, "file", name * 64, attributes(verdict))


def host(number, verdict, name=C2):
    return match(number, "domain", name, attributes(verdict))


def said(documents, name=C2):
    """What is said of a host by configurations, last of each id: how sure, or that it is revoked."""
    about = [each for each in documents if each.get("name") == name and each["type"] == "indicator"]
    versions = {each["id"]: each for each in about if "malware configuration" in each["description"]}
    return ["revoked" if each.get("revoked") else each["confidence"] for each in versions.values()]


def judge(journal, judged, verdict="false_positive"):
    journal.judge(Judgement(judged, verdict, "ana"))


def store_looked_up(journal, *bodies):
    """Store notifications of which what they are about is looked up again."""
    journal.append("vt", Page([notification.read(body) for body in bodies], None, looks_up=Ahead(3600)))


def learn(journal, name, known, kind="file"):
    journal.learn(
        "vt",
        LookUp(
            Subject(kind, name * 64 if kind == "file" else name),
            "known",
            START,
            START + 9_000_000,
            known,
            orjson.dumps(known),
        ),
    )


FALLS = {
    "benign": lambda out, journal: deliver(out, journal, file(9, "a", BENIGN)),
    "benign, and names nobody": lambda out, journal: deliver(out, journal, nameless(9, "a", BENIGN)),
    "judged": lambda out, journal: (judge(journal, Judged("observable", "a" * 64)), deliver(out, journal)),
    "match judged": lambda out, journal: (judge(journal, Judged("notification", "1"), "benign"), deliver(out, journal)),
    "rule judged": lambda out, journal: (judge(journal, Judged("rule", "phish")), deliver(out, journal)),
}


@pytest.fixture(params=PROFILES)
def out(stix, request):
    """A route with a profile."""
    return replace(stix, mapping=bundled("stix21", request.param))


@pytest.mark.parametrize("wants", ["`true`", WHEN_MALICIOUS])
@pytest.mark.parametrize("falls", FALLS)
def test_a_host_goes_with_the_last_file_that_names_it(journal, out, sink, falls, wants):
    out = replace(out, wants=when(wants))
    deliver(out, journal, file(1, "a"))
    assert said(sink.taken()) == [75]
    FALLS[falls](out, journal)
    assert said(sink.taken()) == ["revoked"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("names", [True, False], ids=["and names it", "and names nobody"])
def test_a_host_is_lowered_with_the_last_file_that_names_it(journal, stix, sink, profile, names):
    out = replace(stix, mapping=bundled("stix21", profile))
    deliver(out, journal, file(1, "a"))
    sink.taken()
    deliver(out, journal, (file if names else nameless)(2, "a", UNDETECTED))
    # MISP detects all that comes as an indicator.
    assert said(sink.taken()) == ["revoked" if profile in ("misp", "sentinel") else 20]
    deliver(out, journal, (file if names else nameless)(3, "a", UNDETECTED))
    assert said(sink.taken()) == []


@pytest.mark.parametrize("profile", PROFILES)
def test_under_a_condition_a_host_goes_with_the_last_file_that_is_let_through(journal, stix, sink, profile):
    out = replace(stix, mapping=bundled("stix21", profile), wants=when(WHEN_MALICIOUS))
    deliver(out, journal, file(1, "a"))
    sink.taken()
    deliver(out, journal, nameless(2, "a", UNDETECTED))
    assert said(sink.taken()) == ["revoked"]


@pytest.mark.parametrize("wants", ["`true`", WHEN_MALICIOUS])
@pytest.mark.parametrize("falls", ["benign", "judged", "match judged"])
def test_a_host_stays_while_another_file_names_it(journal, stix, sink, falls, wants):
    out = replace(stix, wants=when(wants))
    deliver(out, journal, file(1, "a"), file(2, "b"))
    sink.taken()
    FALLS[falls](out, journal)
    assert said(sink.taken()) == []
    deliver(out, journal, file(10, "b", BENIGN))
    assert said(sink.taken()) == ["revoked"]


def test_a_host_stays_while_another_file_is_malicious(journal, stix, sink):
    deliver(stix, journal, file(1, "a"), file(2, "b"))
    sink.taken()
    deliver(stix, journal, file(3, "a", UNDETECTED))
    assert said(sink.taken()) == []
    deliver(stix, journal, file(4, "b", SUSPICIOUS))
    assert said(sink.taken()) == [40]
    deliver(stix, journal, file(5, "b", BENIGN))
    assert said(sink.taken()) == [20]
    deliver(stix, journal, file(6, "a", BENIGN))
    assert said(sink.taken()) == ["revoked"]


def test_files_that_say_less_do_not_say_it_in_turns(journal, stix, sink):
    deliver(stix, journal, file(1, "a", SUSPICIOUS), file(2, "b", UNDETECTED), file(3, "a", SUSPICIOUS))
    assert said(sink.taken()) == [40]
    deliver(stix, journal, file(4, "b", UNDETECTED), file(5, "c", UNDETECTED))
    assert said(sink.taken()) == []


def test_with_a_host_goes_its_family_but_for_what_another_file_says(journal, stix, sink):
    deliver(stix, journal, file(1, "a"), file(2, "b", family="other"))
    sent = sink.taken()
    (indicator,) = {each["id"] for each in sent if each.get("name") == C2}
    families = {each["id"]: each["name"] for each in sent if each.get("is_family")}
    deliver(stix, journal, file(3, "a", BENIGN))
    gone = [each for each in sink.taken() if each.get("revoked") and each.get("source_ref") == indicator]
    assert [families[each["target_ref"]] for each in gone] == ["sedge"]


def test_what_a_look_up_says_of_a_file_holds_for_the_hosts_that_it_names(journal, stix, sink):
    store_looked_up(journal, file(1, "a"))
    deliver(stix, journal)
    sink.taken()
    learn(journal, "a", attributes(UNDETECTED, C2))
    deliver(stix, journal)
    assert said(sink.taken()) == [20]
    learn(journal, "a", attributes(BENIGN))
    deliver(stix, journal)
    assert said(sink.taken()) == ["revoked"]


def test_what_a_look_up_says_of_a_file_counts_also_where_another_has_named_the_host_since(journal, stix, sink):
    store_looked_up(journal, file(1, "a"), file(2, "b", UNDETECTED))
    deliver(stix, journal)
    assert said(sink.taken()) == [75]
    learn(journal, "a", attributes(UNDETECTED, C2))
    deliver(stix, journal)
    assert said(sink.taken()) == [20]


def test_a_host_that_was_taken_back_and_is_named_again_goes_on_under_another_id(journal, stix, sink):
    deliver(stix, journal, file(1, "a"))
    (first,) = {each["id"] for each in sink.taken() if each.get("name") == C2}
    deliver(stix, journal, file(2, "a", BENIGN))
    sink.taken()
    deliver(stix, journal, file(3, "b"))
    assert {each["id"] for each in sink.taken() if each.get("name") == C2} == {successor(first)}
    deliver(stix, journal, file(4, "b", BENIGN))
    (gone,) = [each for each in sink.taken() if each.get("name") == C2]
    assert (gone["id"], gone["revoked"]) == (successor(first), True)


def test_a_replay_says_of_hosts_what_was_said(journal, stix, sink):
    deliver(stix, journal, file(1, "a"), file(2, "b", UNDETECTED))
    for later in (file(3, "a", UNDETECTED), file(4, "b", BENIGN), file(5, "a", BENIGN), file(6, "c")):
        deliver(stix, journal, later)
    before = sorted(map(orjson.dumps, sink.taken()))
    rewind(stix, journal, {"vt": 0})
    deliver(stix, journal)
    assert sorted({*map(orjson.dumps, sink.taken())}) == sorted({*before})


def test_what_an_outage_or_a_crash_cuts_off_is_taken_back_after_it(tmp_path, clock, stix, sink):
    with opened(tmp_path, clock) as journal:
        deliver(stix, journal, file(1, "a"))
        sink.taken()
        sink.outage = True
        with pytest.raises(Unavailable):
            deliver(stix, journal, file(2, "a", BENIGN))
    sink.outage = False
    with opened(tmp_path, clock) as journal:
        deliver(stix, journal)
        assert said(sink.taken()) == ["revoked"]


@pytest.fixture
def guarded(out):
    """The same, with guards, as every route of a configuration has them."""
    return replace(out, tenants={"vt": Tenant({"name": "vt", "labels": {}}, out.mapping, GuardBook().of())})


@pytest.mark.parametrize("wants", ["`true`", WHEN_MALICIOUS])
def test_a_host_that_is_benign_itself_is_no_server_of_a_file_that_comes_later(journal, guarded, sink, wants):
    out = replace(guarded, wants=when(wants))
    deliver(out, journal, host(1, BENIGN))
    sink.taken()
    deliver(out, journal, file(2, "a", MALICIOUS, C2, "other.example"))
    sent = sink.taken()
    assert (said(sent), said(sent, "other.example")) == ([], [75])
    (held,) = journal.guarded("out", "verdict", 10)
    assert (held.suppressed.value, held.suppressed.is_derived) == (C2, True)


@pytest.mark.parametrize("wants", ["`true`", WHEN_MALICIOUS])
def test_a_server_that_turns_out_benign_itself_is_taken_back_at_once(journal, guarded, sink, wants):
    out = replace(guarded, wants=when(wants))
    deliver(out, journal, file(1, "a"), file(2, "b"))
    assert said(sink.taken()) == [75]
    deliver(out, journal, host(3, BENIGN))
    assert said(sink.taken()) == ["revoked"]
    deliver(out, journal, host(4, BENIGN), file(5, "c"))
    assert said(sink.taken()) == []
    deliver(out, journal, host(6, SUSPICIOUS))
    (profile,) = [each for each in ("opencti", "xsoar") if each in str(out.mapping.document.overlays)] or [""]
    is_left = profile and wants == "`true`"
    assert said(sink.taken()) == ([] if is_left else [75])


def test_what_a_look_up_says_of_a_host_holds_for_the_files_that_name_it(journal, guarded, sink):
    store_looked_up(journal, file(1, "a"))
    deliver(guarded, journal)
    store_looked_up(journal, host(2, UNDETECTED))
    deliver(guarded, journal)
    sink.taken()
    learn(journal, C2, attributes(BENIGN), "domain")
    deliver(guarded, journal)
    assert said(sink.taken())[-1:] == ["revoked"]


@pytest.mark.parametrize("profile", ["opencti", "xsoar"])
@pytest.mark.parametrize("first", ["host", "file"])
def test_where_values_count_once_the_word_on_the_host_itself_goes_first(journal, stix, sink, profile, first):
    mapping = bundled("stix21", profile)
    out = replace(
        stix, mapping=mapping, tenants={"vt": Tenant({"name": "vt", "labels": {}}, mapping, GuardBook().of())}
    )
    if first == "file":
        deliver(out, journal, file(1, "a"))
        assert said(sink.taken()) == [75]
    deliver(out, journal, host(2, MALICIOUS))
    (own,) = [each for each in sink.taken() if each.get("name") == C2 and each["type"] == "indicator"]
    deliver(out, journal, file(3, "b"), file(4, "a", BENIGN))
    assert said(sink.taken()) == []
    deliver(out, journal, host(5, BENIGN))
    gone = [each for each in sink.taken() if each.get("name") == C2 and each["type"] == "indicator"]
    assert own["id"] in {each["id"] for each in gone}
    assert all(each["revoked"] for each in gone)
    assert len(gone) == (2 if first == "file" else 1)


def test_elsewhere_a_host_has_both_words(journal, stix, sink):
    deliver(stix, journal, file(1, "a"), host(2, MALICIOUS))
    assert len({each["id"] for each in sink.taken() if each.get("name") == C2 and each["type"] == "indicator"}) == 2
