"""What a journal keeps of a source: pages with their checkpoint, each notification once."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from connector.contract.journal.steps import (
    ACTOR,
    OnEntries,
    answer,
    ids,
    learn,
    naming,
    notification,
    page,
    store,
    version,
)
from connector.model import (
    UNREADABLE,
    Advance,
    DeadLetter,
    Gap,
    News,
    Notification,
    Page,
    Unreadable,
)


class PagesContract(OnEntries):
    """What a source stores, and what is read of it."""

    def test_a_page_comes_back_as_it_was_stored(self, journal):
        odd = Notification("z", None, {"type": "\u202e", "nested": {"list": [None, True, 1.5, "\x00", 2**63]}, "": ""})
        store(journal, "vt", Page([notification(1), odd], {"watermark": 1, "cursor": None}))

        entries = journal.pending("route", ["vt"], 10)

        assert [entry.notification for entry in entries] == [notification(1), odd]
        assert {entry.source for entry in entries} == {"vt"}
        assert journal.checkpoint("vt") == {"watermark": 1, "cursor": None}

    def test_everything_is_there_after_reopening(self, open_journal):
        journal = open_journal()
        store(journal, "vt", page(1, 2, checkpoint={"watermark": 5}, gap=Gap(1, 2)))
        with journal.lease("route"):
            journal.record("route", [version("a", 1, 1)])
            journal.advance("route", ["vt"], Advance(1, 0, 0, 1, [DeadLetter(1, "sink", "no", "a", b"{}")]))
        journal.report("vt", {"quota": 3})
        routes = {"route": ["vt"]}
        before = journal.status(routes)
        journal.close()

        again = open_journal()

        assert again.status(routes) == before
        assert ids(again.pending("route", ["vt"], 10)) == ["2"]
        assert again.versions("route", ["a"]) == {"a": [version("a", 1, 1)]}
        again.close()

    def test_a_source_never_heard_of_has_no_checkpoint(self, journal):
        assert journal.checkpoint("vt") is None

    def test_a_notification_is_stored_once_for_each_source(self, journal):
        assert store(journal, "vt", page(1, 2, 2), page(2, 3), page(1, 2, 3)) == [2, 1, 0]
        assert store(journal, "other", page(3)) == [1]
        assert ids(journal.pending("route", ["vt", "other"], 10)) == ["1", "2", "3", "3"]

    def test_a_page_with_nothing_new_still_moves_the_checkpoint(self, journal):
        store(journal, "vt", page(1, checkpoint=1), page(1, checkpoint=2), page(checkpoint=3))
        assert journal.checkpoint("vt") == 3

    def test_a_page_and_its_checkpoint_are_stored_together(self, journal):
        store(journal, "vt", page(1, checkpoint=1))
        unstorable = Page([notification(2), Notification("3", 2**70, {})], 2, Gap(1, 2))

        with pytest.raises(OverflowError), journal.lease("vt"):
            journal.append("vt", unstorable)

        assert journal.checkpoint("vt") == 1
        assert ids(journal.pending("route", ["vt"], 10)) == ["1"]
        assert journal.status({}).sources[0].gaps == []
        assert store(journal, "vt", page(2)) == [1]

    def test_the_news_of_a_source_is_another_when_it_has_new_entries_or_more_is_known_and_only_then(self, journal):
        assert journal.news() == News({}, [])
        store(journal, "vt", Page([naming(1, ACTOR)], None))
        store(journal, "other", Page([naming(2, ACTOR)], None))
        seen = [journal.news().sources]
        for change in (
            lambda: store(journal, "vt", page(3)),
            lambda: learn(journal, answer(ACTOR)),
            lambda: learn(journal, answer(ACTOR, said=2)),
        ):
            change()
            seen.append(journal.news().sources)
        marks = [each["vt"] for each in seen]
        assert len(set(marks)) == len(marks)
        assert {each["other"] for each in seen} == {seen[0]["other"]}
        store(journal, "vt", page(3))
        learn(journal, answer(ACTOR, said=2))
        assert journal.news().sources == seen[-1]

    def test_notifications_are_told_apart_however_long_their_ids_are(self, journal):
        long = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(125))
        ids = [long + "a", long + "b"]
        said = Page(
            [Notification(each, 1, {"n": each[-1]}) for each in ids], 1, unreadable=[Unreadable(long, "no JSON")]
        )
        for _ in range(2):
            store(journal, "vt", said)
        *pending, unreadable = journal.pending("out", ["vt"], 10)
        assert [entry.notification.body["n"] for entry in pending] == ["a", "b"]
        assert unreadable.notification.id.startswith(UNREADABLE)
        assert [journal.find(["vt"], each)[0].notification.body for each in ids] == [{"n": "a"}, {"n": "b"}]
        assert len(list(journal.dead_letters("vt"))) == 1

    def test_what_was_stored_last_is_read_backwards(self, journal):
        store(journal, "a", page(1, 2))
        store(journal, "b", page(3))
        store(journal, "a", page(4))
        newest = journal.latest(["a", "b"], 3)
        assert ids(newest) == ["4", "3", "2"]
        assert ids(journal.latest(["a", "b"], 3, before=newest[-1].seq)) == ["1"]
        assert ids(journal.latest(["a"], 10)) == ["4", "2", "1"]
        assert journal.latest(["never heard of"], 10) == []

    def test_entries_are_found_by_their_numbers_and_by_their_notification(self, journal):
        store(journal, "a", page(1, 2))
        store(journal, "b", page(2, 3))
        entries = journal.pending("route", ["a", "b"], 10)

        assert journal.entries([entries[3].seq, entries[0].seq, 10**6]) == [entries[0], entries[3]]
        assert journal.find(["b", "a", "never heard of"], "2") == [entries[1], entries[2]]
        assert journal.find(["b"], "1") == []
        assert journal.entries([]) == []

    def test_many_threads_append_and_advance_at_once(self, open_journal):
        journal = open_journal()
        sources, pages = [f"source {n}" for n in range(4)], 15
        stored = threading.Event()

        def feed(source: str) -> int:
            with journal.lease(source):
                return sum(
                    journal.append(source, page(*range(n, n + 20), checkpoint=n)).new for n in range(0, pages * 10, 10)
                )

        def drain(route: str) -> list[tuple[str, str]]:
            read: list[tuple[str, str]] = []
            with journal.lease(route):
                while True:
                    is_last = stored.is_set()
                    entries = journal.pending(route, sources, 7)
                    if entries:
                        read += [(entry.source, entry.notification.id) for entry in entries]
                        journal.advance(route, sources, Advance(entries[-1].seq, len(entries), 0, 0))
                    elif is_last:
                        return read

        with ThreadPoolExecutor(6) as pool:
            drained = [pool.submit(drain, route) for route in ("one", "two")]
            fed = [pool.submit(feed, source) for source in sources]
            counts = [each.result() for each in fed]
            stored.set()
            reads = [each.result() for each in drained]
        journal.close()

        expected = sorted((source, str(n)) for source in sources for n in range(pages * 10 + 10))
        assert sum(counts) == len(expected)
        for read in reads:
            assert sorted(read) == expected
