"""JSON as it comes from outside: strict, except that one broken character does not cost a whole answer."""

import re

import orjson

from connector.model import Json

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_REPLACEMENT = rb"\ufffd"


def decode(text: bytes) -> Json:
    r"""Decode JSON (RFC 8259); half a surrogate pair, as strings of malware hold it, becomes U+FFFD.

    Raises:
        ValueError: it is not JSON; `orjson.JSONDecodeError` with the place.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        mended = _ESCAPE.sub(lambda match: _REPLACEMENT if match[1] else match[0], text)
        if mended == text:
            raise
    return orjson.loads(mended)
