"""The connector's description: its settings, and an operation for each action."""

from typing import Any

from connector.actions import ACTIONS, Action
from connector.packages import parameters
from connector.packages.rendering import PUBLISHER, SETTINGS, SUMMARY, TITLE
from connector.version import VERSION

NAME = "iocstream"
MINIMUM = "7.2.0"
"""The oldest version of FortiSOAR that the connector says it is for."""


def description() -> dict[str, Any]:
    """The connector's info.json."""
    return {
        "name": NAME,
        "label": TITLE,
        "description": SUMMARY,
        "publisher": PUBLISHER,
        "cs_approved": False,
        "cs_compatible": True,
        "version": VERSION,
        "category": "Threat Intelligence",
        "icon_small_name": "small.png",
        "icon_large_name": "large.png",
        "ingestion_supported": True,
        "ingestion_modes": ["scheduled"],
        "help_online": "",
        "configuration": {
            "fields": [
                _field("server_url", "Server URL", "text", SETTINGS["url"], required=True),
                _field("token", "Token", "password", SETTINGS["token"], required=True),
                _field("verify_ssl", "Verify SSL", "checkbox", SETTINGS["verify"], required=False, value=True),
            ]
        },
        "operations": [_operation(action) for action in ACTIONS.values()],
    }


def _operation(action: Action) -> dict[str, Any]:
    properties = action.result.model_json_schema(mode="serialization")["properties"]
    empty: dict[str, Any] = {"array": [], "object": {}}
    return {
        "operation": action.name,
        "title": action.name.replace("_", " ").title(),
        "description": f"{action.title}.",
        "category": "investigation" if action.scope == "read" else "miscellaneous",
        "annotation": action.name,
        "enabled": True,
        "parameters": [_parameter(each) for each in parameters.of(action)],
        "output_schema": {
            "action": "",
            "status": "",
            "message": "",
            "summary": {},
            "data": {name: empty.get(schema.get("type", ""), "") for name, schema in properties.items()},
            "errors": [{"code": "", "cause": "", "remedy": ""}],
        },
    }


def _parameter(parameter: parameters.Parameter) -> dict[str, Any]:
    kinds = {"integer": "integer", "boolean": "checkbox", "object": "json"}
    kind = "select" if parameter.options else kinds.get(parameter.kind, "text")
    made = _field(parameter.name, parameter.title, kind, parameter.text_description, required=parameter.required)
    if parameter.options:
        made["options"] = list(parameter.options)
    if parameter.default is not None:
        made["value"] = parameter.default
    return made


def _field(name: str, title: str, kind: str, meaning: str, *, required: bool, **more: Any) -> dict[str, Any]:
    return {
        "title": title,
        "name": name,
        "type": kind,
        "required": required,
        "editable": True,
        "visible": True,
        "description": meaning,
        "tooltip": meaning,
        **more,
    }
