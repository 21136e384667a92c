"""A stand-in for Cortex XSOAR: `demisto` as an integration sees it. What judges the pack is Cortex's own models."""

import json
import sys
from pathlib import Path

import yaml


def judge(folder):
    """What demisto-sdk's models of a pack and an integration refuse."""
    from demisto_sdk.commands.content_graph.strict_objects.integration import StrictIntegration
    from demisto_sdk.commands.content_graph.strict_objects.pack_meta_data import StrictPackMetadata
    from pydantic import ValidationError

    pack = folder / "Packs" / "IoCStream"
    refused = []
    integrations = [pack / "Integrations" / "IoCStream" / "IoCStream.yml", folder / "integration-IoCStream.yml"]
    for path, model in [
        (pack / "pack_metadata.json", StrictPackMetadata),
        *((p, StrictIntegration) for p in integrations),
    ]:
        try:
            model(**yaml.safe_load(path.read_text()))
        except ValidationError as error:
            refused += [f"{path.name}: {each}" for each in error.errors()]
    return refused


class Demisto:
    """What the script calls, and what came of it."""

    def __init__(self, asked):
        self._asked = asked
        self.context = asked.get("context") or {}
        self.done = {"results": [], "indicators": [], "contexts": [], "info": []}

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

    def getIntegrationContext(self):  # noqa: N802
        return self.context

    def setIntegrationContext(self, context):  # noqa: N802
        self.context = context
        self.done["contexts"].append(context)

    def info(self, text):
        self.done["info"].append(text)


def run(folder):
    """Run the integration's one script, as the platform does: in a process of its own, with `demisto` there."""
    integration = yaml.safe_load((folder / "integration-IoCStream.yml").read_text())
    known = {command["name"] for command in integration["script"]["commands"]}
    asked = json.load(sys.stdin)
    assert asked["command"] in known | {"test-module", "fetch-indicators"}, asked["command"]
    demisto = Demisto(asked)
    exec(compile(integration["script"]["script"], "IoCStream", "exec"), {"demisto": demisto, "__name__": "__builtin__"})
    return demisto.done


if __name__ == "__main__":
    what, where = sys.argv[1:]
    print(json.dumps({"judge": judge, "run": run}[what](Path(where))))
