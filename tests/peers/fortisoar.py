"""A stand-in for FortiSOAR's connector framework (it is on no index): its base class, its error, its logger."""

import importlib
import json
import logging
import sys
import types
from pathlib import Path

FIELD_TYPES = {"text", "password", "checkbox", "integer", "select", "multiselect", "json", "textarea", "datetime"}


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
    return wrong


def run(folder):
    """Execute an operation, or check the health, by the one class that the connector's module has."""
    core = types.ModuleType("connectors.core.connector")
    core.Connector, core.ConnectorError, core.get_logger = Connector, ConnectorError, logging.getLogger
    sys.modules |= {
        "connectors": types.ModuleType("connectors"),
        "connectors.core": types.ModuleType("connectors.core"),
    }
    sys.modules["connectors.core.connector"] = core
    sys.path.insert(0, str(folder.parent))
    asked = json.load(sys.stdin)
    module = importlib.import_module(f"{folder.name}.connector")
    (kind,) = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    connector = kind(info_json=json.loads((folder / "info.json").read_text()))
    try:
        if asked["operation"] == "health":
            return {"result": connector.check_health(asked["config"])}
        return {"result": connector.execute(asked["config"], asked["operation"], asked["params"])}
    except ConnectorError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    what, where = sys.argv[1:]
    print(json.dumps({"judge": judge, "run": run}[what](Path(where))))
