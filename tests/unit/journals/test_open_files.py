"""A look into the journal's file must not cost the locks of those who have it open."""

import subprocess
import sys

from connector.journals.sqlite.file_check import check_file
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings

# Whether another process may lock what a connection in WAL mode holds (sqlite.org/src: SHARED_FIRST, SHARED_SIZE).
OTHER = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except OSError:
        print("locked")
"""


def is_locked(path):
    done = subprocess.run([sys.executable, "-c", OTHER, str(path)], capture_output=True, text=True, check=True)
    return done.stdout == "locked\n"


def test_an_inspection_leaves_the_locks_of_an_open_journal(tmp_path):
    path = tmp_path / "journal.db"
    journal = SqliteJournal(SqliteSettings(path=path))
    journal.status({})
    assert is_locked(path)
    assert "is open" in check_file(path)
    assert is_locked(path)

    journal.close()
    assert not is_locked(path)
    assert "can be gone on with" in check_file(path)
