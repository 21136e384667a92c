"""What the integrations of the pack make of notifications: indicators, and entries with a reputation."""

VENDOR = "IoC-Stream Connector"
SCORES = {"malicious": 3, "suspicious": 2, "benign": 1}
"""Verdicts as DBot scores: 3 bad, 2 suspicious, 1 good; of any other verdict nothing is known, which is 0."""
TYPES = {"file": "File", "url": "URL", "domain": "Domain", "ip_address": "IP"}
TEXT_LIMIT = 20
CONTEXT = {
    "DBotScore": (
        "DBotScore(val.Indicator && val.Indicator == obj.Indicator && val.Vendor == obj.Vendor && val.Type == obj.Type)"
    ),
    "file": (
        "File("
        + " || ".join(
            f"val.{name} && val.{name} == obj.{name}"
            for name in ("MD5", "SHA1", "SHA256", "SHA512", "CRC32", "CTPH", "SSDeep")
        )
        + ")"
    ),
    "url": "URL(val.Data && val.Data == obj.Data)",
    "domain": "Domain(val.Name && val.Name == obj.Name)",
    "ip": "IP(val.Address && val.Address == obj.Address)",
}
"""Where the platform's context keeps reputations, in its own words for `the same indicator`."""
NAMED = {"url": "Data", "domain": "Name", "ip": "Address"}
HASHES = {32: "MD5", 40: "SHA1", 64: "SHA256"}
"""Digests by how many characters they have."""


def connected(settings):
    """The client that an instance's settings describe."""
    token = (settings.get("credentials") or {}).get("password")
    return Client(settings.get("url"), token, not settings.get("insecure", False), bool(settings.get("proxy", False)))


def asked(settings):
    """Which notifications an instance's settings ask for."""
    names = ("filter", "since", "minimum_score", "verdicts", "entity_types", "rules", "tags")
    return {name: settings.get(name) for name in names if settings.get(name) not in ("", None, [])}


def indicator(notification, settings):
    """A notification as the platform creates an indicator; None when it names no observable."""
    kind, value = TYPES.get(notification["entity_type"]), notification["entity_value"]
    if kind is None or not value:
        return None
    if kind == "IP":
        six, network = ":" in value, "/" in value
        kind = ("IPv6CIDR" if six else "CIDR") if network else "IPv6" if six else "IP"
    made = {
        "value": value,
        "type": kind,
        "service": VENDOR,
        "score": SCORES.get(notification["verdict"], 0),
        "fields": {name: each for name, each in fields(notification, settings).items() if each is not None},
        "rawJSON": {**notification, "type": kind, "value": value},
    }
    if settings.get("create_relationships", True):
        made["relationships"] = relationships(notification, kind)
    return made


def fields(notification, settings):
    """The fields of an indicator, by the platform's names for them. What is listed again takes back former names."""
    facts, hashes, whois = notification["entity"], notification["hashes"], notification["entity"]["whois"]
    is_assessed = notification["score"] is not None
    by_hand = [tag.strip() for tag in (settings.get("feedTags") or "").split(",")]
    tags = [*by_hand, *notification["tags"], *notification["rulesets"], *facts["tags"]]
    if notification["change"] == "withdrawn":
        tags.append("withdrawn")
    nothing = [] if notification["change"] else None
    made = {
        "tags": [tag for tag in dict.fromkeys(tags) if tag] or None,
        "description": described(notification),
        "confidence": notification["confidence"],
        "gtithreatscore": notification["score"],
        "gtiseverity": f"SEVERITY_{notification['severity'].upper()}" if is_assessed else None,
        "gtiverdict": f"VERDICT_{notification['verdict'].upper()}" if is_assessed else None,
        "malwarefamily": notification["families"] or nothing,
        "actor": notification["actors"] or nothing,
        "detectionengines": notification["engines"],
        "positivedetections": notification["malicious_engines"],
        "firstseenbysource": notification["first_seen"],
        "lastseenbysource": notification["last_seen"],
        "creationdate": facts["created"],
        "updateddate": facts["modified"],
        "trafficlightprotocol": settings.get("tlp_color") or None,
        **{f"{name}": hashes[name] for name in ("md5", "sha1", "sha256", "ssdeep", "imphash")},
    }
    if notification["entity_type"] == "file":
        made.update(
            displayname=facts["name"],
            name=facts["name"],
            size=facts["size"],
            filetype=facts["file_type"],
            fileextension=facts["extension"],
        )
    elif notification["entity_type"] == "domain":
        made.update({name.replace("_", ""): value for name, value in whois.items()}, registrarname=facts["registrar"])
    elif notification["entity_type"] == "ip_address":
        owner, number = facts["as_owner"], facts["asn"]
        made.update(countrycode=facts["country"], geocountry=facts["country"], asn=number, organizationname=owner)
    return made


def described(notification):
    """What matched, what engines call it, and why it is withdrawn, in a line."""
    by = notification["rule"] or ", ".join(notification["rulesets"])
    said = [f"Matched by {by}" if by else "Matched", notification["threat_label"], notification["link"]]
    if notification["change"] == "withdrawn":
        said.insert(0, f"Withdrawn: {withdrawn_because(notification)}")
    return "; ".join(part for part in said if part)


def withdrawn_because(notification):
    """Why what was made of a notification is taken back."""
    if notification["judgement"] in ("false_positive", "benign"):
        return "an analyst judged it " + notification["judgement"].replace("_", " ")
    if notification["guarded"]:
        return f"the known-good list {notification['guarded']} has it"
    score = notification["score"]
    return f"its verdict is {notification['verdict']}" + ("" if score is None else f", its score {score}")


def relationships(notification, kind):
    """Families and actors, as the platform relates them to an indicator."""
    named = [("Malware", name.title(), "part-of", "contains") for name in notification["families"]]
    named += [("Threat Actor", name, "attributed-by", "attributed-to") for name in notification["actors"]]
    return [
        {
            "name": name,
            "reverseName": reverse,
            "type": "IndicatorToIndicator",
            "entityA": notification["entity_value"],
            "entityAFamily": "Indicator",
            "entityAType": kind,
            "entityB": other,
            "entityBFamily": "Indicator",
            "entityBType": other_kind,
            "fields": {},
        }
        for other_kind, other, name, reverse in named
    ]


def reputation(notifications, settings):
    """The context that playbooks and the platform's own tasks read: DBot scores, and each observable with it."""
    context = {}
    for notification in notifications:
        found = indicator(notification, settings)
        if found is None:
            continue
        kind = {"IPv6": "ip", "IPv6CIDR": "cidr"}.get(found["type"], found["type"].lower())
        said = {
            "Indicator": found["value"],
            "Type": kind,
            "Vendor": VENDOR,
            "Score": found["score"],
            "Reliability": settings.get("integrationReliability") or settings.get("feedReliability"),
        }
        context.setdefault(CONTEXT["DBotScore"], []).append({k: v for k, v in said.items() if v is not None})
        known = known_of(kind, found["value"], notification)
        if known is None:
            continue
        if found["score"] == SCORES["malicious"]:
            known["Malicious"] = {"Vendor": VENDOR, "Description": described(notification)}
        context.setdefault(CONTEXT[kind], []).append(known)
    return context


def known_of(kind, value, notification):
    """An observable with what is known of it, by the context's names; None for a network, which has no place there."""
    facts, hashes = notification["entity"], notification["hashes"]
    if kind == "file":
        known = {name: hashes[name.lower()] for name in ("MD5", "SHA1", "SHA256", "SSDeep")}
        known[HASHES.get(len(value), "SHA256")] = value
        known.update(Name=facts["name"], Size=facts["size"], Type=facts["file_type"], Extension=facts["extension"])
    elif kind in NAMED:
        known = {NAMED[kind]: value}
        known.update(DetectionEngines=notification["engines"], PositiveDetections=notification["malicious_engines"])
    else:
        return None
    if kind == "domain":
        known.update(CreationDate=facts["created"])
        known.update(Registrar={"Name": facts["registrar"]} if facts["registrar"] else None)
    if kind == "ip":
        known.update(ASN=facts["asn"], ASOwner=facts["as_owner"])
        known.update(Geo={"Country": facts["country"]} if facts["country"] else None)
    known.update(
        MalwareFamily=", ".join(notification["families"]) or None, Actor=", ".join(notification["actors"]) or None
    )
    return {name: each for name, each in known.items() if each is not None}


def entry(text, contents, context):
    """An entry of the War Room."""
    return {
        "Type": 1,
        "ContentsFormat": "json",
        "Contents": contents,
        "ReadableContentsFormat": "markdown",
        "HumanReadable": text,
        "EntryContext": context,
    }


def fault(error):
    """An entry of the War Room that says what went wrong."""
    return {"Type": 4, "ContentsFormat": "text", "Contents": f"{error.code}: {error}"}


def table(rows):
    """Rows as a table in Markdown: what is text or a number."""
    names = [name for name, value in (rows[0] if rows else {}).items() if not isinstance(value, (dict, list))]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)] if names else []
    for row in rows if names else []:
        cells = (
            str("" if row.get(name) is None else row[name]).replace("|", "\\|").replace("\n", " ") for name in names
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
