"""The group `iocstream` of all commands, and what an error becomes: a message and an exit code."""

import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from connector.cli.action import action
from connector.cli.check import check
from connector.cli.command import DONE, FAILED, MISCONFIGURED
from connector.cli.convert import convert
from connector.cli.demo import demo
from connector.cli.explain import explain
from connector.cli.find import find
from connector.cli.forget import forget
from connector.cli.guarded import guarded
from connector.cli.init import init
from connector.cli.journal import journal
from connector.cli.judge import judge
from connector.cli.manifest import manifest
from connector.cli.mapping import mapping
from connector.cli.plugin import plugin
from connector.cli.receivers import receivers
from connector.cli.rejected import rejected
from connector.cli.replay import replay
from connector.cli.run import run
from connector.cli.schema import schema
from connector.cli.serve import serve
from connector.cli.simulate import simulate
from connector.cli.status import status
from connector.cli.tail import tail
from connector.cli.teaching import Commands, teach
from connector.cli.token import token
from connector.cli.top import top

_GARBAGE_THRESHOLDS = 20_000, 10, 10
"""For how many new objects Python looks for garbage: what is imported and compiled at the start is none, and to look
through it again and again took a sixth of the time to start."""

# Everything else is imported by the command that needs it: `--help` must be instant.
# ruff: noqa: PLC0415


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character ends nothing
    if sys.stdout is None:  # closed by whoever started us: there is nobody to write to
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 -- as long as the program
    code = _main(arguments)
    _let_go_of_stderr()
    sys.exit(code)


def _let_go_of_stderr() -> None:
    """Flush stderr, or give it up: Python would try again at exit, and exit with a code of its own."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _main(arguments: Sequence[str] | None) -> int:
    from connector.cli import errors
    from connector.model import ConnectorError, Misconfigured, Unavailable

    code, message, kind = FAILED, "", "other.failed"
    try:
        return int(iocstream.main(arguments, prog_name="iocstream", standalone_mode=False) or DONE)
    except click.exceptions.NoArgsIsHelpError as error:
        with suppress(OSError):  # nobody reads it
            error.show()
        return error.exit_code
    except click.ClickException as error:
        code, message = error.exit_code, _said(error)
        kind = "command.other" if isinstance(error, click.UsageError) else kind
    except (click.Abort, KeyboardInterrupt):
        return 130
    except Misconfigured as error:
        code, message, kind = MISCONFIGURED, str(error), "config.other"
    except ConnectorError as error:
        message = str(error)
        kind = "other.unavailable" if isinstance(error, Unavailable) else "other.refused"
    except OSError as error:
        # Our output has nowhere to go; without this Python would try to write the rest once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # whoever read our output has gone, as `head` does
            message = f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
    if message:
        with suppress(OSError):  # nobody reads it
            click.echo(f"error: {message}\n`iocstream explain {errors.code_of(message, kind)}` says more", err=True)
    return code


def _said(error: click.ClickException) -> str:
    """What is wrong in one sentence, and where the command did not understand its arguments, who explains them."""
    message = " ".join(error.format_message().split())
    if isinstance(error, click.NoSuchOption) and error.ctx is not None and error.ctx.command is iocstream:
        return f"options such as {error.option_name} go after the command: `iocstream status --config FILE`"
    said = message[:1].lower() + message[1:]
    if message[:1] == said[:1] or not isinstance(error, click.UsageError) or error.ctx is None:
        return said  # in our own words, which have the remedy
    return f"{said.rstrip('.')}\n`{error.ctx.command_path} --help` says what there is"


@click.group(
    cls=Commands,
    commands=[
        init,
        check,
        run,
        status,
        top,
        tail,
        find,
        rejected,
        guarded,
        replay,
        judge,
        mapping,
        receivers,
        plugin,
        action,
        serve,
        token,
        forget,
        journal,
        convert,
        explain,
        simulate,
        demo,
        schema,
        manifest,
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="iocstream-connector", prog_name="iocstream")
def iocstream() -> None:
    """VirusTotal IoC-Stream notifications to STIX 2.1 over TAXII 2.1 and CEF over syslog, losing none.

    New here? `iocstream demo` shows everything on this machine only; `iocstream init` writes a configuration.
    """


teach(iocstream)
