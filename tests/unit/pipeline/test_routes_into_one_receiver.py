"""Two routes into one receiver: what either still claims stays there, and is revoked when the last one stops."""

import random
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import replace

import orjson
import pytest
from mapping_examples import bundled

from connector import mapping, notification
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Judged, Judgement, Page, Refusal, Unavailable
from connector.pipeline.deliver import Delivery
from connector.pipeline.redeliver import rewind
from connector.pipeline.route import Route

START = 1_760_000_000
MALICIOUS, BENIGN, UNDETECTED = "VERDICT_MALICIOUS", "VERDICT_BENIGN", "VERDICT_UNDETECTED"
WHEN_MALICIOUS = "entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'"
NAMED = {"attribution": {"threat_actors": ["APT9"]}}


def match(number, verdict=MALICIOUS, domain="bad.example", *, rule="r", **entity):
    """A notification of a domain, a quarter of an hour after the one before."""
    attributes = {"gti_assessment": {"verdict": {"value": verdict}}, **NAMED, **entity}
    said = {"notification_id": str(number), "notification_date": START + number * 900, "origin": "hunting"}
    said |= {"sources": [], "hunting_info": {"rule_name": rule}}
    return {"type": "domain", "id": domain, "attributes": attributes, "context_attributes": said}


class Receiver:
    """What one receiver has, of whichever route: each version of each object has one content."""

    def __init__(self):
        self.versions = {}
        self.received = []
        self.refuse = lambda message: False
        self.outage = lambda: False

    def send(self, messages):
        refused = []
        for message in messages:
            if self.outage():
                raise Unavailable("away")
            if self.refuse(message):
                refused.append(Refusal(message, "no"))
                continue
            body = self.versions.setdefault((message.id, message.version), message.body)
            # A replay may say a revocation in other words (decision 22).
            is_revoked = b'"revoked":true' in body and b'"revoked":true' in message.body
            assert body == message.body or message.version is None or is_revoked, "two contents for one version"
            self.received.append(message)
        return refused

    def check(self):
        return ""

    def close(self):
        pass

    def newest(self, kind="indicator"):
        """The newest version of each object of a type; nothing follows a revocation."""
        found = {}
        for (object_id, version), body in sorted(self.versions.items(), key=lambda each: each[0][1] or ""):
            if object_id.startswith(f"{kind}--"):
                assert not found.get(object_id, {}).get("revoked"), "a version follows a revocation"
                found[object_id] = orjson.loads(body)
                assert found[object_id].get("created", version) <= (version or "")
        return found

    def standing(self):
        """The names of valid indicators; what was benign from the start has one that claims nothing."""
        valid = [each for each in self.newest().values() if not each.get("revoked")]
        return sorted(each["name"] for each in valid if each["indicator_types"] != ["benign"])

    def names(self):
        """Those of the CEF events that came."""
        return [each.body.decode().split("|")[4] for each in self.received]

    def relations(self):
        """What is indicated, for whom it is still valid."""
        found = [each for each in self.newest("relationship").values() if each["relationship_type"] == "indicates"]
        return [each for each in found if not each.get("revoked")]


class UnconfirmedReceiver(Receiver):
    """One that never says what arrived, as over TCP."""

    def unconfirmed(self):
        return len(self.received)

    def finish(self):
        pass


@pytest.fixture
def journal(tmp_path):
    with ExitStack() as stack:
        journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"), clock=lambda: START + 86_400)
        stack.callback(journal.close)
        for name in ("vt", "a", "b", "c"):
            stack.enter_context(journal.lease(name))
        yield journal


@pytest.fixture
def receiver():
    return Receiver()


def when(expression):
    return mapping.compile_condition(expression, "test.yaml: when")


def routes(receiver, make="stix21", **conditions):
    """Routes by name, each with its `when`, into one receiver."""
    made = bundled(make)
    return {
        name: Route(
            name,
            ("vt",),
            when(wants),
            made,
            receiver,
            "here",
            beside=tuple(each for each in conditions if each != name),
        )
        for name, wants in conditions.items()
    }


def store(journal, *bodies):
    journal.append("vt", Page([notification.read(body) for body in bodies], None))


def deliver(route, journal, *bodies):
    store(journal, *bodies)
    delivery, done = Delivery(route, journal), None
    while (batch := delivery.step()) is not None:
        done = batch if done is None else done + batch
    delivery.finish()
    return done


def test_what_one_route_stops_to_claim_stays_while_another_claims_it(journal, receiver):
    a, b = routes(receiver, a=WHEN_MALICIOUS, b="`true`").values()
    deliver(a, journal, match(1))
    deliver(b, journal)
    # Undetected is no benign: b still says it.
    done = deliver(a, journal, match(2, UNDETECTED))
    deliver(b, journal)
    assert receiver.standing() == ["bad.example"]
    assert len(receiver.relations()) == 1
    assert done.withdrawn == 0
    deliver(a, journal, match(3, BENIGN))
    assert receiver.standing() == ["bad.example"]
    assert deliver(b, journal).withdrawn == 1
    assert receiver.standing() == []
    assert receiver.relations() == []


@pytest.mark.parametrize("first", ["a", "b"])
def test_it_is_revoked_by_the_last_that_stops_whichever_it_is(journal, receiver, first):
    both = routes(receiver, a="`true`", b="`true`")
    order = [both[first], both["b" if first == "a" else "a"]]
    for route in order:
        deliver(route, journal, *([match(1)] if route is order[0] else []))
    withdrawn = [
        deliver(route, journal, *([match(2, BENIGN)] if route is order[0] else [])).withdrawn for route in order
    ]
    assert withdrawn == [0, 1]
    assert receiver.standing() == []
    assert len(receiver.newest()) == 1


def test_a_route_that_comes_behind_claims_under_an_id_that_is_not_revoked(journal, receiver):
    a, b = routes(receiver, a=WHEN_MALICIOUS, b="`true`").values()
    deliver(a, journal, match(1), match(2, UNDETECTED))
    assert receiver.standing() == []
    deliver(b, journal)
    assert receiver.standing() == ["bad.example"]
    deliver(b, journal, match(3, BENIGN))
    deliver(a, journal)
    assert receiver.standing() == []


def test_a_route_that_comes_behind_says_nothing_older_than_what_is_known(journal, receiver):
    a, b = routes(receiver, a="`true`", b="notification.hunting_info.rule_name == 'r'").values()
    deliver(a, journal, match(1, reputation=1), match(2, reputation=2, tags=["new"], rule="other"))
    (before,) = receiver.newest().values()
    deliver(b, journal)
    (after,) = receiver.newest().values()
    assert after == before
    # And b claims it nevertheless.
    deliver(a, journal, match(3, BENIGN, rule="r"))
    assert receiver.standing() == ["bad.example"]
    deliver(b, journal)
    assert receiver.standing() == []


def test_a_route_that_comes_behind_says_nothing_older_than_what_another_has_said_again(journal, receiver):
    a, b = routes(receiver, a="entity.reputation > `0`", b=WHEN_MALICIOUS).values()
    deliver(a, journal, match(1, reputation=2))
    deliver(b, journal, match(2, BENIGN, reputation=0), match(3, BENIGN, reputation=1), match(4, reputation=-1))
    deliver(a, journal)
    assert receiver.standing() == ["bad.example"]
    deliver(b, journal, match(5, BENIGN))
    deliver(a, journal)
    assert receiver.standing() == []


def test_a_version_that_both_make_is_one(journal, receiver):
    a, b = routes(receiver, a="`true`", b="notification.hunting_info.rule_name == 'b'").values()
    deliver(a, journal, match(1), match(2, rule="b", tags=["x"]), match(3))
    deliver(b, journal)
    deliver(b, journal, match(4, rule="b", tags=["y"]))
    deliver(a, journal)
    assert (
        len({each["created"] for each in map(orjson.loads, receiver.versions.values()) if each["type"] == "indicator"})
        == 1
    )


def test_events_are_taken_back_when_the_last_route_stops(journal, receiver):
    a, b = routes(receiver, "cef", a=WHEN_MALICIOUS, b="`true`").values()
    for route in (a, b):
        deliver(route, journal, *([match(1)] if route is a else []))
    for number, verdict, taken_back in ((2, UNDETECTED, 0), (3, BENIGN, 1)):
        for route in (a, b):
            deliver(route, journal, *([match(number, verdict)] if route is a else []))
        assert receiver.names().count("withdrawn:domain") == taken_back


def test_events_are_taken_back_while_what_each_route_has_sent_is_still_to_be_confirmed(journal):
    receiver = UnconfirmedReceiver()
    deliveries = [Delivery(route, journal) for route in routes(receiver, "cef", a=WHEN_MALICIOUS, b="`true`").values()]
    for number, verdict, taken_back in ((1, MALICIOUS, 0), (2, UNDETECTED, 0), (3, BENIGN, 1)):
        store(journal, match(number, verdict))
        for delivery in deliveries:
            assert delivery.step() is not None
            assert delivery.is_held
        assert receiver.names().count("withdrawn:domain") == taken_back


def test_a_route_that_is_not_configured_any_more_claims_nothing(journal, receiver):
    a, b = routes(receiver, a="`true`", b="`true`").values()
    deliver(a, journal, match(1))
    deliver(b, journal)
    alone = replace(a, beside=())
    assert deliver(alone, journal, match(2, BENIGN)).withdrawn == 1
    assert receiver.standing() == []


def test_what_a_crash_left_in_doubt_is_revoked_although_another_claims_it_since_under_another_id(
    journal, receiver, monkeypatch
):
    a, b = routes(receiver, a=WHEN_MALICIOUS, b="`true`").values()
    deliver(a, journal, match(1))
    store(journal, match(2, UNDETECTED))
    for lost in (True, False):
        receiver.outage = lambda lost=lost: lost
        with monkeypatch.context() as patch:
            patch.setattr(SqliteJournal, "advance", lambda *_: 1 / 0)
            with pytest.raises((ZeroDivisionError, Unavailable)):
                Delivery(a, journal).step()
        if lost:  # the revocation is written down, and did not arrive
            receiver.outage = lambda: False
            deliver(b, journal)
            assert len(receiver.standing()) == 2
    deliver(a, journal)
    assert receiver.standing() == ["bad.example"]
    deliver(b, journal, match(3, BENIGN))
    deliver(a, journal)
    assert receiver.standing() == []


@pytest.fixture
def another(journal, tmp_path):
    """The same journal, opened once more."""
    with closing(SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"), clock=lambda: START + 86_400)) as another:
        yield another


def test_a_route_that_has_nothing_to_do_takes_no_turn(journal, another, receiver):
    a, _ = routes(receiver, a="`true`", b="`true`").values()
    with another.turn("here"):
        assert Delivery(a, journal).step() is None


@pytest.mark.parametrize("outage", [False, True])
def test_a_turn_lasts_from_the_first_look_at_what_others_claim_to_the_end_of_the_step(
    journal, another, receiver, monkeypatch, outage
):
    a, _ = routes(receiver, a="`true`", b="`true`").values()
    delivery = Delivery(a, journal)
    store(journal, match(1))
    assert delivery.step().delivered == 1
    store(journal, match(2))
    found = {}

    def noting(name):
        call = getattr(journal, name)

        def noted(*args):
            with suppress(Unavailable), another.turn("here"):
                found[name] = "anybody may have the turn"
            found.setdefault(name, "it has the turn")
            return call(*args)

        return noted

    called = ["claims", "versions", "record", *([] if outage else ["advance"])]
    for name in called:
        monkeypatch.setattr(journal, name, noting(name))
    receiver.outage = lambda: outage
    with pytest.raises(Unavailable) if outage else nullcontext():
        delivery.step()
    assert found == dict.fromkeys(called, "it has the turn")
    with another.turn("here"):
        pass


def test_one_turn_is_for_all_that_a_step_deals_with(journal, receiver, monkeypatch):
    a, _ = routes(receiver, a="`true`", b="`true`").values()
    store(journal, match(1), match(2, domain="other.example"))
    receiver.refuse = lambda message: True
    taken = []
    monkeypatch.setattr(journal, "turn", lambda receiver: nullcontext(taken.append(receiver)))
    assert Delivery(replace(a, batch=1), journal).step().refused == 2
    assert taken == ["here"]


def test_what_waits_for_its_turn_is_delivered_when_the_other_has_ended(journal, another, receiver):
    a, _ = routes(receiver, a="`true`", b="`true`").values()
    store(journal, match(1))
    delivery = Delivery(a, journal)
    with another.turn("here"), pytest.raises(Unavailable, match="the receiver here is served by"):
        delivery.step()
    assert receiver.received == []
    assert delivery.step().delivered == 1


CONDITIONS = [
    "`true`",
    WHEN_MALICIOUS,
    "notification.hunting_info.rule_name == 'mine'",
    f"notification.hunting_info.rule_name == 'mine' && {WHEN_MALICIOUS}",
    "entity.reputation > `0`",
]


class Stop(Exception):
    """A crash."""


@pytest.mark.parametrize("seed", range(40))
def test_an_indicator_is_valid_as_long_as_any_route_claims_it_whatever_comes_between(tmp_path, receiver, seed):
    """Matches, judgements, crashes, outages and replays in any order; then all catch up."""
    chance = random.Random(seed)
    names = ("a", "b", "c")[: chance.choice((2, 2, 3))]
    pipes = routes(receiver, **{name: chance.choice(CONDITIONS) for name in names})
    pipes = {name: replace(pipe, batch=chance.choice((1, 2, 500))) for name, pipe in pipes.items()}
    number = 0
    with ExitStack() as stack:
        journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"), clock=lambda: START + 86_400)
        stack.callback(journal.close)
        for name in ("vt", *names):
            stack.enter_context(journal.lease(name))
        for _ in range(chance.randrange(10, 40)):
            what, route = chance.random(), pipes[chance.choice(names)]
            if what < 0.4:
                number += 1
                store(journal, random_match(chance, number))
            elif what < 0.9:
                happen(what, route, journal, receiver, chance)
            elif what < 0.95:
                rewind(route, journal, {"vt": chance.randrange(number + 1)})
        for _ in range(3):
            for name in chance.sample(names, len(names)):
                deliver(pipes[name], journal)
        claimed = claims_of(journal, pipes)
    assert receiver.standing() == sorted(claimed)
    for each in receiver.relations():
        assert not receiver.newest()[each["source_ref"]].get("revoked")


DOMAINS = ["one.example", "two.example"]


def random_match(chance, number):
    verdict = chance.choice((MALICIOUS, MALICIOUS, BENIGN, UNDETECTED))
    more = {"reputation": chance.choice((-1, 0, 1, 2)), "tags": [f"t{chance.randrange(3)}"]}
    return match(number, verdict, chance.choice(DOMAINS), rule=chance.choice(("mine", "yours")), **more)


def happen(what, route, journal, receiver, chance):
    if what < 0.75:
        Delivery(route, journal).step()
    elif what < 0.85:
        crash(route, journal, receiver, chance)
    else:
        kind = chance.choice(("false_positive", "none", "true_positive"))
        journal.judge(Judgement(Judged("observable", chance.choice(DOMAINS)), kind, "ana"))


def crash(route, journal, receiver, chance):
    """A step that ends before something is written down, or while objects are sent."""
    left = chance.randrange(4)

    def outage():
        nonlocal left
        left -= 1
        return left < 0

    receiver.outage = outage
    where = chance.choice(("advance", "record", None))
    with pytest.MonkeyPatch.context() as patch:
        if where:
            receiver.outage = lambda: False
            patch.setattr(SqliteJournal, where, lambda *_, **__: stop())
        with suppress(Stop, Unavailable):
            Delivery(route, journal).step()
    receiver.outage = lambda: False


def stop():
    raise Stop


def claims_of(journal, pipes):
    """What should stand, told from the notifications and judgements alone: what any route would claim now."""
    claimed = set()
    for route in pipes.values():
        # What the route says entry by entry, without any receiver, ledger or crash: the last word on each domain.
        standing = {}
        for entry in journal.history({"vt": 0}, 1000):
            body = entry.notification.body
            verdict = body["attributes"]["gti_assessment"]["verdict"]["value"]
            view = notification.view(entry.notification, entry.context, {"name": "vt", "labels": {}}, entry.judgement)
            if entry.judgement is not None and entry.judgement.withholds:
                standing.pop(body["id"], None)  # judged is the domain, with all that is said of it
                continue
            if route.wants(view):
                if verdict == BENIGN:
                    standing.pop(body["id"], None)
                else:
                    standing[body["id"]] = view
            elif body["id"] in standing:
                now = {**standing[body["id"]], "entity": view["entity"]}
                if verdict == BENIGN or not route.wants(now):
                    standing.pop(body["id"])
        claimed |= standing.keys()
    return claimed
