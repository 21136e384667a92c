"""How the C library hands out memory to a process that runs for months, on many threads."""

import ctypes
from contextlib import suppress

_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1
"""mallopt(3)."""


def keep_memory_small() -> None:
    """Have memory that is freed go back to the system, before the first thread is started.

    glibc gives each thread an arena of 64 MB of addresses, in which what is freed stays: that doubles the memory, and
    triples the addresses, of a service that now and then has something large in hand. Other C libraries do not.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_THRESHOLD, 1024 * 1024)
        mallopt(_TRIM_THRESHOLD, 4 * 1024 * 1024)
