"""What `check` says of the file of a journal, which it does not change."""

import os
import sqlite3
from contextlib import closing

import pytest

from connector.journals.sqlite.file_check import check_file, is_of_this_version
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Misconfigured


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path):
    with closing(SqliteJournal(SqliteSettings(path=path))) as journal:
        journal.status({})
        yield journal


def test_one_that_is_not_there_will_be_made_and_is_not_made_by_the_check(path):
    assert check_file(path) == f"{path} will be made"
    assert list(path.parent.iterdir()) == []
    assert not is_of_this_version(path)


def test_one_in_folders_that_are_not_there_either_will_be_made(tmp_path):
    path = tmp_path / "a" / "b" / "journal.db"
    assert check_file(path) == f"{path} will be made"


def test_one_that_is_open_was_looked_at_when_it_was_opened(journal, path):
    assert check_file(path) == f"{path} is open"
    assert is_of_this_version(path)


def test_one_that_is_closed_can_be_gone_on_with(journal, path):
    journal.close()
    before = path.read_bytes()
    assert check_file(path) == f"{path} can be gone on with and has {len(before)} bytes"
    assert is_of_this_version(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("PRAGMA user_version = 99999", "newer version of this program (its schema is 99999, this program knows"),
        ("PRAGMA application_id = 5", "is a database of another program"),
    ],
)
def test_one_that_cannot_be_gone_on_with_says_whose_it_is(journal, path, header, says):
    journal.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(header)
    with pytest.raises(Misconfigured) as error:
        check_file(path)
    assert says in str(error.value)
    assert not is_of_this_version(path)


@pytest.mark.parametrize("content", [b"short", b"SQLite format 3\0", b"long " * 1000])
def test_what_is_no_database_is_no_journal(path, content):
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match="nor any SQLite database") as error:
        check_file(path)
    assert "another file. If it was the journal once, restore a backup of it, or move it away" in str(error.value)
    assert not is_of_this_version(path)


def test_a_database_that_nobody_has_put_anything_in_becomes_the_journal(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    assert "can be gone on with" in check_file(path)
    assert not is_of_this_version(path)


def test_a_folder_is_no_journal(path):
    path.mkdir()
    with pytest.raises(Misconfigured, match="is a folder; set `path` to a file in it"):
        check_file(path)
    assert not is_of_this_version(path)


def test_what_is_no_regular_file_is_not_waited_for(path):
    os.mkfifo(path)
    with pytest.raises(Misconfigured, match="is not a regular file"):
        check_file(path)
    assert not is_of_this_version(path)


def test_what_cannot_be_read_is_named_with_the_reason(tmp_path):
    with pytest.raises(Misconfigured, match="cannot be read: File name too long"):
        check_file(tmp_path / ("x" * 300))


def test_where_none_can_be_made_the_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match=r"cannot be made in .*file: Not a directory\. Set `path` to"):
        check_file(tmp_path / "file" / "journal.db")


@pytest.mark.parametrize("which", ["file", "folder"])
def test_one_that_this_user_may_not_write_to_is_named_before_it_is_opened(journal, path, monkeypatch, which):
    journal.close()
    closed = path if which == "file" else path.parent
    monkeypatch.setattr(os, "access", lambda asked, mode: asked != closed or not mode & os.W_OK)  # root may write
    with pytest.raises(Misconfigured, match="the file and its folder must be writable for this user"):
        check_file(path)


@pytest.mark.parametrize("what", ["is gone", "is empty"])
def test_one_that_has_been_there_is_missed(journal, path, what):
    journal.close()
    path.unlink()
    if what == "is empty":
        path.touch()
    with pytest.raises(Misconfigured, match=f"journal.db {what}"):
        check_file(path)
