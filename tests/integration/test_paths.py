"""Paths in a configuration are relative to its folder, whatever folder a command runs in."""

import json
import shutil

import pytest
from integration.command import ROOT, iocstream_here

CONFIGURATION = """
sources:
  files: {type: file, path: in}
  certified:
    type: virustotal
    api_key: ${file:secrets/key}
    api_url: http://127.0.0.1:1/api/v3
    ca_bundle: tls/ca.pem
routes:
  own: {mapping: {use: ./mine.yaml, overlay: over.yaml}, sources: [files], sink: {type: file, path: out/own.jsonl}}
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder with a configuration and all that it names, and one of another name to run commands in."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home / "in", home / "secrets", home / "tls", elsewhere):
        folder.mkdir(parents=True)
    (home / "secrets" / "key").write_text("a-key")
    (home / "tls" / "ca.pem").write_text("")
    (home / "mine.yaml").write_text("format: json\nemit:\n  line: {mine: 1}\n")
    (home / "over.yaml").write_text("extends: mine\nadd:\n  emit:\n    line: {over: 1}\n")
    shutil.copy(ROOT / "mappings" / "examples" / "inputs" / "domain_hunting.json", home / "in")
    (home / "iocstream.yaml").write_text(CONFIGURATION)
    return home, elsewhere


def test_every_path_is_found_from_another_folder(site):
    home, elsewhere = site
    text = CONFIGURATION.replace("api_url: http://127.0.0.1:1/api/v3\n    ca_bundle: tls/ca.pem", "")
    (home / "iocstream.yaml").write_text("sources:\n  files: {type: file, path: in}\n" + text[text.index("routes:") :])
    done = iocstream_here("run", "--once", "--config", "../home/iocstream.yaml", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert json.loads((home / "out" / "own.jsonl").read_text()) == {"mine": 1, "over": 1}
    assert (home / "iocstream.db").exists()
    assert list(elsewhere.iterdir()) == []


def test_secrets_and_certificates_are_found_from_another_folder(site):
    _, elsewhere = site
    done = iocstream_here("status", "--config", "../home/iocstream.yaml", cwd=elsewhere)
    assert "there is no journal at" in done.stderr  # all else was found


@pytest.mark.parametrize("missing", ["secrets/key", "tls/ca.pem", "mine.yaml", "over.yaml"])
def test_what_is_missing_is_named_by_its_absolute_path(site, missing):
    home, _ = site
    (home / missing).unlink()
    done = iocstream_here("check", cwd=home)
    assert done.returncode == 2
    assert f"file {home}/{missing}" in done.stderr


def test_what_check_finds_is_named_by_its_absolute_path(site):
    home, elsewhere = site
    done = iocstream_here("check", "--json", "--config", "../home/iocstream.yaml", cwd=elsewhere)
    messages = [finding["message"] for finding in json.loads(done.stdout)]
    for path in ("iocstream.db", "out/own.jsonl"):
        assert any(f"{home}/{path}" in message for message in messages), path


class TestAnOldJournal:
    """One that a version made in the folder where it ran."""

    @pytest.mark.parametrize("named", ["", "journal: {path: iocstream.db}\n"])
    @pytest.mark.parametrize("command", [("run", "--once"), ("check",), ("status",)])
    def test_one_in_the_folder_where_it_runs_is_an_error_that_says_what_to_do(self, site, command, named):
        home, elsewhere = site
        (home / "iocstream.yaml").write_text(CONFIGURATION + named)
        (elsewhere / "iocstream.db").write_bytes(b"what was delivered")
        done = iocstream_here(*command, "--config", str(home / "iocstream.yaml"), cwd=elsewhere)
        assert done.returncode == 2
        assert f"there is no journal at {home}/iocstream.db, but one at {elsewhere}/iocstream.db" in done.stderr
        assert "journal.path" in done.stderr
        assert not (home / "iocstream.db").exists()

    def test_it_is_gone_on_with_where_the_configuration_names_it(self, site, monkeypatch):
        home, elsewhere = site
        monkeypatch.setattr("connector.pipeline.runner.PATIENCE_ONCE_SECONDS", 0.0)  # there is no server
        (elsewhere / "iocstream.db").write_bytes(b"")
        (home / "iocstream.yaml").write_text(CONFIGURATION + f"journal: {{path: {elsewhere}/iocstream.db}}\n")
        done = iocstream_here("run", "--once", "--config", str(home / "iocstream.yaml"), cwd=elsewhere)
        assert done.returncode == 1, done.stderr  # one source has no server
        assert (elsewhere / "iocstream.db").stat().st_size > 0
