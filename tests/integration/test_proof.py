"""The short form of prove/: network faults, a misbehaving API, damaged journals, hostile peers, ordinary operation."""

import pytest
from missing_software import or_skip

from prove import backlog, disks, hostile, leaks, operation, reliability_page, storms, withdrawals
from prove.__main__ import PARTS
from prove.canaries import Sweep
from prove.faults import faults
from prove.figures import Figure, broken
from prove.fuzz import fuzz
from prove.fuzz_readers import fuzz_readers
from prove.nursery import ROOT, nursery
from prove.operation.scene import Bench

pytestmark = pytest.mark.timeout(180)


@pytest.mark.xdist_group("proof")
def test_faults_between_all_parties_lose_nothing_where_the_receiver_acknowledges(tmp_path):
    with or_skip():
        scene, figures = faults(tmp_path, 7, 0.6, kinds=("reset", "half-open", "garbage", "handshake"))
    assert scene.complaints == []
    assert [figure for figure in broken(figures) if figure.promise != "each met by each"] == []


@pytest.mark.xdist_group("proof")
def test_what_turns_while_the_connector_is_killed_is_taken_back_and_nothing_else(tmp_path):
    with or_skip():
        tally = withdrawals.campaign(tmp_path, 4, 7)
    assert broken(withdrawals.figures(tally, 4)) == []


@pytest.mark.xdist_group("proof")
def test_that_which_was_never_on_its_way_and_is_taken_back_is_noticed(tmp_path):
    with or_skip():
        tally = withdrawals.campaign(tmp_path, 1, 7, {"unclaimed_taken_back": 1})
    assert [each.what for each in broken(withdrawals.figures(tally, 1))] == ["… withdrawn without having arrived"]


@pytest.mark.parametrize("storm", storms.STORMS, ids=lambda storm: storm.__name__.strip("<>"))
def test_whatever_the_api_does_nothing_is_lost_unnamed(tmp_path, storm):
    assert broken([storm(tmp_path, {})]) == []


@pytest.mark.parametrize("defect", storms.DEFECTS)
def test_a_storm_notices_the_defect_that_it_is_for(tmp_path, defect):
    assert broken([storms.DEFECTS[defect](tmp_path, {defect: 1})])


def test_the_page_has_a_place_for_the_figures_of_each_part(tmp_path):
    page = tmp_path / "reliability.md"
    page.write_text((ROOT / "docs/reliability.md").read_text())
    figures = {name: [Figure(f"what {name} does", "a|b", "0", kept=True)] for name in PARTS}
    reliability_page.write(page, 5, 61.2, figures, dict.fromkeys(PARTS, 3.2))
    text = page.read_text()
    assert all(f"make prove PART={name} SEED=5`, 3 s.\n\n" in text for name in PARTS)
    assert all(rf"| what {name} does | a\|b | 0 |" in text for name in PARTS)
    assert "One run of `make prove SEED=5`, 61 minutes" in text
    with pytest.raises(ValueError, match="marks of other"):
        reliability_page.write(page, 5, 1, {"other": []}, {"other": 1})


@pytest.fixture(scope="module")
def children():
    with nursery() as made:
        yield made


@pytest.mark.parametrize("case", operation.CASES, ids=lambda case: case.__name__)
def test_whatever_operation_brings_nothing_is_lost_and_all_goes_on(tmp_path, children, case):
    assert broken([case(Bench(tmp_path, children, is_short=True))]) == []


@pytest.mark.parametrize("defect", operation.DEFECTS)
def test_a_case_of_operation_notices_the_defect_that_it_is_for(tmp_path, children, defect):
    assert broken([operation.DEFECTS[defect](operation.with_defect(tmp_path, children, defect))])


@pytest.mark.parametrize("state", disks.STATES, ids=lambda state: state.__name__)
def test_whatever_befalls_a_journal_is_said_and_drops_nothing(tmp_path, state):
    assert broken([state(tmp_path)]) == []


@pytest.mark.parametrize("defect", disks.DEFECTS)
def test_a_state_of_the_journal_shows_the_defect_that_it_is_for(tmp_path, defect):
    assert broken([disks.DEFECTS[defect](tmp_path, {defect: 1})])


@pytest.mark.parametrize("state", disks.MOUNTING, ids=lambda state: state.__name__)
def test_a_disk_that_is_full_or_read_only_drops_nothing(tmp_path, state):
    if not disks.may_mount():
        pytest.skip("this user may not mount file systems, not even in a name space of its own")
    assert broken([state(tmp_path)]) == []


@pytest.mark.parametrize("answer", [hostile.endless, hostile.gzip_bomb, hostile.deep], ids=lambda each: each.__name__)
def test_an_answer_that_means_harm_is_one_clear_error(tmp_path, answer):
    with nursery() as children:
        trial = hostile.Trial(tmp_path, children)
        trial.against_api(answer)
        trial.against_taxii(answer)
    assert broken(trial.figures) == []


@pytest.mark.parametrize("what", hostile.BOMBS)
def test_a_yaml_bomb_is_one_clear_error(tmp_path, what):
    with nursery() as children:
        trial = hostile.Trial(tmp_path, children)
        hostile.yaml_bombs(trial, {what: hostile.BOMBS[what]})
    assert broken(trial.figures) == []


@pytest.mark.parametrize("attempt", [hostile.redirects, hostile.injections], ids=lambda each: each.__name__)
def test_nothing_is_sent_where_it_does_not_belong(tmp_path, attempt):
    with nursery() as children:
        trial = hostile.Trial(tmp_path, children)
        attempt(trial)
    assert broken(trial.figures) == []


@pytest.mark.xdist_group("taxii")
def test_three_pushers_on_one_collection_lose_nothing(tmp_path):
    with or_skip():
        figures = backlog.pushers(tmp_path, 30, "medallion")
    assert broken(figures) == []


def test_a_slow_server_is_waited_for_and_told_nothing_twice(tmp_path):
    assert broken([backlog.slow_server(tmp_path, 1)]) == []


def test_a_backlog_is_delivered_as_soon_as_the_server_is_back(tmp_path):
    assert broken(backlog.backlog(tmp_path, 1000)) == []


def test_a_server_that_hangs_up_in_the_middle_of_everything_has_all_objects_in_the_end(tmp_path):
    assert broken([backlog.hanging_up(tmp_path, 120)]) == []


@pytest.mark.parametrize("defect", hostile.DEFECTS)
def test_what_means_harm_does_it_to_the_defect_that_it_is_for(tmp_path, defect):
    with nursery() as children:
        trial = hostile.Trial(tmp_path, children, {defect: 1})
        hostile.DEFECTS[defect](trial)
    assert broken(trial.figures)


def test_whatever_others_write_is_read_or_refused_in_words():
    refused, wrong = fuzz_readers(7, 500)
    assert wrong == []
    assert refused > 200


def test_fuzzed_notifications_break_neither_format():
    with or_skip():
        found = fuzz(7, 1500)
    assert found.wrong == []
    assert found.read == found.cef > 0


def test_no_secret_is_repeated_however_often_peers_do(tmp_path):
    sweep = Sweep()
    with nursery() as children:
        told = leaks.echoes(children, tmp_path, {}, ("401 No",))
        leaks.faults_of_configurations(children, tmp_path, {})
    sweep.folder(tmp_path)
    assert told > 0
    assert sweep.files > 10
    assert sweep.found == []
