import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import stix2
from integration.command import ROOT, iocstream, iocstream_here, started

from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving

KEY = {"VT_API_KEY": "demo-key"}
CONFIGURATION = """
sources:
  virustotal:
    {{type: virustotal, api_key: "${{VT_API_KEY}}", api_url: "{url}/api/v3", since_hours: 168, poll_seconds: 1}}
routes:
  indicators:
    mapping: stix21
    sink: {{type: file, path: indicators.json, layout: stix-bundle}}
  events:
    mapping: cef
    when: notification.origin == 'hunting'
    sink: {{type: file, path: events.cef}}
"""


@pytest.fixture(scope="module")
def raised():
    return notifications(120)


@pytest.fixture(scope="module")
def url(raised):
    with serving(Api(raised, key="demo-key")) as url:
        yield url


@pytest.fixture
def folder(tmp_path, url):
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION.format(url=url))
    return tmp_path


def test_from_init_to_status(tmp_path, url):
    assert iocstream("init", cwd=tmp_path).returncode == 0
    written = (tmp_path / "iocstream.yaml").read_text()
    again = iocstream_here("init", cwd=tmp_path)
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert (tmp_path / "iocstream.yaml").read_text() == written

    unset = iocstream_here("check", cwd=tmp_path)
    assert unset.returncode == 2
    assert re.search(r"iocstream\.yaml:7:14: sources\.virustotal\.api_key: .*VT_API_KEY is not set", unset.stderr)

    never = iocstream_here("status", cwd=tmp_path, env=KEY)
    assert never.returncode == 2
    assert "no journal" in never.stderr

    with_simulator = written.replace(
        "    # filter:", f"    api_url: {url}/api/v3\n    since_hours: 168\n    # filter:", 1
    )
    (tmp_path / "iocstream.yaml").write_text(with_simulator)
    checked = iocstream("check", cwd=tmp_path, env=KEY)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "iocstream.yaml is in order" in checked.stdout


def test_run_once_delivers_all_and_a_second_run_adds_nothing(folder, raised):
    first = iocstream("run", "--once", "--json", cwd=folder, env=KEY)
    source, indicators, events = json.loads(first.stdout)
    assert source["state"] == "done"
    assert source["new"] == len(raised)
    assert indicators["delivered"] + indicators["refused"] == len(raised)
    # A few of the simulator's notifications cannot become an indicator, and the exit code says so.
    assert first.returncode == (1 if indicators["refused"] else 0)
    hunting = [item for item in raised if item["context_attributes"]["origin"] == "hunting"]
    assert events["delivered"] == len(hunting)
    assert events["filtered"] == len(raised) - len(hunting)
    told = [line.split("|")[4].split(":")[0] for line in (folder / "events.cef").read_text().splitlines()]
    assert told.count("hunting") == len(hunting)
    # A match that is filtered out tells of what was delivered before, when it says something else of it.
    assert set(told) <= {"hunting", "reassessed"}
    bundle = json.loads((folder / "indicators.json").read_text())
    assert sum(item["type"] == "sighting" for item in bundle["objects"]) == indicators["delivered"]

    before = {name: (folder / name).read_bytes() for name in ("events.cef", "indicators.json")}
    second = iocstream_here("run", "--once", "--json", cwd=folder, env=KEY)
    assert second.returncode == 0
    assert [part.get("new", part.get("delivered")) for part in json.loads(second.stdout)] == [0, 0, 0]
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_status_tells_people_and_machines(folder, raised):
    iocstream_here("run", "--once", cwd=folder, env=KEY)
    status = json.loads(iocstream_here("status", "--json", cwd=folder, env=KEY).stdout)
    assert status["journal"]["notifications"] == len(raised)
    (source,) = status["sources"]
    assert source["watermark"].endswith("Z")
    assert source["lag_seconds"] < 3600
    assert source["lost"] == []
    routes = {route["name"]: route for route in status["routes"]}
    assert routes["events"]["backlog"] == 0
    assert routes["indicators"]["dead_letters"] == routes["indicators"]["refused"]
    shown = iocstream_here("status", cwd=folder, env=KEY | {"COLUMNS": "160"}).stdout
    assert "watermark" in shown
    assert "indicators" in shown


def test_what_looks_into_the_journal_alone_needs_no_secret(folder):
    iocstream_here("run", "--once", cwd=folder, env=KEY)
    for command in (("status",), ("rejected", "list"), ("judge", "list"), ("journal", "check"), ("token", "list")):
        without = iocstream_here(*command, "--json", cwd=folder)
        assert without.stderr == ""
        with_key = iocstream_here(*command, "--json", cwd=folder, env=KEY)
        assert (without.returncode, without.stdout) == (with_key.returncode, with_key.stdout)


def test_what_asks_others_needs_its_secrets(folder):
    for command in (("run", "--once"), ("check",), ("rejected", "retry")):
        done = iocstream_here(*command, cwd=folder)
        assert done.returncode == 2
        assert "sources.virustotal.api_key: the environment variable VT_API_KEY is not set" in done.stderr


def test_what_tells_receivers_apart_is_needed_by_status_too(folder):
    path = folder / "iocstream.yaml"
    sink = '{type: http, to: webhook, url: "${WEBHOOK}"}'
    path.write_text(path.read_text().replace("{type: file, path: events.cef}", sink))
    done = iocstream_here("status", cwd=folder)
    assert done.returncode == 2
    assert "routes.events.sink.url: the environment variable WEBHOOK is not set" in done.stderr


def test_a_wrong_key_stops_the_source_with_the_remedy_and_exit_code_2(folder):
    done = iocstream_here("run", "--once", cwd=folder, env={"VT_API_KEY": "canary-wrong"})
    assert done.returncode == 2
    assert "api_key" in done.stderr
    checked = iocstream_here("check", cwd=folder, env={"VT_API_KEY": "canary-wrong"})
    assert checked.returncode == 1
    assert "canary-wrong" not in done.stderr + done.stdout + checked.stdout + checked.stderr
    for path in folder.iterdir():
        assert b"canary-wrong" not in path.read_bytes()


def test_sigterm_ends_run_cleanly(folder):
    process = started("run", cwd=folder, env=KEY, stderr=subprocess.PIPE)
    with process:
        for line in process.stderr:
            if b'"delivered"' in line:
                break
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_logs_are_json_lines_without_a_terminal(folder):
    done = iocstream("run", "--once", cwd=folder, env=KEY)
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert {"stored", "delivered"} <= {event["event"] for event in events}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("mapping: cef", "mapping: cfe"),
            "routes.events.mapping: there is no mapping 'cfe'; did you mean cef? There is cef, ecs, ",
        ),
        (("mapping: cef", "mapping: ./gone.yaml"), "routes.events.mapping: there is no file {folder}/gone.yaml"),
        (("origin == 'hunting'", "orgin ==="), "routes.events.when"),
        (("type: virustotal", "type: virustotl"), "sources.virustotal.type: there is no such type"),
        (("type: virustotal", "type: VirusTotal"), "; did you mean virustotal?"),
        (("type: file", "typ: file"), "routes.indicators.sink: needs a type: choose one of taxii, syslog, http"),
        (
            ("mapping: cef", "mapping:"),
            "routes.events.mapping: must be a section with options, and there is none: give",
        ),
        (("mapping: cef", "mapping: cef\n    sources: virustotal"), "sources: must be a list: put it in brackets"),
        (("layout: stix-bundle", "layout: stix_bundle"), "did you mean stix-bundle?"),
        (("== 'hunting'", "= 'hunting'"), "unknown token '='; compare with =="),
        (("== 'hunting'", '== "hunting"'), "is not known here; if it is text, put it in single quotation marks"),
        (("== 'hunting'", "> 5"), "unexpected '5'; write numbers in backticks: `5`"),
        (("== 'hunting'", "and entity"), "unexpected 'and'; write &&"),
        (("since_hours", "since_hour"), "did you mean since_hours?"),
        (("since_hours: 168", "since_hours: 169"), "sources.virustotal.since_hours"),
        (
            ("mapping: stix21", "mapping: stix21\n    sources: [virustota]"),
            "there is no source 'virustota'; did you mean virustotal?",
        ),
        (("  events:", "  virustotal:"), "cannot have the same name"),
        (
            ("sources:", "server: {tokens: [{name: a, scopes: [reed]}]}\nsources:"),
            "server.tokens[0].scopes[0]: there is no scope 'reed'; did you mean read? There is read, act, admin, taxii",
        ),
        (
            ("sources:", "server: {tokens: [{name: a, scopes: [read], hash: iocs_x}]}\nsources:"),
            "not the token: `iocstream token new NAME --scope read --print` makes a token",
        ),
        (
            ("sources:", "server: {tokens: [{name: a, scopes: [read]}]}\nsources:"),
            "server.tokens[0].hash: is required: `iocstream token new NAME --scope read --print` makes a token",
        ),
        (("sources:", "sources: {"), "is not YAML"),
        (('"${VT_API_KEY}"', "${VT_API_KEY}"), "between braces or brackets put ${VT_API_KEY} in quotation marks"),
        (('"${VT_API_KEY}"', "x, labels: {tenant: ${TENANT}}"), "put ${TENANT} in quotation marks"),
    ],
)
def test_every_mistake_in_the_configuration_is_one_clear_error(folder, change, said):
    path = folder / "iocstream.yaml"
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change, 1))
    for command in ("check", "run", "status"):
        done = iocstream_here(command, cwd=folder, env=KEY)
        assert done.returncode == 2
        assert said.replace("{folder}", str(folder)) in done.stderr
        assert done.stderr.startswith("error: iocstream.yaml:")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_lines_that_the_documentation_has_for_shells_complete_commands(tmp_path, shell):
    assert f"_IOCSTREAM_COMPLETE={shell}_source iocstream" in (ROOT / "docs" / "commands.md").read_text()
    script = iocstream("--", cwd=tmp_path, env={"_IOCSTREAM_COMPLETE": f"{shell}_source"}).stdout
    assert f"_IOCSTREAM_COMPLETE={shell}_complete" in script
    typed = {"COMP_WORDS": "iocstream rej", "COMP_CWORD": "rej" if shell == "fish" else "1"}
    done = iocstream("--", cwd=tmp_path, env=typed | {"_IOCSTREAM_COMPLETE": f"{shell}_complete"})
    assert "rejected" in done.stdout


def test_a_missing_configuration_says_how_to_make_one(tmp_path):
    done = iocstream_here("run", cwd=tmp_path)
    assert done.returncode == 2
    assert "iocstream init" in done.stderr


def test_convert_reads_every_form_from_a_file_or_stdin(tmp_path, raised):
    good = [item for item in raised if item["type"] == "domain"][:3]
    forms = {
        "page.json": json.dumps({"data": good, "meta": {"cursor": "x"}}),
        "list.json": json.dumps(good),
        "lines.jsonl": "".join(json.dumps(item) + "\n" for item in good),
    }
    outputs = set()
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
        outputs.add(iocstream_here("convert", name, cwd=tmp_path).stdout)
        outputs.add(iocstream_here("convert", "-", cwd=tmp_path, stdin=text.encode()).stdout)
    (output,) = outputs
    bundle = stix2.parse(output)
    assert sum(item.type == "sighting" for item in bundle.objects) == 3
    (tmp_path / "one.json").write_text(json.dumps({"data": good[0]}))
    events = iocstream_here("convert", "-m", "cef", "one.json", cwd=tmp_path).stdout
    assert events.startswith("CEF:0|VirusTotal|")
    assert events.count("\n") == 1


def test_convert_names_what_it_cannot_convert_and_goes_on(tmp_path, raised):
    good = next(item for item in raised if item["type"] == "domain")
    lost = {"type": "url", "id": "a" * 64, "context_attributes": {"notification_id": "77", "notification_date": 1}}
    done = iocstream("convert", cwd=tmp_path, stdin=json.dumps([lost, {"odd": 1}, good]).encode())
    assert done.returncode == 1
    assert "not converted: notification 77, number 1: " in done.stderr
    assert "2 not converted" in done.stderr
    assert json.loads(done.stdout)["type"] == "bundle"


@pytest.mark.parametrize(("given", "where"), [("empty.json", "empty.json"), ("-", "the input")])
def test_convert_says_that_there_was_nothing_to_convert(tmp_path, given, where):
    (tmp_path / "empty.json").write_text("")
    done = iocstream_here("convert", given, cwd=tmp_path, stdin=b"")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"there is no notification in {where}\n")


def test_convert_says_that_the_mapping_made_nothing(tmp_path, raised):
    (tmp_path / "raised.json").write_text(json.dumps(raised[:3]))
    (tmp_path / "own.yaml").write_text(
        'format: json\ndescription: misspelt\nemit:\n  line: {$each: {x: "notification.sorces[]"}, id: "${{ x }}"}\n'
    )
    done = iocstream_here("convert", "-m", "own.yaml", "raised.json", cwd=tmp_path)
    said = "the mapping made nothing of 3 of 3 notifications: a path in it may be misspelt\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_one_broken_line_costs_none_of_the_others(tmp_path, raised):
    good = [json.dumps(item).encode() for item in raised if item["type"] == "domain"][:2]
    (tmp_path / "x.jsonl").write_bytes(good[0] + b"\ngarbage {\n" + good[1] + b"\n")
    for mapping, made_of_each in (("cef", "CEF:0"), ("stix21", '"type":"sighting"')):
        done = iocstream_here("convert", "-m", mapping, "x.jsonl", cwd=tmp_path)
        assert done.returncode == 1
        assert "not converted: x.jsonl:2:1: " in done.stderr
        assert done.stdout.count(made_of_each) == 2


def test_a_run_that_was_cut_short_is_not_called_done(folder):
    with slow_api() as slow:
        path = folder / "iocstream.yaml"
        path.write_text(re.sub(r'api_url: "[^"]*"', f'api_url: "{slow}/api/v3"', path.read_text()))
        process = started("run", "--once", cwd=folder, env=KEY, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        with process:
            for line in process.stderr:
                if b'"stored"' in line:
                    break
            process.send_signal(signal.SIGTERM)
            said = process.stdout.read().decode()
            assert process.wait(40) == 1
    assert "interrupted; the rest is for the next run" in said


@contextmanager
def slow_api():
    """An API whose pages take a moment each."""
    api = Api(notifications(4000), key="demo-key")

    def slow(environ, start_response):
        time.sleep(0.2)
        return api(environ, start_response)

    with serving(slow) as url:
        yield url


def test_output_that_cannot_be_written_is_one_line_of_error(tmp_path, raised):
    (tmp_path / "x.json").write_text(json.dumps([item for item in raised if item["type"] == "domain"][:1]))
    with Path("/dev/full").open("wb") as full:
        process = started("convert", "-m", "cef", "x.json", cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
        with process:
            assert process.stderr.read().splitlines()[:-1] == [b"error: No space left on device"]
    assert process.returncode == 1


def test_a_terminal_that_knows_ascii_alone_ends_nothing(tmp_path):
    env = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = iocstream("demo", "--count", "20", "--dir", "out", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr


def test_output_on_stdout_is_nothing_but_output(folder):
    path = folder / "iocstream.yaml"
    path.write_text(path.read_text().replace("path: indicators.json", 'path: "-"'))
    done = iocstream("run", "--once", cwd=folder, env=KEY)
    assert json.loads(done.stdout)["type"] == "bundle"
    assert iocstream_here("run", "--once", "--json", cwd=folder, env=KEY).returncode == 2


@pytest.mark.parametrize("text", [b"nonsense", b'{"data": [1', b"\xff\xfe"])
def test_convert_says_where_the_input_is_broken(tmp_path, text):
    (tmp_path / "x.json").write_bytes(text)
    done = iocstream_here("convert", "x.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "x.json:1:" in done.stderr


def test_the_schema_describes_the_configuration_that_init_writes(tmp_path):
    import jsonschema_rs
    from ruamel.yaml import YAML

    schema = json.loads(iocstream_here("schema", "config", cwd=tmp_path).stdout)
    iocstream_here("init", cwd=tmp_path)
    written = YAML(typ="safe", pure=True).load(tmp_path / "iocstream.yaml")
    jsonschema_rs.validate(schema, written)
    written["routes"]["events"]["snk"] = {}
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema, written)


def test_the_demo_shows_what_arrived(tmp_path):
    done = iocstream_here("demo", "--count", "60", "--dir", "out", cwd=tmp_path, env={"COLUMNS": "160"})
    assert done.returncode == 0, done.stderr
    assert "fetched 60 notifications" in done.stdout
    bundle = json.loads((tmp_path / "out/indicators.json").read_text())
    stix2.parse(bundle)
    assert len((tmp_path / "out/events.cef").read_text().splitlines()) == 60
    again = iocstream_here("demo", "--count", "60", "--dir", "out", cwd=tmp_path, env={"COLUMNS": "160"})
    assert "fetched 60 notifications" in again.stdout
    configuration = tmp_path / "out/iocstream.yaml"
    configuration.write_text(configuration.read_text() + "# and my own key\n")
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    refused = iocstream_here("demo", "--dir", "out", cwd=tmp_path)
    assert refused.returncode == 2
    assert "out holds iocstream.db, iocstream.db-id, indicators.json, events.cef, iocstream.yaml" in refused.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("name", ["iocstream.yaml", "iocstream.db", "events.cef"])
def test_the_demo_replaces_nothing_that_is_not_its_own(tmp_path, name):
    (tmp_path / name).write_text("mine")
    done = iocstream_here("demo", "--count", "2", "--dir", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert f"error: . holds {name}, and not as a demonstration left it: name another folder with --dir" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("command", ["demo", "simulate"])
def test_without_the_extra_one_line_says_what_the_simulator_needs(command, tmp_path):
    (tmp_path / "werkzeug.py").write_text("raise ModuleNotFoundError(name='werkzeug')\n")
    done = iocstream(command, cwd=tmp_path, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert done.returncode == 2
    assert "needs werkzeug, which is not installed: pip install 'iocstream-connector[demo]'" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["werkzeug.py"]


def test_the_demo_serves_nothing_without_a_terminal_or_when_told_not_to(tmp_path):
    done = iocstream_here("demo", "--count", "20", "--dir", "out", cwd=tmp_path)
    assert (done.returncode, "The page" in done.stdout) == (0, False)
    ours, theirs = pty.openpty()
    told = ["demo", "--count", "20", "--dir", "out", "--no-serve"]
    with started(*told, cwd=tmp_path, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        printed = b""
        with contextlib.suppress(OSError):  # as Linux says that nobody has the other end any more
            while part := os.read(ours, 65536):
                printed += part
        assert process.wait(60) == 0
    os.close(ours)
    assert b"fetched 20 notifications" in printed
    assert b"The page" not in printed


def test_the_manifest_in_the_repository_is_true():
    printed = iocstream_here("manifest", cwd=ROOT)
    assert json.loads(printed.stdout) == json.loads((ROOT / "manifest.json").read_text())


def test_an_unreachable_receiver_is_waited_for_and_the_backlog_is_kept(folder, raised):
    with serving(TaxiiReceiver(username="u", password="p")) as gone:
        collection = gone + TaxiiReceiver.path
    path = folder / "iocstream.yaml"
    sink = f"{{type: taxii, collection_url: '{collection}', username: u, password: p}}"
    path.write_text(path.read_text() + f"  taxii:\n    mapping: stix21\n    sink: {sink}\n")
    process = started("run", cwd=folder, env=KEY, stderr=subprocess.PIPE)
    waits, done = False, 0
    with process:
        for event in map(json.loads, process.stderr):
            waits |= event["event"] == "waiting" and event["part"] == "taxii"
            if event["event"] == "delivered" and event["part"] == "events":
                done += event["notifications"] + event["filtered"]
            if waits and done == len(raised):
                break
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    routes = {
        r["name"]: r for r in json.loads(iocstream_here("status", "--json", cwd=folder, env=KEY).stdout)["routes"]
    }
    assert routes["taxii"]["backlog"] == len(raised)
    assert routes["events"]["backlog"] == 0
