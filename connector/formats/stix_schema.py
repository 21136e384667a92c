"""What a type of STIX 2.1 object is made of: checks of its properties, and rules between them.

`stix_objects` and `stix_observables` hold the types themselves.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from connector.formats.stix_values import (
    Check,
    Fault,
    boolean,
    choice,
    earlier,
    extensions,
    filled,
    hashes,
    identifier,
    integer,
    language,
    many,
    milliseconds,
    record,
    reference,
    selector,
    text,
    url,
)
from connector.identifiers import ID_CONTRIBUTING_PROPERTIES, sco_id
from connector.model import JsonObject

Rule = Callable[[JsonObject], Fault | None]
"""What holds between the properties of one object, each of which has been checked by itself."""


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One type.

    Attributes:
        checks: every property that it may have.
        required: those that it must have.
        rules: what holds between them.
        observable: whether it is an SCO.
        versioned: whether it carries `created` and `modified` that the connector gives it.
        wave: see `connector.model.Identity`.
    """

    checks: Mapping[str, Check]
    required: tuple[str, ...]
    rules: tuple[Rule, ...]
    observable: bool
    versioned: bool
    wave: int


def find_fault(object_type: ObjectType, document: JsonObject) -> Fault | None:
    """The first rule that a document breaks; None when it is valid."""
    checks = object_type.checks
    for name, value in document.items():
        check = checks.get(name)
        if check is None:
            return Fault("is not a property of this type; put it into an extension", value, name)
        fault = check(value)
        if fault is not None:
            return fault.within(name)
    for name in object_type.required:
        if name not in document:
            return Fault(f"must have {name}", None)
    for rule in object_type.rules:
        fault = rule(document)
        if fault is not None:
            return fault
    return None


# Rules


def ascending(first: str, last: str, *, equal: bool) -> Rule:
    """Two moments in order, when both are there."""

    def rule(document: JsonObject) -> Fault | None:
        one, other = document.get(first), document.get(last)
        if one is None or other is None or earlier(one, other) or (equal and not earlier(other, one)):
            return None
        return Fault(f"must be {'no earlier' if equal else 'later'} than {first}, {one}", other, last)

    return rule


def one_of(*names: str) -> Rule:
    """At least one of these."""

    def rule(document: JsonObject) -> Fault | None:
        return Fault(f"must have {' or '.join(names)}", None) if document.keys().isdisjoint(names) else None

    return rule


def says_something(document: JsonObject) -> Fault | None:
    """At least one property beside those that every SCO may have."""
    own = document.keys() - common("").keys() - {"defanged"}
    return None if own else Fault("must have at least one property of its own", None)


def needs(name: str, *others: str) -> Rule:
    """A property that makes sense only with others."""

    def rule(document: JsonObject) -> Fault | None:
        if name not in document or all(other in document for other in others):
            return None
        return Fault(f"must stand together with {' and '.join(others)}", document[name], name)

    return rule


def not_both(one: str, other: str) -> Rule:
    """At most one of two."""

    def rule(document: JsonObject) -> Fault | None:
        both = one in document and other in document
        return Fault(f"must not stand beside {one}", document[other], other) if both else None

    return rule


def _observable_id(document: JsonObject) -> Fault | None:
    """Section 2.9: the same observable has the same id wherever it is made."""
    try:
        expected = sco_id(document)
    except ValueError:  # nothing contributes, so any UUID is right
        return None
    if document["id"] == expected:
        return None
    return Fault(f"must be {expected}, made of its properties; leave the id out", document["id"], "id")


# Kinds of values that recur

TEXTS = many(filled)
COUNT = integer(0)
PORT = integer(0, 65535)
KILL_CHAIN = many(record({"kill_chain_name": filled, "phase_name": filled}, {}))
EXTERNAL = many(
    record(
        {"source_name": filled},
        {"description": text, "url": url, "external_id": text, "hashes": hashes},
        one_of=("description", "url", "external_id"),
    )
)
GRANULAR = many(
    record(
        {"selectors": many(selector)},
        {"lang": language, "marking_ref": reference("marking-definition")},
        one_of=("lang", "marking_ref"),
    )
)
MARKINGS = many(reference("marking-definition"))

SDO_NAMES = (
    "attack-pattern",
    "campaign",
    "course-of-action",
    "grouping",
    "identity",
    "incident",
    "indicator",
    "infrastructure",
    "intrusion-set",
    "location",
    "malware",
    "malware-analysis",
    "note",
    "observed-data",
    "opinion",
    "report",
    "threat-actor",
    "tool",
    "vulnerability",
)
SRO_NAMES = ("relationship", "sighting")
SCO_NAMES = tuple(ID_CONTRIBUTING_PROPERTIES)


def common(name: str) -> dict[str, Check]:
    """What every object may have."""
    return {
        "type": choice(name),
        "spec_version": choice("2.1"),
        "id": identifier(name),
        "object_marking_refs": MARKINGS,
        "granular_markings": GRANULAR,
        "extensions": extensions,
    }


def stix_object(name: str, required: str, properties: Mapping[str, Check], rules: Iterable[Rule] = ()) -> ObjectType:
    """An SDO or SRO (section 3.2)."""
    checks = {
        **common(name),
        "created_by_ref": reference("identity"),
        "created": milliseconds,
        "modified": milliseconds,
        "revoked": boolean,
        "labels": TEXTS,
        "confidence": integer(0, 100),
        "lang": language,
        "external_references": EXTERNAL,
        **properties,
    }
    return ObjectType(
        checks=checks,
        required=("type", "spec_version", "id", "created", "modified", *required.split()),
        rules=(ascending("created", "modified", equal=True), *rules),
        observable=False,
        versioned=True,
        wave=2 if name in SRO_NAMES else 1,
    )


def observable(name: str, required: str, properties: Mapping[str, Check], rules: Iterable[Rule] = ()) -> ObjectType:
    """An SCO (section 6)."""
    return ObjectType(
        checks={**common(name), "defanged": boolean, **properties},
        required=("type", "id", *required.split()),
        rules=(*rules, _observable_id),
        observable=True,
        versioned=False,
        wave=1,
    )
