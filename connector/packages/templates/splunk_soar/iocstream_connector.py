"""The app: each action of `iocstream serve`, and new notifications as containers."""

import phantom.app as phantom
from iocstream_client import ActionError, Client
from phantom.action_result import ActionResult
from phantom.base_connector import BaseConnector

FIELDS = {
    "file": ("fileHashSha256", ["sha256", "hash"]),
    "url": ("requestURL", ["url"]),
    "domain": ("destinationDnsDomain", ["domain"]),
    "ip_address": ("destinationAddress", ["ip"]),
}
PAGE = 100


class IocstreamConnector(BaseConnector):
    """Every action of the app's JSON is an action of the server, but for `on_poll`."""

    def handle_action(self, param):
        """Do one action; the platform calls this for each set of parameters."""
        result = self.add_action_result(ActionResult(dict(param)))
        action = self.get_action_identifier()
        try:
            if action == "on_poll":
                return self._on_poll(result, param)
            given = {name: value for name, value in param.items() if name != "context"}
            envelope = self._client().call(action, given)
        except ActionError as error:
            self.save_progress(str(error).replace("{", "{{").replace("}", "}}"))
            return result.set_status(phantom.APP_ERROR, f"{error.code}: {error}")
        result.add_data(envelope["data"])
        result.set_summary(envelope["summary"])
        faults = [f"{fault['code']}: {fault['cause']} {fault['remedy']}" for fault in envelope["errors"]]
        done = phantom.APP_ERROR if faults else phantom.APP_SUCCESS
        return result.set_status(done, "; ".join([envelope["message"], *faults]))

    def _on_poll(self, result, param):
        """A container for each notification. The place is kept once the platform has all of a page.

        "Poll now" asks for the newest and keeps no place.
        """
        config = self.get_config()
        asked = {"filter": config.get("filter"), "since": config.get("since")}
        count = int(param.get("container_count") or PAGE)
        by_hand = self.is_poll_now()
        state = self.load_state() or {}
        client, saved = self._client(), 0
        place = None if by_hand else state.get("next")
        while saved < count:
            asked.update(limit=min(PAGE, count - saved), next=place, order="newest" if by_hand else "oldest")
            page = client.call("list_notifications", asked)["data"]
            for notification in page["notifications"]:
                done, message, _ = self.save_container(container(notification))
                if not done:
                    return result.set_status(phantom.APP_ERROR, f"a container could not be saved: {message}")
                saved += 1
            place = page["next"]
            if not by_hand:
                state["next"] = place
                self.save_state(state)
            if not page["more"]:
                break
        return result.set_status(phantom.APP_SUCCESS, f"{saved} notifications")

    def _client(self):
        config = self.get_config()
        return Client(config.get("url"), config.get("token"), config.get("verify", True))


def container(notification):
    """A notification as a container with one artifact; the platform keeps one for each `source_data_identifier`."""
    field, contains = FIELDS.get(notification["entity_type"], ("entityValue", []))
    value = notification["entity_value"] or notification["id"]
    matched = notification["rule"] or ", ".join(notification["rulesets"]) or "IoC-Stream"
    cef = {
        field: value,
        "deviceVendor": "VirusTotal",
        "deviceProduct": "IoC Stream",
        "externalId": notification["id"],
        "startTime": notification["date"],
        "notificationId": notification["id"],
        "ruleName": notification["rule"],
        "rulesets": notification["rulesets"],
        "tags": notification["tags"],
        "link": notification["link"],
    }
    return {
        "name": f"{matched}: {value}"[:255],
        "description": notification["unreadable"] or f"{matched} matched {value}",
        "source_data_identifier": notification["id"],
        "start_time": notification["date"],
        "data": notification,
        "artifacts": [
            {
                "name": "IoC-Stream notification",
                "label": "notification",
                "source_data_identifier": notification["id"],
                "cef": {name: each for name, each in cef.items() if each not in (None, [])},
                "cef_types": {field: contains, "notificationId": ["iocstream notification id"]},
                "run_automation": True,
            }
        ],
    }
