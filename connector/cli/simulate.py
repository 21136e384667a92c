"""`iocstream simulate`: a simulated VirusTotal on loopback."""

import os
from contextlib import ExitStack

import click

from connector.cli.command import extra, json_option, print_json, stop_on_signals

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415

_SCENARIOS = ("quota", "outage", "late", "poisoned", "flood", "tenants")
"""Those of `connector.simulator.scenarios`, which is an extra of the package; a test holds it against them."""


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--count",
    type=click.IntRange(0, 1_000_000),
    default=300,
    show_default=True,
    help="How many notifications it serves.",
)
@click.option("--key", default="demo-key", show_default=True, help="The API key that the simulator accepts.")
@click.option(
    "--scenario",
    "scenarios",
    type=click.Choice(_SCENARIOS),
    multiple=True,
    help="What goes wrong: the quota is used up, outages, late or poisoned notifications, "
    "more and more of them, a second customer. Repeat it for several.",
)
@json_option
def simulate(port: int, count: int, key: str, scenarios: tuple[str, ...], *, as_json: bool) -> None:
    """Serve a simulated IoC-Stream API on loopback, until interrupted.

    Needs the extra of the package: pip install 'iocstream-connector[demo]'
    """
    with extra("demo", "the simulator"):
        from connector.simulator.scenarios import SCENARIOS, simulated
        from connector.simulator.wsgi_server import serving

    stop = stop_on_signals()
    application = simulated(scenarios, count, key)
    with ExitStack() as stack:
        try:
            url = stack.enter_context(serving(application, port))
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise click.UsageError(
                f"the port {port} cannot be listened on: {reason}; choose another with --port, or 0 for a free one"
            ) from None
        says = {name: SCENARIOS[name].says.replace("KEY", key) for name in dict.fromkeys(scenarios)}
        if as_json:
            print_json({"api_url": f"{url}/api/v3", "notifications": count, "scenarios": says})
        else:
            click.echo(
                f"serving {count} notifications; in iocstream.yaml set\n"
                f"  api_url: {url}/api/v3\nand in the environment VT_API_KEY={key}"
            )
            for name, what in says.items():
                click.echo(f"{name}: {what}")
        stop.wait()
