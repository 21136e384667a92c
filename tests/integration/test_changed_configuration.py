"""Nothing is lost by a changed configuration: other routes, other receivers; nor by a bundle that was rotated away."""

import copy
import json
import sqlite3
import time

import pytest
from integration.command import iocstream_here

from connector.simulator.notifications import notifications
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving

ITEMS = [item for item in notifications(200) if item["type"] in ("file", "domain")][:60]  # none is refused


@pytest.fixture
def receivers():
    first, second = (TaxiiReceiver(username="u", password="p") for _ in range(2))
    with serving(first) as first_url, serving(second) as second_url:
        first.url, second.url = first_url + first.path, second_url + second.path
        yield first, second


def configure(folder, *, sources="saved: {type: file, path: saved.jsonl}", **routes):
    lines = [f"  {name}: {{{route}}}" for name, route in routes.items()]
    text = f"sources:\n  {sources}\njournal: {{path: j.db, retention_days: 8}}\nroutes:\n" + "\n".join(lines) + "\n"
    (folder / "iocstream.yaml").write_text(text)


def into(receiver):
    return f'mapping: stix21, sink: {{type: taxii, collection_url: "{receiver.url}", username: u, password: p}}'


def save(folder, items):
    with (folder / "saved.jsonl").open("a") as file:
        file.writelines(json.dumps(item) + "\n" for item in items)


def ok(folder, *arguments, code=0):
    done = iocstream_here(*arguments, cwd=folder, env={"COLUMNS": "200"})
    assert done.returncode == code, done.stdout + done.stderr
    return done


def dangling(objects):
    """What these objects refer to and is not among them; relationships of the standard's own are all there."""
    known = {each["id"] for each in objects}
    named = {each[key] for each in objects for key in each if key.endswith("_ref")}
    named |= {one for each in objects for key in each if key.endswith("_refs") for one in each[key]}
    return named - known


def status(folder):
    return json.loads(ok(folder, "status", "--json").stdout)


def test_a_route_into_another_collection_sends_there_all_that_its_objects_rest_on(tmp_path, receivers):
    first, second = receivers
    configure(tmp_path, taxii=into(first))
    save(tmp_path, ITEMS[:40])
    ok(tmp_path, "run", "--once")
    assert not dangling(first.objects())
    had = len(first.objects())

    configure(tmp_path, taxii=into(second))
    save(tmp_path, ITEMS[40:])
    ok(tmp_path, "run", "--once")

    assert second.objects()
    assert not dangling(second.objects())
    assert len(first.objects()) == had
    (former,) = status(tmp_path)["former"]
    assert (former["kind"], former["name"], former["sources"], former["unread"]) == ("route", "taxii", [], 0)
    assert former["receivers"] == [f"taxii {first.url}"]
    ok(tmp_path, "forget", "route", "taxii", "--yes")
    assert status(tmp_path)["former"] == []
    delivered = len(second.objects())
    ok(tmp_path, "run", "--once")
    assert len(second.objects()) == delivered


def test_a_route_of_before_receivers_were_told_apart_goes_on_where_it_was(tmp_path, receivers):
    first, _ = receivers
    configure(tmp_path, taxii=into(first))
    save(tmp_path, ITEMS[:40])
    ok(tmp_path, "run", "--once")
    had = {(each["id"], each.get("modified")) for each in first.objects()}
    with sqlite3.connect(tmp_path / "j.db") as db:
        db.execute("UPDATE ledgers SET receiver = ''")
        db.execute("UPDATE routes SET receiver = ''")
    db.close()
    requests = len(had)
    save(tmp_path, ITEMS[:40])  # again: nothing is new
    ok(tmp_path, "run", "--once")
    assert len(first.objects()) == requests
    with sqlite3.connect(tmp_path / "j.db") as db:
        assert db.execute("SELECT receiver FROM ledgers").fetchall() == [(f"taxii {first.url}",)]
    db.close()


def test_a_bundle_that_was_rotated_away_is_begun_with_all_that_its_objects_refer_to(tmp_path):
    configure(tmp_path, out="mapping: stix21, sink: {type: file, path: out.json, layout: stix-bundle}")
    save(tmp_path, ITEMS[:40])
    ok(tmp_path, "run", "--once")
    (tmp_path / "out.json").rename(tmp_path / "out.1.json")
    save(tmp_path, ITEMS[40:])
    ok(tmp_path, "run", "--once")
    for name in ("out.1.json", "out.json"):
        assert not dangling(json.loads((tmp_path / name).read_text())["objects"]), name


def dated(items, at):
    items = copy.deepcopy(items)
    for item in items:
        item["context_attributes"]["notification_date"] = at
    return items


def test_another_configuration_prunes_nothing_that_a_route_it_does_not_know_has_not_read(tmp_path, receivers):
    _, second = receivers
    now = int(time.time())
    lines = "mapping: cef, sink: {type: file, path: out.cef}"
    configure(tmp_path, taxii=into(second), lines=lines)
    save(tmp_path, dated(ITEMS[:10], now - 20 * 86400))
    ok(tmp_path, "run", "--once")
    first_count = len(second.objects())
    save(tmp_path, dated(ITEMS[10:40], now - 15 * 86400))
    configure(tmp_path, lines=lines)
    ok(tmp_path, "run", "--once")
    save(tmp_path, dated(ITEMS[40:], now))
    with sqlite3.connect(tmp_path / "j.db") as db:  # so that upkeep is due
        db.execute("DELETE FROM reports")
    db.close()
    ok(tmp_path, "run", "--once")
    report = status(tmp_path)
    assert report["journal"]["notifications"] == 50
    (former,) = report["former"]
    assert (former["name"], former["sources"], former["unread"]) == ("taxii", ["saved"], 50)
    assert "iocstream forget route taxii" in ok(tmp_path, "status").stdout

    configure(tmp_path, taxii=into(second), lines=lines)
    ok(tmp_path, "run", "--once")
    assert len(second.objects()) > first_count
    assert status(tmp_path)["former"] == []


def test_what_is_configured_is_not_forgotten_and_what_is_not_is_once_a_person_says_so(tmp_path):
    lines = "mapping: cef, sink: {type: file, path: out.cef}"
    configure(tmp_path, lines=lines, gone=lines.replace("out.cef", "gone.cef"))
    save(tmp_path, ITEMS[:5])
    ok(tmp_path, "run", "--once")
    assert "take it out of there" in ok(tmp_path, "forget", "route", "gone", "--yes", code=2).stderr
    configure(tmp_path, sources="other: {type: file, path: saved.jsonl}", lines=lines)
    assert "holds nothing for a route 'strange'" in ok(tmp_path, "forget", "route", "strange", "--yes", code=2).stderr
    assert "say --yes" in ok(tmp_path, "forget", "route", "gone", code=2).stderr
    assert [(each["kind"], each["name"]) for each in status(tmp_path)["former"]] == [
        ("route", "gone"),
        ("route", "lines"),
        ("source", "saved"),
    ]
    assert json.loads(ok(tmp_path, "forget", "route", "gone", "--yes", "--json").stdout)["name"] == "gone"
    ok(tmp_path, "forget", "source", "saved", "--yes")
    report = status(tmp_path)
    assert (report["former"], report["journal"]["notifications"]) == ([], 0)
