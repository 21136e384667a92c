"""Tokens that commands make and revoke while the server runs: a file for its owner alone, beside the journal.

The file holds hashes of tokens, and which tokens are revoked, those of the configuration among them. Commands write it;
the server reads it again whenever it has changed. When each token was last used, and how much quota it has cost on one
day, is in a second file, which the server writes.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydantic

from connector.model import Misconfigured
from connector.settings.config import Settings
from connector.settings.server import TokenSettings
from connector.values.timestamps import timestamp

SOON_SECONDS = 14 * 86_400
"""How long before its end a token is warned of."""
_USES_SUFFIX = ".uses"
_DAY_SECONDS = 86_400


class RevokedToken(Settings):
    """A token that opens nothing any more. The hash tells it from a later one of the same name."""

    name: str
    hash: str
    at: str


class StoredToken(TokenSettings):
    """A token that a command made."""

    made: str = ""


class TokenFileContent(Settings):
    """What the file holds."""

    tokens: list[StoredToken] = pydantic.Field(default_factory=list)
    revoked: list[RevokedToken] = pydantic.Field(default_factory=list)


@dataclass(slots=True)
class Use:
    """The last use of a token, and what it has spent since that was last written down.

    Attributes:
        at: Unix seconds.
        client: address of the client.
        day: on which it has spent, in days since 1970.
        requests: how many requests to VirusTotal were sent for it.
    """

    at: float
    client: str
    day: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class ListedToken:
    """A token, as `iocstream token list` shows it.

    Attributes:
        kept: `configuration` or `file`.
        state: `valid`, `expired` or `revoked`.
        used: when it was last used (RFC 3339), and from where; None: never, as far as is known.
        quota_today: how many requests to VirusTotal were sent for it since 00:00 UTC, as far as is known.
        message: that it has expired, or soon will, and what to do about it; None: neither.
    """

    settings: TokenSettings
    kept: str
    state: str
    used: tuple[str, str] | None = None
    quota_today: int = 0
    message: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        token = self.settings
        return {
            "name": token.name,
            "state": self.state,
            "kept": self.kept,
            "scopes": list(token.scopes),
            "sources": token.sources,
            "expires": None if token.expires is None else timestamp(token.expires),
            "last_used": self.used[0] if self.used else None,
            "last_used_from": self.used[1] if self.used else None,
            "quota_per_day": token.quota_per_day,
            "quota_today": self.quota_today,
            "message": self.message,
        }


@dataclass(slots=True)
class TokenFile:
    """The tokens of a configuration and of its file.

    Attributes:
        configured: the tokens of the configuration.
    """

    path: Path
    configured: Sequence[TokenSettings] = ()
    _content: TokenFileContent = field(default_factory=TokenFileContent)
    _seen: tuple[int, ...] | None = None

    def tokens(self) -> Sequence[TokenSettings]:
        """The tokens that are not revoked, as they are now. Reads the file again only if it has changed.

        Raises:
            Misconfigured: the file cannot be read, or is gone although it was there.
        """
        found = self._stamp()
        if found != self._seen:
            if found is None:
                raise Misconfigured(f"the file of tokens {self.path} is gone")
            self._content = self._read()
            self._seen = found
        return self.known()

    def known(self) -> Sequence[TokenSettings]:
        """The tokens as they were last read."""
        revoked = {each.hash for each in self._content.revoked}
        return [token for token in (*self.configured, *self._content.tokens) if token.hash not in revoked]

    def add(self, token: TokenSettings) -> None:
        """Keep a token.

        Raises:
            Misconfigured: there is one of this name, or the file cannot be written.
        """
        with self._changing() as content:
            revoked = {each.hash for each in content.revoked}
            if any(
                each.name == token.name and each.hash not in revoked for each in (*self.configured, *content.tokens)
            ):
                raise Misconfigured(
                    f"there is a token {token.name} already: `iocstream token revoke {token.name}` ends it, or give the"
                    " new one another name"
                )
            kept = StoredToken(**token.model_dump(), made=timestamp(int(time.time())))
            # Those of the same name that are over would only be in the way.
            others = [each for each in content.tokens if each.name != token.name]
            self._write(TokenFileContent(tokens=[*others, kept], revoked=content.revoked))

    def revoke(self, name: str) -> int:
        """End the tokens of a name; return how many there were.

        Raises:
            Misconfigured: there is none of this name, or the file cannot be written.
        """
        with self._changing() as content:
            revoked = {each.hash for each in content.revoked}
            found = [each for each in (*self.configured, *content.tokens) if each.name == name]
            ended = [each for each in found if each.hash not in revoked]
            if not ended:
                said = f"there is no token {name}; `iocstream token list` shows them"
                raise Misconfigured(f"the token {name} is revoked already" if found else said)
            now = timestamp(int(time.time()))
            added = [RevokedToken(name=each.name, hash=each.hash, at=now) for each in ended]
            self._write(TokenFileContent(tokens=content.tokens, revoked=[*content.revoked, *added]))
        return len(ended)

    def listed(self) -> Sequence[ListedToken]:
        """Every token, with its state and its last use.

        Raises:
            Misconfigured: a file cannot be read.
        """
        content = self._read() if self.path.exists() else TokenFileContent()
        revoked, uses, now = {each.hash for each in content.revoked}, self._uses(), time.time()
        found = []
        for kept, tokens in (("configuration", self.configured), ("file", content.tokens)):
            for token in tokens:
                state = "revoked" if token.hash in revoked else "expired" if token.is_over(now) else "valid"
                used = uses.get(token.hash)
                message = None if state == "revoked" else _end_of(token, now)
                last = (used["at"], used["client"]) if used else None
                spent = _spent(used, int(now) // _DAY_SECONDS)
                found.append(ListedToken(token, kept, state, last, spent, message))
        return found

    def spent(self) -> Mapping[str, tuple[int, int]]:
        """The last day, in days since 1970, on which each token cost quota, by hash, and how many requests.

        Raises:
            Misconfigured: the file cannot be read.
        """
        return {
            token: (use["day"], _spent(use, use["day"]))
            for token, use in self._uses().items()
            if isinstance(use.get("day"), int)
        }

    def write_uses(self, uses: Mapping[str, Use]) -> None:
        """Write down when tokens were last used and from where, by hash; what others wrote down later stays.

        What they spent is added to what was spent on the same day.

        Raises:
            OSError: it cannot be written.
            Misconfigured: what is there cannot be read.
        """
        with self._locked():
            kept = dict(self._uses())
            for token, use in uses.items():
                before, when = kept.get(token, {}), timestamp(int(use.at))
                after = dict(before) if before and before["at"] > when else {**before, "at": when, "client": use.client}
                if use.requests:
                    after |= {"day": use.day, "requests": _spent(before, use.day) + use.requests}
                kept[token] = after
            _replace(self._uses_path(), json.dumps(kept, indent=1))

    def _uses_path(self) -> Path:
        return self.path.with_name(self.path.name + _USES_SUFFIX)

    def _uses(self) -> Mapping[str, Mapping[str, Any]]:
        try:
            found = json.loads(self._uses_path().read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):  # it says nothing that must not be lost
            return {}
        except OSError as error:
            raise Misconfigured(f"{self._uses_path()} cannot be read: {error.strerror}") from None
        return {token: use for token, use in found.items() if {"at", "client"} <= use.keys()}

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Misconfigured(f"the file of tokens {self.path} cannot be read: {error.strerror}") from None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> TokenFileContent:
        try:
            return TokenFileContent.model_validate_json(self.path.read_bytes())
        except OSError as error:
            raise Misconfigured(f"the file of tokens {self.path} cannot be read: {error.strerror}") from None
        except pydantic.ValidationError:
            raise Misconfigured(
                f"the file of tokens {self.path} is damaged: restore it, or move it away, make its tokens anew and"
                " revoke again those of the configuration that were revoked"
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The folder is locked, for the file itself is replaced.
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    @contextmanager
    def _changing(self) -> Iterator[TokenFileContent]:
        try:
            with self._locked():
                yield self._read() if self.path.exists() else TokenFileContent()
        except OSError as error:
            raise Misconfigured(f"the file of tokens {self.path} cannot be written: {error.strerror}") from None

    def _write(self, content: TokenFileContent) -> None:
        _replace(self.path, content.model_dump_json(indent=1))


def _spent(use: Mapping[str, Any] | None, day: int) -> int:
    """How many requests were sent on a day, as it is written down."""
    requests = use.get("requests") if use and use.get("day") == day else None
    return requests if isinstance(requests, int) else 0


def _end_of(token: TokenSettings, now: float) -> str | None:
    """That a token has expired, or soon will, and what to do about it; None: neither."""
    if token.expires is None or token.expires - now > SOON_SECONDS:
        return None
    options = [f"--scope {each}" for each in token.scopes] + [f"--source {each}" for each in token.sources or ()]
    made_anew = f"{' '.join(options)} --expires 90d`"
    revoke = f"`iocstream token revoke {token.name}`"
    if token.is_over(now):
        said = f"the token {token.name} expired on {timestamp(token.expires)[:10]}: {revoke}"
        return f"{said}, and if it is still needed `iocstream token new {token.name} {made_anew}"
    days, at = int(token.expires - now) // _DAY_SECONDS, timestamp(token.expires)[:16]
    left = f"in {days} days" if days > 1 else "in a day" if days else "within a day"
    said = f"the token {token.name} expires {left}, at {at}Z: `iocstream token new NEW_NAME {made_anew}"
    return f"{said} makes another for who uses it; then {revoke}"


def _replace(path: Path, text: str) -> None:
    """Replace a file as a whole, for its owner alone; when root does it, for the owner of the folder."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
