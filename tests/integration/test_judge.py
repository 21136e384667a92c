"""What an analyst judges, over the command line and over HTTP, while `iocstream run` serves the routes."""

import copy
import json
import signal
import time
from contextlib import contextmanager

import pytest
from integration.command import iocstream_here, started
from integration.servers import serving_actions

from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications
from connector.simulator.syslog import SyslogReceiver
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving
from connector.values.timestamps import timestamp

CONFIGURATION = """
sources:
  vt: {{type: virustotal, api_key: demo-key, api_url: "{api}/api/v3", since_hours: 168, poll_seconds: 1,
       look_ups_per_day: 0}}
routes:
  taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{taxii}", username: u, password: p}}
  syslog:
    mapping: cef
    sink: {{type: syslog, host: 127.0.0.1, port: {syslog}, transport: tcp, replay_window_seconds: 1}}
shutdown_seconds: 5
"""
SOON = 45
PATTERN = next(item for item in notifications(200) if item["type"] == "domain")


def match(number, host, rule="phish"):
    """A match of a host, raised a minute ago."""
    item = copy.deepcopy(PATTERN)
    item["id"] = host
    item["attributes"]["gti_assessment"] = {"verdict": {"value": "VERDICT_MALICIOUS"}}
    item["context_attributes"] |= {
        "notification_id": str(number),
        "notification_date": int(time.time()) - 60 + number,
        "origin": "hunting",
        "hunting_info": {"rule_name": rule},
        "sources": [{"id": "71", "type": "hunting_ruleset", "label": "Kits"}],
    }
    return item


class World:
    """A configuration with the simulated VirusTotal before it and two receivers behind it."""

    def __init__(self, folder, api, taxii, syslog):
        self.folder, self.api, self.taxii, self.syslog = folder, api, taxii, syslog
        self.path = folder / "iocstream.yaml"

    @contextmanager
    def running(self):
        """`iocstream run`, in a process of its own."""
        with started("run", cwd=self.folder) as process:
            try:
                yield process
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
            finally:
                process.kill()

    def judge(self, *arguments):
        done = iocstream_here("judge", *arguments, "--by", "ana", "--json", cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def versions(self, *types):
        """What the collection has of these types, in the order of their versions."""
        found = [each for each in self.taxii.objects() if each["type"] in types]
        return sorted(found, key=lambda each: each["modified"])

    def events(self, host):
        """Class id of each event that names a host, and its notification."""
        lines = [line.decode() for line in self.syslog.lines() if host.encode() in line]
        return [(line.split("|")[4], line.split("externalId=")[1].split(" ")[0]) for line in lines]

    def status(self):
        return json.loads(iocstream_here("status", "--json", cwd=self.folder).stdout)

    def routes(self):
        return {route["name"]: route for route in self.status()["routes"]}


def until(holds, what):
    """Wait for something."""
    end = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.1)


@pytest.fixture
def world(tmp_path):
    api = Api([match(1, "ours.example"), match(2, "ours.example"), match(3, "bad.example")], key="demo-key")
    taxii, syslog = TaxiiReceiver(username="u", password="p"), SyslogReceiver()
    with serving(api) as api_url, serving(taxii) as taxii_url, syslog:
        world = World(tmp_path, api, taxii, syslog)
        text = CONFIGURATION.format(api=api_url, taxii=taxii_url + taxii.path, syslog=syslog.port)
        world.path.write_text(text)
        yield world


def test_a_false_positive_is_withdrawn_within_seconds_muted_and_delivered_again_when_that_is_taken_back(world):
    with world.running(), serving_actions(world.path) as server:
        until(lambda: len(world.events("example")) == 3 and world.versions("indicator"), "all is delivered")
        (first,) = {each["id"] for each in world.versions("indicator") if each["name"] == "ours.example"}

        assert world.judge("false_positive", "--observable", "ours.example", "--note", "our proxy")["concerns"] == 2
        until(lambda: any(each.get("revoked") for each in world.versions("indicator")), "it is revoked")
        until(lambda: ("withdrawn:domain", "2") in world.events("ours.example"), "the event says so")

        *_, revoked = (each for each in world.versions("indicator") if each["name"] == "ours.example")
        (opinion,) = world.versions("opinion")
        assert (revoked["id"], revoked["revoked"]) == (first, True)
        assert (opinion["opinion"], opinion["object_refs"]) == ("strongly-disagree", [first])
        assert any(b"reason=ana judged it a false positive: our proxy" in line for line in world.syslog.lines())

        world.api.add([match(4, "ours.example"), match(5, "bad.example")])
        until(lambda: ("hunting:domain", "5") in world.events("bad.example"), "what is not judged is delivered")
        until(lambda: world.routes()["taxii"]["muted"] == world.routes()["syslog"]["muted"] == 2, "it is muted")
        assert world.events("ours.example").count(("hunting:domain", "4")) == 0
        assert world.status()["rules"][0]["false_positive"] == 1

        back = {"verdict": "none", "of": "observable", "value": "ours.example"}
        server.post("judge", back, token="soar").raise_for_status()
        until(lambda: ("hunting:domain", "4") in world.events("ours.example"), "what was muted is delivered")
        until(lambda: len({each["id"] for each in world.versions("indicator")}) == 3, "under another id")
        until(lambda: world.routes()["taxii"]["muted"] == world.routes()["syslog"]["muted"] == 0, "nothing is muted")
    *_, last = (each for each in world.versions("indicator") if each["name"] == "ours.example")
    assert last["id"] != first
    assert "revoked" not in last
    sightings = [each for each in world.versions("sighting") if each["sighting_of_ref"] == last["id"]]
    assert len(sightings) == 2  # of the one that took it back, and of the one that was muted


def test_a_rule_judged_over_http_mutes_what_it_matches_and_ends_with_its_time(world):
    with world.running(), serving_actions(world.path) as server:
        until(lambda: len(world.events("example")) == 3, "all is delivered")
        soon = int(time.time()) + 15
        rule = {"verdict": "benign", "of": "rule", "value": "phish", "ruleset": "71", "until": timestamp(soon)}
        answer = server.post("judge", rule, token="soar").json()
        assert (answer["data"]["by"], answer["data"]["concerns"]) == ("soar", 3)

        until(lambda: ("withdrawn:domain", "2") in world.events("ours.example"), "what it matched is taken back")
        until(lambda: ("withdrawn:domain", "3") in world.events("bad.example"), "all of it")
        world.api.add([match(4, "new.example"), match(5, "new.example", "other")])
        until(lambda: world.events("new.example")[:1] == [("hunting:domain", "5")], "another rule is not muted")

        until(lambda: ("hunting:domain", "4") in world.events("new.example"), "it is over")
        assert time.time() >= soon
        until(lambda: world.events("bad.example")[-1] == ("hunting:domain", "3"), "and what was withdrawn is back")


def test_what_was_judged_outlives_a_killed_process_an_outage_and_a_replay(world):
    with world.running():
        until(lambda: len(world.events("example")) == 3 and world.versions("indicator"), "all is delivered")
    world.judge("false_positive", "--observable", "ours.example")
    with started("run", cwd=world.folder) as process:
        world.taxii.fail_next(503, times=2, retry_after="2")
        until(lambda: world.routes()["taxii"]["state"] == "waiting", "the receiver is away")
        process.kill()
    assert not any(each.get("revoked") for each in world.versions("indicator"))

    with world.running():
        until(lambda: any(each.get("revoked") for each in world.versions("indicator")), "it is revoked after all")
        until(lambda: ("withdrawn:domain", "2") in world.events("ours.example"), "the event says so")
    before = world.taxii.objects()
    for route in ("taxii", "syslog"):
        done = iocstream_here("replay", route, "--from-start", cwd=world.folder)
        assert done.returncode == 0, done.stdout + done.stderr

    assert {json.dumps(each, sort_keys=True) for each in world.taxii.objects()} == {
        json.dumps(each, sort_keys=True) for each in before
    }
    assert [what for what, _ in world.events("ours.example")].count("hunting:domain") == 2  # as before the replay
    assert [what for what, _ in world.events("bad.example")].count("hunting:domain") == 2  # once more


SHARING = "look_ups_per_day: 0, share: [vote, comment]"


class TestSharing:
    """What is told at VirusTotal: nothing, unless the source may and somebody asks."""

    @pytest.fixture
    def sharing(self, world):
        world.path.write_text(world.path.read_text().replace("look_ups_per_day: 0", SHARING))
        assert iocstream_here("run", "--once", cwd=world.folder).returncode == 0
        return world

    def judge(self, world, *arguments, verdict="false_positive"):
        return iocstream_here("judge", verdict, *arguments, "--by", "ana", cwd=world.folder)

    def test_nothing_is_told_without_being_asked(self, sharing):
        assert self.judge(sharing, "--observable", "ours.example", "--note", "n").returncode == 0
        assert sharing.api.told == []
        assert not any(asked.method == "POST" for asked in sharing.api.requests)

    def test_nothing_is_told_by_a_source_that_may_not(self, world):
        assert iocstream_here("run", "--once", cwd=world.folder).returncode == 0
        refused = self.judge(world, "--observable", "ours.example", "--note", "n", "--share", "--yes")
        assert refused.returncode == 2
        assert "the option `share` of the source vt names neither vote, nor comment" in refused.stderr
        assert json.loads(iocstream_here("judge", "list", "--json", cwd=world.folder).stdout) == []
        assert world.api.told == []

    def test_where_nobody_can_answer_it_must_be_said_that_it_is_meant(self, sharing):
        refused = self.judge(sharing, "--observable", "ours.example", "--share")
        assert refused.returncode == 2
        assert "--share would publish a vote about ours.example at VirusTotal, for everyone" in refused.stderr
        assert sharing.api.told == []

    def test_a_vote_and_the_note_are_told_once(self, sharing):
        done = self.judge(sharing, "--observable", "OURS.example", "--note", "our proxy", "--share", "--yes")
        assert "told at VirusTotal: vote and comment" in done.stdout
        assert sharing.api.told == [
            ("vote", "domain", "ours.example", "harmless"),
            ("comment", "domain", "ours.example", "our proxy"),
        ]
        again = self.judge(sharing, "--notification", "3", "--share", "--yes", verdict="true_positive")
        assert "told at VirusTotal: vote\n" in again.stdout
        assert sharing.api.told[2:] == [("vote", "domain", "bad.example", "malicious")]
        assert self.judge(sharing, "--notification", "1", "--share", "--yes").returncode == 0
        assert len(sharing.api.told) == 3

    @pytest.mark.parametrize(
        ("what", "said"),
        [
            (("--rule", "phish"), "VirusTotal can be told of files, URLs, domains and addresses"),
            (("--observable", "unknown.example"), "the journal has no notification about the observable unknown"),
        ],
    )
    def test_what_cannot_be_told_is_not_judged_either(self, sharing, what, said):
        refused = self.judge(sharing, *what, "--share", "--yes")
        assert (refused.returncode, said in refused.stderr) == (2, True)
        assert json.loads(iocstream_here("judge", "list", "--json", cwd=sharing.folder).stdout) == []

    def test_when_virustotal_cannot_answer_it_is_judged_all_the_same(self, sharing):
        sharing.api.faults.append(Fault("votes", times=9, status=503, body=b"{}"))
        done = self.judge(sharing, "--observable", "ours.example", "--share", "--yes")
        assert done.returncode == 1
        assert "it is judged, and not shared: VirusTotal cannot answer now" in done.stderr
        assert len(json.loads(iocstream_here("judge", "list", "--json", cwd=sharing.folder).stdout)) == 1

    def test_over_http_it_is_told_when_it_is_asked(self, sharing):
        with serving_actions(sharing.path) as server:
            said = {"verdict": "benign", "of": "observable", "value": "ours.example"}
            assert server.post("judge", said, token="soar").json()["data"]["shared"] == []
            assert server.post("judge", {**said, "share": True}, token="reader").status_code == 403
            assert sharing.api.told == []
            assert server.post("judge", {**said, "share": True}, token="soar").json()["data"]["shared"] == ["vote"]
            sharing.api.faults.append(Fault("votes", times=9, status=503, body=b"{}"))
            answer = server.post("judge", {**said, "value": "bad.example", "share": True}, token="soar").json()
        assert [error["code"] for error in answer["errors"]] == ["unavailable"]
        assert answer["data"]["value"] == "bad.example"
