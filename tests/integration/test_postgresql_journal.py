"""A journal in a real PostgreSQL: who writes when, what is said of each trouble, and that nothing is lost in any."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import psycopg
import pytest
from certificates import make as make_certificates
from free_ports import reserve
from hypothesis import given
from hypothesis import strategies as st
from integration.command import ROOT, iocstream_here, started
from peers import postgresql

from connector.journals.postgresql import columns, errors
from connector.journals.postgresql.database import OLDEST_SERVER, migrations
from connector.journals.postgresql.journal import PostgresqlJournal, check_database
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.journals.sql.leases import LEASE_SECONDS
from connector.journals.sql.process import Process
from connector.model import Advance, Misconfigured, Notification, Page, Unavailable

WRITER = """
import sys
from contextlib import closing
from connector.journals.postgresql.journal import PostgresqlJournal
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.model import Notification, Page

dsn, schema, source, pages = sys.argv[1:]
with closing(PostgresqlJournal(PostgresqlSettings(dsn=dsn, schema_name=schema))) as journal, journal.lease(source):
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(pages)):
        size = 1 + number % 7 * 5
        journal.append(source, Page([Notification(f"{number}-{each}", 1, {}) for each in range(size)], number))
"""
"""Stores pages of different sizes, which take different times."""
SLEEPER = """
import sys
from contextlib import closing
from connector.journals.postgresql.journal import PostgresqlJournal
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.model import Notification, Page, Unavailable

with closing(PostgresqlJournal(PostgresqlSettings(dsn=sys.argv[1], schema_name=sys.argv[2]))) as journal:
    with journal.lease("vt"):
        journal.append("vt", Page([Notification("before", 1, {})], 1))
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            journal.append("vt", Page([Notification("after", 1, {})], 2))
            print("stored")
        except Unavailable as error:
            print(error)
"""
ELSEWHERE = Process("elsewhere", "another boot", 7, "1")


@pytest.fixture(scope="module")
def server():
    return postgresql.shared()


@pytest.fixture
def schema(server):
    name = server.empty_schema()
    yield name
    server.give_back(name)


@pytest.fixture
def opened(server, schema):
    journals = []

    def open_journal(process=None, **settings):
        given = {"dsn": server.dsn, "schema_name": schema, "timeout_seconds": 5, **settings}
        journals.append(PostgresqlJournal(PostgresqlSettings(**given), process=process))
        return journals[-1]

    yield open_journal
    for journal in journals:
        journal.close()


def child(program, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def store(journal, *numbers, source="vt"):
    with journal.lease(source):
        journal.append(source, Page([Notification(str(number), 1, {"n": number}) for number in numbers], numbers[-1]))


def ids(entries):
    return [entry.notification.id for entry in entries]


def test_a_reader_that_goes_on_from_the_last_it_saw_misses_nothing_that_others_store_meanwhile(server, schema, opened):
    sources, pages = ("a", "b", "c"), 25
    writers = [child(WRITER, server.dsn, schema, source, pages) for source in sources]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    journal = opened()
    seen, last = [], 0
    while True:
        is_over = all(writer.poll() is not None for writer in writers)
        found = journal.history(dict.fromkeys(sources, 0), 500, last)
        seen += [(entry.source, entry.notification.id) for entry in found]
        last = found[-1].seq if found else last
        if is_over and not found:
            break
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    expected = [f"{number}-{each}" for number in range(pages) for each in range(1 + number % 7 * 5)]
    for source in sources:
        assert [each for of, each in seen if of == source] == expected
    for writer in writers:
        writer.stdin.close()
        writer.stdout.close()


def test_processes_that_start_at_once_make_the_tables_once(server, schema):
    name = f"{schema}_new"
    starts = [child(WRITER, server.dsn, name, f"source{number}", 1) for number in range(3)]
    assert [start.communicate("\n", timeout=60)[0] for start in starts] == ["ready\n"] * 3
    with server.admin() as db:
        assert db.execute(f"SELECT version FROM {name}.schema_version").fetchall() == [(len(migrations()),)]
        db.execute(f"DROP SCHEMA {name} CASCADE")


def test_a_schema_of_a_newer_program_is_refused_and_left_alone(server, schema, opened):
    with server.admin() as db:
        db.execute(f"UPDATE {schema}.schema_version SET version = version + 1")
    try:
        with pytest.raises(Misconfigured, match=r"was written by a newer version of this program .*: upgrade"):
            opened().news()
    finally:
        with server.admin() as db:
            db.execute(f"UPDATE {schema}.schema_version SET version = version - 1")


def test_a_schema_with_tables_of_another_program_is_left_alone(server, schema, opened):
    with server.admin() as db:
        db.execute(f"CREATE SCHEMA {schema}_other AUTHORIZATION connector CREATE TABLE theirs (id bigint)")
    with pytest.raises(Misconfigured, match="tables of another program; name another in schema_name"):
        opened(schema_name=f"{schema}_other").news()
    with server.admin() as db:
        db.execute(f"DROP SCHEMA {schema}_other CASCADE")


def test_to_look_at_a_database_makes_nothing(server, schema):
    settings = PostgresqlSettings(dsn=server.dsn, schema_name=f"{schema}_none")
    assert check_database(settings).endswith("will be made")
    with server.admin() as db:
        assert db.execute("SELECT to_regnamespace(%s)", [f"{schema}_none"]).fetchone() == (None,)


# Logins and networks.


def test_a_wrong_password_is_told_with_its_remedy_and_not_shown(server, opened):
    journal = opened(dsn=server.network_dsn, password="a wrong password")
    with pytest.raises(Misconfigured, match=r"login is refused .*Check user and dbname in journal.dsn") as raised:
        journal.news()
    assert "a wrong password" not in str(raised.value)
    opened(dsn=server.network_dsn, password=postgresql.PASSWORD).news()


def test_a_password_file_is_read(server, opened, tmp_path, monkeypatch):
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{server.port}:*:{postgresql.USER}:{postgresql.PASSWORD}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    opened(dsn=server.network_dsn).news()


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("host={folder} port={port} user=connector dbname=nowhere", "Check user and dbname"),
        ("host={folder} port={port} user=nobody dbname=iocstream", "Check user and dbname"),
    ],
)
def test_a_login_that_is_not_there_is_a_matter_for_a_person(server, opened, dsn, said):
    with pytest.raises(Misconfigured, match=said):
        opened(dsn=dsn.format(folder=server.folder, port=server.port)).news()


def test_a_login_without_the_right_to_make_a_schema_is_told_how_to_get_one(server, schema, opened):
    with server.admin() as db:
        db.execute("CREATE ROLE guest LOGIN")
    with pytest.raises(Misconfigured, match=r"has not the right to .*CREATE SCHEMA name AUTHORIZATION login"):
        opened(dsn=server.dsn.replace("user=connector", "user=guest"), schema_name=f"{schema}_guest").news()


def test_a_server_that_is_too_old_is_told_which_it_takes(opened, monkeypatch):
    monkeypatch.setattr("connector.journals.postgresql.database.OLDEST_SERVER", 990_000)
    with pytest.raises(Misconfigured, match="it takes PostgreSQL 99 or newer"):
        opened().news()
    assert OLDEST_SERVER == 140_000


def test_nobody_listening_is_waited_for(opened):
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        opened(dsn=f"host=127.0.0.1 port={reserve()} dbname=x user=y").news()


def test_too_many_connections_are_waited_for(server, opened):
    with server.admin() as db:
        db.execute("ALTER ROLE connector CONNECTION LIMIT 0")
        try:
            with pytest.raises(Unavailable, match="too many connections"):
                opened().news()
        finally:
            db.execute("ALTER ROLE connector CONNECTION LIMIT -1")
    opened().news()


def test_a_certificate_is_checked_and_without_tls_nothing_is_said_over_a_network(tmp_path, monkeypatch):
    postgresql.needs_postgresql()
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    certificates = make_certificates(tmp_path)
    server = postgresql.Server(tls=certificates.server)
    try:
        # Its name says that it is another machine; its address is this one.
        dsn = f"host={{}} hostaddr=127.0.0.1 port={server.port} user=connector dbname=iocstream"
        given = {"password": postgresql.PASSWORD, "timeout_seconds": 5}

        def news(host, more=""):
            settings = PostgresqlSettings(dsn=dsn.format(host) + more, **given)
            monkeypatch.setattr("connector.journals.postgresql.settings.is_loopback", lambda host: False)
            with closing(PostgresqlJournal(settings)) as journal:
                journal.news()

        with pytest.raises(Misconfigured, match=r"TLS failed .*sslrootcert"):
            news("localhost")
        news("localhost", f" sslrootcert={certificates.ca}")
        with pytest.raises(Misconfigured, match="TLS failed"):
            news("db.example", f" sslrootcert={certificates.ca}")
    finally:
        server.remove()


# What a configuration says.


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("postgresql://u:hunter22@db/x", "no password belongs here"),
        ("host=db password=hunter22", "no password belongs here"),
        ("host=db hunter22", "no connection string"),
        ("host=db.example sslmode=require", "only a socket and loopback need no TLS"),
        ("host=127.0.0.1,db.example sslmode=disable", "only a socket and loopback need no TLS"),
        ("host=db options=-csearch_path=x", "options is set by this program"),
    ],
)
def test_a_mistaken_dsn_is_told_and_no_secret_in_it(tmp_path, dsn, said):
    (tmp_path / "iocstream.yaml").write_text(
        "sources: {vt: {type: file, path: in.json}}\n"
        "routes: {out: {mapping: raw, sink: {type: file, path: out.json}}}\n"
        f"journal: {{type: postgresql, dsn: '{dsn}'}}\n"
    )
    done = iocstream_here("check", cwd=tmp_path)
    assert done.returncode == 2
    assert "iocstream.yaml:3:34: journal.dsn: " in done.stderr
    assert said in done.stderr
    assert "hunter22" not in done.stderr + done.stdout


def test_no_password_is_in_what_is_shown_of_a_journal():
    settings = PostgresqlSettings(dsn="host=db.example dbname=x user=y", password="hunter22")
    assert "hunter22" not in f"{settings!r} {settings} {settings.place()} {settings.model_dump_json()}"
    assert settings.connection()["password"] == "hunter22"
    assert settings.connection()["sslmode"] == "verify-full"
    assert "sslmode" not in PostgresqlSettings(dsn="host=/run/postgresql dbname=x").connection()


@pytest.mark.parametrize(("name", "value"), [("PGHOSTADDR", "192.0.2.7"), ("PGSERVICE", "remote")])
def test_tls_is_demanded_where_the_environment_may_lead_over_a_network(monkeypatch, name, value):
    settings = PostgresqlSettings(dsn="host=localhost dbname=x")
    assert "sslmode" not in settings.connection()
    monkeypatch.setenv(name, value)
    assert settings.connection()["sslmode"] == "verify-full"
    with pytest.raises(ValueError, match="only a socket and loopback need no TLS"):
        PostgresqlSettings(dsn="host=localhost dbname=x sslmode=disable")


# Outages.


def test_a_server_that_was_started_anew_is_gone_on_with(schema):
    postgresql.needs_postgresql()
    server = postgresql.Server()
    try:
        with closing(PostgresqlJournal(PostgresqlSettings(dsn=server.dsn, timeout_seconds=5))) as journal:
            store(journal, 1)
            server.stop()
            with pytest.raises(Unavailable):
                store(journal, 2)
            with pytest.raises(Unavailable):
                journal.news()
            server.start()
            store(journal, 2, 3)
            assert ids(journal.history({"vt": 0}, 10)) == ["1", "2", "3"]
            server.stop(signal.SIGQUIT)  # as if it crashed
            server.start()
            assert ids(journal.history({"vt": 0}, 10)) == ["1", "2", "3"]
            store(journal, 4)
            assert ids(journal.history({"vt": 0}, 10)) == ["1", "2", "3", "4"]
    finally:
        server.remove()


def test_a_server_that_takes_no_writes_is_waited_for(server, schema, opened):
    journal = opened()
    store(journal, 1)
    with server.admin() as db:
        db.execute("ALTER ROLE connector SET default_transaction_read_only = on")
    try:
        with pytest.raises(Unavailable, match="read-only"):
            store(opened(), 2)
    finally:
        with server.admin() as db:
            db.execute("ALTER ROLE connector RESET default_transaction_read_only")
    store(journal, 2)
    assert ids(journal.history({"vt": 0}, 10)) == ["1", "2"]


def test_who_keeps_others_from_writing_is_waited_for_and_then_told(opened):
    first, second = opened(), opened(timeout_seconds=1)
    second.news()
    with first._database.write(), pytest.raises(Unavailable, match="others have kept the journal for 1 s"):
        store(second, 1)
    store(second, 1)


def test_who_had_to_wait_for_its_turn_sees_what_was_written_meanwhile_whatever_isolation_is_the_default(server, opened):
    with server.admin() as db:
        db.execute("ALTER ROLE connector SET default_transaction_isolation = 'repeatable read'")
    try:
        first, second = opened(), opened()
        store(first, 1)
        store(second, 2)
        count = "SELECT count(*) FROM notifications"

        def counted():
            with second._database.write() as db:
                return db.ask(count).fetchone()[0]

        with ThreadPoolExecutor(1) as pool:
            with first._database.write() as db:
                waiting = pool.submit(counted)
                with server.admin() as admin:
                    asked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                    wait_for(lambda: admin.execute(asked).fetchone() == (1,))
                db.ask("DELETE FROM notifications WHERE seq = 1")
            assert waiting.result() == 1
    finally:
        with server.admin() as db:
            db.execute("ALTER ROLE connector RESET default_transaction_isolation")


def test_what_reads_all_of_a_table_is_waited_for_longer_and_only_that(opened):
    database = opened(timeout_seconds=1)._database
    with database.read() as db:
        db.allow_long_statements()
        db.execute("SELECT pg_sleep(2)")
    with pytest.raises(Unavailable, match="others have kept"), database.read() as again:
        again.execute("SELECT pg_sleep(2)")
    assert again is db


def test_tables_that_were_altered_meanwhile_are_read_with_a_new_connection(server, schema, opened):
    journal = opened()
    store(journal, *range(1, 20))

    def read():
        with journal._database.read() as db:
            return db.execute("SELECT * FROM days", prepare=True).fetchall()

    assert len(read()) == 1
    with server.admin() as db:
        db.execute(f"ALTER TABLE {schema}.days ADD COLUMN more int")
    try:
        with pytest.raises(Unavailable, match="cached plan"):
            read()
        assert len(read()) == 1
    finally:
        with server.admin() as db:
            db.execute(f"ALTER TABLE {schema}.days DROP COLUMN more")


def test_a_transaction_that_sleeps_is_ended_so_that_others_can_write(opened):
    sleeper, other = opened(timeout_seconds=1), opened(timeout_seconds=5)
    with pytest.raises(Unavailable), sleeper._database.write():
        store(other, 1)  # as soon as the sleeper has lost its turn
    store(sleeper, 2)
    assert ids(other.history({"vt": 0}, 10)) == ["1", "2"]


def test_a_server_that_gives_no_answer_is_not_waited_for_for_ever(server, opened):
    journal = opened(timeout_seconds=1)
    store(journal, 1)
    with server.admin() as db:
        pids = [pid for (pid,) in db.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'connector'")]
    pids.append(server.process.pid)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="timeout"):  # after a new connection was tried too
            journal.news()
        with pytest.raises(Unavailable):
            store(journal, 2)
        assert time.monotonic() - began < 10
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert ids(journal.history({"vt": 0}, 10)) == ["1"]


TROUBLES = [
    (psycopg.errors.DiskFull("could not extend file"), Unavailable, "the disk of the database is full"),
    (psycopg.errors.OutOfMemory("out of memory"), Unavailable, "out of memory"),
    (psycopg.errors.DeadlockDetected("deadlock detected"), Unavailable, "deadlock"),
    (psycopg.errors.SerializationFailure("could not serialize access"), Unavailable, "serialize"),
    (psycopg.errors.AdminShutdown("terminating connection due to administrator command"), Unavailable, "terminating"),
    (psycopg.errors.CannotConnectNow("the database system is starting up"), Unavailable, "starting up"),
    (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), Unavailable, "answers slowly"),
    (psycopg.errors.IoError("could not read block 7"), Unavailable, "could not read block"),
    (psycopg.errors.DataCorrupted("invalid page in block 7"), Misconfigured, "is damaged .*Restore a backup"),
    (psycopg.errors.UndefinedTable('relation "seen" does not exist'), Misconfigured, "is damaged"),
    (psycopg.OperationalError('FATAL:  no pg_hba.conf entry for host "10.0.0.7"'), Misconfigured, "login is refused"),
    (psycopg.OperationalError("server closed the connection unexpectedly"), Unavailable, "closed the connection"),
    (psycopg.InterfaceError("the connection is lost"), Unavailable, "the connection is lost"),
]


@pytest.mark.parametrize(("error", "kind", "said"), TROUBLES, ids=[type(each[0]).__name__ for each in TROUBLES])
def test_a_trouble_is_waited_for_or_a_matter_for_a_person(error, kind, said):
    explained = errors.explained(error, "PostgreSQL, db", 30)
    assert type(explained) is kind
    assert re.search(said, str(explained))


def test_what_only_a_bug_brings_about_is_not_explained_away():
    assert errors.explained(psycopg.errors.SyntaxError("syntax error"), "PostgreSQL, db", 30) is None


# Leases.


def age(server, schema, seconds):
    with server.admin() as db:
        db.execute(f"UPDATE {schema}.leases SET expires = expires - %s, since = since - %s", [seconds, seconds])


def test_a_lease_ends_by_the_clock_of_the_database_whatever_that_of_a_machine_says(server, schema, opened, monkeypatch):
    holder, other = opened(ELSEWHERE), opened()
    with holder.lease("vt"):
        monkeypatch.setattr(time, "time", lambda: 9_999_999_999.0)
        with pytest.raises(Unavailable, match="vt is served by process 7 on elsewhere"), other.lease("vt"):
            pass
        age(server, schema, LEASE_SECONDS)
        with other.lease("vt"), pytest.raises(Unavailable, match="vt is served by process"):
            holder.append("vt", Page([Notification("late", 1, {})], "late"))
    assert other.history({"vt": 0}, 10) == []


def test_a_worker_that_slept_past_its_lease_writes_nothing(server, schema, opened):
    with child(SLEEPER, server.dsn, schema) as sleeper:
        assert sleeper.stdout.readline() == "ready\n"
        sleeper.send_signal(signal.SIGSTOP)
        try:
            age(server, schema, LEASE_SECONDS)
            store(opened(), 2)
        finally:
            sleeper.send_signal(signal.SIGCONT)
        said, _ = sleeper.communicate("\n", timeout=30)
    assert "the lease was lost to another process" in said
    assert ids(opened().history({"vt": 0}, 10)) == ["before", "2"]


def test_the_lease_of_a_killed_process_of_this_machine_is_free_at_once(server, schema, opened):
    with child(SLEEPER, server.dsn, schema) as killed:
        assert killed.stdout.readline() == "ready\n"
        killed.kill()
    store(opened(), 2)


def test_leases_are_listed_and_released(server, schema, opened, tmp_path):
    configure(tmp_path, server, schema)
    with opened(ELSEWHERE).lease("vt"):
        assert "elsewhere" in command(tmp_path, "journal", "leases").stdout
        assert "nobody holds a lease" in command(tmp_path, "journal", "leases", "--release", "vt").stdout


# A pooler, in transaction mode: each transaction may be in another session.


@contextmanager
def pooled(server, folder):
    if not Path("/usr/sbin/pgbouncer").exists():
        pytest.skip("there is no PgBouncer (.ci/install-servers)")
    port = reserve()
    (folder / "users").write_text(f'"{postgresql.USER}" "{postgresql.PASSWORD}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\niocstream = host={server.folder} port={server.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = plain\n"
        f"auth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 2\n"
    )
    with server.started(["/usr/sbin/pgbouncer", folder / "pgbouncer.ini"], folder) as pooler:
        try:
            yield f"host=127.0.0.1 port={port} user={postgresql.USER} dbname=iocstream"
        finally:
            pooler.kill()


def test_a_pooler_in_transaction_mode_may_stand_between(server, schema, opened):
    folder = server.folder / "pooler"
    folder.mkdir()
    with pooled(server, folder) as dsn:
        given = {"dsn": dsn, "password": postgresql.PASSWORD}
        until = time.monotonic() + 20
        while True:
            try:
                opened(**given).news()
                break
            except Unavailable:
                assert time.monotonic() < until
                time.sleep(0.05)
        journals = [opened(**given) for _ in range(4)]

        def work(number):
            for each in range(20):
                store(journals[number], f"{number}-{each}", source=f"s{number}")
                with journals[number].lease(f"r{number}"):
                    entries = journals[number].pending(f"r{number}", [f"s{number}"], 10)
                    journals[number].advance(f"r{number}", [f"s{number}"], Advance(entries[-1].seq, 1, 0, 0))

        threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with psycopg.connect(dsn, password=postgresql.PASSWORD) as db:  # in a session that a journal has had
            assert db.execute("SHOW search_path").fetchone() == ('"$user", public',)
    for number in range(4):
        found = opened().history({f"s{number}": 0}, 100)
        assert ids(found) == [f"{number}-{each}" for each in range(20)]
        assert opened().status({f"r{number}": [f"s{number}"]}).routes[0].delivered == 20


# Columns.

TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x00\x01\x02"))


@given(TEXTS, TEXTS)
def test_texts_come_back_and_keep_their_order(one, other):
    assert columns.read(columns.written(one)) == one
    assert b"\x00" not in columns.written(one)
    assert (columns.written(one) < columns.written(other)) == (one.encode() < other.encode())


# The whole.


def configure(folder, server, schema):
    (folder / "iocstream.yaml").write_text(
        "sources: {vt: {type: file, path: in.json}}\n"
        "routes: {out: {mapping: raw, sink: {type: file, path: out.json}}}\n"
        f"journal:\n  type: postgresql\n  dsn: {server.network_dsn}\n  schema_name: {schema}\n"
        "  password: ${PASSWORD}\n"
    )


def store_item(folder, *more):
    """Have the source's file say that of a domain, once for each number."""
    for number in ("1", *more):
        found = {"notification_id": number, "notification_date": 1_760_000_000, "origin": "subscriptions"}
        item = {"type": "domain", "id": "evil.example", "attributes": {}, "context_attributes": found}
        with (folder / "in.json").open("ab") as file:
            file.write(orjson.dumps(item) + b"\n")


def wait_for(is_so, seconds=30):
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.1)


def command(folder, *arguments):
    return iocstream_here(*arguments, cwd=folder, env={"PASSWORD": postgresql.PASSWORD})


def test_the_whole_job_runs_on_it(server, schema, tmp_path):
    configure(tmp_path, server, schema)
    store_item(tmp_path)
    checked, done, status = (command(tmp_path, *each) for each in (["check"], ["run", "--once"], ["status", "--json"]))
    assert [each.returncode for each in (checked, done, status)] == [0, 0, 0], done.stderr
    assert f"schema {schema} can be gone on with" in checked.stdout
    assert "evil.example" in (tmp_path / "out.json").read_text()
    assert orjson.loads(status.stdout)["routes"][0]["delivered"] == 1
    for each in (["backup", "copy.db"], ["compact"]):
        said = command(tmp_path, "journal", *each)
        assert said.returncode == 2
        assert "this is for a journal in a file" in said.stderr
    assert postgresql.PASSWORD not in "".join(each.stdout + each.stderr for each in (checked, done, status))


def test_what_is_not_what_was_stored_is_found(server, schema, opened, tmp_path):
    configure(tmp_path, server, schema)
    store(opened(), *range(1, 6))
    assert command(tmp_path, "journal", "check").stdout == "5 notifications; nothing wrong\n"
    with server.admin() as db:
        db.execute(f"UPDATE {schema}.notifications SET body = 'x' WHERE seq = 2")
        db.execute(f"UPDATE {schema}.sources SET checkpoint = '7'")
        db.execute(f"INSERT INTO {schema}.mentions VALUES (99, 1)")
    found = command(tmp_path, "journal", "check")
    assert found.returncode == 1
    assert found.stdout.splitlines() == [
        "1 rows of mentions refer to none in subjects",
        "the checkpoint of vt is not what was stored: the next run reads again all that its upstream still has",
        "the notification 2 (entry 2) is not what was stored",
        "5 notifications; 3 wrong",
    ]


def test_a_run_that_begins_while_the_database_is_away_waits_for_it(tmp_path):
    postgresql.needs_postgresql()
    server = postgresql.Server()
    try:
        configure(tmp_path, server, "iocstream")
        store_item(tmp_path)
        server.stop()
        with (tmp_path / "log").open("w") as log:
            process = started("run", cwd=tmp_path, env={"PASSWORD": postgresql.PASSWORD}, stderr=log)
            try:
                wait_for(lambda: '"waiting"' in (tmp_path / "log").read_text())
                server.start()
                wait_for(lambda: '"delivered"' in (tmp_path / "log").read_text())
                server.stop(signal.SIGQUIT)
                server.start()
            finally:
                process.terminate()
                code = process.wait(30)
            assert code == 0
    finally:
        server.remove()
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert "evil.example" in (tmp_path / "out.json").read_text()


def count(server, schema, table):
    with server.admin() as db:
        return db.execute(f"SELECT count(*) FROM {schema}.{table}").fetchone()[0]


def test_a_process_that_joined_takes_over_when_the_first_was_killed(server, schema, tmp_path):
    configure(tmp_path, server, schema)
    store_item(tmp_path)
    given = {"cwd": tmp_path, "env": {"PASSWORD": postgresql.PASSWORD}}
    with (tmp_path / "first").open("w") as first, (tmp_path / "second").open("w") as second:
        killed = started("run", **given, stderr=first)
        process = None
        try:
            wait_for(lambda: '"delivered"' in (tmp_path / "first").read_text())
            process = started("run", **given, stderr=second)
            wait_for(lambda: count(server, schema, "workers") == 2)
            killed.kill()
            store_item(tmp_path, "2")
            wait_for(lambda: len((tmp_path / "out.json").read_text().splitlines()) == 2, 60)
        finally:
            killed.kill()
            killed.wait()
            if process is not None:
                process.terminate()
                code = process.wait(30)
        assert code == 0
    assert len((tmp_path / "out.json").read_text().splitlines()) == 2


def test_actions_answer_from_it(server, schema, tmp_path):
    configure(tmp_path, server, schema)
    store_item(tmp_path)
    assert command(tmp_path, "run", "--once").returncode == 0
    answer = command(tmp_path, "action", "list_notifications")
    assert "evil.example" in answer.stdout, answer.stdout + answer.stderr


def test_a_command_that_finds_no_journal_makes_none(server, schema, tmp_path):
    configure(tmp_path, server, f"{schema}_none")
    said = command(tmp_path, "status")
    assert said.returncode == 2
    assert f"schema {schema}_none yet: `iocstream run` makes it" in said.stderr
