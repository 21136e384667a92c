"""The STIX objects of one notification of a whole file, as an engineer would write them for this one stream.

It says what `mappings/stix21.yaml` says of files, and checks nothing of what it writes.
"""

import datetime
import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Any

from connector.formats.stix.shared_objects import EXTENSION_ID, VIRUSTOTAL
from connector.guards.guards import bundled
from connector.model import Json
from connector.values import addresses
from connector.values.display import DECEPTIVE
from connector.values.identifiers import sco_id, stix_id
from connector.values.uri import domain as domain_name

INDICATOR_TYPES = {
    "VERDICT_MALICIOUS": "malicious-activity",
    "VERDICT_SUSPICIOUS": "anomalous-activity",
    "VERDICT_BENIGN": "benign",
}
DAYS = {"VERDICT_MALICIOUS": 365, "VERDICT_SUSPICIOUS": 90}
C2_DAYS = {"domain-name": (90, 30, 14), "ipv4-addr": (30, 14, 7), "ipv6-addr": (30, 14, 7)}
"""Of a host of a malicious file, of a suspicious one, of any other."""
C2_CONFIDENCE = {"VERDICT_MALICIOUS": 75, "VERDICT_SUSPICIOUS": 40}
SUPPORTED = {"VERDICT_MALICIOUS": (70, 100), "VERDICT_SUSPICIOUS": (30, 69)}
NO_COUNTRY = ("A1", "A2", "AP", "EU", "O1", "XX", "ZZ")
SUBJECT_TYPES = {
    "threat-actor": "threat-actor",
    "malware": "malware",
    "malware-family": "malware",
    "software-toolkit": "tool",
    "campaign": "campaign",
    "vulnerability": "vulnerability",
    "report": "report",
    "collection": "report",
}
MALWARE_TYPES = {
    "ADWARE": "adware",
    "BACKDOOR": "backdoor",
    "BOT": "bot",
    "DOWNLOADER": "downloader",
    "DROPPER": "dropper",
    "KEYLOGGER": "keylogger",
    "MINER": "resource-exploitation",
    "RANSOM": "ransomware",
    "RANSOMWARE": "ransomware",
    "RAT": "remote-access-trojan",
    "ROOTKIT": "rootkit",
    "SPYWARE": "spyware",
    "STEALER": "spyware",
    "TROJAN": "trojan",
    "VIRUS": "virus",
    "WIPER": "wiper",
    "WORM": "worm",
}
KILL_CHAIN = [
    {"kill_chain_name": "lockheed-martin-cyber-kill-chain", "phase_name": "command-and-control"},
    {"kill_chain_name": "mitre-attack", "phase_name": "command-and-control"},
]
DOCUMENTATION = [ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
DOCUMENTATION_6 = [ipaddress.ip_network(text) for text in ("2001:db8::/32", "3fff::/20")]
CONTROL = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{DECEPTIVE}]")
SSDEEP = re.compile(r"(?=.{1,128}\Z)[0-9]+:[A-Za-z0-9/+]*:[A-Za-z0-9/+]*")
TLSH = re.compile(r"(?:T1)?([0-9a-fA-F]{70})")
FOLDER = re.compile(r"[/\\]")
COLLECTION = "https://www.virustotal.com/gui/collection/"

Object = dict[str, Any]
_Hosts = dict[tuple[str, str], list[str]]


def objects(body: Json, producer: str, author: str, marking: str) -> list[Object]:
    """The objects of a stream item that is a file."""
    context, entity = body["context_attributes"], body.get("attributes") or {}
    hunting, sources = context.get("hunting_info") or {}, context.get("sources") or []
    sha256 = (entity.get("sha256") or body["id"]).lower()
    date = context["notification_date"]
    seen = _time(date)
    common = {"spec_version": "2.1", "object_marking_refs": [marking]}
    signed = {**common, "created_by_ref": author, "created": seen, "modified": seen}
    assessment, stats = entity.get("gti_assessment") or {}, entity.get("last_analysis_stats") or {}
    factors = assessment.get("contributing_factors") or {}
    classes = entity.get("popular_threat_classification") or {}
    label = classes.get("suggested_threat_label")
    categories = [each["value"] for each in classes.get("popular_threat_category") or ()]
    sandboxes = [*(entity.get("sandbox_verdicts") or {}).values()]
    attribution = entity.get("attribution") or {}
    score = _share_of_100((assessment.get("threat_score") or {}).get("value"))
    verdict = _verdict(assessment, stats)
    is_benign = verdict == "VERDICT_BENIGN"

    def relationship(source: str, verb: str, target: str, **more: str | bool) -> Object:
        return {
            "type": "relationship",
            "id": stix_id("relationship", source, verb, target),
            "relationship_type": verb,
            "source_ref": source,
            "target_ref": target,
            **more,
            **signed,
        }

    found: list[Object] = []
    country = (hunting.get("source_country") or "").strip().upper()
    location: Object | None = None
    if len(country) == 2 and country not in NO_COUNTRY:  # noqa: PLR2004 -- ISO 3166-1 alpha-2
        location = {
            "type": "location",
            "id": stix_id("location", producer, country),
            "name": country,
            "country": country,
            **signed,
        }
        found.append(location)
    fuzzy = _fuzzy_hashes(entity)
    mime_type = (entity.get("exiftool") or {}).get("MIMEType")
    file: Object = {"type": "file", "hashes": {"SHA-256": sha256, **fuzzy}, **common}
    if entity.get("size") is not None:
        file["size"] = entity["size"]
    if mime_type:
        file["mime_type"] = _line(mime_type, 200)
    file["id"] = sco_id(file)
    found.append(file)
    observed_data = {
        "type": "observed-data",
        "id": stix_id("observed-data", producer, context["notification_id"]),
        "first_observed": seen,
        "last_observed": seen,
        "number_observed": 1,
        "object_refs": [file["id"]],
        **signed,
    }
    found.append(observed_data)
    rulesets = []
    for source in sources:
        known = source.get("attributes") or {}
        if known.get("rules"):
            ruleset: Object = {
                "type": "indicator",
                "id": stix_id("indicator", producer, "ruleset", source["id"]),
                "name": _line(known.get("name") or source["label"], 200),
                "description": "YARA rules that found it on VirusTotal.",
                "indicator_types": ["unknown"],
                "pattern": known["rules"],
                "pattern_type": "yara",
                "external_references": [{"source_name": "VirusTotal", "external_id": source["id"]}],
                **signed,
                "valid_from": seen,
            }
            if known.get("tags"):
                ruleset["labels"] = sorted(set(known["tags"]))
            rulesets.append(ruleset)
    found += rulesets

    subjects = [*_subjects(sources, producer)]
    threats = [
        *(_threat(subject, signed) for subject in subjects if subject["type"] != "report" and subject["name"]),
        *([] if is_benign else _actors(attribution, producer, signed)),
    ]
    families = {} if is_benign else _families(entity, attribution, sandboxes, producer)
    threats += [
        {"type": "malware", "id": identifier, "name": name, "is_family": True, **signed}
        for name, identifier in families.items()
    ]
    once: dict[str, Object] = {}
    for each in threats:
        once.setdefault(each["id"], each)
    threats = [*once.values()]
    found += threats
    sample: Object | None = None
    if families and verdict == "VERDICT_MALICIOUS":
        sample = {
            "type": "malware",
            "id": stix_id("malware", producer, "sample", sha256),
            "name": sha256,
            "is_family": False,
            "sample_refs": [file["id"]],
            **signed,
        }
        if label:
            sample["description"] = label
        called = [*categories, *(each for sandbox in sandboxes for each in sandbox.get("malware_classification") or ())]
        types = dict.fromkeys(MALWARE_TYPES[name.upper()] for name in called if name.upper() in MALWARE_TYPES)
        if types:
            sample["malware_types"] = [*types]
        found.append(sample)
        found += [relationship(sample["id"], "variant-of", identifier) for identifier in families.values()]

    hosts, known_good = ({}, {}) if is_benign else _named_hosts(entity, producer)
    indicator = {
        "type": "indicator",
        "id": stix_id("indicator", producer, "file", sha256),
        "name": _line(FOLDER.split(entity.get("meaningful_name") or "")[-1], 200) or sha256,
        "description": _cut(
            ". ".join(part for part in (entity.get("type_description"), label, assessment.get("description")) if part),
            4000,
        )
        or "VirusTotal gives no assessment.",
        "indicator_types": [INDICATOR_TYPES.get(verdict or "", "unknown")],
        "pattern": f"[file:hashes.'SHA-256' = '{sha256}']",
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": seen,
        "valid_until": _time(date + DAYS.get(verdict or "", 30) * 86_400),
        "labels": sorted(
            {*(entity.get("tags") or ()), *categories, *(factors.get("normalised_categories") or ())} - {""}
        ),
        "external_references": [
            {
                "source_name": "VirusTotal",
                "external_id": body["id"],
                "url": f"https://www.virustotal.com/gui/file/{body['id']}",
            }
        ],
        "extensions": {EXTENSION_ID: _extension(entity, sha256, assessment, score, stats, label, sandboxes)},
        **signed,
    }
    if attribution.get("threat_actors") and not is_benign:
        indicator["indicator_types"].append("attribution")
    if left_out := [] if is_benign else _left_out(entity):
        indicator["extensions"][EXTENSION_ID]["c2_left_out"] = left_out
    if hosts:
        indicator["extensions"][EXTENSION_ID]["c2_hosts"] = len(hosts)
    if not indicator["labels"]:
        del indicator["labels"]
    if not is_benign:
        certainty = (
            _share_of_100(factors.get("gti_confidence_score"))
            or _share_of_100(factors.get("mandiant_confidence_score"))
            or score
            or _share(stats)
        )
        if certainty is not None:
            least, most = SUPPORTED.get(verdict or "", (0, 29))
            indicator["confidence"] = min(certainty, most, most if score is None else max(score, least))
    found.append(indicator)
    found.append(relationship(indicator["id"], "based-on", observed_data["id"]))
    for ruleset in rulesets:
        found.append(relationship(indicator["id"], "related-to", ruleset["id"], description="The rules matched it."))
    for threat in [] if is_benign else [*threats, sample] if sample else threats:
        indicates = relationship(indicator["id"], "indicates", threat["id"])
        if threat["type"] == "vulnerability":
            indicates["relationship_type"] = "related-to"
        found.append(indicates)
    observables, indicators = _c2(hosts, verdict, producer, date, common, signed)
    found += [*observables, *indicators]
    found += [
        {
            "type": "indicator",
            "id": stix_id("indicator", producer, "c2", value),
            "name": value,
            "description": "A malware configuration names it, but it is known to be good.",
            "indicator_types": ["unknown"],
            "pattern": f"[{kind}:value = '{value}']",
            "pattern_type": "stix",
            "pattern_version": "2.1",
            "valid_from": _time(date),
            "revoked": True,
            **signed,
        }
        for kind, value in known_good
    ]
    for each, named in zip(indicators, hosts.values(), strict=True):
        found += [relationship(each["id"], "indicates", family) for family in named]
    for (_, value), named in known_good.items():
        taken_back = stix_id("indicator", producer, "c2", value)
        found += [relationship(taken_back, "indicates", family, revoked=True) for family in named]
    if sample:
        found += [relationship(sample["id"], "communicates-with", each["id"]) for each in observables]
    for subject in subjects:
        if subject["type"] == "report" and subject["name"] and subject["published"] is not None:
            report = {
                "type": "report",
                "id": stix_id("report", producer, subject["source_id"], indicator["id"]),
                "name": subject["name"],
                "report_types": ["indicator"],
                "published": _time(subject["published"]),
                "object_refs": [indicator["id"]],
                "external_references": _references(subject["source_id"]),
                **signed,
            }
            if subject["description"]:
                report["description"] = subject["description"]
            if subject["labels"]:
                report["labels"] = subject["labels"]
            found.append(report)

    rule = _line(hunting.get("rule_name") or "", 200)
    said = [f"rule {rule}"] if rule else []
    said += [f"{each['type'].replace('_', ' ')} {_clean(each['label'])}" for each in sources if each.get("label")]
    sighting = {
        "type": "sighting",
        "id": stix_id("sighting", producer, context["notification_id"]),
        "description": _cut("; ".join(said), 2000),
        "sighting_of_ref": indicator["id"],
        "first_seen": seen,
        "last_seen": seen,
        "count": 1,
        "observed_data_refs": [observed_data["id"]],
        "where_sighted_refs": [VIRUSTOTAL["id"], *([location["id"]] if location else [])],
        "extensions": {EXTENSION_ID: _match(context, hunting, rule, sources, country)},
        **signed,
    }
    found.append(sighting)
    if hunting.get("snippet"):
        marked = hunting["snippet"].replace("*begin_highlight*", "»").replace("*end_highlight*", "«")
        lines = (_clean(line) for line in marked.replace("```", "···").split("\n"))
        snippet = _cut("\n".join(lines), 4000)
        found.append(
            {
                "type": "note",
                "id": stix_id("note", producer, context["notification_id"]),
                "abstract": f"What matched {rule or 'the rule'}",
                "content": f"Matched by {sighting['description']}, between » and «:\n\n```\n{snippet}\n```",
                "object_refs": [indicator["id"], sighting["id"]],
                **signed,
            }
        )
    return found


def _time(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _clean(text: str) -> str:
    return CONTROL.sub(" ", text).strip()


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _line(text: str, length: int) -> str:
    return _cut(_clean(text), length)


def _verdict(assessment: Json, stats: Json) -> str | None:
    said: str | None = (assessment.get("verdict") or {}).get("value")
    engines = stats.get("malicious") or 0
    return said or ("VERDICT_MALICIOUS" if engines >= 10 else "VERDICT_SUSPICIOUS" if engines else None)  # noqa: PLR2004 -- as in the mapping


def _share_of_100(score: Json) -> int | None:
    return score if isinstance(score, int) and 0 <= score <= 100 else None  # noqa: PLR2004 -- a hundred


def _share(stats: Json) -> int | None:
    names = ("malicious", "suspicious", "undetected", "harmless")
    whole = sum(stats[name] for name in names if stats.get(name) is not None)
    return round(100 * stats["malicious"] / whole) if whole else None


def _references(source_id: str) -> list[Json]:
    return [{"source_name": "VirusTotal", "external_id": source_id, "url": COLLECTION + source_id}]


def _subjects(sources: Sequence[Json], producer: str) -> Iterator[Object]:
    for source in sources:
        if source["type"] not in ("collection", "threat_actor"):
            continue
        known = source.get("attributes") or {}
        said = "threat-actor" if source["type"] == "threat_actor" else known.get("collection_type")
        kind = SUBJECT_TYPES.get(source["id"].split("--")[0]) or SUBJECT_TYPES.get(said)
        if kind is None:
            continue
        motivations = [each["value"] for each in known.get("motivations") or ()]
        name = known.get("name") or source["label"]
        by = ("family", _line(name.lower(), 200)) if kind == "malware" else ("virustotal", source["id"])
        yield {
            "type": kind,
            "id": stix_id(kind, producer, *by),
            "source_id": source["id"],
            "name": _line(name, 200),
            "description": known.get("description"),
            "aliases": [each["value"] for each in known.get("alt_names_details") or ()],
            "labels": sorted({*(known.get("tags") or ()), *motivations}),
            "published": known.get("creation_date"),
        }


def _threat(subject: Object, signed: Object) -> Object:
    made = {
        "type": subject["type"],
        "id": subject["id"],
        "name": subject["name"],
        "external_references": _references(subject["source_id"]),
        **signed,
    }
    if subject["description"]:
        made["description"] = subject["description"]
    if subject["type"] == "malware":
        made["is_family"] = True
    if subject["aliases"] and subject["type"] != "vulnerability":
        made["aliases"] = subject["aliases"]
    if subject["labels"]:
        made["labels"] = subject["labels"]
    return made


def _actors(attribution: Json, producer: str, signed: Object) -> Iterator[Object]:
    by_name = {name: {"name": name, "id": None} for name in attribution.get("threat_actors") or ()}
    known = {actor["name"]: actor for actor in attribution.get("detailed_threat_actors") or ()}
    for actor in {**known, **{name: actor for name, actor in by_name.items() if name not in known}}.values():
        by = ("virustotal", actor["id"]) if actor["id"] else ("name", _clean(actor["name"]).lower())
        yield {
            "type": "threat-actor",
            "id": stix_id("threat-actor", producer, *by),
            "name": _line(actor["name"], 200),
            **signed,
        }


def _families(entity: Json, attribution: Json, sandboxes: Sequence[Json], producer: str) -> dict[str, str]:
    names = [each["family"] for each in attribution.get("malware_families") or ()]
    names += [each["family"] for each in _configurations(entity)]
    for sandbox in sandboxes:
        if sandbox["category"] == "malicious":
            names += sandbox.get("malware_names") or ()
    spelled = dict.fromkeys(_line(name.lower(), 200) for name in names)
    return {name: stix_id("malware", producer, "family", name) for name in spelled if name}


def _fuzzy_hashes(entity: Json) -> dict[str, str]:
    found = {}
    if SSDEEP.fullmatch(entity.get("ssdeep") or ""):
        found["SSDEEP"] = entity["ssdeep"]
    tlsh = TLSH.fullmatch(entity.get("tlsh") or "")
    if tlsh:
        found["TLSH"] = tlsh[1]
    return found


def _extension(
    entity: Json, sha256: str, assessment: Json, score: int | None, stats: Json, label: str | None, sandboxes: Any
) -> Object:
    made: Object = {
        "extension_type": "property-extension",
        "hashes": {
            **({"MD5": entity["md5"].lower()} if entity.get("md5") else {}),
            **({"SHA-1": entity["sha1"].lower()} if entity.get("sha1") else {}),
            "SHA-256": sha256,
            **_fuzzy_hashes(entity),
            **({"VHASH": entity["vhash"]} if entity.get("vhash") else {}),
            **({"IMPHASH": entity["pe_info"]["imphash"]} if (entity.get("pe_info") or {}).get("imphash") else {}),
        },
        "size": entity.get("size"),
        "mime_type": _line((entity.get("exiftool") or {}).get("MIMEType") or "", 200) or None,
        "categories": (assessment.get("contributing_factors") or {}).get("normalised_categories"),
        "verdict": (assessment.get("verdict") or {}).get("value"),
        "severity": (assessment.get("severity") or {}).get("value"),
        "threat_score": score,
        "detections": {
            name: stats[name]
            for name in ("malicious", "suspicious", "undetected", "harmless")
            if stats.get(name) is not None
        },
        "threat_label": label,
        "sandbox_verdicts": [
            {
                name: sandbox[name]
                for name in ("sandbox_name", "category", "confidence", "malware_names", "malware_classification")
                if sandbox.get(name)
            }
            for sandbox in sandboxes
        ],
    }
    return {name: value for name, value in made.items() if value is not None and value not in ({}, [])}


def _match(context: Json, hunting: Json, rule: str, sources: Sequence[Json], country: str) -> Object:
    made: Object = {
        "extension_type": "property-extension",
        "notification_id": context["notification_id"],
        "origin": context.get("origin"),
        "rule_name": rule or None,
        "rule_tags": hunting.get("rule_tags"),
        "match_source": hunting.get("match_source"),
        "match_in_subfile": hunting.get("match_in_subfile"),
        "snippet": _line(hunting["snippet"], 1000) if hunting.get("snippet") else None,
        "source_country": country or None,
        "source_key": hunting.get("source_key"),
        "tags": context.get("tags"),
        "sources": [{"type": each["type"], "source_id": each["id"], "label": each.get("label")} for each in sources],
    }
    return {name: value for name, value in made.items() if value is not None and value != []}


def _named_hosts(entity: Json, producer: str) -> tuple[_Hosts, _Hosts]:
    """The hosts that a configuration names, with the families whose C2 server each is; and those known to be good."""
    known_good: _Hosts = {}
    named: _Hosts = {}
    for family in _configurations(entity):
        family_id = stix_id("malware", producer, "family", _line(family["family"].lower(), 200))
        for connection in _connections(family):
            host = _host(connection["host"])
            if host is None:
                continue
            if bundled().derived(host[1]):
                families = known_good.setdefault(host, [])
                if family_id not in families:
                    families.append(family_id)
            else:
                families = named.setdefault(host, [])
                is_c2 = any(each.upper() == "C2" for each in connection.get("categories") or ())
                if is_c2 and family_id not in families:
                    families.append(family_id)
    return named, known_good


def _left_out(entity: Json) -> list[dict[str, str]]:
    """The addresses that a configuration names and that nobody wants to block, each once."""
    named = [connection["host"] for family in _configurations(entity) for connection in _connections(family)]
    found: dict[str, str] = {}
    for host in named:
        if _host(host) is None and (address := addresses.parse(host.strip())) is not None:
            found[str(address)] = addresses.scope(address)
    return [{"value": value, "scope": scope} for value, scope in found.items()]


def _c2(
    hosts: dict[tuple[str, str], list[str]],
    verdict: str | None,
    producer: str,
    date: int,
    common: Object,
    signed: Object,
) -> tuple[list[Object], list[Object]]:
    observables: list[Object] = []
    indicators: list[Object] = []
    for (kind, value), families in hosts.items():
        support = verdict if families else None
        observable: Object = {"type": kind, "value": value, **common}
        observable["id"] = sco_id(observable)
        observables.append(observable)
        malicious_days, suspicious_days, other_days = C2_DAYS[kind]
        days = {"VERDICT_MALICIOUS": malicious_days, "VERDICT_SUSPICIOUS": suspicious_days}.get(
            support or "", other_days
        )
        indicator = {
            "type": "indicator",
            "id": stix_id("indicator", producer, "c2", value),
            "name": value,
            "description": "A malware configuration names it as command and control server.",
            "indicator_types": [INDICATOR_TYPES.get(support or "", "unknown")],
            "confidence": C2_CONFIDENCE.get(support or "", 20) if families else 10,
            "pattern": f"[{kind}:value = '{value}']",
            "pattern_type": "stix",
            "pattern_version": "2.1",
            "valid_from": _time(date),
            "valid_until": _time(date + days * 86_400),
            "labels": ["c2"],
            "kill_chain_phases": KILL_CHAIN,
            **signed,
        }
        if not families:
            del indicator["kill_chain_phases"]
            indicator["labels"] = ["malware-config"]
            indicator["description"] = (
                "A malware configuration names it, and does not say that it is a command and control server."
            )
        indicators.append(indicator)
    return observables, indicators


def _configurations(entity: Json) -> Sequence[Json]:
    config = entity.get("malware_config") or {}
    if "family" in config:
        connection = {"host": config.get("domain") or config.get("host") or config.get("ip")}
        return [{"family": config["family"], "configs": [{"net_info": {"connections": [connection]}}]}]
    return config.get("families") or ()


def _connections(family: Json) -> Iterator[Json]:
    for config in family.get("configs") or ():
        yield from (config.get("net_info") or {}).get("connections") or ()


def _host(text: str) -> tuple[str, str] | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        name = domain_name(text)
        return ("domain-name", name) if name else None
    documentation = DOCUMENTATION if address.version == 4 else DOCUMENTATION_6  # noqa: PLR2004 -- IPv4
    if not address.is_global and not any(address in network for network in documentation):
        return None
    return f"ipv{address.version}-addr", str(address)
