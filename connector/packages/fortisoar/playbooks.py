"""The playbooks that FortiSOAR's data ingestion wizard finds by their tags: fetch and create, and ingest."""

import json
import uuid
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from connector.packages.fortisoar.connector import NAME
from connector.packages.rendering import TITLE
from connector.version import VERSION

_Step = tuple[str, str, dict[str, Any]]
"""Name, type, arguments."""
_STEP_TYPES = {
    "start": "b348f017-9a94-471f-87f8-ce88b6a7ad62",
    "set": "04d0cf46-b6a8-42c4-8683-60a7eaa69e8f",
    "decide": "12254cf5-5db7-4b1a-8cb1-3af081924b28",
    "call": "74932bdc-b8b6-4d24-88c4-1a4dfbc524f3",
    "connector": "0bfed618-0316-11e7-93ae-92361f002671",
    "utility": "0109f35d-090b-4a2b-bd8a-94cbc3508562",
    "create": "2597053c-e718-44b4-8394-4d40fe26d357",
}
"""The platform's own ids of the types of steps, the same on every installation."""
_PRIORITY = "/api/3/picklists/2b563c61-ae2c-41c0-a85a-c9709585e3f2"
_PLACE = "IoCStreamPlace_{{vars['audit_info']['cyops_playbook_iri'].split('/')[-1].replace('-','_')}}"
"""The global variable that holds the place: one for each copy of the playbook."""
_REPUTATIONS = {"malicious": "Malicious", "suspicious": "Suspicious", "benign": "Good"}
_UNKNOWN = "No Reputation Available"
_TYPES = {
    "file64": "FileHash-SHA256",
    "file40": "FileHash-SHA1",
    "file32": "FileHash-MD5",
    "url": "URL",
    "domain": "Domain",
    "ip_address": "IP Address",
}
"""Types of the platform's indicators, by the type of an entity; of a file with the length of the hash that names it."""
_LONGEST_VALUE = 1024
"""Characters that the value of an indicator may have: one that has more would hold up all that follow."""
_SAMPLE = {
    "id": "23423199401",
    "change": None,
    "upheld_by": None,
    "judgement": None,
    "guarded": None,
    "date": "2026-01-31T08:00:00.000Z",
    "entity_type": "domain",
    "entity_value": "lantern.example",
    "rule": "lantern_c2",
    "rulesets": ["Lanterns"],
    "tags": ["lanterns"],
    "link": "https://www.virustotal.com/gui/domain/lantern.example",
    "verdict": "malicious",
    "score": 85,
    "severity": "high",
    "confidence": 80,
    "families": ["lantern"],
    "actors": ["Paper Badger"],
    "threat_label": None,
    "hashes": {"md5": None, "sha1": None, "sha256": None, "ssdeep": None, "tlsh": None, "imphash": None},
    "first_seen": "2026-01-01T00:00:00.000Z",
    "last_seen": "2026-01-31T00:00:00.000Z",
}
"""What the wizard shows while fields are mapped."""


_DESCRIPTION = (
    "<p>{% if vars.item.change == 'withdrawn' %}Withdrawn{% if vars.item.judgement %}: an analyst judged it "
    "{{vars.item.judgement}}{% elif vars.item.guarded %}: the known-good list {{vars.item.guarded | e}} has it"
    "{% endif %}. {% endif %}"
    "Matched by {{(vars.item.rule or vars.item.rulesets | join(', ')) | e}}. Verdict {{vars.item.verdict}}, score "
    "{{vars.item.score}}, severity {{vars.item.severity}}, confidence {{vars.item.confidence}}. Families: "
    "{{vars.item.families | join(', ') | e}}. Actors: {{vars.item.actors | join(', ') | e}}. "
    "{{(vars.item.link or '') | e}}</p>"
)
"""What the platform shows as rich text: what others wrote in it must be text."""


def collection() -> dict[str, Any]:
    """The collection of sample playbooks, as the platform imports it with the connector."""
    workflows = [_fetch_and_create(), _ingest()]
    return {
        "type": "workflow_collections",
        "data": [
            {
                "@type": "WorkflowCollection",
                "name": f"Sample - {TITLE} - {VERSION}",
                "description": (
                    f"Sample playbooks of {TITLE}. Copy those that you use into a collection of yours: "
                    "this one is deleted when the connector is upgraded or removed."
                ),
                "visible": True,
                "image": None,
                "uuid": _uuid("collection"),
                "recordTags": [NAME],
                "workflows": workflows,
            }
        ],
        "exported_tags": sorted({tag for each in workflows for tag in each["recordTags"]}),
    }


def _fetch_and_create() -> dict[str, Any]:
    """One page of what is new, as indicators; `next_place` is then where to go on."""
    schema = [
        _setting("minimum_score", "Minimum score", "integer", "Only what has at least this threat score.", 0),
        _setting(
            "verdicts", "Verdicts", "text", "Only these, separated by commas; empty: all.", "malicious,suspicious"
        ),
        _setting("rules", "Rules", "text", "Only what these rules or rulesets matched, separated by commas.", ""),
        _setting(
            "entity_types", "Entity types", "text", "Only these, separated by commas; empty: all that have a type.",
            "file,url,domain,ip_address",
        ),
        _setting("tags", "Tags", "text", "Only what has one of these tags, separated by commas.", ""),
        _setting("filter", "Filter", "text", "VirusTotal's terms, such as origin:hunting", ""),
        _setting("since", "Raised since", "text", "A date or time (RFC 3339); empty: all in the journal.", ""),
    ]  # fmt: skip
    start = {"step_variables": {"input": {"params": []}, "_configuration_schema": json.dumps(schema, indent=2)}}
    configuration = {
        **{each["name"]: str(each["value"]) for each in schema},
        "reputation_map": _picklist("IndicatorReputation", {**_REPUTATIONS, "undetected, unknown": _UNKNOWN}),
        "type_map": _picklist("IndicatorType", _TYPES),
    }
    asked = {
        "minimum_score": "{{vars.minimum_score}}",
        "verdicts": "{{vars.verdicts}}",
        "rules": "{{vars.rules}}",
        "entity_types": "{{vars.entity_types}}",
        "tags": "{{vars.tags}}",
        "filter": "{{vars.filter}}",
        "since": "{{vars.since}}",
        "muted": "false",
        "changes": "true",
        "limit": "500",
        "next": "{{vars.input.params.place}}",
    }
    record = {
        "value": "{{vars.item.entity_value}}",
        "typeofindicator": (
            "{{(vars.item.entity_type ~ (vars.item.entity_value | length if vars.item.entity_type == 'file' else ''))"
            " | resolveRange(vars.type_map)}}"
        ),
        "reputation": "{{vars.item.verdict | resolveRange(vars.reputation_map)}}",
        "firstSeen": "{{arrow.get(vars.item.first_seen or vars.item.date).int_timestamp}}",
        "lastSeen": "{{arrow.get(vars.item.last_seen or vars.item.date).int_timestamp}}",
        "confidence": "{{vars.item.confidence or 0}}",
        "filehashMD5": "{{vars.item.hashes.md5 or ''}}",
        "filehashSHA1": "{{vars.item.hashes.sha1 or ''}}",
        "filehashSHA256": "{{vars.item.hashes.sha256 or ''}}",
        "sources": "VirusTotal IoC Stream",
        "description": _DESCRIPTION,
        "recordTags": "{{vars.item.tags}}",
        "sourceID": "{{vars.item.id}}",
        "__replace": "true",
    }
    create = {
        "for_each": {
            "item": (
                "{{vars.steps.List_Notifications.data.notifications | selectattr('entity_value')"
                " | rejectattr('upheld_by') | list}}"
            ),
            "__bulk": True,
            "parallel": False,
            "condition": f"{{{{vars.item.entity_value | length <= {_LONGEST_VALUE}}}}}",
            "batch_size": 500,
        },
        "resource": record,
        "_showJson": False,
        "operation": "Overwrite",
        "collection": "/api/3/upsert/indicators",
        "__recommend": [],
        "fieldOperation": {"recordTags": "Append"},
        "step_variables": [],
    }
    place = {
        "next_place": "{{vars.steps.List_Notifications.data.next}}",
        "is_more": "{{vars.steps.List_Notifications.data.more}}",
    }
    steps: list[_Step] = [
        ("Start", "start", start),
        ("Configuration", "set", configuration),
        ("Is Data Only For Mapping", "decide", {}),
        ("Return Sample Data", "set", {"data": json.dumps([_SAMPLE], indent=2)}),
        ("List Notifications", "connector", _operation("list_notifications", asked)),
        ("Create Record", "create", create),
        ("Keep Place", "set", place),
    ]
    routes = [
        ("Start", "Configuration", None),
        ("Configuration", "Is Data Only For Mapping", None),
        ("Is Data Only For Mapping", "Return Sample Data", "Yes, For Mapping"),
        ("Is Data Only For Mapping", "List Notifications", "No, For Ingestion"),
        ("List Notifications", "Create Record", None),
        ("Create Record", "Keep Place", None),
    ]
    made = _workflow(
        f"> {TITLE} > Fetch and Create",
        "Makes indicators of a page of new notifications, with the reputation of VirusTotal's verdict.",
        steps,
        routes,
        tags=["dataingestion", "fetch", "create", NAME],
        parameters=["place"],
    )
    (decision,) = [each for each in made["steps"] if each["name"] == "Is Data Only For Mapping"]
    iris = {each["name"]: f"/api/3/workflow_steps/{each['uuid']}" for each in made["steps"]}
    decision["arguments"] = {
        "conditions": [
            {
                "option": "Yes, For Mapping",
                "step_iri": iris["Return Sample Data"],
                "condition": "{{ vars.request.env_setup == true }}",
                "step_name": "Return Sample Data",
            },
            {
                "option": "No, For Ingestion",
                "default": True,
                "step_iri": iris["List Notifications"],
                "step_name": "List Notifications",
            },
        ]
    }
    return made


def _ingest() -> dict[str, Any]:
    """What a schedule runs: the place is kept once the records of a page are there."""
    read = {"iri": "/api/wf/api/dynamic-variable/?name={{vars.place_name}}", "body": "", "method": "GET"}
    steps: list[_Step] = [
        ("Start", "start", {"step_variables": {"input": {"params": []}}}),
        ("Configuration", "set", {"place_name": _PLACE}),
        ("Get Place", "utility", _utility("make_cyops_request", "FSR: Make FortiSOAR API Call", read)),
        (
            "Last Place",
            "set",
            {
                "place": (
                    '{% if (vars.steps.Get_Place.data["hydra:member"] | length) > 0 %}'
                    '{{vars.steps.Get_Place.data["hydra:member"][0].value}}{% endif %}'
                )
            },
        ),
        (
            "Fetch and Create",
            "call",
            {
                "arguments": {"place": "{{vars.place}}"},
                "apply_async": False,
                "step_variables": [],
                "pass_parent_env": False,
                "pass_input_record": False,
                "workflowReference": f"/api/3/workflows/{_uuid(f'> {TITLE} > Fetch and Create')}",
            },
        ),
        (
            "Update Place",
            "utility",
            _utility(
                "updatemacro",
                "CyOPs: Update Macro",
                {"macro": "{{vars.place_name}}", "value": "{{vars.steps.Fetch_and_Create.next_place}}"},
            ),
        ),
    ]
    names = [name for name, _, _ in steps]
    routes = [(source, target, None) for source, target in pairwise(names)]
    return _workflow(
        f"{TITLE} > Ingest",
        "Fetches what is new since the last time. What fails comes again: the place is kept at the end.",
        steps,
        routes,
        tags=["dataingestion", "ingest", NAME],
        parameters=[],
    )


def _workflow(
    name: str,
    meaning: str,
    steps: Sequence[_Step],
    routes: Sequence[tuple[str, str, str | None]],
    *,
    tags: list[str],
    parameters: list[str],
) -> dict[str, Any]:
    made = [
        {
            "@type": "WorkflowStep",
            "name": step,
            "description": None,
            "arguments": arguments,
            "status": None,
            "top": str(30 + 135 * index),
            "left": "125",
            "stepType": f"/api/3/workflow_step_types/{_STEP_TYPES[kind]}",
            "group": None,
            "uuid": _uuid(name, step),
        }
        for index, (step, kind, arguments) in enumerate(steps)
    ]
    return {
        "@type": "Workflow",
        "triggerLimit": None,
        "name": name,
        "aliasName": None,
        "tag": None,
        "description": meaning,
        "isActive": False,
        "debug": False,
        "singleRecordExecution": False,
        "remoteExecutableFlag": False,
        "parameters": parameters,
        "synchronous": False,
        "collection": f"/api/3/workflow_collections/{_uuid('collection')}",
        "versions": [],
        "triggerStep": f"/api/3/workflow_steps/{_uuid(name, 'Start')}",
        "steps": made,
        "routes": [
            {
                "@type": "WorkflowRoute",
                "name": f"{source} -> {target}",
                "sourceStep": f"/api/3/workflow_steps/{_uuid(name, source)}",
                "targetStep": f"/api/3/workflow_steps/{_uuid(name, target)}",
                "label": label,
                "isExecuted": False,
                "group": None,
                "uuid": _uuid(name, source, target),
            }
            for source, target, label in routes
        ],
        "groups": [],
        "priority": _PRIORITY,
        "uuid": _uuid(name),
        "owners": [],
        "isPrivate": False,
        "recordTags": tags,
    }


def _operation(operation: str, given: dict[str, str]) -> dict[str, Any]:
    return {
        "name": TITLE,
        "config": "''",
        "params": given,
        "version": VERSION,
        "connector": NAME,
        "operation": operation,
        "operationTitle": operation.replace("_", " ").title(),
        "pickFromTenant": False,
        "step_variables": [],
    }


def _utility(operation: str, title: str, given: dict[str, str]) -> dict[str, Any]:
    return {
        "params": given,
        "version": "3.1.2",
        "connector": "cyops_utilities",
        "operation": operation,
        "operationTitle": title,
        "step_variables": [],
    }


def _setting(name: str, title: str, kind: str, meaning: str, value: str | int) -> dict[str, Any]:
    return {
        "title": title,
        "name": name,
        "type": kind,
        "tooltip": meaning,
        "required": False,
        "editable": True,
        "visible": True,
        "value": value,
    }


def _picklist(name: str, items: dict[str, str]) -> str:
    """A table for the platform's filter `resolveRange`: from a value to an item of a picklist."""
    return "{" + ", ".join(f"'{key}': {{{{'{name}' | picklist('{item}')}}}}" for key, item in items.items()) + "}"


def _uuid(*names: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, ":".join(("urn:iocstream-connector:fortisoar", *names))))
