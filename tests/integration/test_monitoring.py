"""A running connector's metrics, health and log; the alert rules and the dashboard; how it is stopped."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.command import ROOT, iocstream_here, started
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from connector import app, configuration, kinds
from connector.journals.sqlite.journal import SqliteJournal
from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving

DOCUMENTATION = (ROOT / "docs/monitoring.md").read_text()
RULES = ROOT / "docs/alert-rules.yml"
DASHBOARD = ROOT / "docs/grafana-dashboard.json"
KEY = "canary-api-key"
PASSWORD = "canary-taxii-password"
CONFIGURATION = """
sources:
  virustotal: {{type: virustotal, api_key: {key}, api_url: "{api}/api/v3", since_hours: 168, poll_seconds: 1}}
routes:
  taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{taxii}", username: u, password: {password}}}
  events:
    mapping: cef
    when: notification.origin == 'hunting'
    sink: {{type: file, path: events.cef}}
telemetry: {{listen: "127.0.0.1:0"}}
shutdown_seconds: {shutdown}
"""


class Receiver:
    """A TAXII receiver that can be told to keep whoever brings objects waiting."""

    def __init__(self):
        self.inner = TaxiiReceiver(username="u", password=PASSWORD)
        self.asked, self.free = threading.Event(), threading.Event()
        self.free.set()

    def __call__(self, environ, start_response):
        if environ["REQUEST_METHOD"] == "POST":
            self.asked.set()
            assert self.free.wait(60)
        return self.inner(environ, start_response)

    def indicators(self):
        return {item["id"] for item in self.inner.objects() if item["type"] == "indicator"}


class Running:
    """`iocstream run` in a process of its own, with what it has logged so far."""

    def __init__(self, folder):
        self.process = started("run", cwd=folder, stderr=subprocess.PIPE)
        self.lines = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.decode())
                self._changed.notify_all()

    def events(self, name=None):
        assert all(line.startswith("{") for line in self.lines), "".join(self.lines)
        logged = [json.loads(line) for line in self.lines]
        return [event for event in logged if name in (None, event["event"])]

    def event(self, name, **said):
        """The first event of this name with these values, waited for."""

        def find():
            return next((e for e in self.events(name) if said.items() <= e.items()), None)

        with self._changed:
            assert self._changed.wait_for(find, timeout=60), f"no event {name} {said} in {''.join(self.lines)}"
            return find()

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metrics(self):
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return {
            (sample.name, *sorted(value for label, value in sample.labels.items() if label != "le")): sample.value
            for family in families
            for sample in family.samples
        }

    def until(self, wanted):
        """The metrics, once they are as wanted."""
        for _ in range(600):
            found = self.metrics()
            if wanted(found):
                return found
            threading.Event().wait(0.1)
        return pytest.fail(f"the metrics stay at {found}")

    def end(self, *signals):
        for number in signals or (signal.SIGTERM,):
            self.process.send_signal(number)
        return self.process.wait(60)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(30)
        self.process.stderr.close()


@contextmanager
def running(folder):
    run = Running(folder)
    try:
        run.url = run.event("listening")["url"]
        yield run
    finally:
        run.close()


@pytest.fixture(scope="module")
def raised():
    return notifications(120)


@pytest.fixture
def receiver():
    return Receiver()


@pytest.fixture
def api(raised):
    return Api(raised, key=KEY)


@pytest.fixture
def folder(tmp_path, api, receiver):
    with serving(api) as url, serving(receiver) as taxii:
        collection = taxii + receiver.inner.path
        text = CONFIGURATION.format(api=url, taxii=collection, key=KEY, password=PASSWORD, shutdown=30)
        (tmp_path / "iocstream.yaml").write_text(text)
        yield tmp_path
        receiver.free.set()


def test_what_a_source_could_not_read_has_a_metric(folder, api, raised):
    broken = raised[50]["context_attributes"]["notification_id"]

    def spoil(document):
        for item in document.get("data", []):
            if item["context_attributes"]["notification_id"] == broken:
                item["context_attributes"]["odd"] = float("nan")  # which json.dumps writes, and JSON does not have
        return document

    api.faults.append(Fault(path="^/ioc_stream$", times=10_000, edit=spoil))
    with running(folder) as run:
        found = run.until(lambda m: m["iocstream_journal_notifications",] == len(raised))
        assert found["iocstream_source_dead_letters", "virustotal"] == 1
        assert found["iocstream_dead_letters", "events"] == 0
        run.event("unreadable")
        run.until(lambda m: m["iocstream_notifications_deduplicated_total", "virustotal"] > 100)  # polled again
        assert len(run.events("unreadable")) == 1


def edit(folder, old, new):
    path = folder / "iocstream.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def documented(heading):
    """The first and the second column of the first table below a heading."""
    section = DOCUMENTATION.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([A-Za-z_]+)` \| (\w+) \|", section, re.MULTILINE))


def test_metrics_and_health_of_a_run_that_goes_well(folder, raised):
    hunting = sum(item["context_attributes"]["origin"] == "hunting" for item in raised)
    with running(folder) as run:
        found = run.until(
            lambda m: (
                m["iocstream_notifications_delivered_total", "events"] == hunting
                and m["iocstream_journal_notifications",] == len(raised)
                and m["iocstream_route_backlog_notifications", "taxii"] == 0
            )
        )
        assert found["iocstream_notifications_new_total", "virustotal"] == len(raised)
        assert found["iocstream_notifications_filtered_total", "events"] == len(raised) - hunting
        refused = found["iocstream_notifications_refused_total", "taxii"]
        assert found["iocstream_notifications_delivered_total", "taxii"] == len(raised) - refused
        assert found["iocstream_dead_letters", "taxii"] == refused
        assert found["iocstream_source_lag_seconds", "virustotal"] < 600
        hunted = (item["context_attributes"].get("hunting_info") for item in raised)
        rule = next(each["rule_name"] for each in hunted if each)
        judged = iocstream_here("judge", "true_positive", "--rule", rule, cwd=folder)
        assert judged.returncode == 0, judged.stderr
        assert found["iocstream_quota_allowed_requests", "daily", "user", "virustotal"] == 1_000_000
        assert found["iocstream_journal_size_bytes",] > 100_000
        assert found["process_resident_memory_bytes",] > 1_000_000
        timed = [key for key in found if key[0] == "iocstream_http_request_duration_seconds_count"]
        assert {"GET", "POST", "2xx"} <= {label for key in timed for label in key}
        again = run.until(
            lambda m: (
                m["iocstream_notifications_deduplicated_total", "virustotal"] > 0  # the overlap of the next poll
                and any(name == "iocstream_ruleset_rate_limited_ratio" for name, *_ in m)  # a ruleset is looked up
                and any(name == "iocstream_rule_precision_ratio" for name, *_ in m)  # a rule is judged
            )
        )
        assert again["iocstream_notifications_new_total", "virustotal"] == len(raised)
        assert json.loads(run.get("/healthz")[1]) == {"alive": True, "reasons": []}
        status, body = run.get("/readyz")
        assert status == 200
        assert {part["name"] for part in json.loads(body)["parts"]} == {"virustotal", "taxii", "events"}
        exposed = {sample[0] for sample in again}
        assert run.end() == 0
    names = documented("Metrics")
    suffixes = {"histogram": ["_count", "_sum", "_bucket", "_created"]}
    told = {f"{name}{suffix}" for name, kind in names.items() for suffix in suffixes.get(kind, [""])}
    assert {name for name in exposed if name.startswith("iocstream_")} == told
    names = [event["event"] for event in run.events()]
    assert names[-1] == "ended"
    # Whoever was at work may say what was finished, and what of it was refused.
    finished = {"stored", "looked_up", "delivered", "revised", "refused", "refused_again"}
    assert set(names[names.index("stopping") :]) - finished == {"stopping", "ended"}


def test_an_outage_is_told_and_ready_and_a_blocked_part_is_not(folder, receiver, api):
    receiver.inner.fail_next(503, times=10_000)
    with running(folder) as run:
        run.event("waiting", part="taxii")
        status, body = run.get("/readyz")
        assert status == 200
        (waiting,) = [part for part in json.loads(body)["parts"] if part["name"] == "taxii"]
        assert waiting["state"] == "waiting"
        assert "503" in waiting["message"]
        assert run.metrics()["iocstream_part_state", "route", "taxii", "waiting"] == 1
        api.faults.append(Fault("ioc_stream", times=10_000, status=401, body=b'{"error": {"code": "x"}}'))
        run.event("blocked", part="virustotal")
        status, body = run.get("/readyz")
        assert status == 503
        assert [reason for reason in json.loads(body)["reasons"] if reason.startswith("virustotal is blocked: ")]
        assert run.get("/healthz")[0] == 200
        assert run.metrics()["iocstream_part_state", "blocked", "source", "virustotal"] == 1


def test_without_the_option_nothing_listens(folder):
    edit(folder, 'telemetry: {listen: "127.0.0.1:0"}', "")
    done = iocstream_here("run", "--once", cwd=folder)
    assert "listening" not in done.stderr


def test_sigterm_lets_the_receiver_finish_and_loses_nothing(folder, receiver, raised):
    receiver.free.clear()
    with running(folder) as run:
        assert receiver.asked.wait(60)
        run.process.send_signal(signal.SIGTERM)
        run.event("stopping")
        receiver.free.set()
        code = run.process.wait(60)
    assert code == 0
    taxii, _ = json.loads(iocstream_here("status", "--json", cwd=folder).stdout)["routes"]
    assert taxii["delivered"] > 0
    assert receiver.indicators()


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGTERM, signal.SIGTERM]])
def test_a_receiver_that_hangs_cannot_keep_the_process_and_nothing_is_lost(folder, receiver, raised, signals):
    # What is learned makes versions, and when it is learned differs between runs.
    edit(folder, "poll_seconds: 1", "poll_seconds: 1, look_ups_per_day: 0")
    # One signal: until the time to stop is up. Two: at once, however long that time is.
    edit(folder, "shutdown_seconds: 30", f"shutdown_seconds: {0.3 if len(signals) == 1 else 3600}")
    receiver.free.clear()
    with running(folder) as run:
        assert receiver.asked.wait(60)
        run.process.send_signal(signals[0])
        run.event("stopping")
        for number in signals[1:]:
            run.process.send_signal(number)
        code = run.process.wait(60)
    if len(signals) == 1:
        assert code == 0
        assert run.event("left_behind")["part"] == "taxii"
    else:
        assert code == -signal.SIGTERM
    receiver.free.set()
    assert iocstream_here("run", "--once", cwd=folder).returncode in (0, 1)
    held = receiver.inner.objects()
    undisturbed = folder / "undisturbed"
    undisturbed.mkdir()
    (undisturbed / "iocstream.yaml").write_text((folder / "iocstream.yaml").read_text())
    assert iocstream_here("run", "--once", cwd=undisturbed).returncode in (0, 1)
    assert set((folder / "events.cef").read_text().splitlines()) == set(
        (undisturbed / "events.cef").read_text().splitlines()
    )
    status = json.loads(iocstream_here("status", "--json", cwd=folder).stdout)
    expected = json.loads(iocstream_here("status", "--json", cwd=undisturbed).stdout)
    for route, wanted in zip(status["routes"], expected["routes"], strict=True):
        assert (route["backlog"], route["dead_letters"]) == (0, wanted["dead_letters"])
    assert receiver.inner.objects() == held, "an undisturbed run sends other objects"


def test_what_a_thread_left_behind_still_uses_is_not_closed_under_it(folder, monkeypatch):
    """In this process, so that the test can look into it."""
    asked, free, closed, journals = threading.Event(), threading.Event(), [], []

    class Hanging:
        def send(self, messages):
            asked.set()
            assert free.wait(60)
            return ()

        def close(self):
            closed.append(self)

    edit(folder, "shutdown_seconds: 30", "shutdown_seconds: 0.1")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(kinds, "make_sink", lambda *_: Hanging())
    monkeypatch.setattr(kinds, "make_journal", lambda settings: journals.append(SqliteJournal(settings)) or journals[0])
    stop, ended = threading.Event(), []
    thread = threading.Thread(
        target=lambda: ended.extend(app.run(configuration.load(Path("iocstream.yaml")), stop=stop))
    )
    thread.start()
    assert asked.wait(60)
    stop.set()
    thread.join(60)
    assert [part.name for part in ended] == ["virustotal", "taxii", "events"]
    assert not closed
    assert journals[0].status({}).entries
    left = [other for other in threading.enumerate() if other.name in ("taxii", "events")]
    free.set()
    for other in left:
        other.join(60)
    journals[0].close()


def test_polling_a_server_that_never_finishes_ends_when_stopping(folder, receiver):
    receiver.inner.pending_polls = 10**9
    edit(folder, "shutdown_seconds: 30", "shutdown_seconds: 3")
    with running(folder) as run:
        assert receiver.asked.wait(60)
        run.event("delivered", part="events")
        assert run.end() == 0
    assert run.event("left_for_the_next_run")["part"] == "taxii"
    assert not run.events("left_behind")


def test_no_secret_is_told_by_anyone(folder, receiver, api, tmp_path):
    """Every secret is a canary; servers echo what they were sent, refuse it, and break."""

    def echoing(environ, start_response):
        headers = "; ".join(f"{name}: {value}" for name, value in environ.items() if name.startswith("HTTP_"))
        if environ["PATH_INFO"].startswith("/no"):  # an error as the API and a TAXII server give it
            start_response("401 Unauthorized", [("Content-Type", environ["HTTP_ACCEPT"])])
            return [
                json.dumps({"error": {"code": "WrongCredentialsError", "message": headers}, "title": headers}).encode()
            ]
        start_response("503 Unavailable", [("Content-Type", "text/plain")])
        return [headers.encode()]

    (tmp_path / "key-file").write_text("canary-in-a-file\n")
    with serving(echoing) as odd:
        edit(
            folder,
            "routes:\n",
            f"""\
  refused: {{type: virustotal, api_key: canary-refused-key, api_url: "{odd}/no"}}
  broken: {{type: virustotal, api_key: "${{file:{tmp_path}/key-file}}", api_url: "{odd}/broken"}}
  proxied: {{type: virustotal, api_key: canary-proxied, api_url: "{odd}/x", proxy: "http://user:canary-proxy@127.0.0.1:9"}}
routes:
  basic:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{odd}/no/collections/c/", username: u, password: canary-basic}}
  bearer: {{mapping: stix21, sink: {{type: taxii, collection_url: "{odd}/broken/collections/c/", token: canary-token}}}}
  header:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{odd}/no/collections/c/", api_key: canary-header, api_key_header: X-K}}
""",
        )
        api.faults.append(Fault("ioc_stream", times=1, status=500, body=f"key {KEY}".encode()))
        with running(folder) as run:
            for name in ("refused", "basic", "header"):
                run.event("blocked", part=name)
            for name in ("broken", "proxied", "bearer"):
                run.event("waiting", part=name)
            run.event("delivered", part="taxii")
            told = [run.get(path)[1] for path in ("/metrics", "/healthz", "/readyz")]
            assert run.end() == 0
        commands = [
            iocstream_here(*words, cwd=folder)
            for words in (["status"], ["status", "--json"], ["check"], ["check", "--json"])
        ]
    told += run.lines + [text for done in commands for text in (done.stdout, done.stderr)]
    assert any("canary" not in text and "401" in text for text in told), "the errors were not seen"
    files = [path.read_bytes() for path in folder.iterdir() if path.name.startswith(("iocstream.db", "events"))]
    assert len(files) >= 2
    for text in [*told, *(content.decode("latin-1") for content in files)]:
        assert "canary" not in text
        assert "Y2FuYXJ5" not in text  # base64 of it, at the three offsets it can have
        assert "NhbmFye" not in text
        assert "jYW5hcn" not in text


def test_every_event_is_documented_with_its_level():
    """The code's calls `log.LEVEL("event", …)`, of notices and of the audit, against the table."""
    found = {}
    others = {"_notices.tell": "warning", "audit.write": "info", "record.begin": "info"}
    for path in (ROOT / "connector").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("debug", "info", "warning", "error", "critical")
                and re.search(r"(\b|_)log$|logger\(\)$", ast.unparse(node.func.value))
            ):
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}: an event has one name"
                name = node.args[0].value
                assert name not in found, f"{path}:{node.lineno}: {name} is said in two places"
                found[name] = node.func.attr
            elif isinstance(node, ast.Call):
                level = next((others[end] for end in others if ast.unparse(node.func).endswith(end)), None)
                if level and isinstance(node.args[0], ast.Constant):
                    found[node.args[0].value] = level
    assert found.pop("http_server")  # uvicorn's own words, at the level that it gives them
    assert documented("Events") == found


def test_every_alert_is_documented_with_its_severity():
    rules = YAML(typ="safe", pure=True).load(RULES)["groups"][0]["rules"]
    assert documented("Alerts") == {rule["alert"]: rule["labels"]["severity"] for rule in rules}


def expressions():
    rules = YAML(typ="safe", pure=True).load(RULES)["groups"][0]["rules"]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [rule["expr"] for rule in rules] + [t["expr"] for panel in panels for t in panel.get("targets", ())]


def test_rules_and_dashboard_speak_of_metrics_that_exist():
    names = documented("Metrics")
    known = {name for name, kind in names.items() if kind != "histogram"}
    known |= {
        f"{name}{end}" for name, kind in names.items() if kind == "histogram" for end in ("_count", "_sum", "_bucket")
    }
    known |= {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_start_time_seconds"}
    words = {"sum", "max", "time", "rate", "increase", "delta", "changes", "absent", "histogram_quantile", "and", "or"}
    used = set()
    for expression in expressions():
        bare = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(by|on)\s*\([^)]*\)', " ", expression)
        used |= set(re.findall(r"[A-Za-z_]\w*", bare)) - words
    assert used <= known
    assert len(used) > 15


def test_the_dashboard_is_one_that_grafana_imports():
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel.get("datasource", {}).get("uid") == "${datasource}" for panel in panels if panel["type"] != "row")
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "instance"]
    places = [tuple(panel["gridPos"].values()) for panel in panels]
    assert all(x + w <= 24 for x, _, w, _ in places)
    cells = [(x + i, y + j) for x, y, w, h in places for i in range(w) for j in range(h)]
    assert len(cells) == len(set(cells)), "two panels overlap"


def promtool(*arguments):
    program = shutil.which("promtool") or ROOT / ".peers/prometheus/usr/bin/promtool"
    if not Path(program).exists():
        assert "CI" not in os.environ, "promtool is missing: .ci/install-servers"
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules_and_each_alert_fires_when_it_should(tmp_path):
    promtool("check", "rules", str(RULES))
    shutil.copy(RULES, tmp_path)
    shutil.copy(ROOT / "tests/integration/alert_rules_test.yml", tmp_path)
    promtool("test", "rules", str(tmp_path / "alert_rules_test.yml"))


def test_prometheus_takes_every_expression_of_the_dashboard(tmp_path):
    filled = [text.replace("$__rate_interval", "5m").replace("$instance", ".*") for text in expressions()]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(filled)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "rules.yml"))
