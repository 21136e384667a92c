"""The STIX objects that all others rest on, each the same bytes for ever.

A receiver keeps the first copy of an id, so what stands behind an id must never change: a test pins every one of these.
To change the extension's schema, give it a new id.
"""

from typing import Any

import orjson

from connector.model import Document
from connector.values.identifiers import stix_id

CREATED = "2025-01-01T00:00:00.000Z"
"""When the project's own objects came into being, as far as their `created` says."""

_PROJECT = stix_id("identity", "IoC-Stream Connector project")
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
EXTENSION_ID = stix_id("extension-definition", "ioc-stream", "1.2.0")
"""The key under which `mappings/stix21.yaml` puts what STIX has no property for."""

_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "VirusTotal IoC-Stream",
    "description": "On a sighting: the notification. On an indicator: VirusTotal's assessment of the observable.",
    "type": "object",
    "properties": {
        "extension_type": {"const": "property-extension"},
        "notification_id": _TEXT,
        "origin": {"type": "string", "description": "hunting or subscriptions"},
        "rule_name": _TEXT,
        "rule_tags": _TEXTS,
        "match_source": {"type": "string", "description": "what the rule matched, such as ORIGINAL_FILE"},
        "match_in_subfile": {"type": "boolean"},
        "snippet": {"type": "string", "description": "what the rule matched, without control characters, cut short"},
        "source_country": {"type": "string", "description": "ISO 3166-1 alpha-2, where the submitter was"},
        "source_key": {"type": "string", "description": "the submitter, under a pseudonym"},
        "tags": _TEXTS,
        "sources": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"type": _TEXT, "source_id": _TEXT, "label": _TEXT},
                "additionalProperties": False,
            },
        },
        "hashes": {"type": "object", "additionalProperties": _TEXT, "description": "every hash known of the file"},
        "size": {"type": "integer", "description": "of the file, in bytes"},
        "mime_type": {"type": "string", "description": "of the file, by ExifTool"},
        "categories": {**_TEXTS, "description": "gti_assessment.contributing_factors.normalised_categories"},
        "network": {
            "type": "object",
            "properties": {
                "as_number": {"type": "integer", "description": "the autonomous system of the address"},
                "as_name": {"type": "string", "description": "whose autonomous system it is"},
                "rir": {"type": "string", "description": "the regional Internet registry of the address"},
                "country": {"type": "string", "description": "where the address is, ISO 3166-1 alpha-2"},
                "registrar": {"type": "string", "description": "where the domain is registered"},
                "registered": {"type": "string", "description": "when the domain was created, RFC 3339"},
            },
            "additionalProperties": False,
        },
        "verdict": {"type": "string", "description": "gti_assessment.verdict"},
        "severity": {"type": "string", "description": "gti_assessment.severity"},
        "threat_score": {"type": "integer", "description": "gti_assessment.threat_score"},
        "detections": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "description": "last_analysis_stats: how many engines say what",
        },
        "threat_label": {"type": "string", "description": "popular_threat_classification.suggested_threat_label"},
        "sandbox_verdicts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "sandbox_name": _TEXT,
                    "category": _TEXT,
                    "confidence": {"type": "integer"},
                    "malware_names": _TEXTS,
                    "malware_classification": _TEXTS,
                },
                "additionalProperties": False,
            },
        },
        "c2_hosts": {"type": "integer", "description": "how many hosts its extracted configurations name"},
        "c2_left_out": {
            "type": "array",
            "description": "addresses that they name and that are no indicators, because of where they mean something",
            "items": {
                "type": "object",
                "properties": {"value": {"type": "string"}, "scope": {"type": "string"}},
                "required": ["value", "scope"],
                "additionalProperties": False,
            },
        },
        "score": {
            "type": "integer",
            "description": "the reputation as Cortex XSOAR counts: 1 good, 2 suspicious, 3 bad",
        },
    },
    "required": ["extension_type"],
    "additionalProperties": False,
}

PROJECT_IDENTITY: Document = {
    "type": "identity",
    "spec_version": "2.1",
    "id": _PROJECT,
    "created_by_ref": _PROJECT,
    "created": CREATED,
    "modified": CREATED,
    "name": "IoC-Stream Connector project",
    "description": "Defines the STIX extension in which IoC-Stream notifications are carried.",
    "identity_class": "organization",
}

VIRUSTOTAL: Document = {
    "type": "identity",
    "spec_version": "2.1",
    "id": stix_id("identity", "VirusTotal"),
    "created_by_ref": _PROJECT,
    "created": CREATED,
    "modified": CREATED,
    "name": "VirusTotal",
    "description": "Where the matches of IoC-Stream notifications were seen.",
    "identity_class": "organization",
}
"""`mappings/stix21.yaml` names it as the place of every sighting."""

EXTENSION_DEFINITION: Document = {
    "type": "extension-definition",
    "spec_version": "2.1",
    "id": EXTENSION_ID,
    "created_by_ref": _PROJECT,
    "created": CREATED,
    "modified": CREATED,
    "name": "VirusTotal IoC-Stream",
    "description": _SCHEMA["description"],
    "schema": orjson.dumps(_SCHEMA).decode(),
    # Its text is free (section 7.3.1). medallion reads any `version` as a time, the object's own, and cannot list a
    # collection that holds one which is none.
    "version": CREATED,
    "extension_types": ["property-extension"],
}

# TLP 2.0 as OASIS published it (oasis-open/cti-stix-common-objects); what STIX 2.1 itself defines is TLP 1.
_TLP_IDS = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}


def tlp_marking(level: str) -> Document:
    """The marking-definition of a TLP 2.0 level."""
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": _TLP_IDS[level],
        "created": "2022-10-01T00:00:00.000Z",
        "name": f"TLP:{level.upper()}",
        "extensions": {
            "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d": {
                "extension_type": "property-extension",
                "tlp_2_0": level,
            }
        },
    }


def producer_identity(name: str, identity_class: str, contact_information: str | None) -> Document:
    """Who shares the objects. Whatever it says makes its id, so that no id ever stands for two contents."""
    identity = stix_id("identity", name, identity_class, contact_information)
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": identity,
        "created_by_ref": identity,
        "created": CREATED,
        "modified": CREATED,
        "name": name,
        "identity_class": identity_class,
        **({"contact_information": contact_information} if contact_information else {}),
    }
