"""What every function of mappings must do (`connector.plugin.MappingFunction`): be pure, bounded, true to its types."""

import copy
import functools
import inspect
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector import entry_points
from connector.contract.examples import examples
from connector.mapping.language import plugin_functions
from connector.mapping.language.expressions import parse
from connector.mapping.language.functions import Function, InvalidValueError
from connector.mapping.language.interpreter import INTERPRETER

_LARGE = 1_000_000
_LARGE_SECONDS = 2.0
"""For a megabyte of text, on a machine that is busy; a few milliseconds are usual."""
_VALUES = {
    "null": st.none(),
    "boolean": st.booleans(),
    "number": st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(st.characters(exclude_categories=[])) | st.sampled_from(["", "example.com", "a" * 300, "\ud800"]),
    "array": st.lists(st.none() | st.integers() | st.text(), max_size=5),
    "object": st.dictionaries(st.text(), st.none() | st.integers() | st.text(), max_size=5),
}


class FunctionContract:
    """What a function of a mapping must do; derive from it, with the name of the entry point."""

    name: str

    @functools.cached_property
    def function(self) -> Function:
        found = plugin_functions.find(self.name)
        assert found is not None, f"no distribution that is installed has the entry point {self.name}"
        return found

    def test_it_is_what_its_example_says(self):
        expression, value = self.function.example
        assert INTERPRETER.visit(parse(expression), {}) == orjson.loads(value)

    def test_it_says_in_a_sentence_what_it_gives(self):
        offer = entry_points.find("functions", self.name)
        said = inspect.getdoc(offer.load(plugin_functions.MappingFunction).call)
        assert said
        assert said.splitlines()[0].endswith(".")

    @given(data=st.data())
    @examples(200)
    def test_what_it_gives_is_of_the_declared_types_and_the_same_each_time(self, data):
        arguments = [
            data.draw(st.one_of([_VALUES[name] for name in sorted(parameter.types)]))
            for parameter in self.function.parameters
        ]
        before = copy.deepcopy(arguments)
        results = [self.called(arguments) for _ in range(2)]
        assert results[0] == results[1]
        assert arguments == before

    def called(self, arguments):
        """The result, or what is said of a value that it cannot work on; anything else is a fault."""
        try:
            return self.function.apply(arguments)
        except InvalidValueError as error:
            if "fault of" in str(error):
                raise
            return str(error)

    def test_null_in_gives_null_out_unless_a_parameter_passes_it(self):
        if any(parameter.passes_null for parameter in self.function.parameters):
            pytest.skip("it says itself what null gives")
        assert self.function.apply([None for _ in self.function.parameters]) is None

    @pytest.mark.parametrize("text", ["a", "%", ".", "a.", "\n", " x", "(", "[", "é"])
    def test_a_megabyte_of_text_takes_no_longer_than_it_may(self, text):
        large = {"string": text * (_LARGE // len(text)), "number": 10**15, "boolean": True, "array": [], "object": {}}
        arguments = [
            next(large[name] for name in ("string", "number", "array", "object", "boolean") if name in parameter.types)
            for parameter in self.function.parameters
        ]
        start = time.perf_counter()
        self.called(arguments)
        assert time.perf_counter() - start < _LARGE_SECONDS
