"""What `connector.ports.Collections` promises, asked of every store of collections."""

import itertools
import threading
from contextlib import closing
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.contract.examples import examples
from connector.contract.journal.store import OnStore
from connector.model import Selection, StixObject

ALL = Selection(every=True)
NOW = 1_790_000_000.5
NUMBERS = itertools.count()


class Clock:
    now = NOW

    def __call__(self):
        return self.now


def stix(name, version=1, kind="indicator", **properties):
    """One object; `version` is a second, or None for an object that has none."""
    modified = None if version is None else f"2026-01-01T00:00:{version:02d}.000Z"
    document = {"type": kind, "id": f"{kind}--{name}", **({"modified": modified} if modified else {}), **properties}
    return StixObject(document["id"], kind, modified, orjson.dumps(document))


def held(collections, selection=ALL, name="iocs"):
    found, more = collections.objects(name, selection, 10_000, 1_000_000)
    assert not more
    return [each.body for each in found]


def bodies(*objects):
    return [each.body for each in objects]


def _reference(stored, selection):
    """The same selection, by looking at everything."""
    of_object: dict[str, list[int]] = {}
    for each, instant, _ in stored:
        of_object.setdefault(each.id, []).append(instant)

    def is_selected(each, instant, added):
        of_version = (
            selection.every
            or (selection.last and instant == max(of_object[each.id]))
            or (selection.first and instant == min(of_object[each.id]))
            or instant in selection.versions
        )
        return (
            of_version
            and added > selection.after
            and (selection.ids is None or each.id in selection.ids)
            and (selection.types is None or each.type in selection.types)
        )

    return [each.body for each, instant, added in stored if is_selected(each, instant, added)]


def _after(stored, selection):
    """The selection, with its `after` made the time of the object of that number."""
    place = selection.after
    return replace(selection, after=-1 if place < 0 or not stored else stored[place % len(stored)][2])


KINDS = ["indicator", "sighting", "identity"]
INSTANT = st.integers(0, 4).map(lambda second: (1_767_225_600 + second) * 1_000_000)
SELECTIONS = st.builds(
    Selection,
    after=st.integers(-1, 10),
    ids=st.none()
    | st.frozensets(st.sampled_from([f"{kind}--{n}" for kind in [*KINDS, "tool"] for n in range(3)]), min_size=1),
    types=st.none() | st.frozensets(st.sampled_from([*KINDS, "tool"]), min_size=1),
    last=st.booleans(),
    first=st.booleans(),
    every=st.booleans(),
    versions=st.frozensets(INSTANT, max_size=2),
)


class CollectionsContract(OnStore):
    """What is kept in collections; derive from it, and say on which store (`make_store`)."""

    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    def open_journal(self, tmp_path, clock):
        store = self.make_store(tmp_path)
        return lambda: store.open(clock)

    @pytest.fixture
    def garble(self, tmp_path):
        return self.make_damaged_store(tmp_path).garble_objects

    @pytest.fixture
    def collections(self, open_journal):
        with closing(open_journal()) as journal:
            yield journal.collections

    def test_what_is_stored_comes_back_byte_for_byte_in_order(self, collections):
        odd = StixObject("indicator--x", "indicator", None, b'{ "type":"indicator",\t"id":"indicator--x", "n":1.50 }')
        assert list(collections.store("iocs", [stix(2), odd, stix(1)])) == [True] * 3
        assert held(collections) == bodies(stix(2), odd, stix(1))

    @pytest.mark.parametrize(
        "object_id",
        [
            "indicator--2c7c1a1e-8a4c-4b5a-9d3e-1f2a3b4c5d6e",
            "x-odd-2--00000000-0000-0000-0000-000000000000",
            "indicator--2C7C1A1E-8A4C-4B5A-9D3E-1F2A3B4C5D6E",
            "--2c7c1a1e-8a4c-4b5a-9d3e-1f2a3b4c5d6e",
            "größe--2c7c1a1e-8a4c-4b5a-9d3e-1f2a3b4c5d6e",
            "a--b--2c7c1a1e-8a4c-4b5a-9d3e-1f2a3b4c5d6e",
            "2c7c1a1e8a4c4b5a",
            "\x01indicator",
            " ",
        ],
    )
    def test_any_id_comes_back_as_it_was(self, collections, object_id):
        collections.store("iocs", [StixObject(object_id, "indicator", None, b"{}")])
        assert [each.id for each in collections.manifest("iocs", ALL, 9)[0]] == [object_id]
        assert collections.holds("iocs", object_id)
        assert not collections.holds("iocs", object_id + "x")
        assert held(collections, Selection(ids=frozenset([object_id]))) == [b"{}"]

    @pytest.mark.parametrize(
        "version",
        [
            "2026-01-01T00:00:00.000Z",
            "2026-01-01T00:00:00.123Z",
            "2026-01-01T00:00:00.123000Z",
            "2026-01-01T00:00:00.123456Z",
            "2026-01-01T00:00:00Z",
            "2016-12-31T23:59:60.000Z",
            "0001-01-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999Z",
        ],
    )
    def test_any_version_comes_back_as_it_was(self, collections, version):
        collections.store("iocs", [StixObject("indicator--1", "indicator", version, b"{}")])
        assert [each.version for each in collections.manifest("iocs", ALL, 9)[0]] == [version]
        assert [(each.version, each.damaged) for each in collections.objects("iocs", ALL, 9, 99)[0]] == [
            (version, False)
        ]

    def test_everything_is_there_after_reopening(self, open_journal):
        with closing(open_journal()) as journal:
            journal.collections.store("iocs", [stix(1), stix(1, 2)])
            before = journal.collections.objects("iocs", ALL, 10, 10_000)
        with closing(open_journal()) as journal:
            assert journal.collections.objects("iocs", ALL, 10, 10_000) == before

    def test_a_collection_never_heard_of_is_empty(self, collections):
        assert held(collections) == []
        assert collections.manifest("iocs", ALL, 1) == ([], False)
        assert collections.state("iocs") == (-1, 0)
        assert not collections.holds("iocs", "indicator--1")

    def test_collections_share_nothing(self, collections):
        collections.store("iocs", [stix(1)])
        assert list(collections.store("others", [stix(1, label="theirs"), stix(2)])) == [True, True]
        assert held(collections) == bodies(stix(1))
        assert held(collections, Selection(types=frozenset(["indicator"]))) == bodies(stix(1))
        assert held(collections, Selection(ids=frozenset(["indicator--2"]))) == []
        assert not collections.holds("iocs", "indicator--2")
        assert held(collections, name="others") == bodies(stix(1, label="theirs"), stix(2))

    def test_a_repeat_changes_nothing(self, collections, clock):
        objects = [stix(1), stix(1, 2), stix("a", None, "url"), stix("a", None, "url", x=1)]
        collections.store("iocs", objects)
        before = collections.objects("iocs", ALL, 10, 10_000)
        clock.now += 60
        assert list(collections.store("iocs", [*objects, *reversed(objects)])) == [True] * 8
        assert collections.objects("iocs", ALL, 10, 10_000) == before

    def test_other_bytes_under_a_version_are_not_taken(self, collections):
        collections.store("iocs", [stix(1)])
        same_instant = stix(1, x=1)._replace(version="2026-01-01T00:00:01.000000000Z")
        assert list(collections.store("iocs", [stix(1, x=1), stix(2), same_instant])) == [False, True, False]
        assert held(collections) == bodies(stix(1), stix(2))

    def test_what_the_disk_garbled_is_told_and_mended_when_it_comes_again(self, collections, garble):
        objects = [stix(1), stix(2), stix("a", None, "url")]
        collections.store("iocs", objects)
        garble([0, 2])
        found, _ = collections.objects("iocs", ALL, 10, 10_000)
        assert [(each.id, each.damaged, each.body) for each in found] == [
            ("indicator--1", True, b""),
            ("indicator--2", False, stix(2).body),
            ("url--a", True, b""),
        ]
        before = collections.state("iocs")
        assert list(collections.store("iocs", objects[:2])) == [True, True]
        assert held(collections)[:2] == bodies(*objects[:2])
        assert collections.state("iocs") != before
        before = collections.state("iocs")
        assert list(collections.store("iocs", objects[:2])) == [True, True]
        assert collections.state("iocs") == before
        assert list(collections.store("iocs", [stix(1, x=1)])) == [False]

    def test_two_contents_for_one_version_in_one_batch_are_not_both_taken(self, collections):
        assert list(collections.store("iocs", [stix(1), stix(1, x=1)])) == [True, False]
        assert held(collections) == bodies(stix(1))

    def test_what_has_no_version_gets_one_for_each_content(self, collections):
        first, second = stix("a", None, "url"), stix("a", None, "url", x=1)
        collections.store("iocs", [first])
        collections.store("iocs", [second])
        assert held(collections) == bodies(first, second)
        assert held(collections, Selection()) == bodies(second)
        one, other = collections.manifest("iocs", ALL, 10)[0]
        assert one.version == "2026-09-21T14:13:20.500000Z"
        assert other.version == "2026-09-21T14:13:20.501000Z"

    def test_a_version_that_is_no_timestamp_stores_nothing(self, collections):
        with pytest.raises(ValueError, match="not a timestamp"):
            collections.store("iocs", [stix(1), stix(2)._replace(version="yesterday")])
        assert held(collections) == []

    def test_each_version_is_added_at_a_time_of_its_own(self, collections, clock):
        collections.store("iocs", [stix(n) for n in range(3)])
        collections.store("others", [stix(1)])
        clock.now -= 3600
        collections.store("iocs", [stix(4)])
        clock.now += 7200
        collections.store("iocs", [stix(5)])
        added = [each.added for each in collections.manifest("iocs", ALL, 10)[0]]
        start = int(NOW * 1000)
        assert added == [start, start + 1, start + 2, start + 4, start + 3_600_000]
        assert collections.state("iocs") == (added[-1], 0)
        assert collections.state("others") == (start + 3, 0)

    def test_versions_that_come_out_of_order_leave_first_and_last_right(self, collections):
        for version in (3, 1, 5, 4, 2):
            collections.store("iocs", [stix(1, version)])
        assert held(collections, Selection()) == bodies(stix(1, 5))
        assert held(collections, Selection(last=False, first=True)) == bodies(stix(1, 1))

    def test_a_page_ends_at_its_limit_or_its_bytes_and_says_whether_there_is_more(self, collections):
        collections.store("iocs", [stix(n) for n in range(5)])
        size = len(stix(0).body)
        for limit, max_bytes, count in ((2, 10_000, 2), (5, 10_000, 5), (6, 10_000, 5), (5, size * 3, 3), (5, 1, 1)):
            found, more = collections.objects("iocs", ALL, limit, max_bytes)
            assert (len(found), more) == (count, count < 5)
        found, more = collections.manifest("iocs", ALL, 2)
        assert ([each.id for each in found], more) == (["indicator--0", "indicator--1"], True)
        assert found[0].body == b""

    @given(
        objects=st.lists(st.builds(stix, st.integers(0, 2), st.integers(0, 4), st.sampled_from(KINDS)), max_size=25),
        selections=st.lists(SELECTIONS, min_size=1, max_size=5),
        limit=st.integers(1, 4),
    )
    @examples(150)
    def test_every_combination_of_filters_selects_what_it_says_page_by_page(
        self, collections, objects, selections, limit
    ):
        name = f"collection {next(NUMBERS)}"
        collections.store("others", [stix(1)])
        collections.store(name, objects)
        found, _ = collections.objects(name, ALL, 100, 100_000)
        by_body = {each.body: each for each in objects}
        seconds = {each.version: 1_767_225_600 + int(each.version[17:19]) for each in objects}
        stored = [(by_body[each.body], seconds[each.version] * 1_000_000, each.added) for each in found]
        for asked_for in selections:
            selection = _after(stored, asked_for)
            paged, asked, more = [], selection, True
            while more:
                page, more = collections.objects(name, asked, limit, 100_000)
                assert page or not more
                assert [each._replace(body=b"") for each in page] == collections.manifest(name, asked, limit)[0]
                paged += page
                asked = replace(asked, after=page[-1].added) if page else asked
            assert [each.body for each in paged] == _reference(stored, selection)

    def test_what_is_of_other_types_is_never_selected_whatever_else_is_asked_for(self, collections):
        objects = [stix(number, second, kind) for kind in KINDS for number in (0, 1) for second in (0, 1)]
        collections.store("iocs", objects)
        wanted = frozenset(["indicator", "sighting", "tool"])
        of_types = [each for each in objects if each.type in wanted]
        for types, among in (
            (wanted, of_types),
            (frozenset(["sighting"]), [each for each in objects if "sig" in each.id]),
        ):
            every = Selection(types=types, every=True)
            assert held(collections, every) == bodies(*among)
            assert held(collections, replace(every, ids=frozenset(each.id for each in objects))) == bodies(*among)
            newest = [each for each in among if each.version == objects[1].version]
            assert held(collections, Selection(types=types)) == bodies(*newest)
            second = frozenset([1_767_225_601_000_000])
            assert held(collections, Selection(types=types, last=False, versions=second)) == bodies(*newest)
            assert len(collections.objects("iocs", every, 3, 100_000)[0]) == 3

    def test_a_check_leaves_nothing_behind(self, collections, tmp_path):
        assert "will be made" in collections.check()
        assert list(tmp_path.iterdir()) == []

    def test_readers_of_pages_lose_and_repeat_nothing_while_writers_in_other_processes_add(self, open_journal):
        """Two writers with stores of their own; a reader goes on from the last it saw, until it has seen all."""
        count = 600
        start = threading.Barrier(3)

        def write(parity):
            with closing(open_journal()) as journal:
                start.wait()
                for n in range(parity, count, 2):
                    journal.collections.store("iocs", [stix(n)])

        writers = [threading.Thread(target=write, args=(parity,)) for parity in (0, 1)]
        for writer in writers:
            writer.start()
        seen = []
        with closing(open_journal()) as journal:
            start.wait()
            while True:
                is_over = not any(writer.is_alive() for writer in writers)
                page, more = journal.collections.objects(
                    "iocs", Selection(after=seen[-1].added if seen else -1), 7, 100_000
                )
                seen += page
                if is_over and not more:
                    break
        for writer in writers:
            writer.join()
        assert sorted(each.id for each in seen) == sorted(f"indicator--{n}" for n in range(count))
