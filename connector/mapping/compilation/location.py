"""Where an expression stands in a mapping."""

from collections.abc import Callable
from dataclasses import dataclass

from connector.mapping.language.expressions import shown
from connector.mapping.language.generation import Evaluate
from connector.settings.yamldoc import YamlPath, dotted


@dataclass(frozen=True, slots=True)
class Location:
    """Where an expression stands.

    Attributes:
        place: `file:line:column` of the value that holds it.
        path: the keys and indexes from the top of the file to it.
        expression: its text.
    """

    place: str
    path: YamlPath
    expression: str

    def __str__(self) -> str:
        return f"{self.place}: {dotted(self.path)}: in `{shown(self.expression, 200)}`"


Trace = Callable[[Location, Evaluate], Evaluate]
"""Something to put around every expression."""
