"""The app: each action of `iocstream serve`, and new notifications as containers."""

import ipaddress

import phantom.app as phantom
import requests
from iocstream_client import ActionError, Client
from phantom.action_result import ActionResult
from phantom.base_connector import BaseConnector

FIELDS = {
    "url": ("requestURL", ["url"]),
    "domain": ("destinationDnsDomain", ["domain"]),
}
HASHES = {
    32: ("fileHashMd5", ["md5", "hash"]),
    40: ("fileHashSha1", ["sha1", "hash"]),
    64: ("fileHashSha256", ["sha256", "hash"]),
}
"""Where a file is named, by how many characters its hash has."""
PAGE = 100
REST_SECONDS = 60
MOST_CONTAINERS = 100
"""Containers of one observable that are told that it is withdrawn, at most: the newest."""
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

        What has changed of an earlier one is an artifact of its container. "Poll now" asks for the newest and keeps no
        place.
        """
        config = self.get_config()
        asked = {name: config.get(name) for name in WANTED}
        asked.update(muted=False, changes=not self.is_poll_now())
        count = int(param.get("container_count") or PAGE)
        by_hand = self.is_poll_now()
        state = self.load_state() or {}
        client, saved = self._client(), 0
        place = None if by_hand else state.get("next")
        while saved < count:
            asked.update(limit=min(PAGE, count - saved), next=place, order="newest" if by_hand else "oldest")
            page = client.call("list_notifications", asked)["data"]
            for notification in page["notifications"]:
                done, message, count_saved = self._ingest(notification)
                if not done:
                    return result.set_status(phantom.APP_ERROR, f"a container could not be saved: {message}")
                saved += count_saved
            place = page["next"]
            if not by_hand:
                state["next"] = place
                self.save_state(state)
            if not page["more"]:
                break
        return result.set_status(phantom.APP_SUCCESS, f"{saved} notifications")

    def _ingest(self, notification):
        """Save a notification: whether that was done, why not, and how many containers there are of it."""
        containers = self._containers(notification) if notification["change"] else []
        if not containers:
            if notification["change"] == "withdrawn":
                return True, "", 0
            done, message, _ = self.save_container(container(notification))
            return done, message, 1
        for number in containers:
            told = {**artifact(notification), "container_id": number}
            done, message, _ = self.save_artifacts([told])
            if not done:
                return done, message, 0
            self._rest("post", f"container/{number}", json={"severity": told["severity"]})
        return True, "", len(containers)

    def _containers(self, notification):
        """The containers that an earlier state of a notification is in.

        If there is none of its own, those about the same observable, unless an analyst judged this notification.
        """
        asset, number = self.get_asset_id(), notification["id"]
        own = {"_filter_source_data_identifier": f'"{number}"', "_filter_asset": asset}
        found = [each["id"] for each in self._rest("get", "container", params=own)["data"]]
        value = notification["entity_value"]
        if found or notification["change"] != "withdrawn" or notification["judgement"] or not value:
            return found
        field, _ = named(notification)
        alike = {
            f"_filter_cef__{field}": f'"{value}"',
            "_filter_label": '"notification"',
            "_filter_container__asset": asset,
            "page_size": MOST_CONTAINERS,
            "sort": "id",
            "order": "desc",
        }
        rows = self._rest("get", "artifact", params=alike)["data"]
        return list(dict.fromkeys(row["container"] for row in rows))

    def _rest(self, method, path, **options):
        """Ask the platform itself, on this machine, where its certificate is its own."""
        url = f"{self._get_phantom_base_url().rstrip('/')}/rest/{path}"
        try:
            answer = requests.request(method, url, verify=False, timeout=REST_SECONDS, **options)  # noqa: S501  # nosemgrep
            answer.raise_for_status()
            return answer.json()
        except (requests.exceptions.RequestException, ValueError) as error:
            raise ActionError("unavailable", f"the platform's REST API cannot be asked for {path}: {error}") from None

    def _client(self):
        config = self.get_config()
        return Client(config.get("url"), config.get("token"), config.get("verify", True))


def named(notification):
    """The CEF field that names what a notification is about, and the types of what it contains."""
    kind, value = notification["entity_type"], notification["entity_value"] or ""
    if kind == "file":
        return HASHES.get(len(value), ("entityValue", []))
    if kind == "ip_address":
        try:
            return "destinationAddress", ["ipv6" if ipaddress.ip_address(value).version == 6 else "ip"]  # noqa: PLR2004
        except ValueError:  # a network
            return "destinationAddress", []
    return FIELDS.get(kind, ("entityValue", []))


def container(notification):
    """A notification as a container with one artifact; the platform keeps one for each `source_data_identifier`."""
    value = notification["entity_value"] or notification["id"]
    matched = matched_by(notification)
    return {
        "name": f"{matched}: {value}"[:255],
        "description": notification["unreadable"] or f"{matched} matched {value}, which is {notification['verdict']}",
        "source_data_identifier": notification["id"],
        "start_time": notification["date"],
        "severity": severity(notification),
        "tags": tags(notification),
        "data": notification,
        "artifacts": [artifact(notification)],
    }


def matched_by(notification):
    """What matched: the rule, or the rulesets or collections."""
    return notification["rule"] or ", ".join(notification["rulesets"]) or "IoC-Stream"


def tags(notification):
    """The verdict, what changed, and the notification's own."""
    change = [notification["change"]] if notification["change"] else []
    return list(dict.fromkeys([f"verdict_{notification['verdict']}", *change, *notification["tags"]]))


def artifact(notification):
    """A notification as an artifact; what is listed again is another one, once for each state."""
    field, contains = named(notification)
    value = notification["entity_value"] or notification["id"]
    bad = severity(notification)
    hashes, facts = notification["hashes"], notification["entity"]
    state = [notification[name] for name in ("change", "verdict", "score", "severity", "judgement", "guarded")]
    identifier = notification["id"]
    if notification["change"]:
        identifier = " ".join([identifier, *(str(each) for each in state if each is not None)])
    cef = {
        "fileHash": hashes["sha256"] or hashes["sha1"] or hashes["md5"],
        "fileHashMd5": hashes["md5"],
        "fileHashSha1": hashes["sha1"],
        "fileHashSha256": hashes["sha256"],
        field: value,
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
        "change": notification["change"],
        "judgement": notification["judgement"],
        "knownGoodList": notification["guarded"],
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
        "fileHash": ["hash"],
        "fileHashMd5": ["md5", "hash"],
        "fileHashSha1": ["sha1", "hash"],
        "fileHashSha256": ["sha256", "hash"],
        "fileName": ["file name"],
        "link": ["url"],
        "notificationId": ["iocstream notification id"],
        field: contains,
    }
    cef = {name: each for name, each in cef.items() if each not in (None, [])}
    return {
        "name": "IoC-Stream notification",
        "label": "notification",
        "source_data_identifier": identifier,
        "severity": bad,
        "tags": tags(notification),
        "cef": cef,
        "cef_types": {name: kinds for name, kinds in types.items() if name in cef and kinds},
        "run_automation": True,
    }


def severity(notification):
    """One of the three severities that the platform comes with. A match alone is `low`, whatever VirusTotal's is."""
    if notification["verdict"] not in ("malicious", "suspicious") or notification["change"] == "withdrawn":
        return "low"
    unknown = "medium" if notification["verdict"] == "malicious" else "low"
    return SEVERITIES.get(notification["severity"], unknown)
