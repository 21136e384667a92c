"""What was delivered is delivered again, by command: the same objects, and all that they refer to."""

import contextlib
import copy
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from integration.command import environment, iocstream_here

from connector.simulator.notifications import notifications
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving

CONFIGURATION = """
sources:
  saved: {{type: file, path: saved.jsonl}}
routes:
  taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{collection}", username: u, password: p, max_envelope_objects: 50}}
  events:
    mapping: cef
    when: notification.origin == 'hunting'
    sink: {{type: file, path: events.cef}}
"""
RAISED = [item for item in notifications(150) if item["type"] in ("file", "domain", "ip_address")]


@pytest.fixture
def receiver():
    receiver = TaxiiReceiver(username="u", password="p")
    with serving(receiver) as url:
        receiver.url = url
        yield receiver


@pytest.fixture
def folder(tmp_path, receiver):
    """Everything has been delivered once."""
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION.format(collection=receiver.url + receiver.path))
    raised = sorted(copy.deepcopy(RAISED), key=date)
    (tmp_path / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in raised))
    ok(tmp_path, "run", "--once")
    return tmp_path


def date(item):
    return item["context_attributes"]["notification_date"]


def ok(folder, *arguments, code=0):
    done = iocstream_here(*arguments, cwd=folder, env={"COLUMNS": "200"})
    assert done.returncode == code, done.stdout + done.stderr
    return done


def replayed(folder, *arguments):
    return json.loads(ok(folder, "replay", *arguments, "--json").stdout)


def held(receiver):
    return {(item["id"], item.get("modified")): item for item in receiver.objects()}


def emptied(receiver):
    """What the collection held; it is empty now."""
    before = held(receiver)
    receiver._objects.clear()
    return before


def references(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.endswith("_ref"):
                yield inner
            elif key.endswith("_refs"):
                yield from inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def middle():
    """A moment in the middle, as text, and what was raised from then on."""
    dates = sorted(date(item) for item in RAISED)
    since = dates[len(dates) // 2]
    text = datetime.fromtimestamp(since, UTC).isoformat().replace("+00:00", "Z")
    return text, [item for item in RAISED if date(item) >= since]


def test_a_collection_that_was_emptied_is_as_it_was_after_a_replay_from_the_start(folder, receiver):
    before = emptied(receiver)
    part = replayed(folder, "taxii", "--from-start")
    assert part["delivered"] == len(RAISED)
    assert held(receiver) == before
    ok(folder, "run", "--once")
    assert held(receiver) == before


def test_a_replay_since_a_time_brings_what_was_raised_since_and_all_that_it_refers_to(folder, receiver):
    before = emptied(receiver)
    since, expected = middle()
    part = replayed(folder, "taxii", "--since", since)
    assert part["delivered"] == len(expected)
    after = held(receiver)
    assert after.items() <= before.items()
    assert sum(item["type"] == "sighting" for item in after.values()) == len(expected)
    ids = {identifier for identifier, _ in after}
    assert {reference for item in after.values() for reference in references(item)} <= ids


def test_events_are_sent_again_with_the_same_text_and_the_filter_holds(folder):
    first = (folder / "events.cef").read_text().splitlines()
    since, expected = middle()
    hunted = sum(item["context_attributes"]["origin"] == "hunting" for item in expected)
    done = ok(folder, "replay", "events", "--since", since)
    assert f"events: {hunted} notifications delivered ({hunted} objects or events)" in done.stdout
    lines = (folder / "events.cef").read_text().splitlines()
    assert lines[: len(first)] == first
    assert lines[len(first) :] == first[len(first) - hunted :]
    status = {r["name"]: r for r in json.loads(ok(folder, "status", "--json").stdout)["routes"]}["events"]
    assert (status["delivered"], status["backlog"]) == (len(first) + hunted, 0)


def test_a_dry_run_says_what_a_replay_then_does_and_changes_nothing(folder, receiver):
    before = ok(folder, "status", "--json").stdout
    objects = receiver.objects()
    since, _ = middle()
    for arguments in (["--from-start"], ["--since", since], ["--notification", notification_id(3)]):
        rehearsed = replayed(folder, "taxii", *arguments, "--dry-run")
        ids = rehearsed.pop("ids")
        assert counts(ok(folder, "status", "--json").stdout) == counts(before)
        assert receiver.objects() == objects
        text = ok(folder, "replay", "taxii", *arguments, "--dry-run").stdout
        assert f"taxii: would send {len(ids)} objects or events for {rehearsed['delivered']} notifications" in text
        emptied(receiver)
        assert replayed(folder, "taxii", *arguments) == rehearsed
        assert sorted(item["id"] for item in receiver.objects()) == sorted(ids)
        ok(folder, "replay", "taxii", "--from-start")
        before, objects = ok(folder, "status", "--json").stdout, receiver.objects()


def counts(status):
    return [{**route, "lag_seconds": 0} for route in json.loads(status)["routes"]]


def notification_id(index):
    return RAISED[index]["context_attributes"]["notification_id"]


def test_what_goes_to_stdout_is_not_mixed_with_the_results(folder):
    config = folder / "iocstream.yaml"
    config.write_text(config.read_text().replace("path: events.cef", "path: '-'"))
    done = ok(folder, "replay", "events", "--notification", hunted())
    assert done.stdout.startswith("CEF:0|")
    assert done.stdout.count("\n") == 1
    assert "events: 1 notifications delivered" in done.stderr
    assert "both write to stdout" in ok(folder, "replay", "events", "--from-start", "--json", code=2).stderr
    assert "both write to stdout" in ok(folder, "rejected", "retry", "--json", code=2).stderr


def hunted():
    contexts = (item["context_attributes"] for item in RAISED)
    return next(each["notification_id"] for each in contexts if each["origin"] == "hunting")


def test_one_notification_is_sent_again_with_all_it_needs(folder, receiver):
    before = emptied(receiver)
    position = json.loads(ok(folder, "status", "--json").stdout)["routes"][0]["position"]
    done = ok(folder, "replay", "taxii", "--notification", notification_id(7))
    assert re.match(r"taxii: 1 notifications delivered \((\d+) objects or events\)\n", done.stdout)
    after = held(receiver)
    assert after.items() <= before.items()
    assert sum(item["type"] == "sighting" for item in after.values()) == 1
    assert {reference for item in after.values() for reference in references(item)} <= {each for each, _ in after}
    assert json.loads(ok(folder, "status", "--json").stdout)["routes"][0]["position"] == position
    ok(folder, "run", "--once")
    assert held(receiver) == after


def test_a_replay_that_is_cut_off_is_finished_by_the_next_run(folder, receiver):
    before = emptied(receiver)
    receiver.fail_next(503, Retry_After="3600")
    done = ok(folder, "replay", "taxii", "--from-start", code=1)
    assert "taxii: waiting: " in done.stdout
    assert json.loads(ok(folder, "status", "--json").stdout)["routes"][0]["backlog"] == len(RAISED)
    ok(folder, "run", "--once")
    assert held(receiver) == before


def test_a_mended_mapping_is_replayed_as_new_versions_of_the_same_objects(folder, receiver):
    before = held(receiver)
    config = folder / "iocstream.yaml"
    (folder / "stix21.yaml").write_text(mapping_with_another_name())
    config.write_text(config.read_text().replace("mapping: stix21", "mapping: ./stix21.yaml"))
    ok(folder, "replay", "taxii", "--from-start")
    after = held(receiver)
    assert after.items() >= before.items()
    new = [item for key, item in after.items() if key not in before]
    assert {item["type"] for item in new} == {"indicator"}
    created = {item["id"]: item["created"] for item in before.values() if item["type"] == "indicator"}
    newest = {}
    for item in sorted((i for i in after.values() if i["type"] == "indicator"), key=lambda item: item["modified"]):
        assert item["created"] == created[item["id"]]
        newest[item["id"]] = item["name"]
    assert set(newest) == set(created)
    assert all(name.startswith("mended: ") for name in newest.values())
    ok(folder, "replay", "taxii", "--from-start")
    assert held(receiver) == after


def mapping_with_another_name():
    from connector.mapping import files

    text = files.bundled_mappings()["stix21"].read_text()
    name = re.compile(r"    name: >-\n.*entity\.meaningful_name.*\n")
    assert len(name.findall(text)) == 1, "adapt this to the mapping"
    return name.sub('    name: "mended: ${{ value }}"\n', text)


def test_what_was_pruned_is_told(folder):
    from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings

    since, kept = middle()
    journal = SqliteJournal(SqliteSettings(path=folder / "iocstream.db"))
    journal.prune(min(date(item) for item in kept), {"taxii": ["saved"], "events": ["saved"]})
    journal.close()
    oldest = min(RAISED, key=date)

    from_start = ok(folder, "replay", "taxii", "--from-start", "--dry-run")
    assert f"for {len(kept)} notifications" in from_start.stdout
    assert re.search(
        r"taxii: the journal has notifications raised after 20\S+Z; older ones were pruned", from_start.stderr
    )
    assert "pruned" in ok(folder, "replay", "taxii", "--since", "2001-01-01", "--dry-run").stderr
    assert "pruned" not in ok(folder, "replay", "taxii", "--since", since, "--dry-run").stderr
    gone = ok(folder, "replay", "taxii", "--notification", oldest["context_attributes"]["notification_id"], code=2)
    assert re.search(r"has no notification '\d+' from saved; what was raised until 20\S+Z was pruned", gone.stderr)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["taxii"], "one of --since, --from-start and --notification"),
        (["taxii", "--from-start", "--since", "2026-01-01"], "one of --since"),
        (["nonsense", "--from-start"], "there is no route 'nonsense'; there is taxii, events"),
        (["nonsense", "--notification", "1"], "there is no route 'nonsense'"),
        (["nonsense", "--notification", "1", "--dry-run"], "there is no route 'nonsense'"),
        (["taxii", "--notification", "1"], "the journal has no notification '1' from saved"),
        (["taxii", "--since", "yesterday"], "'yesterday' is no time; write 2026-01-31"),
        (["taxii", "--since", "2026-01-31T08:00:00"], "does not say in which time zone; add Z"),
    ],
)
def test_a_replay_that_is_not_understood_changes_nothing_and_says_why(folder, receiver, arguments, said):
    objects = receiver.objects()
    assert said in ok(folder, "replay", *arguments, code=2).stderr
    assert receiver.objects() == objects


def test_nothing_raised_since_then_is_nothing_to_replay(folder, receiver):
    emptied(receiver)
    assert replayed(folder, "taxii", "--since", "2099-01-01")["delivered"] == 0
    assert receiver.objects() == []


def test_a_receiver_that_refuses_makes_dead_letters_and_exit_code_1(folder, receiver):
    emptied(receiver)
    receiver.refuse = {next(item for item in notifications_sightings(folder))}
    done = ok(folder, "replay", "taxii", "--from-start", code=1)
    assert "taxii: refused 1 time by sink: refused on cue" in done.stdout
    (letter,) = json.loads(ok(folder, "rejected", "list", "--json").stdout)
    assert letter["by"] == "sink"
    receiver.refuse = set()
    ok(folder, "replay", "taxii", "--from-start")
    assert json.loads(ok(folder, "rejected", "list", "--json").stdout) == []


def notifications_sightings(folder):
    objects = json.loads(ok(folder, "convert", "saved.jsonl").stdout)["objects"]
    return (item["id"] for item in objects if item["type"] == "sighting")


def test_at_a_terminal_a_replay_shows_how_far_it_is(folder):
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "connector", "replay", "events", "--from-start"],
        cwd=folder,
        env=environment({"TERM": "xterm", "COLUMNS": "100"}),
        stdout=subprocess.DEVNULL,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal on Linux (EIO)
            while chunk := os.read(screen, 4096):
                shown += chunk
        os.close(screen)
        assert process.wait(60) == 0, shown.decode()
    assert f"{len(RAISED)}/{len(RAISED)}".encode() in shown
