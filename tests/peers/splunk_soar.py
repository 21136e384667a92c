"""Splunk SOAR's side of an app: the classes that splunk-soar-sdk stands in with where the platform is absent."""

import contextlib
import http.server
import importlib
import json
import re
import sys
import threading
import types
import typing
import urllib.parse
from pathlib import Path


def install_platform():
    """Splunk's stand-ins under the names that they have on the platform."""
    sys.modules["phantom"] = types.ModuleType("phantom")
    for name in ("app", "action_result", "base_connector"):
        sys.modules[f"phantom.{name}"] = importlib.import_module(f"soar_sdk.shims.phantom.{name}")


def judge(folder):
    """What the SDK would not have written: an app's keys, asset fields, data types, Python version."""
    source = Path(importlib.import_module("soar_sdk").__file__).parent
    from soar_sdk.compat import PythonVersion

    described = json.loads((folder / "iocstream.json").read_text())
    keys = re.search(r"class AppMeta.*?def ", (source / "meta" / "app.py").read_text(), re.DOTALL).group()
    known = {line.split(":")[0].strip() for line in keys.splitlines() if re.match(r"    \w+: ", line)}
    wrong = [f"unknown key {key}" for key in described.keys() - known]
    PythonVersion.from_csv(described["python_version"])
    types_known = {"string", "numeric", "boolean", "password", "file", "timezone"}
    for place in [described["configuration"], *(action["parameters"] for action in described["actions"])]:
        wrong += [
            f"{name}: {field['data_type']}" for name, field in place.items() if field["data_type"] not in types_known
        ]
    for action in described["actions"]:
        wrong += [f"{action['action']} lacks {key}" for key in ("identifier", "description", "type") if not action[key]]
    wrong += [
        f"no file {described[key]}"
        for key in ("main_module", "logo", "logo_dark")
        if not (folder / described[key]).exists()
    ]
    return wrong


class Rest:
    """The platform's REST API, as much of it as an app asks of its own containers and artifacts."""

    def __init__(self, containers):
        self.containers = list(containers)
        platform = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path, _, query = self.path.partition("?")
                wanted = {name: json.loads(value) for name, value in urllib.parse.parse_qsl(query) if name[0] == "_"}
                self.answer({"data": platform.found(path.rpartition("/")[2], wanted)})

            def do_POST(self):
                changes = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                platform.containers[int(self.path.rpartition("/")[2]) - 1].update(changes)
                self.answer({"success": True})

            def answer(self, value):
                body = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/"

    def found(self, kind, wanted):
        if kind == "container":
            assert wanted.keys() == {"_filter_source_data_identifier", "_filter_asset"}
            number = wanted["_filter_source_data_identifier"]
            return [
                {"id": index}
                for index, each in enumerate(self.containers, 1)
                if each["source_data_identifier"] == number and wanted["_filter_asset"] == 7
            ]
        (field,) = [name for name in wanted if name.startswith("_filter_cef__")]
        name = field.removeprefix("_filter_cef__")
        return [
            {"id": 1, "container": index}
            for index, each in enumerate(self.containers, 1)
            for artifact in each["artifacts"]
            if artifact["cef"].get(name) == wanted[field] and artifact["label"] == wanted["_filter_label"]
        ]

    def add(self, artifact):
        """The platform keeps one artifact for each `source_data_identifier` of a container."""
        had = self.containers[artifact["container_id"] - 1]["artifacts"]
        if artifact["source_data_identifier"] not in [each["source_data_identifier"] for each in had]:
            had.append(artifact)


def run(folder):
    """Have the platform's class run an action, as its `_handle_action` does."""
    install_platform()
    sys.path.insert(0, str(folder))
    described = json.loads((folder / "iocstream.json").read_text())
    from soar_sdk.models.artifact import Artifact
    from soar_sdk.models.container import Container

    module = importlib.import_module(described["main_module"].removesuffix(".py"))
    asked = json.load(sys.stdin)

    platform = Rest(asked.get("there", ()))

    class Platform(module.IocstreamConnector):
        containers: typing.ClassVar = []
        state = asked.get("state") or {}

        def get_asset_id(self):
            return "7"

        def _get_phantom_base_url(self):
            return platform.url

        def save_artifacts(self, artifacts):
            for artifact in artifacts:
                Artifact(**{name: each for name, each in artifact.items() if name != "container_id"})
                platform.add(artifact)
            return True, "", [1]

        def is_poll_now(self):
            return asked.get("poll_now", False)

        def save_container(self, container, fail_on_duplicate=False):
            Container(**container)
            for artifact in container["artifacts"]:
                Artifact(**artifact)
            if len(self.containers) == asked.get("full_after", -1):
                return False, "no space left", None
            self.containers.append(container)
            return True, "", len(self.containers)

    connector = Platform()
    with contextlib.redirect_stdout(sys.stderr):
        connector._handle_action(json.dumps(asked), 0)
    (result,) = connector.get_action_results()
    return {
        "status": result.get_status(),
        "message": result.get_message(),
        "data": result.get_data(),
        "summary": result.get_summary(),
        "containers": connector.containers,
        "state": connector.state,
        "there": platform.containers,
    }


def play(folder):
    """Run the playbook on a container's artifacts, with a stand-in for `phantom.rules`; what it had the platform do."""
    asked = json.load(sys.stdin)
    done = []

    def collect2(container, datapath):
        rows = []
        for number, artifact in enumerate(container["artifacts"], 1):
            known = {f"artifact:*.cef.{name}": each for name, each in artifact["cef"].items()} | {
                "artifact:*.id": number
            }
            assert all(path.startswith("artifact:*.cef.") or path in known for path in datapath)
            rows.insert(0, [known.get(path) for path in datapath])  # in no order that a playbook may rely on
        return rows

    rules = types.ModuleType("phantom.rules")
    rules.playbook_block = lambda: lambda block: block
    rules.collect2 = collect2
    rules.set_status = lambda container, status: done.append(["status", status])
    rules.add_tags = lambda container, tags: done.append(["tags", tags])
    rules.comment = lambda container, comment: done.append(["comment", comment])
    rules.act = lambda action, parameters, assets, name, callback: done.append([action, parameters])
    sys.modules |= {"phantom": types.ModuleType("phantom"), "phantom.rules": rules}
    sys.modules["phantom"].rules = rules
    sys.path.insert(0, str(folder / "playbook"))
    playbook = importlib.import_module("iocstream_triage")
    playbook.ROUTE = asked["route"]
    playbook.on_start(asked["container"])
    playbook.on_finish(asked["container"], {})
    return done


if __name__ == "__main__":
    what, where = sys.argv[1:]
    print(json.dumps({"judge": judge, "run": run, "play": play}[what](Path(where))))
