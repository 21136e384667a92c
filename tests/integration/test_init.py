"""`iocstream init`: what each template writes is in order, the key stays out of it, and a terminal is asked."""

import os
import pty
import subprocess
import sys

import pytest
from integration.command import environment, iocstream_here

from connector import configuration
from connector.cli.templates import TEMPLATES
from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving

SECRETS = {name: "https://hooks.example.com/x" for each in TEMPLATES.values() for name in each.secrets}


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_template_writes_can_be_loaded(tmp_path, name):
    done = iocstream_here("init", "--template", name, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "iocstream.yaml").stat().st_mode & 0o077 == 0
    plan = configuration.load(tmp_path / "iocstream.yaml", {"VT_API_KEY": "k", **SECRETS})
    assert list(plan.settings.routes) == [name]


def test_what_is_written_for_a_server_that_is_there_passes_check(tmp_path):
    taxii = TaxiiReceiver(username="connector", password="p")
    with serving(Api(notifications(20), key="demo-key")) as url, serving(taxii) as server:
        for name, to in (("file", ()), ("taxii", ("--to", server + taxii.path))):
            made = iocstream_here(
                "init", "-t", name, *to, "--api-url", f"{url}/api/v3", "-c", f"{name}.yaml", cwd=tmp_path
            )
            assert made.returncode == 0, made.stderr
            checked = iocstream_here(
                "check", "-c", f"{name}.yaml", cwd=tmp_path, env={"VT_API_KEY": "demo-key", "TAXII_PASSWORD": "p"}
            )
            assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--template", "file", "--key", "a" * 64], "the key itself"),
        (["--template", "file", "--key", "two words"], "name of an environment variable"),
        (["--template", "slack", "--to", "https://x.example"], "has no address"),
        (["--to", "https://x.example"], "go with --template"),
        (["--template", "splnk"], "splunk"),
    ],
)
def test_a_mistake_writes_nothing(tmp_path, arguments, said):
    done = iocstream_here("init", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "iocstream.yaml").exists()


def test_a_terminal_is_asked_and_source_and_receiver_are_tried(tmp_path):
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "connector", "init"],
        cwd=tmp_path, env=environment({"TERM": "dumb"}), stdin=terminal, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    os.write(master, b"file\nKEY_NONE_SUCH\n")
    said = b""
    while process.poll() is None or b"next:" not in said:
        try:
            said += os.read(master, 4096)
        except OSError:
            break
    os.close(master)
    assert process.wait(30) == 0, said
    assert b"Where do notifications go?" in said
    assert b"set KEY_NONE_SUCH" in said
    assert "api_key: ${KEY_NONE_SUCH}" in (tmp_path / "iocstream.yaml").read_text()
