"""A journal is moved from one store to another, with all that it knows."""

import sqlite3
from contextlib import closing

import orjson
import pytest
from integration.command import iocstream_here
from peers import postgresql

from connector.configuration import load
from connector.journals.postgresql import drafts
from connector.journals.postgresql.journal import PostgresqlJournal
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.journals.sql import copying
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Judged, Judgement, Misconfigured, Notification, Page
from connector.operations import journal as operation
from connector.simulator.notifications import notifications

PARTS = """
sources:
  saved: {type: file, path: saved.jsonl}
routes:
  objects: {mapping: stix21, sink: {type: collection, name: iocs}}
  events: {mapping: cef, sink: {type: file, path: events.cef}}
"""
FIRST, LATER = notifications(150), notifications(60, seed=7)


@pytest.fixture(scope="module")
def server():
    return postgresql.shared()


@pytest.fixture
def schema(server):
    name = f"{server.empty_schema()}_moved"
    yield name
    with server.admin() as db:
        for each in (name, f"{name}_copy"):
            db.execute(f"DROP SCHEMA IF EXISTS {each} CASCADE")
    server.give_back(name.removesuffix("_moved"))


@pytest.fixture
def folder(tmp_path, server, schema):
    """With a journal in a file that has been at work, and configurations: of it, of a database, of another file."""
    (tmp_path / "saved.jsonl").write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in FIRST))
    (tmp_path / "file.yaml").write_text(PARTS + "journal: {path: j.db}\n")
    (tmp_path / "database.yaml").write_text(
        PARTS + f"journal: {{type: postgresql, dsn: {server.dsn}, schema_name: {schema}}}\n"
    )
    (tmp_path / "again.yaml").write_text(PARTS + "journal: {path: again.db}\n")
    run(tmp_path, "run", "--once", "--config", "file.yaml", code=None)
    value = next(item["id"] for item in FIRST if item["type"] == "domain")
    run(tmp_path, "judge", "false_positive", "--observable", value, "--config", "file.yaml")
    return tmp_path


def run(folder, *arguments, code=0):
    done = iocstream_here(*arguments, cwd=folder)
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done


def content(path):
    """What a journal in a file holds."""
    with closing(sqlite3.connect(path)) as db:
        rows = {each.name: db.execute(f"SELECT {', '.join(each.columns)} FROM {each.name}") for each in copying.TABLES}
        numbers = db.execute("SELECT name, seq FROM sqlite_sequence")
        return {name: sorted(found.fetchall(), key=repr) for name, found in rows.items()} | {"": sorted(numbers)}


def test_there_and_back_again_a_journal_is_the_same(folder):
    before = content(folder / "j.db")
    assert {name for name, rows in before.items() if rows} >= {
        *("notifications", "seen", "versions", "claims", "collection_objects", "judgements", "positions", "subjects"),
        *("mentions", "outdated", "dictionaries"),
    } - {"dictionaries"}
    said = run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml")
    assert "rows to PostgreSQL" in said.stdout
    run(folder, "journal", "copy", "again.yaml", "--config", "database.yaml")
    assert content(folder / "again.db") == before
    assert sorted(each.name for each in folder.glob("*.db*")) == ["again.db", "j.db", "j.db-id"]


def test_a_copy_goes_on_as_the_journal_would_have(folder):
    run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml")
    (folder / "saved.jsonl").write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in [*FIRST, *LATER]))
    (folder / "events.cef").unlink()
    status = []
    for name in ("file", "database"):
        run(folder, "run", "--once", "--config", f"{name}.yaml", code=None)
        events = (folder / "events.cef").read_bytes()
        (folder / "events.cef").unlink()
        told = orjson.loads(run(folder, "status", "--json", "--config", f"{name}.yaml").stdout)
        told.pop("journal")
        for part in (*told["sources"], *told["routes"]):
            for changing in ("report", "lag_seconds", "oldest_pending", "checkpoint"):
                part.pop(changing, None)
        status.append((events, told))
    assert status[0][0] == status[1][0]
    assert status[0][0]
    assert status[0][1]["routes"] == status[1][1]["routes"]


def test_a_copy_that_was_cut_off_is_gone_on_with(folder, schema, server, monkeypatch):
    monkeypatch.setattr(copying, "ROWS", 20)
    plans = load(folder / "file.yaml"), load(folder / "database.yaml")
    written = []

    def cut_off(done, total):
        written.append(done)
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        operation.copy(*plans, cut_off)
    with server.admin() as db:
        assert db.execute("SELECT to_regnamespace(%s)", [schema]).fetchone() == (None,)
        # What the journal forgets, and what it alters, before the copy is gone on with.
        db.execute(f"UPDATE {schema}_copy.sources SET stored = 0")
        db.execute(f"INSERT INTO {schema}_copy.seen VALUES (1, 'gone', 1)")
    operation.copy(*plans, lambda *_: None)
    operation.copy(plans[1], load(folder / "again.yaml"), lambda *_: None)
    assert content(folder / "again.db") == content(folder / "j.db")


def test_what_the_copy_does_not_keep_as_it_was_written_keeps_it_from_its_place(folder, schema, server, monkeypatch):
    make_equal = copying.make_equal
    calls = []

    def garbling(source, target, progress):
        calls.append(1)
        changed = make_equal(source, target, progress)
        if len(calls) == 1:
            with target.write() as db:
                db.ask("UPDATE notifications SET body = :body WHERE seq = 3", {"body": b"x"})
        return changed

    monkeypatch.setattr(copying, "make_equal", garbling)
    with pytest.raises(
        Misconfigured, match=r"1 rows of the copy in .* are not what the journal has: .* did not take its place"
    ):
        operation.copy(load(folder / "file.yaml"), load(folder / "database.yaml"), lambda *_: None)
    with server.admin() as db:
        assert db.execute("SELECT to_regnamespace(%s)", [schema]).fetchone() == (None,)


def test_what_was_written_during_the_copy_is_not_missing_in_one_that_takes_its_place(folder, schema, server):
    plans = load(folder / "file.yaml"), load(folder / "database.yaml")
    writing = []

    def judging(done, total):
        if done == total and not writing:
            writing.append(1)
            with closing(SqliteJournal(SqliteSettings(path=folder / "j.db"))) as journal:
                journal.judge(Judgement(Judged("observable", "late.example"), "false_positive", "ana"))

    with pytest.raises(Misconfigured, match="others wrote to it meanwhile"):
        operation.copy(*plans, judging)
    with server.admin() as db:
        assert db.execute("SELECT to_regnamespace(%s)", [schema]).fetchone() == (None,)
    operation.copy(*plans, judging)
    operation.copy(plans[1], load(folder / "again.yaml"), lambda *_: None)
    assert content(folder / "again.db") == content(folder / "j.db")


def test_a_schema_that_no_copy_made_is_not_written_to(folder, schema, server):
    settings = load(folder / "database.yaml").settings.journal
    other = settings.model_copy(update={"schema_name": f"{schema}_copy"})
    with closing(PostgresqlJournal(other)) as journal, journal.lease("vt"):
        journal.append("vt", Page([Notification("theirs", 1, {})], None))
    said = run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml", code=2)
    assert "was not made by a copy" in said.stderr
    with closing(PostgresqlJournal(other)) as journal:
        assert [each.notification.id for each in journal.latest(["vt"], 9)] == ["theirs"]


def test_a_draft_is_neither_copied_nor_gone_on_with_while_it_is_served(folder, schema):
    settings = load(folder / "database.yaml").settings.journal
    draft = drafts.draft_of(settings)
    drafts.make(settings, draft)
    with closing(PostgresqlJournal(draft)) as journal, journal.lease("vt"):
        said = run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml", code=2)
    assert "which process" in said.stderr
    (folder / "draft.yaml").write_text((folder / "database.yaml").read_text().replace(schema, draft.schema_name))
    said = run(folder, "journal", "copy", "again.yaml", "--config", "draft.yaml", code=2)
    assert f"is an unfinished copy, to become {schema}" in said.stderr
    run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml")
    run(folder, "journal", "copy", "again.yaml", "--config", "database.yaml")


def test_journals_of_long_names_have_drafts_of_their_own():
    drafted = [
        drafts.draft_of(PostgresqlSettings(dsn="host=/x", schema_name=name)).schema_name
        for name in ("a" * 58, "a" * 59, "a" * 63, "a" * 62 + "b", "a" * 58 + "c")
    ]
    assert len(set(drafted)) == len(drafted)
    assert max(map(len, drafted)) == 63


@pytest.mark.parametrize(
    "made",
    ["VIEW {0}.v AS SELECT 1", "TYPE {0}.t AS ENUM ('a')", "FUNCTION {0}.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
)
def test_a_schema_that_has_anything_in_it_is_told_before_anything_is_copied(folder, schema, server, made):
    with server.admin() as db:
        db.execute(f"CREATE SCHEMA {schema}; CREATE {made.format(schema)}")
    said = run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml", code=2)
    assert "which is not empty (" in said.stderr
    with server.admin() as db:
        assert db.execute("SELECT to_regnamespace(%s)", [f"{schema}_copy"]).fetchone() == (None,)


def test_an_empty_schema_makes_room_if_it_is_the_logins_own(folder, schema, server):
    with server.admin() as db:
        db.execute(f"CREATE SCHEMA {schema}")
    said = run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml", code=2)
    assert "ALTER SCHEMA" in said.stderr
    with server.admin() as db:
        db.execute(f"ALTER SCHEMA {schema} OWNER TO connector")
    run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml")


def test_a_login_that_may_make_no_schema_is_told_before_anything_is_copied(folder, server):
    with server.admin() as db:
        db.execute("CREATE ROLE copier LOGIN")
    text = (folder / "database.yaml").read_text()
    (folder / "database.yaml").write_text(text.replace("user=connector", "user=copier"))
    said = run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml", code=2)
    assert 'GRANT CREATE ON DATABASE "iocstream" TO "copier"' in said.stderr


def test_a_journal_that_is_being_served_is_not_copied(folder):
    with closing(SqliteJournal(SqliteSettings(path=folder / "j.db"))) as journal, journal.lease("saved"):
        said = run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml", code=1)
    assert "saved is served by process" in said.stderr


@pytest.mark.parametrize("there", ["database", "again"])
def test_no_journal_is_overwritten(folder, there):
    run(folder, "journal", "copy", f"{there}.yaml", "--config", "file.yaml")
    said = run(folder, "journal", "copy", f"{there}.yaml", "--config", "file.yaml", code=2)
    assert "there is a journal" in said.stderr


def test_numbers_go_on_where_they_were_though_the_last_was_forgotten(folder):
    with closing(SqliteJournal(SqliteSettings(path=folder / "j.db"))) as journal:
        last = journal.latest(["saved"], 1)[0].seq
    with closing(sqlite3.connect(folder / "j.db")) as db, db:
        db.execute("DELETE FROM mentions WHERE seq = ?", (last,))
        db.execute("DELETE FROM notifications WHERE seq = ?", (last,))
    run(folder, "journal", "copy", "database.yaml", "--config", "file.yaml")
    settings = load(folder / "database.yaml").settings.journal
    with closing(PostgresqlJournal(settings)) as journal, journal.lease("new"):
        journal.append("new", Page([Notification("x", 1, {})], None))
        assert journal.latest(["new"], 1)[0].seq > last


def test_every_table_is_copied_or_told_apart(folder, server):
    postgresql_schema = server.empty_schema()
    with closing(sqlite3.connect(folder / "j.db")) as db:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        sqlite_tables = {
            name: {row[1] for row in db.execute(f"PRAGMA table_info({name})")} for (name,) in db.execute(tables)
        }
    with server.admin() as db:
        asked = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s"
        columns = db.execute(asked, [postgresql_schema]).fetchall()
    server.give_back(postgresql_schema)
    copied = {each.name: {column.strip('"') for column in each.columns} for each in copying.TABLES}
    for found in (sqlite_tables, {table: {b for a, b in columns if a == table} for table, _ in columns}):
        assert {name: found[name] for name in copied} == copied
        assert found.keys() - copied.keys() <= copying.APART
