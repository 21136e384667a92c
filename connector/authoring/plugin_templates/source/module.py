"""A source for the IoC-Stream Connector: the lines of a file, each a notification as VirusTotal sends it."""

import json
from collections.abc import Iterator
from typing import BinaryIO, Literal

from pydantic import Field

from connector.plugin import (
    ANEW,
    Json,
    JsonObject,
    LookUp,
    Misconfigured,
    Page,
    PlacedPath,
    SourceKind,
    SourceSettings,
    Subject,
    Unavailable,
    Unreadable,
    read_notification,
)

PAGE_LINES = 100
MAX_LINE_BYTES = 16 * 1024 * 1024


class NewNameSettings(SourceSettings):
    """The lines of a file."""

    type: Literal["new_name"] = Field("new_name", description="The kind of source: the lines of a file.")
    path: PlacedPath = Field(description="The path of the file, which others append to.")
    poll_seconds: int = Field(60, ge=1, le=86400, description="How many seconds to wait before the next look.")
    # A password or a token is a `pydantic.SecretStr`: errors and logs then show stars in its place.

    def waits_for(self) -> str:
        """Say whose answers this waits for: those that wait for the same share a few threads."""
        return f"new_name {self.path}"


class NewNameSource:
    """Implements `connector.plugin.Source`. Its checkpoint is `{"offset": bytes}`."""

    def __init__(self, settings: NewNameSettings) -> None:
        self._path = settings.path

    def pages(self, checkpoint: Json | None) -> Iterator[Page]:
        """Yield what is new since the checkpoint, a page at a time, and end when there is nothing more now."""
        offset = _offset(checkpoint)
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                while lines := self._lines(file):
                    notifications, unreadable = [], []
                    for line in lines:
                        try:
                            notifications.append(read_notification(json.loads(line)))
                        except (ValueError, TypeError, RecursionError) as error:
                            reason = f"{self._path.name} at byte {offset}: {error}"
                            unreadable.append(Unreadable(f"{self._path.name}@{offset}", reason))
                        offset += len(line)
                    yield Page(notifications, {"offset": offset}, unreadable=unreadable)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be read: {error.strerror}") from None

    def _lines(self, file: BinaryIO) -> list[bytes]:
        """Read the next lines that are complete."""
        lines: list[bytes] = []
        while len(lines) < PAGE_LINES and (line := file.readline(MAX_LINE_BYTES)):
            if not line.endswith(b"\n"):
                if len(line) == MAX_LINE_BYTES:
                    raise Misconfigured(f"{self._path} has a line of more than {MAX_LINE_BYTES} bytes")
                break  # somebody is still writing it
            lines.append(line)
        return lines

    def look_up(self, subject: Subject) -> LookUp:
        """Look nothing up: the settings allow no look-ups a day (`look_up_limit`), so nobody asks."""
        raise Unavailable(f"a file cannot be asked about the {subject.type} {subject.id}")

    def check(self) -> str:
        """Say in one sentence that all is well, and move nothing."""
        if not self._path.is_file():
            raise Unavailable(f"there is no file {self._path}")
        return f"{self._path} can be read"

    def quota(self) -> JsonObject | None:
        """Say what is left of an allowance: a file has none."""
        return None

    def close(self) -> None:
        """Let go of what is open: here, nothing is between two calls."""


def _offset(checkpoint: Json | None) -> int:
    if checkpoint in (None, ANEW):
        return 0
    match checkpoint:
        case {"offset": int(offset), **rest} if not rest and offset >= 0:
            return offset
    raise Misconfigured(
        "what the journal has under this source's name is not from a source of type new_name: "
        "give the source a name that the journal does not know"
    )


KIND = SourceKind(contract=1, settings=NewNameSettings, make=NewNameSource)
