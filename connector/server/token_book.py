"""The tokens that open the server now: of the configuration and of the file, which commands change while it runs."""

import asyncio
import threading
import time
from collections.abc import Sequence

from connector import telemetry
from connector.model import Misconfigured
from connector.settings.server import TokenSettings
from connector.settings.token_file import TokenFile

LOOK_SECONDS = 1.0
"""How long a revoked token may still open the server."""
WRITE_SECONDS = 30.0
"""How often it is written down at most when tokens were last used."""


class TokenBook:
    """Looks for changes of the file, and writes down last uses. Used by one event loop, but for `close`."""

    def __init__(self, file: TokenFile) -> None:
        """The file is read at once.

        Raises:
            Misconfigured: it cannot be read.
        """
        self._file = file
        self._known: Sequence[TokenSettings] = file.tokens() if file.path.exists() else file.known()
        self._looked = time.monotonic()
        self._trouble = ""
        self._uses: dict[str, tuple[float, str]] = {}
        self._is_due = False
        self._writing = threading.Lock()

    def tokens(self) -> Sequence[TokenSettings]:
        """The tokens as they are now; as they were, where the file cannot be read: what was revoked stays so."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            try:
                self._known = self._file.tokens()
                self._trouble = ""
            except Misconfigured as error:
                if self._trouble != str(error):
                    self._trouble = str(error)
                    telemetry.logger().error("tokens_unread", reason=str(error))
        return self._known

    def used(self, token: TokenSettings, client: str) -> None:
        """A token was used by a client at this address."""
        self._uses[token.hash] = time.time(), client
        if not self._is_due:
            self._is_due = True
            loop = asyncio.get_running_loop()
            loop.call_later(WRITE_SECONDS, lambda: loop.run_in_executor(None, self.close))

    def close(self) -> None:
        """Write down last uses. That this fails stops nothing."""
        with self._writing:
            self._is_due = False
            uses, self._uses = self._uses, {}
            if not uses:
                return
            try:
                self._file.write_uses(uses)
            except (OSError, Misconfigured) as error:
                telemetry.logger().warning("token_uses_unwritten", reason=str(error))
