"""A mapping or a filter of which nothing comes is said: by the run, its exit code, and `status`."""

import json

import pytest
from integration.command import iocstream_here

from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving

CONFIGURATION = """
sources:
  virustotal: {{type: virustotal, api_key: key, api_url: "{api}/api/v3", since_hours: 168, look_ups_per_day: 0}}
routes:
  out: {{mapping: {mapping}, when: "{when}", sink: {{type: file, path: out.json}}}}
"""
MISSPELT = """
format: json
description: One line for each source, with its name misspelt
emit:
  line:
    $each: {source: "notification.sorces[]"}
    id: ${{ source.id }}
"""


@pytest.fixture
def ran(tmp_path):
    def run(mapping="json", when="notification"):
        (tmp_path / "misspelt.yaml").write_text(MISSPELT)
        with serving(Api(notifications(60), key="key")) as api:
            (tmp_path / "iocstream.yaml").write_text(CONFIGURATION.format(api=api, mapping=mapping, when=when))
            done = iocstream_here("run", "--once", cwd=tmp_path)
        status = json.loads(iocstream_here("status", "--json", cwd=tmp_path).stdout)
        return done, status["routes"][0], iocstream_here("status", cwd=tmp_path).stdout

    return run


def test_a_mapping_that_makes_nothing_is_told(ran):
    done, route, told = ran(mapping="misspelt.yaml")
    assert (route["delivered"], route["made_nothing"], route["nothing_passed"]) == (0, 60, 60), done.stderr
    assert "60 made nothing of" in done.stdout
    assert done.returncode == 1
    assert "out: 60 notifications of which the mapping made nothing" in told


def test_a_filter_that_lets_nothing_pass_is_told(ran):
    done, route, told = ran(when="notification.orgin == 'hunting'")
    assert (route["delivered"], route["filtered"], route["nothing_passed"]) == (0, 60, 60), done.stderr
    assert done.returncode == 0
    assert "out: nothing of the last 60 notifications came through" in told


def test_a_route_that_delivers_says_nothing_of_it(ran):
    done, route, told = ran()
    assert (route["delivered"], route["made_nothing"], route["nothing_passed"]) == (60, 0, 0), done.stderr
    assert done.returncode == 0
    assert "nothing" not in told
