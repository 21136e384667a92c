"""The actions over HTTP with real receivers: a TAXII server and rsyslog."""

import pytest
from integration.servers import serving_actions
from integration.test_actions import CONFIGURATION, IDS, KEY, RAISED

from connector.simulator.api import Api
from connector.simulator.wsgi_server import serving

pytest_plugins = ("integration.taxii_peers", "integration.syslog_peers")


@pytest.mark.xdist_group("main-job")
def test_a_push_and_a_poll_over_http_reach_the_receivers(medallion, rsyslog, tmp_path):
    collection = medallion.collection_url("rw")
    configuration = tmp_path / "iocstream.yaml"
    login = "username: {username}, password: {password}".format_map(medallion.login)
    with serving(Api(RAISED, key=KEY)) as url:
        text = CONFIGURATION.format(key=KEY, api=url, folder=tmp_path, taxii=collection, syslog=rsyslog.ports["tcp"])
        configuration.write_text(text.replace("username: u, password: p", login))
        with serving_actions(configuration) as server:
            assert server.post("test_connectivity", token="soar").json()["status"] == "success"
            pushed = server.post("push_notification", {"id": IDS[4], "route": "taxii"}, token="soar").json()
            assert pushed["status"] == "success", pushed
            sent = {answer["id"] for answer in pushed["data"]["answers"]}
            assert sent <= {item["id"] for item in medallion.objects(collection)}
            (sighting,) = [identifier for identifier in sent if identifier.startswith("sighting--")]

            polled = server.post("poll", token="soar").json()
            assert polled["status"] == "success", polled
            held = medallion.objects(collection)
            assert {answer for answer in sent if answer == sighting} <= {item["id"] for item in held}
            for identifier in IDS:
                assert rsyslog.wait_for("tcp", f"externalId={identifier} ", 1)

            again = server.post("push_notification", {"id": IDS[4], "route": "taxii"}, token="soar").json()
            assert again["status"] == "success", again
            assert len(medallion.objects(collection)) == len(held)
