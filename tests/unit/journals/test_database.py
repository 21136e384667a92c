"""One SQLite file, whatever befalls it."""

import os
import resource
import sqlite3
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from connector.journals.sql.process import Process
from connector.journals.sqlite import maintenance
from connector.journals.sqlite.database import KEPT_FREE_PAGES, Database, migrations
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Misconfigured, Unavailable

LEASES = "CREATE TABLE leases (name, holder, host, realm, pid, process_started, since, expires);\n"
CREATE = "CREATE TABLE t (x BLOB);\n" + LEASES + "PRAGMA application_id = 1229148977;\nPRAGMA user_version = 1;\n"
ADD = "ALTER TABLE t ADD COLUMN y;\nPRAGMA user_version = 2;\n"
ZEROS = "INSERT INTO t (x) VALUES (zeroblob(100000))"
COUNT = "SELECT count(*) FROM t"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def opened():
    """Opens databases, and closes them all in the end."""
    databases: list[Database] = []

    def open_database(path: Path, *scripts: str, busy_timeout_seconds: float = 10) -> Database:
        databases.append(Database(path, busy_timeout_seconds=busy_timeout_seconds, migrations=scripts or [CREATE]))
        return databases[-1]

    yield open_database
    for database in databases:
        database.close()


def write(database: Database, *statements: str) -> None:
    with database.write() as db:
        for statement in statements or [ZEROS]:
            db.execute(statement)


def write_then_fail(database: Database) -> None:
    with database.write() as db:
        db.execute(ZEROS)
        raise ZeroDivisionError


def unlink_and_read(path: Path, database: Database) -> None:
    with database.read() as db:
        path.unlink()
        db.execute("SELECT * FROM missing")


def count(database: Database) -> int:
    with database.read() as db:
        return db.execute(COUNT).fetchone()[0]


def schema(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        tables = [row[0] for row in db.execute("SELECT sql FROM sqlite_master ORDER BY name")]
        return [*tables, db.execute("PRAGMA user_version").fetchone()[0]]


@contextmanager
def no_more_than(size: int):
    """The operating system lets no file of this process grow over `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_only_the_owner_can_read_the_files_whatever_the_umask(opened, tmp_path):
    path = tmp_path / "new folder" / "journal.db"
    before = os.umask(0)
    try:
        database = opened(path)
        write(database)
        count(database)
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_closing_leaves_one_file(opened, path):
    database = opened(path)
    write(database)
    count(database)
    database.close()
    assert [file.name for file in path.parent.iterdir()] == ["journal.db"]


def test_a_file_name_may_hold_what_a_uri_may_not(opened, tmp_path):
    path = tmp_path / "a b?mode=memory#%41.db"
    write(opened(path))
    assert path.is_file()


def test_a_commit_is_flushed_to_the_disk(opened, path):
    with opened(path).write() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_transaction_that_raises_leaves_nothing_behind(opened, path):
    database = opened(path)
    with pytest.raises(ZeroDivisionError):
        write_then_fail(database)
    assert count(database) == 0
    write(database)
    assert count(database) == 1


def test_a_failure_that_is_still_being_looked_at_locks_nobody_out(opened, path):
    database, other = opened(path), opened(path, busy_timeout_seconds=0.05)
    write(database)

    def read_half_then_fail() -> None:
        with database.write() as db:
            db.execute(ZEROS)
            rows = db.execute("SELECT x FROM t")
            next(rows)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as failure:
        read_half_then_fail()
    write(other)
    assert failure.value.__traceback__ is not None
    assert count(other) == 2


def test_a_reader_keeps_its_view_while_another_thread_writes(opened, path):
    database = opened(path)
    write(database)
    with database.read() as db:
        before = db.execute(COUNT).fetchone()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(write, database).result()
        assert db.execute(COUNT).fetchone() == before
    assert count(database) == 2


def test_a_reader_may_finish_while_the_database_is_closed(opened, path):
    database = opened(path)
    write(database)
    with database.read() as db:
        database.close()
        assert db.execute(COUNT).fetchone() == (1,)
    assert not Path(f"{path}-wal").exists()


def test_several_threads_may_be_the_first_to_open(opened, path):
    databases = [opened(path) for _ in range(8)]
    barrier = threading.Barrier(8)

    def start(database: Database) -> None:
        barrier.wait()
        write(database)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, databases))
    assert count(databases[0]) == 8


# Migrations


def test_each_migration_sets_the_version_it_leads_to(path):
    for number in range(1, len(migrations()) + 1):
        database = Database(path, busy_timeout_seconds=1, migrations=migrations()[:number])
        with database.read() as db:
            assert db.execute("PRAGMA user_version").fetchone() == (number,)
        database.close()


@pytest.mark.parametrize("version", range(1, len(migrations()) + 1))
def test_a_migrated_file_has_the_tables_of_a_fresh_one(opened, tmp_path, version):
    for name, steps in {"fresh": [len(migrations())], "migrated": [version, len(migrations())]}.items():
        for step in steps:
            database = opened(tmp_path / name, *migrations()[:step])
            with database.read():
                pass
            database.close()
    assert schema(tmp_path / "migrated") == schema(tmp_path / "fresh")


def test_what_tests_copy_is_what_the_migrations_make(opened, tmp_path):
    """See `shared_work`. Of other migrations, here one that does nothing more, nothing is copied."""
    of = {"copied": migrations(), "another": migrations(), "made": [*migrations(), "SELECT 1;"]}
    for name, scripts in of.items():
        with opened(tmp_path / name, *scripts).read():
            pass
    assert schema(tmp_path / "copied") == schema(tmp_path / "made")
    copied, another, made = (settings_of(tmp_path / name) for name in ("copied", "another", "made"))
    assert copied == another == made
    assert len({identity_of(tmp_path / name) for name in ("copied", "another", "made")}) == 3


def settings_of(path):
    names = ("journal_mode", "auto_vacuum", "user_version", "application_id", "page_size", "encoding")
    with closing(sqlite3.connect(path)) as db:
        return [db.execute(f"PRAGMA {name}").fetchone() for name in names]


def identity_of(path):
    with closing(sqlite3.connect(path)) as db:
        [[identity]] = db.execute("SELECT id FROM identity")
        return identity


def test_an_older_file_is_migrated_with_what_it_holds(opened, path):
    older = opened(path, CREATE)
    write(older)
    older.close()
    newer = opened(path, CREATE, ADD)
    with newer.read() as db:
        assert db.execute("SELECT count(*), max(y) FROM t").fetchone() == (1, None)


def test_a_migration_that_fails_leaves_the_file_as_it_was(opened, path):
    older = opened(path, CREATE)
    write(older)
    older.close()
    before = schema(path)
    with pytest.raises(sqlite3.OperationalError):
        write(opened(path, CREATE, ADD + "CREATE TABLE t (x);"))
    assert schema(path) == before


HERE = Process.current()
FAR = Process("far", "x", 7, "")


@pytest.mark.parametrize(("holder", "lasts"), [(HERE, -1), (FAR, 1000)])
def test_while_a_process_of_the_older_program_is_at_work_its_file_is_not_migrated(opened, path, holder, lasts):
    older = opened(path, CREATE)
    write(older, lease_of(holder, lasts))
    before = schema(path)
    newer = opened(path, CREATE, ADD)
    for _ in range(2):
        with pytest.raises(Unavailable, match=f"process {holder.pid} on {holder.host} of the older program.*serves vt"):
            write(newer)
    assert schema(path) == before
    write(older, ZEROS, "DELETE FROM leases")
    write(newer)
    assert schema(path) != before
    assert count(newer) == 2


@pytest.mark.parametrize(("holder", "lasts"), [(replace(HERE, started="0"), 1000), (FAR, -1)])
def test_a_lease_of_a_process_that_is_gone_holds_no_migration_up(opened, path, holder, lasts):
    write(opened(path, CREATE), lease_of(holder, lasts))
    before = schema(path)
    write(opened(path, CREATE, ADD))
    assert schema(path) != before


def lease_of(holder, lasts):
    values = ("vt", "token", holder.host, holder.realm, holder.pid, holder.started, 0, int(time.time()) + lasts)
    return f"INSERT INTO leases VALUES {values}"


def test_a_file_of_a_newer_program_is_refused(opened, path):
    newer = opened(path, CREATE, ADD)
    write(newer)
    newer.close()
    with pytest.raises(Misconfigured, match=r"newer version .*its schema is 2, this program knows 1.*upgrade"):
        write(opened(path, CREATE))


def test_what_was_deleted_is_given_back_to_the_disk_but_for_what_is_used_again(opened, path):
    database = opened(path)
    with database.write() as db:
        db.execute("CREATE TABLE large (x)")
        db.executemany("INSERT INTO large VALUES (zeroblob(3000))", [()] * 4000)
    with database.write() as db:
        db.execute("DELETE FROM large WHERE rowid % 2 = 0")
    database.reclaim()
    with database.read() as db:
        (free,) = db.execute("PRAGMA freelist_count").fetchone()
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        assert db.execute("SELECT count(*) FROM large").fetchone() == (2000,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert free == KEPT_FREE_PAGES
    assert pages < 2400
    with database.write() as db:
        db.execute("DELETE FROM large")
    database.reclaim()
    database.close()
    assert path.stat().st_size < 300 * 4096


def test_a_file_of_before_gives_nothing_back_until_it_is_compacted(opened, tmp_path):
    path = tmp_path / "before.db"
    with closing(SqliteJournal(SqliteSettings(path=path))) as journal:
        journal.status({})
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA auto_vacuum = NONE")
        db.execute("VACUUM")
        db.execute("CREATE TABLE large (x)")
        db.executemany("INSERT INTO large VALUES (zeroblob(3000))", [()] * 2000)
        db.execute("DELETE FROM large")
    before = path.stat().st_size
    with closing(SqliteJournal(SqliteSettings(path=path))) as journal:
        journal.prune(0, {})
    assert path.stat().st_size >= before
    maintenance.compact(path)
    assert path.stat().st_size < before / 4
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)


# What is not ours


def test_another_programs_database_is_left_as_it_is(opened, path):
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE theirs (x); PRAGMA user_version = 1;")
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="another program"):
        write(opened(path))
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_as_it_is(opened, path):
    path.write_text("sources:\n" * 1000)
    with pytest.raises(Misconfigured, match=r"damaged .*not a database"):
        write(opened(path))
    assert path.read_text() == "sources:\n" * 1000


def test_an_empty_file_becomes_a_journal(opened, path):
    path.touch()
    write(opened(path))


# What can befall it


def test_a_damaged_file_stops_with_the_remedy(opened, path):
    database = opened(path)
    write(database)
    database.close()
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xaa" * 4096)
    with pytest.raises(Misconfigured, match=r"is damaged .*malformed.*Restore a backup.*move .* away.*last 7 days"):
        count(opened(path))


def test_missing_tables_are_damage(opened, path):
    database = opened(path)
    with pytest.raises(Misconfigured, match=r"is damaged .*no such table"):
        write(database, "DELETE FROM gone")


def test_what_only_a_bug_brings_about_is_not_explained_away(opened, path):
    database = opened(path)
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        write(database, "BUG")


def test_a_full_database_can_wait_and_loses_nothing(opened, path):
    database = opened(path)
    write(database)
    with pytest.raises(Unavailable, match=r"disk .* is full"):
        write(database, "PRAGMA max_page_count = 40", ZEROS, ZEROS)
    assert count(database) == 1
    write(database)
    assert count(database) == 2


def test_a_disk_that_takes_no_more_can_wait_and_loses_nothing(opened, path):
    database = opened(path)
    write(database)
    with no_more_than(Path(f"{path}-wal").stat().st_size + 50_000), pytest.raises(Unavailable, match="just now"):
        write(database)
    assert count(database) == 1
    write(database)
    assert count(database) == 2


def test_a_disk_that_is_full_from_the_start_can_wait(opened, path):
    database = opened(path)
    with no_more_than(2000), pytest.raises(Unavailable):
        write(database)
    write(database)
    assert count(database) == 1


def test_a_path_that_cannot_be_a_file_is_refused(opened, tmp_path):
    with pytest.raises(Misconfigured, match=r"cannot be made: .*Set `path` to"):
        write(opened(Path(os.devnull) / "journal.db"))
    with pytest.raises(Misconfigured, match="cannot be written to"):
        write(opened(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_may_not_be_written_is_refused(opened, path):
    database = opened(path)
    write(database)
    database.close()
    for mode in (0o400, 0o000):
        path.chmod(mode)
        with pytest.raises(Misconfigured, match="cannot be written to"):
            write(opened(path))


@contextmanager
def no_file_left():
    """This process can open no more files."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, before[1]))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_process_that_can_open_no_more_files_can_wait(opened, path):
    write(opened(path))
    database = opened(path)
    with no_file_left(), pytest.raises(Unavailable, match="just now"):
        write(database)
    write(database)


def test_a_connection_that_may_only_read_is_explained(opened, path):
    with pytest.raises(Misconfigured, match=r"cannot be written to .*READONLY"):
        write(opened(path), "PRAGMA query_only = ON", ZEROS)


def test_a_file_that_vanished_is_explained(opened, path):
    database = opened(path)
    write(database)
    path.unlink()
    with pytest.raises(Misconfigured, match="deleted, moved or replaced"):
        count(database)


@pytest.mark.parametrize("becomes", ["none", "empty", "another"])
def test_a_file_that_vanishes_while_a_reader_opens_it_is_explained(opened, path, monkeypatch, becomes):
    database = opened(path)
    write(database)
    connect = database._connect

    def vanishes_first(opened_path):
        moved = path.rename(path.with_name("moved.db"))
        if becomes == "empty":
            path.touch()
        elif becomes == "another":
            path.write_bytes(moved.read_bytes())
        return connect(opened_path)

    monkeypatch.setattr(database, "_connect", vanishes_first)
    with pytest.raises(Misconfigured, match="deleted, moved or replaced"):
        count(database)


def test_a_file_that_vanishes_while_it_is_read_is_explained(opened, path):
    database = opened(path)
    write(database)
    with pytest.raises(Misconfigured, match="deleted, moved or replaced"):
        unlink_and_read(path, database)
