"""`iocstream check` checks every part, whatever is wrong with the others."""

import json
import re
import sqlite3
from contextlib import closing

import pytest
from integration.command import ROOT, iocstream_here

from connector import kinds
from connector.model import Misconfigured

INPUTS_FOLDER = ROOT / "mappings" / "examples" / "inputs"


@pytest.fixture
def check(tmp_path):
    """Checks a configuration in a folder of its own; the level and message of each finding, and the exit code."""

    def run(text, **environ):
        (tmp_path / "iocstream.yaml").write_text(text)
        done = iocstream_here("check", "--json", cwd=tmp_path, env=environ)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


@pytest.fixture
def refused(tmp_path):
    """Checks a configuration that cannot be loaded; what is said, which `run` says likewise."""

    def run(text, **environ):
        (tmp_path / "iocstream.yaml").write_text(text)
        said = set()
        for command in (("check", "--json"), ("run", "--once")):
            done = iocstream_here(*command, cwd=tmp_path, env=environ)
            assert done.returncode == 2
            said.add(done.stderr)
        (only,) = said
        return only

    return run


def configuration(routes, sources="a: {type: file, path: .}"):
    return f"sources:\n  {sources}\nroutes:\n{routes}"


def route(name, mapping="json", sink="{type: file, path: out.jsonl}", when=None):
    condition = "" if when is None else f", when: {json.dumps(when)}"
    return f"  {name}: {{mapping: {mapping}, sink: {sink}{condition}}}\n"


def test_a_configuration_that_cannot_be_loaded_is_told_to_machines_too(tmp_path):
    (tmp_path / "iocstream.yaml").write_text("sources: {}\nroutes: {}\n")
    done = iocstream_here("check", "--json", cwd=tmp_path)
    findings = json.loads(done.stdout)
    assert (done.returncode, {(each["part"], each["level"]) for each in findings}) == (2, {("configuration", "error")})
    assert [each["message"] for each in findings] == done.stderr.removeprefix("error: ").splitlines()[:-1]
    missing = iocstream_here("check", "--json", "--config", "none.yaml", cwd=tmp_path)
    assert missing.returncode == 2
    assert "there is no none.yaml" in json.loads(missing.stdout)[0]["message"]


def test_at_a_terminal_it_says_what_it_waits_for_and_leaves_nothing_of_it_on_stdout(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(configuration(route("out")))
    plain = iocstream_here("check", cwd=tmp_path)
    at_terminal = iocstream_here("check", cwd=tmp_path, env={"FORCE_COLOR": "1"})
    assert plain.stderr == ""
    for said in ("out: trying the mapping json on its examples", "a: waiting for file", "out: waiting for file /"):
        assert said in at_terminal.stderr
    assert at_terminal.stdout == plain.stdout


class TestCredentials:
    @pytest.mark.parametrize("secret", ["canary\nx", "canary ", "canaryé", "\x1bcanary"])
    def test_one_that_no_header_can_carry_is_named_with_its_line_and_not_shown(self, refused, secret):
        taxii = "{type: taxii, collection_url: 'https://x.example/r/collections/c/', token: '${SECRET}'}"
        said = refused(
            configuration(route("r", sink=taxii), "vt: {type: virustotal, api_key: '${SECRET}'}"), SECRET=secret
        )
        assert "iocstream.yaml:2:35: sources.vt.api_key: holds characters that no HTTP header can carry" in said
        assert "routes.r.sink.token: holds characters" in said
        assert "canary" not in said

    def test_a_part_that_cannot_be_made_is_named_and_the_others_are_looked_at(self, check, monkeypatch):
        monkeypatch.setattr(kinds, "make_source", failing("no good"))
        code, findings = check(configuration(route("r")))
        assert code == 1
        assert {"part": "a", "level": "error", "message": "no good"} in findings
        assert any(finding["part"] == "r" and finding["level"] == "ok" for finding in findings)

    @pytest.mark.parametrize(("kind", "part"), [("make_source", "sources.a"), ("make_sink", "routes.r.sink")])
    def test_run_names_the_part_that_cannot_be_made(self, tmp_path, monkeypatch, kind, part):
        monkeypatch.setattr(kinds, kind, failing("no good"))
        (tmp_path / "iocstream.yaml").write_text(configuration(route("r")))
        done = iocstream_here("run", "--once", cwd=tmp_path)
        assert done.returncode == 2
        assert f"{part}: no good" in done.stderr


def failing(message):
    def make(*_, **__):
        raise Misconfigured(message)

    return make


class TestMappings:
    def test_one_whose_documents_the_format_refuses_is_an_error_with_the_reason(self, check, tmp_path):
        (tmp_path / "own.yaml").write_text("format: stix\nemit:\n  o: {type: indicator, id: nonsense}\n")
        code, findings = check(configuration(route("r", "./own.yaml")))
        assert code == 1
        (finding,) = [each for each in findings if each["part"] == f"{tmp_path}/own.yaml" and each["level"] == "error"]
        assert re.match(r"converts none of the \d+ bundled examples: .+", finding["message"])

    def test_one_without_examples_is_tried_on_the_bundled_ones(self, check, tmp_path):
        (tmp_path / "own.yaml").write_text("format: json\nemit:\n  o: {a: '${{ entity.misspelt }}', b: x}\n")
        code, findings = check(configuration(route("r", "./own.yaml")))
        said = [(each["level"], each["message"]) for each in findings if each["part"] == f"{tmp_path}/own.yaml"]
        assert code == 0
        assert re.search(r"converts [1-9]\d* of the \d+ bundled examples", said[0][1])
        assert "entity.misspelt" in said[1][1]

    def test_one_is_tried_on_its_own_examples(self, check, tmp_path):
        (tmp_path / "own.yaml").write_text("format: json\nemit:\n  o: {b: x}\n")
        folder = tmp_path / "examples" / "inputs"
        folder.mkdir(parents=True)
        (folder / "odd.json").write_text('{"odd": 1}')
        code, findings = check(configuration(route("r", "./own.yaml")))
        assert code == 1
        assert findings[0]["message"].startswith("converts none of the 1 examples beside it: ")
        for text in ("[]", "{"):
            (folder / "odd.json").write_text(text)
            code, findings = check(configuration(route("r", "./own.yaml")))
            assert code == 1
            assert "odd.json is not" in findings[0]["message"]

    def test_the_bundled_ones_are_in_order(self, check):
        routes = "".join(route(name, name, f"{{type: file, path: {name}}}") for name in ("stix21", "cef", "json"))
        code, findings = check(configuration(routes))
        assert code == 0
        assert {each["level"] for each in findings} == {"ok"}


class TestConditions:
    @pytest.mark.parametrize(
        ("when", "level", "said"),
        [
            ("starts_with(entity.misspelt, 'x')", "error", "iocstream.yaml:4:65: routes.r.when"),
            ("starts_with(entity.meaningful_name, '')", "warning", "starts_with() takes string, and was given null"),
            ("notification.origin == 'huntin'", "error", "`when` is true for none of"),
            ("notification.origin == 'hunting'", None, None),
        ],
    )
    def test_one_is_tried_on_the_examples(self, check, when, level, said):
        code, findings = check(configuration(route("r", when=when)))
        found = [each for each in findings if each["part"] == "r" and "when" in each["message"]]
        assert code == (level == "error")
        assert [each["level"] for each in found] == ([level] if level else [])
        assert said is None or said in found[0]["message"]


class TestNothing:
    """What makes nothing of all examples would deliver nothing of all notifications, without a word."""

    FOR_NONE = "format: json\nmatch: entity.misspelt\nemit:\n  o: {b: x}\n"
    OF_NONE = "format: json\nemit:\n  o: {$each: entity.misspelt, value: '${{ item }}'}\n"
    STIX_OF_NONE = "format: stix\nemit:\n  o: {$when: entity.misspelt, type: indicator, name: x}\n"

    @pytest.mark.parametrize("text", [FOR_NONE, OF_NONE, STIX_OF_NONE])
    def test_a_mapping_that_makes_nothing_of_any_example_fails(self, check, tmp_path, text):
        (tmp_path / "own.yaml").write_text(text)
        code, findings = check(configuration(route("r", "./own.yaml")))
        (found,) = [each for each in findings if each["part"] == "r" and each["level"] == "error"]
        assert code == 1
        assert re.match(r"nothing of the \d+ bundled examples comes through: its mapping makes", found["message"])
        assert not any(re.search(r"converts [1-9]", each["message"]) for each in findings)

    def test_the_condition_and_the_mapping_may_leave_nothing_together(self, check, tmp_path):
        (tmp_path / "own.yaml").write_text(
            "format: json\nmatch: notification.origin == 'hunting'\nemit:\n  o: {b: x}\n"
        )
        code, findings = check(configuration(route("r", "./own.yaml", when="notification.origin != 'hunting'")))
        assert code == 1
        (found,) = [each for each in findings if each["level"] == "error"]
        assert "comes through: its mapping makes nothing of" in found["message"]

    @pytest.mark.parametrize(("mapping", "when"), [("./own.yaml", None), ("json", "notification.origin == 'huntin'")])
    def test_a_setting_allows_it(self, check, tmp_path, mapping, when):
        (tmp_path / "own.yaml").write_text(self.FOR_NONE)
        text = configuration(route("r", mapping, when=when)).replace("{mapping", "{examples_must_pass: false, mapping")
        code, findings = check(text)
        assert code == 0
        (found,) = [each for each in findings if each["part"] == "r" and each["level"] == "warning"]
        assert found["message"].startswith("nothing of the ")


class TestFiles:
    @pytest.mark.parametrize(
        ("paths", "said"),
        [
            (("x.jsonl", "./sub/../x.jsonl"), "the route r writes this file already"),
            (("x.jsonl", "link"), "the route r writes this file already"),
            (("-", "-"), "the route r writes stdout already"),
        ],
    )
    def test_two_routes_do_not_write_to_one(self, refused, tmp_path, paths, said):
        (tmp_path / "link").symlink_to("x.jsonl")
        one, two = (route(name, sink=f"{{type: file, path: {path}}}") for name, path in zip("rs", paths, strict=True))
        assert f"iocstream.yaml:5:47: routes.s.sink.path: {said}" in refused(configuration(one + two))

    @pytest.mark.parametrize("path", ["/proc/made/out.cef", "/proc/out.cef"])
    def test_one_that_nobody_can_make_is_an_error_though_the_folder_seems_to_allow_it(self, check, path):
        code, findings = check(configuration(route("r", sink=f"{{type: file, path: {path}}}")))
        assert code == 1
        (found,) = [each for each in findings if each["level"] == "error"]
        assert found["message"].startswith(f"{path} cannot be written: ")

    def test_a_path_that_no_file_can_have_is_refused(self, refused):
        assert "NUL" in refused(configuration(route("r", sink='{type: file, path: "a\\0b"}')))

    def test_a_bundle_is_of_stix_alone(self, refused):
        sink = "{type: file, path: x, layout: stix-bundle}"
        said = refused(configuration(route("r", "cef", sink)))
        assert "iocstream.yaml:4:57: routes.r.sink.layout: stix-bundle takes only STIX objects" in said


class TestCollections:
    def test_two_routes_do_not_keep_one(self, refused):
        sink = "{type: collection, name: iocs}"
        said = refused(configuration(route("r", "stix21", sink) + route("s", "stix21", sink)))
        assert "routes.s.sink.name: the route r keeps this collection already" in said

    def test_one_is_of_stix_alone(self, refused):
        said = refused(configuration(route("r", "cef", "{type: collection, name: iocs}")))
        assert "routes.r.sink.type: a collection takes only STIX, and this mapping makes cef" in said

    def test_one_that_will_be_made_is_not_made(self, check, tmp_path):
        _, findings = check(configuration(route("r", "stix21", "{type: collection, name: iocs}")))
        (found,) = [each for each in findings if each["part"] == "r" and "collection" in each["message"]]
        assert found["message"] == f"the collection iocs is kept in the journal: {tmp_path}/iocstream.db will be made"
        assert [path.name for path in tmp_path.iterdir()] == ["iocstream.yaml"]


class TestTaxii:
    COLLECTION = "{type: taxii, collection_url: 'http://127.0.0.1:1/r/collections/c/'}"

    @pytest.mark.parametrize("mapping", ["cef", "leef", "json", "ecs", "ocsf", "udm", "splunk-hec"])
    def test_it_takes_stix_alone(self, refused, mapping):
        said = refused(configuration(route("r", mapping, self.COLLECTION)))
        assert "iocstream.yaml:4:" in said
        assert "routes.r.sink.type: a TAXII collection takes only STIX, and this mapping makes" in said

    def test_two_routes_that_give_the_same_objects_other_words_are_warned_of(self, check):
        def said(*routes):
            _, findings = check(configuration("".join(routes)))
            return [each["part"] for each in findings if "gives the objects its own words" in each["message"]]

        other, misp = self.COLLECTION.replace("/c/", "/d/"), "{use: stix21, profile: misp}"
        assert said(route("q", "stix21", self.COLLECTION), route("r", misp, self.COLLECTION)) == ["r"]
        assert said(route("q", "stix21", self.COLLECTION), route("r", "stix21", self.COLLECTION)) == []
        assert said(route("q", "stix21", self.COLLECTION), route("r", misp, other)) == []

    def test_a_route_whose_producers_would_share_indicators_in_opencti_is_warned_of(self, check):
        red = "red: {type: file, path: a, producer: {name: Red Co, tlp: red}}"
        clear = "clear: {type: file, path: b, producer: {name: Clear Co, tlp: clear}}"
        file = "{type: file, path: x.jsonl}"

        def said(mapping, *sources):
            _, findings = check(configuration(route("r", mapping, file), "\n  ".join(sources)))
            return [each["message"] for each in findings if "makes one Indicator" in each["message"]]

        opencti = "{use: stix21, profile: opencti}"
        (warning,) = said(opencti, red, clear)
        assert "red (TLP red), clear (TLP clear)" in warning
        assert said("stix21", red, clear) == []
        assert said(opencti, red) == []

    def test_a_mapping_of_ones_own_is_known_by_what_it_makes(self, refused, tmp_path):
        (tmp_path / "mine.yaml").write_text("format: json\nemit:\n  line: {a: 1}\n")
        assert "this mapping makes json" in refused(configuration(route("r", "./mine.yaml", self.COLLECTION)))


class TestChanges:
    """What a changed configuration will do is said before it does."""

    ROUTES = route("r", "cef", "{type: file, path: r.cef}") + route("s", "cef", "{type: file, path: s.cef}")

    @pytest.fixture
    def warnings(self, check, tmp_path):
        """What is said of the parts of a configuration once that of `ROUTES` has run; a check changes no file."""
        example = INPUTS_FOLDER / "domain_hunting.json"
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.json").write_bytes(example.read_bytes())
        (tmp_path / "iocstream.yaml").write_text(configuration(self.ROUTES, "a: {type: file, path: in}"))
        assert iocstream_here("run", "--once", cwd=tmp_path).returncode == 0

        def said(routes, sources="a: {type: file, path: in}"):
            before = {path.name: path.read_bytes() for path in tmp_path.glob("iocstream.db*")}
            code, findings = check(configuration(routes, sources))
            assert {path.name: path.read_bytes() for path in tmp_path.glob("iocstream.db*")} == before
            assert code == 0
            return {each["part"]: each["message"] for each in findings if each["level"] == "warning"}

        return said

    def test_nothing_where_nothing_has_changed(self, warnings):
        assert warnings(self.ROUTES) == {}

    def test_another_receiver(self, warnings, tmp_path):
        said = warnings(self.ROUTES.replace("r.cef", "other.cef"))
        assert said.keys() == {"r"}
        assert f"has sent to another receiver so far: file {tmp_path}/r.cef. It will send to file" in said["r"]
        assert "from its position on: 0 of the journal's notifications" in said["r"]

    def test_the_same_receiver_under_another_address(self, warnings, tmp_path):
        renamed = self.ROUTES.replace("r.cef", "other.cef").replace("r: {", f'r: {{receiver: "file {tmp_path}/r.cef", ')
        assert warnings(renamed) == {}

    def test_a_renamed_route_is_a_new_one_and_the_journal_holds_things_back_for_the_old(self, warnings):
        said = warnings(self.ROUTES.replace("s: {", "t: {"))
        assert said.keys() == {"s", "t"}
        assert said["t"] == "is a new route to the journal, and will deliver 1 of the journal's notifications"
        assert said["s"].startswith("the route is not configured; the journal holds back 0 notifications for it")
        assert said["s"].endswith("`iocstream forget route s`")

    def test_another_source(self, warnings):
        said = warnings(self.ROUTES, "b: {type: file, path: in}")
        assert said["a"].startswith("the source is not configured; ")
        assert said["r"].startswith("reads a no more, and the journal holds back 0 notifications for it")

    def test_a_journal_of_an_older_version_is_not_touched(self, warnings, tmp_path):
        with closing(sqlite3.connect(tmp_path / "iocstream.db")) as db:
            db.execute("PRAGMA user_version = 1")
        assert warnings(self.ROUTES.replace("r.cef", "other.cef")) == {}


class TestJournal:
    def test_one_that_will_be_made_is_not_made(self, check, tmp_path):
        code, findings = check(configuration(route("r")))
        assert code == 0
        assert {"part": "journal", "level": "ok", "message": f"{tmp_path}/iocstream.db will be made"} in findings
        assert [path.name for path in tmp_path.iterdir()] == ["iocstream.yaml"]

    def test_one_that_was_made_is_left_as_it_is(self, check, tmp_path):
        (tmp_path / "in").mkdir()
        text = configuration(route("r"), "a: {type: file, path: in}")
        (tmp_path / "iocstream.yaml").write_text(text)
        assert iocstream_here("run", "--once", cwd=tmp_path).returncode == 0
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        assert "iocstream.db" in before
        code, _ = check(text)
        assert code == 0
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before

    @pytest.mark.parametrize(
        ("statement", "said"),
        [
            ("CREATE TABLE t (x)", "is a database of another program"),
            ("PRAGMA application_id = 1229148977; PRAGMA user_version = 999", "was written by a newer version"),
        ],
    )
    def test_a_database_that_is_no_journal_of_this_version_is_an_error(self, check, tmp_path, statement, said):
        with closing(sqlite3.connect(tmp_path / "j.db")) as db:
            db.executescript(statement)
        assert said in self.complaint(check, tmp_path, "j.db")

    def test_what_is_no_database_is_not_called_damaged(self, check, tmp_path):
        (tmp_path / "j.db").write_text("some notes\n" * 100)
        said = self.complaint(check, tmp_path, "j.db")
        assert said.startswith(f"{tmp_path}/j.db is not a journal of ours")
        assert "damaged" not in said

    def test_a_folder_is_an_error(self, check, tmp_path):
        (tmp_path / "j").mkdir()
        assert "is a folder" in self.complaint(check, tmp_path, "j")

    def test_one_whose_folder_cannot_be_made_is_an_error(self, check, tmp_path):
        (tmp_path / "f").write_text("")
        assert "cannot be" in self.complaint(check, tmp_path, "f/j.db")

    @pytest.mark.parametrize("path", ["/proc/made/j.db", "/proc/j.db"])
    def test_one_that_nobody_can_make_is_an_error_though_the_folder_seems_to_allow_it(self, check, tmp_path, path):
        assert "cannot be made in /proc: " in self.complaint(check, tmp_path, path)

    def complaint(self, check, folder, path):
        code, findings = check(configuration(route("r")) + f"journal: {{path: {path}}}\n")
        assert code == 1
        (finding,) = [each for each in findings if each["part"] == "journal"]
        assert finding["level"] == "error"
        # Whoever runs it all the same is told the same.
        done = iocstream_here("run", "--once", cwd=folder)
        assert done.returncode == 2
        assert finding["message"] in done.stderr
        return finding["message"]
