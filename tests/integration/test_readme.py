"""README's commands and examples, as a reader copies them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import stix2
from free_ports import is_free
from integration.command import ROOT, iocstream

README = (ROOT / "README.md").read_text()
NOTIFICATION = ROOT / "mappings/examples/inputs/domain_hunting.json"


def end(group):
    """End every process that a script started, and wait until the ports that README names are free again."""
    os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + 20
    for port in (8765, 5055, 5514, 8640):
        while not is_free(port):
            assert time.monotonic() < deadline, f"port {port} is still taken"
            time.sleep(0.1)


def blocks(language, heading):
    """The code blocks of one language below one heading."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def missing_server():
    if not (ROOT / ".peers/medallion/ready").exists():
        return "medallion is not installed: make peers"
    return None if shutil.which("rsyslogd", path="/usr/sbin:/usr/bin") else "rsyslogd is not installed"


@pytest.mark.xdist_group("quickstart")
@pytest.mark.timeout(120)
def test_the_quick_start_leads_to_an_indicator_and_an_event(tmp_path):
    if reason := missing_server():
        assert "CI" not in os.environ, reason
        pytest.skip(reason)
    prepare, run, look = blocks("sh", "Your first indicator in a TAXII server, your first CEF line in rsyslog")
    (tmp_path / "examples").mkdir()
    shutil.copytree(ROOT / "examples/quickstart", tmp_path / "examples/quickstart")
    (tmp_path / ".peers").symlink_to(ROOT / ".peers")
    binaries = tmp_path / ".venv/bin"
    binaries.mkdir(parents=True)
    (binaries / "iocstream").write_text(f'#!/bin/sh\nexec {sys.executable} -m connector "$@"\n')
    (binaries / "iocstream").chmod(0o755)
    install = "make .peers/medallion/ready\n"
    assert install in prepare
    script = prepare.replace(install, "") + run + "echo exit=$?\necho ---\n" + look + "echo THE END\n"
    with (tmp_path / "stderr").open("w") as errors:
        session = subprocess.Popen(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    with session:
        try:
            # The servers outlive the script and keep its output open.
            printed = "".join(iter(session.stdout.readline, "THE END\n"))
        finally:
            end(session.pid)
    checked, shown = printed.split("---\n")
    assert "iocstream.yaml is in order" in checked, checked + (tmp_path / "stderr").read_text()
    assert "exit=1" in checked
    envelope, _ = json.JSONDecoder().raw_decode(shown)
    (indicator,) = envelope["objects"]
    assert stix2.parse(indicator).type == "indicator"
    line = r"^<\d+>\w{3} [ \d]\d \d\d:\d\d:\d\d \S+ iocstream: CEF:0\|VirusTotal\|"
    assert re.search(line, shown, re.MULTILINE), shown


@pytest.mark.xdist_group("quickstart")
@pytest.mark.timeout(120)
def test_indicators_are_read_from_the_taxii_server_of_the_connector(tmp_path):
    prepare, read = blocks("sh", "Let platforms read it over TAXII")
    (tmp_path / "examples").mkdir()
    shutil.copytree(ROOT / "examples/taxii-server", tmp_path / "examples/taxii-server")
    binaries = tmp_path / ".venv/bin"
    binaries.mkdir(parents=True)
    (binaries / "iocstream").write_text(f'#!/bin/sh\nexec {sys.executable} -m connector "$@"\n')
    (binaries / "iocstream").chmod(0o755)
    with (tmp_path / "stderr").open("w") as errors:
        session = subprocess.Popen(
            ["bash", "-c", f"{prepare}echo ---\n{read}echo THE END\n"],
            cwd=tmp_path,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    with session:
        try:
            printed = "".join(iter(session.stdout.readline, "THE END\n"))
        finally:
            end(session.pid)
    envelope = json.loads(printed.split("---\n")[1])
    (indicator,) = envelope["objects"]
    assert stix2.parse(indicator).type == "indicator"
    assert envelope["more"]
    assert envelope["next"]


def test_the_commands_for_converting_work(tmp_path):
    shutil.copy(NOTIFICATION, tmp_path / "notification.json")
    (commands,) = blocks("sh", "Convert without a journal")
    for line in commands.splitlines():
        name, *arguments = line.split("#")[0].split()
        assert name == "iocstream"
        done = iocstream(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    as_cef, as_objects = (printed_by(program, tmp_path) for program in blocks("python", "Convert without a journal"))
    assert as_cef.startswith("CEF:0|")
    assert re.search(r"^indicator \[domain-name:value = '", as_objects, re.MULTILINE)


def printed_by(program, folder):
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_mapping_in_the_readme_makes_the_indicator_that_it_promises(tmp_path):
    (text,) = blocks("yaml", "Say what is sent")
    (tmp_path / "own.yaml").write_text(text)
    done = iocstream("convert", "--mapping", "./own.yaml", NOTIFICATION, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (indicator,) = [item for item in json.loads(done.stdout)["objects"] if item["type"] == "indicator"]
    assert stix2.parse(indicator).pattern == f"[domain-name:value = '{indicator['name']}']"


def commands(group, prefix="iocstream"):
    """Every command by its full name, those of groups included."""
    for name, command in group.commands.items():
        yield f"{prefix} {name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")


def test_every_command_and_option_is_in_the_documentation():
    from connector.cli.main import iocstream as group

    pages = README + "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    for name, command in commands(group):
        assert name in pages, f"{name} is not documented"
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    assert option in pages, f"{option} of {name} is not documented"


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
