"""STIX objects into a collection of this connector's own, for others to read over TAXII 2.1."""

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from pydantic import Field

from connector.model import Message, Refusal, StixObject
from connector.plugin import CONTRACT, SinkKind
from connector.ports import Collections
from connector.settings.config import Name
from connector.settings.parts import Destination, Misfit, PublishedCollection, SinkSettings
from connector.values.timestamps import microseconds

SPEC_VERSION = "2.1"


class CollectionSettings(SinkSettings):
    """A collection in the journal's database, which `iocstream serve` publishes over TAXII 2.1."""

    type: Literal["collection"] = Field(
        "collection", description="The kind of sink: a collection that `iocstream serve` publishes over TAXII 2.1."
    )
    name: Name = Field(
        description=(
            "Name of the collection. Clients may ask for it by this name (its `alias`), and its id is made from it."
        ),
    )
    title: str | None = Field(
        None, min_length=1, description="Title that people read in a list of collections. Without it: the name."
    )
    description: str | None = Field(
        None, min_length=1, description="Text for people that says what the collection holds."
    )
    keep_days: int | None = Field(
        None,
        ge=8,
        le=36_500,
        description=(
            "How many days superseded versions are kept after they were added, and objects that are not valid any "
            "more. An object whose `valid_until` is to come, and one that an object to be kept refers to, is kept for "
            "longer. What was forgotten is added again when a notification says it again. Without it, everything is "
            "kept."
        ),
    )

    def destination(self) -> Destination | None:
        """See `connector.settings.parts.SinkSettings`."""
        return Destination(("collection", self.name), "name", "keeps this collection")

    def receiver(self) -> str:
        """See `connector.settings.parts.SinkSettings`."""
        return f"collection {self.name}"

    def misfit(self, format_name: str) -> Misfit | None:
        """See `connector.settings.parts.SinkSettings`."""
        if format_name == "stix":
            return None
        return Misfit("type", f"a collection takes only STIX, and this mapping makes {format_name}")

    def published(self) -> PublishedCollection | None:
        """See `connector.settings.parts.SinkSettings`."""
        return PublishedCollection(self.name, self.title or self.name, self.description, self.keep_days)


class CollectionSink:
    """Keeps each version of each object once; a batch is there as a whole or not at all.

    An object that is at fault is found when it is read, and refused alone. What fails later is the journal's database,
    whatever the objects are.
    """

    def __init__(self, settings: CollectionSettings, collections: Collections) -> None:
        self._name = settings.name
        self._collections = collections

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """See `connector.ports.Sink`. Refuses what is no STIX 2.1 object, and other content for a version it has."""
        refusals, readable, objects = [], [], []
        for message in sorted(messages, key=lambda each: each.dependency_level):
            try:
                objects.append(_read(message.body))
            except ValueError as error:
                refusals.append(Refusal(message, f"this is no STIX {SPEC_VERSION} object: {error}"))
            else:
                readable.append(message)
        for message, each, is_there in zip(
            readable, objects, self._collections.store(self._name, objects), strict=True
        ):
            if not is_there:
                reason = f"the collection {self._name} has other content under {each.id} of {each.version}"
                refusals.append(Refusal(message, reason))
        return refusals

    def check(self) -> str:
        """See `connector.ports.Sink`."""
        return f"the collection {self._name} is kept in the journal: {self._collections.check()}"

    def close(self) -> None:
        """See `connector.ports.Sink`. The journal is its owner's to close."""


def _read(body: bytes) -> StixObject:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 -- a fault of the data, as the others
    spec_version = document.get("spec_version", SPEC_VERSION)
    if spec_version != SPEC_VERSION:
        raise ValueError("its spec_version is another")
    version = document.get("modified", document.get("created"))
    if version is not None:
        if not isinstance(version, str):
            raise ValueError("its version is not text")
        microseconds(version)
    return StixObject(_text(document, "id"), _text(document, "type"), version, body)


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"it has no {key}")
    return value


KIND = SinkKind(
    contract=CONTRACT,
    settings=CollectionSettings,
    make=lambda settings, around: CollectionSink(settings, around.collections),
)
