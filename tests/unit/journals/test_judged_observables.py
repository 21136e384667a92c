"""However much is judged: of what a notification names, only what is judged is asked for."""

import pytest

from connector.journals.sql import judgements
from connector.journals.sqlite.database import Connection
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Judged, Judgement

JUDGED = 20


@pytest.fixture
def journal(tmp_path):
    journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    for number in range(JUDGED):
        journal.judge(Judgement(Judged("observable", f"evil{number}.example"), "benign", "ana"))
    yield journal
    journal.close()


@pytest.fixture
def asked(monkeypatch):
    """The statements that are run from now on."""
    names, run = [], Connection.run
    monkeypatch.setattr(Connection, "run", lambda self, name, values=(): names.append(name) or run(self, name, values))
    return names


def test_what_nobody_judged_is_told_without_asking_for_a_judgement(journal, asked):
    judged = journal.judged_observables("vt")
    asked.clear()
    assert [judged(f"other{number}.example") for number in range(3)] == [None] * 3
    assert asked == []


def test_what_is_judged_is_found_out_again_only_after_something_is_judged(journal, asked):
    for _ in range(3):
        journal.judged_observables("vt")
    journal.judge(Judgement(Judged("observable", "more.example"), "benign", "ana"))
    for _ in range(3):
        journal.judged_observables("vt")
    assert asked.count("judged_traits") == 2


def test_of_what_is_judged_its_own_judgement_alone_is_read(journal, monkeypatch):
    rows, decode = [], judgements.stored_judgement
    monkeypatch.setattr(judgements, "stored_judgement", lambda row: rows.append(row) or decode(row))
    assert journal.judged_observables("vt")("EVIL7.example").judged.value == "evil7.example"
    assert len(rows) == 1
