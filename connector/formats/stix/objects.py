"""The SDO, SRO and meta objects of STIX 2.1 (sections 4, 5 and 7).

A test holds them against the `stix2` library, which is too slow to run here. Left out: language-content, and the
deprecated `objects` of observed-data.
"""

from collections.abc import Mapping

from connector.formats.stix.pattern import pattern_fault
from connector.formats.stix.schema import (
    EXTERNAL,
    IN_ORDER,
    KILL_CHAIN,
    SCO_NAMES,
    SDO_NAMES,
    SIGNATURE,
    SRO_NAMES,
    TEXTS,
    ObjectType,
    Rule,
    ascending,
    common,
    needs,
    one_of,
    stix_object,
)
from connector.formats.stix.values import (
    Fault,
    boolean,
    choice,
    filled,
    integer,
    many,
    milliseconds,
    number,
    record,
    reference,
    text,
    timestamp,
)
from connector.model import JsonObject


@Rule
def _indicator_pattern(document: JsonObject) -> Fault | None:
    if document["pattern_type"] != "stix":
        return None
    fault = pattern_fault(document["pattern"])
    return None if fault is None else fault.within("pattern")


@Rule
def _family_name(document: JsonObject) -> Fault | None:
    return Fault("must have name, being a family", None) if document["is_family"] and "name" not in document else None


@Rule
def _no_tlp_1(document: JsonObject) -> Fault | None:
    """The five TLP 1 objects of the specification exist already, and no others may (section 7.2.1.4)."""
    if "extensions" in document or document.get("definition_type") == "statement":
        return None
    return Fault("must be `statement`, or the marking an extension", document.get("definition_type"), "definition_type")


_SCO = reference(*SCO_NAMES)
_OBJECT_REFS = many(reference(*SDO_NAMES, *SRO_NAMES, *SCO_NAMES))
_NAMED = {"name": filled, "description": text}
_SEEN = {"first_seen": timestamp, "last_seen": timestamp}
_SEEN_RULE = ascending("first_seen", "last_seen", equal=True)
_MOTIVES = {"resource_level": filled, "primary_motivation": filled, "secondary_motivations": TEXTS}


_DOMAIN_OBJECTS = {
    "attack-pattern": stix_object(
        "attack-pattern", "name", {**_NAMED, "aliases": TEXTS, "kill_chain_phases": KILL_CHAIN}
    ),
    "campaign": stix_object("campaign", "name", {**_NAMED, "aliases": TEXTS, **_SEEN, "objective": text}, [_SEEN_RULE]),
    "course-of-action": stix_object("course-of-action", "name", _NAMED),
    "grouping": stix_object(
        "grouping", "context object_refs", {**_NAMED, "context": filled, "object_refs": _OBJECT_REFS}
    ),
    "identity": stix_object(
        "identity",
        "name",
        {**_NAMED, "roles": TEXTS, "identity_class": filled, "sectors": TEXTS, "contact_information": text},
    ),
    "incident": stix_object("incident", "name", {**_NAMED, "kill_chain_phases": KILL_CHAIN}),
    "indicator": stix_object(
        "indicator",
        "pattern pattern_type valid_from",
        {
            **_NAMED,
            "indicator_types": TEXTS,
            "pattern": filled,
            "pattern_type": filled,
            "pattern_version": filled,
            "valid_from": timestamp,
            "valid_until": timestamp,
            "kill_chain_phases": KILL_CHAIN,
        },
        [ascending("valid_from", "valid_until", equal=False), _indicator_pattern],
    ),
    "infrastructure": stix_object(
        "infrastructure",
        "name",
        {**_NAMED, "infrastructure_types": TEXTS, "aliases": TEXTS, "kill_chain_phases": KILL_CHAIN, **_SEEN},
        [_SEEN_RULE],
    ),
    "intrusion-set": stix_object(
        "intrusion-set", "name", {**_NAMED, "aliases": TEXTS, **_SEEN, "goals": TEXTS, **_MOTIVES}, [_SEEN_RULE]
    ),
    "location": stix_object(
        "location",
        "",
        {
            **_NAMED,
            "latitude": number(-90, 90),
            "longitude": number(-180, 180),
            "precision": number(0),
            "region": filled,
            "country": filled,
            "administrative_area": text,
            "city": text,
            "street_address": text,
            "postal_code": text,
        },
        [
            one_of("region", "country", "latitude"),
            needs("latitude", "longitude"),
            needs("longitude", "latitude"),
            needs("precision", "latitude"),
        ],
    ),
    "malware": stix_object(
        "malware",
        "is_family",
        {
            **_NAMED,
            "malware_types": TEXTS,
            "is_family": boolean,
            "aliases": TEXTS,
            "kill_chain_phases": KILL_CHAIN,
            **_SEEN,
            "operating_system_refs": many(reference("software")),
            "architecture_execution_envs": TEXTS,
            "implementation_languages": TEXTS,
            "capabilities": TEXTS,
            "sample_refs": many(reference("artifact", "file")),
        },
        [_SEEN_RULE, _family_name],
    ),
    "malware-analysis": stix_object(
        "malware-analysis",
        "product",
        {
            "product": filled,
            "version": text,
            "host_vm_ref": reference("software"),
            "operating_system_ref": reference("software"),
            "installed_software_refs": many(reference("software")),
            "configuration_version": text,
            "modules": TEXTS,
            "analysis_engine_version": text,
            "analysis_definition_version": text,
            "submitted": timestamp,
            "analysis_started": timestamp,
            "analysis_ended": timestamp,
            "result_name": text,
            "result": filled,
            "analysis_sco_refs": many(_SCO),
            "sample_ref": _SCO,
        },
        [one_of("result", "analysis_sco_refs"), ascending("analysis_started", "analysis_ended", equal=True)],
    ),
    "note": stix_object(
        "note",
        "content object_refs",
        {"abstract": text, "content": filled, "authors": TEXTS, "object_refs": _OBJECT_REFS},
    ),
    "observed-data": stix_object(
        "observed-data",
        "first_observed last_observed number_observed object_refs",
        {
            "first_observed": timestamp,
            "last_observed": timestamp,
            "number_observed": integer(1, 999_999_999),
            "object_refs": many(reference(*SCO_NAMES, *SRO_NAMES)),
        },
        [ascending("first_observed", "last_observed", equal=True)],
    ),
    "opinion": stix_object(
        "opinion",
        "opinion object_refs",
        {
            "explanation": text,
            "authors": TEXTS,
            "opinion": choice("strongly-disagree", "disagree", "neutral", "agree", "strongly-agree"),
            "object_refs": _OBJECT_REFS,
        },
    ),
    "report": stix_object(
        "report",
        "name published object_refs",
        {**_NAMED, "report_types": TEXTS, "published": timestamp, "object_refs": _OBJECT_REFS},
    ),
    "threat-actor": stix_object(
        "threat-actor",
        "name",
        {
            **_NAMED,
            "threat_actor_types": TEXTS,
            "aliases": TEXTS,
            **_SEEN,
            "roles": TEXTS,
            "goals": TEXTS,
            "sophistication": filled,
            **_MOTIVES,
            "personal_motivations": TEXTS,
        },
        [_SEEN_RULE],
    ),
    "tool": stix_object(
        "tool",
        "name",
        {**_NAMED, "tool_types": TEXTS, "aliases": TEXTS, "kill_chain_phases": KILL_CHAIN, "tool_version": text},
    ),
    "vulnerability": stix_object("vulnerability", "name", _NAMED),
}

_RELATIONSHIP_OBJECTS = {
    "relationship": stix_object(
        "relationship",
        "relationship_type source_ref target_ref",
        {
            "relationship_type": filled,
            "description": text,
            "source_ref": reference(*SDO_NAMES, *SCO_NAMES),
            "target_ref": reference(*SDO_NAMES, *SCO_NAMES),
            "start_time": timestamp,
            "stop_time": timestamp,
        },
        [ascending("start_time", "stop_time", equal=False)],
    ),
    "sighting": stix_object(
        "sighting",
        "sighting_of_ref",
        {
            "description": text,
            **_SEEN,
            "count": integer(0, 999_999_999),
            "sighting_of_ref": reference(*SDO_NAMES),
            "observed_data_refs": many(reference("observed-data")),
            "where_sighted_refs": many(reference("identity", "location")),
            "summary": boolean,
        },
        [_SEEN_RULE],
    ),
}

_DEFINITION = ("created_by_ref", "name", "schema", "version", "extension_types")
_META_OBJECTS = {
    "extension-definition": ObjectType(
        checks={
            **{key: check for key, check in common("extension-definition").items() if key != "extensions"},
            **SIGNATURE,
            "revoked": boolean,
            "labels": TEXTS,
            "external_references": EXTERNAL,
            "name": filled,
            "description": text,
            "schema": filled,
            "version": filled,
            "extension_types": many(
                choice("new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension")
            ),
            "extension_properties": TEXTS,
        },
        required=("type", "spec_version", "id", "created", "modified", *_DEFINITION),
        rules=(IN_ORDER,),
        observable=False,
        versioned=True,
        dependency_level=0,
    ),
    "marking-definition": ObjectType(
        checks={
            **common("marking-definition"),
            "created_by_ref": reference("identity"),
            "created": milliseconds,
            "external_references": EXTERNAL,
            "name": filled,
            "definition_type": filled,
            "definition": record({"statement": filled}, {}),
        },
        required=("type", "spec_version", "id", "created"),
        rules=(_no_tlp_1, needs("definition_type", "definition")),
        observable=False,
        versioned=False,
        dependency_level=0,
    ),
}

OBJECTS: Mapping[str, ObjectType] = {**_DOMAIN_OBJECTS, **_RELATIONSHIP_OBJECTS, **_META_OBJECTS}
"""By type."""
