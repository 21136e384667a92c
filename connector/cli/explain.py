"""`iocstream explain`: what an error means, and what to do."""

import click

from connector.cli import errors
from connector.cli.command import json_option, print_json


@click.command()
@click.argument("code", nargs=-1)
@json_option
def explain(code: tuple[str, ...], *, as_json: bool) -> None:
    """Explain the error CODE: what has happened, and what to do. Without CODE, list the codes.

    In place of CODE the message itself can be given, in quotation marks, also one that `status` shows or the log has.
    """
    asked = " ".join(code).strip().removeprefix("error: ")
    if not asked:
        every = [*errors.KNOWN, *errors.GENERIC.values()]
        if as_json:
            print_json([_json(each) for each in every])
            return
        width = max(len(each.code) for each in every)
        for each in every:
            click.echo(f"{each.code.ljust(width)}  {each.why}")
        return
    found = errors.by_code(asked)
    if found is None and " " not in asked:
        close = errors.close_to(asked) or ";"
        raise click.UsageError(f"there is no code {asked!r}{close} `iocstream explain` lists the codes")
    if found is None:
        found = errors.known(asked)
    if found is None:
        raise click.UsageError("no kind of error is known by this message; `iocstream explain` lists the codes")
    if as_json:
        print_json(_json(found))
        return
    click.echo(f"{found.code}\n\nsays    {found.says}\nwhy     {found.why}\nremedy  {found.remedy}")


def _json(known: errors.Known) -> dict[str, str]:
    return {"code": known.code, "says": known.says, "why": known.why, "remedy": known.remedy}
