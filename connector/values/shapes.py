"""Shapes: what loading a mapping proves of the values that it will make, so that a format need not check it again.

A shape holds for the value if there is one; any value may be missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.model import Json


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """Always this text, number or boolean."""

    value: Json

    def __eq__(self, other: object) -> bool:
        # Python holds 1 and true for equal.
        return isinstance(other, Constant) and (type(self.value), self.value) == (type(other.value), other.value)

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Text:
    """Any text, empty too."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A STIX id of this type; None for a type of which the format makes the ids."""

    object_type: str | None


@dataclass(frozen=True, slots=True)
class Timestamp:
    """RFC 3339 in UTC, with exactly three digits: `2023-05-17T08:12:05.000Z`."""


@dataclass(frozen=True, slots=True)
class Url:
    """A URL, encoded as RFC 3986 wants it."""


@dataclass(frozen=True, slots=True)
class Elements:
    """A list; each element has one of these shapes, None being one of which nothing is known.

    Within a document it is not empty: what is, is missing there.
    """

    shapes: "tuple[Shape | None, ...]"


@dataclass(frozen=True, slots=True, eq=False)  # each is only itself, and can be a key
class Members:
    """An object with no other members than these, and what a format adds to documents.

    Attributes:
        shapes: of each member; None when nothing is known of it.
        certain: the members that are there in every such object.
    """

    shapes: "Mapping[str, Shape | None]"
    certain: frozenset[str] = frozenset()


Shape = Constant | Text | Identifier | Timestamp | Url | Elements | Members


def constant(value: Json) -> Shape | None:
    """The shape of what always is this text, number or boolean; None where a format may have to change it."""
    if isinstance(value, str):
        return Constant(value) if value.isprintable() else None
    return Constant(value) if isinstance(value, bool | int | float) else None


def shared(shapes: Sequence[Shape | None]) -> Shape | None:
    """The shape of what has one of these; None when they differ."""
    first, *others = shapes
    return first if all(other == first for other in others) else None
