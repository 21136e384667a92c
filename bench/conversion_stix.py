"""STIX: the mapping against a hand-written function and against the `stix2` classes, all making the same objects.

The hand-written function checks nothing of what it writes; mapping and `stix2` do.
"""

import datetime
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import stix2

from connector import notification
from connector.formats.stix import StixFormat
from connector.formats.stix_foundation import EXTENSION_ID
from connector.identifiers import sco_id, stix_id
from connector.mapping import CompiledMapping
from connector.model import Json, Notification
from connector.versions import Ledger

INDICATOR_TYPES = {
    "VERDICT_MALICIOUS": "malicious-activity",
    "VERDICT_SUSPICIOUS": "anomalous-activity",
    "VERDICT_BENIGN": "benign",
}
DAYS = {"VERDICT_MALICIOUS": 90, "VERDICT_SUSPICIOUS": 30}
CLASSES = {
    "location": stix2.v21.Location,
    "file": stix2.v21.File,
    "observed-data": stix2.v21.ObservedData,
    "indicator": stix2.v21.Indicator,
    "relationship": stix2.v21.Relationship,
    "sighting": stix2.v21.Sighting,
}

Way = Callable[[Sequence[Notification]], list[bytes]]


def ways(mapping: CompiledMapping) -> dict[str, Way]:
    """Three functions from notifications of whole files, in the shape of stream items, to encoded objects."""
    output = mapping.format
    assert isinstance(output, StixFormat)
    foundation = output.foundation()
    author = next(d["id"] for d in reversed(foundation) if d["type"] == "identity")
    marking = next(d["id"] for d in foundation if d["type"] == "marking-definition")

    def by_mapping(notifications: Sequence[Notification]) -> list[bytes]:
        lines = []
        for seq, item in enumerate(notifications):
            ledger = Ledger({})  # as if each were the first of its object
            for document in mapping.render(notification.view(item)) or ():
                stamped = ledger.stamp(document, output.identify(document), seq, item.date or 0)
                if stamped is not None:
                    lines.append(output.encode(stamped))
        return lines

    def by_hand(notifications: Sequence[Notification]) -> list[bytes]:
        return [orjson.dumps(found) for item in notifications for found in _objects(item.body, author, marking)]

    def with_stix2(notifications: Sequence[Notification]) -> list[bytes]:
        return [
            CLASSES[found["type"]](**found).serialize().encode()
            for item in notifications
            for found in _objects(item.body, author, marking)
        ]

    return {"mapping": by_mapping, "by hand": by_hand, "stix2": with_stix2}


def same(one: bytes, other: bytes) -> bool:
    """Whether two encoded objects say the same, whatever the order of their keys."""
    return _plain(one) == _plain(other)


def _plain(line: bytes) -> Json:
    # stix2 writes some times without milliseconds, and `revoked: false`, which is what its absence means.
    found = orjson.loads(line.replace(b".000Z", b"Z"))
    return {key: value for key, value in found.items() if value is not False}


def _time(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _objects(body: Json, author: str, marking: str) -> list[dict[str, Any]]:
    """The objects of one file, as an engineer would write it for this one stream."""
    context, entity = body["context_attributes"], body["attributes"]
    hunting, assessment = context["hunting_info"], entity["gti_assessment"]
    sha256 = entity["sha256"].lower()
    seen = _time(context["notification_date"])
    verdict = assessment["verdict"]["value"]
    country = hunting["source_country"].strip().upper()
    common = {"spec_version": "2.1", "object_marking_refs": [marking]}
    domain_object = {**common, "created_by_ref": author, "created": seen, "modified": seen}
    location = {
        "type": "location",
        "id": stix_id("location", country),
        "name": country,
        "country": country,
        **domain_object,
    }
    file: dict[str, Any] = {"type": "file", "hashes": {"SHA-256": sha256}, **common}
    file["id"] = sco_id(file)
    observed_data = {
        "type": "observed-data",
        "id": stix_id("observed-data", context["notification_id"]),
        "first_observed": seen,
        "last_observed": seen,
        "number_observed": 1,
        "object_refs": [file["id"]],
        **domain_object,
    }
    description = [
        entity.get("type_description"),
        (entity.get("popular_threat_classification") or {}).get("suggested_threat_label"),
        assessment.get("description"),
    ]
    score = assessment["threat_score"]["value"]
    indicator = {
        "type": "indicator",
        "id": stix_id("indicator", body["type"], sha256),
        "name": entity["meaningful_name"][:200],
        "description": ". ".join(part for part in description if part),
        "indicator_types": [INDICATOR_TYPES.get(verdict, "unknown")],
        "pattern": f"[file:hashes.'SHA-256' = '{sha256}']",
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": seen,
        "valid_until": _time(context["notification_date"] + DAYS.get(verdict, 14) * 86_400),
        "confidence": score,
        "labels": sorted(entity["tags"]),
        "external_references": [
            {
                "source_name": "VirusTotal",
                "external_id": body["id"],
                "url": f"https://www.virustotal.com/gui/file/{body['id']}",
            }
        ],
        "extensions": {
            EXTENSION_ID: {
                "extension_type": "property-extension",
                "hashes": {"MD5": entity["md5"].lower(), "SHA-1": entity["sha1"].lower(), "SHA-256": sha256},
                "verdict": verdict,
                "severity": assessment["severity"]["value"],
                "threat_score": score,
            }
        },
        **domain_object,
    }
    based_on = {
        "type": "relationship",
        "id": stix_id("relationship", indicator["id"], "based-on", observed_data["id"]),
        "relationship_type": "based-on",
        "source_ref": indicator["id"],
        "target_ref": observed_data["id"],
        **domain_object,
    }
    snippet = "".join(max(letter, " ") for letter in hunting["snippet"]).strip()
    sighting = {
        "type": "sighting",
        "id": stix_id("sighting", context["notification_id"]),
        "sighting_of_ref": indicator["id"],
        "first_seen": seen,
        "last_seen": seen,
        "count": 1,
        "observed_data_refs": [observed_data["id"]],
        "where_sighted_refs": [location["id"]],
        "extensions": {
            EXTENSION_ID: {
                "extension_type": "property-extension",
                "notification_id": context["notification_id"],
                "origin": context["origin"],
                "rule_name": hunting["rule_name"],
                "rule_tags": hunting["rule_tags"],
                "match_source": hunting["match_source"],
                "snippet": snippet if len(snippet) <= 1000 else snippet[:999] + "…",  # noqa: PLR2004 -- as in the mapping
                "source_country": country,
                "source_key": hunting["source_key"],
                "tags": context["tags"],
                "sources": [
                    {"type": source["type"], "source_id": source["id"], "label": source["label"]}
                    for source in context["sources"]
                ],
            }
        },
        **domain_object,
    }
    return [location, file, observed_data, indicator, based_on, sighting]
