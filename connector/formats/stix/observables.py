"""The SCO of STIX 2.1 (section 6).

A test holds them against the `stix2` library. Left out: the extensions that the specification itself defines, as
several make the id of the SCO; a mapping has its own property extension instead.
"""

from collections.abc import Mapping

from connector.formats.stix.schema import (
    COUNT,
    PORT,
    SAYS_SOMETHING,
    SCO_NAMES,
    TEXTS,
    ObjectType,
    Rule,
    ascending,
    needs,
    not_both,
    observable,
    one_of,
)
from connector.formats.stix.values import (
    Fault,
    base64,
    boolean,
    choice,
    dictionary,
    domain,
    email,
    filled,
    hashes,
    hexadecimal,
    integer,
    ipv4,
    ipv6,
    language,
    mac,
    many,
    record,
    reference,
    text,
    timestamp,
    url,
)
from connector.model import JsonObject


@Rule
def _body_parts(document: JsonObject) -> Fault | None:
    wrong = "body" if document["is_multipart"] else "body_multipart"
    if wrong not in document:
        return None
    return Fault(f"must not stand here, is_multipart being {document['is_multipart']}", document[wrong], wrong)


_REGISTRY_TYPE = choice(
    "REG_NONE",
    "REG_SZ",
    "REG_EXPAND_SZ",
    "REG_BINARY",
    "REG_DWORD",
    "REG_DWORD_BIG_ENDIAN",
    "REG_DWORD_LITTLE_ENDIAN",
    "REG_LINK",
    "REG_MULTI_SZ",
    "REG_RESOURCE_LIST",
    "REG_FULL_RESOURCE_DESCRIPTION",
    "REG_RESOURCE_REQUIREMENTS_LIST",
    "REG_QWORD",
    "REG_INVALID_TYPE",
)
_SCO = reference(*SCO_NAMES)
_ADDRESSES = ("ipv4-addr", "ipv6-addr", "mac-addr", "domain-name")

OBSERVABLES: Mapping[str, ObjectType] = {
    "artifact": observable(
        "artifact",
        "",
        {
            "mime_type": filled,
            "payload_bin": base64,
            "url": url,
            "hashes": hashes,
            "encryption_algorithm": choice("AES-256-GCM", "ChaCha20-Poly1305", "mime-type-indicated"),
            "decryption_key": text,
        },
        [
            one_of("payload_bin", "url"),
            not_both("payload_bin", "url"),
            needs("url", "hashes"),
            needs("decryption_key", "encryption_algorithm"),
        ],
    ),
    "autonomous-system": observable("autonomous-system", "number", {"number": integer(), "name": text, "rir": text}),
    "directory": observable(
        "directory",
        "path",
        {
            "path": filled,
            "path_enc": filled,
            "ctime": timestamp,
            "mtime": timestamp,
            "atime": timestamp,
            "contains_refs": many(reference("file", "directory")),
        },
    ),
    "domain-name": observable(
        "domain-name",
        "value",
        {"value": domain, "resolves_to_refs": many(reference("ipv4-addr", "ipv6-addr", "domain-name"))},
    ),
    "email-addr": observable(
        "email-addr", "value", {"value": email, "display_name": text, "belongs_to_ref": reference("user-account")}
    ),
    "email-message": observable(
        "email-message",
        "is_multipart",
        {
            "is_multipart": boolean,
            "date": timestamp,
            "content_type": filled,
            "from_ref": reference("email-addr"),
            "sender_ref": reference("email-addr"),
            "to_refs": many(reference("email-addr")),
            "cc_refs": many(reference("email-addr")),
            "bcc_refs": many(reference("email-addr")),
            "message_id": text,
            "subject": text,
            "received_lines": TEXTS,
            "additional_header_fields": dictionary,
            "body": text,
            "body_multipart": many(
                record(
                    {},
                    {
                        "body": text,
                        "body_raw_ref": reference("artifact", "file"),
                        "content_type": text,
                        "content_disposition": text,
                    },
                    one_of=("body", "body_raw_ref"),
                )
            ),
            "raw_email_ref": reference("artifact"),
        },
        [_body_parts],
    ),
    "file": observable(
        "file",
        "",
        {
            "hashes": hashes,
            "size": COUNT,
            "name": filled,
            "name_enc": filled,
            "magic_number_hex": hexadecimal,
            "mime_type": filled,
            "ctime": timestamp,
            "mtime": timestamp,
            "atime": timestamp,
            "parent_directory_ref": reference("directory"),
            "contains_refs": many(_SCO),
            "content_ref": reference("artifact"),
        },
        [one_of("hashes", "name")],
    ),
    "ipv4-addr": observable(
        "ipv4-addr",
        "value",
        {
            "value": ipv4,
            "resolves_to_refs": many(reference("mac-addr")),
            "belongs_to_refs": many(reference("autonomous-system")),
        },
    ),
    "ipv6-addr": observable(
        "ipv6-addr",
        "value",
        {
            "value": ipv6,
            "resolves_to_refs": many(reference("mac-addr")),
            "belongs_to_refs": many(reference("autonomous-system")),
        },
    ),
    "mac-addr": observable("mac-addr", "value", {"value": mac}),
    "mutex": observable("mutex", "name", {"name": filled}),
    "network-traffic": observable(
        "network-traffic",
        "protocols",
        {
            "start": timestamp,
            "end": timestamp,
            "is_active": boolean,
            "src_ref": reference(*_ADDRESSES),
            "dst_ref": reference(*_ADDRESSES),
            "src_port": PORT,
            "dst_port": PORT,
            "protocols": TEXTS,
            "src_byte_count": COUNT,
            "dst_byte_count": COUNT,
            "src_packets": COUNT,
            "dst_packets": COUNT,
            "ipfix": dictionary,
            "src_payload_ref": reference("artifact"),
            "dst_payload_ref": reference("artifact"),
            "encapsulates_refs": many(reference("network-traffic")),
            "encapsulated_by_ref": reference("network-traffic"),
        },
        [one_of("src_ref", "dst_ref"), ascending("start", "end", equal=True), needs("end", "is_active")],
    ),
    "process": observable(
        "process",
        "",
        {
            "is_hidden": boolean,
            "pid": integer(),
            "created_time": timestamp,
            "cwd": text,
            "command_line": text,
            "environment_variables": dictionary,
            "opened_connection_refs": many(reference("network-traffic")),
            "creator_user_ref": reference("user-account"),
            "image_ref": reference("file"),
            "parent_ref": reference("process"),
            "child_refs": many(reference("process")),
        },
        [SAYS_SOMETHING],
    ),
    "software": observable(
        "software",
        "name",
        {"name": filled, "cpe": filled, "swid": text, "languages": many(language), "vendor": text, "version": text},
    ),
    "url": observable("url", "value", {"value": url}),
    "user-account": observable(
        "user-account",
        "",
        {
            "user_id": text,
            "credential": text,
            "account_login": text,
            "account_type": filled,
            "display_name": text,
            "is_service_account": boolean,
            "is_privileged": boolean,
            "can_escalate_privs": boolean,
            "is_disabled": boolean,
            "account_created": timestamp,
            "account_expires": timestamp,
            "credential_last_changed": timestamp,
            "account_first_login": timestamp,
            "account_last_login": timestamp,
        },
        [SAYS_SOMETHING],
    ),
    "windows-registry-key": observable(
        "windows-registry-key",
        "",
        {
            "key": filled,
            "values": many(
                record(
                    {}, {"name": text, "data": text, "data_type": _REGISTRY_TYPE}, one_of=("name", "data", "data_type")
                )
            ),
            "modified_time": timestamp,
            "creator_user_ref": reference("user-account"),
            "number_of_subkeys": COUNT,
        },
        [SAYS_SOMETHING],
    ),
    "x509-certificate": observable(
        "x509-certificate",
        "",
        {
            "is_self_signed": boolean,
            "hashes": hashes,
            "version": text,
            "serial_number": text,
            "signature_algorithm": text,
            "issuer": text,
            "validity_not_before": timestamp,
            "validity_not_after": timestamp,
            "subject": text,
            "subject_public_key_algorithm": text,
            "subject_public_key_modulus": text,
            "subject_public_key_exponent": integer(),
            "x509_v3_extensions": dictionary,
        },
        [SAYS_SOMETHING],
    ),
}
