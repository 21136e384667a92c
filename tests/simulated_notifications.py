"""Simulated notifications of every type, origin and source, with attributes from look-ups and with rare values."""

import hashlib
import random

from connector.simulator.notifications import notifications

NOW = 1_760_000_000
_RULES = """import "pe"
rule {name} : simulated
{{
  strings:
    $text = "{name} \\\\ \\"quoted\\"" wide
    $code = {{ 68 ?? ?? 00 00 [4] 4? 75 }}
  condition:
    pe.is_pe and any of them
}}
"""
_TYPES = ("collection", "malware-family", "campaign", "report", "software-toolkit", "vulnerability", "threat-actor")
_HOSTS = (
    "198.51.100.{n}",
    "2001:DB8:0::{n}",
    "C2-{n}.Example",
    "bücher{n}.example",
    "10.0.0.{n}",
    "127.0.0.1",
    "localhost",
    "a b.example",
)
_URLS = (
    "https://files{n}.example/größe/a b?q=[1]|2",
    "http://user:pass@[2001:db8::{n}]:8080/'quoted'\\path",
    'HTTPS://Example{n}.COM/%zz/%2F?a="b"#`c`',
    "ftp://bücher{n}.example/\u202e\u0000x",
)
_DOMAINS = ("Bücher{n}.example", "EXAMPLE{n}.com.", "_dmarc.xn--bcher-kva{n}.example", "пример{n}.example")
_ADDRESSES = ("2001:0DB8:0000:0000:0000:0000:0000:{n:04X}", "198.51.100.{n}", "203.0.113.{n}/28", "2001:db8:{n}::/48")


def bodies(count, seed=1):
    """Stream items; the same seed makes the same."""
    rng = random.Random(seed)
    return [_richer(item, rng) for item in notifications(count, seed=seed, now=NOW)]


def _richer(item, rng):
    item = {**item, "context_attributes": {**item["context_attributes"]}}
    context = item["context_attributes"]
    context["sources"] = [_source(source, rng) for source in context["sources"]]
    if rng.random() < 0.2:
        context["sources"].append(_source(_other(rng), rng))
    _spelled_otherwise(item, rng)
    if rng.random() < 0.05:
        item.pop("attributes", None)
    attributes = item.get("attributes")
    if attributes and item["type"] == "file":
        attributes = item["attributes"] = dict(attributes)
        if rng.random() < 0.5:
            hosts = [rng.choice(_HOSTS).format(n=rng.randrange(1, 200)) for _ in range(3)]
            connections = [{"host": host, "categories": ["C2"]} for host in hosts]
            families = [
                *attributes.get("malware_config", {}).get("families", ()),
                {"family": rng.choice(("Emberlark", "emberlark", "TinRaven")), "configs": [_config(connections)]},
            ]
            attributes["malware_config"] = {"families": families}
        if rng.random() < 0.3:
            name = rng.choice(("Cobalt Heron", "Velvet Anchor"))
            actor = {"id": f"threat-actor--{_uuid(name)}", "name": name, "source": "simulated"}
            attributes["attribution"] = {
                "threat_actors": [name],
                **({"detailed_threat_actors": [actor]} if rng.random() < 0.5 else {}),
                "malware_families": [{"family": "GLASSWING", "source": "simulated"}],
            }
    return item


def _config(connections):
    return {"net_info": {"connections": connections}, "tool": "simulated"}


def _other(rng):
    kind = rng.choice(_TYPES)
    name = f"{kind} {rng.randrange(5)}"
    prefix = {"malware-family": "malware", "software-toolkit": "malware", "collection": ""}.get(kind, kind)
    identifier = f"{prefix}--{_uuid(name)}" if prefix else hashlib.sha256(name.encode()).hexdigest()
    return {"id": identifier, "type": "collection", "label": f'It\'s "{name}"\\', "kind": kind}


def _source(source, rng):
    """The source as VirusTotal sends it, or with the attributes that a look-up adds."""
    source = dict(source)
    kind = source.pop("kind", "threat-actor" if source["id"].startswith("threat-actor--") else "collection")
    if rng.random() < 0.5:
        return source
    if source["type"] in ("hunting_ruleset", "retrohunt_job"):
        name = f"rule_{hashlib.sha256(source['id'].encode()).hexdigest()[:8]}"
        source["attributes"] = {"name": source["label"], "rules": _RULES.format(name=name), "tags": ["simulated"]}
    elif source["type"] == "collection":
        source["attributes"] = {
            "name": source["label"],
            "collection_type": kind,
            "description": f"What is known of {source['label']}.\nIn two lines.",
            "alt_names_details": [{"value": "Another name"}],
            "motivations": [{"value": "Espionage"}],
            "creation_date": NOW - 10_000_000,
        }
    return source


def _spelled_otherwise(item, rng):
    """Give one entity in five a rarer spelling: upper case, an IDN, an address range, an odd URL."""
    if rng.random() < 0.8:
        return
    number = rng.randrange(1, 200)
    if item["type"] == "url" and "attributes" in item:
        url = rng.choice(_URLS).format(n=number)
        item["id"], item["attributes"] = url, {**item["attributes"], "url": url}
    elif item["type"] == "domain":
        item["id"] = rng.choice(_DOMAINS).format(n=number)
    elif item["type"] == "ip_address":
        item["id"] = rng.choice(_ADDRESSES).format(n=number)
    elif item["type"] == "file":
        item["id"] = item["id"].upper()


def _uuid(name):
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
