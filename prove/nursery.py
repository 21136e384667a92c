"""A process that has imported the connector and forks on command, so that hundreds of runs need one import.

Started as `python -m prove.nursery`, it reads one JSON order a line and answers with the pid, then the exit status.
Each child is the command line itself (`connector.cli`) in a process of its own, with its own folder and environment.
"""

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LONGEST_SECONDS = 240.0


class Nursery:
    """The parent's side: starts one child at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._child: Child | None = None

    def start(
        self,
        folder: Path,
        *arguments: str,
        conduct: Mapping[str, float] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> "Child":
        """Start `iocstream ARGUMENTS` in a folder; what it says goes to `out.log` and `err.log` there."""
        order = {
            "folder": str(folder),
            "arguments": arguments,
            "conduct": conduct or {},
            "environment": environment or {},
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        self._child = Child(self, self.answer(LONGEST_SECONDS)["pid"])
        return self._child

    def run(self, folder: Path, *arguments: str, timeout: float = LONGEST_SECONDS, **options: Any) -> "Ended":
        """Run to the end, with what this one said; one that does not end in time is killed."""
        before = {name: _size(folder / name) for name in ("out.log", "err.log")}
        child = self.start(folder, *arguments, **options)
        try:
            code = child.wait(timeout)
        except TimeoutError:
            code = -9
        said = {name: (folder / name).read_bytes()[size:].decode() for name, size in before.items()}
        return Ended(code, said["out.log"], said["err.log"], child.peak_mib, child.processor_seconds)

    def answer(self, timeout: float) -> Any:
        """The nursery's next answer; None when it does not come in time."""
        stdout = self._process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], timeout)[0]:
            return None
        return json.loads(stdout.readline())

    def idle(self) -> bool:
        """Whether its child has ended, so that it can start another."""
        return self._child is None or self._child.poll() is not None

    def close(self) -> None:
        """End the nursery."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=10)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Child:
    """A running connector."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self._code: int | None = None
        self.pid = pid
        self.peak_mib = 0.0
        self.processor_seconds = 0.0

    def kill(self, number: int = signal.SIGKILL) -> bool:
        """Send a signal; whether it was still alive."""
        if self.poll() is not None:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def poll(self) -> int | None:
        """Its exit status, or minus the signal that ended it; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float = LONGEST_SECONDS) -> int:
        """Its exit status, or minus the signal that ended it.

        Raises:
            TimeoutError: it did not end; it is killed.
        """
        code = self._ended(timeout)
        if code is None:
            self.kill()
            self._ended(LONGEST_SECONDS)
            raise TimeoutError(f"the connector did not end within {timeout:g} s")
        return code

    def _ended(self, timeout: float) -> int | None:
        if self._code is None and (answer := self._nursery.answer(timeout)) is not None:
            self._code, self.peak_mib = answer["status"], answer["peak_mib"]
            self.processor_seconds = answer["processor_seconds"]
        return self._code


class Ended:
    """A connector that has run: its exit code, what it said, its peak of memory in MiB, its processor time."""

    def __init__(self, code: int, out: str, err: str, peak_mib: float, processor_seconds: float) -> None:
        self.code, self.out, self.err = code, out, err
        self.peak_mib, self.processor_seconds = peak_mib, processor_seconds

    def __repr__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n{self.err}"


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery for as long as the block lasts; then it is kept for the next, as it keeps nothing of its children."""
    made = _kept.pop() if _kept else Nursery()
    try:
        yield made
    finally:
        if made.idle():
            _kept.append(made)
        else:
            made.close()


_kept: list[Nursery] = []


@atexit.register
def _close_kept() -> None:
    while _kept:
        _kept.pop().close()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _child(order: Mapping[str, Any]) -> int:
    from connector.cli import main  # noqa: PLC0415 -- imported by `_main` before the first fork
    from prove.conduct import behave  # noqa: PLC0415 -- likewise

    folder = Path(order["folder"])
    os.chdir(folder)
    os.environ.clear()
    os.environ.update({"PATH": "/usr/sbin:/usr/bin:/bin", **order["environment"]})
    for number, name in ((1, "out.log"), (2, "err.log")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    behave(order["conduct"])
    arguments: Sequence[str] = order["arguments"]
    return main._main(arguments)  # noqa: SLF001 -- `main` would end the process before its output is flushed


def _main() -> None:
    import prove.conduct  # noqa: PLC0415 -- with it everything that a child needs

    assert prove.conduct
    answers = os.fdopen(os.dup(1), "w")
    while line := sys.stdin.readline():
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                answers.close()
                code = _child(order)
            except BaseException:  # noqa: BLE001 -- a bug of whatever kind must be seen in err.log
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        print(json.dumps({"pid": pid}), file=answers, flush=True)
        _, status, used = os.wait4(pid, 0)
        ended = {
            "status": os.waitstatus_to_exitcode(status),
            "peak_mib": used.ru_maxrss / 1024,
            "processor_seconds": used.ru_utime + used.ru_stime,
        }
        print(json.dumps(ended), file=answers, flush=True)


if __name__ == "__main__":
    _main()
