"""Which journals this process has open, for whoever else wants to look into such a file.

When a process closes any descriptor of a file, it loses all its locks on it (fcntl(2)), those of SQLite's connections
among them, and another process may then take the -wal file away from under them
(sqlite.org/howtocorrupt.html section 2.2).
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FileId = tuple[int, int]
"""Device and inode (stat(2))."""

_lock = threading.Lock()
_open: Counter[FileId] = Counter()


def opening(file: FileId) -> None:
    """SQLite is about to open a file."""
    with _lock:
        _open[file] += 1


def closed(file: FileId) -> None:
    """SQLite has closed it."""
    with _lock:
        _open[file] -= 1


@contextmanager
def kept_closed(path: Path) -> Iterator[bool]:
    """Whether SQLite has the file closed, so that it may be opened and closed; it stays so while the block lasts."""
    with _lock:
        found = path.stat()
        yield not _open[found.st_dev, found.st_ino]
