"""Splunk SOAR: an app of a JSON description and a connector, with ingestion."""

import uuid
from typing import Any

from connector.actions import ACTIONS, Action
from connector.packages import parameters
from connector.packages.package import Package, tgz
from connector.packages.rendering import (
    LICENCE,
    PUBLISHER,
    SETTINGS,
    SUMMARY,
    TITLE,
    client,
    json_bytes,
    readme,
    template,
)
from connector.version import VERSION

MINIMUM = "6.3.0"
"""The oldest version of Splunk SOAR that the app says it is for."""
_ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "urn:iocstream-connector:splunk-soar"))
_UPDATED = "2026-01-01T00:00:00.000000Z"
"""The platform wants a time of the build; the same package always says the same."""
_NOTIFICATION_ID = "iocstream notification id"
PLAYBOOK = "iocstream_triage"
_LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 180 40" width="180" height="40">\
<path d="M6 20h100" stroke="{0}" stroke-width="8" stroke-dasharray="10 6"/><path d="M110 6l28 14-28 14z" fill="{0}"/>\
</svg>
"""


def package() -> Package:
    """The app as a folder, and as the archive to install; a playbook likewise."""
    files = {
        "iocstream.json": json_bytes(description()),
        "iocstream_connector.py": template("splunk_soar/iocstream_connector.py"),
        "iocstream_client.py": client(),
        "__init__.py": b"",
        "default/app.conf": _app_conf().encode(),
        "logo.svg": _LOGO.format("#394eff").encode(),
        "logo_dark.svg": _LOGO.format("#ffffff").encode(),
        "README.md": readme("splunk_soar/README.md"),
    }
    files = {f"iocstream/{name}": content for name, content in files.items()}
    playbook = {
        f"{PLAYBOOK}.py": template("splunk_soar/playbook.py"),
        f"{PLAYBOOK}.json": json_bytes(_playbook()),
    }
    archives = {"iocstream.tgz": tgz(files), f"{PLAYBOOK}.tgz": tgz(playbook)}
    return Package({**files, **{f"playbook/{name}": content for name, content in playbook.items()}}, archives)


def _app_conf() -> str:
    """What Splunk's AppInspect knows an app by; Splunk SOAR itself has no use for it."""
    stanzas: dict[str, dict[str, str]] = {
        "install": {"is_configured": "0"},
        "package": {"id": "iocstream", "check_for_updates": "False"},
        "id": {"name": "iocstream", "version": VERSION},
        "launcher": {"author": PUBLISHER, "description": SUMMARY, "version": VERSION},
        "ui": {"is_visible": "0", "label": TITLE},
    }
    return "\n".join(
        f"[{stanza}]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())
        for stanza, settings in stanzas.items()
    )


def description() -> dict[str, Any]:
    """The app's JSON."""
    return {
        "appid": _ID,
        "name": TITLE,
        "description": SUMMARY,
        "type": "threat intel",
        "product_vendor": "VirusTotal",
        "product_name": "IoC Stream",
        "product_version_regex": ".*",
        "publisher": PUBLISHER,
        "license": LICENCE,
        "app_version": VERSION,
        "utctime_updated": _UPDATED,
        "package_name": "phantom_iocstream",
        "main_module": "iocstream_connector.py",
        "min_phantom_version": MINIMUM,
        "python_version": "3",
        "fips_compliant": True,
        "logo": "logo.svg",
        "logo_dark": "logo_dark.svg",
        "configuration": _configuration(),
        "actions": [_action(action) for action in ACTIONS.values()] + [_on_poll()],
    }


def _playbook() -> dict[str, Any]:
    """What the platform imports beside the playbook's code: it is edited as code, not as blocks."""
    return {
        "blockly": False,
        "blockly_xml": "<xml></xml>",
        "category": "Threat intelligence",
        "coa": {
            "custom_code": True,
            "data": {
                "description": "Raises what is malicious and delivers it on a route, and closes what nobody calls so.",
                "edges": [],
                "hash": "",
                "nodes": {},
                "notes": "",
            },
            "input_spec": None,
            "output_spec": None,
            "playbook_type": "automation",
            "python_version": "3",
            "schema": "5.0.10",
            "version": MINIMUM,
        },
        "create_time": _UPDATED,
        "draft_mode": False,
        "labels": ["*"],
        "tags": ["iocstream"],
    }


def _configuration() -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = {
        "url": {"data_type": "string", "required": True, "description": SETTINGS["url"]},
        "token": {"data_type": "password", "required": True, "description": SETTINGS["token"]},
        "verify": {"data_type": "boolean", "default": True, "description": SETTINGS["verify"]},
        "filter": {
            "data_type": "string",
            "description": "What is ingested, in VirusTotal's terms, such as origin:hunting entity_type:file",
        },
        "since": {"data_type": "string", "description": "Ingest what was raised since this date or time (RFC 3339)"},
        "minimum_score": {"data_type": "numeric", "description": "Ingest only what has at least this threat score"},
        "verdicts": {
            "data_type": "string",
            "description": "Ingest only these verdicts, separated by commas: malicious, suspicious, undetected, benign,"
            " unknown",
        },
        "entity_types": {
            "data_type": "string",
            "description": "Ingest only these, separated by commas: file, url, domain, ip_address",
        },
        "rules": {"data_type": "string", "description": "Ingest only what these rules matched, separated by commas"},
        "tags": {"data_type": "string", "description": "Ingest only what has one of these tags, separated by commas"},
    }
    return {name: field | {"order": order} for order, (name, field) in enumerate(fields.items())}


def _action(action: Action) -> dict[str, Any]:
    is_test = action.name == "test_connectivity"
    named = [each for each in parameters.of(action) if each.required]
    made = {
        "action": action.name.replace("_", " "),
        "identifier": action.name,
        "description": action.title,
        "verbose": " ".join(action.help.split()),
        "type": "test" if is_test else {"read": "investigate", "act": "generic", "admin": "correct"}[action.scope],
        "read_only": action.scope == "read",
        "parameters": {each.name: _parameter(each, order) for order, each in enumerate(parameters.of(action))},
        "output": [] if is_test else _output(action, named),
        "versions": "EQ(*)",
    }
    return made if is_test else made | {"render": {"type": "table", "width": 12, "title": action.title}}


def _parameter(parameter: parameters.Parameter, order: int) -> dict[str, Any]:
    kinds = {"integer": "numeric", "boolean": "boolean"}
    made: dict[str, Any] = {
        "description": parameter.text_description,
        "data_type": kinds.get(parameter.kind, "string"),
        "required": parameter.required,
        "order": order,
    }
    if parameter.options:
        made["value_list"] = list(parameter.options)
    if parameter.default is not None:
        made["default"] = parameter.default
    if parameter.name == "id":
        made |= {"primary": True, "contains": [_NOTIFICATION_ID]}
    return made


def _output(action: Action, required: list[parameters.Parameter]) -> list[dict[str, Any]]:
    """What is in a result; a table shows those with `column_name`."""
    kinds = {"integer": "numeric", "number": "numeric", "boolean": "boolean"}
    rows: list[dict[str, Any]] = [
        {"data_path": f"action_result.parameter.{each.name}", "data_type": "string"} for each in required
    ]
    for name, schema in action.result.model_json_schema(mode="serialization")["properties"].items():
        rows.append({"data_path": f"action_result.data.*.{name}", "data_type": kinds.get(schema.get("type"), "string")})
    rows += [
        {"data_path": "action_result.status", "data_type": "string", "column_name": "Status", "column_order": 0},
        {"data_path": "action_result.message", "data_type": "string", "column_name": "Message", "column_order": 1},
        {"data_path": "action_result.summary", "data_type": "string"},
        {"data_path": "summary.total_objects", "data_type": "numeric"},
        {"data_path": "summary.total_objects_successful", "data_type": "numeric"},
    ]
    return rows


def _on_poll() -> dict[str, Any]:
    """The platform's own parameters of ingestion."""
    words = {
        "container_id": ("string", "Not used: the connector's journal says what is new"),
        "start_time": ("numeric", "Not used, likewise"),
        "end_time": ("numeric", "Not used, likewise"),
        "container_count": ("numeric", "How many notifications at most"),
        "artifact_count": ("numeric", "Not used: there is one for each container"),
    }
    return {
        "action": "on poll",
        "identifier": "on_poll",
        "description": "Ingest new notifications as containers",
        "verbose": "Keeps its place in the connector's journal, so that each notification is ingested once.",
        "type": "ingest",
        "read_only": True,
        "parameters": {
            name: {"data_type": kind, "description": meaning, "order": order}
            for order, (name, (kind, meaning)) in enumerate(words.items())
        },
        "output": [],
        "versions": "EQ(*)",
    }
