"""Packages for platforms, made by the command, and the real server that they call, whose source is the simulator."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.command import iocstream_here
from integration.servers import serving_actions
from integration.test_server import KEY

from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "tests" / "peers"
RAISED = notifications(60)
CONFIGURATION = """
sources:
  virustotal: {{type: virustotal, api_key: {key}, api_url: "{api}/api/v3", since_hours: 168}}
journal: {{path: "{folder}/iocstream.db"}}
routes:
  published: {{mapping: stix21, sink: {{type: collection, name: indicators}}}}
"""


@contextmanager
def packaged(target, folder):
    """Make a package in `folder/package`, and serve what it calls."""
    made = iocstream_here("manifest", "--for", target, "--out", folder / "package", cwd=folder)
    assert made.returncode == 0, made.stderr
    configuration = folder / "iocstream.yaml"
    with serving(Api(RAISED, key=KEY)) as url:
        configuration.write_text(CONFIGURATION.format(key=KEY, api=url, folder=folder))
        with serving_actions(configuration) as server:
            server.post("poll").raise_for_status()
            yield folder / "package", server


def raised():
    """The ids of what the simulator raised."""
    return {item["context_attributes"]["notification_id"] for item in RAISED}


def on_platform(script, *arguments, peer="platforms", given=None):
    """Run a script of tests/peers with what the platforms publish; the JSON that it prints last."""
    done = subprocess.run(
        [published(peer, "python"), PEERS / script, *map(str, arguments)],
        input=json.dumps(given),
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def published(peer, program):
    """A program that the makers of platforms publish."""
    path = ROOT / ".peers" / peer / "bin" / program
    if not path.is_file():
        message = f"what the platforms publish is not installed; `make .peers/{peer}/ready` does it"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return path
