"""The checks that every STIX object must pass: other people's STIX software, and rules that this software leaves out.

`UNMET` has the findings of stix2-validator (`--strict` and `--interop`) that we accept, each with its reason.
"""

import ipaddress
import json
import re
import uuid

import stix2
import stix2matcher.matcher
import stix_validator
import yara_x

OASIS = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
UNTOLD = "VirusTotal does not say, and a guess would be one"
UNMET = {
    ("", "{103}"): "section 2.9 allows ids that are no UUIDv4, and the same id for the same thing is the point",
    ("relationship", "{202} 'located-at'"): "where an address is; there is no other word for it, and OpenCTI reads it",
    ("file", "{271}"): "VirusTotal's MIME types are those of ExifTool, and not all are registered",
    ("autonomous-system", "created_by_ref"): "an SCO has no such property",
    ("", "{302}"): "the pages of VirusTotal change, so that there is no hash of them to give",
    # The interoperability schemas demand what the specification leaves open, some of it under names of their own.
    ("marking-definition", "created_by_ref"): "TLP 2.0 is published without an author, and shared as it is",
    ("marking-definition", "'modified'"): "marking definitions have no such property",
    ("domain-name", "created_by_ref"): "an SCO has no such property",
    (
        "domain-name",
        "is not a 'idn-hostname'",
    ): "names with underscores, and hyphens at an end, are looked up every day",
    ("url", "is not a 'uri'"): "a URL that is compared with logs has to be as browsers and malware send it",
    ("file", "created_by_ref"): "an SCO has no such property",
    ("ipv4-addr", "created_by_ref"): "an SCO has no such property",
    ("ipv6-addr", "created_by_ref"): "an SCO has no such property",
    ("url", "created_by_ref"): "an SCO has no such property",
    ("malware", "'architecture_exectuion_envs'"): "misspelt in the schema; no object can have it",
    ("malware", "'capabiliites'"): "misspelt in the schema; no object can have it",
    ("vulnerability", "'external_references:'"): "misspelt in the schema; no object can have it",
    ("malware", "'first_seen'"): UNTOLD,
    ("malware", "'last_seen'"): UNTOLD,
    ("malware", "'implementation_languages'"): UNTOLD,
    ("malware", "'malware_types'"): "a family is known by its name alone, and a sample may be of no known type",
    ("threat-actor", "'primary_motivation'"): UNTOLD,
    ("threat-actor", "'resource_level'"): UNTOLD,
    ("threat-actor", "'roles'"): UNTOLD,
    ("threat-actor", "'sophistication'"): UNTOLD,
    ("threat-actor", "'threat_actor_types'"): UNTOLD,
    ("intrusion-set", "'primary_motivation'"): UNTOLD,
    ("intrusion-set", "'resource_level'"): UNTOLD,
    ("tool", "'tool_types'"): UNTOLD,
    ("campaign", "'objective'"): UNTOLD,
    ("campaign", "'first_seen'"): UNTOLD,
    ("campaign", "'last_seen'"): UNTOLD,
    ("location", "'region'"): "the submitter's country is what VirusTotal tells",
}
RELATIONSHIPS = {
    ("indicator", "based-on"): {"observed-data"},
    ("indicator", "indicates"): {
        "attack-pattern",
        "campaign",
        "infrastructure",
        "intrusion-set",
        "malware",
        "threat-actor",
        "tool",
    },
    ("malware", "variant-of"): {"malware"},
    ("ipv4-addr", "belongs-to"): {"autonomous-system"},
    ("ipv6-addr", "belongs-to"): {"autonomous-system"},
    # Not in the specification, which allows others; OpenCTI shows it.
    ("ipv4-addr", "located-at"): {"location"},
    ("ipv6-addr", "located-at"): {"location"},
    ("malware", "communicates-with"): {"ipv4-addr", "ipv6-addr", "domain-name", "url"},
}
"""What the specification defines of what is used here; `related-to` goes between any two."""

_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
_ONE_COMPARISON = re.compile(
    r"\[(?:file:hashes\.'SHA-256' = '[0-9a-f]{64}'"
    r"|(?:url|domain-name|ipv4-addr|ipv6-addr):value = '(?:[^'\\]|\\['\\])+')\]\Z"
)
_HASHES = {"MD5": 32, "SHA-1": 40, "SHA-256": 64}
_CONTRIBUTING = ("MD5", "SHA-1", "SHA-256")


def bundle(documents):
    return {"type": "bundle", "id": "bundle--28bb3599-77cd-4a82-a950-b5bc3caf07c4", "objects": list(documents)}


def strict_findings(documents):
    """What `stix2` says that reads every object strictly, and writes it back."""
    for document in documents:
        try:
            parsed = stix2.parse(document, allow_custom=False, version="2.1")
        except (stix2.exceptions.STIXError, ValueError) as error:
            yield f"{document['id']}: {error}"
            continue
        expected = {**document, **_shortened(document)}
        if not expected.get("revoked", True):
            del expected["revoked"]  # false, which stix2 leaves out, being the default
        if json.loads(parsed.serialize()) != expected:
            yield f"{document['id']}: stix2 writes it otherwise"


def _shortened(document):
    """stix2 writes a fraction of zeros only where the specification asks for three digits."""
    names = ("valid_from", "valid_until", "first_seen", "last_seen", "first_observed", "last_observed", "published")
    return {name: document[name].replace(".000Z", "Z") for name in names if name in document}


def validator_findings(documents):
    """What stix2-validator says of them as one bundle, strictly and by the interoperability documents."""
    errors, warnings = stix_validator.findings(bundle(documents), strict=True, interop=True)
    for text in [*errors, *warnings]:
        if not any(text.startswith(where) and code in text for where, code in UNMET):
            yield text


def yara_findings(documents):
    """What YARA-X says of rules; those of VirusTotal's own module compile there alone."""
    for document in documents:
        if document.get("pattern_type") == "yara":
            compiler = yara_x.Compiler()
            compiler.ignore_module("vt")
            try:
                compiler.add_source(document["pattern"])
            except yara_x.CompileError as error:
                yield f"{document['id']}: {error}"


def matches(indicator, observables):
    """Whether stix2-matcher finds an indicator's pattern in observed data of these observables."""
    observed = {
        "type": "observed-data",
        "spec_version": "2.1",
        "id": "observed-data--28bb3599-77cd-4a82-a950-b5bc3caf07c4",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "first_observed": "2026-01-01T00:00:00.000Z",
        "last_observed": "2026-01-01T00:00:00.000Z",
        "number_observed": 1,
        "object_refs": [observable["id"] for observable in observables],
    }
    return bool(
        stix2matcher.matcher.match(indicator["pattern"], [bundle([observed, *observables])], stix_version="2.1")
    )


class Receiver:
    """One that has read everything so far, in the order it came, and keeps every version.

    Attributes:
        latest: what it holds, by id.
        faults: what was wrong with what it read.

    Args:
        observes: whether it is sent the observable of every indicator.
    """

    def __init__(self, *, observes=True):
        self._observes = observes
        self.latest = {}
        self.faults = []
        self._first = {}
        self._types = {}

    def take(self, documents):
        """Read what one notification brought."""
        for document in documents:
            for fault in self._found(document):
                self.faults.append(f"{document['id']}: {fault}")
            self.latest[document["id"]] = document
            self._first.setdefault(document["id"], document)
        for indicator in documents:
            if indicator.get("pattern_type") != "stix":
                continue
            observables = self._observables_of(indicator)
            if (observables or self._observes) and not matches(indicator, observables):
                self.faults.append(f"{indicator['id']}: {indicator['pattern']} does not match what it is about")

    def _observables_of(self, indicator):
        """What an indicator is based on; for a host of a configuration, the observable of the same value."""
        observed = [
            found["target_ref"]
            for found in self.latest.values()
            if found.get("relationship_type") == "based-on" and found["source_ref"] == indicator["id"]
        ]
        if observed:
            references = [reference for one in observed for reference in self.latest[one]["object_refs"]]
            return [self.latest[reference] for reference in references if reference in self.latest]
        if {"c2", "malware-config"}.isdisjoint(indicator.get("labels", ())):
            return []
        return [found for found in self.latest.values() if "value" in found and found["value"] == indicator["name"]]

    def _found(self, document):
        kind, identifier = document["type"], document["id"]
        number = identifier.removeprefix(f"{kind}--")
        if self._types.setdefault(number, kind) != kind:
            yield f"the same UUID as a {self._types[number]}"
        if kind in ("autonomous-system", "file", "url", "domain-name", "ipv4-addr", "ipv6-addr"):
            yield from _observable_faults(document)
        elif kind != "marking-definition":
            yield from self._version_faults(document)
            texts = (document.get(name) for name in ("name", "value", "pattern"))
            if number in {str(uuid.uuid5(OASIS, text)) for text in texts if text}:
                yield "an id in the namespace that is for observables alone"
        for name, value in _walk(document):
            if isinstance(value, str):
                if name.endswith(("_ref", "_refs")) and value not in self.latest and value != identifier:
                    yield f"{name} {value} names what the receiver does not have"
                if "\0" in value:
                    yield f"{name} holds U+0000"
            if value is None or value in ([], {}):
                yield f"{name} is empty"
        yield from getattr(self, f"_{kind.replace('-', '_')}", _nothing)(document)

    def _version_faults(self, document):
        first = self._first.get(document["id"], document)
        before = self.latest.get(document["id"])
        if first is document and document["created"] != document["modified"]:
            yield "its first version is not of when it was created"
        if document["created"] != first["created"]:
            yield "created changed"
        if before is not None and before["modified"] >= document["modified"]:
            yield "its version is not newer than the one before"
        if "valid_from" in first and document["valid_from"] != first["valid_from"]:
            yield "valid_from changed"
        if document["created_by_ref"] != first["created_by_ref"]:
            yield "its author changed"
        for name, value in document.items():
            is_time = name in ("created", "modified", "published") or name.startswith(("valid_", "first_", "last_"))
            if is_time and not _MILLISECONDS.match(value):
                yield f"{name} {value} has not exactly three digits"

    def _indicator(self, document):
        if document["pattern_type"] == "stix" and not _ONE_COMPARISON.match(document["pattern"]):
            yield f"{document['pattern']} is not one canonical comparison"
        if document.get("valid_until", "9") <= document["valid_from"]:
            yield "it is never valid"
        if "malicious-activity" in document["indicator_types"] and not _is_verdict(document):
            yield "malicious without a verdict"

    def _sighting(self, document):
        if not document["sighting_of_ref"].startswith("indicator--"):
            yield "sighting of what is no indicator"
        if any(not reference.startswith("observed-data--") for reference in document.get("observed_data_refs", ())):
            yield "observed_data_refs of another type"
        if any(not one.startswith(("identity--", "location--")) for one in document["where_sighted_refs"]):
            yield "where_sighted_refs of another type"
        if document["count"] != 1 or document["id"] in self.latest:
            yield "two notifications in one sighting"

    def _relationship(self, document):
        source, target = (document[name].split("--")[0] for name in ("source_ref", "target_ref"))
        verb = document["relationship_type"]
        if verb != "related-to" and target not in RELATIONSHIPS.get((source, verb), ()):
            yield f"{source} {verb} {target} is not defined"

    def _observed_data(self, document):
        if len(document["object_refs"]) != 1:
            yield "observables that nothing connects"

    def _file(self, document):
        harmless = {"type", "spec_version", "id", "hashes", "size", "mime_type", "object_marking_refs"}
        if set(document) - harmless or set(document["hashes"]) - {"SHA-256", "SSDEEP", "TLSH"}:
            yield "what may be unknown at the first match is part of the object"


def _nothing(_):
    return ()


def _is_verdict(document):
    extension = next(iter(document.get("extensions", {}).values()), {})
    said = extension.get("verdict")
    detected = extension.get("detections", {}).get("malicious", 0)
    return "c2" in document.get("labels", ()) or said == "VERDICT_MALICIOUS" or (said is None and detected >= 10)


def _observable_faults(document):
    if document["type"] == "file":
        hashes = document["hashes"]
        for name, digest in hashes.items():
            if name not in ("SSDEEP", "TLSH") and not re.fullmatch(f"[0-9a-f]{{{_HASHES.get(name, 0)}}}", digest):
                yield f"{digest} is no {name} in lower case"
        [chosen, *_] = [*(name for name in _CONTRIBUTING if name in hashes), ""]
        contributing = {"hashes": {chosen: hashes.get(chosen)}}
    elif document["type"] == "autonomous-system":
        contributing = {"number": document["number"]}
    else:
        value = document["value"]
        contributing = {"value": value}
        if document["type"] == "domain-name" and (value != value.lower() or not value.isascii()):
            yield f"{value} is not as it is looked up"
        if document["type"].startswith("ip") and value != str(_address(value)):
            yield f"{value} is not the one form of that address"
    text = json.dumps(contributing, separators=(",", ":"), ensure_ascii=False)
    if document["id"] != f"{document['type']}--{uuid.uuid5(OASIS, text)}":
        yield "not the id that section 2.9 gives it"


def _address(value):
    return ipaddress.ip_network(value) if "/" in value else ipaddress.ip_address(value)


def _walk(value, name=""):
    """Every value within, with the name it stands under."""
    yield name, value
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _walk(member, key)
    elif isinstance(value, list):
        for member in value:
            yield from _walk(member, name)
