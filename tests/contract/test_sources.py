"""What `connector.ports.Source` promises, asked of every source."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from integration.simulated_virustotal import NOW, Clock, items, simulated
from integration.simulated_virustotal import source as virustotal_source

from connector.kinds import SOURCES
from connector.model import ConnectorError, Json, Misconfigured, Notification, Unavailable
from connector.ports import Source
from connector.simulator.api import Fault
from connector.sources.file.source import FileSource, FileSourceSettings


@dataclass
class Feed:
    """A place that notifications come from: what opens a source on it, adds to it, and makes it fail once."""

    open: Callable[[], Source]
    add: Callable[[int], None]
    fail: Callable[[], None]


@contextmanager
def _virustotal(_: Path) -> Iterator[Feed]:
    clock, count = Clock(), 0
    with simulated(clock=clock) as (api, url):

        def add(more: int) -> None:
            nonlocal count
            clock.now += 1
            api.add(items([clock.now] * more, first_id=count + 1))
            count += more

        def fail() -> None:
            api.faults[:] = [Fault("/ioc_stream$", status=503, body=b"")]

        yield Feed(lambda: virustotal_source(url), add, fail)


def _lines(first: int, count: int) -> str:
    return "".join(json.dumps(item) + "\n" for item in items([NOW] * count, first_id=first))


@contextmanager
def _file(folder: Path) -> Iterator[Feed]:
    path, count = folder / "in.jsonl", 0
    path.touch()

    def add(more: int) -> None:
        nonlocal count
        with path.open("a") as file:
            file.write(_lines(count + 1, more))
        count += more

    def replaced_by_a_copy() -> None:  # nothing fails while a file is there; this is the nearest to it
        copy = folder / "copy"
        copy.write_bytes(path.read_bytes())
        copy.replace(path)

    yield Feed(lambda: FileSource(FileSourceSettings(type="file", path=str(path))), add, replaced_by_a_copy)


@contextmanager
def _folder(folder: Path) -> Iterator[Feed]:
    count = 0

    def add(more: int) -> None:
        nonlocal count
        (folder / f"{count:06}.jsonl").write_text(_lines(count + 1, more))
        count += more

    def fail() -> None:
        (folder / "half.json").write_text("[\n")

    def opened() -> Source:
        return FileSource(FileSourceSettings(type="file", path=str(folder)))

    yield Feed(opened, add, fail)


FEEDS: Mapping[str, Callable[[Path], contextlib.AbstractContextManager[Feed]]] = {
    "virustotal": _virustotal,
    "file": _file,
    "folder": _folder,
}


@pytest.fixture(params=FEEDS)
def feed(request, tmp_path):
    with FEEDS[request.param](tmp_path) as made:
        yield made


def drained(source: Source, checkpoint: Json = None) -> tuple[list[Notification], Json]:
    found: list[Notification] = []
    for page in source.pages(checkpoint):
        found += page.notifications
        checkpoint = orjson.loads(orjson.dumps(page.checkpoint))
    return found, checkpoint


def test_everything_is_read_once_and_then_there_is_nothing_more(feed):
    feed.add(90)
    found, checkpoint = drained(feed.open())
    assert len({each.id for each in found}) == len(found) == 90
    again, checkpoint = drained(feed.open(), checkpoint)
    # A source may repeat what the journal knows, as an overlap does; there is nothing new in it.
    assert {each.id for each in again} <= {each.id for each in found}
    feed.add(5)
    more, _ = drained(feed.open(), checkpoint)
    assert len({each.id for each in more} - {each.id for each in found}) == 5


def test_a_page_is_yielded_before_the_next_is_asked_for(feed):
    feed.add(600)
    source = feed.open()
    pages = source.pages(None)
    first = next(pages)
    assert 0 < len(first.notifications) < 600
    rest, _ = drained(feed.open(), first.checkpoint)
    assert len({each.id for each in [*first.notifications, *rest]}) == 600


def test_a_checkpoint_is_json_and_is_left_as_it_was(feed):
    feed.add(3)
    _, checkpoint = drained(feed.open())
    before = orjson.dumps(checkpoint)
    feed.add(3)
    drained(feed.open(), checkpoint)
    assert orjson.dumps(checkpoint) == before


def test_nothing_to_read_is_no_error(feed):
    found, checkpoint = drained(feed.open())
    assert found == []
    assert drained(feed.open(), checkpoint)[0] == []


def test_a_notification_is_what_was_received(feed):
    feed.add(1)
    (found,), _ = drained(feed.open())
    (item,) = items([found.date], first_id=1)
    assert found.body == item
    assert found.id == item["context_attributes"]["notification_id"]


def test_a_checkpoint_that_is_not_its_own_is_refused_and_not_guessed_at(feed):
    with pytest.raises(Misconfigured, match="give the source a name that the journal does not know"):
        drained(feed.open(), {"somebody": "else's"})


def test_a_probe_moves_nothing_and_says_one_sentence(feed):
    feed.add(2)
    source = feed.open()
    said = source.check()
    assert said
    assert "\n" not in said
    assert len(drained(source)[0]) == 2


def test_a_quota_is_an_object_or_unknown(feed):
    quota = feed.open().quota()
    assert quota is None or orjson.dumps(quota).startswith(b"{")


def test_a_source_can_be_closed_without_having_read_and_twice(feed):
    source = feed.open()
    source.close()
    source.close()


@pytest.mark.parametrize("name", FEEDS)
@given(steps=st.lists(st.sampled_from(["page", "page", "page", "lose", "add", "fail", "open"]), max_size=20))
@examples(25)
def test_stopping_anywhere_and_going_on_from_the_last_stored_checkpoint_loses_nothing(name, steps, tmp_path_factory):
    known, checkpoint, count = set(), None, 0
    with FEEDS[name](tmp_path_factory.mktemp("feed")) as feed:
        pages = feed.open().pages(checkpoint)
        for step in steps:
            if step == "add":
                feed.add(70)
                count += 70
            elif step == "fail":
                feed.fail()
            elif step == "open":
                pages = feed.open().pages(checkpoint)
            else:
                try:
                    page = next(pages, None)
                except Unavailable:
                    page = None
                if page is not None and step == "page":
                    known |= {each.id for each in page.notifications}
                    checkpoint = page.checkpoint
                else:
                    pages = feed.open().pages(checkpoint)
        for _ in range(2):  # the first may end in what was still to fail
            with contextlib.suppress(ConnectorError):
                for page in feed.open().pages(checkpoint):
                    known |= {each.id for each in page.notifications}
                    checkpoint = page.checkpoint
        assert len(known) == count


def test_every_kind_of_source_is_held_to_the_contract():
    assert set(SOURCES) <= set(FEEDS)
