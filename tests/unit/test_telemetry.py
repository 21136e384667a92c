"""What is said of a run: events, metrics, health, and the port where they are served."""

import contextlib
import json
import logging
import resource
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from connector import telemetry
from connector.model import JournalStatus, Misconfigured, SourceStatus, Unavailable
from connector.monitoring import health, metrics, server
from connector.monitoring.current_status import CurrentStatus
from connector.monitoring.status import StatusReport, report
from connector.pipeline.part import Part
from connector.settings.config import Placeholders, Settings, validate
from connector.settings.telemetry import TelemetrySettings
from connector.settings.yamldoc import parse
from connector.telemetry import HttpExchange

SOURCE = {
    "name": "vt",
    "watermark": "2026-01-02T03:04:05Z",
    "lag_seconds": 7,
    "notifications": 9,
    "lost": [{"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T01:00:00Z"}],
    "state": "running",
    "message": None,
    "served_by": None,
    "look_ups": {
        "known": 5,
        "absent": 1,
        "forbidden": 2,
        "waiting": 3,
        "today": 8,
        "per_day": 200,
        "message": "slow down",
        "rulesets": [
            {"id": "1", "name": "kits", "rate_limited": False, "rate_limited_ratio": 0.25, "limit": 100},
            {"id": "2", "name": None, "rate_limited": True, "rate_limited_ratio": None, "limit": None},
        ],
    },
    "quota": {"api_requests_daily": {"user": {"used": 3, "allowed": 500}, "group": {"used": 5, "allowed": 900}}},
}
ROUTE = {
    "name": "out",
    "sources": ["vt"],
    "state": "running",
    "message": None,
    "served_by": None,
    "position": 7,
    "backlog": 4,
    "lag_seconds": 30,
    "delivered": 5,
    "filtered": 0,
    "made_nothing": 3,
    "nothing_passed": 7,
    "refused": 2,
    "dead_letters": 2,
    "dropped": 0,
    "withdrawn": 1,
    "outdated": 6,
}
REPORT = {
    "journal": {"path": "j.db", "notifications": 11},
    "sources": [SOURCE],
    "routes": [ROUTE],
    "dead_letters_of_former_routes": {},
    "former": [],
}


@pytest.fixture(autouse=True)
def _own_log():
    structlog.reset_defaults()  # a test of another module may have left it configured
    yield
    structlog.reset_defaults()  # they hold on to a stderr that ends with the test


def samples(parts=(), found=REPORT, exchanges=(), journal=()):
    """Every sample of a run, by its name and labels."""
    run = metrics.RunCollector({part.name: part for part in parts}, known(found), journal, "9.9")
    registry, durations = metrics.registry(run)
    for exchange in exchanges:
        durations(exchange)
    return read(metrics_page(registry))


def metrics_page(registry):
    return server.pages(registry, lambda: None, lambda: None)["/metrics"]()[2].decode()


def read(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def known(found):
    def ask():
        if isinstance(found, Exception):
            raise found
        return StatusReport.model_validate(found)

    return CurrentStatus(ask)


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "j.db"
    path.write_bytes(b"x" * 100)
    (tmp_path / "j.db-wal").write_bytes(b"x" * 11)
    return [path, tmp_path / "j.db-wal", tmp_path / "j.db-shm"]


def test_counts_of_a_run_are_counters(journal):
    source = Part("vt", "source", fetched=10, new=7)
    route = Part("out", "route", delivered=5, filtered=1, refused=1, messages=21)
    route.refused_by["format"] += 2
    found = samples([source, route], journal=journal)
    of = ("source", "vt")
    assert found["iocstream_notifications_fetched_total", of] == 10
    assert found["iocstream_notifications_new_total", of] == 7
    assert found["iocstream_notifications_deduplicated_total", of] == 3
    to = ("route", "out")
    assert found["iocstream_notifications_delivered_total", to] == 5
    assert found["iocstream_notifications_filtered_total", to] == 1
    assert found["iocstream_notifications_refused_total", to] == 1
    assert found["iocstream_messages_sent_total", to] == 21
    assert found["iocstream_dead_letters_made_total", ("by", "format"), to] == 2
    # Series that appear only with their first event would hide it from rate() and increase().
    assert found["iocstream_dead_letters_made_total", ("by", "sink"), to] == 0


def test_exactly_one_state_of_a_part_is_on(journal):
    found = samples([Part("out", "route", state="waiting", succeeded_at=123.5)], journal=journal)
    states = {key[-1][1]: value for key, value in found.items() if key[0] == "iocstream_part_state"}
    assert states == {"running": 0, "done": 0, "waiting": 1, "blocked": 0, "elsewhere": 0}
    assert found["iocstream_last_success_timestamp_seconds", ("kind", "route"), ("part", "out")] == 123.5


def test_where_everything_stands_is_what_status_says(journal):
    found = samples(journal=journal)
    assert found["iocstream_journal_up",] == 1
    assert found["iocstream_journal_notifications",] == 11
    assert found["iocstream_journal_size_bytes",] == 111
    assert found["iocstream_source_lag_seconds", ("source", "vt")] == 7
    assert found["iocstream_source_watermark_timestamp_seconds", ("source", "vt")] == 1767323045
    assert found["iocstream_source_gaps", ("source", "vt")] == 1
    assert found["iocstream_quota_used_requests", ("source", "vt"), ("span", "daily"), ("whose", "group")] == 5
    assert found["iocstream_quota_allowed_requests", ("source", "vt"), ("span", "daily"), ("whose", "user")] == 500
    assert found["iocstream_route_backlog_notifications", ("route", "out")] == 4
    assert found["iocstream_route_lag_seconds", ("route", "out")] == 30
    assert found["iocstream_dead_letters", ("route", "out")] == 2
    assert found["iocstream_route_outdated_notifications", ("route", "out")] == 6


def test_what_is_known_of_rulesets_and_collections_and_what_is_lost_before_us_is_told(journal):
    found = samples([Part("vt", "source", looked_up=4), Part("out", "route", revised=9)], journal=journal)
    states = {key[2][1]: value for key, value in found.items() if key[0] == "iocstream_subjects"}
    assert states == {"known": 5, "absent": 1, "forbidden": 2, "waiting": 3}
    assert found["iocstream_look_ups_today", ("source", "vt")] == 8
    assert found["iocstream_look_ups_allowed", ("source", "vt")] == 200
    assert found["iocstream_look_ups_paused", ("source", "vt")] == 1
    assert found["iocstream_look_ups_total", ("source", "vt")] == 4
    assert found["iocstream_notifications_revised_total", ("route", "out")] == 9
    labels = {"1": ("name", "kits"), "2": ("name", "")}
    for ruleset, limited, ratio in (("1", 0, 0.25), ("2", 1, 0)):
        whose = labels[ruleset], ("ruleset", ruleset), ("source", "vt")
        assert found["iocstream_ruleset_rate_limited", *whose] == limited
        assert found["iocstream_ruleset_rate_limited_ratio", *whose] == ratio


def test_of_many_rulesets_those_have_metrics_of_which_most_is_lost(journal):
    ratios = [number / 1000 for number in range(500)]
    rulesets = [
        {"id": str(ratio), "name": "", "rate_limited": False, "rate_limited_ratio": ratio, "limit": 1}
        for ratio in ratios
    ]
    source = {**SOURCE, "look_ups": {**SOURCE["look_ups"], "rulesets": rulesets}}
    found = samples(found={**REPORT, "sources": [source]}, journal=journal)
    shown = [value for key, value in found.items() if key[0] == "iocstream_ruleset_rate_limited_ratio"]
    assert sorted(shown) == ratios[-64:]


def test_rules_are_told_with_what_their_matches_were_judged(journal):
    judged = {"name": "phish", "ruleset": "7", "source": None, "judged": 4, "precision": 0.25}
    counts = {"true_positive": 1, "false_positive": 2, "benign": 1}
    found = samples(found={**REPORT, "rules": [judged | counts]}, journal=journal)
    rule = ("rule", "phish"), ("ruleset", "7"), ("source", "")
    told = {verdict: found["iocstream_rule_judgements", *rule, ("verdict", verdict)] for verdict in counts}
    assert told == counts
    assert found["iocstream_rule_precision_ratio", *rule] == 0.25


def test_a_source_without_look_ups_has_no_metrics_of_them(journal):
    found = samples(found={**REPORT, "sources": [{**SOURCE, "look_ups": None}]}, journal=journal)
    assert not [key for key in found if key[0] in ("iocstream_subjects", "iocstream_look_ups_today")]


def test_a_source_that_has_never_run_has_no_lag_rather_than_none(journal):
    never = {**SOURCE, "watermark": None, "lag_seconds": None, "lost": [], "quota": None}
    found = samples(found={**REPORT, "sources": [never]}, journal=journal)
    assert not [key for key in found if key[0] in ("iocstream_source_lag_seconds", "iocstream_quota_used_requests")]
    assert found["iocstream_source_gaps", ("source", "vt")] == 0


def test_without_a_readable_journal_the_rest_is_still_told(journal):
    found = samples([Part("vt", "source", fetched=3)], found=Unavailable("the disk is full"), journal=journal)
    assert found["iocstream_journal_up",] == 0
    assert found["iocstream_notifications_fetched_total", ("source", "vt")] == 3


@pytest.mark.parametrize(
    "quota",
    [
        {f"span{n}": {"user": {"used": 1, "allowed": 2}} for n in range(500)},
        {'x"} 1\nevil 1': {"user": {"used": 1, "allowed": 2}}, "A" * 500: {"user": {"used": 1, "allowed": 2}}},
        {"daily": {"user": {"used": 10**400, "allowed": -1}}},
        {"daily": {"user": [1]}, "hourly": 3, "monthly": {"user": {"used": "1", "allowed": None}}},
        ["daily"],
    ],
)
def test_whatever_a_server_says_of_quotas_makes_few_well_formed_series(journal, quota):
    source = SourceStatus("vt", None, 0, None, (), {"quota": quota})
    found = samples(found=report(JournalStatus(0, [source]), "j.db", {}), journal=journal)
    assert len([key for key in found if key[0].startswith("iocstream_quota")]) <= 64
    assert ("evil",) not in found


def test_requests_are_timed_by_host_and_outcome_and_hosts_are_bounded(journal):
    exchanges = [HttpExchange("a.example", "GET", "2xx", 0.2), HttpExchange("a.example", "GET", "failed", 9)]
    exchanges += [HttpExchange(f"h{n}.example", "GET", "2xx", 0.1) for n in range(1000)]
    found = samples(exchanges=exchanges, journal=journal)
    name = "iocstream_http_request_duration_seconds"
    assert found[f"{name}_sum", ("host", "a.example"), ("method", "GET"), ("outcome", "failed")] == 9
    hosts = {dict(key[1:])["host"] for key in found if key[0] == f"{name}_count"}
    assert len(hosts) == metrics.MAX_HOSTS + 1
    assert found[f"{name}_count", ("host", "other"), ("method", "GET"), ("outcome", "2xx")] == 1001 - metrics.MAX_HOSTS


def test_listeners_hear_of_requests_only_while_they_listen():
    heard = []
    with telemetry.listening(heard.append):
        telemetry.exchanged(HttpExchange("a", "GET", "2xx", 1))
    telemetry.exchanged(HttpExchange("b", "GET", "2xx", 1))
    assert [exchange.host for exchange in heard] == ["a"]


def test_the_journal_is_not_asked_more_often_than_once_a_second():
    asked = []
    status = CurrentStatus(lambda: asked.append(1) or REPORT)
    for _ in range(50):
        status.now()
    assert len(asked) == 1


class FakeRunner:
    def __init__(self, *parts, ended=(), stalled=(), hanging=()):
        self.parts = {part.name: part for part in parts}
        self._ended, self._stalled, self._hanging = ended, stalled, hanging

    def ended(self):
        return self._ended

    def stalled(self):
        return self._stalled

    def hanging(self):
        return self._hanging


@pytest.mark.parametrize("trouble", ["ended", "stalled"])
def test_healthy_is_a_process_whose_parts_run_and_find_threads(trouble):
    assert health.alive(FakeRunner(Part("out", "route", state="blocked"))).good
    assert health.alive(FakeRunner(Part("out", "route"), hanging=["out"])).good
    verdict = health.alive(FakeRunner(Part("out", "route"), **{trouble: ["out"]}))
    assert not verdict.good
    assert "out" in verdict.reasons[0]


class FakeJournal:
    def __init__(self, error=None):
        self._error = error

    def news(self):
        if self._error:
            raise self._error


def test_ready_is_a_run_in_which_nothing_is_blocked_and_the_journal_can_be_read():
    waiting = Part("out", "route", state="waiting", message="no route to host")
    verdict = health.ready(FakeRunner(waiting), FakeJournal())
    assert verdict.good
    assert verdict.parts[0]["message"] == "no route to host"
    blocked = Part("out", "route", state="blocked", message="401: set the password")
    assert health.ready(FakeRunner(blocked), FakeJournal()).reasons == ["out is blocked: 401: set the password"]
    assert health.ready(FakeRunner(), FakeJournal(Misconfigured("the journal is damaged"))).reasons == [
        "the journal is damaged"
    ]
    assert not health.ready(FakeRunner(Part("vt", "source"), ended=["vt"]), FakeJournal()).good
    hanging = health.ready(FakeRunner(Part("vt", "source"), hanging=["vt"]), FakeJournal())
    assert hanging.reasons == ["vt has been at one step for a quarter of an hour or longer"]


@pytest.mark.parametrize("listen", ["9464", ":9464", "127.0.0.1", "127.0.0.1:70000", "a b:1", "::1:9464", "u@h:1", ""])
def test_what_is_no_address_to_listen_on_is_refused(listen):
    class Config(Settings):
        telemetry: TelemetrySettings

    with pytest.raises(Misconfigured, match=r"x:1:\d+: telemetry.listen: it must be ADDRESS:PORT"):
        validate(parse(f"telemetry: {{listen: {json.dumps(listen)}}}", "x"), Config, Placeholders(Path("/nowhere")))


@pytest.mark.parametrize(
    ("listen", "address"),
    [("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:9464", ("::1", 9464)), ("localhost:1", ("localhost", 1)), (None, None)],
)
def test_an_address_to_listen_on(listen, address):
    assert TelemetrySettings(listen=listen).address() == address


@contextlib.contextmanager
def served(**pages):
    with server.serving("127.0.0.1", 0, {f"/{name}": page for name, page in pages.items()}) as url:
        yield url


def page(text="here\n", status=200):
    return lambda: (server.HTTPStatus(status), "text/plain", text.encode())


def fetch(url, method="GET"):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def raw(url, data):
    """What comes back on a connection that sends these bytes and waits for the end."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))
    return b""


def test_pages_are_served_and_nothing_else_is():
    with served(good=page(), bad=page("no\n", 503)) as url:
        assert fetch(f"{url}/good") == (200, b"here\n")
        assert fetch(f"{url}/good?x=1") == (200, b"here\n")
        assert fetch(f"{url}/good", "HEAD") == (200, b"")
        assert fetch(f"{url}/bad") == (503, b"no\n")
        assert fetch(f"{url}/")[0] == 404
        assert fetch(f"{url}/good", "POST")[0] == 501


def test_the_port_is_free_again_when_the_block_ends():
    with served(good=page()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(Misconfigured, match=r"telemetry\.listen: 127\.0\.0\.1:\d+ cannot be listened on"):
            server.serving("127.0.0.1", port, {}).__enter__()
    with server.serving("127.0.0.1", port, {"/good": page()}) as url:
        assert fetch(f"{url}/good")[0] == 200


@pytest.mark.parametrize(
    "data",
    [
        b"GET /good HTTP/1.1\r\nX: " + b"a" * 1_000_000,
        b"GET /" + b"a" * 1_000_000,
        b"".join(b"X-%d: y\r\n" % n for n in range(100_000)),
        bytes(range(256)) * 10,
        b"\r\n" * 10_000,
        b"GET /good HTTP/1.1\r\n" + (b"X: " + b"a" * 60_000 + b"\r\n") * 50 + b"\r\n",
    ],
)
def test_a_request_without_end_is_cut_off(data):
    with served(good=page()) as url:
        assert b"here" not in raw(url, data)
        assert fetch(f"{url}/good")[0] == 200


@pytest.mark.parametrize("data", [b"", b"GET /good", b"GET /good HTTP/1.1\r\n"])
def test_a_request_that_never_becomes_complete_is_ended_by_the_clock(monkeypatch, data):
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(server._Handler, "timeout", None)
    with served(good=page()) as url:
        assert raw(url, data) == b""


def test_a_dripping_client_does_not_win_time_with_each_byte(monkeypatch):
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.3)
    with served(good=page()) as url, socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as connection:
        connection.settimeout(0.02)
        for _ in range(1000):
            try:
                connection.sendall(b"G")
                if connection.recv(10) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("the connection stays open")


def test_more_connections_than_there_are_places_are_turned_away_and_places_are_given_back():
    entered, leave = threading.Semaphore(0), threading.Event()

    def slow():
        entered.release()
        leave.wait(20)
        return server.HTTPStatus.OK, "text/plain", b"slow\n"

    with served(slow=slow, good=page()) as url:
        port = int(url.rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            for _ in range(server.MAX_CONNECTIONS):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                connection.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
            for _ in range(server.MAX_CONNECTIONS):
                assert entered.acquire(timeout=20)
            assert raw(url, b"GET /good HTTP/1.0\r\n\r\n") == b""
            leave.set()
        for _ in range(100_000):
            if b"here" in raw(url, b"GET /good HTTP/1.0\r\n\r\n"):
                break
        else:
            pytest.fail("the places are not given back")


@pytest.mark.parametrize("sent", [b"", b"GET /good HTTP/1.1\r\n", b"GET /long HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"])
def test_nobody_is_kept_out_by_clients_that_send_nothing_or_take_nothing(sent):
    with served(good=page(), long=page("x" * 16_000_000)) as url, contextlib.ExitStack() as stack:
        port = int(url.rpartition(":")[2])
        for _ in range(3):
            for _ in range(server.MAX_CONNECTIONS):
                idle = stack.enter_context(socket.socket())
                idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                idle.connect(("127.0.0.1", port))
                with contextlib.suppress(ConnectionError):
                    idle.sendall(sent)
            assert fetch(f"{url}/good") == (200, b"here\n")


def test_a_page_of_another_site_that_leads_its_name_here_is_answered_nothing():
    with served(good=page()) as url:
        for host, status in ((b"evil.example", b"421"), (b"127.0.0.1", b"200"), (b"localhost:1", b"200")):
            answer = raw(url, b"GET /good HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            assert answer.split()[1] == status
            assert (b"here" in answer) == (status == b"200")
        both = raw(url, b"GET /good HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n")
        assert both.split()[1] == b"421"
    with server.serving("127.0.0.1", 0, {"/good": page()}, ["soc.example"]) as url:
        assert b"here" in raw(url, b"GET /good HTTP/1.1\r\nHost: Soc.example:9464\r\n\r\n")


def test_a_whole_url_is_a_target_too():
    with served(good=page()) as url:
        assert b"here" in raw(url, b"GET http://127.0.0.1/good?a HTTP/1.1\r\nHost: x.example\r\n\r\n")
        assert raw(url, b"GET http://x.example/good HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").split()[1] == b"421"
        assert raw(url, b"GET http://[/good HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").split()[1] == b"400"


def test_a_page_that_fails_is_told_in_the_log_and_not_to_the_client(capsys):
    telemetry.configure(json_lines=True)

    def broken():
        raise ZeroDivisionError("bug")

    with served(broken=broken, good=page()) as url:
        assert raw(url, b"GET /broken HTTP/1.0\r\n\r\n") == b""
        assert fetch(f"{url}/good")[0] == 200
    (event,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert event["event"] == "telemetry_failed"
    assert "ZeroDivisionError" in event["exception"]


def test_elsewhere_than_at_a_terminal_an_event_is_a_line_of_json(capsys):
    telemetry.configure()
    telemetry.logger().warning("waiting", part="vt", reason='new\nline and "quotes" \x1b[31m')
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["part"]) == ("waiting", "warning", "vt")
    assert event["timestamp"].endswith("Z")


def test_what_others_wrote_cannot_steer_the_terminal(capsys):
    telemetry.configure(json_lines=False)
    telemetry.logger().warning("waiting", reason="gone\x1b]0;owned\x07\nfaked line", bare="\x1b]0;owned\x07")
    printed = capsys.readouterr().err
    assert "\x1b]0" not in printed
    assert "\x07" not in printed
    assert len(printed.splitlines()) == 1


def test_events_below_the_level_are_not_written(capsys):
    telemetry.configure(json_lines=True, level=logging.getLevelName(logging.WARNING))
    telemetry.logger().info("stored")
    assert capsys.readouterr().err == ""


def test_in_a_program_that_configured_nothing_only_trouble_is_told_and_never_on_stdout(capsys):
    telemetry.logger().info("stored")
    telemetry.logger().warning("waiting", part="vt")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [json.loads(line)["event"] for line in printed.err.splitlines()] == ["waiting"]


def test_a_line_of_the_audit_that_a_full_disk_takes_a_part_of_is_in_the_log_and_spoils_no_other(tmp_path, capsys):
    telemetry.configure(json_lines=True)
    path, most = tmp_path / "audit", 1024 * 1024
    path.write_bytes(b"." * (most - 21) + b"\n")
    audit = telemetry.AuditLog(str(path))
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, usual[1]))
    try:
        audit.write("action", token="first")
        audit.write("action", token="second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    audit.write("action", token="third")
    audit.write("action", token="fourth")
    _, cut, *whole = path.read_text().splitlines()
    assert len(cut) == 20
    assert [json.loads(line)["token"] for line in whole] == ["third", "fourth"]
    log = capsys.readouterr().err
    assert log.count("audit_unwritten") == 2
    assert "first" in log
    assert "second" in log
