"""A stand-in for StackStorm's runners: the classes that actions and sensors derive from (they are on no index)."""

import abc
import importlib
import json
import sys
import types
from pathlib import Path

import yaml

PARAMETER_KEYS = {"type", "description", "required", "default", "enum", "immutable", "secret", "items", "position"}
TYPES = {"string", "integer", "number", "boolean", "array", "object"}


class Action(abc.ABC):
    """As st2common.runners.base_action has it."""

    def __init__(self, config=None, action_service=None):
        self.config = config or {}
        self.action_service = action_service

    @abc.abstractmethod
    def run(self, **kwargs):
        """Do it."""


class PollingSensor:
    """As st2reactor.sensor.base has it."""

    def __init__(self, sensor_service, config=None, poll_interval=5):
        self.sensor_service, self.config, self.poll_interval = sensor_service, config, poll_interval


class Service:
    """The datastore and the dispatcher, as a sensor sees them."""

    def __init__(self, values):
        self.values, self.dispatched = values, []

    def get_value(self, name):
        return self.values.get(name)

    def set_value(self, name, value):
        self.values[name] = value

    def dispatch(self, trigger, payload, trace_tag):
        assert trace_tag
        self.dispatched.append([trigger, payload])


def install_platform():
    for name, attributes in (
        ("st2common.runners.base_action", {"Action": Action}),
        ("st2reactor.sensor.base", {"PollingSensor": PollingSensor}),
    ):
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
        vars(sys.modules[name]).update(attributes)


def loaded(folder, metadata):
    """The class that a metadata file's entry point has, found as StackStorm's loader does: the folder on the path."""
    described = yaml.safe_load((folder / metadata).read_text())
    script = (folder / metadata).parent / described["entry_point"]
    sys.path.append(str(script.parent))
    return described, importlib.import_module(script.stem)


def judge(folder):
    """What StackStorm's schemas of packs, actions and configurations would refuse."""
    wrong = []
    pack = yaml.safe_load((folder / "pack.yaml").read_text())
    wrong += [f"pack.yaml lacks {key}" for key in ("name", "description", "version", "author") if not pack.get(key)]
    places = [("config", yaml.safe_load((folder / "config.schema.yaml").read_text()))]
    for path in sorted((folder / "actions").glob("*.yaml")):
        action = yaml.safe_load(path.read_text())
        wrong += [f"{path.name}: {key}" for key in ("name", "runner_type", "entry_point") if not action.get(key)]
        wrong += [] if (path.parent / action["entry_point"]).exists() else [f"{path.name}: no entry point"]
        places.append((path.name, action["parameters"]))
    for name, parameters in places:
        for key, field in parameters.items():
            wrong += [f"{name}.{key}: {each}" for each in field.keys() - PARAMETER_KEYS]
            wrong += [] if field["type"] in TYPES else [f"{name}.{key}: {field['type']}"]
    return wrong


def run(folder):
    """Run an action with the defaults of its metadata, as the runner does."""
    asked = json.load(sys.stdin)
    install_platform()
    described, module = loaded(folder, f"actions/{asked['action']}.yaml")
    given = {name: field.get("default") for name, field in described["parameters"].items()} | asked["parameters"]
    return module.RunAction(config=asked["config"]).run(**given)


def sense(folder):
    """Have the sensor poll, so many times."""
    asked = json.load(sys.stdin)
    install_platform()
    described, module = loaded(folder, "sensors/notification_sensor.yaml")
    service = Service(asked["values"])
    sensor = getattr(module, described["class_name"])(service, config=asked["config"], poll_interval=60)
    sensor.setup()
    sensor.poll()
    return {"dispatched": service.dispatched, "values": service.values}


COMPARISONS = {"equals": lambda value, pattern: value == pattern}
"""Of StackStorm's criteria operators."""


def rule(folder):
    """The executions that a rule of the pack would start for triggers, as StackStorm's rules engine decides it."""
    import jinja2

    asked = json.load(sys.stdin)
    described = yaml.safe_load((folder / "rules" / f"{asked['rule']}.yaml").read_text())
    assert described["trigger"]["type"] == "iocstream.notification"
    sensor = yaml.safe_load((folder / "sensors" / "notification_sensor.yaml").read_text())
    (schema,) = [each["payload_schema"]["properties"] for each in sensor["trigger_types"]]
    action = yaml.safe_load((folder / "actions" / f"{described['action']['ref'].partition('.')[2]}.yaml").read_text())
    assert not described["action"]["parameters"].keys() - action["parameters"].keys()
    started = []
    for payload in asked["payloads"]:
        assert payload.keys() <= schema.keys() | {"body"}
        matches = True
        for path, criterion in described["criteria"].items():
            name = path.removeprefix("trigger.")
            assert name in schema, name
            matches &= COMPARISONS[criterion["type"]](payload[name], criterion["pattern"])
        if matches:
            scope = {"trigger": payload, "st2kv": {"system": asked["datastore"]}}
            parameters = described["action"]["parameters"].items()
            given = {name: jinja2.Template(text).render(scope) for name, text in parameters}
            started.append([described["action"]["ref"], given])
    return {"enabled": described["enabled"], "started": started}


if __name__ == "__main__":
    what, where = sys.argv[1:]
    print(json.dumps({"judge": judge, "run": run, "sense": sense, "rule": rule}[what](Path(where))))
