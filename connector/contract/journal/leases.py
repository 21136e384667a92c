"""Who serves a part: one journal at a time, and nobody else writes of it."""

import os
from contextlib import ExitStack

import pytest

from connector.contract.journal.steps import OnEntries, page, version
from connector.model import (
    Advance,
    Misconfigured,
    Redelivery,
    Unavailable,
)


class LeasesContract(OnEntries):
    """Leases of sources and routes."""

    def test_a_lease_is_held_by_one_journal_at_a_time(self, open_journal):
        first, second = open_journal(), open_journal()
        with first.lease("route"), second.lease("other route"):
            with pytest.raises(Unavailable, match="route is served by process"), second.lease("route"):
                pass
            with pytest.raises(Unavailable, match="this process"), first.lease("route"):
                pass
        with second.lease("route"):
            pass
        first.close()
        second.close()

    def test_a_lease_is_given_back_when_its_holder_fails_or_closes(self, open_journal):
        first, second = open_journal(), open_journal()
        with pytest.raises(ZeroDivisionError), first.lease("a"):
            raise ZeroDivisionError
        with ExitStack() as stack:
            stack.enter_context(first.lease("b"))
            first.close()
            with second.lease("a"), second.lease("b"):
                pass
        second.close()

    def test_what_is_said_of_a_part_that_another_serves_is_not_kept(self, open_journal):
        first, second = open_journal(), open_journal()
        with first.lease("vt"):
            first.report("vt", {"state": "done"})
            second.report("vt", {"state": "waiting"})
            assert first.status({"out": ["vt"]}).sources[0].report == {"state": "done"}
        second.report("vt", {"state": "waiting"})
        assert first.status({"out": ["vt"]}).sources[0].report == {"state": "waiting"}
        first.close()
        second.close()

    def test_status_tells_who_serves_a_part_through_an_outage_too(self, open_journal):
        first, second = open_journal(), open_journal()

        def served() -> list[int | None]:
            known = second.status({"out": ["vt"]})
            return [each.served_by and each.served_by.process for each in (*known.sources, *known.routes)]

        assert served() == [None, None]
        with first.lease("vt"), first.lease("out"):
            assert served() == [os.getpid(), os.getpid()]
        assert served() == [None, None]
        with pytest.raises(Unavailable, match="no route to host"), first.lease("out"):
            raise Unavailable("no route to host")
        assert served() == [None, os.getpid()]
        with second.lease("out"):
            pass
        assert served() == [None, None]
        with pytest.raises(Unavailable, match="no route to host"), first.lease("out"):
            raise Unavailable("no route to host")
        with pytest.raises(Misconfigured, match="401"), first.lease("out"):
            raise Misconfigured("401")
        assert served() == [None, os.getpid()]
        first.close()
        assert served() == [None, None]
        second.close()

    @pytest.mark.parametrize(
        "write", ["append", "record", "mark_unsent", "forget", "advance", "rewind", "record_redelivery"]
    )
    def test_nothing_is_written_without_the_lease(self, journal, write):
        calls = {
            "append": lambda: journal.append("name", page(1)),
            "record": lambda: journal.record("name", [version("a", 1, 1)]),
            "mark_unsent": lambda: journal.mark_unsent("name", [version("a", 1, 1)]),
            "forget": lambda: journal.forget("name", [version("a", 1, 1)]),
            "advance": lambda: journal.advance("name", ["vt"], Advance(1, 1, 0, 0)),
            "rewind": lambda: journal.rewind("name", {"vt": 0}),
            "record_redelivery": lambda: journal.record_redelivery("name", Redelivery([1], 1, 0, 0)),
        }
        with journal.lease("another name"), pytest.raises(RuntimeError, match="lease"):
            calls[write]()
        assert journal.versions("name", ["a"]) == {}
