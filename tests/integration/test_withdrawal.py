"""A domain that is malicious and benign eight minutes later, at a TAXII server, a collection and a syslog receiver."""

import json
import sqlite3
import subprocess
import sys
import uuid

import pytest
from integration.command import environment, iocstream_here

from connector.pipeline.versions import successor
from connector.simulator.syslog import SyslogReceiver

pytest_plugins = ("integration.taxii_peers",)
pytestmark = pytest.mark.xdist_group("taxii")

START = 1_760_000_000
COLLECTION = "withdrawals"
CONFIGURATION = """
sources:
  saved: {{type: file, path: saved.jsonl}}
routes:
  stix:
    mapping: stix21
    when: &malicious entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'
    sink: {{type: taxii, collection_url: "{url}", username: {user}, password: {password}}}
  served:
    mapping: stix21
    when: *malicious
    sink: {{type: collection, name: iocs, title: IoCs, description: x}}
  cef:
    mapping: cef
    when: *malicious
    sink: {{type: syslog, host: 127.0.0.1, port: {port}, transport: tcp}}
"""
KILLED_BEFORE_IT_ADVANCES = """
import os, signal
from connector.journals.sql.journal import SqlJournal
SqlJournal.advance = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from connector.cli.main import main
main(["run", "--once"])
"""


def match(number, verdict, minutes, domain):
    return {
        "type": "domain",
        "id": domain,
        "attributes": {"gti_assessment": {"verdict": {"value": f"VERDICT_{verdict}"}}},
        "context_attributes": {
            "notification_id": f"{domain}-{number}",
            "notification_date": START + minutes * 60,
            "origin": "hunting",
            "hunting_info": {"rule_name": "rule"},
        },
    }


@pytest.fixture
def syslog():
    with SyslogReceiver() as receiver:
        yield receiver


class Receivers:
    """What the two receivers have, and what this connector's own collection does."""

    def __init__(self, folder, peer, syslog, domain):
        self.folder, self.peer, self.syslog, self.domain = folder, peer, syslog, domain

    def raise_(self, *matches):
        with (self.folder / "saved.jsonl").open("a") as file:
            file.writelines(json.dumps(each) + "\n" for each in matches)

    def run(self):
        done = iocstream_here("run", "--once", "--json", cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return {part["name"]: part for part in json.loads(done.stdout)}

    def indicators(self):
        """Every version of each, at the TAXII server: id, version and whether it is revoked."""
        held = self.peer.objects(self.peer.collection_url(COLLECTION))
        found = [each for each in held if each["type"] == "indicator" and self.domain in each["pattern"]]
        return [(each["id"], each.get("revoked", False)) for each in sorted(found, key=lambda each: each["modified"])]

    def sightings(self):
        held = self.peer.objects(self.peer.collection_url(COLLECTION))
        ids = {object_id for object_id, _ in self.indicators()}
        found = [each for each in held if each["type"] == "sighting" and each["sighting_of_ref"] in ids]
        return [each["sighting_of_ref"] for each in sorted(found, key=lambda each: each["first_seen"])]

    def collected(self):
        """The same of this connector's own collection, from the journal."""
        with sqlite3.connect(self.folder / "iocstream.db") as database:
            (count,) = database.execute("SELECT count(*) FROM versions WHERE revoked = 1").fetchone()
        return count

    def events(self):
        lines = [line.decode() for line in self.syslog.lines() if self.domain in line.decode()]
        return [line.partition("|IoC Stream|")[2].split("|")[1] for line in lines]


@pytest.fixture(params=["medallion", "opentaxii"])
def receivers(request, tmp_path, syslog):
    peer = request.getfixturevalue(request.param)
    login = {"user": peer.login["username"], "password": peer.login["password"]}
    text = CONFIGURATION.format(url=peer.collection_url(COLLECTION), port=syslog.port, **login)
    (tmp_path / "iocstream.yaml").write_text(text)
    return Receivers(tmp_path, peer, syslog, f"{uuid.uuid4()}.example")


def test_what_is_benign_eight_minutes_later_is_taken_back_at_every_receiver(receivers):
    domain = receivers.domain
    receivers.raise_(match(1, "MALICIOUS", 0, domain))
    receivers.run()
    ((former, _),) = receivers.indicators()
    receivers.raise_(match(2, "BENIGN", 8, domain))
    done = receivers.run()
    assert [done[name]["withdrawn"] for name in ("stix", "served", "cef")] == [1, 1, 1]
    assert receivers.indicators() == [(former, False), (former, True)]
    assert receivers.events() == ["hunting:domain", "withdrawn:domain"]
    assert receivers.collected() == 2  # of either route
    status = json.loads(iocstream_here("status", "--json", cwd=receivers.folder).stdout)
    assert [route["withdrawn"] for route in status["routes"]] == [1, 1, 1]
    # Nothing more to take back; malicious again, it goes on under another id.
    receivers.raise_(match(3, "BENIGN", 16, domain), match(4, "MALICIOUS", 24, domain))
    receivers.run()
    assert receivers.indicators() == [(former, False), (former, True), (successor(former), False)]
    assert receivers.sightings() == [former, successor(former)]
    assert receivers.events() == ["hunting:domain", "withdrawn:domain", "hunting:domain"]


def test_a_kill_between_sending_and_advancing_changes_nothing_and_neither_does_a_replay(receivers):
    domain = receivers.domain
    receivers.raise_(match(1, "MALICIOUS", 0, domain))
    receivers.run()
    receivers.raise_(match(2, "BENIGN", 8, domain))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_IT_ADVANCES], cwd=receivers.folder, env=environment({}), check=False
    )
    assert killed.returncode == -9
    receivers.run()
    ((former, _), *_) = found = receivers.indicators()
    assert found == [(former, False), (former, True)]
    for route in ("stix", "served"):
        done = iocstream_here("replay", route, "--from-start", "--json", cwd=receivers.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["refused"] == 0
    assert receivers.indicators() == found
    done = iocstream_here("replay", "cef", "--from-start", cwd=receivers.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert receivers.events()[-2:] == ["hunting:domain", "withdrawn:domain"]
