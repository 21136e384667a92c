"""STIX 2.1: what every object carries, which of them have versions, and whether they are valid.

Plain dicts and tables of checks (`schema`) rather than the classes of `stix2`, which take fifty times as long
(docs/decisions/0013-stix-checks-of-our-own.md). Tests hold the two against each other.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import orjson

from connector.formats.stix import pattern
from connector.formats.stix.meaning import meaning
from connector.formats.stix.objects import OBJECTS
from connector.formats.stix.observables import OBSERVABLES
from connector.formats.stix.proof import is_storable
from connector.formats.stix.schema import ObjectType, fault_finder
from connector.formats.stix.shared_objects import (
    EXTENSION_DEFINITION,
    EXTENSION_ID,
    PROJECT_IDENTITY,
    VIRUSTOTAL,
    producer_identity,
    tlp_marking,
)
from connector.formats.stix.values import MAX_DEPTH, Fault, earlier
from connector.model import Document, Identity, Json, JsonObject, Refused
from connector.plugin import CONTRACT, FormatKind
from connector.settings.producer import Producer
from connector.values.display import shortened, undeceiving
from connector.values.identifiers import ID_CONTRIBUTING_PROPERTIES, sco_id
from connector.values.shapes import Constant, Identifier, Members
from connector.values.suggestions import suggestion

_TYPES: Mapping[str, ObjectType] = {**OBJECTS, **OBSERVABLES}
_EXCERPT = 80
_BACKSLASH = ord("\\")
_NUL = b"\\u0000"
_RELATIONSHIP_IDS = ("relationship--", "sighting--")


class StixFormat:
    """Implements `Format`, `Finalizing`, `ObjectFormat` and `Vocabulary` of `connector.ports` for STIX 2.1 objects."""

    def __init__(self, producer: Producer) -> None:
        author = producer_identity(producer.name, producer.identity_class, producer.contact_information)
        marking = tlp_marking(producer.tlp) if producer.tlp else None
        self._shared = (PROJECT_IDENTITY, author, *([marking] if marking else []), EXTENSION_DEFINITION, VIRUSTOTAL)
        self._shared_ids = frozenset(document["id"] for document in self._shared)
        self._author: str = author["id"]
        self._marking: str | None = marking["id"] if marking else None
        self.names: JsonObject = {"producer": {"id": author["id"], "name": producer.name}}

    def shared_documents(self) -> Sequence[Document]:
        """Identities, TLP marking and extension definition: always the same bytes for the same configuration."""
        return self._shared

    def quote(self, key: str, value: Json) -> str:
        """A literal within a pattern; elsewhere the text itself."""
        if not isinstance(value, str):
            return pattern.literal(value)
        cleaned = _clean_text(value)
        return pattern.literal(cleaned) if key == "pattern" else cleaned

    def finalizer(self, shape: Members | None, *, check: bool = True) -> Callable[[Document], Document]:
        """A function that adds what the mapping leaves out: spec_version, an SCO's id, the author and the marking.

        From text it takes U+0000 and lone surrogates, which JSON or the receivers' databases cannot store. It raises
        Refused for a document without a known type or without an id, and for one that is not valid STIX 2.1. The times
        of its version may be missing: they are given later.
        """
        can_be_stored = shape is not None and is_storable(shape)
        kinds = {name: self._kind(name, shape) for name in _TYPES}
        marking = self._marking

        def complete(document: Document) -> Document:
            if not can_be_stored:
                document = _stored(document)
            name = document.get("type")
            if name.__class__ is not str or name not in kinds:
                said = f"type must be that of a STIX 2.1 object; it is {_excerpt(name)}{suggestion(str(name), kinds)}"
                raise Refused(said, by="format", document=document)
            always, is_observable, find_fault = kinds[name]
            completed: Document = {**always, **document}
            if completed["id"].__class__ is not str:
                if "id" in document or not is_observable:
                    said = f"{name}.id must be text; it is {_excerpt(completed['id'])}"
                    raise Refused(said, by="format", document=document)
                completed["id"] = _observable_id(document)
            if marking is not None and "object_marking_refs" not in document:
                completed["object_marking_refs"] = [marking]
            fault = find_fault(completed) if check else None
            if fault is not None:
                raise Refused(_sentence(completed, fault), by="format", document=completed)
            return completed

        return complete

    def finalized_shape(self, shape: Members) -> Members:
        """With the id that an SCO is given where the mapping gives none."""
        if "id" not in shape.shapes:
            return Members({**shape.shapes, "id": Identifier(None)}, shape.certain | {"id"})
        match shape.shapes.get("type"):
            case Constant(str() as name) if name in _TYPES and not _TYPES[name].observable:
                return shape  # no such object without the id that the mapping gives it
        return Members({**shape.shapes, "id": None}, shape.certain)

    def _kind(self, name: str, shape: Members | None) -> tuple[Document, bool, Callable[[Document], Fault | None]]:
        """Of a type: what all its documents carry, in order; whether it is an SCO; what is wrong with one."""
        object_type = _TYPES[name]
        always: Document = {"type": name, "spec_version": "2.1", "id": None}
        if not object_type.observable:
            always["created_by_ref"] = self._author
        return always, object_type.observable, fault_finder(object_type, shape)

    def identify(self, document: Document) -> Identity:
        """The id, and whether it has versions: what a mapping makes has them, but for SCO and markings."""
        identifier = document["id"]
        if identifier in self._shared_ids:
            return Identity(identifier, versioned=False, dependency_level=0)
        object_type = _TYPES[document["type"]]
        dependency_level = object_type.dependency_level
        if "object_refs" in document and _refers_to_relationships(document):
            dependency_level = 2
        return Identity(identifier, object_type.versioned, dependency_level)

    def meaning(self, document: Document) -> bytes:
        """Of an Indicator with a STIX pattern, what `connector.formats.stix.meaning` says; of others, all is news."""
        return meaning(document)

    def encode(self, document: Document) -> bytes:
        """One line of JSON, of a document that its finalizer has checked and a ledger stamped.

        An indicator that does not say since when is valid from its first version on. What nobody sees and deceives
        (`connector.values.display.DECEPTIVE`) is a blank, but for what is observed or searched for: SCO and patterns.
        """
        if document["type"] == "indicator" and "valid_from" not in document:
            document = {**document, "valid_from": _valid_from(document)}
        # A copy, since what orjson gives keeps the kilobytes that it was written into, and a route holds thousands of
        # these at once.
        line = orjson.dumps(document)
        shown = undeceiving(line)
        if shown is not line:
            if _TYPES[document["type"]].observable:
                shown = line
            elif "pattern" in document:
                shown = orjson.dumps(orjson.loads(shown) | {"pattern": document["pattern"]})
        return b"%b" % shown

    def undefined(self, document: Document) -> Mapping[tuple[str, ...], str]:
        """The properties that neither STIX defines for the type, nor the schema of the connector's own extension."""
        object_type = _TYPES.get(document["type"])
        if object_type is None:
            return {}
        checks, of = object_type.checks, f"STIX 2.1's {document['type']}"
        found: dict[tuple[str, ...], str] = {(name,): of for name in document if name not in checks}
        held = document.get("extensions")
        content = held.get(EXTENSION_ID) if isinstance(held, dict) else None
        if isinstance(content, dict):
            known = orjson.loads(EXTENSION_DEFINITION["schema"])["properties"]
            defined_by = f"the schema of {EXTENSION_ID}"
            found |= {("extensions", EXTENSION_ID, name): defined_by for name in content if name not in known}
        return found


def _valid_from(document: Document) -> str:
    """When the first version was made, unless the indicator had already lapsed then: an old match, read late."""
    created: str = document["created"]
    until = document.get("valid_until")
    if until is None or earlier(created, until):
        return created
    try:
        moment = datetime.fromisoformat(until) - timedelta(milliseconds=1)
    except OverflowError:
        raise Refused("indicator.valid_until must not be the first moment that there is", by="format") from None
    # %Y would leave out the zeros of an early year.
    return moment.replace(tzinfo=None).isoformat("T", "milliseconds") + "Z"


def _observable_id(document: Document) -> str:
    object_type = _TYPES[document["type"]]
    fault = object_type.checks["hashes"](document["hashes"]) if "hashes" in document else None
    if fault is not None:
        raise Refused(_sentence(document, fault.within("hashes")), by="format", document=document)
    try:
        return sco_id(document)
    except ValueError:
        contributing = " or ".join(ID_CONTRIBUTING_PROPERTIES[document["type"]]) or "an id"
        raise Refused(
            f"{document['type']} has no {contributing}: nothing says which {document['type']} it is",
            by="format",
            document=document,
        ) from None


def _refers_to_relationships(document: Document) -> bool:
    references = document["object_refs"]
    if not isinstance(references, list):
        return False
    for reference in references:  # noqa: SIM110 -- `any` takes twice as long, and most lists have one element
        if str(reference).startswith(_RELATIONSHIP_IDS):
            return True
    return False


def _stored(document: Document) -> Document:
    """The document, without text that cannot be stored."""
    try:
        encoded = orjson.dumps(document)  # the fastest way to find out
    except TypeError:
        return _storable(document)
    if _BACKSLASH in encoded and _NUL in encoded:  # one byte is found many times as fast
        return _storable(document)
    return document


def _storable(document: Document) -> Document:
    """A copy without text that cannot be stored.

    Raises:
        Refused: JSON cannot hold it for another reason, such as the size of a number.
    """
    cleaned: Document = _clean(document, 0)
    try:
        orjson.dumps(cleaned)
    except TypeError as error:
        raise Refused(f"the document cannot be written as JSON: {error}", by="format") from None
    return cleaned


def _clean(value: Json, depth: int) -> Json:
    if depth > MAX_DEPTH + 3:  # an extension's values stand three levels below the document
        raise Refused(f"the document is nested more than {MAX_DEPTH} deep", by="format")
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, list):
        return [_clean(element, depth + 1) for element in value]
    if isinstance(value, dict):
        return {_clean_text(key): _clean(element, depth + 1) for key, element in value.items()}
    return value


def _clean_text(text: str) -> str:
    if "\0" in text:
        text = text.replace("\0", "")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


def _sentence(document: Document, fault: Fault) -> str:
    name = document["type"]
    if fault.path:
        return f"{name}.{fault.path} {fault.rule}; it is {_excerpt(fault.value)}"
    return f"{name} {fault.rule}"


def _excerpt(value: Json) -> str:
    """The start of a value, printable, for a sentence."""
    if value is None:
        return "missing"
    return shortened(repr(value[:_EXCERPT]) if isinstance(value, str) else ascii(value), _EXCERPT)


KIND = FormatKind(contract=CONTRACT, make=StixFormat)
