"""`manifest.json`: what this product is and can do, told from the code so that it is true."""

import importlib.metadata
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr

from connector import app
from connector.actions import ACTIONS, Action
from connector.app import Config, RouteSettings
from connector.formats.stix.format import Producer
from connector.mapping import files
from connector.packages.rendering import SETTINGS
from connector.packages.targets import TARGETS
from connector.settings import config
from connector.settings.config import Settings

FEEDS = [
    {
        "name": "notifications",
        "description": "Every notification of the journal, once. The `next` of each answer says where to go on.",
        "action": "list_notifications",
        "cursor": "next",
    },
    {
        "name": "poll",
        "description": "Fetches what is new and delivers it on every route: for platforms that only poll.",
        "action": "poll",
        "cursor": None,
    },
    {
        "name": "taxii",
        "description": "STIX 2.1 objects over TAXII 2.1, from the collections that routes fill.",
        "path": "/taxii2/",
        "cursor": "added_after",
    },
]
"""What platforms read again and again, and how they go on where they were."""


def manifest() -> dict[str, Any]:
    """Identity, capabilities, and the configuration with its secrets marked."""
    metadata = importlib.metadata.metadata("iocstream-connector")
    return {
        "name": metadata["Name"],
        "title": "IoC-Stream Connector",
        "version": metadata["Version"],
        "description": metadata["Summary"],
        "licence": metadata["License-Expression"],
        "requires": {"python": metadata["Requires-Python"]},
        "platforms": [
            {"target": name, "title": each.title, "minimum_version": each.minimum} for name, each in TARGETS.items()
        ],
        "command": "iocstream",
        "capabilities": ["fetch", "convert", "push"],
        "actions": [described(action) for action in ACTIONS.values()],
        "feeds": FEEDS,
        "connection": [
            {"name": "url", "type": "string", "required": True, "secret": False, "description": SETTINGS["url"]},
            {"name": "token", "type": "string", "required": True, "secret": True, "description": SETTINGS["token"]},
            {"name": "verify", "type": "boolean", "default": True, "secret": False, "description": SETTINGS["verify"]},
        ],
        "sources": _kinds(Config.model_fields["sources"].annotation),
        "mappings": [_mapping(name, path) for name, path in files.bundled_mappings().items()],
        "sinks": _kinds(RouteSettings.model_fields["sink"].annotation),
        "configuration": config.json_schema(Config, "IoC-Stream Connector configuration"),
    }


def _mapping(name: str, path: Path) -> dict[str, Any]:
    """A mapping that comes along, and its profiles."""
    made = app.load_mapping(name, Producer())
    profiles = [
        {"name": profile, "description": app.load_mapping(name, Producer(), profile).description}
        for profile in files.profiles(path)
    ]
    return {"name": name, "format": made.format_name, "description": made.description, "profiles": profiles}


def described(action: Action) -> dict[str, Any]:
    """An action for machines: its help, what it needs, and JSON Schemas of what it takes and answers."""
    return {
        "name": action.name,
        "scope": action.scope,
        "title": action.title,
        "help": action.help,
        "example": dict(action.example),
        "parameters": action.parameters.model_json_schema(),
        "result": action.envelope.model_json_schema(mode="serialization"),
    }


def _kinds(annotation: Any) -> list[dict[str, Any]]:
    """The kinds among which `type` chooses, with what each requires and keeps secret."""
    return [
        {
            "type": get_args(kind.model_fields["type"].annotation)[0],
            "description": " ".join((kind.__doc__ or "").split()),
            "required": [name for name, field in kind.model_fields.items() if field.is_required() and name != "type"],
            "secrets": [name for name, field in kind.model_fields.items() if _mentions(field.annotation, SecretStr)],
        }
        for kind in settings_in(annotation)
    ]


def settings_in(annotation: Any) -> list[type[Settings]]:
    """The settings models that an annotation mentions, in order."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in settings_in(part)]


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(part, wanted) for part in get_args(annotation))
