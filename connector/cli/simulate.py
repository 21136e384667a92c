"""`iocstream simulate`: a simulated VirusTotal on loopback."""

import click

from connector.cli.command import extra, stop_on_signals

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
def simulate(port: int, count: int, key: str) -> None:
    """Serve a simulated IoC-Stream API on loopback, until interrupted.

    Needs the extra of the package: pip install 'iocstream-connector[demo]'
    """
    with extra("demo", "the simulator"):
        from connector.simulator import api, notifications, wsgi_server

    stop = stop_on_signals()
    with wsgi_server.serving(api.Api(notifications.notifications(count), key=key, reassesses=True), port) as url:
        click.echo(
            f"serving {count} notifications; in iocstream.yaml set\n"
            f"  api_url: {url}/api/v3\nand in the environment VT_API_KEY={key}"
        )
        stop.wait()
