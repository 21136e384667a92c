"""Shuffle: an app whose methods are the server's actions."""

import base64
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
    picture,
    readme,
    template,
    yaml_bytes,
)
from connector.version import VERSION

MINIMUM = "1.4.0"
"""The oldest version of Shuffle whose apps use shuffle_sdk."""


def package() -> Package:
    """The app as a folder, in one of its version as Shuffle wants it."""
    code = template("shuffle/app.py").decode().replace("VERSION", VERSION)
    methods = "\n".join(_method(action) for action in ACTIONS.values())
    files = {
        "api.yaml": yaml_bytes(description()),
        "Dockerfile": template("shuffle/Dockerfile"),
        "requirements.txt": b"requests>=2.31\nshuffle_sdk\n",
        "src/app.py": code.replace("    # methods\n", methods).encode(),
        "src/iocstream_client.py": client(),
        "README.md": readme("shuffle/README.md"),
    }
    return Package({f"iocstream/{VERSION}/{name}": content for name, content in files.items()})


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
        "actions": [_action(action) for action in ACTIONS.values()],
        "large_image": "data:image/png;base64," + base64.b64encode(picture(100, 100)).decode(),
    }


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


def _method(action: Action) -> str:
    named = [each.name for each in parameters.of(action)]
    taken = ", ".join(["self", "url", "token", 'verify="true"', *(f'{name}=""' for name in named)])
    given = ", ".join(f'"{name}": {name}' for name in named)
    return (
        f"    def {action.name}({taken}):\n"
        f'        """{action.title}."""\n'
        f'        return self._called("{action.name}", url, token, verify, {{{given}}})\n'
    )
