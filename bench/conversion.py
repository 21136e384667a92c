"""How long one notification of a whole file takes to become bytes, against what else one could use."""

import copy
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import conversion_cef
import conversion_stix
import orjson
from measure import Row, taken

from connector import configuration, mapping, notification
from connector.formats.cef.format import CefFormat
from connector.formats.stix.format import StixFormat
from connector.guards.guards import bundled
from connector.model import Json, Notification
from connector.ports import Format
from connector.settings import yamldoc
from connector.settings.producer import Producer

MAPPINGS = Path(__file__).resolve().parent.parent / "mappings"
OTHERS = ("leef", "ecs", "ocsf", "udm", "splunk-hec")
COUNT = 100
HAND_LIMIT = 3.0
STIX2_LIMIT = 15.0


def stix() -> list[Row]:
    """STIX objects, stamped and encoded: of a match alone, and of one that VirusTotal can say everything of."""
    return [
        *_stix("file_hunting", "notification → STIX bytes"),
        *_stix("file_explained", "  all there is to say of it"),
    ]


def _stix(case: str, what: str) -> list[Row]:
    found = conversion_stix.ways(_load("stix21", "stix", StixFormat(Producer())))
    files = [item for item in _examples() if item.body["type"] == "file" and _is_by_hand(item)]
    given = _full_files(case)
    full = next(given)
    _agree("by hand", found["mapping"](files), found["by hand"](files), conversion_stix.same)
    for name in ("route", "by hand", "stix2"):
        _agree(name, found["mapping"](full), found[name](full), conversion_stix.same)
    few = COUNT // 20  # every stix2 object takes milliseconds: fewer of them are enough to know how many
    times = taken(found | {"stix2": lambda items: found["stix2"](items[:few])}, given.__next__)
    return [
        Row(f"{what} ({len(found['by hand'](full[:1]))} objects)", _microseconds(times.median("mapping") / COUNT)),
        _at_most("  as a multiple of a hand-written function", times.ratio("mapping", "by hand"), HAND_LIMIT),
        _at_least(
            "  speed, as a multiple of the stix2 classes", times.ratio("stix2", "mapping") * COUNT / few, STIX2_LIMIT
        ),
        Row("  with the search for earlier versions", _microseconds(times.median("route") / COUNT)),
    ]


def cef() -> list[Row]:
    """CEF events, encoded."""
    found = conversion_cef.ways(_load("cef", "cef", CefFormat()))
    given = _full_files()
    full = next(given)
    items = [item for item in _examples() if "context_attributes" in item.body]
    _agree("by hand", found["mapping"](items), found["by hand"](items), bytes.__eq__)
    _agree("by hand", found["mapping"](full), found["by hand"](full), bytes.__eq__)
    _agree("cefevent", found["mapping"](full), found["cefevent"](full), conversion_cef.same_but_for_own_keys)
    times = taken(found, given.__next__)
    return [
        Row("notification → CEF bytes", _microseconds(times.median("mapping") / COUNT)),
        _at_most("  as a multiple of a hand-written function", times.ratio("mapping", "by hand"), HAND_LIMIT),
        _at_least("  speed, as a multiple of cefevent", times.ratio("cefevent", "mapping"), 1.0),
    ]


def others() -> list[Row]:
    """Events of the other bundled mappings, encoded: no comparison, for there is no other way to have them."""
    loaded = {name: configuration.load_mapping(name, Producer()) for name in OTHERS}
    ways = {name: partial(_converted, compiled) for name, compiled in loaded.items()}
    times = taken(ways, _full_files().__next__)
    return [Row(f"notification → {name} bytes", _microseconds(times.median(name) / COUNT)) for name in OTHERS]


def _converted(compiled: mapping.CompiledMapping, items: list[Notification]) -> list[bytes]:
    encode = compiled.format.encode
    return [encode(document) for item in items for document in compiled.render(notification.view(item)) or ()]


def _load(name: str, format_name: str, output: Format) -> mapping.CompiledMapping:
    return mapping.compile_mapping(yamldoc.load(MAPPINGS / f"{name}.yaml"), {format_name: output}, bundled().derived)


def _is_by_hand(item: Notification) -> bool:
    """Whether the code written by hand says all there is to say of it: no flat configuration, tenant or look-up."""
    attributes = item.body.get("attributes") or {}
    is_flat = "families" not in (attributes.get("malware_config") or {"families": []})
    return not is_flat and "source" not in item.body and "techniques" not in attributes


def _examples() -> list[Notification]:
    return [
        notification.read(orjson.loads(path.read_bytes()))
        for path in sorted((MAPPINGS / "examples" / "inputs").glob("*.json"))
    ]


def _full_files(case: str = "file_hunting") -> Iterator[list[Notification]]:
    """A full file of the examples, many times over, each another file and another notification; and so on for ever.

    What one stream has in common stays the same: the rules that match, and what is followed.
    """
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / f"{case}.json").read_bytes())
    for start in itertools.count(0, COUNT):
        yield [_another_file(body, number) for number in range(start, start + COUNT)]


def _another_file(body: Json, number: int) -> Notification:
    item = copy.deepcopy(body)
    item["id"] = item["attributes"]["sha256"] = f"{number:064x}"
    item["context_attributes"]["notification_id"] = str(23_000_000_000 + number)
    item["context_attributes"]["notification_date"] += number
    for connection in _connections(item["attributes"]):
        connection["host"] = _another_host(connection["host"], number)
    return notification.read(item)


def _connections(entity: Json) -> list[Json]:
    families = entity["malware_config"]["families"] if "malware_config" in entity else ()
    configs = [config for family in families for config in family["configs"]]
    return [connection for config in configs for connection in config["net_info"]["connections"]]


def _another_host(host: str, number: int) -> str:
    if ":" in host:
        return f"{host.rpartition(':')[0]}:{number:x}"
    if host.startswith("198."):
        return f"198.51.100.{number % 256}"
    return f"{number}.{host}" if host[-1].isalpha() else host


def _agree(name: str, mine: list[bytes], theirs: list[bytes], same: Callable[[bytes, bytes], bool]) -> None:
    for one, other in zip(mine, theirs, strict=True):
        if not same(one, other):
            raise SystemExit(f"not the same, so there is nothing to compare.\nmapping:\n{one!r}\n{name}:\n{other!r}")


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"


def _at_most(what: str, ratio: float, limit: float) -> Row:
    return Row(what, f"{ratio:.2f}", f"≤ {limit:g}", ratio <= limit)


def _at_least(what: str, ratio: float, limit: float) -> Row:
    return Row(what, f"{ratio:.1f}", f"≥ {limit:g}", ratio >= limit)
