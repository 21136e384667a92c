"""`iocstream simulate`: a simulated VirusTotal on loopback."""

import os
from contextlib import ExitStack

import click

from connector.cli.command import extra, json_option, print_json, stop_on_signals

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


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
@json_option
def simulate(port: int, count: int, key: str, *, as_json: bool) -> None:
    """Serve a simulated IoC-Stream API on loopback, until interrupted.

    Needs the extra of the package: pip install 'iocstream-connector[demo]'
    """
    with extra("demo", "the simulator"):
        from connector.simulator import api, notifications, wsgi_server

    stop = stop_on_signals()
    application = api.Api(notifications.notifications(count), key=key, reassesses=True)
    with ExitStack() as stack:
        try:
            url = stack.enter_context(wsgi_server.serving(application, port))
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise click.UsageError(
                f"the port {port} cannot be listened on: {reason}; choose another with --port, or 0 for a free one"
            ) from None
        if as_json:
            print_json({"api_url": f"{url}/api/v3", "notifications": count})
        else:
            click.echo(
                f"serving {count} notifications; in iocstream.yaml set\n"
                f"  api_url: {url}/api/v3\nand in the environment VT_API_KEY={key}"
            )
        stop.wait()
