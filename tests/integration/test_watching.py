"""`find`, `tail` and `top`: what the journal knows of a value, what passes, and how much."""

import json
import signal
import subprocess

import pytest
from integration.command import iocstream_here, started

from connector.simulator.notifications import notifications

CONFIGURATION = """
sources:
  saved: {type: file, path: saved.jsonl}
routes:
  events: {mapping: cef, sink: {type: file, path: events.cef}}
  urls: {mapping: cef, when: "notification.entity_type == 'url'", sink: {type: file, path: urls.cef}}
"""
RAISED = [item for item in notifications(200) if item["type"] in ("domain", "file")]
DOMAIN = next(
    item for item in RAISED
    if item["type"] == "domain" and item["attributes"]["gti_assessment"]["verdict"]["value"] == "VERDICT_MALICIOUS"
)  # fmt: skip
FILE = next(item for item in RAISED if item["type"] == "file" and "md5" in item["attributes"])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in RAISED))
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    iocstream_here("run", "--once", cwd=tmp_path)
    return tmp_path


def found(folder, value):
    return json.loads(iocstream_here("find", value, "--json", cwd=folder).stdout)


def test_find_says_what_matched_and_where_it_went(folder):
    said = found(folder, DOMAIN["id"].upper())
    notification = DOMAIN["context_attributes"]["notification_id"]
    assert notification in [each["id"] for each in said["matches"]]
    events, urls = said["routes"]
    assert (events["route"], events["told"], events["waiting"]) == ("events", "reported", 0)
    assert events["passed"] == len(said["matches"])
    assert (urls["told"], len(urls["held_back"])) == ("nothing", 1)

    shown = iocstream_here("find", DOMAIN["id"], cwd=folder).stdout
    assert notification in shown
    assert "reported" in shown


def test_find_takes_a_value_as_reports_write_it(folder):
    assert found(folder, DOMAIN["id"].replace(".", "[.]")) == found(folder, DOMAIN["id"])
    assert found(folder, "hxxps[:]//evil[.]example/a")["value"] == "https://evil.example/a"


def test_find_knows_a_file_by_its_other_hashes(folder):
    by_md5 = found(folder, FILE["attributes"]["md5"])
    assert by_md5["value"] == FILE["id"]
    assert by_md5["matches"] == found(folder, FILE["id"])["matches"] != []


def test_find_tells_what_was_judged_and_taken_back(folder):
    iocstream_here("judge", "benign", "--observable", DOMAIN["id"], "--by", "me", cwd=folder)
    iocstream_here("run", "--once", cwd=folder)
    said = found(folder, DOMAIN["id"])
    assert [(each["verdict"], each["by"]) for each in said["judgements"]] == [("benign", "me")]
    assert said["routes"][0]["told"] == "taken back"


def test_find_of_the_unknown_fails_and_of_nonsense_says_what_it_takes(folder):
    unknown = iocstream_here("find", "never.seen.example.org", cwd=folder)
    assert unknown.returncode == 1
    assert "no match" in unknown.stdout
    nonsense = iocstream_here("find", "not a value", cwd=folder)
    assert nonsense.returncode == 2
    assert "domain or address" in nonsense.stderr


def test_find_names_known_good_lists(folder):
    assert "known-good list" in iocstream_here("find", "8.8.8.8", cwd=folder).stdout


def test_tail_shows_what_a_route_makes(folder):
    events = iocstream_here("tail", "events", "--last", "3", "--once", "--json", cwd=folder)
    made = [json.loads(line) for line in events.stdout.splitlines()]
    assert len(made) == 3
    delivered = (folder / "events.cef").read_text().splitlines()
    assert all(message in delivered for each in made for message in each["messages"])
    assert any(each["messages"] for each in made)
    urls = iocstream_here("tail", "urls", "--last", "1", "--once", cwd=folder).stdout
    assert "nothing: " in urls
    wrong = iocstream_here("tail", "evnts", "--once", cwd=folder)
    assert wrong.returncode == 2
    assert "did you mean events?" in wrong.stderr


def test_tail_follows_what_comes_until_it_is_ended(folder):
    process = started("tail", "--last", "1", "--json", cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        json.loads(process.stdout.readline())
        late = json.loads(json.dumps(DOMAIN))
        late["context_attributes"]["notification_id"] = "late-one"
        with (folder / "saved.jsonl").open("a") as file:
            file.write(json.dumps(late) + "\n")
        iocstream_here("run", "--once", cwd=folder)
        assert json.loads(process.stdout.readline())["id"] == "late-one"
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()


def test_top_counts_sources_and_routes(folder):
    rows = iocstream_here("top", "--once", "--every", "0.2", "--json", cwd=folder)
    said = {row["name"]: row for row in map(json.loads, rows.stdout.splitlines())}
    assert said["saved"]["total"] == len(RAISED)
    assert (said["events"]["total"], said["events"]["waiting"]) == (len(RAISED), 0)
    plain = iocstream_here("top", "--once", "--every", "0.2", cwd=folder).stdout
    assert "events: not running, 0 a minute, 0 waiting" in plain
