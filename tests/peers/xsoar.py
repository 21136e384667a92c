"""A stand-in for Cortex XSOAR: `demisto` as an integration sees it. What judges the pack is Cortex's own models."""

import json
import sys
from pathlib import Path

import yaml


def judge(folder):
    """What demisto-sdk's models of a pack and its items refuse, and what it requires of integrations that fetch."""
    from demisto_sdk.commands.common.constants import FEED_REQUIRED_PARAMS, INCIDENT_FETCH_REQUIRED_PARAMS
    from demisto_sdk.commands.content_graph.strict_objects.classifier import StrictClassifier
    from demisto_sdk.commands.content_graph.strict_objects.incident_field import StrictIncidentField
    from demisto_sdk.commands.content_graph.strict_objects.incident_type import StrictIncidentType
    from demisto_sdk.commands.content_graph.strict_objects.integration import StrictIntegration
    from demisto_sdk.commands.content_graph.strict_objects.layout import StrictLayout
    from demisto_sdk.commands.content_graph.strict_objects.mapper import StrictMapper
    from demisto_sdk.commands.content_graph.strict_objects.pack_meta_data import StrictPackMetadata
    from demisto_sdk.commands.content_graph.strict_objects.playbook import StrictPlaybook
    from pydantic import ValidationError

    pack = folder / "Packs" / "IoCStream"
    judges = {
        "pack_metadata.json": StrictPackMetadata,
        "Integrations/*/*.yml": StrictIntegration,
        "../../integration-*.yml": StrictIntegration,
        "IncidentTypes/*.json": StrictIncidentType,
        "IncidentFields/*.json": StrictIncidentField,
        "Layouts/*.json": StrictLayout,
        "Classifiers/classifier-IoC-Stream.json": StrictClassifier,
        "Classifiers/classifier-mapper-*.json": StrictMapper,
        "Playbooks/*.yml": StrictPlaybook,
    }
    refused = []
    for pattern, model in judges.items():
        paths = sorted(pack.glob(pattern)) if ".." not in pattern else sorted(folder.glob(pattern.split("/")[-1]))
        refused += [] if paths else [f"nothing is {pattern}"]
        for path in paths:
            item = yaml.safe_load(path.read_text())
            try:
                model(**item)
            except ValidationError as error:
                refused += [f"{path.name}: {each}" for each in error.errors()]
            if model is StrictIntegration:
                has = {each["name"]: each for each in item["configuration"]}
                if item["script"].get("feed"):
                    for wanted in FEED_REQUIRED_PARAMS:
                        parts = wanted.get("must_equal", {})
                        known = has.get(wanted["name"], {})
                        refused += [
                            f"{path.name}: {wanted['name']}.{key} is {known.get(key)!r}, not {value!r}"
                            for key, value in parts.items()
                            if known.get(key) != value and not (key == "required" and not value)
                        ]
                for wanted in INCIDENT_FETCH_REQUIRED_PARAMS if item["script"].get("isfetch") else ():
                    known = has.get(wanted["name"], {})
                    refused += [f"{path.name}: {wanted}" for key in wanted if known.get(key) != wanted[key]]
    return refused + inconsistent(pack)


def inconsistent(pack):
    """Fields, tasks and commands that one item of the pack names and no other has."""

    def items(pattern):
        return [yaml.safe_load(path.read_text()) for path in sorted(pack.glob(pattern))]

    fields = {each["name"]: each["cliName"] for each in items("IncidentFields/*.json")}
    own = ("IoC-Stream", "iocstream")
    (mapper,) = items("Classifiers/classifier-mapper-*.json")
    (layout,) = items("Layouts/*.json")
    (kind,) = items("IncidentTypes/*.json")
    (playbook,) = items("Playbooks/*.yml")
    commands = {c["name"]: c for each in items("Integrations/*/*.yml") for c in each["script"]["commands"]}
    mapped = {name for of in mapper["mapping"].values() for name in of["internalMapping"]}
    shown = {
        item["fieldId"]
        for tab in layout["detailsV2"]["tabs"]
        for section in tab.get("sections", ())
        for item in section.get("items", ())
    }
    wrong = [f"mapped: {name}" for name in mapped if name.startswith(own) and name not in fields]
    wrong += [f"shown: {name}" for name in shown if name.startswith(own) and name not in fields.values()]
    wrong += [f"not mapped or not shown: {name}" for name in fields if name not in mapped or fields[name] not in shown]
    extracted = kind["extractSettings"]["fieldCliNameToExtractSettings"]
    wrong += [f"extracted: {name}" for name in extracted if name not in fields.values()]
    wrong += [] if (kind["layout"], kind["playbookId"]) == (layout["id"], playbook["id"]) else ["layout or playbook"]
    wrong += [] if mapper["mapping"].keys() == {kind["id"]} else ["mapper's type"]
    for task in playbook["tasks"].values():
        following = [number for numbers in task.get("nexttasks", {}).values() for number in numbers]
        wrong += [f"task {number}" for number in following if number not in playbook["tasks"]]
        name = task["task"].get("script", "").rpartition("|||")[2]
        if name.startswith("iocstream-"):
            takes = {each["name"] for each in commands.get(name, {}).get("arguments", ())}
            wrong += [f"{name} takes no {each}" for each in task["scriptarguments"] if each not in takes]
    return wrong


class Demisto:
    """What the script calls, and what came of it."""

    def __init__(self, asked):
        self._asked = asked
        self.context = asked.get("context") or {}
        self.done = {"results": [], "indicators": [], "contexts": [], "info": [], "incidents": [], "last_run": None}

    def command(self):
        return self._asked["command"]

    def params(self):
        return self._asked["params"]

    def args(self):
        return self._asked.get("args", {})

    def results(self, entry):
        self.done["results"].append(entry)

    def createIndicators(self, indicators):  # noqa: N802
        self.done["indicators"] += indicators

    def searchIndicators(self, query, size):  # noqa: N802
        known = [*self._asked.get("there", ()), *(each["value"] for each in self.done["indicators"])]
        found = [{"value": each} for each in known if f'value:"{each}"' == query]
        return {"total": len(found), "iocs": found[:size] or None}

    def getIntegrationContext(self):  # noqa: N802
        return self.context

    def setIntegrationContext(self, context):  # noqa: N802
        self.context = context
        self.done["contexts"].append(context)

    def getLastRun(self):  # noqa: N802
        return self._asked.get("last_run") or {}

    def setLastRun(self, last_run):  # noqa: N802
        self.done["last_run"] = last_run

    def incidents(self, incidents):
        self.done["incidents"] += incidents

    def info(self, text):
        self.done["info"].append(text)


def run(folder):
    """Run an integration's one script, as the platform does: in a process of its own, with `demisto` there."""
    asked = json.load(sys.stdin)
    integration = yaml.safe_load((folder / f"integration-{asked['integration']}.yml").read_text())
    known = {command["name"] for command in integration["script"]["commands"]} | {"test-module"}
    known |= {"fetch-indicators"} if integration["script"].get("feed") else set()
    known |= {"fetch-incidents"} if integration["script"].get("isfetch") else set()
    assert asked["command"] in known, asked["command"]
    demisto = Demisto(asked)
    exec(compile(integration["script"]["script"], "IoCStream", "exec"), {"demisto": demisto, "__name__": "__builtin__"})
    return demisto.done


if __name__ == "__main__":
    what, where = sys.argv[1:]
    print(json.dumps({"judge": judge, "run": run}[what](Path(where))))
