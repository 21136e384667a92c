"""What the simulated notifications name, and what the simulated API says of it: rulesets, Retrohunt jobs, collections.

(docs.virustotal.com/reference/hunting-ruleset-object, …/retrohunt-job-object, …/collections-object)
"""

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]
"""An object as the API writes it in JSON."""

_CREATED = 1_735_689_600  # 2025-01-01
_DAY = 86_400
_SPACE = uuid.UUID("6f6c1f0e-5b1a-4c27-9b1e-2f3f5d1c8a77")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and the ruleset that it is in; `tags` are the rule's."""

    ruleset: str
    ruleset_id: str
    name: str
    tags: tuple[str, ...]
    text: str = ""
    matches: str = "file"
    status: int = 200
    more: Item = field(default_factory=dict)


RULES = (
    Rule(
        "Ransomware",
        "7100000001",
        "vulnerability_weaponization",
        ("ransomware",),
        """\
import "pe"

rule vulnerability_weaponization : ransomware
{
    meta:
        description = "Loader that drops a ransom note and deletes shadow copies"
        author = "Example Threat Research"
        date = "2025-01-01"
    strings:
        $note = "YOUR FILES ARE ENCRYPTED" ascii wide nocase
        $shadow = "vssadmin delete shadows /all /quiet" ascii wide
        $key = { 6A 40 68 00 30 00 00 6A ?? 6A 00 FF 15 }
    condition:
        pe.is_pe and filesize < 8MB and ($key or all of ($note, $shadow))
}
""",
    ),
    Rule(
        "C2 frameworks",
        "7100000002",
        "beacon_config",
        ("c2", "t1071"),
        r"""rule beacon_config : c2 t1071
{
    meta:
        description = "Configuration block of a beacon, XORed with 0x2e or 0x69"
        reference = "https://intel.example/beacons?id=7&lang=en"
    strings:
        $header_2e = { 2E 2F 2E 2F 2E 2C }
        $header_69 = { 69 68 69 68 69 6B }
        $pipe = /\\\\\.\\pipe\\[a-z]{4,12}_[0-9]{2,4}/ ascii
    condition:
        any of ($header_*) or #pipe > 1
}
""",
    ),
    Rule(
        "Phishing kits",
        "7100000003",
        "kit_login_form",
        (),
        """\
rule kit_login_form
{
    meta:
        description = "Log-in form of a kit; \\"größe\\" is a typo of its author's"
    strings:
        $form = "<form method=\\"post\\" action=\\"next.php\\"" nocase
        $lure = "Bestätigen Sie Ihr Konto"
    condition:
        $form and $lure
}
""",
        matches="url",
        more={"rate_limited": True, "rate_limited_ratio": 0.25},
    ),
    # Rulesets are visible for their owners alone: those of a colleague are not, and one was deleted since it matched.
    Rule("Shared by a colleague", "7100000004", "webshell_small", ("webshell",), status=403),
    Rule("Old experiments", "7100000005", "test_rule_3", (), status=404),
)
FAMILIES = ("Emberlark", "TinRaven", "Glasswing", "Mudlantern", "Quillback")
_ACTORS = ("Cobalt Heron", "Velvet Anchor", "Paper Badger")
JOBS = tuple(f"analyst-{1_700_000_000 + 3600 * number}" for number in range(9))


def _uuid(name: str) -> str:
    return str(uuid.uuid5(_SPACE, name))


def _valued(*values: str) -> list[Item]:
    return [
        {"value": value, "confidence": "confirmed", "first_seen": _CREATED, "last_seen": _CREATED + 90 * _DAY}
        for value in values
    ]


def _seen(day: int) -> list[Item]:
    return [{"value": f"2025-01-{day:02d}T00:00:00Z", "confidence": "confirmed"}]


def _region(country: str, iso2: str, region: str, sub_region: str) -> list[Item]:
    place = {"country": country, "country_iso2": iso2, "region": region, "sub_region": sub_region}
    return [{**place, "confidence": "possible", "source": "Example Intelligence"}]


_INDUSTRY = [{"industry_group": "Energy & Utilities", "industry": "Electric Utilities", "confidence": "confirmed"}]

_COLLECTIONS: tuple[tuple[str, str, str, int, Item], ...] = (
    # id, name, collection_type, status, what its type has beside
    *(
        (
            f"malware--{_uuid(name)}",
            name,
            "malware-family",
            200,
            {
                "alt_names_details": _valued(f"{name}.B", name.upper()),
                "malware_roles": _valued("Backdoor", "Downloader"),
                "operating_systems": _valued("Windows"),
                "capabilities": _valued("Keylogging capabilities"),
                "detection_names": _valued(f"Trojan.{name}"),
                "first_seen_details": _seen(3),
                "last_seen_details": _seen(28),
            },
        )
        for name in FAMILIES[:3]
    ),
    *(
        (
            f"threat-actor--{_uuid(name)}",
            name,
            "threat-actor",
            200,
            {
                "alt_names_details": _valued(f"UNC-{number}", f"{name} Group"),
                "motivations": _valued("Espionage", "Financial Gain"),
                "source_regions_hierarchy": _region("Norway", "NO", "Europe", "Northern Europe"),
                "targeted_regions_hierarchy": _region("Brazil", "BR", "Americas", "South America"),
                "targeted_industries_tree": _INDUSTRY,
                "first_seen_details": _seen(1),
                "last_seen_details": _seen(30),
            },
        )
        for number, name in enumerate(_ACTORS, start=4001)
    ),
    (
        f"malware--{_uuid('Lanternfish')}",
        "Lanternfish",
        "software-toolkit",
        200,
        {"alt_names_details": _valued("LFISH"), "malware_roles": _valued("Tunneler"), "tool_version": "2.1"},
    ),
    (
        f"campaign--{_uuid('CAMP.25.001')}",
        "CAMP.25.001",
        "campaign",
        200,
        {
            "campaign_type": "Individual",
            "motivations": _valued("Espionage"),
            "first_seen_details": _seen(5),
            "last_seen_details": _seen(20),
            "targeted_regions_hierarchy": _region("Japan", "JP", "Asia", "Eastern Asia"),
            "targeted_industries_tree": _INDUSTRY,
        },
    ),
    (
        "report--25-00010042",
        'Paper Badger Turns to "Quiet" Loaders',
        "report",
        200,
        {
            "report_type": "Threat Activity Report",
            "report_id": "25-00010042",
            "author": "Example Intelligence",
            "version": 1,
            "threat_scape": ["Cyber Espionage"],
            "executive_summary": "* Loaders without imports\n* Signed by a <b>stolen</b> certificate",
            "link": "https://intel.example/reports/25-00010042",
        },
    ),
    (
        "vulnerability--cve-2025-99999",
        "CVE-2025-99999",
        "vulnerability",
        200,
        {
            "cve_id": "CVE-2025-99999",
            "cvss": {"cvssv3_x": {"base_score": 9.8, "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
            "exploitation_state": "Confirmed",
            "risk_rating": "CRITICAL",
            "cwe": {"id": "CWE-94", "title": "Code injection"},
        },
    ),
    (
        hashlib.sha256(b"Mudlantern").hexdigest(),
        "Mudlantern Malware",
        "collection",
        200,
        {"alt_names": ["Mud"], "link": "https://blog.example/mudlantern", "owner": "someone"},
    ),
    (hashlib.sha256(b"Quillback").hexdigest(), "Quillback Malware", "collection", 403, {}),
    (hashlib.sha256(b"Gone").hexdigest(), "A collection that its owner deleted", "collection", 404, {}),
)


def sources() -> list[Item]:
    """What subscriptions name: an element of `sources` for each collection, and one of the other type of actor."""
    named = [{"id": identifier, "type": "collection", "label": name} for identifier, name, *_ in _COLLECTIONS]
    actor = next(each for each in _COLLECTIONS if each[2] == "threat-actor")
    return [*named, {"id": actor[0], "type": "threat_actor", "label": actor[1]}]


def rule_of_job(job: str) -> Rule:
    """The rule that a Retrohunt job ran."""
    return RULES[JOBS.index(job) % 3]


def answers() -> dict[tuple[str, str], tuple[int, Item]]:
    """By type and id, what the API answers: a status, and the attributes when that is 200."""
    rulesets = {("hunting_ruleset", rule.ruleset_id): (rule.status, _ruleset(rule)) for rule in RULES}
    jobs = {("retrohunt_job", job): (200, _job(job)) for job in JOBS}
    collections = {
        ("collection", identifier): (status, _collection(name, kind, more))
        for identifier, name, kind, status, more in _COLLECTIONS
    }
    return {**rulesets, **jobs, **collections}


def _ruleset(rule: Rule) -> Item:
    return {
        "name": rule.ruleset,
        "rules": rule.text,
        "rule_names": [rule.name],
        "number_of_rules": 1,
        "enabled": True,
        "limit": 100,
        "rate_limited": False,
        "rate_limited_ratio": 0.0,
        "match_object_type": rule.matches,
        "creation_date": _CREATED,
        "modification_date": _CREATED + 7 * _DAY,
        "notification_emails": [],
        "tags": list(rule.tags),
        **rule.more,
    }


def _job(job: str) -> Item:
    started = int(job.rpartition("-")[2])
    return {
        "corpus": "main",
        "rules": rule_of_job(job).text,
        "status": "finished",
        "progress": 100.0,
        "num_matches": 41,
        "num_matches_outside_time_range": 0,
        "scanned_bytes": 88_000_000_000_000,
        "creation_date": started,
        "start_date": started + 60,
        "finish_date": started + 3 * 3600,
    }


def _collection(name: str, kind: str, more: Item) -> Item:
    origin = {} if kind == "collection" else {"origin": "Google Threat Intelligence", "private": True}
    return {
        "name": name,
        "collection_type": kind,
        "description": f"Invented for a simulation: {name} is *nobody* & <nothing>.\n\nA second paragraph.",
        "creation_date": _CREATED,
        "last_modification_date": _CREATED + 30 * _DAY,
        "status": "COMPUTED",
        "tags": ["example"],
        "counters": {"files": 12, "domains": 3, "ip_addresses": 4, "urls": 5, "iocs": 24, "subscribers": 2},
        "files_count": 12,
        "recent_activity_relative_change": 0.25,
        "recent_activity_summary": [0, 1, 0, 2],
        **origin,
        **more,
    }
