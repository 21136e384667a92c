"""When an event happened, as syslog-ng reads it with the forms of time that Splunk Connect for Syslog tries."""

import contextlib
import json
import re
import string

import pytest
from mapping_examples import CASES, MAPPINGS, conversion
from missing_software import or_skip
from peers.syslog import running, syslog_ng_with

from connector import notification
from connector.configuration import load_mapping
from connector.settings.producer import Producer

pytestmark = pytest.mark.xdist_group("syslog")

# The forms are those of SC4S for `rt`; its own parsers for the rest of an event are Python, and not needed here.
CONF = string.Template(r"""
@version: 3.38
options { stats-freq(0); time-zone("UTC"); };
source events { file("$folder/events" flags(no-parse) follow-freq(0.1)); };
parser rt { regexp-parser(prefix("cef.") patterns('[|]rt=(?<rt>.*?) [A-Za-z0-9]+=')); };
parser time { date-parser(template("$${cef.rt}") format(
    '%s.%f', '%s', '%b %d %T', '%b %d %T UTC', '%b %d %T %Z', '%b %d %Y %T', '%b %d %Y %T UTC', '%b %d %Y %T %Z')); };
template seen { template("$$S_UNIXTIME\n"); };
log { source(events); parser(rt); parser(time); destination { file("$folder/seen" template(seen)); }; };
""")


@pytest.fixture
def seen(tmp_path):
    """A function from events to the time, in Unix seconds, of each that was read."""
    with or_skip():
        server = syslog_ng_with(CONF.substitute(folder=tmp_path), tmp_path, {})

    def run(events):
        (tmp_path / "events").write_bytes(b"\n".join(events) + b"\n")
        with running(server):
            server._until(lambda: len(times(tmp_path)) == len(events), f"has read {len(events)} events")
        return times(tmp_path)

    return run


def times(folder):
    with contextlib.suppress(FileNotFoundError):
        return [int(float(line)) for line in (folder / "seen").read_text().splitlines()]
    return []


def events(profile):
    mapping = load_mapping("cef", Producer(), profile)
    return [message.body for case in CASES for message in conversion(mapping, case).messages]


def raised():
    bodies = [json.loads((MAPPINGS / "examples" / "inputs" / f"{case}.json").read_text()) for case in CASES]
    return [int(notification.read(body).date) for body in bodies]


def test_with_the_profile_splunk_connect_for_syslog_reads_when_each_match_was(seen):
    assert seen(events("splunk-sc4s")) == raised()


def test_without_it_milliseconds_are_taken_for_seconds(seen):
    assert re.search(rb"\|rt=\d{13} ", events(None)[0])
    assert not set(seen(events(None))) & set(raised())
