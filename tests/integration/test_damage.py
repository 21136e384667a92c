"""A journal that the disk has changed: what is damaged is delivered to nobody, and the rest is."""

import json
import re
import sqlite3

from integration.command import iocstream_here

from connector.simulator.notifications import notifications

CONFIGURATION = """
sources:
  saved: {type: file, path: saved.jsonl}
routes:
  events: {mapping: cef, sink: {type: file, path: events.cef}}
  objects: {mapping: stix21, sink: {type: file, path: objects.json, layout: stix-bundle}}
journal: {path: j.db}
"""
FILES = [item for item in notifications(100) if item["type"] == "file"][:10]


def run(folder, *arguments):
    return iocstream_here(*arguments, cwd=folder, env={"COLUMNS": "200"})


def test_a_flipped_bit_is_not_delivered_as_a_hash(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    (tmp_path / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in FILES))
    away = tmp_path / "events.cef"
    away.mkdir()  # so that nothing is delivered yet
    (tmp_path / "objects.json").mkdir()
    assert run(tmp_path, "run", "--once").returncode == 2
    with sqlite3.connect(tmp_path / "j.db") as db:
        seq, body = db.execute("SELECT seq, body FROM notifications ORDER BY seq LIMIT 1 OFFSET 4").fetchone()
        middle = len(body) // 2
        wrong = body[:middle] + bytes([body[middle] ^ 4]) + body[middle + 1 :]
        db.execute("UPDATE notifications SET body = ? WHERE seq = ?", (wrong, seq))
    db.close()
    away.rmdir()
    (tmp_path / "objects.json").rmdir()

    done = run(tmp_path, "run", "--once")

    assert done.returncode == 1, done.stderr
    sent = away.read_text() + (tmp_path / "objects.json").read_text()
    whole = {item["id"] for number, item in enumerate(FILES) if number != 4}
    assert set(re.findall(r"\b[0-9a-f]{64}\b", away.read_text())) == whole
    assert FILES[4]["id"] not in sent
    assert len(away.read_text().splitlines()) == 9
    letters = json.loads(run(tmp_path, "rejected", "list", "--json").stdout)
    assert {(each["route"], each["by"]) for each in letters} == {
        ("events", "notification"),
        ("objects", "notification"),
    }
    assert all("checksum" in each["reason"] for each in letters)
    assert len({each["notification"] for each in letters}) == 1


def configured(folder):
    (folder / "iocstream.yaml").write_text(CONFIGURATION)
    (folder / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in FILES))
    assert run(folder, "run", "--once").returncode == 0


def refused(folder, word):
    """Nothing begins anew by itself, whatever is asked for; and the remedy says how far back a new journal fetches."""
    before = sorted(path.name for path in folder.iterdir())
    for code, command in ((2, ("run", "--once")), (1, ("check",))):
        done = run(folder, *command)
        assert done.returncode == code
        said = " ".join((done.stdout + done.stderr).split())
        assert word in said
        assert "restore a backup" in said
        assert "`since_hours` of each source (24 where it is not set; `since_hours: 168` is the last 7 days" in said
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_journal_that_is_gone_is_an_error_until_a_person_moves_its_mark_away(tmp_path):
    configured(tmp_path)
    (tmp_path / "j.db").unlink()
    refused(tmp_path, "is gone")
    (tmp_path / "j.db-id").unlink()
    assert run(tmp_path, "run", "--once").returncode == 0


def test_a_journal_that_became_empty_is_an_error(tmp_path):
    configured(tmp_path)
    (tmp_path / "j.db").write_bytes(b"")
    refused(tmp_path, "is empty")


def test_another_journal_in_the_place_of_one_is_an_error_and_its_own_backup_is_none(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        configured(folder)
    backup = (here / "j.db").read_bytes()
    (here / "j.db").write_bytes((there / "j.db").read_bytes())
    done = run(here, "run", "--once")
    assert done.returncode == 2
    assert "is another one than before" in done.stderr
    (here / "j.db").write_bytes(backup)
    assert run(here, "run", "--once").returncode == 0


def test_a_journal_that_is_moved_to_another_machine_goes_on_there(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    configured(here)
    there.mkdir()
    for name in ("iocstream.yaml", "saved.jsonl", "j.db"):
        (here / name).rename(there / name)
    done = run(there, "run", "--once", "--json")
    assert done.returncode == 0
    assert [part["new"] for part in json.loads(done.stdout) if part["kind"] == "source"] == [0]
    assert (there / "j.db-id").read_text() == (here / "j.db-id").read_text()
