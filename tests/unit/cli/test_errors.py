"""Codes of errors: one registry, of which each message belongs to its own kind; and `--json` on every command."""

import json
import re

import click
import pytest
from integration.command import ROOT, iocstream_here

from connector.cli import errors
from connector.cli.main import iocstream
from connector.cli.teaching import each_command

IS_JSON_OR_DATA = {
    "convert": "what it prints is STIX or events",
    "schema": "a JSON Schema",
    "manifest": "JSON, or the paths of the files it made",
    "serve": "it prints nothing but the log",
}
COMMANDS = dict(each_command(iocstream))


@pytest.mark.parametrize("known", errors.KNOWN, ids=lambda known: known.code)
def test_a_message_belongs_to_its_own_kind(known):
    assert errors.code_of(known.says, "other.failed") == known.code


def test_codes_are_unique_and_stand_below_a_heading():
    codes = [each.code for each in (*errors.KNOWN, *errors.GENERIC.values())]
    assert len({*codes}) == len(codes)
    assert {code.split(".")[0] for code in codes} == errors.TITLES.keys()
    assert all(re.fullmatch(r"[a-z]+\.[a-z-]+", code) for code in codes)


def test_the_page_has_every_code():
    page = (ROOT / "docs/troubleshooting.md").read_text()
    assert all(f"\n### {each.code}\n" in page for each in (*errors.KNOWN, *errors.GENERIC.values()))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_prints_for_people_has_json(name):
    has = any("--json" in each.opts for each in COMMANDS[name].params if isinstance(each, click.Option))
    assert has != (name in IS_JSON_OR_DATA)


SOURCES = "sources:\n  saved: {type: file, path: saved.jsonl}\n"
ROUTES = "routes:\n  out: {mapping: cef, sink: {type: file, path: out.cef}}\n"


@pytest.mark.parametrize(
    ("configuration", "arguments", "code"),
    [
        (None, ["run"], "command.file-missing"),
        (None, ["statsu"], "command.usage"),
        (None, ["--config", "x", "status"], "command.option-first"),
        (None, ["convert", "none.json"], "command.file"),
        (None, ["explain", "a message that nobody knows"], "command.other"),
        (None, ["convert", "--mapping", "stix22", "x"], "mapping.unknown"),
        (None, ["convert", "--mapping", "json", "--profile", "x", "x"], "mapping.profile"),
        (SOURCES + ROUTES, ["status"], "journal.none"),
        (SOURCES + ROUTES, ["find", "x y"], "command.value"),
        (SOURCES + ROUTES, ["tail", "uot"], "config.route-unknown"),
        (SOURCES + ROUTES.replace("path: out", "pth: x, path: out"), ["check"], "config.option"),
        (SOURCES + ROUTES.replace(", sink: {type: file, path: out.cef}", ""), ["check"], "config.required"),
        (SOURCES + ROUTES.replace("cef}}", "cef}"), ["check"], "config.yaml"),
        (SOURCES + ROUTES.replace("mapping: cef,", 'mapping: cef, when: "a >",'), ["check"], "mapping.expression"),
        ("sources:\n  vt: {type: virustotal, api_key: '${NONE_SUCH}'}\n" + ROUTES, ["check"], "secret.unset"),
        ("sources:\n  vt: {type: virustotal, api_key: ${NONE_SUCH}}\n" + ROUTES, ["check"], "secret.unquoted"),
        (SOURCES + ROUTES + "  two: {mapping: cef, sink: {type: file, path: out.cef}}\n", ["check"],
         "config.destination-taken"),
        (SOURCES + ROUTES, ["serve"], "server.no-token"),
        (SOURCES + ROUTES, ["init"], "command.exists"),
    ],
)  # fmt: skip
def test_an_error_names_its_code(tmp_path, configuration, arguments, code):
    if configuration is not None:
        (tmp_path / "iocstream.yaml").write_text(configuration)
        (tmp_path / "saved.jsonl").touch()
    done = iocstream_here(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.splitlines()[-1] == f"`iocstream explain {code}` says more", done.stderr


def test_explain_takes_a_code_or_a_message_and_lists_all(tmp_path):
    by_code = iocstream_here("explain", "journal.none", "--json", cwd=tmp_path)
    by_message = iocstream_here("explain", "error: there is no journal at x.db yet", "--json", cwd=tmp_path)
    assert json.loads(by_code.stdout)["code"] == "journal.none"
    assert by_message.stdout == by_code.stdout
    assert "remedy" in iocstream_here("explain", "journal.none", cwd=tmp_path).stdout
    assert "journal.none" in iocstream_here("explain", cwd=tmp_path).stdout
    wrong = iocstream_here("explain", "journal.nome", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "did you mean journal.none?" in wrong.stderr
