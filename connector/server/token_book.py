"""The tokens that open the server now: of the configuration and of the file, which commands change while it runs."""

import asyncio
import time
from collections.abc import Mapping, Sequence

from connector import telemetry
from connector.model import Misconfigured
from connector.settings.server import TokenSettings
from connector.settings.token_file import TokenFile, Use
from connector.sources.virustotal.spending import DailyShare

LOOK_SECONDS = 1.0
"""How long a revoked token may still open the server."""
WRITE_SECONDS = 30.0
"""How often it is written down at most when tokens were last used."""


class TokenBook:
    """Looks for changes of the file, and writes down last uses and what was spent.

    Used by one event loop; closed when that has ended.
    """

    def __init__(self, file: TokenFile) -> None:
        """The file is read at once.

        Raises:
            Misconfigured: it cannot be read.
        """
        self._file = file
        self._known: Sequence[TokenSettings] = file.tokens() if file.path.exists() else file.known()
        self._looked = time.monotonic()
        self._trouble = ""
        self._uses: dict[str, Use] = {}
        self._shares: dict[str, DailyShare] = {}
        self._spent = file.spent()
        self._is_due = False

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
        self._uses[token.hash] = Use(time.time(), client)
        self._write_later()

    def share(self, token: TokenSettings) -> DailyShare:
        """What may be spent of the quota at VirusTotal for a token."""
        share = self._shares.get(token.hash)
        if share is None:
            share = self._shares[token.hash] = DailyShare(token.name, self._spent.get(token.hash, (0, 0)))
        share.most = token.quota_per_day
        return share

    def close(self) -> None:
        """Write down last uses. That this fails stops nothing."""
        self._is_written(self._taken())

    def _write_later(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self._write)

    def _write(self) -> None:
        """Have a thread write down what there is; if that fails, it is tried again."""
        uses = self._taken()

        def give_back(written: asyncio.Future[bool]) -> None:
            if written.cancelled() or not written.result():
                self._give_back(uses)
                self._write_later()

        asyncio.get_running_loop().run_in_executor(None, self._is_written, uses).add_done_callback(give_back)

    def _taken(self) -> Mapping[str, Use]:
        """The uses that are not written down; taken by the event loop, so that none is noted meanwhile."""
        self._is_due = False
        uses, self._uses = self._uses, {}
        for token, use in uses.items():
            if token in self._shares:
                use.day, use.requests = self._shares[token].told()
        return uses

    def _give_back(self, uses: Mapping[str, Use]) -> None:
        self._uses = {**uses, **self._uses}
        for token, use in uses.items():
            if token in self._shares:
                self._shares[token].not_told(use.day, use.requests)

    def _is_written(self, uses: Mapping[str, Use]) -> bool:
        if not uses:
            return True
        try:
            self._file.write_uses(uses)
        except (OSError, Misconfigured) as error:
            telemetry.logger().warning("token_uses_unwritten", reason=str(error))
            return False
        return True
