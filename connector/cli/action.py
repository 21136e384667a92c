"""The command `action`: what a playbook calls from a shell. JSON in, one envelope of JSON out."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.command import DONE, config_option, json_option, open_input, print_json, stop_on_signals
from connector.values.suggestions import instead

if TYPE_CHECKING:
    from connector.actions import Action, Envelope

# Everything else is imported when an action is called: `--help` must be instant.
# ruff: noqa: PLC0415

_MAX_BYTES = 16 * 1024 * 1024
"""Of parameters; a notification has some 100 kB."""


@click.command()
@click.argument("name", required=False)
@click.option(
    "-p",
    "--param",
    "given",
    metavar="NAME=VALUE",
    multiple=True,
    help="A parameter of the action. Repeat it for a list.",
)
@click.option(
    "--json-in",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File that holds the parameters as a JSON object; - is stdin.",
)
@click.option("--list", "as_list", is_flag=True, help="List the actions; with NAME, say what that one takes and gives.")
@config_option
@json_option
def action(
    name: str | None, given: tuple[str, ...], json_in: Path | None, path: Path, *, as_list: bool, as_json: bool
) -> int:
    """Call the action NAME and print its answer as JSON: status, message, summary, data, errors.

    Each error has a code, a cause and a remedy. docs/actions.md describes each action. The answer is JSON with and
    without --json, but for --list.
    """
    from connector import actions, telemetry

    if as_list:
        _show(actions.ACTIONS, name, as_json=as_json)
        return DONE
    if name is None:
        raise click.UsageError("say which action; `iocstream action --list` shows them")
    telemetry.configure()
    try:
        envelope = _called(name, given, json_in, path)
    except click.UsageError as error:
        envelope = actions.failed(name, actions.ErrorDetail.of("invalid_parameters", error.message))
    print_json(envelope.model_dump(mode="json"))
    return envelope.exit_code


def _called(name: str, given: tuple[str, ...], json_in: Path | None, path: Path) -> "Envelope":
    from connector import actions
    from connector.cli.command import load
    from connector.model import Misconfigured

    which = actions.ACTIONS.get(name)
    if which is None:
        cause = f"there is no action {name!r}{instead(name, actions.ACTIONS)}"
        return actions.failed(name, actions.ErrorDetail.of("not_found", cause))
    parameters = _read(json_in) if json_in is not None else {}
    for each in given:
        _add(parameters, which, each)
    try:
        plan = load(path)
    except (Misconfigured, click.UsageError) as error:
        cause = error.message if isinstance(error, click.UsageError) else str(error)
        return actions.failed(name, actions.ErrorDetail.of("misconfigured", cause))
    context = actions.ActionContext(plan, stop_on_signals())
    return actions.call(context, which, parameters, strict=not given)


def _add(parameters: dict[str, Any], which: "Action", text: str) -> None:
    """Add `name=value`: text where the action takes text, JSON where it takes something else."""
    import orjson

    name, sign, value = text.partition("=")
    if not sign:
        raise click.UsageError(f"--param {text}: write NAME=VALUE")
    kinds = _kinds(which.parameters.model_json_schema().get("properties", {}).get(name, {}))
    decoded: Any = value
    if "string" not in kinds:
        with contextlib.suppress(orjson.JSONDecodeError):  # the action says what it should have been
            decoded = orjson.loads(value)
    if "array" in kinds and not isinstance(decoded, list):
        decoded = [*parameters.get(name, ()), decoded]
    parameters[name] = decoded


def _kinds(schema: dict[str, Any]) -> set[str]:
    return {schema.get("type", ""), *(each.get("type", "") for each in schema.get("anyOf", ()))}


def _read(file: Path) -> dict[str, Any]:
    from connector.values import jsontext

    try:
        with open_input(file) as stream:
            text = stream.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise click.UsageError(f"--json-in {file}: more than {_MAX_BYTES} bytes")
        value = jsontext.decode(text)
    except OSError as error:
        raise click.UsageError(f"--json-in {file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--json-in {file} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise click.UsageError(f"--json-in {file} must be a JSON object")
    return value


def _show(known: Any, name: str | None, *, as_json: bool) -> None:
    if name is not None and name not in known:
        raise click.UsageError(f"there is no action {name!r}{instead(name, known)}")
    if name is None and as_json:
        print_json([{"name": each.name, "scope": each.scope, "title": each.title} for each in known.values()])
        return
    if name is None:
        for each in known.values():
            click.echo(f"{each.name:22} {each.scope:6} {each.title}")
        return
    from connector.packages import manifest

    print_json(manifest.described(known[name]))
