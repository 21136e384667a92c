"""`iocstream token`: tokens for those who may ask the server: made, listed and revoked while it runs."""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from connector.cli.command import config_option, json_option, load, print_json

if TYPE_CHECKING:
    from connector.settings.server import TokenSettings

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415

_DAYS = re.compile(r"([1-9][0-9]{0,4})d")


@click.group()
def token() -> None:
    """Make, list and revoke the tokens of those who may ask the server. It takes up a change within seconds."""


@token.command()
@click.argument("name")
@config_option
@click.option(
    "-s",
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="What the token allows: read, act, admin, taxii or taxii:NAME. Repeat it for several.",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="SOURCE",
    help="A source whose notifications it may see. Repeat it for several. Without it: all.",
)
@click.option("--expires", metavar="WHEN", help="When it ends: a date, a time with an offset, or days from now (90d).")
@click.option(
    "--quota-per-day",
    type=click.IntRange(0),
    metavar="NUMBER",
    help="How many requests to VirusTotal may be sent for it a day (UTC). Without it: as many as the API key has.",
)
@click.option(
    "--print", "prints", is_flag=True, help="Keep nothing: print the line for `server: tokens:` of the configuration."
)
@json_option
def new(
    name: str,
    path: Path,
    scopes: tuple[str, ...],
    sources: tuple[str, ...],
    expires: str | None,
    *,
    quota_per_day: int | None,
    prints: bool,
    as_json: bool,
) -> None:
    """Make a token for NAME. It is shown once; its hash is kept beside the journal, or with --print nowhere."""
    from connector.settings import server
    from connector.values.timestamps import timestamp

    made, hashed = server.new_token()
    settings = _settings(name, hashed, scopes, sources, expires, quota_per_day=quota_per_day)
    if not prints:
        plan = load(path, secrets=False)
        for source in sources:
            plan.source(source)
        plan.token_file().add(settings)
    until = None if settings.expires is None else timestamp(settings.expires)
    if as_json:
        told = {"name": name, "token": made, "hash": hashed, "scopes": settings.scopes}
        print_json({**told, "sources": settings.sources, "expires": until, "quota_per_day": quota_per_day})
        return
    click.echo(f"{made}\n\nNobody can show it again.", nl=not prints)
    if prints:
        line = f"name: {name}, hash: '{hashed}', scopes: [{', '.join(settings.scopes)}]"
        line += f", sources: [{', '.join(sources)}]" if sources else ""
        line += f", expires: '{until}'" if until else ""
        line += "" if quota_per_day is None else f", quota_per_day: {quota_per_day}"
        click.echo(f" In the configuration, under server: tokens:\n    - {{{line}}}".replace("'", '"'))


@token.command("list")
@config_option
@json_option
def list_(path: Path, *, as_json: bool) -> None:
    """List the tokens: what they allow, whose notifications they see, when they end and were last used."""
    found = [each.as_json() for each in load(path, secrets=False).token_file().listed()]
    if as_json:
        print_json(found)
    elif not found:
        click.echo("there is no token; `iocstream token new NAME --scope read` makes one")
    else:
        show(found)


_COLUMNS = ("name", "state", "scopes", "sources", "expires", "last used", "from", "quota today", "kept in")


def show(tokens: list[dict[str, Any]]) -> None:
    """Print tokens as a table, and which of them end soon or have ended."""
    from connector.cli import terminal

    terminal.table("Tokens", _COLUMNS, [_row(each) for each in tokens])
    for each in tokens:
        if each["message"]:
            terminal.print_line(each["message"])


def _row(token: dict[str, Any]) -> tuple[str, ...]:
    """A token as a row of a table."""
    return (
        token["name"],
        token["state"],
        " ".join(token["scopes"]),
        " ".join(token["sources"] or ["all"]),
        (token["expires"] or "never")[:16].replace("T", " "),
        (token["last_used"] or "never")[:16].replace("T", " "),
        token["last_used_from"] or "-",
        str(token["quota_today"]) + ("" if token["quota_per_day"] is None else f" of {token['quota_per_day']}"),
        token["kept"],
    )


@token.command()
@click.argument("name")
@config_option
@json_option
def revoke(name: str, path: Path, *, as_json: bool) -> None:
    """End the token NAME, also one of the configuration. A running server refuses it within seconds."""
    ended = load(path, secrets=False).token_file().revoke(name)
    if as_json:
        print_json({"name": name, "revoked": ended})
    else:
        click.echo(f"the token {name} is revoked: a running server refuses it within seconds")


def _settings(
    name: str,
    hashed: str,
    scopes: tuple[str, ...],
    sources: tuple[str, ...],
    expires: str | None,
    *,
    quota_per_day: int | None,
) -> "TokenSettings":
    import pydantic

    from connector.settings.server import TokenSettings

    days = _DAYS.fullmatch(expires or "")
    end = int(time.time()) + 86_400 * int(days[1]) if days else expires
    options = {"name": name, "hash": hashed, "scopes": list(scopes), "sources": list(sources) or None, "expires": end}
    options["quota_per_day"] = quota_per_day
    try:
        settings = TokenSettings.model_validate(options)
    except pydantic.ValidationError as error:
        at = str(error.errors(include_input=False)[0]["loc"][0])
        faults = {
            "name": f"{name!r} is no name",
            "scopes": str(error.errors(include_input=False)[0]["msg"]).removeprefix("Value error, "),
            "sources": "a source has no such name",
        }
        raise click.UsageError(faults.get(at, f"--expires {expires!r} is neither a date, a time nor 90d")) from None
    if settings.is_over(time.time()):
        raise click.UsageError(f"--expires {expires!r} is over already")
    return settings
