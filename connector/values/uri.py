"""URLs as people and malware write them, made into what RFC 3986 calls a URI (why not a library: decision 14)."""

import contextlib
import functools
import re

_UNRESERVED = r"A-Za-z0-9\-._~"
_SUB_DELIMS = r"!$&'()*+,;="
_PCHAR = _UNRESERVED + _SUB_DELIMS + ":@"
_ESCAPE = "%[0-9A-Fa-f]{2}"

# Section 3 and appendix B; userinfo ends at the last @, as browsers read it.
_PARTS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://(?:(?P<userinfo>[^/?#]*)@)?"
    r"(?P<host>\[[^\]/?#@]*\]|[^:/?#@\[\]]*)(?::(?P<port>[0-9]*))?"
    r"(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?(?:\#(?P<fragment>.*))?",
    re.DOTALL,
)
_IP_LITERAL = re.compile(rf"\[[0-9A-Fa-f:.]+\]|\[[vV][0-9A-Fa-f]+\.[{_UNRESERVED}{_SUB_DELIMS}:]+\]")


_QUERY = rf"[{_PCHAR}/?]*+(?:{_ESCAPE}[{_PCHAR}/?]*+)*+"
_CONFORMING = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.\-]*+://[{_UNRESERVED}]++(?::[0-9]*+)?(?:/[{_PCHAR}/]*+(?:{_ESCAPE}[{_PCHAR}/]*+)*+)?"
    rf"(?:\?{_QUERY})?(?:\#{_QUERY})?"
)
"""The usual URL, which is right as it is."""


def _must_encode(allowed: str) -> re.Pattern[str]:
    """What cannot stay as it is: a character that is not allowed, and a % that begins no escape."""
    return re.compile(rf"(?!{_ESCAPE})[^{allowed}]")


_IN_USERINFO = _must_encode(_UNRESERVED + _SUB_DELIMS + ":")
_IN_HOST = _must_encode(_UNRESERVED + _SUB_DELIMS)
_IN_PATH = _must_encode(_PCHAR + "/")
_IN_QUERY = _must_encode(_PCHAR + "/?")

_LONGEST_NAME = 253
"""Octets in a DNS name (RFC 1035 section 2.3.4, without the length octets)."""

_LONGEST_WRITTEN = 4 * _LONGEST_NAME
"""Characters of a name as people write it, blanks and all; a longer one is not looked at."""

_LAST_PORT = 65_535
_LONGEST_PORT = 20
"""Digits that are still read as a number: zeros before it may be as many as one likes."""


def conform(text: str) -> str | None:
    """The URL with everything percent-encoded that must be, and a host beyond ASCII in IDNA; the rest as it was.

    None when the text is not `scheme://host…`, or not Unicode.
    """
    if _CONFORMING.fullmatch(text):
        return text
    match = _PARTS.fullmatch(text.strip())
    if match is None or not (match["host"] or match["scheme"].lower() == "file"):
        return None
    try:
        host = _host(match["host"])
        if host is None:
            return None
        userinfo, port, path, query, fragment = match.group("userinfo", "port", "path", "query", "fragment")
        return "".join(
            (
                f"{match['scheme']}://",
                "" if userinfo is None else f"{_encoded(_IN_USERINFO, userinfo)}@",
                host,
                "" if port is None else f":{port}",
                _encoded(_IN_PATH, path or ""),
                "" if query is None else f"?{_encoded(_IN_QUERY, query)}",
                "" if fragment is None else f"#{_encoded(_IN_QUERY, fragment)}",
            )
        )
    except UnicodeEncodeError:  # a lone surrogate has no bytes
        return None


def host(text: str) -> str | None:
    """The host in a URL, lower case (section 6.2.2.1), without the brackets of an IPv6 address; None when none."""
    match = _PARTS.fullmatch(text.strip())
    return _plain_host(match) if match else None


def parts(text: str) -> dict[str, str | int | None] | None:
    """What a URL is made of, None where it has no such part; None when it is no URL.

    The scheme and the host are in lower case, the port is a number; userinfo, which may hold a password, is left out.
    """
    match = _PARTS.fullmatch(text.strip())
    if match is None:
        return None
    port = int(match["port"]) if match["port"] and len(match["port"]) <= _LONGEST_PORT else None
    return {
        "scheme": match["scheme"].lower(),
        "host": _plain_host(match),
        "port": port if port is not None and port <= _LAST_PORT else None,
        "path": match["path"],
        "query": match["query"],
        "fragment": match["fragment"],
    }


def _plain_host(match: re.Match[str]) -> str | None:
    return match["host"].strip("[]").lower() or None


_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")


def domain(text: str) -> str | None:
    """A domain name as it is looked up, lower case and in A-labels (RFC 5890), without the dot of the root.

    None for what is no name of two labels or more: a last label of digits alone is part of an address (RFC 3696).
    """
    if len(text) > _LONGEST_WRITTEN:
        return None
    name = text.strip().lower().removesuffix(".")
    if not name.isascii():
        if _CONTROL.search(name):  # no encoding makes a name of it, and to find out takes as long as all else here
            return None
        try:
            name = (_host(name) or "").lower()
        except UnicodeEncodeError:  # a lone surrogate has no bytes
            return None
    return name if len(name) <= _LONGEST_NAME and _DOMAIN.fullmatch(name) else None


def _host(name: str) -> str | None:
    if name.startswith("["):
        return name if _IP_LITERAL.fullmatch(name) else None
    if not name.isascii() and len(name) <= _LONGEST_NAME:
        import idna  # noqa: PLC0415 -- its tables take longer to load than all else here, and few hosts need them

        try:
            return _in_a_labels(name)
        except idna.IDNAError:
            pass  # malware does not register by the rules; section 3.2.2 allows UTF-8, percent-encoded
    return _encoded(_IN_HOST, name)


def _in_a_labels(name: str) -> str:
    """As `idna.encode` has it, label by label, since hosts share most of theirs."""
    import idna  # noqa: PLC0415 -- as above

    labels = name.split(".")
    if all(labels):
        with contextlib.suppress(idna.IDNAError):
            encoded = ".".join(map(_a_labels, labels))
            if len(encoded) <= _LONGEST_NAME and encoded.count(".") == len(labels) - 1:
                return encoded
    return _a_labels(name)  # a dot in another script, or one too many, or nothing that can be encoded


@functools.lru_cache(maxsize=256)
def _a_labels(text: str) -> str:
    import idna  # noqa: PLC0415 -- as above

    return idna.encode(text, uts46=True).decode("ascii")


def _encoded(forbidden: re.Pattern[str], part: str) -> str:
    return forbidden.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8")), part)
