"""JSON documents, JMESPath expressions over them and mapping files, made by hypothesis."""

import json

from hypothesis import strategies as st

NAMES = ["a", "b", "c", "notification", "entity", "entity_value", "date", "sources"]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "a", "b", "x y", "7", "10.0.0.1", "2023-05-17T08:12:05Z", "https://example.com/ä", "\ud800", "\x00"]
    ),
    st.text(max_size=6),
)
documents = st.recursive(
    scalars,
    lambda children: st.one_of(
        st.lists(children, max_size=4),
        st.dictionaries(st.sampled_from(NAMES), children, max_size=4),
    ),
    max_leaves=20,
)
objects = st.dictionaries(st.sampled_from(NAMES), documents, max_size=5)

identifiers = st.one_of(st.sampled_from(NAMES), st.sampled_from(['"a"', '"b c"', '"\\u00e9"']))


def _literal(value):
    return "`" + json.dumps(value).replace("`", "\\`") + "`"


leaves = st.one_of(
    identifiers,
    identifiers,
    documents.map(_literal),
    st.sampled_from(
        ["'a'", "''", "'it\\'s'", "@", "`0`", "`1`", "`true`", "`false`", "`null`", "`[]`", "*", "[0]", "[*]"]
    ),
)

FUNCTIONS_OF_ONE = [
    *("abs", "avg", "ceil", "floor", "keys", "length", "max", "min", "reverse", "sort", "sum", "to_array"),
    *("to_number", "to_string", "type", "values", "not_null"),
    *("timestamp", "epoch_ms", "lower", "upper", "trim", "ip_version", "unique", "int", "url", "clean", "host"),
]
FUNCTIONS_OF_TWO = [
    *("contains", "ends_with", "starts_with", "join", "merge", "not_null"),
    *("stix_id", "add_days", "truncate", "split"),
]
FUNCTIONS_OF_THREE = ["replace", "lookup", "stix_id"]
FUNCTIONS_WITH_REFERENCE = ["sort_by({0}, &{1})", "max_by({0}, &{1})", "min_by({0}, &{1})", "map(&{1}, {0})"]


def _combined(children):
    return st.one_of(
        st.builds("{0}.{1}".format, children, identifiers),
        st.builds("{0}.{1}.{2}".format, identifiers, identifiers, identifiers),
        st.builds("{0}[{1}]".format, children, st.integers(-3, 3)),
        st.builds(
            "{0}[{1}:{2}:{3}]".format, children, st.integers(-3, 3), st.integers(-3, 3), st.sampled_from([1, -1, 2])
        ),
        st.builds("{0}[*].{1}".format, children, identifiers),
        st.builds("{0}[]".format, children),
        st.builds("{0}[].{1}".format, children, identifiers),
        st.builds("{0}.*".format, children),
        st.builds("{0}[?{1}]".format, children, children),
        st.builds("{0}[?{1}].{2}".format, children, children, identifiers),
        st.builds("{0} {1} {2}".format, children, st.sampled_from(["||", "&&", "|"]), children),
        st.builds("({0}) {1} ({2})".format, children, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), children),
        st.builds("!{0}".format, children),
        st.builds("({0})".format, children),
        st.builds("[{0}, {1}]".format, children, children),
        st.builds("{0}.[{1}, {2}]".format, children, children, children),
        st.builds("{{a: {0}, b: {1}}}".format, children, children),
        st.builds("{0}.{{a: {1}}}".format, children, children),
        st.builds("{0}({1})".format, st.sampled_from(FUNCTIONS_OF_ONE), children),
        st.builds("{0}({1}, {2})".format, st.sampled_from(FUNCTIONS_OF_TWO), children, children),
        st.builds("{0}({1}, {2}, {3})".format, st.sampled_from(FUNCTIONS_OF_THREE), children, children, children),
        st.builds(
            lambda form, one, two: form.format(one, two), st.sampled_from(FUNCTIONS_WITH_REFERENCE), children, children
        ),
    )


expressions = st.recursive(leaves, _combined, max_leaves=8)
