"""What a journal tells of itself to people: its status, and what was suppressed."""

from connector.contract.journal.steps import OnEntries, advance, notification, page, store, suppressed
from connector.model import (
    Advance,
    Gap,
    JournalStatus,
    Page,
    Redelivery,
    RouteStatus,
    SourceStatus,
    Suppressed,
    Unreadable,
)


class StatusContract(OnEntries):
    """The status, and the list of what known-good lists suppressed."""

    def test_status_tells_what_there_is(self, journal):
        gap = Gap(100, 200)
        store(journal, "vt", Page([notification(1, 50), notification(2, 40), notification(3, None)], {"w": 1}, gap))
        store(journal, "vt", Page([], {"w": 2}, gap))
        seqs = [entry.seq for entry in journal.pending("route", ["vt"], 3)]
        advance(journal, "route", ["vt"], Advance(seqs[0], 0, 1, 0))
        journal.report("vt", {"state": "old"})
        journal.report("vt", {"state": "done"})
        journal.report("route", {"state": "waiting"})

        assert journal.status({"route": ["vt"], "new": ["vt", "new source"]}) == JournalStatus(
            entries=3,
            sources=[
                SourceStatus("new source", None, 0, None, [], {}),
                SourceStatus("vt", {"w": 2}, 3, 50, [gap], {"state": "done"}),
            ],
            routes=[
                RouteStatus("route", ("vt",), seqs[0], 2, 40, 0, 1, 0, 0, {"state": "waiting"}),
                RouteStatus("new", ("vt", "new source"), 0, 3, 50, 0, 0, 0, 0, {}),
            ],
            rules=[],
        )

    def test_what_was_suppressed_is_listed_the_newest_first_and_counted(self, journal):
        store(journal, "vt", page(1, 2))
        about, named = (
            Suppressed(1, "a.example", False, "own", "a.example"),
            Suppressed(2, "b.example", True, "tranco", "b"),
        )
        advance(journal, "route", ["vt"], Advance(2, 1, 1, 0, guarded=[about, named]))
        advance(journal, "other", ["vt"], Advance(2, 2, 0, 0, guarded=[named]))
        one, two = ("a.example", False, "own"), ("b.example", True, "tranco")
        first, second = (each.notification.id for each in journal.entries([1, 2]))
        assert suppressed(journal) == [("other", second, *two), ("route", second, *two), ("route", first, *one)]
        assert suppressed(journal, "route", "own") == [("route", first, *one)]
        assert suppressed(journal, limit=1) == [("other", second, *two)]
        [route] = journal.status({"route": ["vt"]}).routes
        assert (route.guarded, route.guarded_hosts) == (1, 1)

    def test_what_was_suppressed_of_some_sources_is_listed_however_much_there_is_of_others(self, journal):
        store(journal, "quiet", page(1))
        store(journal, "noisy", page(2, 3))
        guarded = [Suppressed(seq, f"{seq}.example", is_derived=False, list="own", entry="x") for seq in (1, 2, 3)]
        advance(journal, "route", ["quiet", "noisy"], Advance(3, 0, 3, 0, guarded=guarded))

        def listed(sources: list[str] | None, limit: int) -> list[tuple[str, str]]:
            found = journal.guarded(None, None, limit, sources)
            return [(each.source, each.suppressed.value) for each in found]

        assert listed(None, 1) == listed(["noisy"], 1) == [("noisy", "3.example")]
        assert listed(["quiet"], 1) == listed(["quiet", "unknown"], 9) == [("quiet", "1.example")]
        assert len(listed(["noisy", "quiet"], 9)) == 3
        assert listed([], 9) == []

    def test_the_status_of_some_sources_counts_nothing_of_others(self, journal):
        store(journal, "ours", page(1))
        store(journal, "theirs", Page(page(2, 3).notifications, None, unreadable=[Unreadable("9", "no JSON")]))
        store(journal, "ours", Page([], None, unreadable=[Unreadable("8", "no JSON")]))
        seen = journal.status({"route": ["ours"]}, ["ours"])
        assert [each.name for each in seen.sources] == ["ours"]
        assert (seen.entries, seen.other_dead_letters) == (2, {"ours": 1})
        assert journal.status({"route": ["ours"]}).entries == 5
        assert journal.status({}, []).sources == []

    def test_what_was_suppressed_is_what_the_last_delivery_of_the_entry_found(self, journal):
        store(journal, "vt", page(1, 2))
        guarded = [Suppressed(seq, f"{seq}.example", is_derived=False, list="own", entry="x") for seq in (1, 2)]
        advance(journal, "route", ["vt"], Advance(2, 0, 2, 0, guarded=guarded))
        with journal.lease("route"):
            journal.record_redelivery("route", Redelivery([1], 1, 0, 0))
        assert [value for _, _, value, *_ in suppressed(journal)] == ["2.example"]
        with journal.lease("route"):
            journal.rewind("route", {"vt": 0})
        assert suppressed(journal) == []

    def test_what_was_suppressed_is_forgotten_with_the_notification_and_with_the_route(self, journal):
        store(journal, "vt", page(1))
        one = Suppressed(1, "a.example", is_derived=True, list="own", entry="x")
        for route in ("route", "other"):
            advance(journal, route, ["vt"], Advance(1, 1, 0, 0, guarded=[one]))
        with journal.lease("other"):
            journal.forget_route("other")
        assert [name for name, *_ in suppressed(journal)] == ["route"]
        assert journal.prune(1_760_000_001, {"route": ["vt"]}) == 1
        assert suppressed(journal) == []
