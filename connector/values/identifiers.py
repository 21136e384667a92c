"""STIX identifiers that are the same wherever and whenever they are made (STIX 2.1 section 2.9)."""

import hashlib
import uuid
from typing import Any

import orjson

from connector.model import JsonObject

NAMESPACE = uuid.UUID("58c52afb-9641-4d94-8cae-4fdac74d4afd")
"""This project's own namespace for SDO, SRO and meta objects; it never changes."""

SCO_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""The specification's namespace, for SCO alone (section 2.9)."""

_HASH_PREFERENCE = ("MD5", "SHA-1", "SHA-256", "SHA-512")

ID_CONTRIBUTING_PROPERTIES: dict[str, tuple[str, ...]] = {
    "artifact": ("hashes", "payload_bin"),
    "autonomous-system": ("number",),
    "directory": ("path",),
    "domain-name": ("value",),
    "email-addr": ("value",),
    "email-message": ("from_ref", "subject", "body"),
    "file": ("hashes", "name", "extensions", "parent_directory_ref"),
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "mac-addr": ("value",),
    "mutex": ("name",),
    "network-traffic": ("start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions"),
    "process": (),
    "software": ("name", "cpe", "swid", "vendor", "version"),
    "url": ("value",),
    "user-account": ("account_type", "user_id", "account_login"),
    "windows-registry-key": ("key", "values"),
    "x509-certificate": ("hashes", "serial_number"),
}
"""SCO type → the properties that make its id (section 6)."""


_NAMESPACE_HASH = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
_SCO_NAMESPACE_HASH = hashlib.sha1(SCO_NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def identifier(object_type: str, name: bytes, namespace: "hashlib._Hash" = _NAMESPACE_HASH) -> str:
    """A type and the UUIDv5 of a name (RFC 9562 section 5.5), in this project's namespace if in no other."""
    # uuid.uuid5 without its detour through integers: this runs several times per notification.
    hashed = namespace.copy()
    hashed.update(name)
    text = hashed.hexdigest()
    return f"{object_type}--{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def stix_id(object_type: str, *parts: Any) -> str:
    """The id of an SDO, SRO or meta object, from its type and whatever else makes it the one it is.

    The type is part of the name, so that the UUID is unique across all types (section 2.9).
    """
    return identifier(object_type, orjson.dumps((object_type, *parts)))


def opencti_id(object_type: str, properties: JsonObject) -> str:
    """The id that OpenCTI and its library `pycti` give an object, from the properties that tell it from others.

    OpenCTI makes ids of SDO in the namespace that the specification keeps for SCO; this follows it, so that an object
    has one id there, whoever sends it.
    """
    return identifier(object_type, orjson.dumps(properties, option=orjson.OPT_SORT_KEYS), _SCO_NAMESPACE_HASH)


def sco_id(document: JsonObject) -> str:
    """The id of an SCO from its ID-contributing properties (section 2.9).

    Raises:
        KeyError: the type is no SCO type of STIX 2.1.
        ValueError: none of the contributing properties is there, so the specification allows only a random id.
    """
    object_type = document["type"]
    contributing = {}
    for key in ID_CONTRIBUTING_PROPERTIES[object_type]:
        if key in document:
            contributing[key] = document[key]
    hashes = contributing.get("hashes")
    if hashes is not None and len(hashes) != 1:
        preferred = next((name for name in _HASH_PREFERENCE if name in hashes), None) or min(hashes)
        contributing["hashes"] = {preferred: hashes[preferred]}
    if not contributing:
        raise ValueError(f"a {object_type} without {' or '.join(ID_CONTRIBUTING_PROPERTIES[object_type]) or 'name'}")
    name = orjson.dumps(contributing, option=orjson.OPT_SORT_KEYS)
    return identifier(object_type, name, _SCO_NAMESPACE_HASH)
