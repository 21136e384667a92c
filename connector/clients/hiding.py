"""Hides secrets in what others say: a server in debug mode, or a proxy on the way, echoes what it was sent."""

import base64
import re
from collections.abc import Sequence
from functools import cached_property
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import SecretStr

from connector.values.display import one_line, shortened

HIDDEN = "***"
_LONGEST_TEXT = 64 * 1024
"""Of a longer text the two halves of that at its ends are looked at, and shown."""
_FEWEST_BASE64 = 6
"""Fewer characters of Base64 stand in many a word."""
_TELLING = 8
_SHORTEST = 3
"""What is shorter keeps nothing secret, and hidden it would leave no error that can be read: `X-Api-Version: 2`."""
_SHORTEST_ALONE = 6
"""What is shorter is a number or a word that an error needs."""
_ESCAPES = ("%", "&", "\\")
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_FOLDED = {
    "-": "+",
    "_": "/",
    "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}": "i",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    "\N{LATIN SMALL LETTER LONG S}": "s",
}
_LONGEST_SPELLING = 12
"""Of one character, as `_spelt` knows it: an escape of a byte in UTF-8 is at most as long for each byte."""


class Hiding:
    """Hides secrets in text, however they are written: in any case, percent-encoded, in HTML, JSON or Base64.

    Args:
        secrets: what to hide, whatever it looks like, if it has three characters or more. Of `Basic …` and `Bearer …`
            what follows is hidden by itself as well, and of the former the password. Of the URL of a proxy give
            `proxy_login`, and of another URL `after_host`: whole, it would not be found where a part of it is said.
    """

    def __init__(self, *secrets: SecretStr | None) -> None:
        texts = {part for secret in secrets if secret is not None for part in _parts(secret.get_secret_value())}
        texts = {text for text in texts if len(text) >= _SHORTEST}
        plain = {*texts, *(core for text in texts for core in _base64(text))}
        # The longest first, so that none is cut up by one within it.
        ordered = sorted(plain, key=len, reverse=True)
        self._count = len(texts)
        self._plain = [_folded(text) for text in ordered]
        # What is not ASCII, or blank, has spellings without an escape.
        self._is_simple = all(text.isascii() and text.isprintable() and " " not in text for text in ordered)
        self._ordered = ordered
        self._longest = max(
            (_LONGEST_SPELLING * len(text.encode("utf-8", "surrogatepass")) for text in texts), default=0
        )

    def __call__(self, text: str) -> str:
        """The text with `***` in the place of each; of a very long one its two ends."""
        if len(text) > _LONGEST_TEXT and self._may_be_in(text):
            half = _LONGEST_TEXT // 2
            # Of a secret that the cut goes through nothing may be left.
            head, tail = self(text[:half]), self(text[-half:])
            return f"{head[: max(0, len(head) - self._longest)]} … {tail[self._longest :]}"
        return self._pattern.sub(HIDDEN, text) if self._may_be_in(text) else text

    def line(self, text: str, limit: int) -> str:
        """The start of the text, as one printable line of at most `limit` characters, without the secrets."""
        most = self.looked_at(limit)
        if len(text) <= most:
            return shortened(one_line(self(text)), limit)
        start = self(text[:most])
        return shortened(one_line(start[: max(0, len(start) - self._longest)]) + "…", limit)

    def looked_at(self, limit: int) -> int:
        """How many characters of a text are looked at for a line of it."""
        return 4 * limit + self._longest

    def finds(self, text: str) -> bool:
        """Whether a secret is in the start of the text that is long enough to be there by no accident."""
        text = text[:_LONGEST_TEXT]
        return self._may_be_in(text) and self._telling.search(text) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return _any(self._ordered)  # some ten milliseconds, for what most processes never need

    @cached_property
    def _telling(self) -> re.Pattern[str]:
        return _any([text for text in self._ordered if len(text) >= _TELLING])

    def _may_be_in(self, text: str) -> bool:
        """Whether the pattern, which takes its time, could match."""
        if not self._plain:
            return False
        if not self._is_simple or any(escape in text for escape in _ESCAPES):
            return True
        folded = _folded(text)
        return any(plain in folded for plain in self._plain)

    def __repr__(self) -> str:
        return f"Hiding({self._count} secrets)"


def proxy_login(proxy: str) -> list[str]:
    """What of the URL of a proxy is secret: password, and the login as it is sent; empty when it has none.

    The scheme may be missing, as in a variable of the environment.
    """
    try:
        parts = urlsplit(proxy if "://" in proxy else f"//{proxy}")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        return []
    if not password:  # a token may stand in the place of the user
        return [user] if user else []
    return [password, parts.password or password, _encoded(f"{user}:{password}")]


def after_host(url: str) -> list[str]:
    """What of the URL of a webhook may be secret: all after the host, and each part of it that a server may say alone.

    A part of less than six characters is hidden only within the whole, and one that the host has, too, not by itself:
    an error needs both. Empty when nothing comes after the host.
    """
    try:
        url_parts = urlsplit(url)
        queried = parse_qsl(url_parts.query, keep_blank_values=True)
    except ValueError:
        return [url]
    path, query, fragment = url_parts.path, url_parts.query, url_parts.fragment
    whole = [path if len(path) > 1 else "", query, f"{path}?{query}" if query else "", fragment]
    host = url_parts.netloc.lower()
    alone = [path.strip("/"), *path.split("/"), *(value or name for name, value in queried)]
    alone = [part for part in alone if len(part) >= _SHORTEST_ALONE and part.lower() not in host]
    return list(dict.fromkeys(spelt for part in (*whole, *alone) if part for spelt in (part, unquote(part))))


def _parts(secret: str) -> list[str]:
    """A secret, and those within it that a server may say by themselves."""
    scheme, _, credentials = secret.rpartition(" ")
    found = [secret, secret.strip(), credentials.strip()]
    if scheme.strip().lower() == "basic":
        try:
            login = base64.b64decode(credentials, validate=True).decode("utf-8", "surrogateescape")
        except ValueError:
            login = ""
        found += [login, login.partition(":")[2]]
    # As it is sent in the body of a form.
    return [part for each in found if each for part in (each, quote(each, safe=""))]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii")


def _base64(text: str) -> list[str]:
    """What Base64 of a longer text has where this stands in it, for each of its three places in a group."""
    raw = text.encode("utf-8", "surrogatepass")
    found = []
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode("ascii").rstrip("=")
        # The bits of a character at either end may be those of a neighbour.
        start = -(-before * 8 // 6)
        end = (before + len(raw)) * 8 // 6
        if end - start >= _FEWEST_BASE64:
            found.append(encoded[start:end])
    return found


def _folded(text: str) -> str:
    """The same for what the pattern holds for the same without an escape: Base64 of a URL, and letters of any case."""
    for one, other in _FOLDED.items():
        text = text.replace(one, other)
    return text.lower()


def _any(texts: Sequence[str]) -> re.Pattern[str]:
    # `(?!)` is nowhere.
    return re.compile("|".join("".join(map(_spelt, text)) for text in texts) or "(?!)", re.IGNORECASE)


def _spelt(character: str) -> str:
    """A pattern for one character of a secret, as JSON, HTML, URLs and URLs within URLs write it."""
    raw = character.encode("utf-8", "surrogatepass")
    code = ord(character)
    spellings = [
        "".join(f"%(?:25){{0,2}}{byte:02x}" for byte in raw),
        rf"&\#(?:0{{0,3}}{code}|x0{{0,4}}{code:x});",
    ]
    units = character.encode("utf-16-be", "surrogatepass").hex()
    spellings.append("".join(rf"\\u{units[place : place + 4]}" for place in range(0, len(units), 4)))
    if character in _NAMED:
        spellings.append(f"&{_NAMED[character]};")
    if character in "\"'\\/":
        spellings.append(re.escape(f"\\{character}"))
    if character in "+/":
        spellings.append(re.escape("-" if character == "+" else "_"))  # Base64 in a URL
    if character == "\n":
        spellings.append(r"\\n")
    if character == " ":
        spellings.append(r"\+")
    if not character.isprintable():
        spellings.append(" ")
    if not character.isascii():
        spellings.append(re.escape(raw.decode("latin-1")))  # as the headers of HTTP are read
    spellings.append(re.escape(character))  # last, for an escape may begin with it
    return f"(?:{'|'.join(spellings)})"
