"""The playbook of the incident type: what nobody calls malicious is closed, what is goes on to a route of yours."""

import json
import uuid
from typing import Any

from connector.packages.xsoar.incidents import PLAYBOOK, cli_name

_IDS = "${incident." + cli_name("IoC-Stream Notification IDs") + "}"
_VERDICT = "incident." + cli_name("IoC-Stream Verdict")


def playbook() -> dict[str, Any]:
    """The playbook, as the platform imports it."""
    tasks = [
        _task(0, "start", "", "", {"#none#": ["1"]}, x=0, y=0),
        _condition(1, "Is any of it malicious?", _is(_VERDICT, "malicious"), yes="3", no="2", x=0, y=160),
        _condition(2, "Is any of it suspicious?", _is(_VERDICT, "suspicious"), yes="6", no="5", x=420, y=320),
        _condition(3, "Is there a route to send it on?", _exists("inputs.Route"), yes="4", no="6", x=0, y=320),
        _command(
            4, "Deliver the matches now", "iocstream-push-notification", {"id": _IDS, "route": "${inputs.Route}"}, "6",
            x=-210, y=500,
        ),
        _command(
            5, "Close: nobody calls it malicious", "closeInvestigation",
            {"closeReason": "Other", "closeNotes": "No verdict on any of the entities that matched."}, "7",
            x=630, y=500,
        ),
        _task(
            6, "condition", "Look at the matches: are they false positives?",
            "The table of the layout has them, with links to VirusTotal. Yes: they are withdrawn wherever routes have"
            " delivered them, and muted.",
            {"Yes": ["8"], "No": ["7"]}, x=0, y=680,
        ),
        _command(
            8, "Judge them false positives", "iocstream-judge",
            {"of": "notification", "value": _IDS, "verdict": "false_positive", "note": "incident ${incident.id}"}, "7",
            x=-210, y=850,
        ),
        _task(7, "title", "Done", "", {}, x=0, y=1020),
    ]  # fmt: skip
    return {
        "id": PLAYBOOK,
        "version": -1,
        "name": PLAYBOOK,
        "description": (
            "For what the rules of an IoC Stream match: delivers what is malicious on a route of IoC-Stream Connector, "
            "has a person look at it and judge it, and closes what nobody calls malicious or suspicious."
        ),
        "starttaskid": "0",
        "tasks": {each["id"]: each for each in tasks},
        "view": json.dumps({"linkLabelsPosition": {}, "paper": {"dimensions": _size(tasks)}}),
        "inputs": [
            {
                "key": "Route",
                "value": {},
                "required": False,
                "description": "Name of the route that malicious matches are delivered on now. Empty: none.",
                "playbookInputQuery": None,
            }
        ],
        "outputs": [],
        "tests": ["No tests (auto formatted)"],
        "fromversion": "6.10.0",
    }


def _task(
    number: int, kind: str, name: str, description: str, following: dict[str, list[str]], *, x: int, y: int, **more: Any
) -> dict[str, Any]:
    identifier = str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:iocstream-connector:xsoar:{PLAYBOOK}:{number}"))
    task = {
        "id": identifier,
        "version": -1,
        "name": name,
        "description": description,
        "type": kind,
        "iscommand": False,
        "brand": "",
        **more.pop("task", {}),
    }
    return {
        "id": str(number),
        "taskid": identifier,
        "type": kind,
        "task": task,
        **({"nexttasks": following} if following else {}),
        "separatecontext": False,
        "continueonerrortype": "",
        "view": json.dumps({"position": {"x": x, "y": y}}),
        "note": False,
        "timertriggers": [],
        "ignoreworker": False,
        "skipunavailable": False,
        "quietmode": 0,
        "isoversize": False,
        "isautoswitchedtoquietmode": False,
        **more,
    }


def _condition(number: int, name: str, test: dict[str, Any], *, yes: str, no: str, x: int, y: int) -> dict[str, Any]:
    following = {"yes": [yes], "#default#": [no]}
    return _task(
        number, "condition", name, "", following, x=x, y=y, conditions=[{"label": "yes", "condition": [[test]]}]
    )


def _command(
    number: int, name: str, command: str, arguments: dict[str, str], following: str, *, x: int, y: int
) -> dict[str, Any]:
    is_own = command.startswith("iocstream-")
    script = f"{'IoCStream' if is_own else 'Builtin'}|||{command}"
    task = {"script": script, "iscommand": True, "brand": "IoCStream" if is_own else "Builtin"}
    given = {key: {"simple": value} for key, value in arguments.items()}
    return _task(number, "regular", name, "", {"#none#": [following]}, x=x, y=y, task=task, scriptarguments=given)


def _is(path: str, value: str) -> dict[str, Any]:
    return {
        "operator": "isEqualString",
        "left": {"value": {"simple": path}, "iscontext": True},
        "right": {"value": {"simple": value}},
    }


def _exists(path: str) -> dict[str, Any]:
    return {"operator": "isExists", "left": {"value": {"simple": path}, "iscontext": True}}


def _size(tasks: list[dict[str, Any]]) -> dict[str, int]:
    places = [json.loads(each["view"])["position"] for each in tasks]
    left, right = min(each["x"] for each in places), max(each["x"] for each in places)
    return {"height": max(each["y"] for each in places) + 65, "width": right - left + 380, "x": left, "y": 0}
