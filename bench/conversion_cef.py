"""CEF: the mapping against a hand-written function and against cefevent, all giving the same events."""

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Any

from cefevent import CEFEvent

from connector import notification
from connector.mapping import CompiledMapping
from connector.model import Json, Notification
from connector.values.display import DECEPTIVE
from connector.values.timestamps import timestamp
from connector.values.uri import domain, host, spelled

SEVERITIES = {"SEVERITY_NONE": 1, "SEVERITY_LOW": 3, "SEVERITY_MEDIUM": 5, "SEVERITY_HIGH": 8}
WHAT = {"file": "a file", "url": "a URL", "domain": "a domain", "ip_address": "an IP address"}
PATHS = {"file": "file", "domain": "domain", "ip_address": "ip-address", "url": "url"}
SHA256_LENGTH = 64
LABELLED = ("cn1", "cn2", "cs1", "cs2", "cs3", "cs4", "cs5", "cs6", "flexString1", "flexString2", "deviceCustomDate1")

_UNCLEAN = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{DECEPTIVE}]")

_OWN_KEY = re.compile(rb" VirusTotalIoCStream[A-Za-z0-9]+=.*?(?= [A-Za-z0-9]+=|\Z)")

Way = Callable[[Sequence[Notification]], list[bytes]]


def ways(mapping: CompiledMapping) -> dict[str, Way]:
    """Three functions from notifications in the shape of stream items to events."""

    def by_mapping(notifications: Sequence[Notification]) -> list[bytes]:
        render, encode = mapping.render, mapping.format.encode
        return [encode(document) for item in notifications for document in render(notification.view(item)) or ()]

    def by_hand(notifications: Sequence[Notification]) -> list[bytes]:
        return [_joined(*_event(item.body)) for item in notifications]

    def with_cefevent(notifications: Sequence[Notification]) -> list[bytes]:
        return [_with_cefevent(*_event(item.body)) for item in notifications]

    return {"mapping": by_mapping, "by hand": by_hand, "cefevent": with_cefevent}


def same_but_for_own_keys(mine: bytes, theirs: bytes) -> bool:
    """Whether two events are the same but for keys that are not in the dictionary, which cefevent drops."""
    return _OWN_KEY.sub(b"", mine) == theirs


def _event(body: Json) -> tuple[list[Any], dict[str, Any]]:
    """Header and extension, as an engineer would write it for this one stream."""
    context, entity = body["context_attributes"], body.get("attributes") or {}
    hunting, assessment = context.get("hunting_info") or {}, entity.get("gti_assessment") or {}
    entity_type, entity_id = body["type"], body["id"]
    origin, what = context["origin"], WHAT.get(entity_type, "an entity")
    rule = hunting.get("rule_name")
    sources = context.get("sources") or ()
    labels = [source.get("label") or source["id"] for source in sources]
    verdict = (assessment.get("verdict") or {}).get("value") or ""
    score = (assessment.get("threat_score") or {}).get("value")
    guard = body.get("guard") or {}
    judged = body.get("judgement") or {}
    judged = judged if judged.get("verdict") == "true_positive" else {}
    severity = _severity(verdict, (assessment.get("severity") or {}).get("value"), score, is_labelled=bool(guard))
    verdict = verdict.replace("VERDICT_", "").lower()
    actors, families = _behind(sources, entity, verdict)
    ids = [":".join([source[key] for key in ("type", "id", "label") if key in source]) for source in sources]
    if origin == "hunting":
        name = f"YARA rule matched {what}"
        message = f"YARA rule {rule} matched {what}" if rule else name
    else:
        followed = next((source for source in sources if source["type"] != "threat_profile"), sources[0])
        kind = "Threat profile" if followed["type"] == "threat_profile" else "Followed collection"
        name = f"{kind} matched {what}"
        message = f"{kind} {followed.get('label') or followed['id']} matched {what}"
    if judged.get("after_delivery"):
        origin_or_confirmed, name = "confirmed", f"Confirmed: {what}"
    else:
        origin_or_confirmed = origin
    first, size = entity.get("first_submission_date"), entity.get("size")
    url = (entity.get("url") or (entity_id if "://" in entity_id else None)) if entity_type == "url" else None
    link = PATHS.get(entity_type)
    if link and (entity_type != "url" or len(entity_id) == SHA256_LENGTH):
        link = f"https://www.virustotal.com/gui/{link}/{entity_id}"
    else:
        link = None
    pairs = {
        "rt": context["notification_date"] * 1000,
        "externalId": context["notification_id"],
        "cat": origin,
        **_observable(entity_type, entity_id, url, entity),
        "fsize": size if size is not None and 0 <= size < 2**31 else None,
        "cn1Label": "threatScore",
        "cn1": score,
        "cn2Label": "detections",
        "cn2": (entity.get("last_analysis_stats") or {}).get("malicious"),
        "cs1Label": "ruleName",
        "cs1": rule,
        "cs2Label": "sourceLabels",
        "cs2": ", ".join(labels),
        "cs3Label": "notificationTags",
        "cs3": ", ".join(context.get("tags") or ()),
        "cs4Label": "threatLabel",
        "cs4": (entity.get("popular_threat_classification") or {}).get("suggested_threat_label"),
        "threatActor": actors[0] if actors else None,
        "cs5Label": "verdict",
        "cs5": verdict,
        "flexString1Label": "sourceCountry",
        "flexString1": hunting.get("source_country"),
        "flexString2Label": "matchSource",
        "flexString2": hunting.get("match_source"),
        "deviceCustomDate1Label": "firstSubmission",
        "deviceCustomDate1": None if first is None else first * 1000,
        "VirusTotalIoCStreamThreatActors": ", ".join(actors),
        "VirusTotalIoCStreamMalwareFamilies": ", ".join(families),
        "VirusTotalIoCStreamCategories": ", ".join(
            (assessment.get("contributing_factors") or {}).get("normalised_categories") or ()
        ),
        "VirusTotalIoCStreamFileMd5": entity.get("md5"),
        "VirusTotalIoCStreamFileSha1": entity.get("sha1"),
        "VirusTotalIoCStreamFileImphash": (entity.get("pe_info") or {}).get("imphash"),
        "VirusTotalIoCStreamFileMimeType": (entity.get("exiftool") or {}).get("MIMEType"),
        "VirusTotalIoCStreamAsn": entity.get("asn"),
        "VirusTotalIoCStreamAsOwner": entity.get("as_owner"),
        "VirusTotalIoCStreamCountry": entity.get("country"),
        "VirusTotalIoCStreamRegistrar": entity.get("registrar"),
        "VirusTotalIoCStreamDomainCreated": timestamp(entity["creation_date"])
        if entity_type == "domain" and "creation_date" in entity
        else None,
        "VirusTotalIoCStreamSources": ", ".join(ids)[:2000],
        "VirusTotalIoCStreamSourceKey": hunting.get("source_key"),
        "VirusTotalIoCStreamTenant": ((body.get("source") or {}).get("labels") or {}).get("tenant"),
        "VirusTotalIoCStreamGuardedBy": guard.get("list"),
        "VirusTotalIoCStreamJudgement": judged.get("verdict"),
        "VirusTotalIoCStreamJudgedBy": judged.get("by"),
        "VirusTotalIoCStreamJudgedAt": None if not judged else timestamp(judged["at"]),
        "VirusTotalIoCStreamJudgementNote": (judged.get("note") or "")[:500],
        "VirusTotalIoCStreamTechniques": None
        if verdict == "benign"
        else ", ".join([technique["id"] for technique in entity.get("techniques") or ()]),
        "VirusTotalIoCStreamRuleTags": ", ".join(hunting.get("rule_tags") or ()),
        "fileType": entity.get("type_description") or entity.get("type_tag"),
        "fname": (entity.get("meaningful_name") or "").replace("\\", "/").split("/")[-1],
        "reason": assessment.get("description"),
        "msg": message,
        "VirusTotalIoCStreamSnippet": (hunting.get("snippet") or "")[:500],
        "request": None if url is None else (spelled(url) or url).replace("|", "%7C"),
        "cs6Label": "link",
        "cs6": link,
    }
    for key in (
        "cn1",
        "cn2",
        "cs1",
        "cs2",
        "cs3",
        "cs4",
        "cs5",
        "cs6",
        "flexString1",
        "flexString2",
        "deviceCustomDate1",
    ):
        if pairs[key] in (None, ""):
            del pairs[key + "Label"]
    return ["VirusTotal", "IoC Stream", "3", f"{origin_or_confirmed}:{entity_type}", name, severity], pairs


def _severity(verdict: str, severity: str | None, score: int | None, *, is_labelled: bool) -> int:
    if verdict == "VERDICT_BENIGN":
        return 1
    if is_labelled or verdict not in ("VERDICT_MALICIOUS", "VERDICT_SUSPICIOUS"):
        return 1 if severity == "SEVERITY_NONE" else 3
    said = SEVERITIES.get(severity or "")
    if said is None:
        said = 3 if score is None or score < 40 else 5 if score < 80 else 8  # noqa: PLR2004 -- as the mapping has it
    return min(said, 8 if verdict == "VERDICT_MALICIOUS" else 5)


def _behind(sources: Sequence[Json], entity: Json, verdict: str) -> tuple[list[str], list[str]]:
    """Actors and families, each once."""
    if verdict == "benign":
        return [], []
    attribution, config = entity.get("attribution") or {}, entity.get("malware_config") or {}
    actors = [
        source.get("label") or source["id"]
        for source in sources
        if source["type"] == "threat_actor" or source["id"].startswith("threat-actor--")
    ]
    actors += [actor["name"] for actor in attribution.get("detailed_threat_actors") or ()]
    actors += attribution.get("threat_actors") or ()
    families = [source.get("label") or source["id"] for source in sources if source["id"].startswith("malware--")]
    families += [family["family"] for family in attribution.get("malware_families") or ()]
    families += [family["family"] for family in config.get("families") or ()]
    families += [config["family"]] if "family" in config else []
    return list(dict.fromkeys(actors)), list(dict.fromkeys(map(str.lower, families)))


def _observable(entity_type: str, entity_id: str, url: str | None, entity: Json) -> dict[str, Any]:
    if entity_type == "file":
        return {"fileHash": entity.get("sha256", entity_id).lower()}
    if entity_type == "domain":
        return {"dhost": domain(entity_id) or entity_id}
    if entity_type == "ip_address":
        written = _written(entity_id)
        return {"VirusTotalIoCStreamNetwork": written} if "/" in written else _remote(written)
    return {"VirusTotalIoCStreamEntityId": entity_id} if url is None else _remote(host(url))


def _written(address: str) -> str:
    try:
        return str(ipaddress.ip_network(address, strict=False) if "/" in address else ipaddress.ip_address(address))
    except ValueError:
        return address


def _remote(name: str | None) -> dict[str, Any]:
    try:
        version = ipaddress.ip_address(name or "").version
    except ValueError:
        return {"dhost": name}
    return {"dst": name} if version == 4 else {"c6a3Label": "destinationIPv6Address", "c6a3": name}  # noqa: PLR2004 -- IPv4


def _escaped(value: Any) -> str:
    if not isinstance(value, str):
        return str(value)
    if not value.isprintable():
        value = _UNCLEAN.sub(" ", value)
    value = value.strip()
    if "|" in value:
        value = value.replace("|", "¦")
    if '"' in value:
        value = value.replace('"', "'")
    if "\\" in value:
        value = value.replace("\\", "\\\\")
    return value.replace("=", "\\=") if "=" in value else value


def _joined(header: list[Any], extension: dict[str, Any]) -> bytes:
    fields = "|".join([str(field).replace("\\", "/").replace("|", "/") for field in header])
    pairs = [f"{key}={_escaped(value)}" for key, value in extension.items() if value is not None and value != ""]
    return f"CEF:0|{fields}|{' '.join(pairs)}".encode()


def _with_cefevent(header: list[Any], extension: dict[str, Any]) -> bytes:
    event = CEFEvent()
    names = ("deviceVendor", "deviceProduct", "deviceVersion", "signatureId", "name", "severity")
    for name, value in zip(names, header, strict=True):
        event.set_prefix(name, value)
    for key, value in extension.items():
        if value is not None and value != "":
            event.set_field(key, value)
    return event.build_cef().encode()
