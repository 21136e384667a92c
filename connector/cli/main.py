"""The group `iocstream`, its short commands, and what an error becomes: a message and an exit code."""

import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connector.cli.action import action
from connector.cli.command import (
    DONE,
    FAILED,
    MISCONFIGURED,
    config_option,
    exit_code,
    extra,
    json_option,
    load,
    open_input,
    part_json,
    print_json,
    print_parts,
    sinks_use_stdout,
    stop_on_signals,
)
from connector.cli.forget import forget
from connector.cli.journal import journal
from connector.cli.mapping import mapping
from connector.cli.rejected import rejected
from connector.cli.replay import replay
from connector.cli.serve import serve
from connector.cli.token import token
from connector.values.display import printable

if TYPE_CHECKING:
    from connector.model import Message

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character ends nothing
    if sys.stdout is None:  # closed by whoever started us: there is nobody to write to
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 -- as long as the program
    code = _main(arguments)
    _let_go_of_stderr()
    sys.exit(code)


def _let_go_of_stderr() -> None:
    """Give up what cannot be written, which Python would try once more at exit and exit with a code of its own."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _main(arguments: Sequence[str] | None) -> int:
    from connector.model import ConnectorError, Misconfigured

    code, message = FAILED, ""
    try:
        return int(iocstream.main(arguments, prog_name="iocstream", standalone_mode=False) or DONE)
    except click.ClickException as error:
        with suppress(OSError):  # nobody reads it
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Misconfigured as error:
        code, message = MISCONFIGURED, str(error)
    except ConnectorError as error:
        message = str(error)
    except OSError as error:
        # Our output has nowhere to go; without this Python would try to write the rest once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # whoever read our output has gone, as `head` does
            message = f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
    if message:
        with suppress(OSError):  # nobody reads it
            click.echo(f"error: {message}", err=True)
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="iocstream-connector", prog_name="iocstream")
def iocstream() -> None:
    """VirusTotal IoC-Stream notifications to STIX 2.1 over TAXII 2.1 and CEF over syslog, losing none.

    New here? `iocstream demo` shows everything on this machine alone; `iocstream init` writes a configuration.
    """


@iocstream.command()
@config_option
def init(path: Path) -> None:
    """Write a commented configuration file to start from."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(resources.files("connector.cli").joinpath("init.yaml").read_text("utf-8"))
    except FileExistsError:
        raise click.UsageError(f"{path} exists already; move it away or name another with --config") from None
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
    click.echo(f"wrote {path}\nnext: set VT_API_KEY, then `iocstream check` and `iocstream run`")


@iocstream.command()
@config_option
@json_option
def check(path: Path, *, as_json: bool) -> int:
    """Validate the configuration, try the mappings on their examples, probe sources and sinks. Moves nothing."""
    from connector.operations import check as checking

    findings = []
    for finding in checking.check(load(path)):
        findings.append(finding)
        if not as_json:
            click.echo(f"{finding.level:7}  {finding.part}: {finding.message}")
    bad = [finding for finding in findings if finding.level == "error"]
    if as_json:
        print_json([{"part": f.part, "level": f.level, "message": f.message} for f in findings])
    elif not bad:
        click.echo(f"{path} is in order")
    return FAILED if bad else DONE


@iocstream.command()
@config_option
@click.option("--once", is_flag=True, help="Fetch what is new, deliver what is pending, and exit.")
@json_option
def run(path: Path, *, once: bool, as_json: bool) -> int:
    """Fetch and deliver until SIGTERM; SIGHUP takes up a changed configuration."""
    from connector import app, telemetry
    from connector.cli import terminal
    from connector.cli.service import Service

    plan = load(path)
    uses_stdout = sinks_use_stdout(plan, as_json=as_json)
    if once and sys.stderr.isatty():
        with terminal.PartProgress() as progress:
            telemetry.configure(level="WARNING")
            parts = app.run(plan, once=True, stop=stop_on_signals(), on_progress=progress)
    elif once:
        telemetry.configure()
        parts = app.run(plan, once=True, stop=stop_on_signals())
    else:
        telemetry.configure()
        parts = Service(lambda: app.load(path)).run(plan)
    if as_json:
        print_json([part_json(part) for part in parts])
    elif once:
        print_parts(parts, err=uses_stdout)
    return exit_code(parts, once=once)


@iocstream.command()
@config_option
@json_option
def status(path: Path, *, as_json: bool) -> None:
    """Show the status of sources and routes: watermark, lag, quota, position, backlog, dead letters."""
    from connector.cli import terminal
    from connector.operations import status as reporting

    report = reporting.status(load(path))
    if as_json:
        print_json(report.as_json())
    else:
        terminal.show_status(report)


iocstream.add_command(rejected)
iocstream.add_command(replay)
iocstream.add_command(mapping)
iocstream.add_command(action)
iocstream.add_command(serve)
iocstream.add_command(token)
iocstream.add_command(forget)
iocstream.add_command(journal)


@iocstream.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), default="-")
@click.option(
    "-m",
    "--mapping",
    "using",
    default="stix21",
    show_default=True,
    help="A bundled mapping by name, or the path of a file.",
)
@click.option("-p", "--profile", help="Name of a profile of the mapping, such as opencti, sentinel or arcsight.")
@click.option("-o", "--overlay", "overlays", multiple=True, help="File that changes the mapping; may be repeated.")
def convert(file: Path, using: str, profile: str | None, overlays: Sequence[str]) -> int:
    """Convert notifications from FILE (or stdin) to STIX or CEF on stdout, without a journal.

    FILE holds an API page, a list, a single object or JSON Lines, in either shape of a notification. What cannot be
    converted, such as a broken line of JSON Lines, is named on stderr; the rest is still converted, and the exit code
    is 1.
    """
    from connector import app
    from connector.formats.stix.bundle import bundle
    from connector.operations.convert import convert as converted
    from connector.sources.file.source import read_bodies

    troubles = 0

    def tell(trouble: object) -> None:
        nonlocal troubles
        troubles += 1
        click.echo(f"not converted: {printable(str(trouble))}", err=True)

    newest: dict[str, Message] = {}
    output = sys.stdout.buffer
    as_bundle = app.load_mapping(using, None, profile, overlays).format_name == "stix"
    with open_input(file) as stream:
        bodies = read_bodies(stream, str(file), tell)
        for conversion in converted(bodies, using, profile=profile, overlays=overlays):
            if conversion.refusal:
                item = conversion.entry
                tell(f"notification {item.notification.id}, number {item.seq}: {conversion.refusal}")
            elif as_bundle:
                newest |= {message.id: message for message in conversion.messages}
            else:
                output.writelines(message.body + b"\n" for message in conversion.messages)
    if newest:
        output.write(bundle(newest.values()) + b"\n")
    output.flush()
    if troubles:
        click.echo(f"{troubles} not converted", err=True)
    return FAILED if troubles else DONE


@iocstream.command()
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
    with wsgi_server.serving(api.Api(notifications.notifications(count), key=key), port) as url:
        click.echo(
            f"serving {count} notifications; in iocstream.yaml set\n"
            f"  api_url: {url}/api/v3\nand in the environment VT_API_KEY={key}"
        )
        stop.wait()


@iocstream.command()
@click.option(
    "--count",
    type=click.IntRange(1, 100_000),
    default=400,
    show_default=True,
    help="How many notifications to simulate.",
)
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default="demo", show_default=True,
    help="Folder for the files that the demo writes. It replaces those of an earlier demo, and no others.",
)  # fmt: skip
@click.option(
    "--no-serve", is_flag=True, help="End with the table and serve no page. Without a terminal that is always so."
)
def demo(count: int, folder: Path, *, no_serve: bool) -> None:
    """Run everything with a simulated VirusTotal and two receivers, on this machine alone.

    At a terminal it ends by serving a page on loopback, until Ctrl-C. Needs the extra of the package:
    pip install 'iocstream-connector[demo]'
    """
    with extra("demo", "the demonstration"):
        from connector.cli import demo as demonstration

    serves = sys.stdout.isatty() and not no_serve
    demonstration.demonstrate(folder, count, stop_on_signals if serves else None)


@iocstream.command()
@click.argument("of", type=click.Choice(["config", "mapping"]))
def schema(of: str) -> None:
    """Print a JSON Schema, for editors."""
    from connector import app, kinds
    from connector.formats.stix.format import Producer
    from connector.mapping.schema import json_schema
    from connector.settings import config

    if of == "mapping":
        print_json(json_schema(kinds.make_formats(Producer())))
    else:
        print_json(config.json_schema(app.Config, "IoC-Stream Connector configuration"))


@iocstream.command()
@click.option(
    "--for",
    "target",
    metavar="TARGET",
    help="Make the package for a platform: xsoar, splunk-soar, opencti, openapi, stackstorm, shuffle or fortisoar.",
)
@click.option(
    "--out", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder for the package: an empty one."
)
def manifest(target: str | None, folder: Path | None) -> None:
    """Print the manifest: what this product is and can do. With --for and --out, make a package of it.

    A package calls the actions of `iocstream serve`; docs/platforms/ says how to install and use each.
    """
    if (target is None) != (folder is None):
        raise click.UsageError("--for and --out go together: which platform, and where the package goes")
    if target is None or folder is None:
        from connector.packages import manifest as description

        print_json(description.manifest())
        return
    from connector.packages.targets import TARGETS

    if target not in TARGETS:
        raise click.UsageError(f"there is no package for {target!r}; there is one for {', '.join(TARGETS)}")
    for path in TARGETS[target].package().write(folder):
        click.echo(path)
