"""What a type of STIX 2.1 object is made of: checks of its properties, and rules between them.

`objects` and `observables` hold the types themselves.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from connector.formats.stix.proof import remaining
from connector.formats.stix.values import (
    TYPES_ALLOWED,
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
    type_of,
    url,
)
from connector.model import JsonObject
from connector.values.identifiers import ID_CONTRIBUTING_PROPERTIES, sco_id
from connector.values.shapes import Members
from connector.values.suggestions import suggestion


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds between the properties of one object, each of which has been checked by itself.

    Attributes:
        fault: how a document breaks it; None when it does not.
        reads: the properties whose values it compares; a document that lacks one cannot break it. None: it may read
            any.
        about_names: whether only the names of the properties matter to it, and not their values.
    """

    fault: Callable[[JsonObject], Fault | None]
    reads: tuple[str, ...] | None = None
    about_names: bool = False


@dataclass(frozen=True, slots=True, eq=False)  # each type is only itself, and can be a key
class ObjectType:
    """A type of STIX object.

    Attributes:
        checks: the check of each property that an object of the type may have.
        required: the properties that it must have.
        rules: what must hold between its properties.
        observable: whether it is an SCO.
        versioned: whether the connector gives it `created` and `modified`.
        dependency_level: see `connector.model.Identity`.
    """

    checks: Mapping[str, Check]
    required: tuple[str, ...]
    rules: tuple[Rule, ...]
    observable: bool
    versioned: bool
    dependency_level: int

    @property
    def given_later(self) -> frozenset[str]:
        """The properties that a document may lack when it is checked: the times of its version."""
        return _TIMES if self.versioned else frozenset()


_TIMES = frozenset(("created", "modified", "valid_from"))
_MAX_OUTLINES = 256
"""How many are remembered for one place in a mapping."""


def fault_finder(object_type: ObjectType, shape: Members | None = None) -> Callable[[JsonObject], Fault | None]:
    """A function that returns the first fault of a document, None when it is valid; `given_later` may be missing.

    Args:
        object_type: that of the documents.
        shape: what loading the mapping has proven of the properties that it gives; the format has added all others.
            None: nothing is known.
    """
    return functools.partial(_fault_by_outline, object_type, _Outlines(object_type, shape))


def _fault_by_outline(object_type: ObjectType, outlines: "_Outlines", document: JsonObject) -> Fault | None:
    texts, ids, checks, rules = outlines[tuple(document)]
    # These checks say only that there may be a fault. `_first_fault` takes longer, and says which it is, if any.
    for name in texts:
        value = document[name]
        if value.__class__ is not str or not value:
            return _first_fault(object_type, document)
    for name, allowed in ids:
        value = document[name]
        if value.__class__ is not str or type_of(value) not in allowed:
            return _first_fault(object_type, document)
    for name, check in checks:
        if check(document[name]) is not None:
            return _first_fault(object_type, document)
    for fault in rules:
        if fault(document) is not None:
            return _first_fault(object_type, document)
    return None


def _first_fault(object_type: ObjectType, document: JsonObject) -> Fault | None:
    checks = object_type.checks
    for name, value in document.items():
        check = checks.get(name)
        if check is None:
            hint = suggestion(name, checks.keys() - document.keys()) or "; put it into an extension"
            return Fault(f"is not a property of this type{hint}", value, name)
        fault = check(value)
        if fault is not None:
            return fault.within(name)
    for name in object_type.required:
        if name not in document and name not in object_type.given_later:
            return Fault(f"must have {name}", None)
    for rule in object_type.rules:
        fault = rule.fault(document)
        if fault is not None:
            return fault
    return None


class _Outline(NamedTuple):
    """What remains to be checked of a document, given the names of its properties.

    A mapping makes documents with the same few sets of names over and over. What the names alone decide is decided once
    for each set: whether all required properties are there and no others, which rules apply, and which checks are
    needless after what loading the mapping has proven.

    Attributes:
        texts: properties that must be text. Most are text or ids, and are looked at without the call of a check,
            which would take longer. Where a text is empty, `_first_fault` decides whether it may be.
        ids: properties that must be an id, and the types that each may be of.
        checks: all other properties that need a check, and the check.
        rules: those that depend on the values of properties.
    """

    texts: tuple[str, ...]
    ids: tuple[tuple[str, frozenset[str]], ...]
    checks: tuple[tuple[str, Check], ...]
    rules: tuple[Callable[[JsonObject], Fault | None], ...]


class _Outlines(dict[tuple[str, ...], _Outline]):
    """The outlines of one type, by the names of properties; each is made when it is first asked for."""

    def __init__(self, object_type: ObjectType, shape: Members | None) -> None:
        self._object_type = object_type
        self._shape = shape

    def __missing__(self, names: tuple[str, ...]) -> _Outline:
        outline = _outline(self._object_type, names, self._shape)
        if len(self) >= _MAX_OUTLINES:
            self.clear()
        self[names] = outline
        return outline


_INVALID = _Outline((), (), (), (lambda document: Fault("has the wrong properties", document),))
"""That of names which no valid document has; `_first_fault` says what is wrong with them."""


def _outline(object_type: ObjectType, names: tuple[str, ...], shape: Members | None) -> _Outline:
    if not _are_allowed(object_type, names):
        return _INVALID
    checks = _checks_left(object_type.checks, names, shape)
    texts = tuple(name for name, check in checks.items() if check in (filled, text))
    ids = tuple((name, TYPES_ALLOWED[check]) for name, check in checks.items() if check in TYPES_ALLOWED)
    done = {*texts, *(name for name, _ in ids)}
    others = tuple((name, check) for name, check in checks.items() if name not in done)
    return _Outline(texts, ids, others, tuple(rule.fault for rule in _rules_left(object_type, names, shape)))


def _are_allowed(object_type: ObjectType, names: tuple[str, ...]) -> bool:
    """Whether a document may have these properties: all that are required, no other, and no rule about names broken."""
    there = frozenset(names)
    return (
        there | object_type.given_later >= set(object_type.required)
        and there <= object_type.checks.keys()
        and all(rule.fault(dict.fromkeys(names)) is None for rule in object_type.rules if rule.about_names)
    )


def _rules_left(object_type: ObjectType, names: tuple[str, ...], shape: Members | None) -> list[Rule]:
    """The rules that the values of these properties may break."""
    rules = [
        rule
        for rule in object_type.rules
        if not rule.about_names and (rule.reads is None or set(rule.reads) <= set(names))
    ]
    if _is_made_by_format("id", shape):
        rules = [rule for rule in rules if rule is not OWN_ID]
    return rules


def _checks_left(checks: Mapping[str, Check], names: Iterable[str], shape: Members | None) -> dict[str, Check]:
    """The checks that these properties still need; `type` needs none, as it is what this object type was chosen by."""
    left: dict[str, Check] = {}
    for name in names:
        if name == "type" or _is_made_by_format(name, shape):
            continue
        check = checks[name] if shape is None else remaining(checks[name], shape.shapes.get(name))
        if check is not None:
            left[name] = check
    return left


_MADE_BY_FORMAT = frozenset(("spec_version", "id", "created_by_ref", "object_marking_refs"))


def _is_made_by_format(name: str, shape: Members | None) -> bool:
    """Whether the format has added this property, because the mapping is proven not to give it."""
    return shape is not None and name in _MADE_BY_FORMAT and name not in shape.shapes


# Rules


def ascending(first: str, last: str, *, equal: bool) -> Rule:
    """Two times in order, when both are there."""

    def fault(document: JsonObject) -> Fault | None:
        one, other = document.get(first), document.get(last)
        if one is None or other is None or (equal and one == other):
            return None
        if earlier(one, other) or (equal and not earlier(other, one)):
            return None
        return Fault(f"must be {'no earlier' if equal else 'later'} than {first}, {one}", other, last)

    return Rule(fault, (first, last))


def one_of(*names: str) -> Rule:
    """At least one of these."""

    def fault(document: JsonObject) -> Fault | None:
        return Fault(f"must have {' or '.join(names)}", None) if document.keys().isdisjoint(names) else None

    return Rule(fault, about_names=True)


def _has_own(document: JsonObject) -> Fault | None:
    own = document.keys() - common("").keys() - {"defanged"}
    return None if own else Fault("must have at least one property of its own", None)


SAYS_SOMETHING = Rule(_has_own, about_names=True)
"""At least one property beside those that every SCO may have."""


def needs(name: str, *others: str) -> Rule:
    """A property that makes sense only with others."""

    def fault(document: JsonObject) -> Fault | None:
        if name not in document or all(other in document for other in others):
            return None
        return Fault(f"must stand together with {' and '.join(others)}", document[name], name)

    return Rule(fault, about_names=True)


def not_both(one: str, other: str) -> Rule:
    """At most one of two."""

    def fault(document: JsonObject) -> Fault | None:
        both = one in document and other in document
        return Fault(f"must not stand beside {one}", document[other], other) if both else None

    return Rule(fault, about_names=True)


def _own_id(document: JsonObject) -> Fault | None:
    """Section 2.9: the same observable has the same id wherever it is made."""
    try:
        expected = sco_id(document)
    except ValueError:  # nothing contributes, so any UUID is right
        return None
    if document["id"] == expected:
        return None
    return Fault(f"must be {expected}, made of its properties; leave the id out", document["id"], "id")


OWN_ID = Rule(_own_id)
"""An SCO has the id that its properties make."""


# Properties of every SDO and SRO: who made it, and when

IN_ORDER = ascending("created", "modified", equal=True)
SIGNATURE: Mapping[str, Check] = {
    "spec_version": choice("2.1"),
    "created_by_ref": reference("identity"),
    "created": milliseconds,
    "modified": milliseconds,
}

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
        **SIGNATURE,
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
        rules=(IN_ORDER, *rules),
        observable=False,
        versioned=True,
        dependency_level=2 if name in SRO_NAMES else 1,
    )


def observable(name: str, required: str, properties: Mapping[str, Check], rules: Iterable[Rule] = ()) -> ObjectType:
    """An SCO (section 6)."""
    return ObjectType(
        checks={**common(name), "defanged": boolean, **properties},
        required=("type", "id", *required.split()),
        rules=(*rules, OWN_ID),
        observable=True,
        versioned=False,
        dependency_level=1,
    )
