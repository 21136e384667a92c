"""StackStorm: a pack with an action for each of the server's, a sensor of new notifications, and rules for them."""

from typing import Any

from connector.actions import ACTIONS, Action
from connector.actions.notification_brief import NotificationResult
from connector.packages import parameters
from connector.packages.package import Package
from connector.packages.rendering import (
    PUBLISHER,
    SETTINGS,
    SUMMARY,
    client,
    picture,
    readme,
    template,
    yaml_bytes,
)
from connector.version import VERSION

MINIMUM = "3.7.0"
"""The oldest version of StackStorm that the pack says it is for."""


def package() -> Package:
    """The pack as a folder."""
    files = {
        "pack.yaml": yaml_bytes(_pack()),
        "config.schema.yaml": yaml_bytes(_configuration()),
        "iocstream.yaml.example": yaml_bytes({"url": "https://iocstream.example:8640", "token": "", "verify": True}),
        "icon.png": picture(64, 64),
        "requirements.txt": b"requests>=2.25\n",
        "README.md": readme("stackstorm/README.md"),
        "actions/run_action.py": template("stackstorm/run_action.py"),
        "actions/iocstream_client.py": client(),
        "sensors/notification_sensor.py": template("stackstorm/notification_sensor.py"),
        "sensors/notification_sensor.yaml": yaml_bytes(_sensor()),
        "rules/deliver_malicious.yaml": yaml_bytes(_rule()),
    }
    for action in ACTIONS.values():
        files[f"actions/{action.name}.yaml"] = yaml_bytes(_action(action))
    return Package({f"iocstream/{name}": content for name, content in files.items()})


def _pack() -> dict[str, Any]:
    return {
        "ref": "iocstream",
        "name": "iocstream",
        "description": SUMMARY,
        "keywords": ["virustotal", "google threat intelligence", "threat intelligence", "stix", "cef"],
        "version": VERSION,
        "stackstorm_version": f">={MINIMUM}",
        "python_versions": ["3"],
        "author": PUBLISHER,
    }


def _configuration() -> dict[str, Any]:
    return {
        "url": {"type": "string", "required": True, "description": SETTINGS["url"]},
        "token": {"type": "string", "required": True, "secret": True, "description": SETTINGS["token"]},
        "verify": {"type": "boolean", "default": True, "description": SETTINGS["verify"]},
        "minimum_score": {
            "type": "integer",
            "description": "The sensor dispatches only what has at least this threat score, from 0 to 100.",
        },
        "verdicts": _list("The sensor dispatches only these: malicious, suspicious, undetected, benign, unknown."),
        "entity_types": _list("The sensor dispatches only these: file, url, domain, ip_address."),
        "rules": _list("The sensor dispatches only what one of these YARA rules or rulesets matched."),
        "tags": _list("The sensor dispatches only what has one of these tags."),
        "since": {"type": "string", "description": "The sensor dispatches what was raised since this date or time."},
        "filter": {"type": "string", "description": "What the sensor dispatches, in VirusTotal's terms."},
    }


def _list(meaning: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": meaning}


def _action(action: Action) -> dict[str, Any]:
    which = {"type": "string", "immutable": True, "default": action.name, "description": "The action of the server."}
    return {
        "name": action.name,
        "description": action.title,
        "runner_type": "python-script",
        "entry_point": "run_action.py",
        "enabled": True,
        "parameters": {"iocstream_action": which, **{each.name: _parameter(each) for each in parameters.of(action)}},
    }


def _parameter(parameter: parameters.Parameter) -> dict[str, Any]:
    made: dict[str, Any] = {"type": parameter.kind, "description": parameter.description}
    if parameter.kind == "array":
        made["items"] = {"type": parameter.items}
    if parameter.required:
        made["required"] = True
    if parameter.options:
        made["enum"] = list(parameter.options)
    if parameter.default is not None:
        made["default"] = parameter.default
    return made


def _sensor() -> dict[str, Any]:
    return {
        "class_name": "NotificationSensor",
        "entry_point": "notification_sensor.py",
        "description": "New notifications of the IoC Stream.",
        "poll_interval": 60,
        "trigger_types": [
            {
                "name": "notification",
                "pack": "iocstream",
                "description": "A notification, as list_notifications gives it; `change` says why it comes again.",
                "payload_schema": {"type": "object", "properties": _payload()},
            }
        ],
    }


def _payload() -> dict[str, Any]:
    """What a rule may name of the trigger: the fields of a notification, each with its type."""
    properties = NotificationResult.model_json_schema(mode="serialization")["properties"]
    return {
        name: {"type": [kind, "null"]} if (kind := _kind(schema)) in ("string", "integer") else {"type": kind}
        for name, schema in properties.items()
        if name != "body"
    }


def _kind(schema: dict[str, Any]) -> str:
    kinds = [schema, *schema.get("anyOf", ())]
    return next((each["type"] for each in kinds if each.get("type", "null") != "null"), "object")


def _rule() -> dict[str, Any]:
    """What has a malicious verdict goes on to a route, which the datastore names; not before somebody enables it."""
    return {
        "name": "deliver_malicious",
        "pack": "iocstream",
        "description": "Delivers malicious matches on the route that st2kv.system.iocstream_route names.",
        "enabled": False,
        "trigger": {"type": "iocstream.notification"},
        "criteria": {"trigger.verdict": {"type": "equals", "pattern": "malicious"}},
        "action": {
            "ref": "iocstream.push_notification",
            "parameters": {"id": "{{ trigger.id }}", "route": "{{ st2kv.system.iocstream_route }}"},
        },
    }
