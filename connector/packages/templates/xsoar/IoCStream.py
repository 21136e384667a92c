"""The integration: a command for each action of the connector, and incidents of what its rules match."""

MOST_FETCHED = 200
MOST_TOLD = 2000
"""Of how many notifications it is known that there was an incident, so that what is withdrawn of them is told."""
SEVERITIES = {"high": 3, "medium": 2, "low": 1, "none": 0.5}
"""Severities as the platform counts them; 0 is unknown."""
DIGESTS = ("md5", "sha1", "sha256")
WORST_FIRST = ("malicious", "suspicious", "unknown", "undetected", "benign")


def main():
    """Do what the platform asks."""
    command = demisto.command()
    settings = demisto.params()
    try:
        client = connected(settings)
        if command == "test-module":
            client.call("get_status")
            demisto.results("ok")
        elif command == "fetch-incidents":
            fetch_incidents(client, settings)
        else:
            action = command.replace("iocstream-", "", 1).replace("-", "_")
            demisto.results(answered(action, client.call(action, demisto.args()), settings))
    except ActionError as error:
        if command == "fetch-incidents":
            raise
        demisto.results(fault(error))


def fetch_incidents(client, settings):
    """An incident for each rule that matched since the last time; the place is kept once the platform has them.

    What became what is asked for only now is among them; what is withdrawn of earlier incidents has one of its own.
    """
    last_run = demisto.getLastRun() or {}
    limit = int(settings.get("max_fetch") or MOST_FETCHED)
    given = {**asked(settings), "muted": False, "changes": True, "limit": limit, "next": last_run.get("next")}
    page = client.call("list_notifications", given)["data"]
    told = last_run.get("told") or []
    found = [each for each in page["notifications"] if is_news(each, told)]
    demisto.incidents(incidents(found))
    told = [number for number in told if number not in [each["id"] for each in found if is_withdrawn(each)]]
    told += [each["id"] for each in found if not is_withdrawn(each)]
    demisto.setLastRun({"next": page["next"], "told": told[-MOST_TOLD:]})


def is_news(notification, told):
    """Whether a notification is for an incident: new, or become so, or withdrawn after there was an incident of it."""
    if is_withdrawn(notification):
        return notification["id"] in told
    return notification["change"] is None or (notification["id"] not in told and notification["judgement"] is None)


def is_withdrawn(notification):
    """Whether what was told of it is taken back."""
    return notification["change"] == "withdrawn"


def incidents(notifications):
    """Notifications as incidents, one for each rule, or ruleset or collection where no rule is named."""
    by_rule = {}
    for each in notifications:
        rule = each["rule"] or ", ".join(each["rulesets"]) or "no rule"
        by_rule.setdefault((rule, is_withdrawn(each)), []).append(each)
    return [incident(rule, matches) for (rule, _), matches in by_rule.items()]


def incident(rule, matches):
    """The incident of one rule. Its raw JSON is what the pack's mapper reads."""
    verdict = min((each["verdict"] for each in matches), key=WORST_FIRST.index)
    claimed = [each for each in matches if each["verdict"] in ("malicious", "suspicious")]
    severity = max([SEVERITIES.get(each["severity"], 0) for each in claimed if not is_withdrawn(each)] or [0])
    scores = [each["score"] for each in matches if each["score"] is not None]
    shown = ("entity_type", "entity_value", "verdict", "score", "severity", "confidence", "date", "link")
    raw = {
        "incident_type": "IoC-Stream Match",
        "rule": rule,
        "verdict": verdict,
        "score": max(scores) if scores else None,
        "matches": len(matches),
        "notification_ids": [each["id"] for each in matches],
        "values": list(dict.fromkeys(each["entity_value"] for each in matches if each["entity_value"])),
        "families": list(dict.fromkeys(name for each in matches for name in each["families"])),
        "actors": list(dict.fromkeys(name for each in matches for name in each["actors"])),
        "confidence": max([each["confidence"] for each in matches if each["confidence"] is not None], default=None),
        "hashes": [
            digest for digest in dict.fromkeys(each["hashes"][name] for each in matches for name in DIGESTS) if digest
        ],
        "first_seen": min([each["first_seen"] for each in matches if each["first_seen"]], default=None),
        "last_seen": max([each["last_seen"] for each in matches if each["last_seen"]], default=None),
        "tags": list(dict.fromkeys(tag for each in matches for tag in each["tags"])),
        "table": table([{name: each[name] for name in shown} for each in matches]),
        "notifications": matches,
    }
    dates = [each["date"] for each in matches if each["date"]]
    entities = len(raw["values"]) or len(matches)
    some = f"{entities} {'entity' if entities == 1 else 'entities'}"
    told = f"{rule}: {some} withdrawn" if is_withdrawn(matches[0]) else f"{rule} matched {some}"
    made = {
        "name": f"IoC-Stream: {told}",
        "severity": severity,
        "rawJSON": json.dumps(raw),
    }
    return {**made, "occurred": min(dates)} if dates else made


def answered(action, envelope, settings):
    """What an action answered, for the War Room and the context."""
    lines = [f"### {action}: {envelope['status']}", envelope["message"]]
    lines += [f"- **{error['code']}**: {error['cause']} {error['remedy']}" for error in envelope["errors"]]
    data = envelope["data"]
    rows = next(
        (value for value in data.values() if isinstance(value, list) and value and isinstance(value[0], dict)), []
    )
    name = "".join(part.capitalize() for part in action.split("_"))
    notifications = {"list_notifications": data.get("notifications"), "get_notification": [data.get("brief")]}
    context = reputation(notifications.get(action) or [], settings)
    context[f"IoCStream.{name}"] = data
    return entry("\n".join(lines) + "\n" + table(rows[:TEXT_LIMIT]), envelope, context)


if __name__ in ("__main__", "__builtin__", "builtins"):
    main()
