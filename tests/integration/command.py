"""The command `iocstream`, run as its users run it: in a process of its own."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import structlog

from connector.cli.main import main

ROOT = Path(__file__).parent.parent.parent


def iocstream(*arguments, cwd, env=None, stdin=b"", timeout=60):
    """Run to the end; the completed process, with text in `stdout` and `stderr`."""
    done = subprocess.run(
        [sys.executable, "-m", "connector", *map(str, arguments)],
        cwd=cwd,
        env=environment(env),
        input=stdin,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in done.stderr, done.stderr
    return done


def started(*arguments, cwd, env=None, **pipes):
    """Start it and return the process."""
    return subprocess.Popen(
        [sys.executable, "-m", "connector", *map(str, arguments)], cwd=cwd, env=environment(env), **pipes
    )


def environment(extra):
    """A small environment, so that nothing of the developer's leaks into a test; `make coverage` measures there too."""
    small = {"PATH": "/usr/sbin:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    measured = {key: value for key, value in os.environ.items() if key.startswith("COVERAGE_")}
    return {**small, **measured, **(extra or {})}


def iocstream_here(*arguments, cwd, env=None, stdin=b""):
    """The same within this process: for tests to which the process is nothing, as a start of Python costs most."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.dict(os.environ, environment(env), clear=True),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
    ):
        try:
            with pytest.raises(SystemExit) as end:
                main([str(argument) for argument in arguments])
        finally:
            structlog.reset_defaults()
            for number, handler in handlers.items():
                signal.signal(number, handler)
    printed, told = (file.buffer.getvalue().decode() for file in (flushed(out), flushed(err)))
    assert "Traceback" not in told, told
    return subprocess.CompletedProcess(arguments, end.value.code, printed, told)


def flushed(file):
    file.flush()
    return file
