"""CEF: the mapping against a hand-written join and against cefevent, all giving the same events."""

from collections.abc import Callable
from typing import Any

from cefevent import CEFEvent

from connector import pipeline
from connector.mapping import CompiledMapping
from connector.model import Notification

SEVERITIES = {"SEVERITY_NONE": 1, "SEVERITY_LOW": 3, "SEVERITY_MEDIUM": 5, "SEVERITY_HIGH": 8}
WHAT = {"file": "a file", "url": "a URL", "domain": "a domain", "ip_address": "an IP address"}


def ways(notifications: list[Notification], mapping: CompiledMapping) -> dict[str, Callable[[], list[bytes]]]:
    """Three functions that convert the same full file notifications to the same events.

    Raises:
        SystemExit: they do not give the same, so that no comparison would be honest.
    """
    bodies = [notification.body for notification in notifications]
    found: dict[str, Callable[[], list[bytes]]] = {
        "mapping": lambda: [
            message.body for conversion in pipeline.convert(notifications, mapping) for message in conversion.messages
        ],
        "by hand": lambda: [_joined(*_event(body)) for body in bodies],
        "cefevent": lambda: [_with_cefevent(*_event(body)) for body in bodies],
    }
    expected = found["mapping"]()
    if found["by hand"]() != expected:
        raise SystemExit(f"by hand:\n{found['by hand']()[0]!r}\nby mapping:\n{expected[0]!r}")
    if found["cefevent"]() != expected:
        raise SystemExit(f"cefevent:\n{found['cefevent']()[0]!r}\nby mapping:\n{expected[0]!r}")
    return found


def _event(body: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Header and extension, as an engineer would write it for the files of one stream."""
    context, entity = body["context_attributes"], body.get("attributes") or {}
    hunting, assessment = context.get("hunting_info") or {}, entity.get("gti_assessment") or {}
    origin, what = context["origin"], WHAT.get(body["type"], "an entity")
    rule = hunting.get("rule_name")
    labels = list(dict.fromkeys(source.get("label") or source["id"] for source in context.get("sources") or ()))
    verdict = ((assessment.get("verdict") or {}).get("value") or "").replace("VERDICT_", "").lower()
    score = (assessment.get("threat_score") or {}).get("value")
    severity = SEVERITIES.get((assessment.get("severity") or {}).get("value"))
    if severity is None:
        severity = 3 if score is None or score < 40 else 5 if score < 80 else 8  # noqa: PLR2004 -- as the mapping has it
    if origin == "hunting":
        name, subject = f"YARA rule matched {what}", f"YARA rule {rule} matched {what}" if rule else None
    else:
        name, subject = f"Followed collection matched {what}", f"Followed collection {labels[0]} matched {what}"
    first = entity.get("first_submission_date")
    extension = {
        "rt": context["notification_date"] * 1000,
        "externalId": context["notification_id"],
        "cat": origin,
        "fileHash": entity.get("sha256", body["id"]).lower(),
        "fsize": entity.get("size"),
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
        "cs5Label": "verdict",
        "cs5": verdict,
        "flexString1Label": "sourceCountry",
        "flexString1": hunting.get("source_country"),
        "flexString2Label": "matchSource",
        "flexString2": hunting.get("match_source"),
        "deviceCustomDate1Label": "firstSubmission",
        "deviceCustomDate1": None if first is None else first * 1000,
        "fileType": entity.get("type_description") or entity.get("type_tag"),
        "fname": (entity.get("meaningful_name") or "").replace("\\", "/").split("/")[-1],
        "reason": assessment.get("description"),
        "msg": subject or name,
        "cs6Label": "link",
        "cs6": f"https://www.virustotal.com/gui/file/{body['id']}",
    }
    for key in ("cn1", "cn2", "cs1", "cs2", "cs3", "cs4", "cs5", "flexString1", "flexString2", "deviceCustomDate1"):
        if extension[key] in (None, ""):
            del extension[key], extension[key + "Label"]
    header = ["VirusTotal", "IoC Stream", "3", f"{origin}:{body['type']}", name, severity]
    return header, extension


def _escaped(value: Any) -> str:
    if not isinstance(value, str):
        return str(value)
    if not value.isprintable():
        value = "".join(character if character.isprintable() else " " for character in value)
    value = value.strip()
    if "|" in value:
        value = value.replace("|", "¦")
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
