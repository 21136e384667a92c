"""Malformed notifications, made from the examples beside the mappings."""

import contextlib
import copy
from typing import Any

import orjson
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis_profiles import examples
from mapping_examples import CASES, MAPPINGS

from connector import notification
from connector.model import Refused

by_the_batch = examples(10, phases=(Phase.explicit, Phase.reuse, Phase.generate))
"""For tests that ask another process: a failing example is not made smaller, which would take minutes."""

odd_characters = st.sampled_from('\\\\\\==||^^""\'  \t\r\n\x00\x1b\x85\u2028\ufeff\u00a0\ud800\u202e%#,:;[]{}/éϲ😀ab=1')
odd_text = st.one_of(
    st.text(odd_characters, max_size=60), st.text(max_size=60), st.text(st.characters(), max_size=3000)
)
odd_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), odd_text),
    lambda children: st.one_of(
        st.lists(children, max_size=3), st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=5,
)


def body_of(case: str) -> dict[str, Any]:
    """The notification of one example, as VirusTotal would send it."""
    return orjson.loads((MAPPINGS / "examples" / "inputs" / f"{case}.json").read_bytes())


def leaves(value, path=()):
    """The path of every part of a JSON value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from leaves(child, (*path, key))


@st.composite
def misshapen(draw):
    """A notification with one to four of its parts replaced by anything JSON can hold."""
    body = copy.deepcopy(body_of(draw(st.sampled_from(CASES))))
    for _ in range(draw(st.integers(1, 4))):
        *above, last = draw(st.sampled_from(list(leaves(body))))
        holder = body
        for key in above:
            holder = holder[key]
        holder[last] = draw(odd_json)
    return body


def _dirtied(value, text):
    if isinstance(value, dict):
        return {key: _dirtied(child, text) for key, child in value.items()}
    if isinstance(value, list):
        return [_dirtied(child, text) for child in value]
    return value + text if isinstance(value, str) else value


@st.composite
def dirty(draw):
    """A notification with the same odd text appended to every text in it except its type."""
    body = body_of(draw(st.sampled_from(CASES)))
    return _dirtied(body, draw(odd_text)) | {"type": body["type"]}


def emptied(case):
    """The notification of an example with one part null, or empty in its own type: each part in turn.

    Notifications that can no longer be read are left out.
    """
    body = body_of(case)
    for path in leaves(body):
        for emptied_body in (_with(body, path, empty) for empty in (lambda _: None, lambda part: type(part)())):
            with contextlib.suppress(Refused):
                notification.view(notification.read(emptied_body))
                yield emptied_body


def _with(value, path, change):
    """A copy of a JSON value with one part changed; it shares all other parts."""
    if not path:
        return change(value)
    key, *rest = path
    copied = value.copy()
    copied[key] = _with(value[key], rest, change)
    return copied
