"""Compiled expressions against JMESPath's public compliance cases (github.com/jmespath/jmespath.test)."""

import json
from pathlib import Path

import pytest
from jmespath.exceptions import ArityError, JMESPathError, JMESPathTypeError, UnknownFunctionError

from connector.mapping.language.closures import compiled
from connector.mapping.language.expressions import ExpressionError, parse
from connector.mapping.language.interpreter import INTERPRETER

CASES = Path(__file__).parents[3].parent / "shared" / "jmespath-compliance"

ERRORS = {
    "syntax": ExpressionError,
    "invalid-arity": ArityError,
    "invalid-type": JMESPathTypeError,
    "invalid-value": (JMESPathError, ExpressionError),
    "unknown-function": UnknownFunctionError,
}

if not CASES.is_dir():
    pytest.skip("the compliance cases are not at hand (../shared/jmespath-compliance)", allow_module_level=True)


def compliance_cases():
    for path in sorted(CASES.glob("*.json")):
        for index, group in enumerate(json.loads(path.read_text(encoding="utf-8"))):
            for case in group["cases"]:
                if "bench" not in case:
                    yield pytest.param(group["given"], case, id=f"{path.stem}-{index}-{case['expression']}"[:80])


def same(one, other):
    """Equal, and of the same JSON types: Python holds true and 1 for equal."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def by_closure(expression, given):
    return compiled(parse(expression))(given)


def by_library(expression, given):
    return INTERPRETER.visit(parse(expression), given)


@pytest.mark.parametrize("evaluate", [by_closure, by_library])
def test_every_public_case_gives_what_it_should(evaluate):
    cases = list(compliance_cases())
    assert len(cases) > 800
    wrong = []
    for case in cases:
        given, said = case.values
        expression = said["expression"]
        if "error" in said:
            try:
                result = evaluate(expression, given)
            except ERRORS[said["error"]]:
                continue
            except (ExpressionError, JMESPathError) as error:
                result = error
            wrong.append((expression, said["error"], result))
        else:
            try:
                result = evaluate(expression, given)
            except (ExpressionError, JMESPathError) as error:
                result = error
            if not same(result, said["result"]):
                wrong.append((expression, said["result"], result))
    assert wrong == []
