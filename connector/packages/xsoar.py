"""Cortex XSOAR: a pack whose one integration has a command for each action, and is a feed of indicators."""

import base64
from typing import Any

from connector.actions import ACTIONS, Action
from connector.packages import parameters
from connector.packages.package import Package, zipped
from connector.packages.rendering import (
    PUBLISHER,
    SETTINGS,
    SUMMARY,
    TITLE,
    client,
    json_bytes,
    picture,
    readme,
    template,
    yaml_bytes,
)
from connector.version import VERSION

MINIMUM = "6.10.0"
"""The oldest version of Cortex XSOAR that the pack says it is for."""
_ID = "IoCStream"
_CATEGORY = "Data Enrichment & Threat Intelligence"
_IMAGE = "demisto/python3:3.12.8.1983910"
_TEXT, _SHORT, _SWITCH, _CREDENTIALS, _CHOICE, _EXPIRY, _REPUTATION, _INTERVAL = 0, 1, 8, 9, 15, 17, 18, 19
"""The platform's numbers for the types of settings."""
_IMPORT = b"import demistomock as demisto\n"


def package() -> Package:
    """The pack as in Cortex's content repository; the integration as one file to upload, and the pack as an archive."""
    folder = f"Packs/{_ID}/Integrations/{_ID}"
    code = client() + b"\n\n" + template("xsoar/IoCStream.py")
    readme_bytes = readme("xsoar/README.md")
    description = (
        f"{SUMMARY}\n\nMake a token with `iocstream token xsoar --scope act` on the connector's host.\n".encode()
    )
    picture_bytes = picture(120, 50)
    pack = {
        f"Packs/{_ID}/pack_metadata.json": json_bytes(_metadata()),
        f"Packs/{_ID}/README.md": readme_bytes,
        f"Packs/{_ID}/.pack-ignore": b"",
        f"Packs/{_ID}/.secrets-ignore": b"",
        f"{folder}/{_ID}.yml": yaml_bytes(integration("-")),
        f"{folder}/{_ID}.py": _IMPORT + b"\n" + code,
        f"{folder}/{_ID}_description.md": description,
        f"{folder}/{_ID}_image.png": picture_bytes,
        f"{folder}/README.md": readme_bytes,
    }
    unified = integration(code.decode()) | {
        "image": _data_uri(picture_bytes),
        "detaileddescription": description.decode(),
    }
    return Package({**pack, f"integration-{_ID}.yml": yaml_bytes(unified)}, {f"{_ID}.zip": zipped(pack)})


def integration(script: str) -> dict[str, Any]:
    """The integration, with its script or the mark that it is in a file of its own."""
    return {
        "category": _CATEGORY,
        "commonfields": {"id": _ID, "version": -1},
        "name": _ID,
        "display": TITLE,
        "description": SUMMARY,
        "sectionorder": ["Connect", "Collect"],
        "configuration": _configuration(),
        "script": {
            "commands": [_command(action) for action in ACTIONS.values()] + [_get_indicators()],
            "dockerimage": _IMAGE,
            "feed": True,
            "runonce": False,
            "script": script,
            "subtype": "python3",
            "type": "python",
        },
        "fromversion": MINIMUM,
        "tests": ["No tests (auto formatted)"],
    }


def _metadata() -> dict[str, Any]:
    return {
        "name": TITLE,
        "description": SUMMARY,
        "support": "community",
        "currentVersion": VERSION,
        "author": PUBLISHER,
        "url": "",
        "email": "",
        "categories": [_CATEGORY],
        "tags": ["TIM"],
        "useCases": [],
        "keywords": ["VirusTotal", "Google Threat Intelligence", "IoC Stream"],
        "marketplaces": ["xsoar", "marketplacev2"],
    }


def _configuration() -> list[dict[str, Any]]:
    reliability = [
        "A - Completely reliable",
        "B - Usually reliable",
        "C - Fairly reliable",
        "D - Not usually reliable",
        "E - Unreliable",
        "F - Reliability cannot be judged",
    ]
    connect = [
        _field("url", _TEXT, "Server URL", required=True, additionalinfo=SETTINGS["url"]),
        _field(
            "credentials", _CREDENTIALS, "", required=True, displaypassword="Token", hiddenusername=True,
            additionalinfo=SETTINGS["token"],
        ),
        _field("insecure", _SWITCH, "Trust any certificate (not secure)"),
        _field("proxy", _SWITCH, "Use system proxy settings"),
    ]  # fmt: skip
    collect = [
        _field("feed", _SWITCH, "Fetch indicators", defaultvalue="true"),
        _field("filter", _TEXT, "Filter", additionalinfo="VirusTotal's terms, such as origin:hunting entity_type:file"),
        _field("since", _TEXT, "Raised since", additionalinfo="A date or time (RFC 3339); empty: all in the journal"),
        _field(
            "feedReputation", _REPUTATION, "Indicator Reputation", defaultvalue="None",
            options=["None", "Good", "Suspicious", "Bad"], additionalinfo="A match is no verdict.",
        ),
        _field("feedReliability", _CHOICE, "Source Reliability", required=True, defaultvalue=reliability[2],
               options=reliability),
        _field("tlp_color", _CHOICE, "Traffic Light Protocol Color", options=["RED", "AMBER", "GREEN", "WHITE"]),
        _field("feedExpirationPolicy", _EXPIRY, "", defaultvalue="indicatorType",
               options=["never", "interval", "indicatorType", "suddenDeath"]),
        _field("feedExpirationInterval", _SHORT, "", defaultvalue="20160"),
        _field("feedFetchInterval", _INTERVAL, "Feed Fetch Interval", defaultvalue="15"),
        _field("feedTags", _TEXT, "Tags", additionalinfo="Supports CSV values."),
        _field("feedBypassExclusionList", _SWITCH, "Bypass exclusion list",
               additionalinfo="Whether the exclusion list is passed over for indicators of this feed."),
    ]  # fmt: skip
    return [each | {"section": "Connect"} for each in connect] + [each | {"section": "Collect"} for each in collect]


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
    prefix = f"{_ID}.{''.join(part.capitalize() for part in action.name.split('_'))}"
    kinds = {"string": "String", "boolean": "Boolean", "integer": "Number", "number": "Number"}
    return [
        {
            "contextPath": f"{prefix}.{name}",
            "description": " ".join(schema.get("description", schema.get("title", name)).split()),
            "type": kinds.get(schema.get("type", ""), "Unknown"),
        }
        for name, schema in action.result.model_json_schema(mode="serialization")["properties"].items()
    ]


def _get_indicators() -> dict[str, Any]:
    limit = {"name": "limit", "description": "How many at most.", "defaultValue": "20"}
    return {
        "name": "iocstream-get-indicators",
        "description": "Show the newest indicators, as the feed would fetch them.",
        "arguments": [limit],
    }


def _data_uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()
