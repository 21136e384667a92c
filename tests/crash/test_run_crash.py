"""SIGKILL at random moments of the whole job: nothing lost, and what arrives equals an undisturbed run."""

import json
import random
import time

import pytest

from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving
from prove.nursery import nursery

CONFIGURATION = """
sources:
  virustotal:
    type: virustotal
    api_key: demo-key
    api_url: "{url}/api/v3"
    since_hours: 168
    poll_seconds: 1
    look_ups_per_day: {look_ups}
routes:
  taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{collection}", username: u, password: p, max_envelope_objects: 20}}
  bundle:
    mapping: stix21
    sink: {{type: file, path: indicators.json, layout: stix-bundle}}
  events:
    mapping: cef
    sink: {{type: file, path: events.cef}}
"""


def run(folder, raised, kills, look_ups):
    """What arrived: STIX objects at both ends, and CEF lines, after so many kills."""
    chance = random.Random(seed := random.randrange(2**32))
    print(f"seed {seed}")
    folder.mkdir()
    receiver = TaxiiReceiver(username="u", password="p")
    with serving(Api(raised, key="demo-key")) as url, serving(receiver) as taxii, nursery() as children:
        text = CONFIGURATION.format(url=url, collection=taxii + receiver.path, look_ups=look_ups)
        (folder / "iocstream.yaml").write_text(text)
        for _ in range(kills):
            process = children.start(folder, "run")
            # The time to the kill is counted once the journal exists, so that most kills hit work and not start-up.
            while not (folder / "iocstream.db").exists() and process.poll() is None:
                time.sleep(0.01)
            time.sleep(0.3 + chance.random() * 1.2)
            process.kill()
            process.wait()
        waiting = None
        while waiting != 0:  # look-ups have a minute in each run
            done = children.run(folder, "run", "--once", timeout=150)
            assert done.code in (0, 1), done
            assert "Traceback" not in done.err, done
            (source,) = json.loads(children.run(folder, "status", "--json").out)["sources"]
            waiting = source["look_ups"]["waiting"] if look_ups else 0
    bundle = json.loads((folder / "indicators.json").read_text())["objects"]
    return receiver.objects(), bundle, set((folder / "events.cef").read_text().splitlines())


def versions(objects):
    """By id and version."""
    return {(item["id"], item.get("modified")): item for item in objects}


def newest(objects):
    """The content of the newest version, by id. Its times depend on the notification with which a restart began."""
    found = {}
    for item in sorted(objects, key=lambda item: item.get("modified", "")):
        times = {"created", "modified"} | ({"valid_from"} if item.get("valid_from") == item.get("created") else set())
        found[item["id"]] = {key: value for key, value in item.items() if key not in times}
    return found


@pytest.mark.timeout(300)
def test_nothing_is_lost_when_the_process_is_killed_at_random_moments(tmp_path):
    raised = notifications(600)
    undisturbed, killed = (run(tmp_path / str(kills), raised, kills, look_ups=0) for kills in (0, 12))
    assert versions(killed[0]) == versions(undisturbed[0])
    assert versions(killed[1]) == versions(undisturbed[1])
    assert killed[2] == undisturbed[2]
    assert len(undisturbed[2]) == len(raised)


@pytest.mark.timeout(300)
def test_what_was_looked_up_is_told_in_the_end_however_often_the_process_is_killed(tmp_path):
    raised = notifications(150)
    undisturbed, killed = (run(tmp_path / str(kills), raised, kills, look_ups=10_000) for kills in (0, 6))
    assert len(versions(undisturbed[1])) > len(newest(undisturbed[1])), "nothing was learned after it was delivered"
    assert newest(killed[0]) == newest(undisturbed[0])
    assert newest(killed[1]) == newest(undisturbed[1])
    assert killed[2] == undisturbed[2]
