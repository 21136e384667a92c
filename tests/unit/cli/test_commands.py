"""What commands decide by themselves: exit codes, messages, the shape of --json, and what they refuse to begin."""

import json
import socket

import pytest
from click.testing import CliRunner

from connector import app, configuration, kinds
from connector.cli import command, demonstration, terminal
from connector.cli.main import iocstream, main
from connector.model import Gap, Refusal
from connector.pipeline.part import Part
from connector.simulator.notifications import notifications

CONFIGURATION = """
sources:
  saved: {{type: file, path: saved.jsonl}}
routes:
  out: {{mapping: cef, sink: {{type: file, path: "{path}"}}}}
"""
RAISED = [item for item in notifications(60) if item["type"] in ("domain", "ip_address")][:4]

IDS = [item["context_attributes"]["notification_id"] for item in RAISED]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IOCSTREAM_CONFIG", raising=False)
    (tmp_path / "saved.jsonl").write_text("".join(json.dumps(item) + "\n" for item in RAISED))
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION.format(path="out.cef"))
    return tmp_path


@pytest.fixture
def refused(folder, monkeypatch):
    """A journal whose notifications were all refused by the sink."""
    make = kinds.make_sink
    monkeypatch.setattr(kinds, "make_sink", lambda *_: Refusing())
    app.run(configuration.load(folder / "iocstream.yaml"), once=True)
    monkeypatch.setattr(kinds, "make_sink", make)
    return folder


class Refusing:
    def send(self, messages):
        return [Refusal(message, "no \x1b[31m") for message in messages]

    def close(self):
        pass


def invoked(*arguments, stdin=None):
    """The command in this process; its own exit code is in `return_value`."""
    return CliRunner().invoke(iocstream, [*map(str, arguments)], input=stdin, standalone_mode=False)


def refusal(*arguments):
    """What the whole program says on stderr, and its exit code."""
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments)])
    return end.value.code


@pytest.mark.parametrize(
    ("part", "once", "code"),
    [
        (Part("r", "route", "done"), True, 0),
        (Part("r", "route", "done", refused=1), True, 1),
        (Part("r", "route", "done", made_nothing=1), True, 1),
        (Part("r", "route", "done", made_nothing=1), False, 0),
        (Part("r", "route", "done", made_nothing=1, delivered=1), True, 0),
        (Part("r", "route", "running"), True, 1),
        (Part("r", "route", "waiting"), True, 1),
        (Part("s", "source", "done", gaps=[Gap(1, 2)]), True, 1),
        (Part("r", "route", "blocked"), True, 2),
        (Part("r", "route", "blocked"), False, 0),
        (Part("r", "route", "waiting", refused=1), False, 0),
    ],
)
def test_the_exit_code_is_that_of_the_worst_part(part, once, code):
    assert command.exit_code([Part("a", "route", "done"), part], once=once) == code


def test_a_part_as_json_has_the_counts_of_its_kind():
    source = command.part_json(Part("s", "source", "done", fetched=3, new=2, gaps=[Gap(1, 2)]))
    assert (source["fetched"], source["new"], source["lost"]) == (3, 2, [{"start": 1, "end": 2}])
    route = Part("r", "route", "waiting", "nobody there", delivered=4, filtered=1, refused=1, messages=9)
    route.reasons["sink: no"] = 1
    assert command.part_json(route) == {
        "name": "r", "kind": "route", "state": "waiting", "message": "nobody there", "retry_at": None,
        "delivered": 4, "filtered": 1, "made_nothing": 0, "withdrawn": 0, "muted": 0, "guarded": 0,
        "refused": 1, "messages": 9, "revised": 0, "judged": 0, "reconsidered": 0, "reasons": {"sink: no": 1},
    }  # fmt: skip


def test_what_parts_did_is_told_on_lines_that_steer_no_terminal(capsys):
    route = Part("r", "route", "running", delivered=4, filtered=1, refused=2, messages=9)
    route.reasons["sink: no\x1b[31m"] = 2
    busy = Part("u", "route", "waiting", "it answered 503", retry_at=1_767_225_600.0)
    command.print_parts([route, Part("t", "route", "waiting", "nobody there"), busy])
    assert capsys.readouterr().out.splitlines() == [
        "r: 4 notifications delivered (9 objects or events), 1 filtered out, 2 refused",
        r"r: refused 2 times by sink: no\x1b[31m",
        "r: interrupted; the rest is for the next run",
        "t: 0 notifications delivered (0 objects or events)",
        "t: waiting: nobody there",
        "u: 0 notifications delivered (0 objects or events)",
        "u: waiting: it answered 503; not to be asked again before 2026-01-01T00:00:00.000Z",
    ]


@pytest.mark.parametrize(
    ("judged", "said"),
    [
        (0, ["3 converted again with what was looked up"]),
        (1, ["1 converted again for what was judged", "2 converted again with what was looked up"]),
        (3, ["3 converted again for what was judged"]),
    ],
)
def test_what_was_converted_again_is_told_with_its_reason(judged, said, capsys):
    command.print_parts([Part("r", "route", "done", revised=3, judged=judged)])
    assert capsys.readouterr().out.splitlines() == [
        ", ".join(["r: 0 notifications delivered (0 objects or events)", *said])
    ]


def test_without_a_configuration_the_next_step_is_named(folder, capsys):
    (folder / "iocstream.yaml").unlink()
    assert refusal("status") == 2
    assert "`iocstream init` writes one" in capsys.readouterr().err


def test_init_writes_no_file_over(folder, capsys):
    assert refusal("init") == 2
    assert "exists already" in capsys.readouterr().err
    assert (folder / "iocstream.yaml").read_text() == CONFIGURATION.format(path="out.cef")


def test_an_error_of_the_configuration_is_2_and_of_the_journal_too(folder, capsys):
    assert refusal("status") == 2
    assert "there is no journal at" in capsys.readouterr().err
    (folder / "iocstream.yaml").write_text("nonsense: 1\n")
    assert refusal("check") == 2
    assert "iocstream.yaml:1" in capsys.readouterr().err


def test_output_and_json_cannot_both_go_to_stdout(folder, capsys):
    (folder / "iocstream.yaml").write_text(CONFIGURATION.format(path="-"))
    assert refusal("run", "--once", "--json") == 2
    assert "both write to stdout" in capsys.readouterr().err


def test_a_run_and_the_status_after_it_as_json(folder):
    done = invoked("run", "--once", "--json")
    assert done.return_value == 0
    assert [(part["name"], part["kind"], part["state"]) for part in json.loads(done.stdout)] == [
        ("saved", "source", "done"),
        ("out", "route", "done"),
    ]
    report = json.loads(invoked("status", "--json").stdout)
    parts = {"journal", "sources", "routes", "dead_letters_of_former_routes", "former", "rules", "tokens", "workers"}
    assert set(report) == parts
    assert (report["routes"][0]["delivered"], report["sources"][0]["look_ups"]) == (4, None)


def test_the_status_for_people_has_a_line_for_each_part(folder):
    invoked("run", "--once")
    shown = invoked("status").stdout
    assert "iocstream.db: 4 notifications" in shown
    assert "not running" in shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_a_duration_is_told_in_the_largest_unit_of_which_there_are_two(seconds, text):
    assert terminal._duration(seconds) == text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "out"], "one of --since, --from-start and --notification"),
        (["replay", "out", "--from-start", "--notification", "1"], "one of --since"),
        (["replay", "out", "--since", "2026-W05"], "'2026-W05' is no time; write 2026-01-31"),
        (["replay", "out", "--since", "2026-01-31T08:00:00"], "does not say in which time zone"),
        (["rejected", "drop"], "say which: numbers"),
        (["rejected", "drop", "1", "--all"], "say which: numbers"),
        (["action"], "say which action"),
        (["action", "none", "--list"], "there is no action 'none'"),
        (["manifest", "--for", "xsoar"], "--for and --out go together"),
        (["manifest", "--for", "none", "--out", "x"], "there is no package for 'none'"),
        (["token", "new", "a b", "--scope", "read"], "'a b' is no name"),
        (["token", "new", "a", "--scope", "write"], "there is no scope 'write'; there is read, act, admin"),
    ],
)
def test_what_a_command_cannot_begin_is_one_sentence_and_2(folder, capsys, arguments, said):
    assert refusal(*arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["convert", "none.json"], "error: none.json cannot be read: No such file or directory\n"),
        (
            ["statsu"],
            "error: no such command 'statsu'. Did you mean 'status'?\n`iocstream --help` says what there is\n",
        ),
        (["replay"], "error: missing argument 'ROUTE'\n`iocstream replay --help` says what there is\n"),
    ],
)
def test_every_error_has_the_same_form(folder, capsys, arguments, said):
    assert refusal(*arguments) == 2
    *lines, more = capsys.readouterr().err.splitlines(keepends=True)
    assert "".join(lines) == said
    assert more.startswith("`iocstream explain command.")


def test_a_port_that_is_taken_is_named_with_the_remedy(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal("simulate", "--port", port) == 2
    said = f"error: the port {port} cannot be listened on: Address already in use; choose another with --port, or 0"
    assert capsys.readouterr().err.startswith(said)


def test_dead_letters_are_listed_and_dropped_only_when_that_is_confirmed(refused, capsys):
    listed = json.loads(invoked("rejected", "list", "--json").stdout)
    assert sorted(each["notification"] for each in listed) == sorted(IDS)
    assert refusal("rejected", "drop", "--all") == 2
    assert "4 dead letters would be dropped for good; say --yes" in capsys.readouterr().err
    assert refusal("rejected", "drop", "99", "--yes") == 2
    assert "there is no dead letter 99" in capsys.readouterr().err
    done = invoked("rejected", "drop", listed[0]["id"], "--yes", "--json")
    assert (done.return_value, json.loads(done.stdout)) == (0, {"dropped": 1})
    assert len(json.loads(invoked("rejected", "list", "--json").stdout)) == 3


def test_dead_letters_are_counted_by_reason_and_listed_up_to_a_limit(refused):
    lines = [line.split() for line in invoked("rejected", "list", "--limit", "1").stdout.splitlines()]
    assert ["4", "out", "sink", "no", r"\x1b[31m"] in lines
    assert len([line for line in lines if set(line) & set(IDS)]) == 1
    assert lines[-1][:3] == ["and", "3", "more;"]
    assert len(json.loads(invoked("rejected", "list", "--limit", "3", "--json").stdout)) == 3


@pytest.mark.parametrize(("wanted", "count"), [(["--reason", "NO "], 4), (["--reason", "yes"], 0), (["-r", "out"], 4)])
def test_dead_letters_are_chosen_by_reason_and_route(refused, wanted, count):
    assert len(json.loads(invoked("rejected", "list", *wanted, "--json").stdout)) == count
    assert ("there are no such dead letters" in invoked("rejected", "list", *wanted).stdout) == (count == 0)


def test_a_dead_letter_is_shown_as_text_that_steers_no_terminal(refused):
    number = json.loads(invoked("rejected", "list", "--json").stdout)[0]["id"]
    shown = invoked("rejected", "show", number).stdout
    assert r"no \x1b[31m" in shown
    assert "\x1b" not in shown


def test_a_retry_fails_while_something_is_refused_again(refused, monkeypatch):
    monkeypatch.setattr(kinds, "make_sink", lambda *_: Refusing())
    done = invoked("rejected", "retry")
    assert (done.return_value, done.stdout.splitlines()[0]) == (
        1,
        "out: 0 notifications delivered (0 objects or events), 4 refused",
    )


def test_a_retry_tells_what_it_did(refused):
    done = invoked("rejected", "retry", "--json")
    assert (done.return_value, json.loads(done.stdout)[0]["delivered"]) == (0, 4)
    assert "there are no dead letters" in invoked("rejected", "retry").stdout


def test_a_dry_run_of_a_replay_has_the_ids_and_sends_nothing(folder):
    invoked("run", "--once")
    sent = (folder / "out.cef").read_bytes()
    tried = json.loads(invoked("replay", "out", "--from-start", "--dry-run", "--json").stdout)
    assert sorted(tried["ids"]) == sorted(IDS)
    assert (folder / "out.cef").read_bytes() == sent
    assert json.loads(invoked("replay", "out", "--from-start", "--json").stdout)["delivered"] == 4
    assert (folder / "out.cef").read_bytes() == sent + sent


class TestActions:
    def test_an_action_answers_in_its_envelope_and_with_its_exit_code(self, folder):
        invoked("run", "--once")
        done = invoked("action", "get_status")
        assert (done.return_value, json.loads(done.stdout)["status"]) == (0, "success")
        done = invoked("action", "list_rejected", "-p", "route=none")
        assert done.return_value == 2
        assert json.loads(done.stdout)["errors"][0]["code"] == "not_found"

    @pytest.mark.parametrize(
        ("arguments", "cause"),
        [
            (["none"], "there is no action 'none'"),
            (["get_statu"], "there is no action 'get_statu'; did you mean get_status? There is"),
            (["get_status", "-p", "x"], "--param x: write NAME=VALUE"),
            (
                ["list_rejected", "-p", "rote=x"],
                "rote: there is no such parameter; did you mean route? There is",
            ),
            (["get_status", "-p", "x=1"], "x: there is no such parameter; the action takes none"),
            (["list_notifications", "-p", "since=2026-W05"], "since: is no time; write 2026-01-31"),
            (["list_notifications", "-p", "limit=0"], "limit: "),
            (["get_status", "--json-in", "none.json"], "none.json cannot be read"),
            (["get_status", "--json-in", "saved.jsonl"], "--json-in saved.jsonl is not JSON"),
        ],
    )
    def test_what_it_cannot_take_is_in_the_envelope_too(self, folder, arguments, cause):
        done = invoked("action", *arguments)
        envelope = json.loads(done.stdout)
        assert (done.return_value, envelope["status"]) == (2, "failed")
        assert cause in envelope["errors"][0]["cause"]

    def test_parameters_are_text_where_text_is_taken_and_json_elsewhere(self, folder):
        invoked("run", "--once")
        found = json.loads(invoked("action", "get_notification", "-p", f"id={IDS[0]}").stdout)
        assert found["data"]["brief"]["id"] == IDS[0]
        listed = json.loads(invoked("action", "list_notifications", "-p", "limit=2", "-p", "bodies=true").stdout)
        assert [bool(each["body"]) for each in listed["data"]["notifications"]] == [True, True]
        told = json.loads(invoked("action", "retry_rejected", "-p", "ids=7", "-p", "ids=8").stdout)
        assert "there is no dead letter 7" in told["message"]


def test_a_token_is_shown_once_with_the_hash_that_the_configuration_takes():
    made = json.loads(invoked("token", "new", "soar", "--print", "-s", "read", "-s", "taxii:iocs", "--json").stdout)
    assert made["token"].startswith("iocs_")
    assert made["hash"].startswith("sha256:")
    assert made["scopes"] == ["read", "taxii:iocs"]


def test_the_configuration_of_the_demonstration_is_one(tmp_path):
    path = tmp_path / "iocstream.yaml"
    text = demonstration.CONFIGURATION.format(
        api_url="http://127.0.0.1:1",
        folder=tmp_path,
        collection_url="http://127.0.0.1:1/r/collections/c/",
        syslog_port=1,
    )
    path.write_text(text)
    plan = configuration.load(path, {"VT_API_KEY": "k", "TAXII_PASSWORD": "p"})
    # All but those for which there is nothing to see without a product that receives it.
    assert {route.sink.type for route in plan.settings.routes.values()} == set(kinds.SINKS) - {"http", "kafka"}
