"""OpenCTI: an external import connector, which reads a collection of the TAXII server."""

from typing import Any

from connector.packages.package import Package
from connector.packages.rendering import SETTINGS, SUMMARY, TITLE, client, json_bytes, picture, template
from connector.version import VERSION

MINIMUM = "6.8.12"
"""The oldest version of OpenCTI whose connector manifest has these fields."""
_SLUG = "iocstream"


def package() -> Package:
    """The connector as in OpenCTI's repository of connectors: metadata, source, container file."""
    named = {"title": TITLE, "version": VERSION}
    return Package(
        {
            "__metadata__/connector_manifest.json": json_bytes(description()),
            "__metadata__/connector_config_schema.json": json_bytes(configuration()),
            "__metadata__/logo.png": picture(128, 128),
            "src/main.py": template("opencti/main.py"),
            "src/iocstream_client.py": client(),
            "src/requirements.txt": b"requests>=2.31\n",
            "Dockerfile": template("opencti/Dockerfile", **named),
            "docker-compose.yml": template("opencti/docker-compose.yml", title=TITLE),
            "README.md": template("opencti/README.md", **named, url=SETTINGS["url"], verify=SETTINGS["verify"]),
        }
    )


def description() -> dict[str, Any]:
    """The connector's manifest."""
    return {
        "title": TITLE,
        "slug": _SLUG,
        "description": SUMMARY,
        "short_description": "Matches of your VirusTotal IoC Stream as indicators and sightings.",
        "logo": "__metadata__/logo.png",
        "use_cases": ["Commercial Threat Intel"],
        "solution_categories": ["Threat Intelligence Feed"],
        "license_type": "Commercial",
        "contact": None,
        "verified": False,
        "last_verified_date": None,
        "playbook_supported": False,
        "max_confidence_level": 50,
        "support_version": f">={MINIMUM}",
        "subscription_link": None,
        "source_code": None,
        "manager_supported": False,
        "container_version": VERSION,
        "container_image": "iocstream/opencti-connector",
        "container_type": "EXTERNAL_IMPORT",
    }


def configuration() -> dict[str, Any]:
    """A JSON Schema of the environment's variables."""
    secret = {"type": "string", "format": "password", "writeOnly": True}
    address = {"type": "string", "format": "uri", "minLength": 1, "maxLength": 2083}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:iocstream-connector:opencti:{VERSION}",
        "type": "object",
        "properties": {
            "OPENCTI_URL": {"description": "The base URL of the OpenCTI instance.", **address},
            "OPENCTI_TOKEN": {"description": "The API token to connect to OpenCTI.", **secret},
            "CONNECTOR_ID": {"description": "A UUIDv4 of its own.", "type": "string", "format": "uuid"},
            "CONNECTOR_NAME": {"description": "The name of the connector.", "type": "string", "default": TITLE},
            "CONNECTOR_SCOPE": {
                "description": "What it imports.",
                "type": "array",
                "items": {"type": "string"},
                "default": ["stix2"],
            },
            "CONNECTOR_LOG_LEVEL": {
                "description": "The minimum level of logs.",
                "type": "string",
                "enum": ["debug", "info", "warn", "warning", "error"],
                "default": "error",
            },
            "CONNECTOR_TYPE": {"type": "string", "const": "EXTERNAL_IMPORT", "default": "EXTERNAL_IMPORT"},
            "CONNECTOR_DURATION_PERIOD": {
                "description": "How often it reads, as an ISO 8601 duration.",
                "type": "string",
                "format": "duration",
                "default": "PT5M",
            },
            "IOCSTREAM_URL": {"description": f"{SETTINGS['url']}.", **address},
            "IOCSTREAM_TOKEN": {"description": "A token of scope taxii:COLLECTION.", **secret},
            "IOCSTREAM_COLLECTION": {"description": "The collection's name.", "type": "string", "default": "opencti"},
            "IOCSTREAM_VERIFY": {"description": f"{SETTINGS['verify']}.", "type": "boolean", "default": True},
        },
        "required": ["OPENCTI_URL", "OPENCTI_TOKEN", "CONNECTOR_ID", "IOCSTREAM_URL", "IOCSTREAM_TOKEN"],
        "additionalProperties": True,
    }
