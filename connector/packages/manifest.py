"""`manifest.json`: what this product is and can do, made from the code so that it stays true."""

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr

from connector import configuration
from connector.actions import ACTIONS, Action
from connector.configuration import Config
from connector.kinds import SINKS, SOURCES
from connector.mapping import files
from connector.packages.rendering import SETTINGS
from connector.packages.targets import TARGETS
from connector.plugin import SinkKind, SourceKind
from connector.settings import config

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
"""What platforms read again and again, and which value says where to go on."""


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
        "sources": _kinds(SOURCES),
        "mappings": [_mapping(name, path) for name, path in files.bundled_mappings().items()],
        "sinks": _kinds(SINKS),
        "configuration": config.json_schema(Config, "IoC-Stream Connector configuration"),
    }


def _mapping(name: str, path: Path) -> dict[str, Any]:
    """A bundled mapping, and its profiles."""
    made = configuration.load_mapping(name)
    profiles = [
        {"name": profile, "description": configuration.load_mapping(name, profile=profile).description}
        for profile in files.profiles(path)
    ]
    return {"name": name, "format": made.format_name, "description": made.description, "profiles": profiles}


def described(action: Action) -> dict[str, Any]:
    """An action for machines: its help, what it needs, and JSON Schemas of what it takes and answers."""
    return {
        "name": action.name,
        "scope": action.scope,
        "cost": action.cost,
        "title": action.title,
        "help": action.help,
        "example": dict(action.example),
        "parameters": action.parameters.model_json_schema(),
        "result": action.envelope.model_json_schema(mode="serialization"),
    }


def _kinds(kinds: Mapping[str, SourceKind] | Mapping[str, SinkKind]) -> list[dict[str, Any]]:
    """The kinds among which `type` chooses, with what each requires and keeps secret."""
    return [
        {
            "type": name,
            "description": " ".join((kind.settings.__doc__ or "").split()),
            "required": [
                option
                for option, field in kind.settings.model_fields.items()
                if field.is_required() and option != "type"
            ],
            "secrets": [
                option for option, field in kind.settings.model_fields.items() if _mentions(field.annotation, SecretStr)
            ],
        }
        for name, kind in kinds.items()
    ]


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(part, wanted) for part in get_args(annotation))
