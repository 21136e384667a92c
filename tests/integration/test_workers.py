"""Processes that share a journal in PostgreSQL: what each serves, and what becomes of that when one is gone."""

import os
import signal
import subprocess
import threading
import time
from collections import Counter, defaultdict
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
import pytest
from integration.command import iocstream, started
from peers import postgresql

from connector.journals.postgresql.journal import PostgresqlJournal
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.journals.sql.process import Process
from connector.model import Unavailable

TENANTS = 4
ELSEWHERE = Process("elsewhere", "another boot", 7, "1")


@pytest.fixture(scope="module")
def server():
    postgresql.needs_postgresql()
    return postgresql.shared()


@pytest.fixture
def schema(server):
    name = server.empty_schema()
    yield name
    server.give_back(name)


class Receiver(ThreadingHTTPServer):
    """Takes what routes send; `taken` has the ids by path, as they came."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Request)
        self.taken = defaultdict(list)


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        item = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.taken[self.path].append(item["context_attributes"]["notification_id"])
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Team:
    """Processes with one configuration: each tenant has a source and a route."""

    def __init__(self, folder, server, schema):
        self.folder, self.given = folder, 0
        self.receiver = Receiver()
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{self.receiver.server_port}"
        sources = "".join(f"  s{n}: {{type: file, path: in{n}.jsonl, poll_seconds: 1}}\n" for n in range(TENANTS))
        routes = "".join(
            f"  r{n}: {{sources: [s{n}], mapping: raw, sink: {{type: http, to: webhook, url: '{url}/{n}'}}}}\n"
            for n in range(TENANTS)
        )
        (folder / "iocstream.yaml").write_text(
            f"sources:\n{sources}routes:\n{routes}"
            f"journal: {{type: postgresql, dsn: {server.dsn}, schema_name: {schema}, takeover_seconds: 15}}\n"
        )
        for number in range(TENANTS):
            (folder / f"in{number}.jsonl").touch()
        self.workers = []
        self.journal = opened(server, schema, takeover_seconds=15)

    def start(self, count=1):
        for _ in range(count):
            log = (self.folder / f"log{len(self.workers)}").open("wb")
            self.workers.append(started("run", cwd=self.folder, stdout=log, stderr=subprocess.STDOUT))
            log.close()
        return self.workers[-1]

    def give(self, count=5):
        """Each tenant gets so many notifications more."""
        for number in range(TENANTS):
            with (self.folder / f"in{number}.jsonl").open("ab") as file:
                for each in range(self.given, self.given + count):
                    said = {"notification_id": f"{number}-{each}", "notification_date": 1_790_000_000 + each}
                    item = {"type": "domain", "id": f"host{each}.example", "attributes": {}, "context_attributes": said}
                    file.write(orjson.dumps(item) + b"\n")
        self.given += count

    def delivered(self, number):
        return [*self.receiver.taken[f"/{number}"]]

    def serving(self):
        """How many sources and routes each living worker serves, by its process."""
        status = self.journal.status({f"r{number}": [f"s{number}"] for number in range(TENANTS)})
        served = Counter(each.served_by.process for each in [*status.sources, *status.routes])
        return {pid: served[pid] for pid in (process(each) for each in self.journal.workers() if each.is_alive)}

    def parts(self):
        return [f"s{number}" for number in range(TENANTS)] + [f"r{number}" for number in range(TENANTS)]

    def logs(self):
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("log*")))


@pytest.fixture
def team(tmp_path, server, schema):
    team = Team(tmp_path, server, schema)
    yield team
    for worker in team.workers:
        with suppress(ProcessLookupError):
            worker.send_signal(signal.SIGCONT)
        worker.terminate()
    for worker in team.workers:
        worker.wait(40)
    team.journal.close()
    team.receiver.shutdown()
    team.receiver.server_close()
    assert "Traceback" not in team.logs()


def until(holds, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := holds():
                return found
        except AttributeError:
            pass  # nobody serves some of it just now
        assert time.monotonic() < deadline
        time.sleep(0.3)


def arrived(team):
    return all({*team.delivered(n)} == {f"{n}-{each}" for each in range(team.given)} for n in range(TENANTS))


@pytest.mark.timeout(400)
def test_work_is_spread_and_taken_over_from_one_that_is_killed_frozen_or_drained(team):
    team.give()
    first = team.start()
    until(lambda: team.serving() == {first.pid: 2 * TENANTS})
    second = team.start()
    until(lambda: team.serving() == {first.pid: TENANTS, second.pid: TENANTS})
    team.give()
    until(lambda: arrived(team))

    second.send_signal(signal.SIGSTOP)
    until(lambda: team.serving() == {first.pid: 2 * TENANTS})
    team.give()
    until(lambda: arrived(team))
    second.send_signal(signal.SIGCONT)
    until(lambda: team.serving() == {first.pid: TENANTS, second.pid: TENANTS})

    said = iocstream("journal", "workers", "--drain", worker_name(team, first), cwd=team.folder)
    assert (said.returncode, "drained" in said.stdout) == (0, True)
    until(lambda: team.serving() == {first.pid: 0, second.pid: 2 * TENANTS})
    iocstream("journal", "workers", "--resume", worker_name(team, first), cwd=team.folder)
    until(lambda: team.serving() == {first.pid: TENANTS, second.pid: TENANTS})

    first.kill()
    first.wait()
    team.give()
    until(lambda: arrived(team))
    until(lambda: team.serving() == {second.pid: 2 * TENANTS})

    for number in range(TENANTS):
        # A process that is killed or frozen may have delivered what it had not written down: at least once.
        firsts = list(dict.fromkeys(team.delivered(number)))
        assert firsts == sorted(firsts, key=lambda each: int(each.split("-")[1]))


def worker_name(team, worker):
    return next(each.name for each in team.journal.workers() if process(each) == worker.pid)


def process(worker):
    return int(worker.name.split("/")[1])


@pytest.mark.timeout(400)
def test_who_ends_is_missed_at_once(team):
    team.give()
    first, second = team.start(), team.start()
    until(lambda: sum(team.serving().values()) == 2 * TENANTS and len(team.serving()) == 2)
    first.terminate()
    first.wait(40)
    assert first.returncode == 0
    until(lambda: team.serving() == {second.pid: 2 * TENANTS}, 20)
    until(lambda: arrived(team))
    assert [process(each) for each in team.journal.workers()] == [second.pid]
    shown = orjson.loads(iocstream("status", "--json", cwd=team.folder).stdout)["workers"]
    assert [(each["parts"], each["is_alive"]) for each in shown] == [(team.parts(), True)]


def opened(server, schema, process=None, **more):
    return PostgresqlJournal(PostgresqlSettings(dsn=server.dsn, schema_name=schema, **more), process=process)


def test_a_dead_worker_is_told_by_the_clock_of_the_database(server, schema, monkeypatch):
    with (
        closing(opened(server, schema, ELSEWHERE)) as dead,
        closing(opened(server, schema)) as me,
    ):
        assert set(dead.allot([["a", "b"], ["x"]], 0, 0)) == {"a", "b", "x"}
        assert set(me.allot([["a", "b"], ["x"]], 0, 0)) == set()
        assert len(dead.allot([["a", "b"], ["x"]], 3, 4)) == 2
        monkeypatch.setattr(time, "time", lambda: 9_999_999_999.0)
        assert sorted((each.name, each.is_alive, each.delivered) for each in me.workers()) == [
            ("elsewhere/7", True, 4),
            (f"{os.uname().nodename}/{os.getpid()}", True, 0),
        ]
        with server.admin() as db:
            db.execute(f"UPDATE {schema}.workers SET seen = seen - 25 WHERE name = 'elsewhere/7'")
        assert set(me.allot([["a", "b"], ["x"]], 0, 0)) == {"a", "b", "x"}
        assert {each.name: each.is_alive for each in me.workers()}["elsewhere/7"] is False


def test_what_is_still_leased_is_not_allotted(server, schema):
    with (
        closing(opened(server, schema, ELSEWHERE)) as other,
        closing(opened(server, schema)) as me,
    ):
        with other.lease("a"):
            assert set(me.allot([["a", "b"]], 0, 0)) == {"b"}
        assert set(me.allot([["a", "b"]], 0, 0)) == {"a", "b"}


def test_a_server_that_cannot_be_reached_changes_nothing(server, schema):
    settings = PostgresqlSettings(dsn=server.dsn.replace(str(server.port), "1"), schema_name=schema, timeout_seconds=2)
    with closing(PostgresqlJournal(settings)) as journal, pytest.raises(Unavailable):
        journal.allot([["a"]], 0, 0)


def test_a_worker_that_there_is_not_cannot_be_drained(team):
    said = iocstream("journal", "workers", "--drain", "nobody/1", cwd=team.folder)
    assert said.returncode == 2
    assert "there is no worker 'nobody/1'" in said.stderr


def test_a_journal_in_a_file_is_shared_by_none(tmp_path):
    (tmp_path / "iocstream.yaml").write_text("sources: {a: {type: file, path: a.jsonl}}\nroutes: {}\n")
    said = iocstream("journal", "workers", "--drain", "nobody/1", cwd=tmp_path)
    assert said.returncode == 2
