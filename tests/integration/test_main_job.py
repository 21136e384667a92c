"""The main job with real servers: simulated API → journal → TAXII servers and rsyslog, as a configuration says it."""

from datetime import datetime

import orjson
import pytest
import stix2

from connector import app, configuration, convert
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving

pytest_plugins = ("integration.taxii_peers", "integration.syslog_peers")

CONFIGURATION = """
sources:
  virustotal: {{type: virustotal, api_key: demo-key, api_url: "{api}/api/v3", since_hours: 168}}
journal: {{path: "{folder}/iocstream.db"}}
routes:
  stix:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{collection}", username: "{username}", password: "{password}"}}
  cef:
    mapping: cef
    sink: {{type: syslog, host: 127.0.0.1, port: {port}, transport: tcp}}
"""


TIMES = {
    *("created", "modified", "valid_from", "valid_until"),
    *("first_observed", "last_observed", "first_seen", "last_seen"),
}


def run(folder, api, collection, login, port):
    path = folder / "iocstream.yaml"
    path.write_text(CONFIGURATION.format(api=api, folder=folder, collection=collection, port=port, **login))
    return {part.name: part for part in app.run(configuration.load(path), once=True)}


@pytest.mark.xdist_group("main-job")
@pytest.mark.parametrize("server", ["medallion", "opentaxii"])
def test_every_notification_arrives_at_real_servers_as_it_was_converted(server, request, rsyslog, tmp_path):
    peer = request.getfixturevalue(server)
    collection = peer.collection_url("main job")
    raised = notifications(150, seed=len(server))
    with serving(Api(raised, key="demo-key")) as api:
        parts = run(tmp_path, api, collection, peer.login, rsyslog.ports["tcp"])
    source, stix, cef = parts["virustotal"], parts["stix"], parts["cef"]
    assert source.new == len(raised)
    assert stix.delivered + stix.refused == cef.delivered == len(raised)
    # What a server refuses would show here: only what has no STIX form is refused, and not by the server.
    assert all(reason.startswith("mapping: ") for reason in stix.reasons)

    journal = SqliteJournal(SqliteSettings(path=tmp_path / "iocstream.db"))
    stored = [entry.notification.body for entry in journal.pending("a reader", ["virustotal"], 1000)]
    journal.close()
    expected = [orjson.loads(m.body) for conversion in convert(stored) for m in conversion.messages]
    arrived = {(item["id"], item.get("modified")): item for item in peer.objects(collection)}
    for item in expected:
        found = arrived[item["id"], item.get("modified")]
        assert same_instants(found) == same_instants(item)
        stix2.parse(found)
    assert sum(item["type"] == "sighting" for item in expected) == stix.delivered

    for body in stored:
        marker = f"externalId={body['context_attributes']['notification_id']} "
        assert rsyslog.wait_for("tcp", marker, 1)


def same_instants(item):
    """The object with its times written in one way: servers may add digits to a fraction."""
    return {
        key: datetime.fromisoformat(value) if key in TIMES else value
        for key, value in item.items()
        if value is not False
    }
