"""Object versions, through any number of batches, crashes, refusals, replays and mended mappings."""

import hashlib
from collections.abc import Mapping, Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from connector.model import Document, Identity, Provisional, Refused, Version
from connector.pipeline.versions import Ledger
from connector.values.news import meaning
from connector.values.timestamps import timestamp

OBJECT = Identity("indicator--1", versioned=True, dependency_level=1)
DAY = 86_400
PLAIN = Identity("ipv4-addr--1", versioned=False, dependency_level=0)


def known(*versions: Version) -> Mapping[str, Sequence[Version]]:
    found: dict[str, list[Version]] = {}
    for version in sorted(versions, key=lambda version: (version.seq, version.modified)):
        found.setdefault(version.object_id, []).append(version)
    return found


def test_the_first_version_is_created_and_modified_when_its_notification_was_raised():
    stamped = Ledger({}).stamp({"a": 1}, OBJECT, 1, 1_760_000_000)
    assert stamped == {"a": 1, "created": "2025-10-09T08:53:20.000Z", "modified": "2025-10-09T08:53:20.000Z"}


def test_new_content_moves_modified_and_leaves_created():
    ledger = Ledger({})
    first = ledger.stamp({"a": 1}, OBJECT, 1, 100)
    second = ledger.stamp({"a": 2}, OBJECT, 2, 200)
    assert second["created"] == first["created"] == timestamp(100)
    assert second["modified"] == timestamp(200)


def test_modified_grows_even_when_the_date_does_not():
    ledger = Ledger({})
    stamped = [ledger.stamp({"a": n}, OBJECT, n, 100 - n) for n in range(1, 4)]
    assert [each["modified"][17:] for each in stamped] == ["39.000Z", "39.001Z", "39.002Z"]


def test_the_same_content_is_not_sent_again_whatever_the_order_of_its_keys():
    ledger = Ledger({})
    assert ledger.stamp({"a": 1, "b": 2}, OBJECT, 1, 100) is not None
    assert ledger.stamp({"b": 2, "a": 1}, OBJECT, 2, 200) is None


def test_a_version_that_was_not_accepted_is_sent_again_unchanged():
    first = Ledger({})
    stamped = first.stamp({"a": 1}, OBJECT, 1, 100)
    again = Ledger(known(*first.recorded))
    assert again.stamp({"a": 1}, OBJECT, 2, 200) == stamped
    assert again.recorded == []
    assert again.stamped == [first.recorded[0]._replace(sent=True, last_seq=2)]
    assert again.stamp({"a": 1}, OBJECT, 3, 300) is None


def test_an_object_without_versions_is_sent_once_whatever_its_content():
    first = Ledger({})
    assert first.stamp({"value": "a"}, PLAIN, 1, 100) == {"value": "a"}
    assert first.stamp({"value": "b"}, PLAIN, 2, 200) is None
    assert Ledger(known(*first.stamped)).stamp({"value": "c"}, PLAIN, 3, 300) is None
    assert Ledger(known(*first.recorded)).stamp({"value": "d"}, PLAIN, 3, 300) == {"value": "d"}
    assert first.recorded == [Version(PLAIN.id, 1, b"", "", "", sent=False)]


def test_a_provisional_document_is_sent_to_who_knows_nothing_of_the_object():
    ledger = Ledger({})
    first = ledger.stamp(Provisional({"a": 1}), OBJECT, 1, 100)
    assert first == {"a": 1, "created": timestamp(100), "modified": timestamp(100)}
    assert ledger.stamp(Provisional({"a": 2}), OBJECT, 2, 200) is None
    assert ledger.stamp({"a": 3}, OBJECT, 3, 300)["modified"] == timestamp(300)
    assert ledger.stamp(Provisional({"a": 1}), OBJECT, 4, 400) is None


def test_a_provisional_document_that_was_not_accepted_is_sent_again_unchanged():
    first = Ledger({})
    stamped = first.stamp(Provisional({"a": 1}), OBJECT, 1, 100)
    fuller = first.stamp({"a": 2}, OBJECT, 2, 200)
    again = Ledger(known(*first.recorded))
    assert again.stamp(Provisional({"a": 1}), OBJECT, 1, 100) == stamped
    assert again.stamp({"a": 2}, OBJECT, 2, 200) == fuller
    assert again.recorded == []


def test_a_provisional_document_says_nothing_of_how_long_a_fuller_one_was_true():
    ledger = Ledger({})
    ledger.stamp({"a": 1}, OBJECT, 1, 100)
    ledger.stamp(Provisional({}), OBJECT, 9, 900)
    assert ledger.unchanged == []


def test_undoing_forgets_what_was_stamped_since_the_mark():
    ledger = Ledger({})
    first = ledger.stamp({"a": 1}, OBJECT, 1, 100)
    mark = ledger.mark()
    second = ledger.stamp({"a": 2}, OBJECT, 2, 200)
    ledger.stamp({}, PLAIN, 2, 200)
    ledger.undo(mark)

    assert [version.modified for version in ledger.recorded] == [first["modified"]]
    assert len(ledger.stamped) == 1
    assert ledger.stamp({"a": 1}, OBJECT, 3, 300) is None
    assert ledger.stamp({"a": 2}, OBJECT, 4, 200) == second
    assert ledger.stamp({}, PLAIN, 4, 200) == {}


def test_undoing_forgets_that_an_earlier_version_was_sent_again():
    first = Ledger({})
    stamped = first.stamp({"a": 1}, OBJECT, 1, 100)
    first.stamp({}, PLAIN, 1, 100)
    ledger = Ledger(known(*first.recorded))
    mark = ledger.mark()
    assert ledger.stamp({"a": 1}, OBJECT, 2, 200) == stamped
    assert ledger.stamp({}, PLAIN, 2, 200) == {}
    ledger.undo(mark)
    assert ledger.stamped == []
    assert ledger.stamp({"a": 1}, OBJECT, 3, 300) == stamped
    assert ledger.stamp({}, PLAIN, 3, 300) == {}


def test_a_replay_with_a_mended_mapping_ends_with_the_last_content():
    first = Ledger({})
    first.stamp({"a": 1}, OBJECT, 1, 100)
    first.stamp({"a": 2}, OBJECT, 2, 200)

    replay = Ledger(known(*first.stamped))
    mended = replay.stamp({"a": "mended"}, OBJECT, 1, 100)
    last = replay.stamp({"a": 2}, OBJECT, 2, 200)

    assert last["a"] == 2
    assert last["modified"] > mended["modified"]
    assert Ledger(known(*first.stamped, *replay.stamped)).stamp({"a": 2}, OBJECT, 2, 200) is None


def test_a_replay_with_a_mended_mapping_says_nothing_twice():
    first = Ledger({})
    first.stamp({"a": 1}, OBJECT, 1, 100)
    first.stamp({"a": 2}, OBJECT, 2, 200)

    replay = Ledger(known(*first.stamped))
    assert replay.stamp({"a": "mended"}, OBJECT, 1, 100) is not None
    assert replay.stamp({"a": "mended"}, OBJECT, 2, 200) is None


def test_an_entry_before_all_versions_says_the_same_as_the_first_with_its_content_or_starts_the_newest():
    first = Ledger({})
    first.stamp({"a": 1}, OBJECT, 5, 500)
    last = first.stamp({"a": 2}, OBJECT, 6, 600)

    replay = Ledger(known(*first.stamped))
    assert replay.stamp({"a": 1}, OBJECT, 2, 200) is None
    assert replay.stamp({"a": 2}, OBJECT, 2, 200) is None
    assert replay.recorded == replay.stamped == replay.unchanged == []
    assert replay.stamp({"a": "mended"}, OBJECT, 2, 200)["modified"] > last["modified"]


@pytest.mark.parametrize("value", [2**70, float])
def test_what_json_cannot_say_is_a_refusal(value):
    with pytest.raises(Refused, match="the indicator cannot be written as JSON") as refusal:
        Ledger({}).stamp({"type": "indicator", "a": value}, OBJECT, 1, 100)
    assert refusal.value.by == "format"


def test_the_end_of_the_calendar_is_a_refusal():
    at_the_end = Version(OBJECT.id, 1, b"", timestamp(1), "9999-12-31T23:59:59.999Z", sent=True)
    with pytest.raises(
        Refused, match=r"^an earlier version of the object is dated at the end of the year 9999$"
    ) as refusal:
        Ledger(known(at_the_end)).stamp({"a": 1}, OBJECT, 2, 200)
    assert refusal.value.by == "format"


@given(st.integers(0, 253_402_300_799))
def test_a_timestamp_has_three_digits_and_sorts_as_text(seconds):
    text = timestamp(seconds)
    assert len(text) == len("2025-10-09T08:53:20.000Z")
    assert text.endswith(".000Z")
    assert text >= timestamp(max(0, seconds - 1))


def test_out_of_turn_an_older_entry_starts_no_version_but_one_that_was_not_accepted_is_sent():
    first = Ledger({})
    refused = first.stamp({"a": 1}, OBJECT, 1, 100)
    later = first.stamp({"a": 2}, OBJECT, 3, 300)
    versions = known(first.recorded[0], first.stamped[1])
    told_until = {OBJECT.id: 3}

    assert Ledger(versions, told_until).stamp({"a": "mended"}, OBJECT, 2, 200) is None
    assert Ledger(versions, told_until).stamp({"a": 1}, OBJECT, 1, 100) == refused
    for seq in (3, 4):
        newer = Ledger(versions, told_until).stamp({"a": "mended"}, OBJECT, seq, 400)
        assert newer["modified"] > later["modified"]


def test_what_is_said_again_is_known_with_the_entry_that_says_it():
    ledger = Ledger({})
    ledger.stamp({"a": 1}, OBJECT, 1, 100)
    mark = ledger.mark()
    ledger.stamp({"a": 1}, OBJECT, 2, 200)
    assert [(version.seq, version.last_seq) for version in ledger.unchanged] == [(1, 2)]
    ledger.undo(mark)
    assert ledger.unchanged == []


def until(days, content=1):
    return {"a": content, "valid_until": timestamp(days * DAY)}


def test_what_holds_a_little_longer_is_not_sent_again_and_what_holds_for_long_is():
    ledger = Ledger({})
    assert ledger.stamp(until(100), OBJECT, 1, 0)["valid_until"] == timestamp(100 * DAY)
    assert ledger.stamp(until(120), OBJECT, 2, 20 * DAY) is None  # 20 of 100 days
    assert [(version.seq, version.last_seq) for version in ledger.unchanged] == [(1, 2)]
    assert ledger.stamp(until(121), OBJECT, 3, 21 * DAY) == until(121) | {
        "created": timestamp(0),
        "modified": timestamp(21 * DAY),
    }


@pytest.mark.parametrize(
    ("refresh", "days", "is_sent"), [(0, 1, True), (0, 0, False), (1, 99, False), (0.5, 101, True)]
)
def test_how_much_longer_is_longer_can_be_chosen(refresh, days, is_sent):
    ledger = Ledger({}, refresh=refresh)
    ledger.stamp(until(100), OBJECT, 1, 0)
    assert (ledger.stamp(until(100 + days), OBJECT, 2, days * DAY) is not None) is is_sent


def test_what_ends_earlier_is_sent_again_only_with_other_content():
    ledger = Ledger({})
    ledger.stamp(until(100), OBJECT, 1, 0)
    assert ledger.stamp(until(50), OBJECT, 2, DAY) is None
    assert ledger.stamp(until(50, content=2), OBJECT, 3, DAY)["valid_until"] == timestamp(50 * DAY)


def test_to_have_no_end_any_more_or_to_have_one_now_is_news():
    ledger = Ledger({})
    ledger.stamp(until(100), OBJECT, 1, 0)
    assert ledger.stamp({"a": 1}, OBJECT, 2, DAY) is not None
    assert ledger.stamp(until(100), OBJECT, 3, DAY) is not None


def test_a_version_that_was_not_accepted_is_sent_again_with_the_end_that_it_had():
    first = Ledger({})
    stamped = first.stamp(until(100), OBJECT, 1, 0)
    assert Ledger(known(*first.recorded)).stamp(until(101), OBJECT, 2, DAY) == stamped


def test_what_was_recorded_with_its_end_in_the_digest_is_still_the_same():
    document = until(100)
    former = hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest()[:16]
    version = Version(OBJECT.id, 1, former, timestamp(0), timestamp(0), sent=True)
    ledger = Ledger(known(version))
    assert ledger.stamp(document, OBJECT, 1, 0) is None
    assert Ledger(known(version._replace(sent=False))).stamp(document, OBJECT, 1, 0) == {
        **document,
        "created": timestamp(0),
        "modified": timestamp(0),
    }
    assert ledger.stamp(until(101), OBJECT, 2, DAY)["modified"] == timestamp(DAY)
    assert ledger.stamp(until(102), OBJECT, 3, 2 * DAY) is None


MEANING = meaning("the same")


def test_what_means_the_same_is_no_new_version_unless_it_has_an_end_now_or_none():
    ledger = Ledger({})
    ledger.stamp(until(100), OBJECT, 1, 0, meaning=MEANING)
    assert ledger.stamp(until(101, content=2), OBJECT, 2, DAY, meaning=MEANING) is None
    assert ledger.stamp({"a": 3}, OBJECT, 3, DAY, meaning=MEANING) is not None
    assert ledger.stamp(until(100, content=4), OBJECT, 4, DAY, meaning=MEANING) is not None
    assert ledger.stamp(until(100, content=5), OBJECT, 5, DAY, meaning=meaning("something else")) is not None


def test_what_was_recorded_without_its_meaning_is_the_same_word_for_word_alone():
    first = Ledger({})
    first.stamp(until(100), OBJECT, 1, 0)
    ledger = Ledger(known(*first.stamped))
    assert ledger.stamp(until(100), OBJECT, 2, DAY, meaning=MEANING) is None
    assert ledger.stamp(until(100, content=2), OBJECT, 3, DAY, meaning=MEANING) is not None
    assert ledger.stamp(until(100, content=3), OBJECT, 4, DAY, meaning=MEANING) is None
    assert ledger.stamp(until(100, content=3), OBJECT, 5, DAY) is not None


def test_what_means_the_same_in_other_words_follows_what_was_not_accepted_and_comes_before_what_is_later():
    first = Ledger({})
    first.stamp(until(100), OBJECT, 1, 0, meaning=MEANING)
    first.stamp(until(100, content=2), OBJECT, 3, 1, meaning=meaning("something else"))
    again = Ledger(known(*first.recorded))
    stamped = again.stamp(until(90, content=3), OBJECT, 2, DAY, meaning=MEANING)
    assert stamped == {**until(100, content=3), "created": timestamp(0), "modified": "1970-01-01T00:00:00.001Z"}
    assert Ledger(known(*first.recorded, *again.recorded)).stamp(until(80, content=3), OBJECT, 2, 5) == stamped


def test_where_there_is_no_time_between_two_versions_what_means_the_same_as_the_first_is_not_sent():
    first = Ledger({})
    first.stamp({"a": 1}, OBJECT, 1, 0, meaning=MEANING)
    first.stamp({"a": 2}, OBJECT, 3, 0, meaning=meaning("something else"))
    assert Ledger(known(*first.recorded)).stamp({"a": 3}, OBJECT, 2, 0, meaning=MEANING) is None


def test_an_end_that_is_no_time_is_news_whenever_it_is_another():
    ledger = Ledger({})
    ledger.stamp({"valid_until": "soon"}, OBJECT, 1, 0)
    assert ledger.stamp({"valid_until": "soon"}, OBJECT, 2, 1) is None
    assert ledger.stamp({"valid_until": "later"}, OBJECT, 3, 2) is not None


REVOKED = {"a": 1, "revoked": True}


def test_a_revocation_is_the_last_version_and_is_sent_once():
    ledger = Ledger({})
    ledger.stamp({"a": 1}, OBJECT, 1, 100)
    assert ledger.stamp(REVOKED, OBJECT, 2, 100) == REVOKED | {
        "created": timestamp(100),
        "modified": "1970-01-01T00:01:40.001Z",
    }
    assert ledger.recorded[-1].revoked
    assert ledger.stamp(REVOKED, OBJECT, 3, 200) is None
    assert ledger.stamp(REVOKED | {"a": 2}, OBJECT, 3, 200) is None
    assert ledger.stamp({"a": 2}, OBJECT, 4, 300) is None
    assert len(ledger.recorded) == 2


def test_what_the_receiver_does_not_have_is_not_revoked():
    assert Ledger({}).stamp(REVOKED, OBJECT, 1, 100) is None
    first = Ledger({})
    first.stamp({"a": 1}, OBJECT, 5, 100)
    assert Ledger(known(*first.recorded)).stamp(REVOKED, OBJECT, 6, 200) is None  # refused, so far
    assert Ledger(known(*first.stamped)).stamp(REVOKED, OBJECT, 4, 50) is None  # said by a later entry


def test_a_revocation_is_given_out_again_as_it_was_while_the_receiver_has_not_accepted_it():
    first = Ledger({})
    first.stamp({"a": 1}, OBJECT, 1, 100)
    revoked = first.stamp(REVOKED, OBJECT, 2, 200)
    versions = known(first.stamped[0], first.recorded[1])
    assert Ledger(versions).stamp(REVOKED, OBJECT, 2, 200) == revoked
    assert Ledger(versions).stamp(REVOKED, OBJECT, 3, 300) == revoked
    # A replay that begins with the entry that revoked it, when nothing counts as sent any more.
    assert Ledger(known(*first.recorded)).stamp(REVOKED, OBJECT, 2, 200) == revoked
    assert Ledger(known(*first.recorded)).stamp(REVOKED, OBJECT, 3, 300) is None


def test_before_a_revocation_a_mended_mapping_may_say_something_else_dated_before_it():
    first = Ledger({})
    first.stamp({"a": 1}, OBJECT, 1, 100)
    first.stamp(REVOKED, OBJECT, 3, 300)
    replay = Ledger(known(*first.stamped))
    assert replay.stamp({"a": 2}, OBJECT, 1, 100)["modified"] == "1970-01-01T00:01:40.001Z"
    assert replay.stamp({"a": 3}, OBJECT, 2, 500)["modified"] == "1970-01-01T00:01:40.002Z"
    close = Ledger({})
    close.stamp({"a": 1}, OBJECT, 1, 100)
    close.stamp(REVOKED, OBJECT, 3, 100)
    assert Ledger(known(*close.stamped)).stamp({"a": 2}, OBJECT, 1, 100) is None


def test_out_of_turn_nothing_is_revoked_of_which_a_later_entry_has_said_more():
    first = Ledger({})
    first.stamp({"a": 1}, OBJECT, 1, 100)
    assert Ledger(known(*first.stamped), {OBJECT.id: 5}).stamp(REVOKED, OBJECT, 4, 400) is None


VALID_SECONDS = 10


class LedgerMachine(RuleBasedStateMachine):
    """A route over one object's entries: what its receiver gets keeps every promise of STIX 2.1 section 3.6."""

    @initialize(
        entries=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=8),
        mapping=st.tuples(*[st.integers(0, 3)] * 3),
        may_refuse=st.booleans(),
    )
    def start(self, entries: list[tuple[int, int]], mapping: tuple[int, ...], may_refuse: bool) -> None:
        self.may_refuse = may_refuse
        self.entries = entries  # (what the notification says, its date), by seq - 1
        self.mapping = mapping  # what becomes of what it says
        self.position = 0
        self.journal: dict[str, Version] = {}  # by modified
        self.sent: dict[str, bytes] = {}  # by modified
        self.received: dict[str, Document] = {}  # by modified
        self.is_settled = True  # nothing was refused
        self.is_all_sent = True  # what is settled is not marked to be sent again

    def stamp(self, limit: int) -> tuple[Ledger, list[Document]]:
        ledger = Ledger(known(*self.journal.values()))
        documents = []
        for seq in range(self.position + 1, min(self.position + limit, len(self.entries)) + 1):
            said, date = self.entries[seq - 1]
            document = {"content": self.mapping[said], "valid_until": timestamp(date + VALID_SECONDS)}
            stamped = ledger.stamp(document, OBJECT, seq, date)
            if stamped is not None:
                documents.append(stamped)
        for document in documents:
            body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
            assert self.sent.setdefault(document["modified"], body) == body, "two contents for one version"
        return ledger, documents

    def record(self, ledger: Ledger) -> None:
        newest = max(self.journal, default="")
        for version in ledger.recorded:
            assert version.modified > newest, "modified does not grow"
            newest = version.modified
            self.journal[version.modified] = version

    @rule(limit=st.integers(1, 4), refuse=st.booleans())
    def deliver(self, limit: int, refuse: bool) -> None:
        ledger, documents = self.stamp(limit)
        self.record(ledger)
        refused = documents[0]["modified"] if refuse and self.may_refuse and documents else None
        for document in documents:
            if document["modified"] != refused:
                assert document["modified"] not in self.received or document == self.received[document["modified"]]
                self.received[document["modified"]] = document
        for version in (*ledger.stamped, *ledger.unchanged):
            if version.modified != refused:
                last = max(version.last_seq, self.journal[version.modified].last_seq)
                self.journal[version.modified] = version._replace(last_seq=last)
        self.is_settled &= refused is None
        self.position = min(self.position + limit, len(self.entries))

    @rule(limit=st.integers(1, 4))
    def drain(self, limit: int) -> None:
        while self.position < len(self.entries):
            self.deliver(limit, refuse=False)

    @rule(limit=st.integers(1, 4))
    def crash_after_sending(self, limit: int) -> None:
        ledger, documents = self.stamp(limit)
        self.record(ledger)
        self.received |= {document["modified"]: document for document in documents}

    @rule(limit=st.integers(1, 4))
    def crash_before_sending(self, limit: int) -> None:
        ledger, _ = self.stamp(limit)
        self.record(ledger)

    @rule(position=st.integers(0, 8))
    def replay(self, position: int) -> None:
        self.position = min(self.position, position)

    @rule(position=st.integers(0, 8))
    def replay_what_the_receiver_lost(self, position: int) -> None:
        self.position = min(self.position, position)
        if self.position == len(self.entries):
            return
        self.journal = {modified: version._replace(sent=False) for modified, version in self.journal.items()}
        self.is_all_sent = False

    @rule(seq=st.integers(1, 8), content=st.integers(4, 6))
    def retry_late_with_a_mended_mapping(self, seq: int, content: int) -> None:
        if self.position < len(self.entries) or not self.is_settled or seq >= len(self.entries):
            return
        versions = tuple(self.journal.values())
        last = max(max(version.seq, version.last_seq) for version in versions if version.sent)
        assert last == len(self.entries)
        ledger = Ledger(known(*versions), {OBJECT.id: last})
        assert ledger.stamp({"content": content}, OBJECT, seq, self.entries[seq - 1][1]) is None
        assert ledger.recorded == []

    @rule(said=st.integers(0, 2), becomes=st.integers(0, 3))
    def mend_the_mapping_and_replay_all(self, said: int, becomes: int) -> None:
        self.mapping = (*self.mapping[:said], becomes, *self.mapping[said + 1 :])
        self.position = 0

    @rule(said=st.integers(0, 2), date=st.integers(0, 5))
    def fetch(self, said: int, date: int) -> None:
        self.entries.append((said, date))

    @invariant()
    def created_never_changes_and_the_last_word_is_the_last_content(self) -> None:
        assert len({document["created"] for document in self.received.values()}) <= 1
        if self.position == len(self.entries) and self.is_settled:
            last = self.received[max(self.received)]
            assert last["content"] == self.mapping[self.entries[-1][0]]
            _, documents = self.stamp(1)
            assert documents == []

    @invariant()
    def what_is_settled_is_not_sent_again(self) -> None:
        if self.position == len(self.entries) and self.is_settled and self.is_all_sent:
            before, self.position = self.position, 0
            assert self.stamp(len(self.entries))[1] == []
            self.position = before


TestLedger = LedgerMachine.TestCase
