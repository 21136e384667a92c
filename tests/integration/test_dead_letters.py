"""What was refused is listed, shown, delivered after all, taken out or dropped, by command."""

import contextlib
import copy
import hashlib
import json
import os
import pty
import signal
import stat
import subprocess
import sys

import pytest
import stix2
from integration.command import environment, iocstream_here, started
from integration.simulated_virustotal import KEY, NOW, items, poisoned, simulated

from connector.simulator.api import Fault
from connector.simulator.notifications import notifications
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving

CONFIGURATION = """
sources:
  saved: {{type: file, path: saved.jsonl, poll_seconds: 1}}
routes:
  taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{collection}", username: u, password: p}}
"""
# Refuses domains until it is mended.
OWN_MAPPING = """
format: json
emit:
  line:
    what: ${{ {property} }}
    where: "at ${{ entity.absent }}"
    id: ${{ notification.id }}
"""


# Each about a domain of its own.
DOMAINS = list({item["id"]: item for item in notifications(400) if item["type"] == "domain"}.values())


def domains(count):
    return copy.deepcopy(DOMAINS[:count])


def saved(folder, items):
    (folder / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))


def test_what_holds_a_route_up_is_skipped_by_hand_and_retried_later(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(
        "sources: {saved: {type: file, path: saved.jsonl}}\n"
        "routes: {out: {mapping: json, sink: {type: file, path: out.jsonl}}}\n"
    )
    some = domains(3)
    saved(tmp_path, some)
    (tmp_path / "out.jsonl").mkdir()
    assert iocstream_here("run", "--once", cwd=tmp_path).returncode != 0
    victim = some[1]["context_attributes"]["notification_id"]

    def skip(route, notification):
        return iocstream_here("rejected", "skip", route, notification, cwd=tmp_path)

    assert "out goes on without the notification" in skip("out", victim).stdout
    assert "no notification 'absent'" in skip("out", "absent").stderr
    assert skip("absent", victim).returncode == 2
    (tmp_path / "out.jsonl").rmdir()
    assert iocstream_here("run", "--once", cwd=tmp_path).returncode == 1
    lines = (tmp_path / "out.jsonl").read_text()
    assert [each["id"] in lines for each in some] == [True, False, True]
    (letter,) = json.loads(iocstream_here("rejected", "list", "--json", cwd=tmp_path).stdout)
    assert (letter["by"], letter["notification"]) == ("person", victim)
    assert "has dealt with the notification" in skip("out", victim).stderr
    assert iocstream_here("rejected", "retry", cwd=tmp_path).returncode == 0
    assert some[1]["id"] in (tmp_path / "out.jsonl").read_text()


@pytest.fixture
def receiver():
    receiver = TaxiiReceiver(username="u", password="p")
    with serving(receiver) as url:
        receiver.url = url
        yield receiver


@pytest.fixture
def folder(tmp_path, receiver):
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION.format(collection=receiver.url + receiver.path))
    saved(tmp_path, domains(4))
    return tmp_path


def ok(folder, *arguments, code=0):
    done = iocstream_here(*arguments, cwd=folder, env={"COLUMNS": "200"})
    assert done.returncode == code, done.stdout + done.stderr
    return done


def listed(folder, *arguments):
    return json.loads(ok(folder, "rejected", "list", "--json", *arguments).stdout)


def route(folder, name="taxii"):
    status = json.loads(ok(folder, "status", "--json").stdout)
    return next(route for route in status["routes"] if route["name"] == name)


def refused_indicator(folder):
    """The id that the indicator of the first notification will have."""
    bundle = json.loads(ok(folder, "convert", "saved.jsonl").stdout)
    return next(item for item in bundle["objects"] if item["type"] == "indicator")["id"]


@contextlib.contextmanager
def running(folder):
    """`iocstream run` as a service, from when it has met a refusal on."""
    with started("run", cwd=folder, stderr=subprocess.PIPE) as process:
        try:
            next(line for line in process.stderr if b'"refused"' in line)
            yield process
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_what_the_server_refused_is_shown_retried_and_cleared(folder, receiver):
    indicator = refused_indicator(folder)
    receiver.refuse = {indicator}
    ok(folder, "run", "--once", code=1)
    assert indicator not in {item["id"] for item in receiver.objects()}

    (letter,) = listed(folder)
    assert (letter["route"], letter["by"], letter["object"]) == ("taxii", "sink", indicator)
    assert letter["reason"] == "refused on cue"
    assert letter["notification"] == domains(1)[0]["context_attributes"]["notification_id"]
    assert letter["refused_at"].endswith("Z")
    table = ok(folder, "rejected", "list", "--route", "taxii").stdout
    assert "refused on cue" in table
    shown = json.loads(ok(folder, "rejected", "show", letter["id"], "--json").stdout)
    assert shown["document"]["id"] == indicator
    assert shown["body"] == domains(1)[0]
    text = ok(folder, "rejected", "show", letter["id"]).stdout
    assert "refused on cue" in text
    assert f'"id": "{indicator}"' in text
    assert '"context_attributes": {' in text

    still = json.loads(ok(folder, "rejected", "retry", "--json", code=1).stdout)
    assert [(part["name"], part["delivered"], part["refused"]) for part in still] == [("taxii", 0, 1)]
    assert [each["id"] for each in listed(folder)] == [letter["id"]]

    receiver.refuse = set()
    done = ok(folder, "rejected", "retry", letter["id"])
    assert "taxii: 1 notifications delivered (1 objects or events)" in done.stdout
    assert listed(folder) == []
    assert stix2.parse(next(item for item in receiver.objects() if item["id"] == indicator)).type == "indicator"
    assert ok(folder, "rejected", "retry").stdout == "there are no dead letters\n"
    found = route(folder)
    assert (found["delivered"], found["refused"], found["dead_letters"]) == (4, 2, 0)


def test_what_a_mapping_refused_is_delivered_once_the_mapping_is_mended(folder):
    config = folder / "iocstream.yaml"
    config.write_text(
        "sources:\n  saved: {type: file, path: saved.jsonl}\n"
        "routes:\n  lines: {mapping: ./own.yaml, sink: {type: file, path: lines.json}}\n"
    )
    broken = OWN_MAPPING.replace("{property}", "entity_value")
    (folder / "own.yaml").write_text(broken)
    ok(folder, "run", "--once", code=1)
    letters = listed(folder)
    assert {letter["by"] for letter in letters} == {"mapping"}
    assert len(letters) == 4
    assert "own.yaml" in letters[0]["reason"]

    (folder / "own.yaml").write_text(broken.replace("entity.absent", "entity_value"))
    ok(folder, "rejected", "retry", letters[1]["id"])
    assert [each["id"] for each in listed(folder)] == [letters[0]["id"], letters[2]["id"], letters[3]["id"]]
    ok(folder, "rejected", "retry", "--route", "lines")
    lines = [json.loads(line)["id"] for line in (folder / "lines.json").read_text().splitlines()]
    ids = [item["context_attributes"]["notification_id"] for item in domains(4)]
    assert lines == [ids[1], ids[0], ids[2], ids[3]]


def test_a_retry_without_a_receiver_changes_nothing(folder, receiver):
    receiver.refuse = {refused_indicator(folder)}
    ok(folder, "run", "--once", code=1)
    before = listed(folder)
    receiver.refuse = set()
    receiver.fail_next(503)
    done = ok(folder, "rejected", "retry", code=1)
    assert "taxii: waiting: " in done.stdout
    assert listed(folder) == before
    ok(folder, "rejected", "retry")


def test_a_route_that_is_being_served_is_left_alone(folder, receiver):
    receiver.refuse = {refused_indicator(folder)}
    with running(folder) as process:
        (letter,) = listed(folder)
        retried = ok(folder, "rejected", "retry", code=1)
        replayed = ok(folder, "replay", "taxii", "--from-start", code=1)
        one = ok(folder, "replay", "taxii", "--notification", letter["notification"], code=1)
        for said in (retried.stdout, replayed.stderr, one.stderr):
            assert f"taxii is served by process {process.pid} on " in said
            assert "let that one end first" in said
        assert "would send" in ok(folder, "replay", "taxii", "--from-start", "--dry-run").stdout
        ok(folder, "rejected", "drop", "--yes", letter["id"])
    assert listed(folder) == []


def test_an_export_can_be_converted_and_fed_to_another_journal(folder, receiver):
    indicators = {item["id"] for item in json.loads(ok(folder, "convert", "saved.jsonl").stdout)["objects"]}
    receiver.refuse = {each for each in indicators if each.startswith(("indicator", "sighting"))}
    ok(folder, "run", "--once", code=1)
    assert len(listed(folder)) == 8
    printed = ok(folder, "rejected", "export", "-").stdout
    ok(folder, "rejected", "export", "taken-out.jsonl", "--route", "taxii")
    file = folder / "taken-out.jsonl"
    assert file.read_text() == printed
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["data"] for line in lines] == domains(4)
    assert [each["by"] for each in lines[0]["rejected"]] == ["sink", "sink"]
    again = ok(folder, "rejected", "export", "taken-out.jsonl", code=2)
    assert "exists already" in again.stderr

    assert ok(folder, "convert", "taken-out.jsonl").stdout == ok(folder, "convert", "saved.jsonl").stdout
    other = folder / "other"
    other.mkdir()
    (other / "iocstream.yaml").write_text(
        "sources:\n  saved: {type: file, path: ../taken-out.jsonl}\n"
        "routes:\n  lines: {mapping: cef, sink: {type: file, path: lines.cef}}\n"
    )
    ok(other, "run", "--once")
    assert len((other / "lines.cef").read_text().splitlines()) == 4
    assert len(listed(folder)) == 8


def test_nothing_is_dropped_without_a_clear_command(folder, receiver):
    objects = json.loads(ok(folder, "convert", "saved.jsonl").stdout)["objects"]
    receiver.refuse = {item["id"] for item in objects if item["type"] == "sighting"}
    ok(folder, "run", "--once", code=1)
    first, second, *_ = (letter["id"] for letter in listed(folder))
    refusals = [
        (["drop"], "say which"),
        (["drop", "--all", str(first)], "say which"),
        (["drop", "--all"], "4 dead letters would be dropped for good; say --yes"),
        (["drop", str(first)], "1 dead letter would be dropped for good; say --yes"),
        (["drop", "--yes", str(first), "999"], "there is no dead letter 999"),
        (["drop", "--yes", "--all", "--route", "nonsense"], "there is no route 'nonsense'; there is taxii"),
        (["retry", "999"], "there is no dead letter 999"),
        (["show", "999"], "there is no dead letter 999"),
        (["list", "--route", "nonsense"], "there is no route 'nonsense'"),
        (["export", "-", "--route", "nonsense"], "there is no route 'nonsense'"),
        (["retry", "--route", "nonsense"], "there is no route 'nonsense'"),
    ]
    for arguments, said in refusals:
        assert said in ok(folder, "rejected", *arguments, code=2).stderr
    assert len(listed(folder)) == 4

    assert ok(folder, "rejected", "drop", "--yes", second, first).stdout == "dropped 2 dead letters\n"
    dropped = ok(folder, "rejected", "drop", "--yes", "--all", "--route", "taxii", "--json").stdout
    assert json.loads(dropped) == {"dropped": 2}
    found = route(folder)
    assert (found["dead_letters"], found["dropped"], found["refused"]) == (0, 4, 4)
    assert "4 dead letters were dropped on command" in ok(folder, "status").stdout


@pytest.mark.parametrize(("answer", "left", "code"), [(b"n\n", 4, 1), (b"y\n", 0, 0)])
def test_at_a_terminal_dropping_is_asked_about(folder, receiver, answer, left, code):
    objects = json.loads(ok(folder, "convert", "saved.jsonl").stdout)["objects"]
    receiver.refuse = {item["id"] for item in objects if item["type"] == "sighting"}
    ok(folder, "run", "--once", code=1)
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, answer)
        done = subprocess.run(
            [sys.executable, "-m", "connector", "rejected", "drop", "--all"],
            cwd=folder,
            env=environment(None),
            stdin=terminal,
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert b"Drop 4 dead letters for good, undelivered? [y/N]" in done.stderr
    assert done.returncode == code
    assert len(listed(folder)) == left


def test_the_dead_letters_of_a_route_that_is_no_more_stay_until_they_are_dropped(folder, receiver):
    receiver.refuse = {refused_indicator(folder)}
    ok(folder, "run", "--once", code=1)
    config = folder / "iocstream.yaml"
    config.write_text(config.read_text().replace("  taxii:\n", "  renamed:\n"))
    assert [letter["route"] for letter in listed(folder)] == ["taxii"]
    assert "taxii is no route any more and has 1 dead letters" in ok(folder, "status").stdout
    assert "taxii is no route any more: export" in ok(folder, "rejected", "retry", code=2).stdout
    assert ok(folder, "rejected", "export", "-", "--route", "taxii").stdout.count("\n") == 1
    ok(folder, "rejected", "drop", "--yes", "--all", "--route", "taxii")
    assert listed(folder) == []


def test_what_others_wrote_does_not_steer_the_terminal(folder, receiver):
    (item,) = domains(1)
    item["attributes"]["last_dns_records"] = "\x1b[2J\u202e\x9b31m [red]markup[/nonsense]"
    item["context_attributes"]["notification_id"] = "\x1b]0;title\x07[/]"
    saved(folder, [item])
    receiver.refuse = {refused_indicator(folder)}
    ok(folder, "run", "--once", code=1)
    (letter,) = listed(folder)
    for arguments in (["list"], ["show", letter["id"]]):
        shown = ok(folder, "rejected", *arguments).stdout
        assert all(character.isprintable() or character == "\n" for character in shown)
        assert "title" in shown
    assert "[red]markup[/nonsense]" in shown


FROM_VIRUSTOTAL = """
sources:
  vt: {{type: virustotal, api_key: "{key}", api_url: "{url}/api/v3", poll_seconds: 1}}
routes:
  line: {{mapping: json, sink: {{type: file, path: out.jsonl}}}}
  other: {{mapping: json, sink: {{type: file, path: other.jsonl}}}}
"""


@pytest.fixture
def unread(tmp_path):
    """Notifications of which one cannot be read; yields the folder and the id of that one."""
    made = items(range(NOW - 5, NOW))
    made[2]["context_attributes"]["odd"] = "poison"
    with poisoned(made, b'"poison"', b"NaN") as (_, url):
        (tmp_path / "iocstream.yaml").write_text(FROM_VIRUSTOTAL.format(key=KEY, url=url))
        yield tmp_path, made[2]["context_attributes"]["notification_id"]


def delivered(folder, name="out.jsonl"):
    return (folder / name).read_text().splitlines()


def test_what_a_source_could_not_read_is_one_dead_letter_of_the_source_and_is_delivered_by_a_retry(unread):
    folder, broken = unread
    told = ok(folder, "run", "--once", code=1).stdout
    assert "4 notifications fetched, 4 of them new, 1 could not be read: `iocstream rejected list`\n" in told
    assert f"vt: refused 1 time by source: the notification {broken} cannot be read" in told
    assert "filtered" not in told
    assert len(delivered(folder)) == len(delivered(folder, "other.jsonl")) == 4
    (letter,) = listed(folder)
    assert (letter["route"], letter["source"], letter["by"]) == ("vt", "vt", "source")
    assert f"the notification {broken} cannot be read" in letter["reason"]
    assert "at byte" in letter["reason"]
    assert listed(folder, "--route", "vt") == [letter]
    shown = json.loads(ok(folder, "rejected", "show", str(letter["id"]), "--json").stdout)
    assert "NaN" in shown["body"]["unreadable"]["excerpt"]
    report = json.loads(ok(folder, "status", "--json").stdout)
    assert report["sources"][0]["dead_letters"] == 1
    assert report["dead_letters_of_former_routes"] == {}
    assert [each["backlog"] for each in report["routes"]] == [0, 0]
    assert "1 items could not be read" in ok(folder, "status").stdout
    ok(folder, "run", "--once")
    assert listed(folder) == [letter]

    exported = ok(folder, "rejected", "export", "-").stdout.splitlines()
    assert json.loads(exported[0])["rejected"][0]["id"] == letter["id"]
    ok(folder, "rejected", "retry", str(letter["id"]))
    assert listed(folder) == []
    ok(folder, "run", "--once")
    assert len(delivered(folder)) == len(delivered(folder, "other.jsonl")) == 5
    assert listed(folder) == []


def test_what_a_source_could_not_read_can_be_dropped(unread):
    folder, _ = unread
    ok(folder, "run", "--once", code=1)
    (letter,) = listed(folder)
    ok(folder, "rejected", "drop", str(letter["id"]), "--yes")
    assert listed(folder) == []
    assert json.loads(ok(folder, "status", "--json").stdout)["sources"][0]["dead_letters"] == 0


def test_a_url_that_is_learned_later_has_what_was_refused_without_it_delivered(tmp_path):
    address = "http://login.example/a"
    digest = hashlib.sha256(address.encode()).hexdigest()
    bare = items([NOW - 5], type="url", id=digest, attributes=None)
    known = items([NOW - 8 * 86400], first_id=9, type="url", id=address, attributes={"url": address})
    with simulated([*known, *bare]) as (api, url):
        text = FROM_VIRUSTOTAL.format(key=KEY, url=url).replace("mapping: json", "mapping: cef", 1)
        (tmp_path / "iocstream.yaml").write_text(text.replace("mapping: json", "mapping: stix21"))
        api.faults.append(Fault("/urls/", status=403, body=b"<html>blocked</html>"))
        ok(tmp_path, "run", "--once", code=1)  # for what was refused at first
        assert [asked.path for asked in api.requests].count(f"/urls/{digest}") == 2
        assert listed(tmp_path) == []
        assert len(delivered(tmp_path)) == 1  # what it was delivered without, an event is not repeated for
        assert address in (tmp_path / "other.jsonl").read_text()


def test_without_a_journal_there_is_nothing_to_look_at(folder):
    for arguments in (["rejected", "list"], ["rejected", "retry"], ["replay", "taxii", "--from-start"]):
        assert "there is no journal" in ok(folder, *arguments, code=2).stderr
    assert "there is no journal" in ok(folder, "rejected", "export", "x.jsonl", code=2).stderr
    assert not (folder / "x.jsonl").exists()
