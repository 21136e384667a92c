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


def _uuid5(prefix: bytes, name: bytes) -> str:
    # uuid.uuid5 without its detour through integers: this runs several times per notification.
    digest = hashlib.sha1(prefix + name, usedforsecurity=False).digest()
    text = (digest[:6] + bytes((digest[6] & 0x0F | 0x50, digest[7], digest[8] & 0x3F | 0x80)) + digest[9:16]).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def stix_id(object_type: str, *parts: Any) -> str:
    """The id of an SDO, SRO or meta object, from its type and whatever else makes it the one it is.

    The type is part of the name, so that the UUID is unique across all types (section 2.9).
    """
    return f"{object_type}--{_uuid5(NAMESPACE.bytes, orjson.dumps([object_type, *parts]))}"


def sco_id(document: JsonObject) -> str:
    """The id of an SCO from its ID-contributing properties (section 2.9).

    Raises:
        KeyError: the type is no SCO type of STIX 2.1.
        ValueError: none of the contributing properties is there, so the specification allows only a random id.
    """
    object_type = document["type"]
    contributing = {key: document[key] for key in ID_CONTRIBUTING_PROPERTIES[object_type] if key in document}
    if "hashes" in contributing:
        hashes = contributing["hashes"]
        preferred = next((name for name in _HASH_PREFERENCE if name in hashes), None) or min(hashes)
        contributing["hashes"] = {preferred: hashes[preferred]}
    if not contributing:
        raise ValueError(f"a {object_type} without {' or '.join(ID_CONTRIBUTING_PROPERTIES[object_type]) or 'name'}")
    name = orjson.dumps(contributing, option=orjson.OPT_SORT_KEYS)
    return f"{object_type}--{_uuid5(SCO_NAMESPACE.bytes, name)}"
