"""Hosts in IDNA: label by label they become what the library makes of the whole."""

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis_profiles import examples

from connector.values.uri import _in_a_labels

LABELS = st.sampled_from(
    [
        *("", "a", "b-", "-c", "_x", "A1", "xn--bcher-kva", "xn--x", "x" * 64),
        *("bücher", "BÜCHER", "faß", "é--e", "ü" * 60, "日本語", "\u05d0", "\u05d0a1", "\u0661", "\u0131"),
        *("\u2488", "\u2488x", "\u0301a", "a\u0301", "\u200d", "\u3002", "a\uff0eb"),
    ]
)
NAMES = st.one_of(
    st.lists(LABELS, min_size=1, max_size=8).map(".".join),
    st.text("aü.-1\u3002\u0301\u05d0", max_size=12),
    st.text(max_size=12),
)


@examples(3000)
@given(name=NAMES)
@example(name="bücher.example.")
@example(name="ä.com.\u00ad")
@example(name="\u2488.example")
@example(name=".".join(["ü" * 30] * 7))
def test_a_host_label_by_label_is_what_the_library_makes_of_the_whole(name):
    try:
        expected = idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        with pytest.raises(idna.IDNAError):
            _in_a_labels(name)
    else:
        assert _in_a_labels(name) == expected
