"""What an action is: a typed function whose docstring is its help, and how it is called."""

import inspect
import threading
import typing
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, model_validator

from connector.actions.envelope import Envelope, ErrorDetail, envelope_of, error_detail, failed, faults
from connector.configuration import Plan
from connector.model import ConnectorError, Json
from connector.sources.virustotal.spending import Spending, spent_by

Scope = Literal["read", "act", "admin"]
"""What a caller must be allowed: `read` to look, `act` to deliver and to spend quota, `admin` to delete."""


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What an action works with.

    Attributes:
        plan: as the caller may see it.
        whole_plan: what the caller sees is a part of it; None: the caller sees everything.
        stop: set when the program is asked to end: what takes long then ends soon.
        spending: whether the caller may spend quota at VirusTotal, and what it has spent.
        caller: the name of the token that the caller gave; empty on the command line.
    """

    plan: Plan
    stop: threading.Event = field(default_factory=threading.Event)
    spending: Spending = field(default_factory=Spending)
    caller: str = ""
    whole_plan: Plan | None = None

    @property
    def whole(self) -> Plan:
        """The plan with all that the caller may not see: for what must not overlook anything."""
        return self.plan if self.whole_plan is None else self.whole_plan

    @property
    def sources(self) -> Collection[str] | None:
        """The sources that the caller may see; None: all, those that are no longer configured among them."""
        return None if self.whole_plan is None else self.plan.settings.sources.keys()

    def sees(self, source: str | None) -> bool:
        """Whether the caller may see what is of this source; None: what is of all."""
        return self.sources is None or source in self.sources

    def seeing(self, sources: Collection[str] | None) -> Self:
        """For a caller who may see these sources alone; None: all."""
        return self if sources is None else replace(self, plan=self.plan.only(sources), whole_plan=self.plan)


class Parameters(BaseModel):
    """The parameters of an action: unknown ones are refused, and their values never appear in errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _whole_numbers(cls, given: Any) -> Any:
        """`5.0` is an integer too (JSON Schema validation, section 6.1.1), and some clients write it so."""
        return {name: _whole(value) for name, value in given.items()} if isinstance(given, dict) else given


class Result(BaseModel):
    """The result of an action, which also gives the message, the summary and the errors of its envelope."""

    model_config = ConfigDict(frozen=True)

    @abstractmethod
    def message(self) -> str:
        """What came of it, in a sentence for people."""

    def summary(self) -> dict[str, int]:
        """Counts."""
        return {}

    def errors(self) -> list[ErrorDetail]:
        """What went wrong, although there is a result."""
        return []


@dataclass(frozen=True, slots=True)
class Action:
    """One action.

    Attributes:
        cost: what it costs of the quota at VirusTotal: `none`, or a phrase that says how many requests and when.
        run: the function; raises the three errors of `connector.model`.
        example: parameters to show.
    """

    name: str
    scope: Scope
    cost: str
    help: str
    parameters: type[Parameters]
    result: type[Result]
    run: Callable[[ActionContext, Any], Result]
    example: Mapping[str, Json]

    @property
    def title(self) -> str:
        """The first sentence of the help."""
        return self.help.split("\n", 1)[0].rstrip(".")

    @property
    def envelope(self) -> type[Envelope]:
        """The type of its answer."""
        return envelope_of(self.result)

    @property
    def needs_parameters(self) -> bool:
        """Whether it has parameters that must be given."""
        return any(field.is_required() for field in self.parameters.model_fields.values())


def _whole(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def action(scope: Scope, cost: str, /, **example: Json) -> Callable[[Callable[[ActionContext, Any], Result]], Action]:
    """Make an action of a function `(context, parameters) -> result`; its name and docstring are the action's."""

    def made(function: Callable[[ActionContext, Any], Result]) -> Action:
        hints = typing.get_type_hints(function)
        result = hints.pop("return")
        _, parameters = hints.values()
        help_text = inspect.cleandoc(function.__doc__ or "")
        return Action(function.__name__, scope, cost, help_text, parameters, result, function, example)

    return made


def call(context: ActionContext, which: Action, parameters: Json, *, strict: bool = True) -> Envelope:
    """Call an action with parameters as decoded JSON; every error but a bug comes back in the envelope.

    Args:
        context: the configuration, and when to stop.
        which: the action.
        parameters: a JSON object.
        strict: whether values must have their types; otherwise a number or a truth value may be given as text.
    """
    try:
        asked = which.parameters.model_validate(parameters, strict=strict)
    except pydantic.ValidationError as error:
        return failed(which.name, *faults(error, which.parameters.model_fields))
    return perform(context, which, asked)


def perform(context: ActionContext, which: Action, parameters: Parameters) -> Envelope:
    """Call an action with parameters that have been validated."""
    try:
        with spent_by(context.spending):
            result = which.run(context, parameters)
    except ConnectorError as error:
        return failed(which.name, error_detail(error))
    errors = result.errors()
    return which.envelope(
        action=which.name,
        status="failed" if errors else "success",
        message=result.message(),
        summary=result.summary(),
        data=result,
        errors=errors,
    )
