"""The CEF extension dictionary: which keys there are, of which type and length.

Source: OpenText, *ArcSight Common Event Format (CEF) Implementation Standard*, version 27, extension dictionary; with
`dvcmac`, `c6a2` and the `flexNumber` keys, which earlier versions or Microsoft's CommonSecurityLog mapping have.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The types of the dictionary."""

    STRING = "text"
    INTEGER = "a whole number"
    LONG = "a whole number of 64 bits"
    FLOAT = "a finite number"
    IPV4 = "an IPv4 address"
    IPV6 = "an IPv6 address"
    MAC = "a MAC address"
    TIMESTAMP = "a time: milliseconds since 1970, RFC 3339 text, or May 17 2023 08:12:05 UTC"


STRING, FLOAT, TIMESTAMP = Kind.STRING, Kind.FLOAT, Kind.TIMESTAMP
IPV4, IPV6, MAC = Kind.IPV4, Kind.IPV6, Kind.MAC


@dataclass(frozen=True, slots=True)
class Key:
    """One extension key.

    Attributes:
        full_name: what ArcSight calls the field.
        kind: the type its value must have.
        max_length: of a text, in characters before escaping; 0 for every other type.
        lowest: of a whole number; 0 for every other type.
        highest: likewise.
    """

    full_name: str
    kind: Kind
    max_length: int = 0
    lowest: int = 0
    highest: int = 0


def _whole(full_name: str, lowest: int = -(2**31), highest: int = 2**31 - 1) -> Key:
    return Key(full_name, Kind.INTEGER, lowest=lowest, highest=highest)


def _long(full_name: str) -> Key:
    return Key(full_name, Kind.LONG, lowest=-(2**63), highest=2**63 - 1)


HEADER_LENGTHS = {
    "deviceVendor": 63,
    "deviceProduct": 63,
    "deviceVersion": 31,
    "deviceEventClassId": 1023,
    "name": 512,
}
"""Header field → its greatest length in characters, in the order they stand in; `severity` follows them."""

CUSTOM_KEY_LENGTH = 4000
"""For text under a key of one's own, of which the standard says nothing: as the longest in the dictionary."""

IDENTIFYING = frozenset(
    (
        *("fileHash", "oldFileHash", "fileId", "oldFileId", "request", "dhost", "shost", "dvchost", "externalId"),
        *("VirusTotalIoCStreamEntityId", "VirusTotalIoCStreamNotificationLink"),
    )
)
"""Keys whose text names one thing, those of the bundled mapping among them: a text longer than its key is left out,
because its beginning may be the name of another."""

CONSUMER_KEYS = frozenset(
    [
        "agentDnsDomain",
        "agentNtDomain",
        "agentTranslatedAddress",
        "agentTranslatedZoneExternalID",
        "agentTranslatedZoneURI",
        "agentZoneExternalID",
        "agentZoneURI",
        "agt",
        "ahost",
        "aid",
        "amac",
        "art",
        "at",
        "atz",
        "av",
        "catdt",
        "customerExternalID",
        "customerURI",
        "destinationTranslatedZoneExternalID",
        "destinationTranslatedZoneURI",
        "destinationZoneExternalID",
        "destinationZoneURI",
        "deviceTranslatedZoneExternalID",
        "deviceTranslatedZoneURI",
        "deviceZoneExternalID",
        "deviceZoneURI",
        "dlat",
        "dlong",
        "eventId",
        "mrt",
        "rawEvent",
        "slat",
        "slong",
        "sourceTranslatedZoneExternalID",
        "sourceTranslatedZoneURI",
        "sourceZoneExternalID",
        "sourceZoneURI",
    ]
)
"""Keys that the receiver sets: a producer must not."""

DICTIONARY: dict[str, Key] = {
    "act": Key("deviceAction", STRING, 63),
    "agentTranslatedZoneKey": _long("Agent Translated Zone Key"),
    "agentZoneKey": _long("Agent Zone Key"),
    "app": Key("applicationProtocol", STRING, 31),
    "c6a1": Key("deviceCustomIPv6Address1", IPV6),
    "c6a1Label": Key("deviceCustomIPv6Address1Label", STRING, 1023),
    "c6a2": Key("deviceCustomIPv6Address2", IPV6),
    "c6a2Label": Key("deviceCustomIPv6Address2Label", STRING, 1023),
    "c6a3": Key("deviceCustomIPv6Address3", IPV6),
    "c6a3Label": Key("deviceCustomIPv6Address3Label", STRING, 1023),
    "c6a4": Key("deviceCustomIPv6Address4", IPV6),
    "c6a4Label": Key("deviceCustomIPv6Address4Label", STRING, 1023),
    "cat": Key("deviceEventCategory", STRING, 1023),
    "cfp1": Key("deviceCustomFloatingPoint1", FLOAT),
    "cfp1Label": Key("deviceCustomFloatingPoint1Label", STRING, 1023),
    "cfp2": Key("deviceCustomFloatingPoint2", FLOAT),
    "cfp2Label": Key("deviceCustomFloatingPoint2Label", STRING, 1023),
    "cfp3": Key("deviceCustomFloatingPoint3", FLOAT),
    "cfp3Label": Key("deviceCustomFloatingPoint3Label", STRING, 1023),
    "cfp4": Key("deviceCustomFloatingPoint4", FLOAT),
    "cfp4Label": Key("deviceCustomFloatingPoint4Label", STRING, 1023),
    "cn1": _long("deviceCustomNumber1"),
    "cn1Label": Key("deviceCustomNumber1Label", STRING, 1023),
    "cn2": _long("deviceCustomNumber2"),
    "cn2Label": Key("deviceCustomNumber2Label", STRING, 1023),
    "cn3": _long("deviceCustomNumber3"),
    "cn3Label": Key("deviceCustomNumber3Label", STRING, 1023),
    "cnt": _whole("baseEventCount"),
    "cs1": Key("deviceCustomString1", STRING, 4000),
    "cs1Label": Key("deviceCustomString1Label", STRING, 1023),
    "cs2": Key("deviceCustomString2", STRING, 4000),
    "cs2Label": Key("deviceCustomString2Label", STRING, 1023),
    "cs3": Key("deviceCustomString3", STRING, 4000),
    "cs3Label": Key("deviceCustomString3Label", STRING, 1023),
    "cs4": Key("deviceCustomString4", STRING, 4000),
    "cs4Label": Key("deviceCustomString4Label", STRING, 1023),
    "cs5": Key("deviceCustomString5", STRING, 4000),
    "cs5Label": Key("deviceCustomString5Label", STRING, 1023),
    "cs6": Key("deviceCustomString6", STRING, 4000),
    "cs6Label": Key("deviceCustomString6Label", STRING, 1023),
    "customerKey": _long("Customer Key"),
    "destinationDnsDomain": Key("destinationDnsDomain", STRING, 255),
    "destinationServiceName": Key("destinationServiceName", STRING, 1023),
    "destinationTranslatedAddress": Key("destinationTranslatedAddress", IPV4),
    "destinationTranslatedPort": _whole("destinationTranslatedPort", 0, 65_535),
    "deviceCustomDate1": Key("deviceCustomDate1", TIMESTAMP),
    "deviceCustomDate1Label": Key("deviceCustomDate1Label", STRING, 1023),
    "deviceCustomDate2": Key("deviceCustomDate2", TIMESTAMP),
    "deviceCustomDate2Label": Key("deviceCustomDate2Label", STRING, 1023),
    "deviceDirection": _whole("deviceDirection", 0, 1),
    "deviceDnsDomain": Key("deviceDnsDomain", STRING, 255),
    "deviceExternalId": Key("deviceExternalId", STRING, 255),
    "deviceFacility": Key("deviceFacility", STRING, 1023),
    "deviceInboundInterface": Key("deviceInboundInterface", STRING, 128),
    "deviceNtDomain": Key("deviceNtDomain", STRING, 255),
    "deviceOutboundInterface": Key("deviceOutboundInterface", STRING, 128),
    "devicePayloadId": Key("devicePayloadId", STRING, 128),
    "deviceProcessName": Key("deviceProcessName", STRING, 1023),
    "deviceTranslatedAddress": Key("deviceTranslatedAddress", IPV4),
    "deviceTranslatedZoneKey": _long("Device Translated Zone Key"),
    "deviceZoneKey": _long("Device Zone Key"),
    "dhost": Key("destinationHostName", STRING, 1023),
    "dmac": Key("destinationMacAddress", MAC),
    "dntdom": Key("destinationNtDomain", STRING, 255),
    "dpid": _whole("destinationProcessId"),
    "dpriv": Key("destinationUserPrivileges", STRING, 1023),
    "dproc": Key("destinationProcessName", STRING, 1023),
    "dpt": _whole("destinationPort", 0, 65_535),
    "dst": Key("destinationAddress", IPV4),
    "dTranslatedZoneKey": _long("Destination Translated Zone Key"),
    "dtz": Key("deviceTimeZone", STRING, 255),
    "duid": Key("destinationUserId", STRING, 1023),
    "duser": Key("destinationUserName", STRING, 1023),
    "dvc": Key("deviceAddress", IPV4),
    "dvchost": Key("deviceHostName", STRING, 100),
    "dvcmac": Key("deviceMacAddress", MAC),
    "dvcpid": _whole("deviceProcessId"),
    "dZoneKey": _long("Destination Zone Key"),
    "end": Key("endTime", TIMESTAMP),
    "externalId": Key("externalId", STRING, 40),
    "fileCreateTime": Key("fileCreateTime", TIMESTAMP),
    "fileHash": Key("fileHash", STRING, 255),
    "fileId": Key("fileId", STRING, 1023),
    "fileModificationTime": Key("fileModificationTime", TIMESTAMP),
    "filePath": Key("filePath", STRING, 1023),
    "filePermission": Key("filePermission", STRING, 1023),
    "fileType": Key("fileType", STRING, 1023),
    "flexDate1": Key("flexDate1", TIMESTAMP),
    "flexDate1Label": Key("flexDate1Label", STRING, 128),
    "flexNumber1": _long("flexNumber1"),
    "flexNumber1Label": Key("flexNumber1Label", STRING, 128),
    "flexNumber2": _long("flexNumber2"),
    "flexNumber2Label": Key("flexNumber2Label", STRING, 128),
    "flexString1": Key("flexString1", STRING, 1023),
    "flexString1Label": Key("flexString1Label", STRING, 128),
    "flexString2": Key("flexString2", STRING, 1023),
    "flexString2Label": Key("flexString2Label", STRING, 128),
    "fname": Key("filename", STRING, 1023),
    "frameworkName": Key("Framework Name", STRING, 256),
    "fsize": _whole("fileSize"),
    "in": _whole("bytesIn"),
    "msg": Key("message", STRING, 1023),
    "oldFileCreateTime": Key("oldFileCreateTime", TIMESTAMP),
    "oldFileHash": Key("oldFileHash", STRING, 255),
    "oldFileId": Key("oldFileId", STRING, 1023),
    "oldFileModificationTime": Key("oldFileModificationTime", TIMESTAMP),
    "oldFileName": Key("oldFileName", STRING, 1023),
    "oldFilePath": Key("oldFilePath", STRING, 1023),
    "oldFilePermission": Key("oldFilePermission", STRING, 1023),
    "oldFileSize": _whole("oldFileSize"),
    "oldFileType": Key("oldFileType", STRING, 1023),
    "out": _whole("bytesOut"),
    "outcome": Key("eventOutcome", STRING, 63),
    "proto": Key("transportProtocol", STRING, 31),
    "reason": Key("reason", STRING, 1023),
    "reportedDuration": _long("Reported Duration"),
    "reportedResourceGroupName": Key("Reported Resource Group Name", STRING, 128),
    "reportedResourceID": Key("Reported Resource ID", STRING, 256),
    "reportedResourceName": Key("Reported Resource Name", STRING, 64),
    "reportedResourceType": Key("Reported Resource Type", STRING, 64),
    "request": Key("requestUrl", STRING, 1023),
    "requestClientApplication": Key("requestClientApplication", STRING, 1023),
    "requestContext": Key("requestContext", STRING, 2048),
    "requestCookies": Key("requestCookies", STRING, 1023),
    "requestMethod": Key("requestMethod", STRING, 1023),
    "rt": Key("deviceReceiptTime", TIMESTAMP),
    "shost": Key("sourceHostName", STRING, 1023),
    "smac": Key("sourceMacAddress", MAC),
    "sntdom": Key("sourceNtDomain", STRING, 255),
    "sourceDnsDomain": Key("sourceDnsDomain", STRING, 255),
    "sourceServiceName": Key("sourceServiceName", STRING, 1023),
    "sourceTranslatedAddress": Key("sourceTranslatedAddress", IPV4),
    "sourceTranslatedPort": _whole("sourceTranslatedPort", 0, 65_535),
    "spid": _whole("sourceProcessId"),
    "spriv": Key("sourceUserPrivileges", STRING, 1023),
    "sproc": Key("sourceProcessName", STRING, 1023),
    "spt": _whole("sourcePort", 0, 65_535),
    "src": Key("sourceAddress", IPV4),
    "start": Key("startTime", TIMESTAMP),
    "sTranslatedZoneKey": _long("Source Translated Zone Key"),
    "suid": Key("sourceUserId", STRING, 1023),
    "suser": Key("sourceUserName", STRING, 1023),
    "sZoneKey": _long("Source Zone Key"),
    "threatActor": Key("Threat actor", STRING, 40),
    "threatAttackID": Key("Threat Attack ID", STRING, 32),
    "type": _whole("type", 0, 3),
}
"""The keys that a producer may set."""

LABELS = {key: f"{key}Label" for key in DICTIONARY if f"{key}Label" in DICTIONARY}
"""Custom field (`cs1`) → the key of its label (`cs1Label`)."""
