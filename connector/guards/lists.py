"""Lists of what is known to be good, read from files: MISP warninglists (JSON), or text with one value a line.

A list is somebody else's file and may be hostile: it is bounded in bytes, entries and their length, and every fault is
one error that names the file and the place in it.
"""

import hashlib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connector.guards import warninglist
from connector.guards.entries import Entries, Hosts
from connector.guards.networks import Networks
from connector.guards.regexes import Regex
from connector.guards.warninglist import NoWarninglist, Warninglist
from connector.model import Misconfigured
from connector.settings.guards import DEFAULT_CONFIDENCE, Effect, ListSettings
from connector.values import observables
from connector.values.display import printable, shortened
from connector.values.observables import Kind

MAX_FILE_BYTES = 64 * 1024 * 1024
"""The longest list of MISP has 25 MB."""
MAX_TOTAL_BYTES = 256 * 1024 * 1024
"""Of all files of one section; all lists of MISP together have 70 MB."""
MAX_FILES = 1000
MAX_DEPTH = 3
"""Folders within a folder; MISP's lists are each in a folder of its own."""
MAX_ENTRIES = 5_000_000
"""Of all lists of a configuration; all of MISP's have 2.5 million."""
MAX_WILDCARDS = 100_000
"""Likewise of entries that begin with `*.`, which take more memory than others."""
MAX_SUBSTRINGS = 10_000
"""Likewise of substrings: of many of them, those that begin alike are tried on a value one after the other."""
MAX_ENTRY = 4096
"""Characters."""
MIN_SUBSTRING = 4
"""Characters: a shorter one is in nearly everything."""
MAX_REGEXES = 1000
"""Likewise of regular expressions: each is tried on every value that is looked up."""

_NOTHING_LIKE_IT = "\u00a7"
"""In no value that is looked up: an expression that matches the empty text is in it unless it has `^` or `$`."""
_EMPTY = "there is no entry in this list, so it would guard nothing: restore it, or take it out of the configuration"
_SHOWN = 80
_BOM = b"\xef\xbb\xbf"
_BLOCK = 1024 * 1024
"""Bytes of text that are made lines at once; no line is longer."""
_MOST_WRITTEN = 12 * MAX_ENTRY
"""Bytes of an entry in JSON, where a character may be written as two times `\\uD83D`."""
_SUFFIXES = (".json", ".txt")
_NAME_CHARACTERS = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME = 64
_EVERY_KIND: frozenset[Kind] = frozenset(("hash", "url", "address", "host"))
_KIND_OF_ATTRIBUTE: dict[str, Kind] = {
    "domain": "host",
    "hostname": "host",
    "hostname|port": "host",
    "url": "url",
    "uri": "url",
    "link": "url",
    "ip-src": "address",
    "ip-dst": "address",
    "ip-src|port": "address",
    "ip-dst|port": "address",
    "md5": "hash",
    "sha1": "hash",
    "sha256": "hash",
    "filename|md5": "hash",
    "filename|sha1": "hash",
    "filename|sha256": "hash",
}
"""What MISP's types of attributes name (misp-project.org/datamodels). `domain|ip` is either, see `_kinds`."""


@dataclass(frozen=True, slots=True)
class GuardList:
    """A list, read.

    Attributes:
        name: what people know it by.
        path: its file; None: it stands in the configuration.
        kinds: what it guards. A URL is guarded by its host only where URLs are among them.
        exact: hashes, URLs, hosts and other texts, just as they are.
        hosts: hosts, each with what is below it.
        anything_below: hosts with all that is below them, even where others may register names there.
        networks: addresses and networks.
        substrings: texts that a value may contain.
        regexes: patterns that a value may match.
    """

    name: str
    path: Path | None = None
    effect: Effect = "suppress"
    confidence: int = DEFAULT_CONFIDENCE
    kinds: frozenset[Kind] = _EVERY_KIND
    exact: Entries = field(default_factory=Entries)
    hosts: Hosts = field(default_factory=Hosts)
    anything_below: list[str] = field(default_factory=list)
    networks: Networks = field(default_factory=Networks)
    substrings: list[str] = field(default_factory=list)
    regexes: list[Regex] = field(default_factory=list)

    def digest(self) -> bytes:
        """What tells whether it guards the same values with the same effect as another."""
        made = hashlib.blake2b(digest_size=16)
        regexes = [each.text for each in self.regexes]
        said = [self.effect, str(self.confidence)], sorted(self.kinds), self.anything_below, self.substrings, regexes
        for texts in said:
            for text in texts:
                made.update(text.encode(errors="surrogatepass") + b"\n")
            made.update(b"\0")
        for entries in (self.exact, self.hosts, self.networks):
            made.update(entries.digest())
        return made.digest()

    def __len__(self) -> int:
        numbered = len(self.exact) + len(self.hosts) + len(self.networks)
        return numbered + len(self.anything_below) + len(self.substrings) + len(self.regexes)


def of_values(name: str, values: Iterable[str]) -> GuardList:
    """A list of values that stand in the configuration, and have been recognised there."""
    made = GuardList(name)
    for value in values:
        _add_recognised(made, value)
    return made


def read(settings: Sequence[ListSettings], beside: Sequence[GuardList] = ()) -> Sequence[GuardList]:
    """The lists that a section names, in order; those of a folder in the order of their paths.

    Args:
        settings: the section.
        beside: lists of other sections, which take memory, too.

    Raises:
        Misconfigured: one is not what it should be; the message names the file and the place in it.
    """
    made: list[GuardList] = []
    total = 0
    for each in settings:
        for path in _files(each):
            body = _body(path)
            total += len(body)
            if total > MAX_TOTAL_BYTES:
                raise Misconfigured(f"{path}: with it the lists have more than {MAX_TOTAL_BYTES} bytes; name fewer")
            found = _read_json(path, body, each) if path.suffix == ".json" else _read_text(path, body, each)
            if not found and found.kinds:
                raise Misconfigured(f"{path}: {_EMPTY}")
            made.append(found)
            _check_number(path, [*beside, *made])
    return made


def _check_number(path: Path, lists: Sequence[GuardList]) -> None:
    for what, number, most in (
        ("entries", sum(map(len, lists)), MAX_ENTRIES),
        ("entries that begin with `*.`", sum(len(each.anything_below) for each in lists), MAX_WILDCARDS),
        ("substrings", sum(len(each.substrings) for each in lists), MAX_SUBSTRINGS),
        ("regular expressions", sum(len(each.regexes) for each in lists), MAX_REGEXES),
    ):
        if number > most:
            raise Misconfigured(
                f"{path}: with it the lists of this configuration have {number:,} {what}, and {most:,} are the most: "
                "take out a list, or name shorter ones"
            )


def line_of(found: GuardList, entry: str) -> int | None:
    """The line of the list's file on which an entry stands; None when it is not there any more."""
    if found.path is None:
        return None
    wanted = entry.lower()
    try:
        body = _body(found.path)
        if found.path.suffix != ".json":
            return next((at for at, line in _lines(found.path, body) if _same(_value(line), wanted)), None)
        for start, texts in Warninglist(body).entries(_MOST_WRITTEN):
            for number, text in enumerate(texts):
                if _same(text, wanted):
                    return _line(body, warninglist.offset(body, start, number))
    except (Misconfigured, NoWarninglist):
        pass
    return None


def _same(said: str, wanted: str) -> bool:
    text = said.strip().lower()
    if wanted == text:
        return True
    seen = observables.recognise(text.removeprefix("=").removeprefix("."))
    return seen is not None and seen.value.lower() == wanted


def _files(settings: ListSettings) -> Sequence[Path]:
    path = settings.path
    if not path.is_dir():
        return [path]
    if settings.name is not None:
        raise Misconfigured(f"{path}: is a folder, whose lists are called after their files: leave `name` out")
    found = sorted(_in_folder(path, MAX_DEPTH))
    if not found:
        raise Misconfigured(f"{path}: there is no {' or '.join(f'*{each}' for each in _SUFFIXES)} file in this folder")
    return found


def _in_folder(folder: Path, depth: int) -> Iterator[Path]:
    count = 0
    for here, folders, names in os.walk(folder):  # which does not follow links to folders
        if len(Path(here).relative_to(folder).parts) >= depth:
            folders.clear()
        folders[:] = [each for each in folders if not each.startswith(".")]
        for name in names:
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                count += 1
                if count > MAX_FILES:
                    raise Misconfigured(f"{folder}: there are more than {MAX_FILES} lists in this folder")
                yield Path(here, name)


def _body(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise Misconfigured(f"{path}: is no regular file")
        with path.open("rb") as file:
            body = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from None
    if len(body) > MAX_FILE_BYTES:
        raise Misconfigured(f"{path}: larger than {MAX_FILE_BYTES} bytes; is it a list?")
    return body


def _named(path: Path, settings: ListSettings) -> str:
    if settings.name is not None:
        return settings.name
    stem = path.parent.name if path.name == "list.json" else path.stem
    return _NAME_CHARACTERS.sub("-", stem).strip("-.")[:_LONGEST_NAME] or "list"


def _read_text(path: Path, body: bytes, settings: ListSettings) -> GuardList:
    made = GuardList(_named(path, settings), path, settings.effect, settings.confidence)
    how = _ADDERS[settings.type] if settings.type is not None else _add_recognised
    if (zero := body.find(0)) >= 0:
        raise Misconfigured(f"{path}:{_line(body, zero)}: is no text")
    entries = ((number, entry) for number, line in _lines(path, body) if (entry := _value(line)))
    for count, (number, entry) in enumerate(entries):
        _check_count(count, f"{path}:{number}")
        _add(made, entry, how, f"{path}:{number}")
    return made


def _lines(path: Path, body: bytes) -> Iterator[tuple[int, str]]:
    """The lines of a text, each with its number; made a block at a time, since all of them take many times its size."""
    number, at = 1, len(_BOM) if body.startswith(_BOM) else 0
    while at < len(body):
        end = at + _BLOCK
        if end < len(body):
            end = 1 + (body.rfind(b"\n", at, end) if body.find(b"\n", at, end) >= 0 else body.rfind(b"\r", at, end - 1))
            if not end:
                raise Misconfigured(f"{path}:{number}: a line of more than {_BLOCK} bytes")
        try:
            text = body[at:end].decode()
        except UnicodeDecodeError as error:
            raise Misconfigured(f"{path}:{_line(body, at + error.start)}: is not UTF-8 text") from None
        for line in text.splitlines():
            yield number, line
            number += 1
        at = end


def _line(body: bytes, offset: int) -> int:
    return body.count(b"\n", 0, offset) + 1


def _value(line: str) -> str:
    """What a line of text says, without its comment: `#` at its beginning or after a blank."""
    entry = line.strip()
    if "#" in entry:
        entry = "" if entry[0] == "#" else re.split(r"\s#", entry, maxsplit=1)[0].rstrip()
    return entry


def _read_json(path: Path, body: bytes, settings: ListSettings) -> GuardList:
    try:
        return _read_warninglist(path, Warninglist(body), settings)
    except NoWarninglist as error:
        place = path if error.offset is None else f"{path}:{_line(body, error.offset)}"
        raise Misconfigured(f"{place}: {error}") from None


def _read_warninglist(path: Path, found: Warninglist, settings: ListSettings) -> GuardList:
    list_type = settings.type or found.about.get("type") or "string"
    if list_type not in _ADDERS:
        raise Misconfigured(
            f'{path}: there is no "type" {shortened(printable(str(list_type)), _SHOWN)!r} of a MISP warninglist; '
            f"there is {', '.join(_ADDERS)}"
        )
    kinds = _kinds(path, found.about.get("matching_attributes"))
    made = GuardList(_named(path, settings), path, settings.effect, settings.confidence, kinds)
    entries = itertools.chain.from_iterable(texts for _, texts in found.entries(_MOST_WRITTEN))
    first = next(entries, None)
    if first is None:
        raise Misconfigured(f"{path}: {_EMPTY}")
    if not kinds:  # of e-mail addresses, phone numbers and the like: nothing that notifications are about
        return made
    for index, entry in enumerate(itertools.chain((first,), entries)):
        _check_count(index, f"{path}: list[{index}]")
        if entry.strip() or list_type in ("substring", "regex"):  # which would be in everything
            _add(made, entry.strip(), _ADDERS[list_type], f"{path}: list[{index}]")
    return made


def _kinds(path: Path, attributes: object) -> frozenset[Kind]:
    if attributes is None:
        return _EVERY_KIND
    if not isinstance(attributes, list) or not all(isinstance(each, str) for each in attributes):
        raise Misconfigured(f'{path}: "matching_attributes" must be a list of texts')
    kinds = {_KIND_OF_ATTRIBUTE[each] for each in attributes if each in _KIND_OF_ATTRIBUTE}
    if "domain|ip" in attributes and not kinds & {"host", "address"}:
        kinds |= {"host", "address"}
    return frozenset(kinds)


def _check_count(count: int, place: str) -> None:
    if count >= MAX_ENTRIES:
        raise Misconfigured(f"{place}: there are more than {MAX_ENTRIES:,} entries; is it a list of what is good?")


def _add(made: GuardList, entry: str, how: "_Adder", place: str) -> None:
    if len(entry) > MAX_ENTRY:
        raise Misconfigured(f"{place}: longer than {MAX_ENTRY} characters")
    try:
        how(made, entry)
    except ValueError as error:
        raise Misconfigured(f"{place}: {shortened(printable(entry), _SHOWN)!r}: {error}") from None


# Each adds an entry to a list, or raises ValueError.


def _add_recognised(made: GuardList, entry: str) -> None:
    """As what it is. `=` before a host stands for it alone, `*.` for all below it, whoever may register there."""
    if entry.startswith("*."):
        _check_room(made.anything_below, MAX_WILDCARDS, "entries that begin with `*.`")
        made.anything_below.append(_any_host(entry[2:]))
    elif entry.startswith("="):
        made.exact.append(_host(entry[1:]))
    else:
        seen = observables.recognise(entry.removeprefix("."))
        if seen is None:
            raise ValueError("it is no host, address, network, URL or hash")
        {"address": made.networks, "host": made.hosts}.get(seen.kind, made.exact).append(seen.value)


def _add_string(made: GuardList, entry: str) -> None:
    """Just as it is; but MISP's own lists write `.google.ad` for what is below it, in lists of this type."""
    seen = observables.recognise(entry.removeprefix("."))
    if seen is None:
        made.exact.append(entry)
    elif seen.kind == "address":
        made.networks.append(seen.value)
    elif seen.kind == "host" and entry.startswith("."):
        made.hosts.append(seen.value)
    else:
        made.exact.append(seen.value)


def _add_hostname(made: GuardList, entry: str) -> None:
    seen = observables.recognise(entry.removeprefix("."))
    if seen is None:
        made.exact.append(entry)
    elif seen.kind == "address":
        made.networks.append(seen.value)
    else:
        (made.hosts if seen.kind == "host" else made.exact).append(seen.value)


def _add_network(made: GuardList, entry: str) -> None:
    seen = observables.recognise(entry)
    if seen is None or seen.kind != "address":
        raise ValueError("it is no address or network")
    made.networks.append(seen.value)


def _add_substring(made: GuardList, entry: str) -> None:
    if len(entry) < MIN_SUBSTRING:
        raise ValueError(f"a substring of less than {MIN_SUBSTRING} characters is in nearly everything")
    _check_room(made.substrings, MAX_SUBSTRINGS, "substrings")
    made.substrings.append(entry.lower())


def _add_regex(made: GuardList, entry: str) -> None:
    _check_room(made.regexes, MAX_REGEXES, "regular expressions")
    regex = Regex(entry)
    if regex.is_in("") and regex.is_in(_NOTHING_LIKE_IT):
        raise ValueError("the expression matches the empty text, and so everything")
    made.regexes.append(regex)


def _check_room(entries: Sequence[object], most: int, what: str) -> None:
    if len(entries) >= most:
        raise ValueError(f"there are more than {most:,} {what}")


_Adder = Callable[[GuardList, str], None]
_ADDERS: dict[str, _Adder] = {
    "string": _add_string,
    "hostname": _add_hostname,
    "cidr": _add_network,
    "substring": _add_substring,
    "regex": _add_regex,
}
"""By the types of MISP's warninglists."""


def _host(name: str) -> str:
    found = observables.recognise(name)
    if found is None or found.kind != "host":
        raise ValueError("it is no host name")
    return found.value


def _any_host(name: str) -> str:
    """A host name, which may be of one label, as in `*.test`."""
    return _host(name) if "." in name else _host(f"x.{name}").removeprefix("x.")
