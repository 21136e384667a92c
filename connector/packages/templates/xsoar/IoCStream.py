"""The integration: what the platform asks for, by the client before it in the one script that Cortex XSOAR runs."""

OBSERVABLES = {"file": "File", "url": "URL", "domain": "Domain", "ip_address": "IP"}
PAGE = 500
TEXT_LIMIT = 20


def main():
    """Do what the platform asks."""
    command = demisto.command()
    try:
        settings = demisto.params()
        token = (settings.get("credentials") or {}).get("password")
        verify = not settings.get("insecure", False)
        client = Client(settings.get("url"), token, verify, bool(settings.get("proxy", False)))
        if command == "test-module":
            client.call("get_status")
            demisto.results("ok")
        elif command == "fetch-indicators":
            fetch_indicators(client, settings)
        elif command == "iocstream-get-indicators":
            limit = demisto.args().get("limit") or TEXT_LIMIT
            page = client.call("list_notifications", {**asked(settings), "order": "newest", "limit": limit})
            found, _ = indicators(page["data"]["notifications"], settings)
            rows = [{"value": each["value"], "type": each["type"]} for each in found]
            demisto.results(entry(table(rows), rows, {}))
        else:
            action = command.replace("iocstream-", "", 1).replace("-", "_")
            demisto.results(answered(action, client.call(action, demisto.args())))
    except ActionError as error:
        if command == "fetch-indicators":
            raise
        demisto.results({"Type": 4, "ContentsFormat": "text", "Contents": f"{error.code}: {error}"})


def fetch_indicators(client, settings):
    """Create indicators of what is new; the place is kept after each page, once the platform has it."""
    place = (demisto.getIntegrationContext() or {}).get("next")
    while True:
        page = client.call("list_notifications", {**asked(settings), "limit": PAGE, "next": place})["data"]
        found, passed_over = indicators(page["notifications"], settings)
        if found:
            demisto.createIndicators(found)
        if passed_over:
            demisto.info(f"IoC-Stream: no indicator can be made of the notifications {', '.join(passed_over)}")
        place = page["next"]
        demisto.setIntegrationContext({"next": place})
        if not page["more"]:
            return


def asked(settings):
    """What the instance's settings ask of every page."""
    return {"filter": settings.get("filter"), "since": settings.get("since")}


def indicators(notifications, settings):
    """Indicators, and the ids of notifications that have no observable."""
    found, passed_over = [], []
    tags = [tag.strip() for tag in (settings.get("feedTags") or "").split(",") if tag.strip()]
    for each in notifications:
        kind, value = OBSERVABLES.get(each["entity_type"]), each["entity_value"]
        if kind is None or value is None:
            passed_over.append(each["id"])
            continue
        kind = "IPv6" if kind == "IP" and ":" in value else kind
        fields = {"tags": tags + each["tags"] + each["rulesets"], "description": each["rule"] or ""}
        if settings.get("tlp_color"):
            fields["trafficlightprotocol"] = settings["tlp_color"]
        found.append(
            {"value": value, "type": kind, "rawJSON": {**each, "type": kind, "value": value}, "fields": fields}
        )
    return found, passed_over


def answered(action, envelope):
    """What an action answered, for the War Room and the context."""
    lines = [f"### {action}: {envelope['status']}", envelope["message"]]
    lines += [f"- **{error['code']}**: {error['cause']} {error['remedy']}" for error in envelope["errors"]]
    data = envelope["data"]
    rows = next(
        (value for value in data.values() if isinstance(value, list) and value and isinstance(value[0], dict)), []
    )
    name = "".join(part.capitalize() for part in action.split("_"))
    return entry("\n".join(lines) + "\n" + table(rows[:TEXT_LIMIT]), envelope, {f"IoCStream.{name}": data})


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


if __name__ in ("__main__", "__builtin__", "builtins"):
    main()
