"""A journal that the disk has changed: what is damaged is delivered to nobody, and the rest is."""

import json
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
        sha256 = json.loads(body)["id"]
        wrong = ("f" if sha256[9] == "e" else "e").join((sha256[:9], sha256[10:]))
        db.execute(
            "UPDATE notifications SET body = ? WHERE seq = ?", (body.replace(sha256.encode(), wrong.encode()), seq)
        )
    db.close()
    away.rmdir()
    (tmp_path / "objects.json").rmdir()

    done = run(tmp_path, "run", "--once")

    assert done.returncode == 1, done.stderr
    sent = away.read_text() + (tmp_path / "objects.json").read_text()
    assert wrong not in sent
    assert len(away.read_text().splitlines()) == 9
    letters = json.loads(run(tmp_path, "rejected", "list", "--json").stdout)
    assert {(each["route"], each["by"]) for each in letters} == {
        ("events", "notification"),
        ("objects", "notification"),
    }
    assert all("checksum" in each["reason"] for each in letters)
    assert len({each["notification"] for each in letters}) == 1
