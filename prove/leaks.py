"""Every secret of a configuration is a known text, and peers repeat all they receive: the connector shows none."""

import base64
import json
import re
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import requests

from prove import canaries, parties
from prove.canaries import Sweep
from prove.defects import noticed
from prove.figures import Figure, must
from prove.hostile import hostile
from prove.nursery import Nursery, nursery
from prove.parties import Api

STATUSES = (
    "200 OK",
    "400 Bad",
    "401 No",
    "403 No",
    "404 No",
    "407 Proxy",
    "413 Big",
    "429 Slow",
    "500 Oops",
    "503 Busy",
)
OBJECT_ID = re.compile(r'"id":"([a-z-]+--[0-9a-f-]{36})"')
PAGES = ("metrics", "healthz", "readyz")
LOGINS = {
    "basic": 'username: "pusher", password: "${TAXII_PASSWORD}"',
    "bearer": 'token: "${TAXII_TOKEN}"',
    "header": 'api_key: "${TAXII_KEY}", api_key_header: X-Key',
}
SOURCE = """
sources:
  virustotal:
    type: virustotal
    api_key: "${{VT_API_KEY}}"
    api_url: "http://127.0.0.1:{api}/api/v3"
    timeout_seconds: 5
    since_hours: 168
    {more}
"""
ROUTE = """
routes:
  out:
    mapping: stix21
    sink: {{type: taxii, collection_url: "http://127.0.0.1:{port}/r/collections/c/", {login}, timeout_seconds: 5}}
"""
FILE = """
routes:
  out: {mapping: cef, sink: {type: file, path: out.cef}}
"""


class Echo:
    """Answers with a status, and repeats the request wherever an error message could take text from."""

    def __init__(self, status: str) -> None:
        self._status = status
        self.told = 0

    def __call__(self, connection: socket.socket, request: bytes) -> None:
        """Answer one request."""
        self.told += any(secret.encode() in request for secret in canaries.ENVIRONMENT.values())
        said = request.decode("latin-1")
        for line in said.splitlines():
            if line.lower().startswith(("authorization: basic ", "proxy-authorization: basic ")):
                said += base64.b64decode(line.split()[-1]).decode()
        failures = [{"id": each, "message": said} for each in OBJECT_ID.findall(said)]
        names = ("title", "description", "message", "name", "id", "status")
        shown = {**dict.fromkeys(names, said), "error": {"code": said, "message": said}, "data": said}
        body = json.dumps({**shown, "failures": failures[:20], "failure_count": len(failures)})
        connection.sendall(
            f"HTTP/1.1 {self._status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"X-Said: {said.splitlines()[0]}\r\n\r\n{body}".encode()
        )


def _commands(children: Nursery, home: Path, conduct: Mapping[str, float]) -> None:
    for command in (("check",), ("run", "--once"), ("run", "--once", "--json"), ("status",), ("status", "--json")):
        children.run(
            home,
            *command,
            conduct={"quick_waits": 0.1, "patience": 0.3, **conduct},
            environment=canaries.ENVIRONMENT,
        )


def echoes(children: Nursery, folder: Path, conduct: Mapping[str, float], statuses: tuple[str, ...]) -> int:
    """API, proxy and TAXII servers that repeat what they receive, and the number of requests with a secret."""
    told = 0
    for status in statuses:
        for who in ("api", "proxy", *LOGINS):
            home = folder / f"{who}-{status[:3]}"
            home.mkdir(parents=True)
            echo = Echo(status)
            with ExitStack() as stack:
                port = stack.enter_context(hostile(echo)).port
                honest = Api(parties.notifications(20, seed=40), key=canaries.API_KEY)
                api = port if who == "api" else int(stack.enter_context(parties.serving(honest)).rpartition(":")[2])
                proxy = f'proxy: "http://user:${{PROXY_PASSWORD}}@127.0.0.1:{port}"' if who == "proxy" else ""
                text = SOURCE.format(api=api, more=proxy)
                text += ROUTE.format(port=port, login=LOGINS[who]) if who in LOGINS else FILE
                (home / "iocstream.yaml").write_text(text)
                _commands(children, home, conduct)
            told += echo.told
    return told


def everything(children: Nursery, folder: Path, conduct: Mapping[str, float]) -> int:
    """All commands over a journal that has dead letters, and the pages of metrics; how many bytes of metrics."""
    home = folder / "everything"
    home.mkdir(parents=True)
    with parties.serving(Api(parties.notifications(150, seed=41), key=canaries.API_KEY)) as url:
        api = int(url.rpartition(":")[2])
        telemetry = "telemetry: {listen: 127.0.0.1:%d}\n"
        port = parties.free_ports.reserve()
        (home / "iocstream.yaml").write_text(
            SOURCE.format(api=api, more="") + FILE.replace("cef", "stix21") + telemetry % port
        )
        environment = {"conduct": {"quick_waits": 0.1, **conduct}, "environment": canaries.ENVIRONMENT}
        child = children.start(home, "run", **environment)  # type: ignore[arg-type]
        pages: list[bytes] = []

        def has_metrics() -> bool:
            try:
                pages.extend(requests.get(f"http://127.0.0.1:{port}/{page}", timeout=5).content for page in PAGES)
            except requests.ConnectionError:
                return False
            return len(parties.stored(home)) == 150 and len(pages) > len(PAGES)

        parties.until(has_metrics, 20, "metrics are served")
        child.kill(15)
        child.wait()
        (home / "metrics.txt").write_bytes(b"\n".join(pages))
        for command in (
            ("rejected", "list"),
            ("rejected", "list", "--json"),
            ("rejected", "export", "rejected.jsonl"),
            ("replay", "out", "--from-start", "--dry-run"),
            ("replay", "out", "--from-start"),
            ("status", "--json"),
            ("check", "--json"),
        ):
            children.run(home, *command, **environment)  # type: ignore[arg-type]
    return len(b"".join(pages))


def faults_of_configurations(children: Nursery, folder: Path, conduct: Mapping[str, float]) -> None:
    """Secrets in options that are not for secrets: the error does not show them."""
    wrong = [
        'sources: {v: {type: virustotal, api_key: "${VT_API_KEY}", poll_seconds: "${TAXII_PASSWORD}"}}' + FILE,
        'sources: {v: {type: virustotal, api_key: ["${VT_API_KEY}"]}}' + FILE,
        'sources: {v: {type: "${VT_API_KEY}"}}' + FILE,
        'sources: {v: {type: virustotal, api_key: "${VT_API_KEY}\\n"}}' + FILE,
        'sources: {v: {type: virustotal, api_key: x, api_url: "http://u:${PROXY_PASSWORD}@h/api"}}' + FILE,
        SOURCE.format(api=9, more='proxy: "${PROXY_PASSWORD}"') + FILE,
        SOURCE.format(api=9, more="") + ROUTE.format(port="9/${TAXII_TOKEN}?", login=LOGINS["basic"]),
        SOURCE.format(api=9, more="")
        + FILE.replace("mapping: cef", 'mapping: "${TAXII_TOKEN}"').replace("path", "paht"),
        SOURCE.format(api=9, more="") + FILE.replace("cef", '"${TAXII_TOKEN}"'),
        SOURCE.format(api=9, more="") + FILE.replace("cef", 'cef, when: "[${TAXII_TOKEN}"'),
        SOURCE.format(api=9, more="") + FILE.replace("cef", 'cef, sources: ["${TAXII_TOKEN}"]'),
    ]
    for number, text in enumerate(wrong):
        home = folder / f"wrong-{number}"
        home.mkdir(parents=True)
        (home / "iocstream.yaml").write_text(text)
        _commands(children, home, conduct)


def attempt(folder: Path, conduct: Mapping[str, float], *, quick: bool) -> tuple[Sweep, int, int]:
    """All of it; what was found, how often a peer was told a secret, and how many bytes of metrics there were."""
    sweep = Sweep()
    with nursery() as children:
        told = echoes(children, folder, conduct, ("200 OK", "401 No") if quick else STATUSES)
        metrics = everything(children, folder, conduct)
        faults_of_configurations(children, folder, conduct)
    sweep.folder(folder)
    return sweep, told, metrics


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:  # noqa: ARG001 -- as every part
    """The figures of the leaks: here, and in all that the other parts left behind."""
    found, told, metrics = attempt(folder / "leaks", {}, quick=quick)
    with nursery() as children:
        everything(children, folder / "leaks-defect", {"telling_key": 1})
    told_on = Sweep()
    told_on.folder(folder / "leaks-defect")
    sweep.add(found)
    return [
        must("Peers that repeat every secret they are told", f"told {told:,} times", "> 0", kept=told > 0),
        Figure("… metrics and health searched too", f"{metrics:,} bytes"),
        _found(sweep, "of all parts run"),
        noticed("telling_key", [_found(told_on, "of this one")]),
    ]


def _found(sweep: Sweep, of: str) -> Figure:
    return must(
        f"Secrets found in {sweep.files:,} files, {sweep.bytes / 1e6:,.0f} MB, {of}",
        "; ".join(sorted(set(sweep.found)))[:200] or "0",
        "0",
        kept=not sweep.found,
    )
