"""STIX: the mapping against a hand-written function and against the `stix2` classes, all making the same objects.

The hand-written function checks nothing of what it writes; mapping and `stix2` do.
"""

from collections.abc import Callable, Sequence
from functools import partial

import orjson
import stix2
from stix_by_hand import objects

from connector import notification
from connector.formats.stix.format import StixFormat
from connector.mapping import CompiledMapping
from connector.model import Json, Notification
from connector.pipeline.versions import Ledger
from connector.ports import ObjectFormat
from connector.values.timestamps import timestamp

CLASSES = {
    "campaign": stix2.v21.Campaign,
    "domain-name": stix2.v21.DomainName,
    "file": stix2.v21.File,
    "indicator": stix2.v21.Indicator,
    "ipv4-addr": stix2.v21.IPv4Address,
    "ipv6-addr": stix2.v21.IPv6Address,
    "location": stix2.v21.Location,
    "malware": stix2.v21.Malware,
    "note": stix2.v21.Note,
    "observed-data": stix2.v21.ObservedData,
    "relationship": stix2.v21.Relationship,
    "report": stix2.v21.Report,
    "sighting": stix2.v21.Sighting,
    "threat-actor": stix2.v21.ThreatActor,
    "tool": stix2.v21.Tool,
    "vulnerability": stix2.v21.Vulnerability,
}

NUL = b"\\u0000"

Way = Callable[[Sequence[Notification]], list[bytes]]


def ways(mapping: CompiledMapping) -> dict[str, Way]:
    """Functions from notifications of whole files, in the shape of stream items, to encoded objects.

    All but `route` give each object the time of its notification; that one looks for the object's versions, as every
    route does before it sends.
    """
    output = mapping.format
    assert isinstance(output, StixFormat)
    producer = output.names["producer"]["name"]
    author = output.names["producer"]["id"]
    marking = next(d["id"] for d in output.shared_documents() if d["type"] == "marking-definition")

    def by_hand(notifications: Sequence[Notification]) -> list[bytes]:
        return [
            _without_nul(orjson.dumps(found))
            for item in notifications
            for found in objects(item.body, producer, author, marking)
        ]

    def with_stix2(notifications: Sequence[Notification]) -> list[bytes]:
        return [
            CLASSES[found["type"]](**found).serialize().encode()
            for item in notifications
            for found in objects(item.body, producer, author, marking)
        ]

    return {
        "mapping": partial(_by_mapping, mapping),
        "route": partial(_for_a_route, mapping),
        "by hand": by_hand,
        "stix2": with_stix2,
    }


def _by_mapping(mapping: CompiledMapping, notifications: Sequence[Notification]) -> list[bytes]:
    render, encode = mapping.render, mapping.format.encode
    lines = []
    for item in notifications:
        at = timestamp(item.date or 0)
        for document in render(notification.view(item)) or ():
            if "created_by_ref" in document:  # as all have but SCO
                document["created"] = document["modified"] = at
            lines.append(encode(document))
    return lines


def _for_a_route(mapping: CompiledMapping, notifications: Sequence[Notification]) -> list[bytes]:
    lines = []
    output = mapping.format
    assert isinstance(output, ObjectFormat)
    for seq, item in enumerate(notifications):
        ledger = Ledger({})  # as if each were the first of its object
        for document in mapping.render(notification.view(item)) or ():
            meaning = output.meaning(document)
            stamped = ledger.stamp(document, output.identify(document), seq, item.date or 0, meaning=meaning)
            if stamped is not None:
                lines.append(mapping.format.encode(stamped))
    return lines


def _without_nul(line: bytes) -> bytes:
    return line.replace(NUL, b"") if NUL in line else line


def same(one: bytes, other: bytes) -> bool:
    """Whether two encoded objects say the same, whatever the order of their keys."""
    return _plain(one) == _plain(other)


def _plain(line: bytes) -> Json:
    # stix2 writes some times without milliseconds, and `revoked: false`, which is what its absence means.
    found = orjson.loads(line.replace(b".000Z", b"Z"))
    if found.get("revoked") is False:
        del found["revoked"]
    return found
