"""An edited known-good list or condition takes back what was delivered on others, once, at the next run."""

from dataclasses import replace

import pytest
from pipeline_receivers import START, deliver, route_into, when

from connector.guards.guards import GuardBook
from connector.model import Judged, Judgement, Unavailable
from connector.pipeline.deliver import Delivery
from connector.pipeline.route import Tenant
from connector.settings.guards import GuardSettings

MALICIOUS, UNDETECTED = "VERDICT_MALICIOUS", "VERDICT_UNDETECTED"
WHEN_MALICIOUS = "entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'"


def match(number, domain="later.example", verdict=MALICIOUS, rule="r", kind="domain", **entity):
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said["hunting_info"] = {"rule_name": rule}
    attributes = {"gti_assessment": {"verdict": {"value": verdict}}, **entity}
    return {"type": kind, "id": domain, "attributes": attributes, "context_attributes": said}


def sample(number, host):
    connections = [{"host": host, "categories": ["C2"]}]
    config = {"families": [{"family": "r", "configs": [{"net_info": {"connections": connections}}]}]}
    return match(number, f"{number:064x}", kind="file", malware_config=config)


@pytest.fixture
def on(tmp_path):
    """A route as it is with other known-good lists or another condition."""

    def changed(route, *hosts, asks="`true`", effect="suppress", source=""):
        (tmp_path / "own.txt").write_text("\n".join(hosts) or "else.example")
        lists = GuardSettings(lists=[{"path": str(tmp_path / "own.txt"), "effect": effect}])
        book = GuardBook(sources={source: lists}) if source else GuardBook(lists)
        tenants = {
            name: Tenant({"name": name, "labels": {}}, route.mapping, book.of("out", name)) for name in route.sources
        }
        terms = f"{asks} {hosts} {effect} {source}"
        return replace(route, tenants=tenants, wants=when(asks), terms=terms)

    return changed


def states(sink):
    return {
        each["pattern"].split("'")[1]: each.get("revoked", False)
        for each in sink.taken()
        if each["type"] == "indicator"
    }


EDITS = {"list": {"hosts": ("later.example",)}, "condition": {"asks": "entity_value != 'later.example'"}}


@pytest.mark.parametrize("edit", EDITS)
def test_what_is_not_let_through_any_more_is_revoked_at_the_next_run_and_once(journal, stix, sink, on, edit):
    asks = {"asks": EDITS[edit].get("asks", "`true`")}
    deliver(on(stix), journal, match(1), match(2, "stays.example"))
    assert states(sink) == {"later.example": False, "stays.example": False}
    edited = on(stix, *EDITS[edit].get("hosts", ()), **asks)
    done = deliver(edited, journal)
    assert (done.withdrawn, done.delivered, done.filtered) == (1, 0, 0)
    assert states(sink) == {"later.example": True}
    assert journal.status({"out": ["vt"]}).routes[0].withdrawn == 1
    assert deliver(edited, journal) is None


@pytest.mark.parametrize("edit", EDITS)
def test_receivers_of_events_are_told_once_that_it_is_withdrawn_and_why(journal, cef, sink, on, edit):
    asks = {"asks": EDITS[edit].get("asks", "`true`")}
    deliver(on(cef), journal, match(1), match(2, "stays.example"))
    sink.events()
    edited = on(cef, *EDITS[edit].get("hosts", ()), **asks)
    assert deliver(edited, journal).withdrawn == 1
    (message,) = sink.sent
    assert "reason=" in message.body.decode()
    assert sink.events() == [("withdrawn:domain", "1")]
    assert deliver(edited, journal) is None


def test_nothing_is_looked_through_while_the_terms_stay(journal, stix, on):
    deliver(on(stix), journal, match(1))
    assert deliver(on(stix), journal) is None


def test_what_is_delivered_on_the_first_terms_is_not_looked_through(journal, stix, on):
    assert deliver(on(stix, "later.example", effect="label"), journal, match(1)).revised == 0
    assert deliver(on(stix, "later.example", "else.example", effect="label"), journal).revised == 1


def test_a_host_of_a_malware_configuration_that_comes_on_a_list_is_revoked(journal, stix, sink, on):
    deliver(on(stix), journal, sample(1, "c2.later.example"), sample(2, "c2.stays.example"))
    assert states(sink)["c2.later.example"] is False
    deliver(on(stix, "later.example"), journal)
    assert states(sink) == {"c2.later.example": True, "SHA-256": False}  # of the file only how many hosts it has
    assert [each.suppressed.value for each in journal.guarded("out", None, 9)] == ["c2.later.example"]


def test_a_list_that_labels_lowers_what_was_delivered(journal, stix, sink, on):
    deliver(on(stix), journal, match(1))
    sink.taken()
    deliver(on(stix, "later.example", effect="label"), journal)
    (indicator,) = [each for each in sink.taken() if each["type"] == "indicator"]
    assert any(label.startswith("guarded:") for label in indicator["labels"])
    assert "revoked" not in indicator


@pytest.mark.parametrize("using", ["stix21", "cef"])
def test_what_another_match_says_that_is_still_let_through_stays(journal, sink, on, using):
    route = route_into(sink, using)
    deliver(on(route), journal, match(1, rule="mine"), match(2, rule="yours"))
    sink.sent.clear()
    done = deliver(on(route, asks="notification.hunting_info.rule_name == 'mine'"), journal)
    assert (done.withdrawn, sink.sent) == (0, [])


def test_what_another_source_says_stays_when_a_list_guards_it_for_one(journal, stix, sink, on):
    deliver(on(stix), journal, match(1))
    deliver(on(stix), journal, match(2), source="other")
    sink.taken()
    assert deliver(on(stix, "later.example", source="other"), journal).withdrawn == 0
    assert deliver(on(stix, "later.example"), journal).withdrawn == 1


def test_it_goes_on_where_it_was_cut_off(journal, stix, sink, on):
    domains = [f"{number}.later.example" for number in range(7)]
    deliver(on(stix), journal, *(match(number, domain) for number, domain in enumerate(domains)))
    sink.taken()
    edited = replace(on(stix, "later.example"), batch=2)
    Delivery(edited, journal).step()
    assert sum(states(sink).values()) == 2
    sink.outage = True
    with pytest.raises(Unavailable):
        Delivery(edited, journal).step()
    sink.outage = False
    assert deliver(edited, journal).withdrawn == 5
    assert sum(states(sink).values()) == 5
    assert deliver(edited, journal) is None


def test_a_second_edit_before_the_end_begins_anew(journal, stix, sink, on):
    domains = [f"{number}.example" for number in range(6)]
    deliver(on(stix), journal, *(match(number, domain) for number, domain in enumerate(domains)))
    sink.taken()
    Delivery(replace(on(stix, "0.example"), batch=2), journal).step()
    done = deliver(replace(on(stix, *domains), batch=2), journal)
    taken = states(sink)
    assert (set(taken), set(taken.values())) == ({*domains}, {True})
    assert done.withdrawn in (5, 6)


def test_what_is_judged_wrong_is_left_to_the_judgement(journal, stix, sink, on):
    deliver(on(stix), journal, match(1))
    journal.judge(Judgement(Judged("observable", "later.example"), "false_positive", by="ana"))
    assert deliver(on(stix), journal).withdrawn == 1
    sink.taken()
    assert deliver(on(stix, "later.example"), journal).messages == 0


def test_what_is_pending_goes_first(journal, stix, sink, on):
    deliver(on(stix), journal, match(1))
    sink.taken()
    done = deliver(on(stix, "later.example"), journal, match(2), match(3, "new.example"))
    assert (done.withdrawn, done.filtered, done.delivered) == (1, 1, 1)
    assert states(sink) == {"later.example": True, "new.example": False}
