"""Fill in the generated parts of the documentation, between `<!-- begin NAME -->` and `<!-- end NAME -->`.

`python docs/generate.py` writes them, `python docs/generate.py --check` fails when one is stale.
"""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from connector import configuration
from connector.actions import ACTIONS, Action
from connector.cli import errors
from connector.cli.main import iocstream
from connector.cli.teaching import EXAMPLES, GROUPS, each_command
from connector.kinds import JOURNALS, SINKS, SOURCES
from connector.mapping.files import MappingSettings
from connector.mapping.language.functions import FUNCTIONS
from connector.mapping.language.json_types import described
from connector.monitoring import metrics as monitoring
from connector.monitoring.current_status import CurrentStatus
from connector.monitoring.status import StatusReport
from connector.packages import manifest
from connector.pipeline.part import Part
from connector.plugin import JournalKind, SinkKind, SourceKind
from connector.settings.config import Settings
from connector.settings.guards import GuardSettings, ListSettings
from connector.settings.producer import Producer
from connector.settings.server import ServerSettings, ServerTlsSettings, TokenSettings
from connector.settings.telemetry import TelemetrySettings
from connector.sinks.http import receiver_file
from connector.sinks.http.oauth import HttpOAuthSettings
from connector.telemetry import HttpExchange
from connector.version import VERSION

ROOT = Path(__file__).parent.parent


def options(model: type[Settings]) -> str:
    """A table of the options of one part of the configuration."""
    rows = ["| option | type | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        shown = field.alias or name
        schema = model.model_json_schema()["properties"].get(shown, {})
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{shown}` | {_type(schema)} | {_default(field)} | {meaning} |")
    return "\n".join(rows)


def kinds(registry: Mapping[str, SourceKind] | Mapping[str, SinkKind] | Mapping[str, JournalKind]) -> str:
    """One section for each kind of source, sink or journal."""
    return "\n\n".join(
        f"### `type: {name}`\n\n{' '.join((kind.settings.__doc__ or '').split())}\n\n{options(kind.settings)}"
        for name, kind in registry.items()
    )


def commands() -> str:
    """A section for each command, from what `--help` says."""
    return "\n\n".join(section for name, command in iocstream.commands.items() for section in _command(name, command))


def _command(name: str, command: click.Command) -> Iterator[str]:
    arguments = [p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)]
    yield f"## iocstream {' '.join([name, *arguments])}"
    yield inspect.cleandoc(command.help or "")
    rows = []
    for option in (p for p in command.params if isinstance(p, click.Option)):
        default = option.default if option.show_default else ""
        rows.append(f"| `{', '.join(option.opts)}` | {f'`{default}`' if default else ''} | {option.help} |")
    if rows:
        yield "\n".join(["| option | default | meaning |", "|---|---|---|", *rows])
    if examples := EXAMPLES.get(name):
        yield "\n".join(["```sh", *examples, "```"])
    if isinstance(command, click.Group):
        for inner, subcommand in command.commands.items():
            yield from _command(f"{name} {inner}", subcommand)


def manual() -> str:
    """The manual page, for `man`: every command with its options and examples."""
    lines = [f'.TH IOCSTREAM 1 "" "iocstream {VERSION}" "IoC-Stream Connector"', ".SH NAME"]
    lines += [r"iocstream \- " + _roff(" ".join((iocstream.help or "").split(".\n")[0].split()))]
    lines += [".SH SYNOPSIS", r".B iocstream", r".I COMMAND", "[OPTIONS] [ARGUMENTS]", ".SH DESCRIPTION"]
    lines += [_roff(" ".join(inspect.cleandoc(iocstream.help or "").split())), ".SH COMMANDS"]
    known = dict(each_command(iocstream))
    for title, names in GROUPS.items():
        lines += [".SS " + _roff(title)]
        for name, command in known.items():
            if name.split()[0] in names:
                lines += _manual_of(name, command)
    lines += [".SH EXIT STATUS", ".TP", ".B 0", "Done.", ".TP", ".B 1", "Something failed or was refused."]
    lines += [".TP", ".B 2", "A person must change the configuration or the command.", ".SH ENVIRONMENT"]
    lines += [".TP", ".B IOCSTREAM_CONFIG", "Path of the configuration file, where \\-\\-config is not given."]
    return "\n".join(lines) + "\n"


def _manual_of(name: str, command: click.Command) -> Iterator[str]:
    arguments = [p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)]
    yield f".TP\n.B {_roff(' '.join(['iocstream', name, *arguments]))}"
    for number, paragraph in enumerate(inspect.cleandoc(command.help or "").split("\n\n")):
        yield (".IP\n" if number else "") + _roff(" ".join(paragraph.split()))
    for option in (p for p in command.params if isinstance(p, click.Option)):
        yield f".RS\n.TP\n.B {_roff(', '.join(option.opts))}\n{_roff(option.help or '')}\n.RE"
    for example in EXAMPLES.get(name, ()):
        yield f".RS\n.nf\n\n$ {_roff(example)}\n.fi\n.RE"


def _roff(text: str) -> str:
    """A text on one line that roff shows as it is."""
    shown = text.replace("\\", r"\e").replace("-", r"\-").replace("`", "").replace("…", "...").replace("→", "->")
    return rf"\&{shown}" if shown[:1] in (".", "'") else shown


def actions() -> str:
    """A section for each action, from its docstring and models."""
    return "\n\n".join(_action(action) for action in ACTIONS.values())


def _action(action: Action) -> str:
    parts = [f"### {action.name}", action.help, f"Scope: `{action.scope}`. Cost at VirusTotal: {action.cost}."]
    schema = action.parameters.model_json_schema()
    for title, properties, required in (
        ("parameter", schema.get("properties", {}), schema.get("required", ())),
        ("in `data`", action.result.model_json_schema(mode="serialization")["properties"], ()),
    ):
        rows = [
            f"| `{name}` | {_json_type(each)} | {_json_default(name, each, required)}"
            f"{' '.join(each.get('description', '').split())} |"
            for name, each in properties.items()
        ]
        if rows:
            parts.append("\n".join([f"| {title} | type | meaning |", "|---|---|---|", *rows]))
    if action.example:
        parts.append(f"```json\n{json.dumps(dict(action.example))}\n```")
    return "\n\n".join(parts)


def _json_type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return "object"
    if "anyOf" in schema and "type" not in schema:
        return " or ".join(dict.fromkeys(_json_type(part) for part in schema["anyOf"] if part.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_json_type(schema.get('items', {}))}"
    names = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "object"}
    return names.get(schema.get("type", ""), "any")


def _json_default(name: str, schema: dict[str, Any], required: Sequence[str]) -> str:
    if name in required:
        return "Required. "
    default = schema.get("default")
    return "" if default in (None, "") else f"Default: `{json.dumps(default)}`. "


def metrics() -> str:
    """A table of the metrics, from a run that has one source and one route."""
    part = {"state": None, "message": None, "served_by": None, "lag_seconds": 0}
    quota = {"api_requests_daily": {"user": {"used": 0, "allowed": 1}}}
    source = part | {"name": "s", "watermark": "1970-01-01T00:00:00Z", "notifications": 0, "lost": [], "quota": quota}
    ruleset = {"id": "r", "name": "r", "rate_limited": False, "rate_limited_ratio": 0.0, "limit": 1}
    look_ups = dict.fromkeys(("known", "absent", "forbidden", "waiting", "today", "per_day"), 0)
    source |= {"look_ups": look_ups | {"message": None, "rulesets": [ruleset]}}
    rule = {"name": "r", "ruleset": None, "source": None, "judged": 0, "precision": 0.0}
    rule |= dict.fromkeys(("true_positive", "false_positive", "benign"), 0)
    counts = ("position", "backlog", "delivered", "filtered", "made_nothing", "nothing_passed", "refused")
    counts += ("dead_letters", "dropped", "outdated", "withdrawn")
    report = StatusReport.model_validate(
        {
            "journal": {"path": "none", "notifications": 0},
            "sources": [source],
            "routes": [part | {"name": "r", "sources": ["s"]} | dict.fromkeys(counts, 0)],
            "dead_letters_of_former_routes": {},
            "former": [],
            "rules": [rule],
        }
    )
    run = monitoring.RunCollector(
        {"s": Part("s", "source"), "r": Part("r", "route")},
        CurrentStatus(lambda: report),
        (Path("none"),),
        "0",
    )
    registry, durations = monitoring.registry(run)
    durations(HttpExchange("h", "GET", "2xx", 0.0))
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for metric in registry.collect():
        if metric.name.startswith("iocstream_"):
            suffix = {"counter": "_total", "info": "_info"}.get(metric.type, "")
            labels = dict.fromkeys(label for sample in metric.samples for label in sample.labels if label != "le")
            named = ", ".join(f"`{label}`" for label in labels)
            rows.append(f"| `{metric.name}{suffix}` | {metric.type} | {named} | {metric.documentation} |")
    return "\n".join(rows)


def _type(schema: dict[str, Any]) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(part) for part in schema["anyOf"] if part.get("type") != "null"))
    if schema.get("format") == "password":
        return "secret"
    if "$ref" in schema:
        return "section"
    names = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "array": "list",
    }
    return {"path": "path", "file-path": "path"}.get(
        schema.get("format", ""), names.get(schema.get("type", ""), "section")
    )


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined or field.default is None:
        return ""
    value = field.default
    return f"`{value if isinstance(value, Path) else json.dumps(value)}`" if value != "" else ""


def troubleshooting() -> str:
    """A section for each kind of error, by what its code begins with."""
    parts = []
    every = [*errors.KNOWN, *errors.GENERIC.values()]
    for area, title in errors.TITLES.items():
        parts.append(f"## {title}")
        parts += [
            f"### {each.code}\n\n```\n{each.says}\n```\n\n{each.why}\n\n**Remedy:** {each.remedy}"
            for each in every
            if each.code.split(".")[0] == area
        ]
    return "\n\n".join(parts)


def decisions() -> str:
    """A table of the decision records, from their headings."""
    rows = []
    for path in sorted((ROOT / "docs/decisions").glob("[0-9]*.md")):
        number, title = path.read_text("utf-8").split("\n", 1)[0].removeprefix("# ").split(". ", 1)
        rows.append(f"| {number} | [{title}]({path.name}) |")
    return "\n".join(["| | decision |", "|---|---|", *rows])


def functions() -> str:
    """A table of the functions of the mapping language: what each takes, what it gives, an example."""
    rows = ["| Function | Gives | Example |", "|---|---|---|"]
    for _, function in sorted(FUNCTIONS.items()):
        summary = (inspect.getdoc(function.call) or "").splitlines()[0]
        takes = ", ".join(f"{parameter.name}: {described(parameter.types)}" for parameter in function.parameters)
        expression, value = map(_code, function.example)
        cells = (f"`{function.signature}`<br>{takes}", summary, f"{expression}<br>→ {value}")
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


PARTS: dict[str, Callable[[], str]] = {
    "config": lambda: options(configuration.Config),
    "telemetry": lambda: options(TelemetrySettings),
    "producer": lambda: options(Producer),
    "journals": lambda: kinds(JOURNALS),
    "guards": lambda: options(GuardSettings),
    "guard list": lambda: options(ListSettings),
    "route": lambda: options(configuration.RouteSettings),
    "mapping": lambda: options(MappingSettings),
    "sources": lambda: kinds(SOURCES),
    "sinks": lambda: kinds(SINKS),
    "receiver file": lambda: "\n\n".join(
        f"### {title}\n\n{' '.join((model.__doc__ or '').split())}\n\n{options(model)}"
        for title, model in (
            ("The file", receiver_file.ReceiverFile),
            ("`options`", receiver_file.Option),
            ("`request`", receiver_file.Request),
            ("`request.signature`", receiver_file.Signature),
            ("`batch`", receiver_file.Batch),
            ("`answers`", receiver_file.Answer),
            ("`answers[].items`", receiver_file.ItemAnswer),
            ("`confirm`", receiver_file.Confirm),
            ("`check`", receiver_file.Check),
            ("`confirm.request`, `check.request`", receiver_file.Call),
        )
    ),
    "oauth": lambda: options(HttpOAuthSettings),
    "server": lambda: "\n\n".join(
        f"### {title}\n\n{options(model)}"
        for title, model in (
            ("`server`", ServerSettings),
            ("`server.tokens`", TokenSettings),
            ("`server.tls`", ServerTlsSettings),
        )
    ),
    "actions": actions,
    "commands": commands,
    "decisions": decisions,
    "functions": functions,
    "troubleshooting": troubleshooting,
    "metrics": metrics,
}


def generated() -> Iterator[tuple[Path, str]]:
    """Each generated file with the text it should have."""
    for path in [*sorted((ROOT / "docs").glob("*.md")), ROOT / "docs/decisions/README.md"]:
        text = path.read_text("utf-8")
        for name, make in PARTS.items():
            begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
            if begin in text:
                body = make().strip()
                text = re.sub(
                    f"{re.escape(begin)}.*?{re.escape(end)}",
                    lambda _, b=begin, e=end, t=body: f"{b}\n{t}\n{e}",
                    text,
                    flags=re.DOTALL,
                )
        yield path, text
    yield ROOT / "docs/iocstream.1", manual()
    yield ROOT / "manifest.json", json.dumps(manifest.manifest(), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write, or with `--check` compare."""
    stale = [(path, text) for path, text in generated() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" not in sys.argv:
        for path, text in stale:
            path.write_text(text, "utf-8")
        return 0
    for path, _ in stale:
        print(f"{path.relative_to(ROOT)} is stale: `make generate` makes it again")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
