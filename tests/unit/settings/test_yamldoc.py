import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model import Misconfigured
from connector.settings import yamldoc


def parse(text):
    return yamldoc.parse(text, "x.yaml")


def test_scalars_follow_the_core_schema_of_yaml_1_2():
    document = parse("[NO, yes, 0x1f, 0o17, 017, 1.5, .5, 1e3, ~, '', null, TRUE, '1', 2023-01-01, 1_000, .inf]")
    assert document.data == [
        "NO", "yes", 31, 15, 17, 1.5, 0.5, 1000.0, None, "", None, True, "1", "2023-01-01", "1_000", ".inf",
    ]  # fmt: skip


def test_every_value_knows_its_line_and_column():
    document = parse("a:\n  b: [1, 2]\n  c: |\n    text\n")
    assert document.place(("a", "b", 1)) == "x.yaml:2:10"
    assert document.place(("a", "c")) == "x.yaml:3:6"
    assert document.place(("a", "missing")) == "x.yaml:2:3"
    assert str(document.error(("a", "b", 1), "too small")) == "x.yaml:2:10: a.b[1]: too small"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", "x.yaml:3:1: the key 'a' stands here twice"),
        ("a: [1", "x.yaml:1:6: is not YAML"),
        ("a: !!python/object:os.system x", "the tag tag:yaml.org,2002:python/object:os.system is not supported"),
        ("a: !thing x", "the tag !thing is not supported"),
        ("a: !!set {b}", "is not supported"),
        ("? [a, b]\n: c", "a key must be text"),
        ("<<: {a: 1}", "merge keys"),
        ("a: 1\n---\nb: 2", "x.yaml:2:1: is not YAML"),
        ("a: \x01", "is not YAML"),
        ("\ta: 1", "is not YAML"),
        ("%YAML 1.1\n---\na: NO", None),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_place(text, said):
    if said is None:
        parse(text)
        return
    with pytest.raises(Misconfigured) as caught:
        parse(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith("x.yaml")


def test_a_yaml_bomb_is_refused_in_bounded_time():
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for name, before in zip("bcdefghi", "abcdefgh", strict=True):
        bomb += f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    with pytest.raises(Misconfigured, match="more than 200000 values"):
        parse(bomb)


def test_deep_nesting_is_refused():
    with pytest.raises(Misconfigured, match=r"too deeply|levels"):
        parse("[" * 500 + "]" * 500)


def test_a_missing_file_and_one_that_is_not_utf_8_are_named(tmp_path):
    with pytest.raises(Misconfigured, match=r"gone\.yaml: cannot be read: No such file"):
        yamldoc.load(tmp_path / "gone.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: caf\xe9\n")
    with pytest.raises(Misconfigured, match=r"latin\.yaml: is not UTF-8 text \(byte 6\)"):
        yamldoc.load(tmp_path / "latin.yaml")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_no_text_gives_anything_but_a_document_or_misconfigured(text):
    with contextlib.suppress(Misconfigured):
        parse(text)


def test_folded_text_has_nothing_but_what_was_written():
    assert parse("a: >-\n  one\n  two\n\n    more\n  three\n").data == {"a": "one two\n\n  more\nthree"}


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.text(alphabet=st.characters(codec="ascii"), max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", min_size=1, max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain)
def test_json_is_yaml_and_is_read_as_json(value):
    assert parse(json.dumps(value)).data == value
