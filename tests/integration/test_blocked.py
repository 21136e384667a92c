"""What needs a person is tried again by itself: refusals of the API and of receivers, against servers on sockets."""

import threading
from contextlib import contextmanager

import orjson
import pytest
from integration.command import iocstream, iocstream_here

import connector
from connector import app, configuration
from connector.operations import status as operations
from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving

KEY, PASSWORD = "key", "password"
CONFIGURATION = """
sources:
  virustotal:
    {{type: virustotal, api_key: key, api_url: "{api}/api/v3", since_hours: 168, poll_seconds: 1, look_ups_per_day: 0}}
routes:
  taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{taxii}", username: u, password: password}}
  events: {{mapping: cef, sink: {{type: file, path: "{folder}/events.cef"}}}}
journal: {{path: "{folder}/journal.db"}}
"""


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr("connector.pipeline.retry._backoff", lambda _: 0.05)
    monkeypatch.setattr("connector.pipeline.retry.BLOCKED_WAIT_SECONDS", 0.1)
    monkeypatch.setattr("connector.pipeline.retry.MAX_BLOCKED_WAIT_SECONDS", 0.4)


class Scene:
    """A simulated VirusTotal and a TAXII receiver that can be told to refuse, and a run between them."""

    def __init__(self, folder, raised):
        self.folder = folder
        self.raised = raised
        self.api = Api(raised, key=KEY)
        self.receiver = TaxiiReceiver(username="u", password=PASSWORD)
        self.refusing = threading.Event()
        self.answer = b""
        self.status = "403 Forbidden"
        self.posts = 0

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] == "POST":
            self.posts += 1
        if self.refusing.is_set() and environ["REQUEST_METHOD"] == "POST" and self.status.startswith("202"):
            objects = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["objects"]
            start_response(self.status, [("Content-Type", "application/taxii+json;version=2.1")])
            return [licence_exceeded(objects)]
        if self.refusing.is_set() and environ["REQUEST_METHOD"] == "POST":
            start_response(self.status, [("Content-Type", "application/taxii+json;version=2.1")])
            return [self.answer]
        return self.receiver(environ, start_response)

    def parts(self):
        known = operations.status(self.plan).as_json()
        return {part["name"]: part for part in [*known["sources"], *known["routes"]]}

    def until(self, wanted):
        """The parts, once they are as wanted."""
        for _ in range(400):
            parts = self.parts() if (self.folder / "journal.db").exists() else {}
            if parts and wanted(parts):
                return parts
            assert not self.ended, "the run has ended"
            threading.Event().wait(0.05)
        return pytest.fail(f"the parts stay at {parts}")

    @contextmanager
    def running(self):
        with self.served():
            self.ended, stop = [], threading.Event()
            thread = threading.Thread(target=lambda: self.ended.append(app.run(self.plan, stop=stop)))
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join(60)

    @contextmanager
    def served(self):
        with serving(self.api) as api, serving(self) as taxii:
            text = CONFIGURATION.format(api=api, taxii=taxii + self.receiver.path, folder=self.folder)
            (self.folder / "iocstream.yaml").write_text(text)
            self.plan = configuration.load(self.folder / "iocstream.yaml")
            yield


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path, notifications(60))


def unreadable(scene):
    """How many of the notifications the mapping refuses."""
    return sum(bool(each.refusal) for each in connector.convert(scene.raised))


def refused(status, code):
    body = orjson.dumps({"error": {"code": code, "message": "no"}})
    return Fault("ioc_stream", times=3, status=status, body=body)


def licence_exceeded(objects):
    """A status resource (TAXII 2.1 section 4.3.1) that refuses every object."""
    failures = [
        {"id": each["id"], "version": "2024-01-01T00:00:00Z", "message": "licence exceeded"} for each in objects
    ]
    return orjson.dumps(
        {
            "id": "2d086da7-4bdc-4f91-900e-d77486753710",
            "status": "complete",
            "request_timestamp": "2024-01-01T00:00:00Z",
            "total_count": len(objects),
            "success_count": 0,
            "failure_count": len(objects),
            "pending_count": 0,
            "failures": failures,
        }
    )


def error(status, title):
    return orjson.dumps({"title": title, "http_status": str(status)})


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "BadRequestError"), (401, "WrongCredentialsError"), (403, "ForbiddenError"), (404, "NotFoundError")],
)
def test_a_source_that_was_refused_goes_on_without_a_restart(scene, status, code):
    scene.api.faults.append(refused(status, code))
    with scene.running():
        blocked = scene.until(lambda parts: parts["virustotal"]["state"] == "blocked")["virustotal"]
        assert code in blocked["message"]
        assert blocked["served_by"] is not None
        parts = scene.until(lambda parts: parts["events"]["delivered"] == 60)
        parts = scene.until(lambda parts: parts["virustotal"]["state"] == "done")
    assert parts["virustotal"]["message"] is None
    assert [fault.times for fault in scene.api.faults] == [0]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_route_that_was_refused_goes_on_without_a_restart_and_holds_up_no_other(scene, status):
    scene.status, scene.answer = f"{status} No", error(status, "no")
    scene.refusing.set()
    with scene.running():
        parts = scene.until(lambda parts: parts["taxii"]["state"] == "blocked" and parts["events"]["delivered"] == 60)
        assert (parts["taxii"]["backlog"], parts["taxii"]["dead_letters"]) == (60, 0)
        scene.refusing.clear()
        parts = scene.until(lambda parts: parts["taxii"]["backlog"] == 0)
    taxii = parts["taxii"]
    assert (taxii["delivered"] + taxii["refused"], taxii["dead_letters"]) == (60, unreadable(scene))


def test_once_ends_with_what_needs_a_person(scene):
    scene.status, scene.answer = "401 No", error(401, "no")
    scene.refusing.set()
    with scene.served():
        done = iocstream("run", "--once", cwd=scene.folder)
    assert done.returncode == 2
    assert "taxii: blocked: " in done.stdout
    assert done.stderr.count('"blocked"') == 1


def test_a_receiver_that_refuses_everything_keeps_its_backlog_and_goes_on_by_itself(scene, capsys):
    scene.status = "202 Accepted"
    scene.refusing.set()
    with scene.running():
        taxii = scene.until(lambda parts: parts["taxii"]["state"] == "blocked")["taxii"]
        assert "licence exceeded" in taxii["message"]
        assert (taxii["backlog"], taxii["refused"], taxii["dead_letters"]) == (60, 0, 0)
        asked = scene.posts
        while scene.posts < asked + 4:
            threading.Event().wait(0.05)
        scene.refusing.clear()
        taxii = scene.until(lambda parts: parts["taxii"]["backlog"] == 0)["taxii"]
    assert (taxii["delivered"] + taxii["refused"], taxii["dead_letters"]) == (60, unreadable(scene))
    logged = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [event["event"] for event in logged if "licence exceeded" in event.get("reason", "")] == ["blocked"]


def test_once_after_once_probes_what_refuses_everything_and_makes_no_dead_letters(scene):
    scene.status = "202 Accepted"
    scene.refusing.set()
    with scene.served():
        for _ in range(2):
            scene.posts = 0
            done = iocstream_here("run", "--once", cwd=scene.folder)
            assert done.returncode == 2
        assert scene.posts <= 2 * 3  # two notifications, a request for each level of what they rest on
        assert scene.parts()["taxii"]["dead_letters"] == 0
        scene.refusing.clear()
        iocstream_here("run", "--once", cwd=scene.folder)
        taxii = scene.parts()["taxii"]
    assert (taxii["backlog"], taxii["dead_letters"]) == (0, unreadable(scene))
