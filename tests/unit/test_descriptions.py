"""What users read in the reference, in editors and in `--help` can be read alone: sentences, no fragments."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from pydantic import BaseModel

from connector.actions import ACTIONS
from connector.actions.envelope import Envelope
from connector.cli.main import iocstream
from connector.configuration import Config
from connector.kinds import SINKS, SOURCES
from connector.monitoring import metrics
from connector.monitoring.current_status import CurrentStatus
from connector.monitoring.status import JournalReport, StatusReport
from connector.telemetry import HttpExchange

FEWEST_WORDS = 4
LEANS_ON_ANOTHER = re.compile(
    r"(Of|At|And|Or|But|For|As|To|Its|It|Their|They|These|Those|This|That|Them|With this|On it|In it)\b"
)
"""How a text begins that only makes sense after the one above it."""
UNITS = {
    "second": r"_seconds$|_per_second$",
    "minute": r"_per_minute$",
    "hour": r"_hours$",
    "day": r"_days$|_per_day$",
    "byte": r"_bytes$",
    "event": r"_messages$|^packets_",
    "object": r"_objects$",
    "request": r"^requests_|^lookups_",
}
"""What a description names when the key matches."""


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every model that a value of this type may hold, itself first."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for part in get_args(annotation):
        yield from models(part)


def fields(*roots: Any) -> dict[str, tuple[str, str]]:
    """Model and field → the field's name and description."""
    return {
        f"{model.__name__}.{name}": (name, " ".join((field.description or "").split()))
        for root in roots
        for model in models(root)
        for name, field in model.model_fields.items()
    }


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """A command and those in it, by what is typed to call it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")


def metric_texts() -> dict[str, tuple[str, str]]:
    """Metric → its name and help text, of a run that has nothing in it."""
    journal = JournalReport(path="none", notifications=0)
    report = StatusReport(journal=journal, sources=[], routes=[], dead_letters_of_former_routes={}, former=[])
    status = CurrentStatus(lambda: report)
    registry, durations = metrics.registry(metrics.RunCollector({}, status, (Path("none"),), "0"))
    durations(HttpExchange("host", "GET", "2xx", 0.0))
    return {
        each.name: (each.name, each.documentation) for each in registry.collect() if each.name.startswith("iocstream_")
    }


COMMANDS = dict(commands(iocstream, "iocstream"))
TEXTS: dict[str, tuple[str, str]] = {
    **fields(Config, *(kind.settings for kind in (*SOURCES.values(), *SINKS.values()))),
    **fields(Envelope, *(action.parameters for action in ACTIONS.values())),
    **fields(*(action.result for action in ACTIONS.values())),
    **{
        f"{path} {option.opts[-1]}": (str(option.name), option.help or "")
        for path, command in COMMANDS.items()
        for option in command.params
        if isinstance(option, click.Option)
    },
    **metric_texts(),
}


def faults(key: str, text: str) -> Iterator[str]:
    """What keeps a text from being read alone."""
    if not text:
        yield "there is none"
        return
    if not text.replace("`", "")[0].isupper() and not re.match(r"`|[0-9]", text):
        yield "it does not start with a capital, a number or a value in backquotes"
    if not text.endswith("."):
        yield "it does not end with a full stop"
    if LEANS_ON_ANOTHER.match(text):
        yield "it begins as if another text came before it"
    if len(text.split()) < FEWEST_WORDS:
        yield f"it has fewer than {FEWEST_WORDS} words"
    for unit, pattern in UNITS.items():
        if re.search(pattern, key) and unit not in text.lower():
            yield f"it does not name its unit, {unit}"


@pytest.mark.parametrize("place", TEXTS)
def test_description_can_be_read_alone(place):
    key, text = TEXTS[place]
    assert not list(faults(key, text)), f"{place}: {text!r}"


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_says_first_what_it_does_in_a_sentence(path):
    first = (COMMANDS[path].help or "").split("\n\n")[0]
    assert not list(faults("", " ".join(first.split()))), f"{path}: {first!r}"


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_says_first_what_it_does_in_a_sentence(name):
    first = ACTIONS[name].help.split("\n\n")[0]
    assert not list(faults("", " ".join(first.split()))), f"{name}: {first!r}"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("max_body_bytes", "Of a request."),
        ("tls", "Without it the server listens on loopback alone, unless:"),
        ("behind_proxy", "a proxy in front of it speaks TLS, and nobody else reaches the address."),
        ("type", ""),
        ("timeout_seconds", "Longest wait for a connection, and for an answer."),
        ("port", "Its port; 514 for udp, 6514 for tls and 2514 for relp are usual."),
        ("facility", "Syslog facility."),
        ("id", "The id of a notification to look up; or"),
    ],
)
def test_fragments_are_found(key, text):
    assert list(faults(key, text))
