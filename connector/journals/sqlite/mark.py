"""The mark beside a journal, which says which one belongs there: a journal that is gone or another is noticed.

Without it a run would begin anew, fetch a day, and lose without a word what the journal had not delivered.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from connector.model import Misconfigured

_IDENTITY = re.compile(r"[0-9a-f]{32}\n\Z")


def mark_of(journal: Path) -> Path:
    """Where the mark of a journal is."""
    return journal.with_name(f"{journal.name}-id")


def must_not_be_marked(journal: Path, what: str) -> None:
    """Raise `Misconfigured` if there was a journal at a path where there is none now; `what` has become of it."""
    if mark_of(journal).exists():
        raise _missed(journal, what)


def must_be(journal: Path, identity: str) -> None:
    """Make sure that a journal is the one that belongs there; mark it when nothing says which one does.

    Raises:
        Misconfigured: it is another one.
    """
    mark = mark_of(journal)
    with suppress(OSError):  # a folder that takes no mark holds nothing up
        said = mark.read_text(encoding="ascii", errors="replace") if mark.exists() else ""
        if not _IDENTITY.match(said):
            descriptor = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(f"{identity}\n")
            return
        if said.strip() != identity:
            raise _missed(journal, "is another one than before")


def anew(journal: Path) -> str:
    """What starting anew brings, as the end of a sentence that says how to."""
    return (
        f"with {mark_of(journal)}, to start anew: the next run then fetches what was raised in the last `since_hours`"
        " of each source (24 where it is not set; `since_hours: 168` is the last 7 days, all that VirusTotal still"
        " has), and it is delivered again; lost are dead letters, and what is older and was not delivered yet"
    )


def _missed(journal: Path, what: str) -> Misconfigured:
    return Misconfigured(
        f"the journal {journal} {what}, as {mark_of(journal)} tells. Put it back with its -wal file, or restore a"
        f" backup of it; or move what is left of it away {anew(journal)}"
    )
