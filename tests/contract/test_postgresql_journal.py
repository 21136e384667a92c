"""The journal in PostgreSQL is held to the contract of journals."""

import time
import weakref

import pytest
from peers import postgresql

from connector.contract import (
    ClaimsContract,
    CollectionsContract,
    EntriesContract,
    JudgementsContract,
    NamedHostsContract,
)
from connector.journals.postgresql.journal import PostgresqlJournal
from connector.journals.postgresql.settings import PostgresqlSettings


class PostgresqlStore:
    """A schema of the shared server, which others get, emptied, when this one is over."""

    def __init__(self):
        self.schema = postgresql.shared().empty_schema()
        weakref.finalize(self, postgresql.shared().give_back, self.schema)

    def open(self, clock=time.time, *, ledger_days=400):
        settings = PostgresqlSettings(
            dsn=postgresql.shared().dsn, schema_name=self.schema, ledger_days=ledger_days, timeout_seconds=10
        )
        return PostgresqlJournal(settings, clock=clock)

    def garble(self, seq, column, value):
        with postgresql.shared().admin() as db:
            value = value.encode() if column == "body" and isinstance(value, str) else value
            changed = f"UPDATE {self.schema}.notifications SET {column} = %s WHERE seq = %s"
            assert db.execute(changed, (value, seq)).rowcount == 1

    def garble_objects(self, numbers):
        with postgresql.shared().admin() as db:
            table = f"{self.schema}.collection_objects"
            rows = db.execute(f"SELECT added, body FROM {table} ORDER BY added").fetchall()
            for added, body in (rows[number] for number in numbers):
                changed = body[:-1] + bytes([body[-1] ^ 1])
                db.execute(f"UPDATE {table} SET body = %s WHERE added = %s", (changed, added))


STORES = weakref.WeakValueDictionary()
"""By folder: tests ask twice for the store of one."""


class OnPostgresql:
    def make_store(self, folder):
        postgresql.needs_postgresql()
        store = STORES.get(folder)
        if store is None:
            store = STORES[folder] = PostgresqlStore()
        return store


@pytest.mark.timeout(400)
class TestEntries(OnPostgresql, EntriesContract):
    model_examples = 10  # what is shared with SQLite has 40 there


class TestClaims(OnPostgresql, ClaimsContract):
    pass


class TestCollections(OnPostgresql, CollectionsContract):
    def test_a_check_leaves_nothing_behind(self, collections):
        """As the contract has it; the schemas here have their tables already."""
        assert "can be gone on with" in collections.check()


class TestJudgements(OnPostgresql, JudgementsContract):
    pass


class TestNamedHosts(OnPostgresql, NamedHostsContract):
    pass
