"""Our journals are held to their contract."""

import sqlite3
import time
from contextlib import closing
from importlib.metadata import EntryPoint

import pytest

from connector.contract import (
    ClaimsContract,
    CollectionsContract,
    EntriesContract,
    JudgementsContract,
    NamedHostsContract,
)
from connector.contract.journal import judgements as judged
from connector.contract.journal import named_hosts as hosts
from connector.entry_points import Offer
from connector.journals.sql import entries, judging, naming
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Concerned, Judged, Judgement, JudgementFilter, Rule
from connector.plugin import faults
from connector.ports import Journal


class SqliteStore:
    def __init__(self, folder):
        self.path = folder / "journal.db"

    def open(self, clock=time.time, *, ledger_days=400):
        return SqliteJournal(SqliteSettings(path=self.path, ledger_days=ledger_days), clock=clock)

    def garble(self, seq, column, value):
        with closing(sqlite3.connect(self.path)) as db, db:
            assert db.execute(f"UPDATE notifications SET {column} = ? WHERE seq = ?", (value, seq)).rowcount == 1

    def garble_objects(self, numbers):
        with closing(sqlite3.connect(self.path)) as db, db:
            rows = db.execute("SELECT added, body FROM collection_objects ORDER BY added").fetchall()
            for added, body in (rows[number] for number in numbers):
                changed = body[:-1] + bytes([body[-1] ^ 1])
                db.execute("UPDATE collection_objects SET body = ? WHERE added = ?", (changed, added))


class OnSqlite:
    def make_store(self, folder):
        return SqliteStore(folder)


@pytest.mark.timeout(400)  # each of a thousand commits waits for the disk
class TestEntries(OnSqlite, EntriesContract):
    pass


class TestClaims(OnSqlite, ClaimsContract):
    pass


class TestCollections(OnSqlite, CollectionsContract):
    pass


class TestJudgements(OnSqlite, JudgementsContract):
    """Beside the contract, what is the matter of this store."""

    def test_a_host_that_is_judged_concerns_what_a_look_up_named_before_hosts_were_written_down(
        self, journal, tmp_path
    ):
        judged.store_to_look_up(journal, judged.naming(1, {"family": "sedge"}))
        judged.look_up_hosts(journal, 1, "evil.example")
        with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
            db.execute("DELETE FROM mentions WHERE subject IN (SELECT id FROM subjects WHERE type = 'named_host')")
            db.execute("INSERT INTO hosts_unread VALUES (1)")

        _, concerned = journal.judge(Judgement(judged.observable(), "false_positive", "ana"))
        assert concerned == Concerned(0, ["1"])

    def test_many_that_name_a_host_are_all_concerned_in_their_order(self, journal, monkeypatch):
        monkeypatch.setattr(naming, "ROWS", 2)
        config = {"family": "sedge", "domain": "evil.example"}
        for number in range(1, 8):
            judged.store(journal, judged.naming(number, config), source=("vt", "other")[number % 2])
        for _ in range(2):
            _, concerned = journal.judge(Judgement(judged.observable(), "false_positive", "ana"))
            assert concerned == Concerned(0, [str(number) for number in range(1, 8)])

    def test_no_entry_is_read_to_find_those_that_name_a_host(self, journal, monkeypatch):
        config = {"family": "sedge", "domain": "evil.example"}
        judged.store(
            journal, judged.naming(1, config), *[judged.naming(number, {"family": "sedge"}) for number in range(2, 20)]
        )
        read = []
        text = entries.text
        monkeypatch.setattr(entries, "text", lambda db, bodies, row: read.append(row[0]) or text(db, bodies, row))
        _, concerned = journal.judge(Judgement(judged.observable(), "false_positive", "ana"))
        assert (concerned, read) == (Concerned(0, ["1"]), [])

    def test_a_rule_of_many_matches_is_judged_in_parts(self, journal, monkeypatch):
        monkeypatch.setattr(judging, "ROWS", 3)
        judged.store(journal, *(judged.match(number, f"{number}.example") for number in range(10)))
        judged.pass_all(journal)

        _, (count, _) = journal.judge(Judgement(Judged("rule", "phish"), "false_positive", "ana"))

        assert count == 10
        assert len(judged.outdated(journal)) == 10

    def test_changes_come_as_far_as_they_fit_into_memory(self, journal, monkeypatch):
        judged.store(journal, *(judged.match(number, f"d{number % 3}.example") for number in range(1, 10)))
        start = journal.changes(["vt"], None, 9, 10)
        for number in range(3):
            judged.judge(journal, judged.observable(f"d{number}.example"))
        whole = journal.changes(["vt"], start.mark, 9, 100)
        monkeypatch.setattr("connector.journals.sql.entries.READ_BYTES", 1)
        found, mark = [], start.mark
        while (page := journal.changes(["vt"], mark, 9, 100)).changes:
            found += page.changes
            mark = page.mark
        assert len(found) == 9
        assert found == whole.changes
        assert mark == whole.mark

    def test_a_judgement_that_the_disk_has_changed_decides_nothing(self, journal, tmp_path):
        judged.store(journal, judged.match(1))
        judged.judge(journal, judged.observable(), "true_positive")
        with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
            db.execute("UPDATE judgements SET verdict = 'benign'")

        assert judged.verdicts(journal.history({"vt": 0}, 10)) == {"1": None}
        assert [each.state for each in journal.judgements(JudgementFilter(), 10)] == ["damaged"]

    def test_what_was_stored_before_there_were_judgements_is_found(self, journal, tmp_path):
        judged.store(journal, *(judged.match(number) for number in range(3)), judged.match(4, "good.example"))
        judged.pass_all(journal)
        with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
            db.execute("UPDATE notifications SET observable = NULL, rule = NULL")

        assert judged.judge(journal, judged.observable()).rules == [Rule("phish", "71", "vt")]
        assert set(judged.outdated(journal)) == {"0", "1", "2"}


class TestNamedHosts(OnSqlite, NamedHostsContract):
    """Beside the contract, what is the matter of this store."""

    def test_entries_that_were_stored_before_hosts_were_written_down_are_found(self, journal, tmp_path):
        files = (hosts.file(number, name, "c2.example") for number, name in enumerate("abc", 1))
        hosts.store(journal, *files)
        with closing(sqlite3.connect(tmp_path / "journal.db")) as db, db:
            db.execute("DELETE FROM mentions WHERE subject IN (SELECT id FROM subjects WHERE type = 'named_host')")
            db.execute("INSERT INTO hosts_unread VALUES (3)")
        assert hosts.naming(journal, [1]) == ["3", "2"]
        with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
            assert db.execute("SELECT count(*) FROM hosts_unread").fetchone() == (0,)


class HeldStore(SqliteStore):
    """As the journal of a plugin is held, so that its bugs name it."""

    def open(self, clock=time.time, *, ledger_days=400):
        offer = Offer("journals", "held", "held", "1", EntryPoint("held", "held:KIND", "iocstream.journals"))
        return faults.held(super().open(clock, ledger_days=ledger_days), Journal, faults.fault_of(offer))


class TestCollectionsOfAHeldJournal(CollectionsContract):
    def make_store(self, folder):
        return HeldStore(folder)


class TestNamedHostsOfAHeldJournal(NamedHostsContract):
    def make_store(self, folder):
        return HeldStore(folder)
