"""STIX objects as the `stix2` library has them: it reads strictly, and takes far longer than the checks in `schema`."""

from collections.abc import Iterable
from typing import Any

from connector.model import Message


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


def stix2_objects(messages: Iterable[Message]) -> list[Any]:
    """STIX messages as objects of the library `stix2`, read by its strict parser: one for each, in their order.

    Raises:
        ValueError: one is no STIX 2.1 object, or another format's message.
    """
    return [parsed(message.body) for message in messages]
