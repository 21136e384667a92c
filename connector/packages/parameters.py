"""The parameters of an action, in the few types that platforms know."""

from dataclasses import dataclass
from typing import Any, Literal

from connector.actions import ACTIONS, Action

Kind = Literal["string", "integer", "boolean", "array", "object"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an action.

    Attributes:
        items: the kind of an array's items.
        options: the values that may be chosen; empty when it may have any.
        default: None when there is none.
    """

    name: str
    kind: Kind
    items: Kind
    description: str
    required: bool
    options: tuple[str, ...]
    default: str | int | bool | None

    @property
    def title(self) -> str:
        """The name in words."""
        return self.name.replace("_", " ").capitalize()

    @property
    def text_description(self) -> str:
        """The description for a form where a list is typed as text."""
        return f"{self.description} Separated by commas." if self.kind == "array" else self.description


def of(action: Action) -> list[Parameter]:
    """The parameters of an action, in order."""
    schema = action.parameters.model_json_schema()
    required = schema.get("required", ())
    return [_parameter(name, each, required=name in required) for name, each in schema.get("properties", {}).items()]


def kinds() -> dict[str, dict[str, str]]:
    """For each action the kinds of its parameters, as templates/iocstream_client.py reads them: `array:integer`."""
    return {
        name: {each.name: f"{each.kind}:{each.items}" if each.kind == "array" else each.kind for each in of(action)}
        for name, action in ACTIONS.items()
    }


def _parameter(name: str, schema: dict[str, Any], *, required: bool) -> Parameter:
    default = schema.get("default")
    return Parameter(
        name=name,
        kind=_kind(schema),
        items=_kind(schema.get("items", {})),
        description=" ".join(schema.get("description", "").split()),
        required=required,
        options=tuple(schema.get("enum", ())),
        default=default if isinstance(default, str | int) and default != "" else None,
    )


def _kind(schema: dict[str, Any]) -> Kind:
    for each in schema.get("anyOf", ()):
        if each.get("type") != "null":
            return _kind(each)
    kind: Kind = schema.get("type", "string")
    return kind
