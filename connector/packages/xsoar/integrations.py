"""The pack's two integrations: one has the commands and fetches incidents, the other is the feed of indicators.

The platform keeps fetching of incidents and of indicators apart, in integrations of their own.
"""

from typing import Any

from connector.actions import ACTIONS, Action
from connector.packages import parameters
from connector.packages.rendering import SETTINGS, SUMMARY, TITLE
from connector.packages.xsoar.incidents import CLASSIFIER, MAPPER

MINIMUM = "6.10.0"
"""The oldest version of Cortex XSOAR that the pack says it is for."""
CATEGORY = "Data Enrichment & Threat Intelligence"
INTEGRATION, FEED = "IoCStream", "FeedIoCStream"
_IMAGE = "demisto/python3:3.12.8.1983910"
_TEXT, _SHORT, _SWITCH, _CREDENTIALS, _INCIDENT_TYPE, _CHOICE, _CHOICES = 0, 1, 8, 9, 13, 15, 16
_EXPIRY, _REPUTATION, _INTERVAL = 17, 18, 19
"""The platform's numbers for the types of settings."""
_RELIABILITY = [
    "A - Completely reliable",
    "B - Usually reliable",
    "C - Fairly reliable",
    "D - Not usually reliable",
    "E - Unreliable",
    "F - Reliability cannot be judged",
]
_VERDICTS = ["malicious", "suspicious", "undetected", "benign", "unknown"]
_ENTITY_TYPES = ["file", "url", "domain", "ip_address"]

_SCORED = (
    ("DBotScore.Indicator", "String", "The indicator that was scored."),
    ("DBotScore.Type", "String", "The indicator's type."),
    ("DBotScore.Vendor", "String", "Who scored it."),
    ("DBotScore.Score", "Number", "3 malicious, 2 suspicious, 1 benign, 0 nothing known."),
    ("DBotScore.Reliability", "String", "Reliability of the source providing the intelligence data."),
    ("File.SHA256", "String", "SHA-256 of a file."),
    ("File.MD5", "String", "MD5 of a file."),
    ("File.SHA1", "String", "SHA-1 of a file."),
    ("URL.Data", "String", "The URL."),
    ("Domain.Name", "String", "The domain."),
    ("IP.Address", "String", "The IP address."),
)
"""What a command leaves in the context beside its answer, for the platform's own tasks."""


def integration(script: str) -> dict[str, Any]:
    """The integration of commands and incidents, with its script or the mark that it is in a file of its own."""
    return {
        **_described(INTEGRATION, TITLE, _connection() + _wanted() + _incidents()),
        "defaultclassifier": CLASSIFIER,
        "defaultmapperin": MAPPER,
        "script": _script(script, isfetch=True, commands=[_command(action) for action in ACTIONS.values()]),
    }


def feed(script: str) -> dict[str, Any]:
    """The integration that is the feed, likewise."""
    return {
        **_described(FEED, f"{TITLE} Feed", _connection() + _wanted() + _indicators()),
        "script": _script(script, feed=True, commands=[_get_indicators()]),
    }


def _described(name: str, display: str, configuration: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "category": CATEGORY,
        "commonfields": {"id": name, "version": -1},
        "name": name,
        "display": display,
        "description": SUMMARY,
        "sectionorder": ["Connect", "Collect"],
        "configuration": configuration,
        "fromversion": MINIMUM,
        "tests": ["No tests (auto formatted)"],
    }


def _script(script: str, **more: Any) -> dict[str, Any]:
    return {
        "dockerimage": _IMAGE,
        "runonce": False,
        "script": script,
        "subtype": "python3",
        "type": "python",
        **more,
    }


def _connection() -> list[dict[str, Any]]:
    fields = [
        _field("url", _TEXT, "Server URL", required=True, additionalinfo=SETTINGS["url"]),
        _field(
            "credentials", _CREDENTIALS, "", required=True, displaypassword="Token", hiddenusername=True,
            additionalinfo=SETTINGS["token"],
        ),
        _field("insecure", _SWITCH, "Trust any certificate (not secure)"),
        _field("proxy", _SWITCH, "Use system proxy settings"),
    ]  # fmt: skip
    return [each | {"section": "Connect"} for each in fields]


def _wanted() -> list[dict[str, Any]]:
    """Which notifications are fetched: what `list_notifications` takes."""
    fields = [
        _field("since", _TEXT, "Raised since", additionalinfo="A date or time (RFC 3339); empty: all in the journal"),
        _field("minimum_score", _TEXT, "Minimum score", defaultvalue="0",
               additionalinfo="Only what has at least this threat score, from 0 to 100."),
        _field("verdicts", _CHOICES, "Verdicts", options=_VERDICTS, additionalinfo="Empty: all verdicts."),
        _field("entity_types", _CHOICES, "Entity types", options=_ENTITY_TYPES, additionalinfo="Empty: all types."),
        _field("rules", _TEXT, "Rules", additionalinfo="Names of YARA rules or rulesets, separated by commas."),
        _field("tags", _TEXT, "Notification tags", additionalinfo="Any of these, separated by commas."),
        _field("filter", _TEXT, "Filter", additionalinfo="VirusTotal's terms, such as origin:hunting entity_type:file"),
    ]  # fmt: skip
    return [each | {"section": "Collect"} for each in fields]


def _incidents() -> list[dict[str, Any]]:
    fields = [
        _field("isFetch", _SWITCH, "Fetch incidents"),
        _field("incidentType", _INCIDENT_TYPE, "Incident type"),
        _field("max_fetch", _TEXT, "Notifications per fetch", defaultvalue="200",
               additionalinfo="How many notifications at most become incidents at once; one incident for each rule."),
        _field("incidentFetchInterval", _INTERVAL, "Incidents Fetch Interval", defaultvalue="5"),
        _field("integrationReliability", _CHOICE, "Source Reliability", defaultvalue=_RELIABILITY[1],
               options=_RELIABILITY, additionalinfo="Reliability of the source providing the intelligence data."),
    ]  # fmt: skip
    return [each | {"section": "Collect"} for each in fields]


def _indicators() -> list[dict[str, Any]]:
    fields = [
        _field("feed", _SWITCH, "Fetch indicators", defaultvalue="true"),
        _field(
            "feedReputation", _REPUTATION, "Indicator Reputation", defaultvalue="None",
            options=["None", "Good", "Suspicious", "Bad"],
            additionalinfo="Indicators from this integration instance will be marked with this reputation. None: with"
            " that of VirusTotal's verdict, as it should be.",
        ),
        _field("feedReliability", _CHOICE, "Source Reliability", required=True, defaultvalue=_RELIABILITY[1],
               options=_RELIABILITY, additionalinfo="Reliability of the source providing the intelligence data."),
        _field("tlp_color", _CHOICE, "Traffic Light Protocol Color", options=["RED", "AMBER", "GREEN", "WHITE"],
               additionalinfo="The Traffic Light Protocol (TLP) designation of indicators from the feed."),
        _field("create_relationships", _SWITCH, "Create relationships", defaultvalue="true",
               additionalinfo="Whether indicators are related to their malware families and threat actors."),
        # Without it the platform takes what was not fetched this time for gone, and lets it expire.
        _field("feedIncremental", _SWITCH, "Incremental feed", defaultvalue="true", hidden=True,
               additionalinfo="Only what is new or has changed is fetched."),
        _field("feedExpirationPolicy", _EXPIRY, "", defaultvalue="indicatorType",
               options=["never", "interval", "indicatorType", "suddenDeath"]),
        _field("feedExpirationInterval", _SHORT, "", defaultvalue="20160"),
        _field("feedFetchInterval", _INTERVAL, "Feed Fetch Interval", defaultvalue="15"),
        _field("feedTags", _TEXT, "Tags", additionalinfo="Supports CSV values."),
        _field("feedBypassExclusionList", _SWITCH, "Bypass exclusion list",
               additionalinfo="Whether the exclusion list is passed over for indicators of this feed."),
    ]  # fmt: skip
    return [each | {"section": "Collect"} for each in fields]


def _field(name: str, kind: int, display: str, *, required: bool = False, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "display": display, "required": required, **more}


def _command(action: Action) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": f"iocstream-{action.name.replace('_', '-')}",
        "description": f"{action.title}.",
        "arguments": [_argument(each) for each in parameters.of(action)],
        "outputs": _outputs(action),
    }
    if action.scope == "admin":
        made["execution"] = True  # what cannot be taken back asks for a person
    return made


def _argument(parameter: parameters.Parameter) -> dict[str, Any]:
    made: dict[str, Any] = {"name": parameter.name, "description": parameter.description}
    if parameter.required:
        made["required"] = True
    if parameter.kind == "array":
        made["isArray"] = True
    options = parameter.options or (("true", "false") if parameter.kind == "boolean" else ())
    if options:
        made |= {"auto": "PREDEFINED", "predefined": list(options)}
    if parameter.default is not None:
        made["defaultValue"] = str(parameter.default).lower() if parameter.kind == "boolean" else str(parameter.default)
    return made


def _outputs(action: Action) -> list[dict[str, Any]]:
    prefix = f"{INTEGRATION}.{''.join(part.capitalize() for part in action.name.split('_'))}"
    kinds = {"string": "String", "boolean": "Boolean", "integer": "Number", "number": "Number"}
    reputation = {"list_notifications": _SCORED, "get_notification": _SCORED}.get(action.name, ())
    return [
        *(
            {
                "contextPath": f"{prefix}.{name}",
                "description": " ".join(schema.get("description", schema.get("title", name)).split()),
                "type": kinds.get(schema.get("type", ""), "Unknown"),
            }
            for name, schema in action.result.model_json_schema(mode="serialization")["properties"].items()
        ),
        *({"contextPath": path, "description": meaning, "type": kind} for path, kind, meaning in reputation),
    ]


def _get_indicators() -> dict[str, Any]:
    limit = {"name": "limit", "description": "How many at most.", "defaultValue": "20"}
    return {
        "name": "iocstream-get-indicators",
        "description": "Show the newest indicators, as the feed would fetch them.",
        "arguments": [limit],
    }
