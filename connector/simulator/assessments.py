"""How the simulated API changes its mind about an entity, as it gets older, and what its sandboxes saw a file do."""

import hashlib
from typing import Any

Item = dict[str, Any]

HOUR = 3600
_CONVICTED, _CLEARED = 4, 7
"""Of so many undetected entities one is malicious an hour after it matched; of so many malicious ones one is benign."""
_TECHNIQUES = (
    ("TA0002", "Execution", "T1059.001", "PowerShell", "MEDIUM"),
    ("TA0003", "Persistence", "T1547.001", "Registry Run Keys / Startup Folder", "LOW"),
    ("TA0005", "Defense Evasion", "T1027", "Obfuscated Files or Information", "INFO"),
    ("TA0040", "Impact", "T1486", "Data Encrypted for Impact", "HIGH"),
)


def assessed_at(attributes: Item, identifier: str, age: float) -> Item:
    """The attributes of an entity, so many seconds after it matched."""
    if age < HOUR:
        return attributes
    number = int(hashlib.sha256(identifier.encode()).hexdigest(), 16)
    verdict = verdict_of(attributes)
    if verdict not in ("VERDICT_MALICIOUS", "VERDICT_BENIGN") and number % _CONVICTED == 0:
        return assessed(attributes, "VERDICT_MALICIOUS", score=85, severity="SEVERITY_HIGH", engines=31)
    if verdict == "VERDICT_MALICIOUS" and number % _CLEARED == 0:
        return assessed(attributes, "VERDICT_BENIGN", score=0, severity="SEVERITY_NONE", engines=0)
    return attributes


def assessed(attributes: Item, verdict: str, *, score: int, severity: str, engines: int) -> Item:
    """The attributes of an entity with another assessment."""
    counted = {"malicious": engines, "suspicious": 0, "undetected": 60 - engines, "harmless": 0}
    given = {
        "verdict": {"value": verdict},
        "severity": {"value": severity},
        "threat_score": {"value": score},
        "description": "This indicator was assessed anew.",
    }
    return {**attributes, "gti_assessment": given, "last_analysis_stats": counted}


def verdict_of(attributes: Item) -> str | None:
    """The verdict in the attributes of an entity."""
    said = attributes.get("gti_assessment", {}).get("verdict", {}).get("value")
    return said if isinstance(said, str) else None


def techniques(identifier: str) -> Item:
    """By sandbox, the tactics and techniques of a file (`behaviour_mitre_trees`)."""
    first = int(hashlib.sha256(identifier.encode()).hexdigest(), 16) % len(_TECHNIQUES)
    seen = (_TECHNIQUES[first], _TECHNIQUES[(first + 1) % len(_TECHNIQUES)])
    return {"Zenbox": {"tactics": [_tactic(*each) for each in seen]}, "CAPE Sandbox": {"tactics": [_tactic(*seen[0])]}}


def _tactic(tactic: str, name: str, technique: str, does: str, severity: str) -> Item:
    root = "https://attack.mitre.org/"
    signature = {"severity": severity, "description": f"It was seen: {does}"}
    done = {
        "id": technique,
        "name": does,
        "link": f"{root}techniques/{technique.replace('.', '/')}/",
        "description": "Adversaries may do so.",
        "signatures": [signature],
    }
    link = f"{root}tactics/{tactic}/"
    return {"id": tactic, "name": name, "link": link, "description": "What for.", "techniques": [done]}
