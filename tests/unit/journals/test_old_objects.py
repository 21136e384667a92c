"""What a route sent long ago is forgotten, and nothing that is still needed."""

import uuid
from contextlib import closing

import orjson
import pytest

from connector.journals.sql import old_objects
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Notification, Page, Selection, StixObject, Version
from connector.values.timestamps import timestamp

DAY = 86_400
START = 20_000
ALL = Selection(every=True)


class Clock:
    day = START

    def __call__(self):
        return float(self.day * DAY)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(tmp_path, clock):
    settings = SqliteSettings(path=tmp_path / "journal.db", retention_days=30, ledger_days=400)
    with closing(SqliteJournal(settings, clock=clock)) as journal:
        yield journal


def stored_on(journal, clock, day):
    """Have a notification stored on a day after the start; its seq."""
    clock.day = START + day
    with journal.lease("vt"):
        journal.append("vt", Page([Notification(str(day), int(clock.day * DAY), {})], None))
    return journal.latest(["vt"], 1)[0].seq


def version(name, seq, day=0, last_seq=0):
    at = timestamp((START + day) * DAY)
    return Version(name, seq, b"d" * 16, timestamp(START * DAY), at, sent=True, last_seq=last_seq)


def record(journal, *versions):
    with journal.lease("out"):
        journal.record("out", versions, "here")


def forget_old(journal, **collection):
    with journal.lease("out"):
        return journal.forget_old("out", "here", **collection)


def known(journal, *names):
    found = journal.versions("out", names, "here")
    return {name: [each.seq for each in versions] for name, versions in found.items()}


def test_a_superseded_version_is_forgotten_when_its_entries_are_past_the_retention(journal, clock):
    first, second, third = (stored_on(journal, clock, day) for day in (0, 1, 20))
    record(journal, version("a", first), version("a", second, 1), version("a", third, 20), version("b", first))
    record(journal, version("c", first, last_seq=third), version("c", third, 20))
    stored_on(journal, clock, 30)
    assert forget_old(journal) == 0
    stored_on(journal, clock, 31)
    assert forget_old(journal) == 1
    assert known(journal, "a", "b", "c") == {"a": [second, third], "b": [first], "c": [first, third]}
    stored_on(journal, clock, 60)
    forget_old(journal)
    assert known(journal, "a", "b", "c") == {"a": [third], "b": [first], "c": [third]}


def test_an_object_that_was_not_said_for_long_is_forgotten(journal, clock):
    first, second = stored_on(journal, clock, 0), stored_on(journal, clock, 50)
    record(journal, version("a", first), version("b", first, last_seq=second), version("c", second, 50))
    stored_on(journal, clock, 400)
    assert forget_old(journal) == 0
    stored_on(journal, clock, 401)
    assert forget_old(journal) == 1
    assert known(journal, "a", "b", "c") == {"b": [first], "c": [second]}


def test_a_clock_that_runs_ahead_forgets_nothing(journal, clock):
    record(journal, version("a", stored_on(journal, clock, 0)))
    clock.day += 1000
    assert forget_old(journal) == 0
    assert known(journal, "a") == {"a": [1]}


def test_a_date_far_ahead_forgets_nothing(journal, clock):
    record(journal, version("a", stored_on(journal, clock, 0)))
    with journal.lease("vt"):
        journal.append("vt", Page([Notification("odd", 2**40, {})], None))
    assert forget_old(journal) == 0
    assert known(journal, "a") == {"a": [1]}


def test_it_is_done_once_a_day_and_under_the_lease(journal, clock):
    first = stored_on(journal, clock, 0)
    stored_on(journal, clock, 401)
    assert forget_old(journal) == 0  # nothing was sent there yet
    record(journal, version("a", first))
    assert forget_old(journal) == 1
    record(journal, version("a", first))
    stored_on(journal, clock, 401.9)
    assert forget_old(journal) == 0
    stored_on(journal, clock, 402)
    with pytest.raises(RuntimeError, match="without its lease"):
        journal.forget_old("out", "here")
    assert forget_old(journal) == 1


def test_of_a_journal_without_notifications_nothing_is_old(journal):
    record(journal, version("a", 1))
    assert forget_old(journal) == 0
    assert known(journal, "a") == {"a": [1]}


@pytest.mark.parametrize("rows", [2, 3, 4, 100])
def test_however_many_rows_are_read_at_once_the_same_is_forgotten(journal, clock, monkeypatch, rows):
    monkeypatch.setattr(old_objects, "LOOKED_AT", rows)
    first = stored_on(journal, clock, 0)
    record(journal, *(version(name, first, day) for name in "abcde" for day in range(3)))
    stored_on(journal, clock, 100)
    assert forget_old(journal) == 10
    assert {name: len(seqs) for name, seqs in known(journal, *"abcde").items()} == dict.fromkeys("abcde", 1)


def test_an_id_that_the_disk_has_changed_is_passed_once(journal, clock, monkeypatch):
    monkeypatch.setattr(old_objects, "LOOKED_AT", 2)
    first = stored_on(journal, clock, 0)
    names = [identifier("indicator", number) for number in range(4)]
    record(journal, *(version(name, first, day) for name in names for day in range(2)))
    with journal._database.write() as db:
        for (packed,) in db.execute("SELECT DISTINCT object_id FROM versions").fetchall():
            garbled = packed.replace(b"indicator", b"indIcator")
            db.execute("UPDATE versions SET object_id = ? WHERE object_id = ?", (garbled, packed))
    stored_on(journal, clock, 100)
    assert forget_old(journal) == 0
    assert forget_old(journal) == 0


# Collections


def identifier(kind, number):
    return f"{kind}--{uuid.UUID(int=number)}"


def stix(kind, number, day=0, **properties):
    modified = timestamp((START + day) * DAY)
    document = {"type": kind, "id": identifier(kind, number), "modified": modified, **properties}
    return StixObject(document["id"], kind, modified, orjson.dumps(document))


def collect(journal, clock, day, *objects):
    clock.day = START + day
    journal.collections.store("iocs", objects)
    seq = stored_on(journal, clock, day)
    record(journal, *(Version(each.id, seq, b"", each.version, each.version, sent=True) for each in objects))


def held(journal, selection=ALL):
    return {each.id for each in journal.collections.objects("iocs", selection, 1000, 10**6)[0]}


def test_without_keep_days_a_collection_keeps_everything_and_so_does_its_ledger(journal, clock):
    collect(journal, clock, 0, stix("indicator", 1))
    stored_on(journal, clock, 5000)
    assert forget_old(journal, collection="iocs") == 0
    assert held(journal) == {identifier("indicator", 1)}
    assert known(journal, identifier("indicator", 1))


def test_what_is_old_and_not_valid_any_more_is_forgotten_and_unknown_to_the_ledger(journal, clock):
    until = {day: timestamp((START + day) * DAY) for day in (50, 200)}
    collect(
        journal,
        clock,
        0,
        stix("indicator", 1, valid_until=until[50]),
        stix("indicator", 2, valid_until=until[200]),
        stix("indicator", 3, valid_until="soon"),
        stix("sighting", 4, sighting_of_ref=identifier("indicator", 1)),
    )
    collect(journal, clock, 80, stix("indicator", 5, 80))
    stored_on(journal, clock, 100)
    assert forget_old(journal, collection="iocs", keep_days=101) == 0
    stored_on(journal, clock, 101)
    assert forget_old(journal, collection="iocs", keep_days=100) == 3
    assert held(journal) == {identifier("indicator", 2), identifier("indicator", 5)}
    gone = [identifier("indicator", 1), identifier("sighting", 4)]
    assert known(journal, *gone, identifier("indicator", 2)) == {identifier("indicator", 2): [1]}
    stored_on(journal, clock, 201)
    assert forget_old(journal, collection="iocs", keep_days=100) == 2


def test_what_is_revoked_is_not_valid_any_more_and_the_ledger_keeps_that_it_was(journal, clock):
    until = timestamp((START + 500) * DAY)
    lasting, over = stix("indicator", 1, valid_until=until), stix("indicator", 2, valid_until=until)
    ended = stix("indicator", 2, 1, valid_until=until, revoked=True)
    collect(journal, clock, 0, lasting, over)
    collect(journal, clock, 1, ended)
    record(journal, Version(over.id, 3, b"r", over.version, timestamp((START + 2) * DAY), sent=True, revoked=True))
    stored_on(journal, clock, 150)
    forget_old(journal, collection="iocs", keep_days=100)
    assert held(journal) == {lasting.id}
    (kept,) = journal.versions("out", [over.id], "here")[over.id]
    assert kept.revoked


def test_what_something_that_stays_refers_to_stays_and_so_on(journal, clock):
    identity, marking = stix("identity", 1), stix("marking-definition", 2)
    malware = stix("malware", 3, created_by_ref=identity.id)
    related = stix("relationship", 4, source_ref=identifier("indicator", 7), target_ref=malware.id)
    lonely = stix("tool", 5, created_by_ref=identity.id, object_marking_refs=[identifier("tool", 5)])
    collect(journal, clock, 0, identity, marking, malware, related, lonely)
    young = stix("sighting", 6, 150, where_sighted_refs=[related.id], object_marking_refs=[marking.id])
    collect(journal, clock, 150, young)
    stored_on(journal, clock, 200)
    assert forget_old(journal, collection="iocs", keep_days=100) == 1
    assert held(journal) == {identity.id, marking.id, malware.id, related.id, young.id}


def test_what_refers_to_each_other_goes_together_and_stays_when_one_thing_that_stays_names_it(journal, clock):
    pairs = [
        stix("report", number, object_refs=[identifier("report", other)])
        for number, other in ((1, 2), (2, 1), (3, 4), (4, 3))
    ]
    collect(journal, clock, 0, *pairs)
    young = [stix("note", number, 150, object_refs=[pairs[0].id, pairs[1].id]) for number in (5, 6)]
    collect(journal, clock, 150, *young)
    stored_on(journal, clock, 200)
    assert forget_old(journal, collection="iocs", keep_days=100) == 2
    assert held(journal) == {pairs[0].id, pairs[1].id, *(each.id for each in young)}


def test_a_version_that_is_young_and_one_that_is_superseded_keep_what_they_name(journal, clock):
    named = [stix("malware", number) for number in (1, 2, 3)]
    collect(journal, clock, 0, *named)
    for day, each in ((120, named[0]), (150, named[1])):
        collect(journal, clock, day, stix("note", 4, day, object_refs=[each.id]))
    stored_on(journal, clock, 200)
    assert forget_old(journal, collection="iocs", keep_days=100) == 1 + 1
    assert held(journal) == {named[0].id, named[1].id, identifier("note", 4)}


def test_superseded_versions_are_forgotten_and_the_next_one_is_the_first(journal, clock):
    for day in (0, 10, 60, 90):
        collect(journal, clock, day, stix("indicator", 1, day, valid_until=timestamp((START + 500) * DAY)))
    stored_on(journal, clock, 120)
    forget_old(journal, collection="iocs", keep_days=100)
    first = Selection(last=False, first=True)
    versions = journal.collections.objects("iocs", ALL, 9, 9999)[0]
    assert [each.version for each in versions] == [timestamp((START + day) * DAY) for day in (60, 90)]
    (oldest,) = journal.collections.objects("iocs", first, 9, 9999)[0]
    assert oldest.version == timestamp((START + 60) * DAY)
    stored_on(journal, clock, 300)
    forget_old(journal, collection="iocs", keep_days=100)
    assert journal.collections.objects("iocs", first, 9, 9999) == journal.collections.objects("iocs", ALL, 9, 9999)
    assert [each.version for each in journal.collections.objects("iocs", ALL, 9, 9999)[0]] == [
        timestamp((START + 90) * DAY)
    ]


def test_a_collection_of_which_something_is_forgotten_is_in_another_state(journal, clock):
    for day in (0, 10):
        collect(journal, clock, day, stix("indicator", 1, day))
    collect(journal, clock, 150, stix("indicator", 2, 150))
    states = [journal.collections.state("iocs")]
    for day in (105, 200, 201):
        stored_on(journal, clock, day)
        forget_old(journal, collection="iocs", keep_days=100)
        states.append(journal.collections.state("iocs"))
    assert states[0] != states[1] != states[2] == states[3]


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_a_large_collection_is_looked_through_in_parts_and_a_part_a_day_is_forgotten(journal, clock, monkeypatch, rows):
    monkeypatch.setattr(old_objects, "LOOKED_AT", rows + 1)
    monkeypatch.setattr(old_objects, "FORGOTTEN_AT_ONCE", 6)
    collect(journal, clock, 0, *(stix("indicator", number) for number in range(10)))
    collect(journal, clock, 10, *(stix("indicator", number, 10) for number in range(10)))
    stored_on(journal, clock, 200)
    assert forget_old(journal, collection="iocs", keep_days=100) == 6 + 10
    left = journal.collections.objects("iocs", ALL, 1000, 10**6)[0]
    assert len(left) == len(held(journal)) == 4
    stored_on(journal, clock, 201)
    assert forget_old(journal, collection="iocs", keep_days=100) == 4
    assert held(journal) == set()


def test_another_collection_is_left_alone(journal, clock):
    journal.collections.store("others", [stix("indicator", 1)])
    collect(journal, clock, 0, stix("indicator", 1))
    stored_on(journal, clock, 200)
    assert forget_old(journal, collection="iocs", keep_days=100) == 1
    assert len(journal.collections.objects("others", ALL, 9, 999)[0]) == 1
