"""The defects that the proof must notice (`prove/defects.py`) are still defects of the connector as it is."""

import ast
import inspect

import pytest

from prove import defects


def replaced():
    """What of the connector defects replace, as they write it."""
    for node in ast.walk(ast.parse(inspect.getsource(defects))):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Attribute) and ast.unparse(target).partition(".")[0] in vars(defects):
                yield ast.unparse(target)


@pytest.mark.parametrize("name", sorted(set(replaced())))
def test_what_a_defect_replaces_is_there(name):
    eval(name, vars(defects))
