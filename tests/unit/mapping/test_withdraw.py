"""What takes back what was delivered: `claim` and `withdraw`."""

import pytest
from unit.mapping.formats import VIEW, compiled

from connector.mapping.explanation import Explainer
from connector.model import Misconfigured, Refused, Withheld

WHY = Withheld("verdict", "it is clean")
OWN = """
format: plain
match: entity.score
let:
  worst: ${{ entity.score }}
claim: worst > `5`
emit:
  first: {type: first}
  second: {type: second, ref: "${{ first.id }}", tags: "${{ notification.tags }}"}
withdraw:
  second: "${{ merge(second, `{\\"revoked\\": true}`) }}"
  gone: {type: gone, why: "${{ withdrawn.reason }}", by: "${{ withdrawn.by }}", ref: "${{ second.type }}"}
"""


def taken_back(mapping, view=VIEW, *, alone):
    return mapping.withdrawal(mapping.rendering(view, whatever=True), WHY, alone=alone)


def withdrawing(body, emit="{type: x}"):
    return compiled(f"format: plain\nemit: {{x: {emit}}}\nwithdraw:\n  {body}\n")


def test_a_document_of_withdraw_stands_in_the_place_of_that_of_emit_and_the_others_come_last():
    second = {"id": "second--1", "type": "second", "ref": "first--1", "tags": ["a", "b"]}
    mapping = compiled(OWN)
    assert mapping.withdraws
    assert mapping.render(VIEW) == [{"id": "first--1", "type": "first"}, second]
    gone = {"id": "gone--1", "type": "gone", "why": "it is clean", "by": "verdict", "ref": "second"}
    assert taken_back(mapping, alone=True) == [second | {"revoked": True}, gone]
    assert taken_back(mapping, alone=False) == [
        {"id": "first--1", "type": "first"},
        second | {"revoked": True},
        gone,
    ]


def test_a_withdrawal_shares_nothing_with_what_it_was_made_of():
    mapping = compiled(OWN)
    rendering = mapping.rendering(VIEW)
    mapping.withdrawal(rendering, WHY, alone=True)[0]["tags"].append("x")
    assert rendering.documents[1]["tags"] == ["a", "b"]


@pytest.mark.parametrize(("score", "claims"), [(7, True), (3, False)])
def test_a_claim_is_over_the_names_of_let(score, claims):
    assert compiled(OWN).rendering({**VIEW, "entity": {"score": score}}).claims is claims


def test_without_a_claim_everything_says_that_the_observable_is_bad():
    mapping = compiled("format: plain\nemit: {x: {type: x}}")
    assert mapping.rendering(VIEW).claims
    assert not mapping.withdraws


def test_what_a_match_turns_away_can_be_rendered_all_the_same():
    view = {**VIEW, "entity": {}}
    mapping = compiled(OWN)
    assert mapping.rendering(view) is None
    assert len(mapping.rendering(view, whatever=True).documents) == 2


def test_several_documents_of_emit_are_replaced_by_as_many_as_withdraw_makes():
    mapping = withdrawing(
        'x: "${{ x[].merge(@, `{\\"gone\\": 1}`) }}"', "{$each: notification.sources, type: '${{ item.id }}'}"
    )
    assert [document["gone"] for document in taken_back(mapping, alone=False)] == [1, 1]


def test_a_document_of_withdraw_that_is_null_leaves_out_that_of_emit():
    assert taken_back(withdrawing('x: "${{ entity.nothing && x }}"'), alone=False) == []


def test_a_document_of_emit_may_be_one_expression_too():
    mapping = compiled("format: plain\nemit: {x: '${{ entity.nested }}'}")
    assert mapping.render({**VIEW, "entity": {"nested": {"a": [None, 1], "b": []}}}) == [{"id": "None--1", "a": [1]}]
    assert mapping.render({**VIEW, "entity": {}}) == []
    with pytest.raises(
        Refused, match=r"^test.yaml:2:11: emit.x: in `entity.nested`: a document is an object, not a num"
    ):
        mapping.render({**VIEW, "entity": {"nested": 1}})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("x: ${{ withdrawn.reason }}", "withdraw.x: a document is an object, and the expression gives string"),
        ("x: {type: x, a: '${{ nothing }}'}", "the name 'nothing' is not known here"),
        ("1x: {type: x}", "withdraw.1x: a name is made of letters"),
        ("entity: {type: x}", "withdraw.entity: the name entity is already taken"),
        ("withdrawn: {type: x}", "withdraw.withdrawn: the name withdrawn is already taken"),
    ],
)
def test_a_mistake_in_withdraw_is_found_when_the_file_is_loaded(body, said):
    with pytest.raises(Misconfigured) as caught:
        withdrawing(body)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("emit: {x: {type: x}}\nwithdraw: {}", "withdraw: names with a value each are expected here"),
        ("emit: {x: {type: x, a: '${{ withdrawn.by }}'}}", "the name 'withdrawn' is not known here"),
        ("emit: {x: {type: x}}\nclaim: x.type", "claim: in `x.type`: the name 'x' is not known here"),
        ("let: {withdrawn: 1}\nemit: {x: {type: x}}\nwithdraw: {x: {type: y}}", "the name withdrawn is already taken"),
    ],
)
def test_a_mistake_around_withdraw_is_found_when_the_file_is_loaded(text, said):
    with pytest.raises(Misconfigured) as caught:
        compiled(f"format: plain\n{text}")
    assert said in str(caught.value)


def test_a_withdrawal_that_does_not_fit_is_refused_with_its_place():
    mapping = withdrawing('y: "${{ merge(x, entity.empty) }}"')
    with pytest.raises(
        Refused, match=r"^test.yaml:4:6: withdraw.y: in `merge\(x, entity.empty\)`: merge\(\) takes object"
    ):
        taken_back(mapping, alone=True)
    with pytest.raises(Refused):
        mapping.traced().render(VIEW)


def test_expressions_of_claim_and_withdraw_that_never_had_a_value_are_named():
    traced = compiled(
        "format: plain\nclaim: entity.oops\nemit: {x: {type: x}}\nwithdraw: {y: '${{ entity.ops }}'}"
    ).traced()
    traced.render(VIEW)
    assert [location.path for location in traced.without_value()] == [("claim",), ("withdraw", "y")]


def test_an_explanation_has_the_claim_and_what_would_take_it_back():
    explanation = Explainer(compiled(OWN)).explain(VIEW)
    assert explanation.claim.value is True
    assert explanation.claim.reads == {("worst",): 7}
    assert [(part.key, part.value["type"]) for part in explanation.emitted] == [
        ("first", "first"),
        ("second", "second"),
    ]
    second, gone = explanation.withdrawn
    assert second.value["revoked"] is True
    assert [(part.key, part.value) for part in gone.parts if part.key == "by"] == [("by", "verdict")]
    assert ("worst",) in {path for each in explanation.evaluations() for path in each.reads}
