"""The examples beside mappings: notifications to try a mapping or a condition on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connector import notification
from connector.model import Misconfigured, Notification
from connector.values import jsontext


@dataclass(frozen=True, slots=True)
class Examples:
    """Notifications to try things on.

    Attributes:
        called: what findings call them, as `bundled examples`.
    """

    called: str
    notifications: Sequence[Notification]


def read(beside: Path, bundled: Path) -> Examples:
    """The examples in `examples/inputs` beside a mapping; where there are none, those of the bundled mappings.

    Raises:
        Misconfigured: an example cannot be read, or is not a JSON object.
    """
    own, others = (sorted((folder / "examples" / "inputs").glob("*.json")) for folder in (beside, bundled))
    called = "examples beside it" if own and beside != bundled else "bundled examples"
    return Examples(called, [read_one(path) for path in own or others])


def read_one(path: Path) -> Notification:
    """The notification in a file.

    Raises:
        Misconfigured: it cannot be read, or is not a JSON object.
    """
    try:
        body = jsontext.decode(path.read_bytes())
    except OSError as error:
        raise Misconfigured(f"the example {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Misconfigured(f"the example {path} is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Misconfigured(f"the example {path} is not a JSON object")
    return notification.read(body)
