"""Converting notifications without a journal, as a library does."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from connector import configuration, notification
from connector.model import JsonObject, Judgement, Notification
from connector.pipeline.convert import Conversion
from connector.pipeline.convert import convert as convert_notifications
from connector.ports import Guards
from connector.settings.producer import Producer


def convert(
    bodies: Iterable[JsonObject],
    using: str | Path = "stix21",
    producer: Producer | None = None,
    *,
    profile: str | None = None,
    overlays: Sequence[str | Path] = (),
    guards: Guards | None = None,
    judged: Callable[[Notification], Judgement | None] = lambda _: None,
) -> Iterator[Conversion]:
    """Convert notifications, in either shape, without a journal.

    Args:
        bodies: decoded JSON objects: items of an API page, or single notifications.
        using: a bundled mapping by name, or the path of a mapping file.
        producer: who signs STIX objects.
        profile: a bundled overlay for one kind of receiver, by name: `opencti`.
        overlays: the paths of overlays, laid over the mapping in this order, after the profile.
        guards: what is known to be good; without it the list that comes with the product.
        judged: what an analyst says of each; what is judged wrong is not converted.

    Raises:
        Misconfigured: there is no such mapping, profile or overlay, or one has an error.
    """
    compiled = configuration.load_mapping(using, producer, profile, overlays)
    return convert_notifications((notification.read(body) for body in bodies), compiled, guards=guards, judged=judged)
