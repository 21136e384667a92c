"""However an observable is spelled, what is said of it is taken back: all its spellings are one."""

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

import pytest
from mapping_examples import bundled
from pipeline_receivers import START, deliver, route_into, when

from connector import notification
from connector.guards.guards import GuardBook
from connector.journals.sql.rows import columns_checksum
from connector.model import Judged, Judgement
from connector.pipeline.claims import as_spelled, observable
from connector.pipeline.redeliver import rewind
from connector.pipeline.route import Tenant
from connector.settings.guards import GuardSettings

MALICIOUS, BENIGN, UNDETECTED = "VERDICT_MALICIOUS", "VERDICT_BENIGN", "VERDICT_UNDETECTED"
WHEN_MALICIOUS = "entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'"

DOMAIN = [
    ("bad.example", "Bad.EXAMPLE"),
    ("BAD.example", "bad.example."),
    ("xn--bcher-kva.example", "Bücher.example"),
    ("bücher.example.", "XN--BCHER-KVA.example"),
]
ADDRESS = [
    ("192.0.2.7", "::ffff:192.0.2.7"),
    ("::FFFF:c000:207", "192.0.2.7"),
    ("2001:DB8::0:7", "2001:db8::7"),
]
URL = [
    ("http://bad.example/a", "HTTP://Bad.Example:80/a#top"),
    ("http://bad.example/%61", "http://bad.example/a"),
]
SPELLINGS = [
    *(("domain", *each) for each in DOMAIN),
    *(("ip_address", *each) for each in ADDRESS),
    *(("url", *each) for each in URL),
]


class Observable(NamedTuple):
    """Something in two spellings."""

    kind: str
    one: str
    other: str

    def as_one(self, number, *said, **more):
        return match(number, self.kind, self.one, *said, **more)

    def as_other(self, number, *said, **more):
        return match(number, self.kind, self.other, *said, **more)


spelled = pytest.mark.parametrize(
    "it", [Observable(*each) for each in SPELLINGS], ids=lambda it: f"{it.one} {it.other}"
)


def match(number, kind, value, verdict=MALICIOUS, rule="r"):
    attributes = {"gti_assessment": {"verdict": {"value": verdict}}, **({"url": value} if kind == "url" else {})}
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said |= {"sources": [], "hunting_info": {"rule_name": rule}}
    return {"type": kind, "id": value, "attributes": attributes, "context_attributes": said}


def indicators(sink):
    """By id, whether the newest version of each Indicator that was sent since this was last asked is revoked."""
    return {each["id"]: bool(each.get("revoked")) for each in sink.taken() if each["type"] == "indicator"}


@pytest.fixture
def stix(sink):
    return route_into(sink, "stix21", ("vt",))


@spelled
@pytest.mark.parametrize("wants", ["`true`", WHEN_MALICIOUS])
def test_a_verdict_that_turns_takes_back_what_was_said_in_another_spelling(journal, stix, sink, it, wants):
    route = replace(stix, wants=when(wants))
    deliver(route, journal, it.as_one(1))
    (said,) = indicators(sink)
    assert deliver(route, journal, it.as_other(2, BENIGN)).withdrawn == 1
    assert indicators(sink)[said]
    assert deliver(route, journal, it.as_one(3, BENIGN)).withdrawn == 0


@spelled
def test_a_receiver_of_events_is_told_what_is_taken_back_as_it_was_told_of_it(journal, cef, sink, it):
    deliver(cef, journal, it.as_one(1), it.as_one(2))
    told = {named_in(each) for each in sink.sent}
    sink.sent.clear()
    assert deliver(cef, journal, it.as_other(3, BENIGN)).withdrawn == 1
    taken_back = [named_in(each) for each in withdrawing(sink)]
    assert told <= set(taken_back)
    assert len(taken_back) == len(set(taken_back))


@spelled
def test_a_receiver_of_events_is_not_told_of_a_spelling_that_was_never_said_to_be_bad(journal, cef, sink, it):
    deliver(cef, journal, it.as_one(1, BENIGN), it.as_other(2), it.as_other(3, BENIGN))
    assert len(withdrawing(sink)) == 1


def withdrawing(sink):
    """The events that take something back."""
    return [each for each in sink.sent if b"|withdrawn:" in each.body]


def named_in(event):
    """What an event of CEF is about."""
    said = re.findall(r" (?:dhost|dst|c6a3|request)=(.*?)(?= \w+=|$)", event.body.decode())
    return tuple(said)


@spelled
def test_what_a_judgement_or_a_list_of_one_spelling_ends_is_ended_in_all(journal, stix, sink, it):
    deliver(stix, journal, it.as_one(1), it.as_other(2))
    said = indicators(sink)
    assert not any(said.values())
    journal.judge(Judgement(Judged("observable", it.other), "false_positive", "ana"))
    assert deliver(stix, journal).withdrawn == 1
    assert indicators(sink) == dict.fromkeys(said, True)


@spelled
def test_what_a_list_has_is_taken_back_however_it_was_spelled(journal, stix, sink, tmp_path, it):
    deliver(stix, journal, it.as_one(1))
    (said,) = indicators(sink)
    (tmp_path / "known.txt").write_text(f"{it.one}\n")
    book = GuardBook(GuardSettings(lists=[{"name": "ours", "path": str(tmp_path / "known.txt")}]))
    tenant = Tenant({"name": "vt", "labels": {}}, stix.mapping, book.of("out", "vt"))
    assert deliver(replace(stix, tenants={"vt": tenant}), journal, it.as_other(2)).withdrawn == 1
    assert indicators(sink)[said]


def beside(sink):
    """Two routes into one receiver: of what is malicious, and of what a rule matched."""
    out = replace(route_into(sink, "stix21", ("vt",)), receiver="here")
    return (
        replace(out, wants=when(WHEN_MALICIOUS), beside=("other",)),
        replace(out, name="other", wants=when("notification.hunting_info.rule_name == 'mine'"), beside=("out",)),
    )


@spelled
def test_what_another_route_claims_in_another_spelling_stays(journal, sink, it):
    a, b = beside(sink)
    deliver(a, journal, it.as_one(1))
    deliver(b, journal, it.as_other(2, UNDETECTED, rule="mine"))
    sink.taken()
    deliver(a, journal)
    deliver(b, journal)
    assert not any(indicators(sink).values())


# A journal that was filled before


AUTHOR = bundled("stix21").format.names["producer"]["id"]


@pytest.fixture
def spell(tmp_path):
    """Has what is claimed of these be kept by the spelling, as an older version of this program did."""

    def keep(*bodies):
        with closing(sqlite3.connect(tmp_path / "journal.db")) as database, database:
            for view in (notification.view(notification.read(body)) for body in bodies):
                for author in ("", AUTHOR):
                    numbers = as_spelled(view, author), observable(view, author), int(view["notification"]["id"])
                    database.execute("UPDATE claims SET observable = ? WHERE observable = ? AND seq = ?", numbers)
            claims = database.execute("SELECT observable, seq, stands, last_seq FROM claims").fetchall()
            for row in claims:
                kept = columns_checksum("claim", *row), *row[:2]
                database.execute("UPDATE claims SET checksum = ? WHERE observable = ? AND seq = ?", kept)
            database.execute("UPDATE ledgers SET spelled_until = (SELECT max(seq) FROM claims)")
        assert len(claims) == len(bodies)

    return keep


@spelled
def test_what_an_older_version_claimed_of_a_spelling_is_taken_back_in_another(journal, stix, sink, spell, it):
    deliver(stix, journal, it.as_one(1))
    (said,) = indicators(sink)
    spell(it.as_one(1))
    assert deliver(stix, journal, it.as_other(2, BENIGN)).withdrawn == 1
    assert indicators(sink)[said]
    assert deliver(stix, journal, it.as_other(3, BENIGN), it.as_one(4, BENIGN)).withdrawn == 0


@spelled
def test_what_an_older_version_claimed_of_a_spelling_is_taken_back_in_the_same(journal, cef, sink, spell, it):
    deliver(cef, journal, it.as_one(1))
    spell(it.as_one(1))
    assert deliver(cef, journal, it.as_one(2, BENIGN)).withdrawn == 1
    assert deliver(cef, journal, it.as_one(3, BENIGN)).withdrawn == 0


@spelled
def test_what_an_older_version_claimed_of_a_spelling_is_taken_back_when_another_is_judged(
    journal, stix, sink, spell, it
):
    deliver(stix, journal, it.as_one(1))
    (said,) = indicators(sink)
    spell(it.as_one(1))
    journal.judge(Judgement(Judged("observable", it.other), "benign", "ana"))
    assert deliver(stix, journal).withdrawn == 1
    assert indicators(sink)[said]


@spelled
def test_of_what_an_older_version_claimed_and_took_back_nothing_is_taken_back_again(journal, stix, sink, spell, it):
    deliver(stix, journal, it.as_one(1), it.as_one(2, BENIGN))
    spell(it.as_one(1), it.as_one(2))
    sink.taken()
    assert deliver(stix, journal, it.as_other(3, BENIGN)).withdrawn == 0
    deliver(stix, journal, it.as_other(4))
    (again,) = indicators(sink)
    assert deliver(stix, journal, it.as_one(5, BENIGN)).withdrawn == 1
    assert indicators(sink)[again]
    rewind(stix, journal, {"vt": 0})
    deliver(stix, journal)
    assert indicators(sink)[again]


@spelled
def test_what_another_route_has_claimed_with_an_older_version_stays(journal, sink, spell, it):
    a, b = beside(sink)
    deliver(b, journal, it.as_one(1, UNDETECTED, rule="mine"))
    spell(it.as_one(1))
    deliver(a, journal, it.as_other(2))
    deliver(a, journal, it.as_other(3, UNDETECTED))
    assert not any(indicators(sink).values())


@spelled
def test_what_two_routes_have_claimed_with_an_older_version_stays_when_one_stops(journal, sink, spell, it):
    a, b = beside(sink)
    deliver(b, journal, it.as_one(1, UNDETECTED, rule="mine"))
    deliver(a, journal, it.as_other(2))
    spell(it.as_one(1), it.as_other(2))
    deliver(a, journal, it.as_other(3, UNDETECTED))
    assert not any(indicators(sink).values())


@spelled
def test_of_what_an_older_version_took_back_and_is_said_again_that_holds(journal, stix, sink, spell, it):
    deliver(stix, journal, it.as_one(1))
    journal.judge(Judgement(Judged("observable", it.one), "benign", "ana"))
    deliver(stix, journal)
    spell(it.as_one(1))
    journal.judge(Judgement(Judged("observable", it.one), "none", "ana"))
    deliver(stix, journal)
    (again,) = [each for each, is_revoked in indicators(sink).items() if not is_revoked]
    assert deliver(stix, journal, it.as_other(2, BENIGN)).withdrawn == 1
    assert indicators(sink)[again]
