"""Which process holds a lease, and whether it is still there."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told from every other one on every machine.

    Attributes:
        host: the host's name, for people.
        realm: where the pid has a meaning: one boot of one kernel and one pid namespace; empty where there is no /proc.
        pid: its number there.
        started: when it started, in the kernel's ticks: a number is given out again after a process ends.
    """

    host: str
    realm: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> "Process":
        """This process."""
        pid = os.getpid()
        _, started = _state(pid)
        return cls(socket.gethostname(), _realm(), pid, started)

    def is_neighbour_of(self, other: "Process") -> bool:
        """Whether the pids of both are numbers in the same table."""
        return (self.host, self.realm) == (other.host, other.realm)

    def is_alive(self, here: "Process", expires: float, now: float) -> bool:
        """Whether it lives, as far as the process `here` can tell: of no neighbour more than whether its lease lasts.

        `expires` is when the lease ends; both times are in Unix seconds.
        """
        return not self.is_gone() if self.is_neighbour_of(here) else expires > now

    def is_gone(self) -> bool:
        """Whether a neighbour has ended; a zombie has."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it runs, as another user
        state, started = _state(self.pid)
        return state in ("Z", "X") or ("" not in (started, self.started) and started != self.started)


def _realm() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _state(pid: int) -> tuple[str, str]:
    """Its state and start time; both empty where /proc does not say (proc(5): fields 3 and 22)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return fields[0], fields[19]
