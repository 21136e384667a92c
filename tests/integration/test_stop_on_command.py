"""SIGTERM ends what a person asked to be delivered, though the receiver hangs; and nothing of it is lost."""

import json
import signal
import socket
import subprocess
import time

import pytest
from integration.command import iocstream_here, started

from connector.simulator.notifications import notifications

SHUTDOWN_SECONDS = 1
CONFIGURATION = """
sources:
  saved: {{type: file, path: saved.jsonl}}
routes:
  out:
    mapping: {mapping}
    sink: {{type: taxii, collection_url: "http://127.0.0.1:{port}/root/collections/c/", token: t, timeout_seconds: 60}}
shutdown_seconds: {shutdown}
"""
REFUSED = "format: stix\nemit:\n  o: {type: indicator, id: nonsense}\n"
RAISED = [item for item in notifications(30) if item["type"] == "domain"][:3]
ID = RAISED[0]["context_attributes"]["notification_id"]


@pytest.fixture
def hanging():
    """A receiver that lets others connect and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


@pytest.fixture
def folder(tmp_path, hanging):
    """All notifications are dead letters, of a mapping that is in order now; nothing has been sent."""
    (tmp_path / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in RAISED))
    (tmp_path / "refused.yaml").write_text(REFUSED)
    configure(tmp_path, hanging, "./refused.yaml")
    assert iocstream_here("run", "--once", cwd=tmp_path).returncode == 1
    configure(tmp_path, hanging, "stix21")
    return tmp_path


def configure(folder, server, mapping):
    port = server.getsockname()[1]
    text = CONFIGURATION.format(mapping=mapping, port=port, shutdown=SHUTDOWN_SECONDS)
    (folder / "iocstream.yaml").write_text(text)


def dead_letters(folder):
    return json.loads(iocstream_here("rejected", "list", "--json", cwd=folder).stdout)


@pytest.mark.parametrize("arguments", [["rejected", "retry"], ["replay", "out", "--notification", ID]])
def test_a_delivery_into_a_receiver_that_hangs_ends_within_the_time_to_stop(folder, hanging, arguments):
    before = dead_letters(folder)
    process = started(*arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    connection, _ = hanging.accept()
    with connection:
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=50)
        assert time.monotonic() - asked < SHUTDOWN_SECONDS + 10
    assert process.returncode == 1
    assert "out: interrupted" in out
    assert "Traceback" not in err
    assert dead_letters(folder) == before
    assert len(before) == len(RAISED)
