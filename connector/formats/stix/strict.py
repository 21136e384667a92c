"""STIX objects as the `stix2` library has them: it reads strictly, and takes far longer than the checks in `schema`."""

from typing import Any


def parsed(body: bytes) -> Any:
    """An object of the class that `stix2` has for its type, such as `stix2.v21.Indicator`.

    Args:
        body: one object, as JSON.

    Raises:
        ValueError: the library does not take it for STIX 2.1 without custom properties; the message says why.
    """
    import stix2  # noqa: PLC0415 -- takes 0.3 s, which only who asks for it should pay for

    try:
        return stix2.parse(body.decode(), allow_custom=False, version="2.1")
    except (stix2.exceptions.STIXError, ValueError) as error:
        raise ValueError(" ".join(str(error).split())) from None
