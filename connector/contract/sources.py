"""What every source must do (`connector.ports.Source`), wherever notifications come from."""

import contextlib
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.contract.examples import examples
from connector.model import ConnectorError, Json, JsonObject, Misconfigured, Notification, Unavailable
from connector.ports import Source


class Feed(Protocol):
    """A place that notifications come from."""

    def open(self) -> Source:
        """A new source on it."""

    def add(self, bodies: Sequence[JsonObject]) -> None:
        """Let these notifications be there, after all others. It may change their `notification_date`, in place."""

    def fail(self) -> None:
        """Have the next reading of the source fail once, or what comes nearest to it."""


def notifications(count: int, *, first: int = 1) -> list[JsonObject]:
    """So many notifications as VirusTotal sends them, with numbers from `first` on."""
    return [
        {
            "type": "domain",
            "id": f"host-{number}.example",
            "attributes": {"tld": "example"},
            "context_attributes": {
                "notification_id": str(900_000 - number),  # ids fall while dates rise, which nothing rules out
                "notification_date": int(time.time()),
                "origin": "hunting",
                "hunting_info": None,
                "sources": [],
                "tags": [],
            },
        }
        for number in range(first, first + count)
    ]


def drained(source: Source, checkpoint: Json = None) -> tuple[list[Notification], Json]:
    found: list[Notification] = []
    for page in source.pages(checkpoint):
        found += page.notifications
        checkpoint = orjson.loads(orjson.dumps(page.checkpoint))
    return found, checkpoint


class SourceContract:
    """What every source must do; derive from it, and have `feeding` give a feed."""

    def feeding(self, folder: Path) -> AbstractContextManager[Feed]:
        """A new feed without notifications, for as long as the block lasts; `folder` is empty."""
        raise NotImplementedError

    @pytest.fixture
    def feed(self, tmp_path):
        with self.feeding(tmp_path) as made:
            yield made

    def test_everything_is_read_once_and_then_there_is_nothing_more(self, feed):
        feed.add(notifications(90))
        found, checkpoint = drained(feed.open())
        assert len({each.id for each in found}) == len(found) == 90
        again, checkpoint = drained(feed.open(), checkpoint)
        # A source may repeat what the journal knows, as an overlap does; there is nothing new in it.
        assert {each.id for each in again} <= {each.id for each in found}
        feed.add(notifications(5, first=91))
        more, _ = drained(feed.open(), checkpoint)
        assert len({each.id for each in more} - {each.id for each in found}) == 5

    def test_a_page_is_yielded_before_the_next_is_asked_for(self, feed):
        feed.add(notifications(600))
        source = feed.open()
        pages = source.pages(None)
        first = next(pages)
        assert 0 < len(first.notifications) < 600
        rest, _ = drained(feed.open(), first.checkpoint)
        assert len({each.id for each in [*first.notifications, *rest]}) == 600

    def test_a_checkpoint_is_json_and_is_left_as_it_was(self, feed):
        feed.add(notifications(3))
        _, checkpoint = drained(feed.open())
        before = orjson.dumps(checkpoint)
        feed.add(notifications(3, first=4))
        drained(feed.open(), checkpoint)
        assert orjson.dumps(checkpoint) == before

    def test_nothing_to_read_is_no_error(self, feed):
        found, checkpoint = drained(feed.open())
        assert found == []
        assert drained(feed.open(), checkpoint)[0] == []

    def test_a_notification_is_what_was_received(self, feed):
        (item,) = notifications(1)
        feed.add([item])
        (found,), _ = drained(feed.open())
        assert found.body == item
        assert found.id == item["context_attributes"]["notification_id"]

    def test_a_checkpoint_that_is_not_its_own_is_refused_and_not_guessed_at(self, feed):
        with pytest.raises(Misconfigured):
            drained(feed.open(), {"somebody": "else's"})

    def test_a_probe_moves_nothing_and_says_one_sentence(self, feed):
        feed.add(notifications(2))
        source = feed.open()
        said = source.check()
        assert said
        assert "\n" not in said
        assert len(drained(source)[0]) == 2

    def test_a_quota_is_an_object_or_unknown(self, feed):
        quota = feed.open().quota()
        assert quota is None or orjson.dumps(quota).startswith(b"{")

    def test_a_source_can_be_closed_without_having_read_and_twice(self, feed):
        source = feed.open()
        source.close()
        source.close()

    @given(steps=st.lists(st.sampled_from(["page", "page", "page", "lose", "add", "fail", "open"]), max_size=20))
    @examples(25)
    def test_stopping_anywhere_and_going_on_from_the_last_stored_checkpoint_loses_nothing(
        self, tmp_path_factory, steps
    ):
        known, checkpoint, count = set(), None, 0
        with self.feeding(tmp_path_factory.mktemp("feed")) as feed:
            pages = feed.open().pages(checkpoint)
            for step in steps:
                if step == "add":
                    feed.add(notifications(70, first=count + 1))
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
