"""A stand-in for FortiSOAR's connector framework (it is on no index): its base class, its error, its logger."""

import ast
import datetime
import importlib
import json
import logging
import re
import sys
import types
from pathlib import Path

FIELD_TYPES = {"text", "password", "checkbox", "integer", "select", "multiselect", "json", "textarea", "datetime"}


INDICATOR_FIELDS = {
    "value", "typeofindicator", "reputation", "firstSeen", "lastSeen", "confidence", "filehashMD5", "filehashSHA1",
    "filehashSHA256", "sources", "description", "recordTags", "sourceID", "__replace",
}  # fmt: skip
"""Of the module `indicators` (modules/indicators/mmd.json of that pack), and what steps add."""


class ConnectorError(Exception):
    """As connectors.core.connector has it."""


class Connector:
    """Likewise: made with what info.json says."""

    def __init__(self, *args, **kwargs):
        self._info_json = kwargs.get("info_json", {})


def judge(folder):
    """What the framework could not show or load."""
    described = json.loads((folder / "info.json").read_text())
    fields = list(described["configuration"]["fields"])
    fields += [field for operation in described["operations"] for field in operation["parameters"]]
    wrong = [f"{field['name']}: {field['type']}" for field in fields if field["type"] not in FIELD_TYPES]
    wrong += [field["name"] for field in fields if field["type"] == "select" and not field.get("options")]
    pictures = [described["icon_small_name"], described["icon_large_name"]]
    wrong += [name for name in pictures if not (folder / "images" / name).read_bytes().startswith(b"\x89PNG")]
    return wrong + unconnected(folder, described)


def unconnected(folder, described):
    """What a playbook names and is not there: steps, playbooks, operations, parameters."""
    operations = {
        each["operation"]: {field["name"] for field in each["parameters"]} for each in described["operations"]
    }
    workflows = workflows_of(folder)
    wrong, seen = [], []
    for each in workflows.values():
        steps = {f"/api/3/workflow_steps/{step['uuid']}": step for step in each["steps"]}
        seen += [step["uuid"] for step in each["steps"]] + [route["uuid"] for route in each["routes"]]
        ends = [route[end] for route in each["routes"] for end in ("sourceStep", "targetStep")]
        for step in each["steps"]:
            given = step["arguments"]
            ends += [condition["step_iri"] for condition in given.get("conditions", ())]
            if given.get("connector") == described["name"]:
                known = operations.get(given["operation"])
                wrong += [given["operation"]] if known is None else sorted(given["params"].keys() - known)
            if "workflowReference" in given:
                wrong += [] if given["workflowReference"] in workflows else [given["workflowReference"]]
                wrong += given["arguments"].keys() ^ set(workflows[given["workflowReference"]]["parameters"])
        wrong += [end for end in [*ends, each["triggerStep"]] if end not in steps]
    wrong += [] if len(seen) == len(set(seen)) else ["an id occurs twice"]
    tags = [set(each["recordTags"]) for each in workflows.values()]
    wanted = [{"dataingestion", "fetch", "create"}, {"dataingestion", "ingest"}]
    return wrong + [sorted(names) for names in wanted if not any(names <= each for each in tags)]


def workflows_of(folder):
    (collection,) = json.loads((folder / "playbooks" / "playbooks.json").read_text())["data"]
    return {f"/api/3/workflows/{each['uuid']}": each for each in collection["workflows"]}


class Platform:
    """Runs playbooks: the few types of steps that those of the package have."""

    def __init__(self, folder, asked):
        import jinja2

        self.folder, self.asked = folder, asked
        self.workflows, self.places = workflows_of(folder), dict(asked["places"])
        self.records = list(asked.get("records", ()))
        self.jinja = jinja2.Environment()
        self.jinja.filters |= {"picklist": lambda name, item: repr(f"{name}/{item}"), "resolveRange": self.resolved}

    @staticmethod
    def resolved(value, table):
        ranges = ast.literal_eval(table)
        return next(item for keys, item in ranges.items() if value in [key.strip() for key in keys.split(",")])

    def rendered(self, value, variables):
        if isinstance(value, dict):
            return {name: self.rendered(each, variables) for name, each in value.items()}
        if not isinstance(value, str):
            return value
        only = re.fullmatch(r"\{\{((?:(?!\}\}).)*)\}\}", value.strip())
        scope = {"vars": variables, "arrow": Arrow}
        if only:  # alone, an expression keeps its type
            return self.jinja.compile_expression(only[1], undefined_to_none=True)(**scope)
        return self.jinja.from_string(value).render(scope)

    def play(self, iri, parameters, request):
        """Run a playbook; its variables at the end."""
        workflow = self.workflows[iri]
        steps = {f"/api/3/workflow_steps/{step['uuid']}": step for step in workflow["steps"]}
        variables = {"input": {"params": parameters}, "request": request, "steps": {}}
        variables["audit_info"] = {"cyops_playbook_iri": iri}
        place = workflow["triggerStep"]
        while place:
            step = steps[place]
            result, chosen = self.done(step["stepType"].rpartition("/")[2], step["arguments"], variables)
            variables["steps"][step["name"].replace(" ", "_")] = result
            following = [route["targetStep"] for route in workflow["routes"] if route["sourceStep"] == place]
            place = chosen or (following[0] if following else None)
        return variables

    def done(self, kind, given, variables):
        """What a step of this type gives, and the step that it chooses."""
        if kind == "04d0cf46-b6a8-42c4-8683-60a7eaa69e8f":
            values = {}
            configured = self.asked.get("configured", {})
            given = {name: configured.get(name, value) for name, value in given.items()}
            for name, value in given.items():
                variables[name] = values[name] = self.rendered(value, variables)
            return values, None
        if kind == "12254cf5-5db7-4b1a-8cb1-3af081924b28":
            fits = [each for each in given["conditions"] if self.rendered(each.get("condition", ""), variables) is True]
            return {}, (fits or [each for each in given["conditions"] if each.get("default")])[0]["step_iri"]
        if kind == "0bfed618-0316-11e7-93ae-92361f002671":
            params = self.rendered(given["params"], variables)
            return connector_of(self.folder).execute(self.asked["config"], given["operation"], params), None
        if kind == "0109f35d-090b-4a2b-bd8a-94cbc3508562":
            return self.utility(given["operation"], self.rendered(given["params"], variables)), None
        if kind == "74932bdc-b8b6-4d24-88c4-1a4dfbc524f3":
            return self.play(given["workflowReference"], self.rendered(given["arguments"], variables), {}), None
        if kind == "2597053c-e718-44b4-8394-4d40fe26d357":
            self.create(given, variables)
        return {}, None

    def create(self, given, variables):
        if len(self.records) >= self.asked.get("full_after", 10**6):
            raise ConnectorError("no space left")
        for item in self.rendered(given["for_each"]["item"], variables):
            if self.rendered(given["for_each"]["condition"], {**variables, "item": item}):
                self.save(self.rendered(given["resource"], {**variables, "item": item}))

    def save(self, record):
        """An indicator, as the platform's module of the solution pack SOAR Framework has it; one for type and value."""
        assert record.keys() <= INDICATOR_FIELDS, record.keys() - INDICATOR_FIELDS
        if len(record["value"]) > 1024 or not isinstance(record["confidence"], int):
            raise ConnectorError("the record is not valid")
        key = ("typeofindicator", "value")
        self.records = [each for each in self.records if any(each[name] != record[name] for name in key)]
        self.records.append(record)

    def utility(self, operation, given):
        if operation == "updatemacro":
            self.places[given["macro"]] = given["value"]
            return {}
        name = given["iri"].rpartition("?name=")[2]
        return {"data": {"hydra:member": [{"value": self.places[name]}] if name in self.places else []}}


class Arrow:
    """As much of arrow as the playbooks use."""

    def __init__(self, text):
        self.int_timestamp = int(datetime.datetime.fromisoformat(text).timestamp())

    @classmethod
    def get(cls, text):
        return cls(text)


def play(folder):
    """Run a playbook by one of its tags; the records it made, and the places it kept."""
    asked = json.load(sys.stdin)
    platform = Platform(folder, asked)
    (iri,) = [iri for iri, each in platform.workflows.items() if asked["tag"] in each["recordTags"]]
    request = {"env_setup": True} if asked.get("for_mapping") else {}
    try:
        variables = platform.play(iri, {"place": ""}, request)
    except ConnectorError as error:
        return {"error": str(error), "places": platform.places}
    return {"records": platform.records, "places": platform.places, "data": variables.get("data")}


def connector_of(folder):
    """The connector, of the one class that its module has."""
    core = types.ModuleType("connectors.core.connector")
    core.Connector, core.ConnectorError, core.get_logger = Connector, ConnectorError, logging.getLogger
    sys.modules |= {
        "connectors": types.ModuleType("connectors"),
        "connectors.core": types.ModuleType("connectors.core"),
    }
    sys.modules["connectors.core.connector"] = core
    sys.path.insert(0, str(folder.parent))
    module = importlib.import_module(f"{folder.name}.connector")
    (kind,) = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    return kind(info_json=json.loads((folder / "info.json").read_text()))


def run(folder):
    """Execute an operation, or check the health."""
    asked = json.load(sys.stdin)
    connector = connector_of(folder)
    try:
        if asked["operation"] == "health":
            return {"result": connector.check_health(asked["config"])}
        return {"result": connector.execute(asked["config"], asked["operation"], asked["params"])}
    except ConnectorError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    what, where = sys.argv[1:]
    print(json.dumps({"judge": judge, "run": run, "play": play}[what](Path(where))))
