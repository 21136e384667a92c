"""Trying mappings and conditions on examples, to find before the first notification what would refuse them all."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from connector import notification
from connector.mapping import CompiledMapping
from connector.model import JsonObject, Misconfigured, Notification, Refused
from connector.pipeline import loops
from connector.values import jsontext


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `check` looked at.

    Attributes:
        part: what it is called: a source, a route, a mapping, or the journal.
    """

    part: str
    level: Literal["ok", "warning", "error"]
    message: str


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


def try_mapping(part: str, mapping: CompiledMapping, examples: Examples) -> Iterator[Finding]:
    """Convert the examples to the bytes that would be sent: how many can be, and which expressions find nothing."""
    watch = mapping.watch()
    conversions = list(loops.convert(examples.notifications, watch))
    reasons = [str(conversion.refusal) for conversion in conversions if conversion.refusal]
    total, wanted = len(conversions), sum(conversion.wanted for conversion in conversions)
    converted = wanted - len(reasons)
    if converted:
        yield Finding(part, "ok", f"the mapping is valid and converts {converted} of the {total} {examples.called}")
    elif reasons:
        yield Finding(part, "error", f"converts none of the {total} {examples.called}: {_most_common(reasons)}")
    else:
        yield Finding(part, "warning", f"the mapping is valid, but for none of the {total} {examples.called}")
    for site in watch.without_value():
        yield Finding(part, "warning", f"{site}: found nothing in any example; is it misspelt?")


def try_condition(part: str, holds: Callable[[JsonObject], bool], examples: Examples) -> Iterator[Finding]:
    """Evaluate the condition of the route `part` on the examples: whether it fits them, and is ever true."""
    reasons: list[str] = []
    is_ever_true = False
    views = list(_views(examples.notifications))
    for view in views:
        try:
            is_ever_true |= holds(view)
        except Refused as refusal:
            reasons.append(str(refusal))
    if reasons:
        level: Literal["warning", "error"] = "error" if len(reasons) == len(views) else "warning"
        failed = f"{_most_common(reasons)} (in {len(reasons)} of {len(views)} examples; the route would refuse such)"
        yield Finding(part, level, failed)
    elif not is_ever_true:
        never = f"its condition `when` is true for none of {len(views)} examples; is a name or value misspelt?"
        yield Finding(part, "warning", never)


def _views(notifications: Iterable[Notification]) -> Iterator[JsonObject]:
    for each in notifications:
        with suppress(Refused):  # some examples show what is refused, whatever the route
            yield notification.view(each)


def _most_common(reasons: Sequence[str]) -> str:
    ((reason, _),) = Counter(reasons).most_common(1)
    return reason
