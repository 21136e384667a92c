"""SIGKILL at random moments of the whole job: nothing lost, and what arrives equals an undisturbed run."""

import json
import random
import signal
import subprocess
import time

import pytest
from integration.command import iocstream, started

from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.serving import serving
from connector.simulator.taxii import TaxiiReceiver

KILLS = 12
CONFIGURATION = """
sources:
  virustotal: {{type: virustotal, api_key: demo-key, api_url: "{url}/api/v3", since_hours: 168, poll_seconds: 1}}
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


def outcome(folder, receiver):
    """What arrived: STIX by (id, modified) at both ends, and CEF lines by notification."""
    bundle = json.loads((folder / "indicators.json").read_text())["objects"]
    return (
        {(item["id"], item.get("modified")): item for item in receiver.objects()},
        {(item["id"], item.get("modified")): item for item in bundle},
        set((folder / "events.cef").read_text().splitlines()),
    )


@pytest.mark.timeout(300)
def test_nothing_is_lost_when_the_process_is_killed_at_random_moments(tmp_path):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    raised = notifications(600)
    results = []
    for name, kills in (("undisturbed", 0), ("killed", KILLS)):
        folder = tmp_path / name
        folder.mkdir()
        receiver = TaxiiReceiver(username="u", password="p")
        with serving(Api(raised, key="demo-key")) as url, serving(receiver) as taxii:
            (folder / "iocstream.yaml").write_text(CONFIGURATION.format(url=url, collection=taxii + receiver.path))
            for _ in range(kills):
                process = started("run", cwd=folder, stderr=subprocess.DEVNULL)
                # The moment is counted from the first sign of life, so that most kills hit work and not start-up.
                while not (folder / "iocstream.db").exists() and process.poll() is None:
                    time.sleep(0.01)
                time.sleep(0.3 + chance.random() * 1.2)
                process.send_signal(signal.SIGKILL)
                process.wait()
            done = iocstream("run", "--once", cwd=folder)
            assert done.returncode in (0, 1), done.stderr
            results.append(outcome(folder, receiver))
    undisturbed, killed = results
    assert killed[0] == undisturbed[0]
    assert killed[1] == undisturbed[1]
    assert killed[2] == undisturbed[2]
    assert len(undisturbed[2]) == len(raised)
