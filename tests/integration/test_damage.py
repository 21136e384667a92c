"""A journal that the disk has changed: what is damaged is delivered to nobody, and the rest is."""

import json
import re
import sqlite3

import pytest
from integration.command import iocstream_here
from integration.simulated_virustotal import KEY, NOW, items, simulated

from connector.simulator.api import Fault
from connector.simulator.notifications import notifications

CONFIGURATION = """
sources:
  saved: {type: file, path: saved.jsonl}
routes:
  events: {mapping: cef, sink: {type: file, path: events.cef}}
  objects: {mapping: stix21, sink: {type: file, path: objects.json, layout: stix-bundle}}
journal: {path: j.db}
"""
MORE = [item for item in notifications(100) if item["type"] == "file"][:15]
FILES = MORE[:10]


FROM_VIRUSTOTAL = """
sources:
  vt: {{type: virustotal, api_key: "{key}", api_url: "{url}/api/v3"}}
routes:
  events: {{mapping: cef, sink: {{type: file, path: events.cef}}}}
  objects: {{mapping: stix21, sink: {{type: file, path: objects.json, layout: stix-bundle}}}}
journal: {{path: j.db}}
"""


def run(folder, *arguments):
    return iocstream_here(*arguments, cwd=folder, env={"COLUMNS": "200"})


def dead_letters(folder):
    return json.loads(run(folder, "rejected", "list", "--json").stdout)


def stored_and_damaged(folder):
    """Ten notifications are stored and not delivered, and a bit of the fifth flips; returns its id."""
    receivers = [folder / "events.cef", folder / "objects.json"]
    for path in receivers:
        path.mkdir()  # so that nothing is delivered yet
    assert run(folder, "run", "--once").returncode == 2
    with sqlite3.connect(folder / "j.db") as db:
        seq, known_as, body = db.execute(
            "SELECT seq, notification_id, body FROM notifications ORDER BY seq LIMIT 1 OFFSET 4"
        ).fetchone()
        middle = len(body) // 2
        wrong = body[:middle] + bytes([body[middle] ^ 4]) + body[middle + 1 :]
        db.execute("UPDATE notifications SET body = ? WHERE seq = ?", (wrong, seq))
    db.close()
    for path in receivers:
        path.rmdir()
    return known_as


def test_a_flipped_bit_is_not_delivered_as_a_hash(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    (tmp_path / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in FILES))
    stored_and_damaged(tmp_path)
    away = tmp_path / "events.cef"

    done = run(tmp_path, "run", "--once")

    assert done.returncode == 1, done.stderr
    sent = away.read_text() + (tmp_path / "objects.json").read_text()
    whole = {item["id"] for number, item in enumerate(FILES) if number != 4}
    assert set(re.findall(r" fileHash=([0-9a-f]{64})\b", away.read_text())) == whole
    assert FILES[4]["id"] not in sent
    assert len(away.read_text().splitlines()) == 9
    run(tmp_path, "run", "--once")  # by then it is known that a file is not asked for one notification
    letters = dead_letters(tmp_path)
    assert {(each["route"], each["by"]) for each in letters} == {
        ("events", "notification"),
        ("objects", "notification"),
    }
    assert all("checksum" in each["reason"] for each in letters)
    assert len({each["notification"] for each in letters}) == 1


@pytest.fixture
def fetched(tmp_path):
    """Ten notifications of an API are in the journal, one of them damaged; two routes have delivered the others.

    Yields the folder, the API, and the id and the host of the damaged one.
    """
    made = items(range(NOW - 10, NOW))
    with simulated(made) as (api, url):
        (tmp_path / "iocstream.yaml").write_text(FROM_VIRUSTOTAL.format(key=KEY, url=url))
        known_as = stored_and_damaged(tmp_path)
        assert run(tmp_path, "run", "--once").returncode == 1
        (host,) = [each["id"] for each in made if each["context_attributes"]["notification_id"] == known_as]
        assert not said_of(tmp_path, host)
        assert len((tmp_path / "events.cef").read_text().splitlines()) == 9
        assert sorted(each["route"] for each in dead_letters(tmp_path)) == ["events", "objects", "vt"]
        yield tmp_path, api, known_as, host


def said_of(folder, host):
    return [name for name in ("events.cef", "objects.json") if host in (folder / name).read_text()]


def asked_for(api):
    return [each.path for each in api.requests if each.path.startswith("/ioc_stream_notifications/")]


def test_what_was_damaged_is_fetched_again_and_delivered_whole(fetched):
    folder, api, known_as, host = fetched
    assert run(folder, "run", "--once").returncode == 0
    assert dead_letters(folder) == []
    assert said_of(folder, host) == ["events.cef", "objects.json"]
    assert len((folder / "events.cef").read_text().splitlines()) == 10
    assert asked_for(api) == [f"/ioc_stream_notifications/{known_as}"]
    assert "nothing wrong" in run(folder, "journal", "check").stdout
    run(folder, "run", "--once")
    assert len(asked_for(api)) == 1


def test_what_was_damaged_and_is_gone_upstream_stays_a_dead_letter_and_is_asked_for_once(fetched):
    folder, api, known_as, host = fetched
    api.faults.append(Fault("/ioc_stream_notifications/", status=404, body=b'{"error": {"code": "NotFoundError"}}'))
    for _ in range(3):
        run(folder, "run", "--once")
    assert len(asked_for(api)) == 1
    letters = {each["route"]: each for each in dead_letters(folder)}
    assert set(letters) == {"vt", "events", "objects"}
    assert letters["vt"]["by"] == "source"
    assert f"could not be fetched again: VirusTotal has no notification {known_as!r}" in letters["vt"]["reason"]
    assert "checksum" in letters["vt"]["reason"]
    assert not said_of(folder, host)

    run(folder, "rejected", "retry", str(letters["vt"]["id"]))  # a person may still ask
    assert run(folder, "run", "--once").returncode == 0
    assert dead_letters(folder) == []
    assert said_of(folder, host) == ["events.cef", "objects.json"]


def test_an_outage_leaves_what_was_damaged_for_the_next_poll(fetched):
    folder, api, _, host = fetched
    api.faults.append(Fault("/ioc_stream_notifications/", times=1000, status=503, body=b"{}"))
    run(folder, "run", "--once")
    assert asked_for(api)
    assert sorted(each["route"] for each in dead_letters(folder)) == ["events", "objects", "vt"]
    api.faults.clear()
    assert run(folder, "run", "--once").returncode == 0
    assert dead_letters(folder) == []
    assert said_of(folder, host) == ["events.cef", "objects.json"]


def delivered_once(folder):
    """A journal whose ten notifications are delivered to a file that is then moved away; five more have come."""
    configured(folder)
    (folder / "events.cef").unlink()
    (folder / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in MORE))


def change(folder, statement):
    with sqlite3.connect(folder / "j.db") as db:
        assert db.execute(statement).rowcount > 0
    db.close()


def hashes(folder):
    return [re.findall(r"\b[0-9a-f]{64}\b", line)[0] for line in (folder / "events.cef").read_text().splitlines()]


def test_a_flipped_bit_of_a_position_costs_repeats_and_no_notification(tmp_path):
    delivered_once(tmp_path)
    change(tmp_path, "UPDATE positions SET seq = seq | 64")
    checked = run(tmp_path, "journal", "check")
    assert checked.returncode == 1
    assert "the position of events in saved is not what was stored" in checked.stdout

    done = run(tmp_path, "run", "--once")

    assert done.returncode == 0
    assert done.stderr.count('"event": "damaged"') == 2  # a line for each route
    assert sorted(hashes(tmp_path)) == sorted(item["id"] for item in MORE)
    status = run(tmp_path, "status").stdout
    assert "events: found damaged at " in status
    assert "it begins anew there with the oldest notification kept" in status
    assert run(tmp_path, "journal", "check").returncode == 0
    run(tmp_path, "run", "--once")
    assert len(hashes(tmp_path)) == len(MORE)


def test_a_flipped_bit_of_a_checkpoint_has_the_source_read_anew_and_nothing_is_stored_twice(tmp_path):
    delivered_once(tmp_path)
    change(tmp_path, "UPDATE sources SET checkpoint = CAST(replace(checkpoint, '\"line\":1', '\"line\":9') AS BLOB)")
    assert "the checkpoint of saved is not what was stored" in run(tmp_path, "journal", "check").stdout

    done = run(tmp_path, "run", "--once")

    assert done.returncode == 0
    assert '"event": "damaged"' in done.stderr
    assert sorted(hashes(tmp_path)) == sorted(item["id"] for item in MORE[len(FILES) :])
    (source,) = json.loads(run(tmp_path, "status", "--json").stdout)["sources"]
    assert "it reads anew" in source["damage"]["reason"]
    assert source["notifications"] == len(MORE)
    assert run(tmp_path, "journal", "check").returncode == 0


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
