"""`iocstream token`: a token for who may ask the server."""

import click

from connector.cli.command import json_option, print_json

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


@click.command()
@click.argument("name")
@click.option(
    "-s",
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="What the token allows: read, act, admin, taxii or taxii:NAME. Repeat it for several.",
)
@json_option
def token(name: str, scopes: tuple[str, ...], *, as_json: bool) -> None:
    """Make a token for NAME. It is shown once: the configuration gets its hash, and the client the token."""
    import pydantic

    from connector.settings import server

    made, hashed = server.new_token()
    try:
        settings = server.TokenSettings(name=name, hash=hashed, scopes=list(scopes))
    except pydantic.ValidationError as error:
        at = error.errors(include_input=False)[0]["loc"][0]
        what = f"{name!r} is no name" if at == "name" else "a scope is none of read, act, admin, taxii and taxii:NAME"
        raise click.UsageError(what) from None
    if as_json:
        print_json({"name": name, "token": made, "hash": hashed, "scopes": settings.scopes})
        return
    click.echo(f"{made}\n\nNobody can show it again. In the configuration, under server: tokens:", err=False)
    click.echo(f"    - {{name: {name}, hash: {hashed!r}, scopes: [{', '.join(settings.scopes)}]}}".replace("'", '"'))
