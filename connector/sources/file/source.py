"""Notifications from files: JSON, JSON Lines and saved API pages, for replays and for sites without a network."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from connector.model import ANEW, Json, JsonObject, LookUp, Misconfigured, Notification, Page, Subject, Unavailable
from connector.notification import read
from connector.plugin import CONTRACT, SourceKind
from connector.settings.config import StreamPath
from connector.settings.parts import SourceSettings
from connector.sources.file.json_values import START, Place, Unfinished, Value, values

PAGE_NOTIFICATIONS = 500
PAGE_BYTES = 32 * 1024 * 1024
"""A page also ends when what it has read takes this much memory, so that large notifications need no more."""

_SUFFIXES = (".json", ".jsonl", ".ndjson")
_FINGERPRINT_BYTES = 4096


class FileSourceSettings(SourceSettings):
    """Notifications from a file, a folder or standard input."""

    type: Literal["file"] = Field(description="The kind of source: files.")
    path: StreamPath = Field(
        description=(
            "A JSON or JSON Lines file, a folder of *.json, *.jsonl and *.ndjson files, or - for standard input."
        ),
    )
    poll_seconds: int = Field(
        60,
        ge=1,
        le=86400,
        description=(
            "How many seconds to wait before looking for new files or lines. Looking costs little, so "
            "the default is a minute."
        ),
    )


class _Mark(BaseModel):
    """How far a file has been read.

    Attributes:
        size, mtime_ns: of the file, when it was read.
        offset, line: where the next value begins; `taken` of its notifications have been handed over.
        whole: the file is one JSON value, so that a changed file is a new one.
        done: what there was has been read.
        fingerprint: of what is before `offset`: a longer file that still begins so has been appended to.
    """

    model_config = ConfigDict(frozen=True)

    size: int
    mtime_ns: int
    offset: int
    line: int
    taken: int
    whole: bool
    done: bool
    fingerprint: str


class _Checkpoint(BaseModel):
    model_config = ConfigDict(frozen=True)

    files: dict[str, _Mark]


class FileSource:
    """Reads what a file or folder has, then what it gains. A JSON Lines file may grow; a replaced file is read anew."""

    def __init__(self, settings: FileSourceSettings) -> None:
        self._path = settings.path

    def pages(self, checkpoint: Json | None) -> Iterator[Page]:
        """Yield what is new, file by file in the order of their names; see `connector.ports.Source`.

        A file that cannot be read holds up no other: its error is raised when all others have been read.
        """
        known = _restored(checkpoint)
        if self._path == "-":
            yield from _stdin_pages(checkpoint)
            return
        files = self._files()
        marks = {name: known[name] for name in files if name in known}
        page = _Page()
        trouble: Unavailable | Misconfigured | None = None
        for name, path in files.items():
            try:
                for mark in _read(path, marks.get(name), page):
                    marks[name] = mark
                    if page.is_full():
                        yield page.taken(marks)
            except (Unavailable, Misconfigured) as error:
                trouble = trouble or error
        if page.notifications or marks != known:
            yield page.taken(marks)
        if trouble is not None:
            raise trouble

    def check(self) -> str:
        """Say what there is to read."""
        if self._path == "-":
            return "notifications come from standard input"
        files = self._files()
        size = 0
        for path in files.values():
            with _opened(path) as file:
                size += os.fstat(file.fileno()).st_size
        if not files:
            return f"there is no {', '.join('*' + suffix for suffix in _SUFFIXES)} in {self._path} yet"
        return f"{len(files)} {'file' if len(files) == 1 else 'files'} to read, {size:,} bytes"

    def quota(self) -> None:
        """Files have none."""

    def look_up(self, subject: Subject) -> LookUp:
        """Files say no more than the notifications in them."""
        raise Unavailable(f"a file cannot be asked about the {subject.type} {subject.id}")

    def close(self) -> None:
        """Hold nothing open between pages."""

    def _files(self) -> Mapping[str, Path]:
        path = Path(self._path)
        try:
            if path.is_file():
                return {path.name: path}
            if not path.is_dir():
                raise Misconfigured(f"there is no file or folder {path}: correct the source's path")
            found = sorted(path.iterdir())
        except PermissionError:
            raise Misconfigured(f"{path} may not be read by this user: change its permissions") from None
        except OSError as error:
            raise Unavailable(f"{path} cannot be read: {error.strerror}") from None
        # A name that begins with a dot is one that someone is still writing under.
        return {
            file.name: file
            for file in found
            if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".") and file.is_file()
        }


def read_bodies(
    stream: BinaryIO, name: str, broken: Callable[[Misconfigured], None] | None = None
) -> Iterator[JsonObject]:
    """The notification bodies in a stream, in either shape; memory stays flat for JSON Lines.

    Args:
        stream: JSON (a body, a list, an API page, an answer `{"data": {…}}`) or JSON Lines of any of these.
        name: what errors call it.
        broken: told of a broken line in the midst of JSON Lines, which is then passed over; by default it ends all.

    Raises:
        Misconfigured: it is something else; with `name:line:column` and what was expected.
    """
    for value in values(stream, name, START, broken=broken):
        yield from value.bodies


class _Page:
    """A page in the making."""

    def __init__(self) -> None:
        self.notifications: list[Notification] = []
        self.bytes = 0

    def is_full(self) -> bool:
        return len(self.notifications) >= PAGE_NOTIFICATIONS or self.bytes >= PAGE_BYTES

    def taken(self, marks: Mapping[str, _Mark]) -> Page:
        page = Page(self.notifications, _Checkpoint(files=dict(marks)).model_dump())
        self.notifications, self.bytes = [], 0
        return page


def _read(path: Path, mark: _Mark | None, page: _Page) -> Iterator[_Mark]:
    """Read on in a file into a page; yield a mark whenever the page is full, and at the end."""
    with _opened(path) as file:
        try:
            yield from _read_on(file, path, mark, page)
        except Unfinished as unfinished:
            raise Unavailable(f"{unfinished}; should the file still be written, the rest will be read") from None
        except OSError as error:
            raise Unavailable(f"{path} cannot be read: {error.strerror}") from None


def _read_on(file: BinaryIO, path: Path, mark: _Mark | None, page: _Page) -> Iterator[_Mark]:
    stat = os.fstat(file.fileno())
    size, mtime_ns = stat.st_size, stat.st_mtime_ns
    place, taken, whole = START, 0, False
    if mark is not None:
        unchanged = (mark.size, mark.mtime_ns) == (size, mtime_ns)
        if unchanged and mark.done:
            return
        appended = size > mark.size and not mark.whole and _fingerprint(file, mark.offset) == mark.fingerprint
        if unchanged or appended:
            place, taken = Place(mark.offset, mark.line), mark.taken

    def marked(*, done: bool) -> _Mark:
        return _Mark(
            size=size,
            mtime_ns=mtime_ns,
            offset=place.offset,
            line=place.line,
            taken=taken,
            whole=whole,
            done=done,
            fingerprint=_fingerprint(file, place.offset),
        )

    file.seek(place.offset)
    for value in values(file, str(path), place, growing=True):
        whole = value.whole
        for body in _rest(value, taken):
            page.notifications.append(read(body))
            taken += 1
            if page.is_full():
                yield marked(done=False)
        page.bytes += value.decoded_bytes
        place, taken = value.end, 0
        if page.is_full():
            yield marked(done=False)
    yield marked(done=True)


def _rest(value: Value, taken: int) -> Iterator[JsonObject]:
    bodies = iter(value.bodies)
    for _ in range(taken):
        next(bodies, None)
    return bodies


def _fingerprint(file: BinaryIO, offset: int) -> str:
    """Of the first and last bytes before an offset. Does not move the file's own offset."""
    head = os.pread(file.fileno(), min(_FINGERPRINT_BYTES, offset), 0)
    start = max(0, offset - _FINGERPRINT_BYTES)
    tail = os.pread(file.fileno(), offset - start, start)
    return hashlib.sha256(head + tail).hexdigest()[:32]


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except PermissionError:
        raise Misconfigured(f"{path} may not be read by this user: change its permissions") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be opened: {error.strerror}") from None


def _restored(checkpoint: Json | None) -> Mapping[str, _Mark]:
    if checkpoint in (None, ANEW):
        return {}
    try:
        return _Checkpoint.model_validate(checkpoint).files
    except pydantic.ValidationError:
        raise Misconfigured(
            "what the journal has under this source's name is not from a file source: "
            "give the source a name that the journal does not know"
        ) from None


def _stdin_pages(checkpoint: Json | None) -> Iterator[Page]:
    notifications: list[Notification] = []
    checkpoint = {"files": {}} if checkpoint in (None, ANEW) else checkpoint
    for body in read_bodies(sys.stdin.buffer, "standard input"):
        notifications.append(read(body))
        if len(notifications) == PAGE_NOTIFICATIONS:
            yield Page(notifications, checkpoint)
            notifications = []
    if notifications:
        yield Page(notifications, checkpoint)


KIND = SourceKind(contract=CONTRACT, settings=FileSourceSettings, make=FileSource)
