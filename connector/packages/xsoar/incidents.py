"""What an incident of a rule's matches is on the platform: its type, fields, layout, classifier and mapper."""

from typing import Any

TYPE = "IoC-Stream Match"
CLASSIFIER = "IoC-Stream"
MAPPER = "IoC-Stream - Incoming Mapper"
PLAYBOOK = "IoC-Stream Triage"
_SINCE = "6.10.0"

FIELDS = (
    (
        "IoC-Stream Rule",
        "shortText",
        "rule",
        "The YARA rule that matched; a ruleset or collection where none is named.",
    ),
    ("IoC-Stream Verdict", "shortText", "verdict", "The worst verdict on the entities that matched."),
    ("IoC-Stream Score", "number", "score", "The highest threat score of the entities that matched."),
    ("IoC-Stream Confidence", "number", "confidence", "The highest confidence that an entity is malicious."),
    ("IoC-Stream First Seen", "date", "first_seen", "When VirusTotal first saw one of the entities."),
    ("IoC-Stream Last Seen", "date", "last_seen", "When VirusTotal last saw one of the entities."),
    ("IoC-Stream Matches", "number", "matches", "How many notifications the incident is of."),
    ("IoC-Stream Notification IDs", "multiSelect", "notification_ids", "The ids of the notifications."),
    ("IoC-Stream Values", "multiSelect", "values", "The observables that matched."),
    ("IoC-Stream Hashes", "multiSelect", "hashes", "MD5, SHA-1 and SHA-256 of the files that matched."),
    ("IoC-Stream Families", "multiSelect", "families", "Malware families that the entities belong to."),
    ("IoC-Stream Actors", "multiSelect", "actors", "Threat actors that the entities are attributed to."),
    ("IoC-Stream Table", "markdown", "table", "The matches as a table."),
)
"""Name, the platform's type, the key of the fetched JSON, and meaning."""


def cli_name(name: str) -> str:
    """The name of a field in queries and playbooks."""
    return "".join(character for character in name.lower() if character.isalnum())


def fields() -> list[dict[str, Any]]:
    """The incident fields."""
    return [
        {
            "id": f"incident_{cli_name(name)}",
            "version": -1,
            "name": name,
            "description": meaning,
            "cliName": cli_name(name),
            "type": kind,
            "ownerOnly": False,
            "closeForm": False,
            "editForm": True,
            "required": False,
            "neverSetAsRequired": False,
            "isReadOnly": False,
            "useAsKpi": False,
            "locked": False,
            "system": False,
            "content": True,
            "group": 0,
            "hidden": False,
            "openEnded": kind == "multiSelect",
            "associatedTypes": [TYPE],
            "associatedToAll": False,
            "unmapped": False,
            "unsearchable": kind == "markdown",
            "caseInsensitive": True,
            "sla": 0,
            "threshold": 72,
            "fromVersion": _SINCE,
        }
        for name, kind, _, meaning in FIELDS
    ]


def incident_type() -> dict[str, Any]:
    """The incident type. The platform takes indicators from the observables alone, not from all of the text."""
    extracted = {
        "extractAsIsIndicatorTypeId": "",
        "isExtractingAllIndicatorTypes": True,
        "extractIndicatorTypesIDs": [],
    }
    return {
        "id": TYPE,
        "version": -1,
        "locked": False,
        "name": TYPE,
        "prevName": TYPE,
        "color": "#394eff",
        "playbookId": PLAYBOOK,
        **dict.fromkeys(("hours", "days", "weeks", "hoursR", "daysR", "weeksR"), 0),
        "system": False,
        "readonly": False,
        "default": False,
        "autorun": True,
        "disabled": False,
        "reputationCalc": 0,
        "onChangeRepAlg": 0,
        "layout": TYPE,
        "detached": False,
        "extractSettings": {
            "mode": "Specific",
            "fieldCliNameToExtractSettings": {cli_name("IoC-Stream Values"): extracted},
        },
        "fromVersion": _SINCE,
    }


def classifier() -> dict[str, Any]:
    """Every incident of the integration is of the one type."""
    return {
        "id": CLASSIFIER,
        "name": CLASSIFIER,
        "type": "classification",
        "description": "Classifies what IoC-Stream Connector fetches.",
        "version": -1,
        "feed": False,
        "defaultIncidentType": TYPE,
        "keyTypeMap": {TYPE: TYPE},
        "transformer": {"complex": {"root": "incident_type", "filters": [], "transformers": []}},
        "unclassifiedCases": {},
        "fromVersion": _SINCE,
    }


def mapper() -> dict[str, Any]:
    """What of the fetched JSON becomes which field."""
    keys = {name: key for name, _, key, _ in FIELDS} | {"Tags": "tags"}
    return {
        "id": MAPPER,
        "name": MAPPER,
        "type": "mapping-incoming",
        "description": "Maps the matches of a rule to incident fields.",
        "version": -1,
        "feed": False,
        "mapping": {
            TYPE: {
                "dontMapEventToLabels": True,
                "internalMapping": {name: {"simple": key} for name, key in keys.items()},
            }
        },
        "fromVersion": _SINCE,
    }


def layout() -> dict[str, Any]:
    """How an incident is shown: what matched, and the platform's own sections."""
    facts = [cli_name(name) for name, kind, _, _ in FIELDS if kind in ("shortText", "number", "date")]
    lists = [cli_name(name) for name, kind, _, _ in FIELDS if kind == "multiSelect"]
    sections = [
        _section("Match", "match", ["severity", "occurred", *facts], x=0, y=0, w=1),
        _section("Who and what", "behind", lists, x=1, y=0, w=2),
        _section("Matches", "table", [cli_name("IoC-Stream Table")], x=0, y=2, w=3),
        _own_section("Indicators", "indicators", x=0, y=5, w=2),
        _own_section("Work Plan", "workplan", x=2, y=5, w=1),
    ]
    return {
        "id": TYPE,
        "name": TYPE,
        "group": "incident",
        "description": "The matches of a rule, with what is known of the entities.",
        "version": -1,
        "system": False,
        "detailsV2": {
            "tabs": [
                {"id": "summary", "name": "Legacy Summary", "type": "summary"},
                {"id": "caseinfoid", "name": "Match", "type": "custom", "sections": sections},
                {"id": "warRoom", "name": "War Room", "type": "warRoom"},
                {"id": "workPlan", "name": "Work Plan", "type": "workPlan"},
                {"id": "evidenceBoard", "name": "Evidence Board", "type": "evidenceBoard"},
            ]
        },
        "fromVersion": _SINCE,
    }


def _section(title: str, name: str, named: list[str], **place: int) -> dict[str, Any]:
    items = [
        {
            "id": f"{name}-{field}",
            "fieldId": field,
            "index": index,
            "height": 22,
            "startCol": 0,
            "endCol": 2,
            "sectionItemType": "field",
        }
        for index, field in enumerate(named)
    ]
    return _placed(title, f"caseinfoid-{name}", **place) | {"displayType": "ROW", "items": items}


def _own_section(title: str, kind: str, **place: int) -> dict[str, Any]:
    made = _placed(title, f"caseinfoid-{kind}", **place) | {"type": kind}
    return made | ({"query": "", "queryType": "input"} if kind == "indicators" else {})


def _placed(title: str, identifier: str, *, x: int, y: int, w: int) -> dict[str, Any]:
    size = {"h": 2, "minH": 1, "maxW": 3, "w": w, "x": x, "y": y}
    return {"i": identifier, "name": title, "isVisible": True, "moved": False, "static": False, **size}
