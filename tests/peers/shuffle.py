"""Shuffle's side of an app: the backend that the app, run by Shuffle's own SDK, gets its work from and reports to."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml


def main(folder):
    asked = json.load(sys.stdin)
    described = yaml.safe_load((folder / "api.yaml").read_text())
    known = {action["name"]: action for action in described["actions"]}[asked["action"]]
    fields = [*described["authentication"]["parameters"], *known["parameters"]]
    unknown = asked["parameters"].keys() - {field["name"] for field in fields}
    assert not unknown, unknown
    filled = [{**field, "value": asked["parameters"].get(field["name"], ""), "variant": ""} for field in fields]
    action = {"name": asked["action"], "app_name": described["name"], "id": "a", "label": "a", "parameters": filled}
    workflow = {"id": "w", "actions": [action], "branches": [], "triggers": [], "workflow_variables": []}
    workflow["execution_org"] = {"id": "o"}
    execution = {
        "execution_id": "e",
        "authorization": "t",
        "workflow": workflow,
        "results": [],
        "execution_variables": [],
    }
    reported, cache = [], dict(asked.get("cache", {}))

    class Backend(BaseHTTPRequestHandler):
        def do_POST(self):
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/api/v1/streams":
                reported.append(sent)
            answer = execution if self.path.endswith("/results") else {"success": True}
            if self.path == "/api/v1/orgs/o/set_cache":
                cache[sent["key"]] = sent["value"]
            if self.path == "/api/v1/orgs/o/get_cache":
                known = sent["key"] in cache
                answer = {"success": known, **({"value": cache[sent["key"]]} if known else {})}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    backend = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{backend.server_port}"
    environment = {
        **os.environ,
        "ACTION": json.dumps(action),
        "AUTHORIZATION": "t",
        "EXECUTIONID": "e",
        "BASE_URL": url,
        "CALLBACK_URL": url,
    }
    done = subprocess.run(
        [sys.executable, "app.py"],
        cwd=folder / "src",
        env=environment,
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )
    print(done.stdout, done.stderr, file=sys.stderr)
    print(json.dumps({"code": done.returncode, "reported": reported, "cache": cache}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
