"""Both engines against what JMESPath's specification says, and against the jmespath library on its own.

The cases are ours (`jmespath_cases`). JMESPath's public ones (github.com/jmespath/jmespath.test) are run too, where
they lie beside the repository.
"""

import json
from pathlib import Path

import jmespath
import pytest
from jmespath.exceptions import ArityError, JMESPathError, JMESPathTypeError, UnknownFunctionError
from unit.mapping.jmespath_cases import CASES, SLIPS, Fails
from unit.mapping.same import same

from connector.mapping.language.expressions import ExpressionError, parse
from connector.mapping.language.generation import compiled
from connector.mapping.language.interpreter import INTERPRETER

PUBLIC = Path(__file__).parents[3].parent / "shared" / "jmespath-compliance"

ERRORS = {
    "syntax": ExpressionError,
    "invalid-arity": ArityError,
    "invalid-type": JMESPathTypeError,
    "invalid-value": (JMESPathError, ExpressionError),
    "unknown-function": UnknownFunctionError,
}


def by_generated_code(expression, given):
    return compiled(parse(expression))(given)


def by_interpreter(expression, given):
    return INTERPRETER.visit(parse(expression), given)


def check(evaluate, expression, given, expected):
    """What is wrong with a case; None when nothing is."""
    try:
        found = evaluate(expression, given)
    except (ExpressionError, JMESPathError) as error:
        if isinstance(expected, Fails) and isinstance(error, ERRORS[expected.kind]):
            return None
        return expression, expected, error
    return None if same(found, expected) else (expression, expected, found)


@pytest.mark.parametrize("evaluate", [by_generated_code, by_interpreter])
@pytest.mark.parametrize(("given", "cases"), [*CASES.values(), SLIPS], ids=[*CASES, "what the library lets slip"])
def test_every_feature_gives_what_it_should(evaluate, given, cases):
    assert [wrong for case in cases if (wrong := check(evaluate, case[0], given, case[1]))] == []


@pytest.mark.parametrize("feature", CASES)
def test_the_library_alone_agrees(feature):
    given, cases = CASES[feature]
    assert [case for case in cases if not library_agrees(given, *case)] == []


def test_the_library_alone_still_lets_slip_what_the_interpreter_mends():
    given, cases = SLIPS
    assert [case for case in cases if library_agrees(given, *case)] == []


def library_agrees(given, expression, expected):
    try:
        found = jmespath.search(expression, given)
    except JMESPathError:
        return isinstance(expected, Fails)
    except (TypeError, ValueError, OverflowError):
        return False
    return same(found, expected)


def public_cases():
    for path in sorted(PUBLIC.glob("*.json")):
        for group in json.loads(path.read_text(encoding="utf-8")):
            for case in group["cases"]:
                if "bench" not in case:
                    yield (
                        case["expression"],
                        group["given"],
                        Fails(case["error"]) if "error" in case else case["result"],
                    )


@pytest.mark.skipif(
    not PUBLIC.is_dir(), reason="JMESPath's public cases are not at hand (../shared/jmespath-compliance)"
)
@pytest.mark.parametrize("evaluate", [by_generated_code, by_interpreter])
def test_every_public_case_gives_what_it_should(evaluate):
    cases = list(public_cases())
    assert len(cases) > 800
    assert [wrong for case in cases if (wrong := check(evaluate, *case))] == []
