"""The mark beside a journal: which journal belongs there."""

import stat

import pytest

from connector.journals.sqlite import mark
from connector.model import Misconfigured

OURS, ANOTHER = "0123456789abcdef" * 2, "f" * 32


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.db"


def test_a_journal_without_a_mark_is_marked_for_its_owner_alone(journal):
    mark.must_be(journal, OURS)
    assert mark.mark_of(journal) == journal.with_name("journal.db-id")
    assert mark.mark_of(journal).read_text() == f"{OURS}\n"
    assert stat.S_IMODE(mark.mark_of(journal).stat().st_mode) == 0o600
    mark.must_be(journal, OURS)


def test_where_there_never_was_a_journal_none_is_missed(journal):
    mark.must_not_be_marked(journal, "is gone")


@pytest.mark.parametrize(
    ("missed", "what"),
    [
        (lambda journal: mark.must_not_be_marked(journal, "is gone"), "is gone"),
        (lambda journal: mark.must_be(journal, ANOTHER), "is another one than before"),
    ],
)
def test_a_journal_that_is_missed_is_named_with_what_can_be_done_and_what_that_costs(journal, missed, what):
    mark.must_be(journal, OURS)
    with pytest.raises(Misconfigured) as error:
        missed(journal)
    assert str(error.value) == (
        f"the journal {journal} {what}, as {journal}-id tells. Put it back with its -wal file, or restore a backup of"
        f" it; or move what is left of it away with {journal}-id, to start anew: the next run then fetches what was"
        " raised in the last `since_hours` of each source (24 where it is not set; `since_hours: 168` is the last 7"
        " days, all that VirusTotal still has), and it is delivered again; lost are dead letters, and what is older"
        " and was not delivered yet"
    )
    assert mark.mark_of(journal).read_text() == f"{OURS}\n"


@pytest.mark.parametrize("garbled", [b"", b"x\n", ANOTHER.encode(), b"\xff" * 32 + b"\n", f"{ANOTHER}\n\n".encode()])
def test_a_mark_that_says_nothing_is_written_anew(journal, garbled):
    mark.mark_of(journal).write_bytes(garbled)
    mark.must_be(journal, OURS)
    assert mark.mark_of(journal).read_text() == f"{OURS}\n"


def test_a_folder_that_takes_no_mark_holds_nothing_up(journal):
    mark.must_be(journal / "below", OURS)
    mark.mark_of(journal).mkdir()
    mark.must_be(journal, OURS)
