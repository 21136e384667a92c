"""URLs and host names as people and malware write them, in one spelling (why not a library: decision 14).

`spelled` is what logs hold; `canonical` is the same for all spellings of one URL, and what RFC 3986 calls a URI.
"""

import contextlib
import functools
import re
from urllib.parse import unquote

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

# What a browser sends as it is (WHATWG URL, "percent-encode sets"), though RFC 3986 has no place for all of it: that is
# what the logs of proxies and servers hold. Two exceptions: an apostrophe it would encode, but VirusTotal shows it, and
# not all clients are browsers; a backslash it would keep in a query, but readers of patterns stumble over it.
_SENT_IN_PATH = _PCHAR + r"/%\[\]|"
_SENT_IN_QUERY = _SENT_IN_PATH + r"?\^`{}"

_LABEL = r"[a-z0-9_-]{1,63}"  # with a hyphen at an end too: no registry sells such a name, and many are looked up
_LONGEST_NAME = 253
"""Octets in a DNS name (RFC 1035 section 2.3.4, without the length octets)."""
_NAME = re.compile(rf"(?:{_LABEL}\.)*+(?!(?:[0-9]+|0x[0-9a-f]*)\Z){_LABEL}")
"""A host that is no address: a last label of digits alone is part of an address (RFC 3696), and so is one like `0x1f`
(WHATWG URL, "ends in a number")."""

_SPELLED = re.compile(
    rf"[a-z][a-z0-9+.\-]*+://(?=[^/]{{1,{_LONGEST_NAME}}}/)(?:{_LABEL}\.)++[a-z][a-z0-9_-]{{0,62}}/"
    rf"[{_SENT_IN_PATH}]*+(?:\?[{_SENT_IN_QUERY}]*+)?"
)
"""The usual URL, which is right as it is."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21, "ws": 80, "wss": 443}
"""Of the schemes that browsers read by rules of their own (WHATWG URL, "special scheme")."""
_WITH_BACKSLASHES = re.compile(rf"\s*(?:{'|'.join(_DEFAULT_PORTS)})://[^?#]*", re.IGNORECASE)
"""Where a backslash is a slash for browsers."""
_NOT_THERE = re.compile("[\t\n\r]")
"""What browsers leave out wherever it stands."""


_STRUCTURE = frozenset('%/?#&=+;:@!$()*,\\"<> ')
"""What a URL can mean another thing by when it is percent-encoded, or cannot have otherwise."""
_DOT_SEGMENTS = re.compile(r"/(?:\.|%2e){1,2}(?:[/?#]|\Z)", re.IGNORECASE)
"""Somewhere in a URL: what may be a segment `.` or `..` of its path."""


def _must_encode(allowed: str) -> re.Pattern[str]:
    """What cannot stay as it is: a character that is not allowed, and a % that begins no escape."""
    return re.compile(rf"(?!{_ESCAPE})[^{allowed}]")


_IN_USERINFO = _must_encode(_UNRESERVED + _SUB_DELIMS + ":")
_IN_PATH = _must_encode((_PCHAR + "/").replace("'", ""))
_IN_QUERY = _must_encode((_PCHAR + "/?").replace("'", ""))
_NOT_SENT_IN_PATH = re.compile(f"[^{_SENT_IN_PATH}]")
_NOT_SENT_IN_QUERY = re.compile(f"[^{_SENT_IN_QUERY}]")
_ESCAPES = re.compile(_ESCAPE)

_LONGEST_WRITTEN = 4 * _LONGEST_NAME
"""Characters of a name as people write it, blanks and all; a longer one is not looked at."""

_LAST_PORT = 65_535
_LONGEST_PORT = 20
"""Digits that are still read as a number: zeros before it may be as many as one likes."""


def spelled(text: str) -> str | None:
    """The URL as it is sent: the spelling of path and query stays, what no client tells apart is one.

    Scheme and host are in lower case, and the host is that to which browsers go (`host`). The port that the scheme has
    anyway is left out, and so is the fragment, which no client sends. An empty path is `/`; segments `.` and `..` are
    resolved. What no browser sends as it is, such as blanks and controls, is percent-encoded.

    None when the text is not `scheme://host…`, when nobody could go to its host, or when it is not Unicode.
    """
    if _SPELLED.fullmatch(text) and not _DOT_SEGMENTS.search(text):
        return text
    return _written(text, _NOT_SENT_IN_PATH, _NOT_SENT_IN_QUERY)


def canonical(text: str) -> str | None:
    """The same text for all spellings of a URL, to compare and to make ids of; None where `spelled` gives none.

    As `spelled`, with everything percent-encoded that RFC 3986 does not allow, escapes in upper case (section 6.2.2.1),
    and an apostrophe as `%27`, because receivers differ in which they can read.
    """
    written = _written(text, _IN_PATH, _IN_QUERY)
    return _ESCAPES.sub(lambda match: match[0].upper(), written) if written and "%" in written else written


def key(text: str) -> str | None:
    """What all URLs that lead to the same have in common, to compare them by; None where `spelled` gives none.

    As `spelled`, so that it is VirusTotal's own spelling wherever that is usual, without any escape that stands for no
    more than its character (RFC 3986 section 6.2.2), the others in upper case. Not for ids and patterns: clients send
    escapes as they are.
    """
    written = spelled(text)
    return _ESCAPES.sub(_needed, written) if written and "%" in written else written


def _needed(escape: re.Match[str]) -> str:
    """An escape that must stay, in upper case; else its character."""
    character = chr(int(escape[0][1:], 16))
    stays = character in _STRUCTURE or not character.isascii() or not character.isprintable()
    return escape[0].upper() if stays else character


def _written(text: str, path: re.Pattern[str], query: re.Pattern[str]) -> str | None:
    """A URL without its fragment, with what these patterns find in its parts percent-encoded."""
    match = _taken_apart(text)
    if match is None:
        return None
    scheme, host = match["scheme"].lower(), _host(match["host"])
    if host is None and (match["host"] or scheme != "file"):
        return None
    try:
        userinfo, port, its_path, its_query = match.group("userinfo", "port", "path", "query")
        return "".join(
            (
                f"{scheme}://",
                "" if userinfo is None else f"{_encoded(_IN_USERINFO, userinfo)}@",
                host or "",
                _port(scheme, port),
                _encoded(path, _resolved(its_path or ("/" if scheme in _DEFAULT_PORTS else ""))),
                "" if its_query is None else f"?{_encoded(query, its_query)}",
            )
        )
    except UnicodeEncodeError:  # a lone surrogate has no bytes
        return None


def _taken_apart(text: str) -> re.Match[str] | None:
    """The parts of a URL as browsers read it (WHATWG URL).

    A backslash is a slash as far as its path ("special scheme"); tabs and line breaks are not there.
    """
    if _NOT_THERE.search(text):
        text = _NOT_THERE.sub("", text)
    if "\\" in text:
        text = _WITH_BACKSLASHES.sub(lambda match: match[0].replace("\\", "/"), text, count=1)
    return _PARTS.fullmatch(text.strip())


def _resolved(path: str) -> str:
    """A path without segments `.` and `..`, also percent-encoded ones, which no client sends (WHATWG URL)."""
    if not _DOT_SEGMENTS.search(path):
        return path
    kept: list[str] = []
    is_folder = False
    for segment in path[1:].split("/"):
        dots = segment.lower().replace("%2e", ".")
        is_folder = dots in (".", "..")
        if dots == "..":
            del kept[-1:]
        elif dots != ".":
            kept.append(segment)
    return "/".join(("", *kept, *([""] if is_folder else [])))


def _port(scheme: str, port: str | None) -> str:
    digits = (port or "").lstrip("0")
    if not port or digits == str(_DEFAULT_PORTS.get(scheme)):
        return ""
    return f":{digits or '0'}"


def host(text: str) -> str | None:
    """The host to which browsers go for a URL (WHATWG URL, "host parsing"), an IPv6 address without its brackets.

    A name is in lower case and A-labels, without the dot of the root; an address is in its canonical form, also one
    that is written as other numbers (`http://0xC0.0.513/`). None when the text is no URL, or its host is neither.
    Neither is one with zeros before a number (`http://010.0.0.1/`), as programs differ in that; see `octal_address`.
    """
    match = _taken_apart(text)
    return _plain_host(match) if match else None


def octal_address(text: str) -> str | None:
    """Of a URL that has no `host` because its address has zeros before a number: the address to which browsers go."""
    match = _taken_apart(text)
    return addresses.of_numbers(match["host"], octal=True) if match else None


def parts(text: str) -> dict[str, str | int | None] | None:
    """What a URL is made of, None where it has no such part; None when it is no URL.

    The scheme is in lower case, the host as `host` has it, the port a number. Userinfo, which may hold a password, is
    left out.
    """
    match = _taken_apart(text)
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
    found = _host(match["host"])
    return found.strip("[]") if found else None


_CONTROL = re.compile(r"[\x00-\x20\x7f]")


def domain(text: str) -> str | None:
    """A domain name as it is looked up, lower case and in A-labels (RFC 5890), without the dot of the root.

    None for what is no name of two labels or more, and for addresses.
    """
    if len(text) > _LONGEST_WRITTEN:
        return None
    name = _name(text.strip().lower())
    return name if name is not None and "." in name else None


def _host(text: str) -> str | None:
    """A host as it stands in a URL, in the one spelling that `host` describes."""
    if len(text) > _LONGEST_WRITTEN:
        return None
    name = text.lower()
    if name.startswith("["):
        address = addresses.canonical(name[1:-1]) if ":" in name else None
        return f"[{address}]" if address else None
    if "%" in name:
        try:
            name = unquote(name, errors="strict").lower()
        except UnicodeDecodeError:
            return None
    if addresses.is_ipv4(name):
        return name
    found = _name(name)
    return found if found is not None else addresses.of_numbers(name if name.isascii() else _in_ascii(name) or "")


def _name(name: str) -> str | None:
    """A name in lower case as it is looked up; None for addresses, and for what nobody could look up."""
    if not name.isascii():
        if _CONTROL.search(name):  # no encoding makes a name of it, and to find out takes as long as all else here
            return None
        name = _in_ascii(name) or ""
    name = name.removesuffix(".")
    return name if len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) else None


@functools.lru_cache(maxsize=64)  # of one name several things are asked, one after the other
def _in_ascii(name: str) -> str | None:
    """A name in A-labels; None when it has none."""
    import idna  # noqa: PLC0415 -- its tables take longer to load than all else here, and few hosts need them

    try:
        return _in_a_labels(name)
    except (idna.IDNAError, UnicodeError):  # a lone surrogate, or what IDNA 2008 does not allow
        return _as_browsers_do(name)


def _as_browsers_do(name: str) -> str | None:
    """A-labels by UTS 46 alone, as browsers look them up: registries sell names such as `i❤.ws`, too."""
    import idna  # noqa: PLC0415 -- as above

    try:
        labels = idna.uts46_remap(name, std3_rules=False, transitional=False).split(".")
        return ".".join(
            each if each.isascii() else f"xn--{each.encode('punycode').decode('ascii')}" for each in labels
        ).lower()
    except (idna.IDNAError, UnicodeError):
        return None


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
