"""Messages to a file or to stdout: one a line, or all in one STIX bundle."""

import contextlib
import errno
import fcntl
import os
import stat
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from connector.model import ConnectorError, Message, Misconfigured, Refusal, Unavailable
from connector.plugin import CONTRACT, SinkKind
from connector.settings.config import StreamPath
from connector.settings.parts import Destination, Misfit, SinkSettings
from connector.sinks.file.layout import Bundle, Foreign, Layout, Lines

_FOR_A_PERSON = frozenset(
    (
        errno.EACCES,
        errno.EPERM,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.EISDIR,
        errno.EEXIST,
        errno.EROFS,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENXIO,
        errno.EFBIG,
    )
)
"""Errors that waiting does not mend (ENOENT: on /proc and the like nothing can be made). A full disk (ENOSPC, EDQUOT)
is none of them: whoever watches it makes room."""


class FileSinkSettings(SinkSettings):
    """A file, or standard output."""

    type: Literal["file"] = Field("file", description="The kind of sink: a file.")
    path: StreamPath = Field(
        description="The file to write; it and its folders are made if missing. `-` is standard output."
    )
    layout: Literal["lines", "stix-bundle"] = Field(
        "lines",
        description=(
            "How messages are laid out. `lines`: one message a line. `stix-bundle`: one STIX bundle, an "
            "object a line, complete and valid after each batch (on standard output: at the end)."
        ),
    )

    def writes_to_stdout(self) -> bool:
        """See `connector.settings.parts.SinkSettings`."""
        return self.path == "-"

    def destination(self) -> Destination | None:
        """See `connector.settings.parts.SinkSettings`. Two paths of one file are one destination."""
        if self.writes_to_stdout():
            return Destination("stdout", "path", "writes stdout")
        return Destination(("file", os.path.realpath(self.path)), "path", "writes this file")

    def receiver(self) -> str:
        """See `connector.settings.parts.SinkSettings`."""
        return "stdout" if self.writes_to_stdout() else f"file {os.path.realpath(self.path)}"

    def misfit(self, format_name: str) -> Misfit | None:
        """See `connector.settings.parts.SinkSettings`."""
        if self.layout == "lines" or format_name == "stix":
            return None
        return Misfit("layout", f"stix-bundle takes only STIX objects, and this mapping makes {format_name}")


class FileSink:
    """Appends to a file; when `send` returns, all of it is on the disk.

    A crash in the middle of `send` leaves a torn end, which was never reported as delivered and is cut off when the
    file is opened next. No message can be at fault: a disk takes bytes, or fails whatever they are. One process writes
    a file at a time. A file that was renamed (logrotate) or emptied is begun anew.
    """

    def __init__(self, settings: FileSinkSettings) -> None:
        self._path = Path(settings.path)
        self._layout: Layout = Bundle() if settings.layout == "stix-bundle" else Lines()
        self._sink: _File | _Stdout | None = None
        self._to_stdout = settings.writes_to_stdout()
        self._may_begin = True  # a new bundle; false while the route believes that the last one is there

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """See `connector.ports.Sink`. A file refuses nothing.

        Raises:
            BrokenPipeError: whoever read stdout has had enough (`| head`). That is neither an outage, for waiting
                would last for ever, nor a fault that a person must mend, but the end, and the command line's to handle.
        """
        if not messages:
            return ()
        bodies = [message.body for message in sorted(messages, key=lambda each: each.dependency_level)]
        if not all(map(self._layout.fits, bodies)):
            raise Misconfigured(f"{self._path}: the layout stix-bundle takes only STIX objects; set layout: lines")
        try:
            if isinstance(self._sink, _File) and self._sink.moved():
                self.close()
            if not self._may_begin and self._begins_bundle():
                raise Unavailable(f"{self._path} was moved away in this moment; a new bundle is begun")
            if self._sink is None:
                self._sink = _Stdout(self._layout) if self._to_stdout else _File(self._path, self._layout)
            self._sink.append(bodies)
        except BrokenPipeError:
            self._abandon()
            raise
        except OSError as error:
            self._abandon()
            raise _explained(self._path, error) from None
        except Foreign as error:
            self._abandon()
            raise Misconfigured(f"{self._path}: {error}; move it away, or choose another path") from None
        return ()

    def is_emptied(self) -> bool:
        """See `connector.ports.Emptiable`. Only a bundle must hold all that its objects refer to."""
        self._may_begin = self._begins_bundle()
        return self._may_begin

    def check(self) -> str:
        """See `connector.ports.Sink`. Leaves nothing behind, and does not mind that another process is writing."""
        if self._to_stdout:
            return "stdout takes what is sent"
        try:
            return self._checked()
        except OSError as error:
            raise _explained(self._path, error) from None
        except Foreign as error:
            raise Misconfigured(f"{self._path}: {error}; move it away, or choose another path") from None

    def close(self) -> None:
        """See `connector.ports.Sink`."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()

    def _begins_bundle(self) -> bool:
        """Whether the next message begins a bundle in a file."""
        if self._to_stdout or not isinstance(self._layout, Bundle):
            return False
        try:
            return self._path.stat().st_size == 0
        except FileNotFoundError:
            return True
        except OSError as error:
            raise _explained(self._path, error) from None

    def _abandon(self) -> None:
        # Not close(): a bundle on a stdout that failed is beyond ending.
        sink, self._sink = self._sink, None
        if isinstance(sink, _File):
            sink.close()

    def _checked(self) -> str:
        if self._path.is_symlink():
            with contextlib.suppress(FileNotFoundError):
                self._path.stat()  # which tells of links in a circle, as nothing below does
        if self._path.exists():
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                size = _regular_size(descriptor)
                self._layout.end(descriptor, size)
            finally:
                os.close(descriptor)
            return f"{self._path} can be appended to and has {size} bytes now"
        folder = next(parent for parent in self._path.absolute().parents if parent.exists())
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        with tempfile.TemporaryFile(dir=folder) as trial:  # what may be written is known by writing alone
            trial.write(b"trial")
        return f"{self._path} will be made"


class _File:
    """A file that is open, locked, and ends where its layout says."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path, self._layout = path, layout
        self._end = self._size = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            size = _regular_size(self._descriptor)
            self._lock()
            if size == 0:
                _make_name_durable(path.parent)
            self._mend()
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, bodies: Sequence[bytes]) -> None:
        """Write, and return when it is on the disk; or leave the file as it was and raise."""
        if os.fstat(self._descriptor).st_size != self._size:
            self._mend()  # emptied by logrotate's copytruncate, or touched by someone who minds no lock
        data = self._layout.joined(bodies, first=self._end == 0)
        try:
            _write(self._descriptor, data, self._end)
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):  # what cannot be undone now is mended when the file is opened next
                self._cut()
            raise
        self._size = self._end + len(data)
        self._end = self._size - len(self._layout.closing)

    def moved(self) -> bool:
        """Whether the path names another file by now, or none."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return True
        return not os.path.samestat(there, os.fstat(self._descriptor))

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._descriptor)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(
                f"{self._path} is being written by another process or route: give each a path of its own"
            ) from None

    def _mend(self) -> None:
        size = os.fstat(self._descriptor).st_size
        self._end = self._layout.end(self._descriptor, size)
        closing = self._layout.closing if self._end else b""
        self._size = self._end + len(closing)
        if size != self._size or os.pread(self._descriptor, len(closing), self._end) != closing:
            self._cut()

    def _cut(self) -> None:
        # In this order: were it interrupted, the end would be found again where it is now.
        closing = self._layout.closing if self._end else b""
        os.ftruncate(self._descriptor, self._end + len(closing))
        _write(self._descriptor, closing, self._end)
        os.fsync(self._descriptor)


class _Stdout:
    """The process's stdout. What is written is gone, so a bundle ends when the sink is closed."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._first = True

    def append(self, bodies: Sequence[bytes]) -> None:
        """Write and flush."""
        data = self._layout.joined(bodies, first=self._first)
        self._write(data.removesuffix(self._layout.closing))
        self._first = False

    def close(self) -> None:
        """Complete the bundle."""
        if not self._first:
            self._write(self._layout.closing)

    @staticmethod
    def _write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def _regular_size(descriptor: int) -> int:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Foreign("is not a regular file; stdout is written as -")
    return status.st_size


def _make_name_durable(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system and permission allows it; the file itself is synced
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write(descriptor: int, data: bytes, position: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(descriptor, left, position)
        position += written
        left = left[written:]


def _explained(path: Path, error: OSError) -> ConnectorError:
    kind = Misconfigured if error.errno in _FOR_A_PERSON else Unavailable
    return kind(f"{path} cannot be written: {error.strerror}")


KIND = SinkKind(contract=CONTRACT, settings=FileSinkSettings, make=lambda settings, _: FileSink(settings))
