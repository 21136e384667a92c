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
SEVERITIES = {"high": "high", "medium": "medium", "low": "low", "none": "low"}
WANTED = ("filter", "since", "minimum_score", "verdicts", "entity_types", "rules", "tags")
"""The settings of an asset that say what is ingested."""


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
        asked = {name: config.get(name) for name in WANTED}
        asked["muted"] = False
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
    bad = severity(notification)
    tags = list(dict.fromkeys([f"verdict_{notification['verdict']}", *notification["tags"]]))
    hashes, facts = notification["hashes"], notification["entity"]
    cef = {
        field: value,
        "fileHash": hashes["sha256"],
        "fileHashMd5": hashes["md5"],
        "fileHashSha1": hashes["sha1"],
        "fileName": facts["name"],
        "fileSize": facts["size"],
        "fileType": facts["file_type"],
        "deviceVendor": "VirusTotal",
        "deviceProduct": "IoC Stream",
        "externalId": notification["id"],
        "startTime": notification["date"],
        "severity": bad,
        "notificationId": notification["id"],
        "ruleName": notification["rule"],
        "rulesets": notification["rulesets"],
        "tags": notification["tags"],
        "link": notification["link"],
        "verdict": notification["verdict"],
        "threatScore": notification["score"],
        "threatSeverity": notification["severity"],
        "confidence": notification["confidence"],
        "threatLabel": notification["threat_label"],
        "malwareFamilies": notification["families"],
        "threatActors": notification["actors"],
        "detections": notification["malicious_engines"],
        "engines": notification["engines"],
        "firstSeen": notification["first_seen"],
        "lastSeen": notification["last_seen"],
    }
    types = {
        field: contains,
        "fileHash": ["sha256", "hash"],
        "fileHashMd5": ["md5", "hash"],
        "fileHashSha1": ["sha1", "hash"],
        "fileName": ["file name"],
        "link": ["url"],
        "notificationId": ["iocstream notification id"],
    }
    cef = {name: each for name, each in cef.items() if each not in (None, [])}
    return {
        "name": f"{matched}: {value}"[:255],
        "description": notification["unreadable"] or f"{matched} matched {value}, which is {notification['verdict']}",
        "source_data_identifier": notification["id"],
        "start_time": notification["date"],
        "severity": bad,
        "tags": tags,
        "data": notification,
        "artifacts": [
            {
                "name": "IoC-Stream notification",
                "label": "notification",
                "source_data_identifier": notification["id"],
                "severity": bad,
                "tags": tags,
                "cef": cef,
                "cef_types": {name: kinds for name, kinds in types.items() if name in cef},
                "run_automation": True,
            }
        ],
    }


def severity(notification):
    """One of the three severities that the platform comes with. A match alone is `low`, whatever VirusTotal's is."""
    if notification["verdict"] not in ("malicious", "suspicious"):
        return "low"
    unknown = "medium" if notification["verdict"] == "malicious" else "low"
    return SEVERITIES.get(notification["severity"], unknown)
