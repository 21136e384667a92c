"""Invented IoC-Stream items in the shapes, and with the oddities, of real answers.

Addresses are of the documentation ranges (RFC 5737, RFC 3849, RFC 2606) and digests of nothing that exists.
"""

import hashlib
import random
import time
from collections.abc import Callable

from connector.simulator.subjects import FAMILIES, JOBS, RULES, Item, Rule, rule_of_job, sources

_SPAN_SECONDS = 2 * 86400
"""How far before `now` the notifications reach: well within what VirusTotal keeps."""
_HALF_DECODED = "\u03f2\x00198.51.100\x00.7"
"""What malware configurations really hold: U+0000, and Greek letters that look like Latin ones."""

_COUNTRIES = ("DE", "US", "BR", "JP", "NO", "ZA", "IN", "FR")
_FILE_TYPES = (
    ("Win32 EXE", "peexe", "exe", "PE32 executable (GUI) Intel 80386, for MS Windows"),
    ("ELF", "elf", "elf", "ELF 64-bit LSB executable, x86-64, version 1 (SYSV), statically linked, stripped"),
    ("PDF", "pdf", "pdf", "PDF document, version 1.7"),
    ("Office Open XML Document", "docx", "docx", "Microsoft Word 2007+"),
)
_PATHS = ("invoice", "login/verify", "update.bin", "track?id=7&next=%2Fhome", "größe/index.html", "a(b)c|d")
_MATCHED = {"file": "ORIGINAL_FILE", "url": "URL_RESPONSE_BODY", "domain": "DOMAIN"}
_ENTITY_TYPES = ("file", "file", "file", "url", "url", "domain", "ip_address", "ip_address")


def notifications(count: int, *, seed: int = 1, now: float | None = None) -> list[Item]:
    """Make stream items, oldest first; the same seed and time make the same items.

    Args:
        count: how many.
        seed: of the random numbers.
        now: when the newest was raised, in Unix seconds; default: now.

    Returns:
        Items as `GET /ioc_stream` gives them, `gti_assessment` included. Among them: several in one second, ids that
        do not grow with time, entities that come again, URLs under their address or their SHA-256 with and without
        attributes, text with U+0000, and a few that nothing can be made of.
    """
    rng = random.Random(seed)  # noqa: S311 -- it must be repeatable, and guards nothing
    newest = int(time.time() if now is None else now)
    # Fewer moments than notifications: a rule that matches raises several within one second.
    moments = [newest - int(rng.triangular(0, _SPAN_SECONDS, 0)) for _ in range(count // 2 + 1)]
    dates = sorted(rng.choices(moments, k=count))
    ids = rng.sample(range(23_000_000_000, 23_999_999_999), count)
    entities: list[Item] = []
    items = []
    for index, (date, number) in enumerate(zip(dates, ids, strict=True)):
        entity = _entity(index, rng, entities, date)
        context = {
            "notification_id": str(number),
            "notification_date": date,
            **rng.choice(_CONTEXTS)(entity, rng),
        }
        items.append({**entity, "context_attributes": context})
    return items


def _entity(index: int, rng: random.Random, known: list[Item], date: int) -> Item:
    """An entity object: mostly a new one, sometimes one that was matched before."""
    if index % 50 == 31:  # rare, as in real streams
        # A URL known by its digest alone, which nobody can turn back.
        return {"type": "url", "id": _digest(rng)}
    if index % 100 == 77:
        return {"type": "hash_list", "id": f"hash-list-{index}", "attributes": {"name": "A type of the future"}}
    if known and rng.random() < 0.15:  # about one in seven matches something matched before
        again = rng.choice(known)
        if again["type"] == "url" and rng.random() < 0.5:  # either form of its id
            url = again["attributes"]["url"]
            return {"type": "url", "id": hashlib.sha256(url.encode()).hexdigest()}
        return again
    entity = _MAKERS[rng.choice(_ENTITY_TYPES)](rng, date)
    known.append(entity)
    return entity


def _file(rng: random.Random, date: int) -> Item:
    sha256, kind = _digest(rng), rng.choice(_FILE_TYPES)
    family = rng.choice(FAMILIES)
    malicious = rng.choice((0, 0, 3, 18, 44))
    attributes: Item = {
        "md5": sha256[:32],
        "sha1": sha256[:40],
        "sha256": sha256,
        "ssdeep": f"384:{sha256[:24]}:{sha256[24:40]}",
        "tlsh": f"T1{(sha256 + sha256)[:70].upper()}",
        "vhash": sha256[8:40],
        "size": rng.randrange(600, 40_000_000),
        "type_description": kind[0],
        "type_tag": kind[1],
        "type_tags": ["executable" if kind[1] in ("peexe", "elf") else "document", kind[1]],
        "type_extension": kind[2],
        "magic": kind[3],
        "names": [f"{family.lower()}_{sha256[:6]}.{kind[2]}", rf"C:\Users\analyst\Desktop\{sha256[:8]}"],
        "meaningful_name": f"{family.lower()}_{sha256[:6]}.{kind[2]}",
        "tags": rng.sample(("signed", "overlay", "detect-debug-environment", "64bits", "macros"), 2),
        "first_submission_date": date - rng.randrange(60, 90 * 86400),
        "last_submission_date": date - 30,
        "last_modification_date": date + 5,
        "times_submitted": rng.randrange(1, 40),
        "unique_sources": rng.randrange(1, 9),
        **_analysis(rng, date, malicious),
    }
    if malicious:
        attributes["popular_threat_classification"] = {
            "suggested_threat_label": f"trojan.{family.lower()}",
            "popular_threat_category": [{"value": "trojan", "count": malicious}],
        }
        attributes["sandbox_verdicts"] = {
            "Example Sandbox": {"category": "malicious", "malware_names": [family], "sandbox_name": "Example Sandbox"}
        }
        attributes["malware_config"] = {
            "families": [
                {
                    "family": family.lower(),
                    "configs": [{"net_info": {"connections": [{"host": _HALF_DECODED}]}}],
                }
            ]
        }
    return {"type": "file", "id": sha256, "links": _links("files", sha256), "attributes": attributes}


def _url(rng: random.Random, date: int) -> Item:
    url = f"https://{_host(rng)}/{rng.choice(_PATHS)}"
    digest = hashlib.sha256(url.encode()).hexdigest()
    attributes = {
        "url": url,
        "last_final_url": url,
        "title": rng.choice(("Sign in", "Index of /", 'Bestätigen Sie | "Konto" = sicher\\')),
        "tld": "example",
        "categories": {"Example Categoriser": "phishing"},
        "last_http_response_code": rng.choice((200, 301, 404)),
        "last_http_response_content_sha256": _digest(rng),
        "first_submission_date": date - 86400,
        "last_submission_date": date - 10,
        **_analysis(rng, date, rng.choice((0, 2, 11))),
    }
    # Subscriptions name a URL by its address, Livehunt by its digest; the attributes have the address either way.
    identifier = url if rng.random() < 0.5 else digest  # as often the one as the other
    return {"type": "url", "id": identifier, "links": _links("urls", digest), "attributes": attributes}


def _domain(rng: random.Random, date: int) -> Item:
    name = _host(rng)
    attributes = {
        "tld": name.rsplit(".", 1)[-1],
        "registrar": "Example Registrar, Inc.",
        "creation_date": date - rng.randrange(86400, 400 * 86400),
        "last_update_date": date - 86400,
        "jarm": _digest(rng)[:62],
        "whois": f"Domain Name: {name}\nRegistrar: Example Registrar, Inc.\n",
        "categories": {},
        **_analysis(rng, date, rng.choice((0, 1, 9))),
    }
    return {"type": "domain", "id": name, "links": _links("domains", name), "attributes": attributes}


def _ip_address(rng: random.Random, date: int) -> Item:
    if rng.random() < 0.4:  # IPv6 is the rarer one
        address = f"2001:db8:{rng.randrange(0xFFFF):x}::{rng.randrange(1, 0xFFFF):x}"
        network = "2001:db8::/32"
    else:
        address, network = f"198.51.100.{rng.randrange(1, 255)}", "198.51.100.0/24"
    attributes = {
        "country": rng.choice(_COUNTRIES),
        "continent": "EU",
        "asn": 64_496 + rng.randrange(16),
        "as_owner": "Example Networks Ltd",
        "network": network,
        "regional_internet_registry": "RIPE NCC",
        "jarm": _digest(rng)[:62],
        **_analysis(rng, date, rng.choice((0, 4, 15))),
    }
    return {"type": "ip_address", "id": address, "links": _links("ip_addresses", address), "attributes": attributes}


_MAKERS: dict[str, Callable[[random.Random, int], Item]] = {
    "file": _file,
    "url": _url,
    "domain": _domain,
    "ip_address": _ip_address,
}


def _analysis(rng: random.Random, date: int, malicious: int) -> Item:
    """What all entity types have: verdicts of engines, and mostly an assessment."""
    found: Item = {
        "last_analysis_date": date - 20,
        "last_analysis_stats": {
            "malicious": malicious,
            "suspicious": 0,
            "undetected": 70 - malicious,
            "harmless": 0,
            "timeout": 0,
        },
        "reputation": -malicious,
        "total_votes": {"harmless": 0, "malicious": malicious // 4},
    }
    if rng.random() < 0.1:  # now and then there is none
        return found
    score = min(100, malicious * 5)
    severity = "NONE" if not score else "LOW" if score < 30 else "MEDIUM" if score < 70 else "HIGH"
    assessment: Item = {
        "threat_score": {"value": score},
        "severity": {"value": f"SEVERITY_{severity}"},
        "contributing_factors": {"gti_confidence_score": min(100, score + 20)},
        "description": f"Invented for a simulation; severity {severity.lower()}.",
    }
    if rng.random() < 0.9:  # the verdict is missing now and then
        verdict = "MALICIOUS" if malicious > 3 else "SUSPICIOUS" if malicious else "UNDETECTED"
        assessment["verdict"] = {"value": f"VERDICT_{verdict}"}
    return {**found, "gti_assessment": assessment}


def _livehunt(entity: Item, rng: random.Random) -> Item:
    rule = rng.choice(RULES)
    source = {"id": rule.ruleset_id, "type": "hunting_ruleset", "label": rule.ruleset}
    return _hunting(entity, rng, rule, source)


def _retrohunt(entity: Item, rng: random.Random) -> Item:
    job = rng.choice(JOBS)
    return _hunting(entity, rng, rule_of_job(job), {"id": job, "type": "retrohunt_job", "label": job})


def _hunting(entity: Item, rng: random.Random, rule: Rule, source: Item) -> Item:
    info: Item = {"rule_name": rule.name}
    if rule.tags:
        info["rule_tags"] = list(rule.tags)
    if entity["type"] == "file":
        info["source_key"] = _digest(rng)[:8]
        info["source_country"] = rng.choice(_COUNTRIES)
    if entity["type"] in _MATCHED:
        info["match_source"] = _MATCHED[entity["type"]]
    if rng.random() < 0.6:  # a snippet is often missing
        info["snippet"] = _snippet(rng)
    tags = sorted({rule.ruleset.lower(), rule.name, *rule.tags, "analyst"})
    return {"origin": "hunting", "hunting_info": info, "sources": [source], "tags": tags}


def _subscription(entity: Item, rng: random.Random) -> Item:  # noqa: ARG001 -- a maker of contexts
    named = [rng.choice(_FOLLOWED)]
    if rng.random() < 0.5:  # a threat profile brings the collection that it follows with it
        profile = {"id": _digest(rng)[:32], "type": "threat_profile", "label": "Our sector"}
        named.insert(0, profile)
    return {"origin": "subscriptions", "hunting_info": None, "sources": named, "tags": []}


_FOLLOWED = sources()
_CONTEXTS = (_livehunt, _livehunt, _livehunt, _retrohunt, _subscription, _subscription)


def _snippet(rng: random.Random) -> str:
    """A hexdump as VirusTotal gives it, with the match marked."""
    lines = []
    for row in range(rng.randrange(2, 5)):
        data = rng.randbytes(16)
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)  # printable ASCII
        dump = data.hex(" ").upper()
        if row == 1:
            dump = f"*begin_highlight*{dump[:23]}*end_highlight*{dump[23:]}"
        lines.append(f"{row * 16:08x}  {dump}  {text}")
    return "\n".join(lines) + rng.choice(("", "\n..."))


def _host(rng: random.Random) -> str:
    zone = rng.choice(("example.com", "example.net", "example.org", "example"))
    return f"{rng.choice(('cdn', 'login', 'files', 'mail'))}-{rng.randrange(10_000)}.{zone}"


def _digest(rng: random.Random) -> str:
    return rng.randbytes(32).hex()


def _links(collection: str, identifier: str) -> dict[str, str]:
    return {"self": f"https://www.virustotal.com/api/v3/{collection}/{identifier}"}
