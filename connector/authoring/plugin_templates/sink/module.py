"""A sink for the IoC-Stream Connector: each message is a line of a file."""

import os
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from connector.plugin import Message, PlacedPath, Refusal, SinkKind, SinkSettings, Surroundings, Unavailable


class NewNameSettings(SinkSettings):
    """Lines of a file."""

    type: Literal["new_name"] = Field("new_name", description="The kind of sink: lines of a file.")
    path: PlacedPath = Field(description="The path of the file, to which each message is appended as a line.")
    max_message_bytes: int = Field(
        1_000_000, ge=1, description="The longest message that is taken, in bytes; a longer one becomes a dead letter."
    )
    # A password or a token is a `pydantic.SecretStr`: errors and logs then show stars in its place.

    def receiver(self) -> str:
        """Tell this destination from all others. While it stays the same, what was delivered counts as delivered."""
        return f"new_name {self.path}"


class NewNameSink:
    """Implements `connector.plugin.Sink`."""

    def __init__(self, settings: NewNameSettings) -> None:
        self._settings = settings

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """Send all, in the order of their dependency levels; return those that will never be taken.

        An outage is an exception: the connector waits, and sends the same messages again.
        """
        taken, refused = [], []
        for message in sorted(messages, key=lambda each: each.dependency_level):
            if len(message.body) > self._settings.max_message_bytes:
                refused.append(Refusal(message, f"longer than {self._settings.max_message_bytes} bytes"))
            else:
                taken.append(message.body + b"\n")
        if taken:
            try:
                with self._settings.path.open("ab") as file:
                    file.write(b"".join(taken))
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise Unavailable(f"{self._settings.path} cannot be written: {error.strerror}") from None
        return refused

    def check(self) -> str:
        """Say in one sentence that all is well, and leave nothing behind."""
        folder = self._settings.path.parent
        if not os.access(folder, os.W_OK | os.X_OK):
            raise Unavailable(f"the folder {folder} is not there, or may not be written to")
        return f"{self._settings.path} can be written"

    def close(self) -> None:
        """Let go of what is open: here, nothing is between two calls."""


def make(settings: NewNameSettings, _: Surroundings) -> NewNameSink:
    """Make a sink; nothing is opened yet."""
    return NewNameSink(settings)


KIND = SinkKind(contract=1, settings=NewNameSettings, make=make)
