"""What PostgreSQL does for each statement: whatever the tables hold, it reads what is asked for by an index."""

import re
from contextlib import closing

import pytest
from peers import postgresql

from connector.journals.postgresql.database import SQL, Database, migrations
from connector.journals.postgresql.settings import PostgresqlSettings

GROWING = (
    *("notifications", "seen", "days", "versions", "collection_objects", "dead_letters", "claims"),
    *("subjects", "mentions", "outdated", "look_ups", "withheld", "guarded"),
)
ASKED_FOR = "dead_letters_to_retry"
"""This index has only what somebody has asked for, and may be walked."""
READS_ALL = {"known_files"}
FILLED = """
INSERT INTO sources (name) SELECT 's' || n FROM generate_series(1, 50) AS n;
INSERT INTO routes (name) SELECT 'r' || n FROM generate_series(1, 50) AS n;
INSERT INTO ledgers (route, receiver) SELECT id, 'x' FROM routes;
INSERT INTO positions (route, source, seq) SELECT routes.id, sources.id, 5 FROM routes CROSS JOIN sources;
INSERT INTO notifications (source, notification_id, date, raised, observable, rule, body)
SELECT 1 + n % 50, 'n' || n, n, n, n % 100, n % 7, 'x' FROM generate_series(1, 20000) AS n;
INSERT INTO seen (source, notification_id, raised) SELECT source, notification_id, raised FROM notifications;
INSERT INTO days (day, seq) SELECT n, n FROM generate_series(1, 1000) AS n;
INSERT INTO subjects (source, type, subject_id) SELECT 1 + n % 50, 'file', 'x' || n FROM generate_series(1, 5000) AS n;
INSERT INTO mentions (subject, seq) SELECT 1 + n % 5000, n FROM generate_series(1, 20000) AS n;
INSERT INTO outdated (route, subject, after, until, learned)
SELECT 1 + n % 50, n, 0, 10, 1 FROM generate_series(1, 5000) AS n;
INSERT INTO look_ups (source, asked_at) SELECT 1, n FROM generate_series(1, 5000) AS n;
INSERT INTO versions (ledger, seq, last_seq, sent, object_id, modified, digest)
SELECT 1, n, 0, 0, packed_id('i--' || n), 'm', '' FROM generate_series(1, 20000) AS n;
INSERT INTO claims (ledger, observable, seq, stands, last_seq, checksum)
SELECT 1, n, n, 1, 0, 0 FROM generate_series(1, 20000) AS n;
INSERT INTO collections (name) VALUES ('c');
INSERT INTO collection_types (collection, type) VALUES (1, 't');
INSERT INTO collection_objects (added, collection, type, modified, place, object_id, version, body)
SELECT n, 1, 1, n, 3, packed_id('i--' || n), '', 'x' FROM generate_series(1, 20000) AS n;
INSERT INTO dead_letters (route, seq, object_id, by, reason)
SELECT 1 + n % 50, n, '', 'sink', 'x' FROM generate_series(1, 5000) AS n;
INSERT INTO guarded (route, seq, derived, value, list, entry)
SELECT 1 + n % 50, n, 0, 'v' || n, 'l', 'e' FROM generate_series(1, 5000) AS n;
INSERT INTO withheld (route, seq, judged) SELECT 1 + n % 50, n, 0 FROM generate_series(1, 5000) AS n;
"""


@pytest.fixture(scope="module", params=["empty", "filled"])
def tables(request):
    """The tables of a journal, to be asked for plans alone."""
    server = postgresql.shared()
    settings = PostgresqlSettings(dsn=server.dsn, schema_name=f"plans_{request.param}")
    with closing(Database(settings, migrations())) as database:
        database.schema_version()
        if request.param == "filled":
            with database.write() as db:
                db.execute(FILLED)
            with server.admin() as admin:
                admin.execute("VACUUM ANALYZE")
    with closing(Database(settings, migrations())) as database, database.write() as db:
        db.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        yield db


def steps(db, name):
    """The steps of the plan that serves whatever values a statement is given, with those above each."""
    names = [*dict.fromkeys(re.findall(r"%\((\w+)\)s", SQL[name]))]
    lists = set(re.findall(r"json_each\(%\((\w+)\)s\)", SQL[name]))
    statement = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", SQL[name]).replace("%%", "%")
    types = ", ".join("text[]" if each in lists else "unknown" for each in names)
    with db.transaction(force_rollback=True):
        db.execute(f"PREPARE asked{f' ({types})' if types else ''} AS {statement}")
        values = ", ".join(["NULL"] * len(names))
        ((plan,),) = db.execute(f"EXPLAIN (FORMAT JSON) EXECUTE asked{f' ({values})' if values else ''}").fetchall()
        db.execute("DEALLOCATE asked")
    todo = [(plan[0]["Plan"], ())]
    while todo:
        step, above = todo.pop()
        yield step, above
        todo += [(each, (*above, step["Node Type"])) for each in step.get("Plans", ())]


@pytest.mark.parametrize("name", sorted(SQL.keys() - READS_ALL))
def test_no_statement_walks_a_table_that_grows(tables, name):
    walks = [
        (step["Node Type"], step.get("Index Name"))
        for step, above in steps(tables, name)
        if step.get("Relation Name") in GROWING
        and "Scan" in step["Node Type"]
        and "Index Cond" not in step
        and step.get("Index Name") != ASKED_FOR
        and not ("Limit" in above and "Sort" not in above)  # the first rows of an index
    ]
    assert walks == []


@pytest.mark.parametrize("name", ["entries_after", "prunable", "oldest_pending", "list", "list_of_type"])
def test_the_order_of_what_is_read_comes_from_an_index(tables, name):
    assert not [step for step, _ in steps(tables, name) if "Sort" in step["Node Type"]]


def test_the_backlog_is_counted_without_reading_bodies(tables):
    assert "Index Only Scan" in [step["Node Type"] for step, _ in steps(tables, "backlog")]
