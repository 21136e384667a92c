"""What sandboxes saw a file do: each technique once, whatever the answer looks like."""

import pytest

from connector.model import Subject
from connector.notification import TECHNIQUES
from connector.sources.virustotal.api import Answer
from connector.sources.virustotal.subjects import answered, endpoint
from connector.sources.virustotal.techniques import MAX_TECHNIQUES, techniques

DOES = Subject(TECHNIQUES, "a" * 64)


def seen(technique, *severities, tactic="TA0002", name="Execution"):
    signatures = [{"severity": each, "description": "x"} for each in severities]
    return {
        "tactics": [
            {"id": tactic, "name": name, "techniques": [{"id": technique, "name": "does", "signatures": signatures}]}
        ]
    }


def test_a_technique_that_several_sandboxes_saw_is_told_once_with_the_worst_severity():
    first = seen("T1059.001", "INFO", "IMPACT_SEVERITY_HIGH")
    second = seen("T1059.001", "LOW", tactic="TA0005", name="Defense Evasion")
    assert techniques({"Zenbox": first, "CAPE": second, "C": seen("T1027")}) == [
        {
            "id": "T1027",
            "name": "does",
            "tactics": [{"id": "TA0002", "name": "Execution"}],
            "severity": None,
            "sandboxes": ["C"],
        },
        {
            "id": "T1059.001",
            "name": "does",
            "tactics": [{"id": "TA0002", "name": "Execution"}, {"id": "TA0005", "name": "Defense Evasion"}],
            "severity": "HIGH",
            "sandboxes": ["CAPE", "Zenbox"],
        },
    ]


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        "x",
        {"tactics": None},
        {"tactics": [None, {"techniques": [1, {"id": 5}, {"id": "T1"}, {"id": "T1059/.."}]}]},
    ],
)
def test_what_is_no_technique_is_left_out(odd):
    assert techniques({"sandbox": odd}) == []


def test_there_is_an_end_to_techniques():
    many = {str(number): seen(f"T{number:04d}") for number in range(MAX_TECHNIQUES + 5)}
    assert len(techniques(many)) == MAX_TECHNIQUES


def test_a_file_is_asked_for_its_trees_and_no_technique_is_an_answer_too():
    assert endpoint(DOES) == ("files", "a" * 64, "behaviour_mitre_trees")
    found = answered(DOES, Answer(200, {"data": {"Zenbox": seen("T1027")}}, "", 0), 1000)
    assert (found.state, [each["id"] for each in found.attributes["techniques"]]) == ("known", ["T1027"])
    assert answered(DOES, Answer(200, {"data": {}}, "", 0), 1000).attributes == {"techniques": []}
    assert answered(DOES, Answer(200, {"data": []}, "", 0), 1000).state == "failed"


def test_a_bad_file_leads_to_what_it_does_and_nothing_else_does():
    bad = {"data": {"attributes": {"last_analysis_stats": {"malicious": 30}}}}
    leads = [
        answered(subject, Answer(200, data, "", 0), 1000).leads_to
        for subject, data in (
            (Subject("file", "a" * 64), bad),
            (Subject("file", "a" * 64), {"data": {"attributes": {}}}),
            (Subject("domain", "example.com"), bad),
        )
    ]
    assert leads == [[DOES], [], []]
