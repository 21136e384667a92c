"""`iocstream judge`: what it takes, and what people and machines are shown."""

import json

import pytest
from click.testing import CliRunner

from connector import app, configuration
from connector.cli.main import iocstream
from connector.simulator.notifications import notifications

CONFIGURATION = """
sources:
  saved: {type: file, path: saved.jsonl}
routes:
  out: {mapping: cef, sink: {type: file, path: out.cef}}
"""
RAISED = next(item for item in notifications(200) if item["type"] == "domain")
ID = RAISED["context_attributes"]["notification_id"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IOCSTREAM_CONFIG", raising=False)
    monkeypatch.setattr("getpass.getuser", lambda: "ana")
    (tmp_path / "saved.jsonl").write_text(json.dumps(RAISED) + "\n")
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    app.run(configuration.load(tmp_path / "iocstream.yaml"), once=True)
    return tmp_path


def judge(*arguments):
    return CliRunner().invoke(iocstream, ["judge", *arguments], standalone_mode=False)


def listed(*arguments):
    return json.loads(judge("list", "--json", *arguments).stdout)


@pytest.mark.parametrize("verdict", ["true_positive", "false_positive", "benign"])
def test_a_verdict_is_a_command(folder, verdict):
    shown = judge(verdict, "--notification", ID, "--note", "why")

    assert f"the notification {ID}: {verdict.replace('_', ' ')}; it concerns 1 notification in the" in shown.stdout
    (stored,) = listed()
    assert (stored["verdict"], stored["of"], stored["value"]) == (verdict, "notification", ID)
    assert (stored["by"], stored["note"], stored["until"]) == ("ana", "why", None)


def test_all_that_is_said_arrives(folder):
    options = ("--rule", "r", "--ruleset", "7", "--source", "saved", "--until", "2100-01-01", "--by", "bob")

    stored = json.loads(judge("benign", *options, "--json").stdout)

    assert stored["concerns"] == 0
    (found,) = listed("--in-force", "--of", "rule", "--value", "r", "--source", "saved", "--by", "bob")
    assert stored == {**found, "concerns": 0, "named_by": 0, "naming": []}
    assert (found["ruleset"], found["source"], found["by"]) == ("7", "saved", "bob")
    assert found["until"] == "2100-01-01T00:00:00.000Z"


def test_to_take_back_is_a_command_too(folder):
    judge("benign", "--observable", RAISED["id"])

    assert "taken back" in judge("none", "--observable", RAISED["id"]).stdout
    assert listed("--in-force") == []
    assert [each["verdict"] for each in listed()] == ["none", "benign"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what is judged: one of --notification, --observable and --rule"),
        (("--rule", "r", "--observable", "o"), "say what is judged: one of"),
        (("--observable", "o", "--ruleset", "7"), "--ruleset goes with --rule alone"),
        (("--observable", "o", "--until", "tomorrow"), "--until tomorrow is no time; write 2026-01-31"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder, arguments, said):
    assert said in judge("benign", *arguments).exception.message
    assert listed() == []


def test_a_user_without_a_name_has_to_say_who_judges(folder, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: (_ for _ in ()).throw(OSError))
    assert "say who judges, with --by" in judge("benign", "--observable", "o").exception.message
    assert judge("benign", "--observable", "o.example", "--by", "soar").exception is None


def test_people_see_a_table_that_steers_no_terminal(folder):
    assert "there are no such judgements" in judge("list").stdout
    judge("false_positive", "--observable", "o.example", "--note", "line\n\x1b[31m")

    shown = judge("list").stdout

    assert "false_positive" in shown
    assert "\x1b[31m" not in shown


def test_the_table_says_for_which_source_a_word_holds(folder):
    judge("false_positive", "--observable", "o.example", "--source", "saved")
    judge("benign", "--observable", "p.example")

    lines = judge("list").stdout.splitlines()

    assert [" saved " in line for line in lines if "o.example" in line] == [True]
    assert [" all " in line for line in lines if "p.example" in line] == [True]


@pytest.mark.parametrize("columns", ["40", "200"])
def test_a_row_that_no_terminal_shows_is_one_line_with_whole_values(folder, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    value, note = "http://o.example/" + "ab" * 200, "why " * 100
    judge("false_positive", "--observable", value, "--note", note)

    (line,) = [line for line in judge("list").stdout.splitlines() if "false_positive" in line]

    assert value in line
    assert note.strip() in line


def test_rules_are_shown_with_their_precision(folder):
    assert "nothing that a rule matched has been judged" in judge("rules").stdout
    judge("false_positive", "--rule", "noisy")

    assert "0%" in judge("rules").stdout
    (rule,) = json.loads(judge("rules", "--json").stdout)
    assert (rule["name"], rule["false_positive"], rule["precision"]) == ("noisy", 1, 0.0)


def test_status_names_the_rules_to_tune(folder):
    judge("true_positive", "--rule", "good")
    judge("false_positive", "--rule", "noisy", "--ruleset", "7")

    shown = CliRunner().invoke(iocstream, ["status"]).stdout

    assert "noisy: 1 false positives among 1 judged (precision 0%): tune this rule of the ruleset 7" in shown
    assert "good" not in shown
