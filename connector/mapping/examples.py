"""The examples beside mappings: notifications to try a mapping or a condition on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connector import notification
from connector.mapping import files
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


def of(using: str | Path) -> Examples:
    """The examples beside a mapping, given by name or path; else those of the bundled ones.

    Raises:
        Misconfigured: there is no such mapping, or an example cannot be read.
    """
    return read(files.mapping_path(using).parent, files.bundled_folder())


def read(beside: Path, bundled: Path) -> Examples:
    """The examples in `examples/inputs` beside a mapping; where there are none, those of the bundled mappings.

    Raises:
        Misconfigured: an example cannot be read, or is not a JSON object.
    """
    own, others = (sorted((folder / "examples" / "inputs").glob("*.json")) for folder in (beside, bundled))
    called = "examples beside it" if own and beside != bundled else "bundled examples"
    return Examples(called, [read_one(path) for path in own or others])


def folder_and_name(using: str | Path, profile: str | None = None) -> tuple[Path, str]:
    """Where the examples of a mapping lie, and the name of the folder there that says what it makes of them.

    With a profile that is `NAME-PROFILE`.

    Raises:
        Misconfigured: there is no such mapping.
    """
    path = files.mapping_path(using)
    return path.parent / "examples", f"{path.stem}-{profile}" if profile else path.stem


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
