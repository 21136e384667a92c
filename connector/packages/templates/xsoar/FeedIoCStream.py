"""The feed: what is new in the connector's journal becomes indicators."""

PAGE = 500


def main():
    """Do what the platform asks."""
    command = demisto.command()
    settings = demisto.params()
    try:
        client = connected(settings)
        if command == "test-module":
            client.call("list_notifications", {**asked(settings), "limit": 1})
            demisto.results("ok")
        elif command == "fetch-indicators":
            fetch_indicators(client, settings)
        elif command == "iocstream-get-indicators":
            limit = demisto.args().get("limit") or TEXT_LIMIT
            page = client.call("list_notifications", {**asked(settings), "order": "newest", "limit": limit})
            found, _ = indicators(page["data"]["notifications"], settings)
            rows = [{name: each[name] for name in ("value", "type", "score")} for each in found]
            demisto.results(entry(table(rows), found, {}))
    except ActionError as error:
        if command == "fetch-indicators":
            raise
        demisto.results(fault(error))


def fetch_indicators(client, settings):
    """Create indicators of what is new or changed; the place is kept after each page, once the platform has it.

    What is withdrawn lowers the reputation of indicators that the platform has.
    """
    place = (demisto.getIntegrationContext() or {}).get("next")
    while True:
        given = {**asked(settings), "muted": False, "changes": True, "limit": PAGE, "next": place}
        page = client.call("list_notifications", given)["data"]
        found, passed_over = indicators(page["notifications"], settings)
        if found:
            demisto.createIndicators(found)
        if passed_over:
            demisto.info(f"IoC-Stream: no indicator can be made of the notifications {', '.join(passed_over)}")
        place = page["next"]
        demisto.setIntegrationContext({"next": place})
        if not page["more"]:
            return


def indicators(notifications, settings):
    """Indicators, and the ids of notifications that have no observable."""
    wanted = [each for each in notifications if each["change"] != "withdrawn" or lowers(each)]
    made = [(each["id"], indicator(each, settings)) for each in wanted]
    return [each for _, each in made if each is not None], [number for number, each in made if each is None]


def lowers(notification):
    """Whether what is withdrawn is an indicator that the platform has, and that nothing else upholds."""
    value = notification["entity_value"]
    if not value or notification["upheld_by"]:
        return False
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return bool((demisto.searchIndicators(query=f'value:"{quoted}"', size=1) or {}).get("iocs"))


if __name__ in ("__main__", "__builtin__", "builtins"):
    main()
