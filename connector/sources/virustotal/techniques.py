"""What sandboxes saw a file do, as ATT&CK techniques.

(docs.virustotal.com/reference/get-a-summary-of-all-mitre-attck-techniques-observed-in-a-file)
"""

import re
from collections.abc import Iterator
from typing import Any

from connector.model import Json, JsonObject

MAX_TECHNIQUES = 200
MAX_SANDBOXES = 20
_MAX_NAME = 200
_TECHNIQUE = re.compile(r"T[0-9]{4}(\.[0-9]{3})?")
_TACTIC = re.compile(r"TA[0-9]{4}")
_SEVERITIES = ("INFO", "LOW", "MEDIUM", "HIGH")


def techniques(by_sandbox: JsonObject) -> list[JsonObject]:
    """Each technique once, in the order of their ids.

    `id` and `name`; the `tactics` that it serves, each with `id` and `name`; the worst `severity` of what shows it
    (INFO, LOW, MEDIUM, HIGH; null when none is said); and the `sandboxes` that saw it.
    """
    found: dict[str, dict[str, Any]] = {}
    worst: dict[str, int] = {}
    for sandbox, tactic, technique in _seen(by_sandbox):
        identifier = technique["id"]
        known = found.setdefault(identifier, {"id": identifier, "name": None, "tactics": {}, "sandboxes": {}})
        known["name"] = known["name"] or _text(technique.get("name"))
        if _TACTIC.fullmatch(str(tactic.get("id"))):
            known["tactics"].setdefault(tactic["id"], {"id": tactic["id"], "name": _text(tactic.get("name"))})
        known["sandboxes"][sandbox] = None
        levels = [_level(each.get("severity")) for each in _objects(technique.get("signatures"))]
        worst[identifier] = max(worst.get(identifier, -1), *levels, -1)
    return [
        {
            "id": identifier,
            "name": found[identifier]["name"],
            "tactics": list(found[identifier]["tactics"].values()),
            "severity": _SEVERITIES[worst[identifier]] if worst[identifier] >= 0 else None,
            "sandboxes": sorted(found[identifier]["sandboxes"])[:MAX_SANDBOXES],
        }
        for identifier in sorted(found)[:MAX_TECHNIQUES]
    ]


def _seen(by_sandbox: JsonObject) -> Iterator[tuple[str, JsonObject, JsonObject]]:
    for sandbox, seen in by_sandbox.items():
        for tactic in _objects(seen.get("tactics") if isinstance(seen, dict) else None):
            for technique in _objects(tactic.get("techniques")):
                if _TECHNIQUE.fullmatch(str(technique.get("id"))):
                    yield sandbox[:_MAX_NAME], tactic, technique


def _level(severity: Json) -> int:
    """Its place in `_SEVERITIES`, also where it is written as `IMPACT_SEVERITY_LOW`; -1 for another."""
    said = severity.removeprefix("IMPACT_SEVERITY_") if isinstance(severity, str) else ""
    return _SEVERITIES.index(said) if said in _SEVERITIES else -1


def _objects(value: Json) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Json) -> str | None:
    return value[:_MAX_NAME] if isinstance(value, str) else None
