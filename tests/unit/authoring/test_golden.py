"""Examples and what is expected of them: for the bundled mappings, and for one of one's own."""

import shutil

import orjson
import pytest
from integration.command import iocstream_here
from mapping_examples import CASES, MAPPINGS, bundled

from connector import configuration
from connector.authoring import golden
from connector.mapping import examples, files
from connector.model import Misconfigured
from connector.settings.producer import Producer

OWN = """
format: json
match: notification.entity_type != 'url'
emit:
  line:
    what: ${{ entity_value }}
    rule: matched by ${{ notification.hunting_info.rule_name }}
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "examples" / "inputs").mkdir(parents=True)
    for case in ("domain_hunting", "file_subscription", "url_hunting"):
        shutil.copy(MAPPINGS / "examples" / "inputs" / f"{case}.json", tmp_path / "examples" / "inputs")
    return tmp_path


def outcomes(folder, **options):
    mapping = configuration.load_mapping(folder / "own.yaml", Producer())
    return {each.case: each for each in golden.run(mapping, folder / "examples", "own", **options)}


@pytest.mark.parametrize("name", files.bundled_mappings())
def test_the_examples_of_a_bundled_mapping_become_what_their_files_say(name):
    found = list(golden.run(bundled(name), *examples.folder_and_name(name)))
    assert found
    assert [f"{each.case}: {each.state}\n{each.difference}" for each in found if each.failed] == []


def test_what_is_expected_is_written_on_request_and_then_holds(own):
    assert {each.state for each in outcomes(own).values()} == {"missing"}
    assert not (own / "examples" / "own").exists()
    assert {each.state for each in outcomes(own, update=True).values()} == {"written"}
    assert {each.state for each in outcomes(own).values()} == {"passed"}
    line = orjson.loads((own / "examples" / "own" / "domain_hunting.jsonl").read_bytes())
    assert line == {"what": "c2.example.com", "rule": "matched by new_c2_domain"}


def test_a_refusal_is_expected_as_well_and_so_is_nothing(own):
    outcomes(own, update=True)
    assert (own / "examples" / "own" / "file_subscription.jsonl").read_text().startswith("refused: ")
    assert (own / "examples" / "own" / "url_hunting.jsonl").read_text() == ""


def test_a_difference_is_shown_from_what_is_expected_to_what_is_made(own):
    outcomes(own, update=True)
    (own / "own.yaml").write_text(OWN.replace("matched by", "found by"))
    found = outcomes(own)
    assert found["domain_hunting"].failed
    # Of a long line of JSON only what differs.
    changed = [line for line in found["domain_hunting"].difference.splitlines() if line[0] in "-+" and line[1] == " "]
    assert changed == ['-  "rule": "matched by new_c2_domain"', '+  "rule": "found by new_c2_domain"']
    assert not found["url_hunting"].failed


def test_what_is_expected_of_an_example_that_is_gone_is_named_and_not_deleted(own):
    outcomes(own, update=True)
    (own / "examples" / "inputs" / "file_subscription.json").unlink()
    assert outcomes(own, update=True)["file_subscription"].state == "left over"
    assert (own / "examples" / "own" / "file_subscription.jsonl").exists()


def test_a_mapping_without_examples_says_where_they_go(own):
    shutil.rmtree(own / "examples" / "inputs")
    with pytest.raises(Misconfigured, match=r"put notifications, a JSON object each, into .*inputs"):
        outcomes(own)


def test_the_command_ends_with_1_until_all_is_as_expected(own):
    done = iocstream_here("mapping", "test", "./own.yaml", cwd=own)
    assert done.returncode == 1
    assert "domain_hunting: has no examples/own/domain_hunting.jsonl; `--update` writes it" in done.stdout
    assert iocstream_here("mapping", "test", "./own.yaml", "--update", cwd=own).returncode == 0
    done = iocstream_here("mapping", "test", "./own.yaml", "--json", cwd=own)
    assert done.returncode == 0
    assert {each["state"] for each in orjson.loads(done.stdout)} == {"passed"}


def test_a_difference_does_not_steer_the_terminal(own):
    outcomes(own, update=True)
    (own / "examples" / "own" / "file_subscription.jsonl").write_text("\x1b]0;owned\x07\n")
    done = iocstream_here("mapping", "test", "./own.yaml", cwd=own)
    assert "owned" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_profile_alone_is_that_of_every_mapping_that_has_it(tmp_path):
    done = iocstream_here("mapping", "test", "--profile", "sentinel", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"stix21: {len(CASES)} of {len(CASES)} examples are as expected\n")
    assert "no bundled mapping has a profile 'x'" in iocstream_here("mapping", "check", "-p", "x", cwd=tmp_path).stderr
    assert iocstream_here("mapping", "test", "stix21", "-p", "", cwd=tmp_path).returncode == 2
    assert "name the mapping" in iocstream_here("mapping", "check", "-o", "x.yaml", cwd=tmp_path).stderr


WITHDRAWING = """
claim: entity.gti_assessment
withdraw:
  gone: {what: "${{ entity_value }}", why: "${{ withdrawn.reason }}"}
"""


def test_what_takes_an_example_back_is_compared_where_there_is_a_file_of_it(own):
    (own / "own.yaml").write_text(OWN + WITHDRAWING)
    outcomes(own, update=True)
    folder = own / "examples" / "own" / "withdrawn"
    folder.mkdir()
    for case in ("domain_hunting", "left"):
        (folder / f"{case}.jsonl").touch()
    assert outcomes(own)["domain_hunting, withdrawn"].state == "differs"
    assert outcomes(own, update=True)["left"].state == "left over"
    line = orjson.loads((folder / "domain_hunting.jsonl").read_bytes())
    assert line == {"what": "c2.example.com", "why": "what is known of it now does not say that it is bad"}
    assert outcomes(own)["domain_hunting, withdrawn"].state == "passed"
    (own / "own.yaml").write_text(OWN + WITHDRAWING.replace("what: ", "which: "))
    assert outcomes(own)["domain_hunting, withdrawn"].state == "differs"
