"""Shuffle: an app whose methods are the server's actions, and a workflow that a schedule triggers.

Two methods of the app's own read what is new from where a workflow was, and keep that place once the workflow is done.
"""

import base64
import uuid
from typing import Any

from connector.actions import ACTIONS, Action
from connector.packages import parameters
from connector.packages.package import Package
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

MINIMUM = "1.4.0"
"""The oldest version of Shuffle whose apps use shuffle_sdk."""
NEW, KEEP = "new_notifications", "keep_place"
"""The app's own methods."""
_OWN = ("where", "next", "order", "muted", "changes")
"""Parameters that the first of them fills in itself."""


def package() -> Package:
    """The app as a folder, in one of its version as Shuffle wants it; and a workflow to import."""
    code = template("shuffle/app.py").decode().replace("VERSION", VERSION)
    methods = "\n".join(_method(each["name"], each["description"], _taken(each)) for each in _actions())
    files = {
        "api.yaml": yaml_bytes(description()),
        "Dockerfile": template("shuffle/Dockerfile"),
        "requirements.txt": b"requests>=2.31\nshuffle_sdk\n",
        "src/app.py": code.replace("    # methods\n", methods).encode(),
        "src/iocstream_client.py": client(),
        "README.md": readme("shuffle/README.md"),
    }
    app = {f"iocstream/{VERSION}/{name}": content for name, content in files.items()}
    return Package({**app, "workflow-new-notifications.json": json_bytes(workflow())})


def description() -> dict[str, Any]:
    """The app's API."""
    return {
        "walkoff_version": "1.0.0",
        "app_version": VERSION,
        "name": TITLE,
        "description": SUMMARY,
        "tags": ["Threat Intelligence", "VirusTotal"],
        "categories": ["Intel"],
        "contact_info": {"name": PUBLISHER, "url": "", "email": ""},
        "authentication": {
            "required": True,
            "parameters": [
                _field("url", SETTINGS["url"], required=True, example="https://iocstream.example:8640"),
                _field("token", SETTINGS["token"], required=True, example="*****"),
                _field("verify", SETTINGS["verify"], required=False, example="true", options=["true", "false"]),
            ],
        },
        "actions": _actions(),
        "large_image": "data:image/png;base64," + base64.b64encode(picture(100, 100)).decode(),
    }


def workflow() -> dict[str, Any]:
    """A workflow that a schedule triggers: it reads what is new, and keeps the place; what is done goes in between."""
    trigger, read, keep = (_identifier(name) for name in ("schedule", NEW, KEEP))
    return {
        "id": _identifier("workflow"),
        "name": "IoC-Stream: new notifications",
        "description": "Put what is to be done between new_notifications and keep_place.",
        "is_valid": True,
        "sharing": "private",
        "start": read,
        "triggers": [_schedule(trigger)],
        "actions": [
            _step(read, NEW, {"limit": "100"}, x=0, is_start=True),
            _step(keep, KEEP, {"next": f"${NEW}.data.next"}, x=400, is_start=False),
        ],
        "branches": [_branch(trigger, read), _branch(read, keep)],
        "configuration": {"exit_on_error": True, "start_from_top": False},
        "workflow_variables": [],
        "execution_variables": [],
        "tags": ["iocstream"],
    }


def _schedule(identifier: str) -> dict[str, Any]:
    values = {"cron": "*/5 * * * *", "execution_argument": "{}"}
    return {
        "id": identifier,
        "app_name": "Schedule",
        "app_version": "1.0.0",
        "name": "Schedule",
        "label": "every_five_minutes",
        "trigger_type": "SCHEDULE",
        "type": "TRIGGER",
        "status": "uninitialized",
        "environment": "onprem",
        "is_valid": True,
        "isStartNode": False,
        "position": {"x": -400, "y": 0},
        "parameters": [{"name": name, "value": value} for name, value in values.items()],
    }


def _step(identifier: str, name: str, values: dict[str, str], *, x: int, is_start: bool) -> dict[str, Any]:
    known = next(each for each in _actions() if each["name"] == name)
    return {
        "id": identifier,
        "app_name": TITLE,
        "app_version": VERSION,
        "name": name,
        "label": name,
        "environment": "Shuffle",
        "is_valid": True,
        "isStartNode": is_start,
        "position": {"x": x, "y": 0},
        "parameters": [
            each | {"value": values.get(each["name"], ""), "variant": "STATIC_VALUE"} for each in known["parameters"]
        ],
    }


def _branch(source: str, destination: str) -> dict[str, Any]:
    identifier = _identifier(source + destination)
    return {"id": identifier, "source_id": source, "destination_id": destination, "conditions": [], "has_errors": False}


def _identifier(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:iocstream-connector:shuffle:{name}"))


def _actions() -> list[dict[str, Any]]:
    """The server's actions, and the app's own two."""
    listing = ACTIONS["list_notifications"]
    wanted = [each for each in parameters.of(listing) if each.name not in _OWN]
    place = _field("next", "The `data.next` of new_notifications.", required=True, example=f"${NEW}.data.next")
    own = [
        {
            "name": NEW,
            "description": "List what is new or changed since the place that keep_place kept for this workflow",
            "parameters": [_parameter(each) for each in wanted],
        },
        {
            "name": KEEP,
            "description": "Keep the place from which new_notifications of this workflow goes on",
            "parameters": [place],
        },
    ]
    returned = {"returns": {"schema": {"type": "string"}}}
    return [*(_action(action) for action in ACTIONS.values()), *(each | returned for each in own)]


def _action(action: Action) -> dict[str, Any]:
    return {
        "name": action.name,
        "description": action.title,
        "parameters": [_parameter(each) for each in parameters.of(action)],
        "returns": {"schema": {"type": "string"}},
    }


def _parameter(parameter: parameters.Parameter) -> dict[str, Any]:
    options = parameter.options or (("true", "false") if parameter.kind == "boolean" else ())
    default = "" if parameter.default is None else str(parameter.default)
    made = _field(
        parameter.name,
        parameter.description,
        required=parameter.required,
        example=default.lower() if parameter.kind == "boolean" else default,
        **({"options": list(options)} if options else {}),
    )
    return made | {"multiline": parameter.kind == "object"}


def _field(name: str, description: str, *, required: bool, example: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "required": required,
        "multiline": False,
        "example": example,
        **more,
        "schema": {"type": "string"},
    }


def _taken(action: dict[str, Any]) -> list[str]:
    return [each["name"] for each in action["parameters"]]


def _method(name: str, description: str, named: list[str]) -> str:
    taken = ", ".join(["self", "url", "token", 'verify="true"', *(f'{each}=""' for each in named)])
    given = ", ".join(f'"{each}": {each}' for each in named)
    return (
        f"    def {name}({taken}):\n"
        f'        """{description}."""\n'
        f'        return self._called("{name}", url, token, verify, {{{given}}})\n'
    )
