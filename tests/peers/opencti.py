"""The few answers of an OpenCTI platform that pycti needs of it to run a connector: over HTTP, in GraphQL.

python opencti.py FOLDER     the package's folder; what is asked of the platform on stdin, what came of it on stdout
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Platform(BaseHTTPRequestHandler):
    """Remembers the bundles that are pushed, the state, and how each work ended."""

    bundles, works, registered = [], [], []
    state = None
    refuse_after = None

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.answered(asked["query"].split("(")[0].split()[-1], asked.get("variables") or {})
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answered(self, operation, variables):  # noqa: PLR0911 -- one for each thing that is asked
        known = type(self)
        if operation == "RegisterConnector":
            known.registered.append(variables["input"])
            names = ("host", "vhost", "use_ssl", "port", "user", "pass")
            config = {"connection": dict.fromkeys(names), "listen": "", "push": ""}
            made = {"id": "c", "connector_state": known.state, "jwks": "", "connector_user_id": "u", "config": config}
            return {"data": {"registerConnector": made}}
        if operation == "PingConnector":
            known.state = json.loads(variables["state"]) if variables["state"] else None
            known.state = json.dumps(known.state) if known.state else None
            return {"data": {"pingConnector": {"id": "c", "connector_state": known.state, "connector_info": {}}}}
        if operation == "workAdd":
            return {"data": {"workAdd": {"id": "w"}}}
        if operation == "StixBundlePush":
            if known.refuse_after is not None and len(known.bundles) >= known.refuse_after:
                return {"errors": [{"message": "the platform is away", "name": "AWAY"}]}
            known.bundles.append(json.loads(variables["bundle"]))
            return {"data": {"stixBundlePush": True}}
        if operation in ("workToProcessed", "workEdit"):
            known.works.append(variables)
            return {"data": {"workEdit": {"toProcessed": "w"}}}
        details = {"id": "c", "connector_queue_details": {"messages_number": 0, "messages_size": 0}}
        return {"data": {"connector": details}}

    def log_message(self, *_):
        pass


def main(folder):
    asked = json.load(sys.stdin)
    Platform.state = asked["state"]
    Platform.refuse_after = asked.get("refuse_after")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **os.environ,
        "OPENCTI_URL": f"http://127.0.0.1:{server.server_port}",
        "OPENCTI_TOKEN": "t",
        "CONNECTOR_ID": "6f5a2f3e-7e8f-4f55-9a3c-3c1d9d1f7a11",
        "CONNECTOR_NAME": "IoC-Stream Connector",
        "CONNECTOR_TYPE": "EXTERNAL_IMPORT",
        "CONNECTOR_SCOPE": "stix2",
        "CONNECTOR_LOG_LEVEL": "info",
        "CONNECTOR_QUEUE_PROTOCOL": "api",
        "CONNECTOR_RUN_AND_TERMINATE": "true",
        **asked["environment"],
    }
    done = subprocess.run(
        [sys.executable, "main.py"],
        cwd=Path(folder) / "src",
        env=environment,
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )
    print(done.stdout, done.stderr, file=sys.stderr)
    told = {
        "code": done.returncode, "log": done.stdout + done.stderr, "bundles": Platform.bundles,
        "works": Platform.works, "state": Platform.state, "registered": Platform.registered,
    }  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
