"""URLs and host names as people and malware write them, in one spelling (why not a library: decision 14).

`spelled` is what logs hold; `canonical` is the same for all spellings of one URL, and what RFC 3986 calls a URI.
"""

import contextlib
import functools
import re

from connector.values import addresses

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


# What a browser sends as it is (WHATWG URL, "percent-encode sets"), though RFC 3986 has no place for all of it: that is
# what the logs of proxies and servers hold. Two exceptions: an apostrophe it would encode, but VirusTotal shows it, and
# not all clients are browsers; a backslash it would keep in a query, but readers of patterns stumble over it.
_SENT_IN_PATH = _PCHAR + r"/%\[\]|"
_SENT_IN_QUERY = _SENT_IN_PATH + r"?\^`{}"
_SENT_IN_FRAGMENT = _SENT_IN_PATH + r"?\^{}#"

_SPELLED = re.compile(
    rf"[a-z][a-z0-9+.\-]*+://[a-z0-9\-._~]++/[{_SENT_IN_PATH}]*+"
    rf"(?:\?[{_SENT_IN_QUERY}]*+)?(?:\#[{_SENT_IN_FRAGMENT}]*+)?"
)
"""The usual URL, which is right as it is."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21, "ws": 80, "wss": 443}


def _must_encode(allowed: str) -> re.Pattern[str]:
    """What cannot stay as it is: a character that is not allowed, and a % that begins no escape."""
    return re.compile(rf"(?!{_ESCAPE})[^{allowed}]")


_IN_USERINFO = _must_encode(_UNRESERVED + _SUB_DELIMS + ":")
_IN_HOST = _must_encode(_UNRESERVED + _SUB_DELIMS)
_IN_PATH = _must_encode((_PCHAR + "/").replace("'", ""))
_IN_QUERY = _must_encode((_PCHAR + "/?").replace("'", ""))
_NOT_SENT_IN_PATH = re.compile(f"[^{_SENT_IN_PATH}]")
_NOT_SENT_IN_QUERY = re.compile(f"[^{_SENT_IN_QUERY}]")
_NOT_SENT_IN_FRAGMENT = re.compile(f"[^{_SENT_IN_FRAGMENT}]")
_ESCAPES = re.compile(_ESCAPE)

_LONGEST_NAME = 253
"""Octets in a DNS name (RFC 1035 section 2.3.4, without the length octets)."""

_LONGEST_WRITTEN = 4 * _LONGEST_NAME
"""Characters of a name as people write it, blanks and all; a longer one is not looked at."""

_LAST_PORT = 65_535
_LONGEST_PORT = 20
"""Digits that are still read as a number: zeros before it may be as many as one likes."""


def spelled(text: str) -> str | None:
    """The URL as it is sent: the spelling of path, query and fragment stays, what no client tells apart is one.

    Scheme and host are in lower case, a host beyond ASCII in IDNA, the port that the scheme has anyway is left out, and
    an empty path is `/`. What no browser sends as it is, such as blanks and controls, is percent-encoded.

    None when the text is not `scheme://host…`, or not Unicode.
    """
    if _SPELLED.fullmatch(text):
        return text
    return _written(text, _NOT_SENT_IN_PATH, _NOT_SENT_IN_QUERY, _NOT_SENT_IN_FRAGMENT)


def canonical(text: str) -> str | None:
    """The same text for all spellings of a URL, to compare and to make ids of; None where `spelled` gives none.

    As `spelled`, with everything percent-encoded that RFC 3986 does not allow, escapes in upper case (section 6.2.2.1),
    and an apostrophe as `%27`, because receivers differ in which they can read.
    """
    written = _written(text, _IN_PATH, _IN_QUERY, _IN_QUERY)
    return _ESCAPES.sub(lambda match: match[0].upper(), written) if written and "%" in written else written


def _written(text: str, path: re.Pattern[str], query: re.Pattern[str], fragment: re.Pattern[str]) -> str | None:
    """A URL, with what these patterns find in its parts percent-encoded."""
    match = _PARTS.fullmatch(text.strip())
    if match is None or not (match["host"] or match["scheme"].lower() == "file"):
        return None
    scheme = match["scheme"].lower()
    try:
        host = _host(match["host"].lower())
        if host is None:
            return None
        if "%" in host:
            host = _ESCAPES.sub(lambda escape: escape[0].upper(), host)
        userinfo, port, its_path, its_query, its_fragment = match.group("userinfo", "port", "path", "query", "fragment")
        return "".join(
            (
                f"{scheme}://",
                "" if userinfo is None else f"{_encoded(_IN_USERINFO, userinfo)}@",
                host,
                _port(scheme, port),
                _encoded(path, its_path or ("/" if scheme in _DEFAULT_PORTS else "")),
                "" if its_query is None else f"?{_encoded(query, its_query)}",
                "" if its_fragment is None else f"#{_encoded(fragment, its_fragment)}",
            )
        )
    except UnicodeEncodeError:  # a lone surrogate has no bytes
        return None


def _port(scheme: str, port: str | None) -> str:
    digits = (port or "").lstrip("0")
    if not port or digits == str(_DEFAULT_PORTS.get(scheme)):
        return ""
    return f":{digits or '0'}"


def one_spelling(value: str) -> str:
    """An observable as all spellings of it have it in common: URL, domain, address or hash; never fails."""
    value = value.strip()
    if "://" in value:
        return spelled(value) or value
    return addresses.canonical(value) or value.lower().rstrip(".")


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
_LABEL = r"[a-z0-9_-]{1,63}"  # with a hyphen at an end too: no registry sells such a name, and many are looked up
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!(?:[0-9]+|0x[0-9a-f]*)\Z){_LABEL}")


def domain(text: str) -> str | None:
    """A domain name as it is looked up, lower case and in A-labels (RFC 5890), without the dot of the root.

    None for what is no name of two labels or more: a last label of digits alone is part of an address (RFC 3696),
    and so is one like `0x1f` (WHATWG URL, "ends in a number").
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
        address = addresses.canonical(name[1:-1]) if ":" in name else None
        return f"[{address}]" if address else name if _IP_LITERAL.fullmatch(name) else None
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
            # Letters and digits of ASCII are what they become; some hosts have a label that no other has.
            encoded = ".".join([each if _PLAIN_LABEL.fullmatch(each) else _a_labels(each) for each in labels])
            if len(encoded) <= _LONGEST_NAME and encoded.count(".") == len(labels) - 1:
                return encoded
    return _a_labels(name)  # a dot in another script, or one too many, or nothing that can be encoded


_PLAIN_LABEL = re.compile(r"[a-z0-9]{1,63}")


@functools.lru_cache(maxsize=256)
def _a_labels(text: str) -> str:
    import idna  # noqa: PLC0415 -- as above

    return idna.encode(text, uts46=True).decode("ascii")


def _encoded(forbidden: re.Pattern[str], part: str) -> str:
    return forbidden.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8")), part)
