"""What the unit tests of the pack are about. It is put into each of them."""

WHOIS = {"admin_email": "a@b.example", "registrant_country": "NO"}


def notification(**changes):
    """A notification as list_notifications gives it."""
    facts = dict.fromkeys(
        ("name", "file_type", "extension", "size", "created", "modified", "registrar", "country", "asn", "as_owner")
    )
    made = {
        "id": "1",
        "change": None,
        "upheld_by": None,
        "judgement": None,
        "guarded": None,
        "source": "virustotal",
        "position": 1,
        "date": "2026-01-31T08:00:00.000Z",
        "origin": "hunting",
        "entity_type": "file",
        "entity_value": "9" * 64,
        "rule": "lantern",
        "rulesets": ["Lanterns"],
        "tags": ["lanterns"],
        "link": "https://www.virustotal.com/gui/file/" + "9" * 64,
        "verdict": "malicious",
        "score": 90,
        "severity": "high",
        "confidence": 85,
        "malicious_engines": 40,
        "engines": 70,
        "threat_label": "trojan.lantern",
        "families": ["lantern"],
        "actors": ["Paper Badger"],
        "hashes": {
            "md5": "a" * 32,
            "sha1": "b" * 40,
            "sha256": "9" * 64,
            "ssdeep": "3:a:b",
            "tlsh": None,
            "imphash": None,
        },
        "first_seen": "2026-01-01T00:00:00.000Z",
        "last_seen": "2026-01-31T00:00:00.000Z",
        "entity": {**facts, "tags": ["signed"], "whois": {}},
        "unreadable": None,
        "body": None,
    }
    return {**made, **changes}
