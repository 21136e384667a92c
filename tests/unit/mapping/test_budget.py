"""Small mappings that would take gigabytes, minutes or Python's whole stack, where there is little of them."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from unit.mapping.formats import VIEW, compiled

from connector.mapping import compile_condition
from connector.mapping.explanation import Explainer
from connector.mapping.language import budget
from connector.model import Misconfigured, Refused

LIMIT = 1_000 * 2**20
"""Bytes of address space: what a mapping that spends all of its steps fits into, and none of the attacks did."""
SECONDS = 60
"""Of processor time, of which none comes near; without a budget some never end."""

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from unit.mapping.formats import VIEW, compiled
from connector.model import Misconfigured, Refused
try:
    print(len(compiled(sys.stdin.read()).render(VIEW)), "documents")
except (Misconfigured, Refused) as error:
    print(type(error).__name__, error)
"""


def named(first, step, count, last):
    """A name that stands for the first, others that each make something of the one before, a document of the last."""
    lines = [f"  a0: {first}", *(f'  a{n + 1}: "{step.replace("X", f"a{n}")}"' for n in range(count))]
    emit = f'emit: {{o: {{type: x, t: "{last.replace("X", f"a{count}")}"}}}}'
    return "\n".join(["format: plain", "let:", *lines, emit])


def emitting(text):
    return f"format: plain\nemit: {{o: {{type: x, t: {text}}}}}"


TEXT, SOURCES = "${{ entity_value }}", "${{ notification.sources }}"
DOUBLED = "entity_value" + " | [@,@]" * 40
PIECES = "join('', [entity_value]" + " | [@,@][]" * 16 + ")"
NUMBERS = "numbers: [1,2,3,4,5,6,7,8,9]"
LOOPS = ", ".join(f"n{number}: numbers" for number in range(9))
ATTACKS = {
    "a list, doubled": named("${{ [entity_value] }}", "${{ [X,X][] }}", 32, "${{ length(X) }}"),
    "a list, doubled in one expression": emitting('"${{ length([entity_value]' + " | [@,@][]" * 32 + ') }}"'),
    "a list of lists that are the same": named(TEXT, "${{ [X,X] }}", 60, "${{ X }}"),
    "an object of objects that are the same": named(TEXT, "${{ {a: X, b: X} }}", 60, "${{ X }}"),
    "such a list as text": emitting(f'"${{{{ to_string({DOUBLED}) }}}}"'),
    "two such lists, compared": emitting(f'"${{{{ ({DOUBLED}) == ({DOUBLED}) }}}}"'),
    "such a list without repeats": emitting(f'"${{{{ unique([{DOUBLED}]) }}}}"'),
    "such a list, looked for in another": emitting(f'"${{{{ contains([{DOUBLED}], {DOUBLED}) }}}}"'),
    "such a list for each of some": f"format: plain\nemit: {{o: {{$each: '[{DOUBLED}]', type: x}}}}",
    "text, joined to itself": named(TEXT, "${{ join('', [X,X]) }}", 40, "${{ length(X) }}"),
    "text, put into text": named(TEXT, "${{ X }}${{ X }}", 40, "${{ length(X) }}"),
    "text, replaced": named(TEXT, "${{ replace(X, 'e', 'eeeeeeeeee') }}", 12, "${{ length(X) }}"),
    "a long text, many times": emitting(f'"${{{{ length(({PIECES} | [@]{" | [@,@][]" * 16})[*].upper(@)) }}}}"'),
    "lists within lists within lists": f"""
format: plain
let: {{{NUMBERS}, t: {{$each: {{{LOOPS}}}, x: y}}}}
emit: {{o: {{type: x}}}}
""",
    "documents": f"format: plain\nlet: {{{NUMBERS}}}\nemit: {{o: {{$each: {{{LOOPS}}}, type: x}}}}",
    "lists of an expression's own": named(SOURCES, "${{ map(&[@,@,@,@,@,@,@,@,@,@], X)[] }}", 8, "${{ length(X) }}"),
    "a condition": f"format: plain\nmatch: ({DOUBLED}) == ({DOUBLED})\nemit: {{o: {{type: x}}}}",
}
PLACES = {
    "a list, doubled": "in `[a",
    "text, put into text": "let.a",
    "lists within lists within lists": "let.t.$each.n",
    "documents": "emit.o.$each.n",
    "a condition": "match: in `(entity_value",
}


def rendered(text):
    """What a process says that has little memory and time."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    tests = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, tests], input=text, capture_output=True, text=True, check=False, preexec_fn=limit
    )


@pytest.mark.parametrize("name", ["a list, doubled", "text, joined to itself", "documents", "such a list as text"])
def test_a_mapping_that_would_take_all_memory_is_refused_within_a_gigabyte(name):
    found = rendered(ATTACKS[name])
    assert found.stdout.startswith("Refused test.yaml:"), found.stderr[-500:]
    assert "this takes more than the 10,000,000 steps" in found.stdout


@pytest.fixture
def few_steps(monkeypatch):
    """A budget that is spent quickly: the machine has been shown above to be safe with the real one."""
    monkeypatch.setattr(budget, "STEPS", 100_000)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("name", ATTACKS)
def test_a_mapping_that_takes_too_many_steps_is_refused_with_its_place(name):
    with pytest.raises(Refused) as refused:
        compiled(ATTACKS[name]).render(VIEW)
    assert str(refused.value).startswith("test.yaml:")
    assert PLACES.get(name, "in `") in str(refused.value)
    assert "this takes more than the 100,000 steps that a mapping may take" in str(refused.value)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("name", ATTACKS)
def test_an_explanation_ends_where_the_steps_do(name):
    explanation = Explainer(compiled(ATTACKS[name])).explain(VIEW)
    assert "this takes more than the 100,000 steps" in explanation.refused


@pytest.mark.usefixtures("few_steps")
def test_examples_are_tried_within_the_same_budget():
    with pytest.raises(Refused, match="this takes more than the 100,000 steps"):
        compiled(ATTACKS["text, put into text"]).traced().render(VIEW)


@pytest.mark.usefixtures("few_steps")
def test_a_condition_of_a_route_has_a_budget():
    holds = compile_condition(f"({DOUBLED}) == ({DOUBLED})", "routes.one.when")
    with pytest.raises(Refused, match=r"routes\.one\.when: .* this takes more than the 100,000 steps"):
        holds(VIEW)


@pytest.mark.usefixtures("few_steps")
def test_the_next_notification_has_a_budget_of_its_own():
    mapping = compiled(emitting('"${{ notification.sources | [].[@,@,@,@][] | length(@) }}"'))
    for _ in range(3):
        many = {**VIEW, "notification": {**VIEW["notification"], "sources": ["x"] * 3_000}}
        assert mapping.render(many)[0]["t"] == 12_000
    with pytest.raises(Refused, match="steps"):
        mapping.render({**VIEW, "notification": {**VIEW["notification"], "sources": ["x"] * 30_000}})


@pytest.mark.parametrize(
    "expression",
    [
        "!" * 420 + "entity",
        "[" * 210 + "entity" + "]" * 210,
        "entity" + ".{a: @" * 70 + "}" * 70,
    ],
)
def test_an_expression_of_too_many_levels_is_refused_when_it_is_loaded(expression):
    with pytest.raises(Misconfigured, match=r"levels|too deeply"):
        compiled(emitting(f'"${{{{ {expression} }}}}"'))


@pytest.mark.parametrize("depth", [10, 30, 90])
@pytest.mark.parametrize(
    "directive",
    [
        "{$each: notification.sources, a: ",
        "{$when: entity_value, a: ",
        "{$switch: entity_value, $default: {a: b}, x: ",
    ],
)
def test_directives_may_stand_within_one_another_as_deep_as_yaml_may(depth, directive):
    view = {**VIEW, "entity_value": "x", "notification": {**VIEW["notification"], "sources": [1]}}
    mapping = compiled(emitting(directive * depth + "b" + "}" * depth))
    found = mapping.render(view)[0]["t"]
    for _ in range(depth):
        found = found[0] if isinstance(found, list) else found
        found = found["a"] if isinstance(found, dict) else found
    assert found == "b"


@pytest.mark.parametrize("depth", [12, 25, 45])
def test_projections_may_stand_within_one_another(depth):
    mapping = compiled(emitting(f"'${{{{ length([entity_value]{'[*].[@' * depth}{']' * depth}) }}}}'"))
    assert mapping.render(VIEW)[0]["t"] == 1


@pytest.mark.parametrize("last", ["${{ X }}", "${{ to_string(X) }}", "${{ X == X }}", "${{ unique([X]) }}"])
def test_what_is_nested_too_deeply_for_python_is_refused(last):
    with pytest.raises(Refused, match="nested too deeply"):
        compiled(named(TEXT, "${{ [X] }}", 1_500, last)).render(VIEW)


@pytest.mark.parametrize(
    "text",
    [
        # A text of some megabytes at twenty places, and one of 100 kB at thousands, which no step is taken for.
        named(TEXT, "${{ join('', [X,X]) }}", 20, "${{ X }}").replace(
            "{o: {", "{o: {" + ", ".join(f"p{n}: '${{{{ a20 }}}}'" for n in range(20)) + ", "
        ),
        named(TEXT, "${{ join('', [X,X]) }}", 13, "${{ X }}").replace(
            "{o: {", "{o: {" + ", ".join(f"p{n}: '${{{{ a13 }}}}'" for n in range(2500)) + ", "
        ),
        "format: plain\nemit:\n"
        + "".join(f"  o{n}: {{type: x, t: '{'x' * 50}'}}\n" for n in range(2001))
        + "  all:\n    type: x\n"
        + "".join(f"    p{n}: '${{{{ [{', '.join(f'o{m}' for m in range(0, 2001, 20))}] }}}}'\n" for n in range(60)),
    ],
    ids=["a long text at some places", "a text at many places", "a document at many places of another"],
)
def test_documents_that_are_larger_than_they_may_be_are_refused(text, monkeypatch):
    monkeypatch.setattr(budget, "MAX_OUTPUT", 400_000)
    mapping = compiled(text)
    with pytest.raises(Refused, match=r"emit: its documents have more than"):
        mapping.render(VIEW)


def test_documents_as_large_as_they_may_be_are_made(monkeypatch):
    text = named(TEXT, "${{ join('', [X,X]) }}", 13, "${{ X }}").replace(
        "{o: {", "{o: {" + ", ".join(f"p{n}: '${{{{ a0 }}}}'" for n in range(2500)) + ", "
    )
    (made,) = compiled(text).render(VIEW)
    size = sum(len(key) + len(value) + 1 for key, value in made.items()) + 1
    monkeypatch.setattr(budget, "MAX_OUTPUT", size)
    assert compiled(text).render(VIEW)
    monkeypatch.setattr(budget, "MAX_OUTPUT", size - 1)
    with pytest.raises(Refused):
        compiled(text).render(VIEW)
