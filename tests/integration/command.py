"""The command `iocstream`, run as its users run it: in a process of its own."""

import subprocess
import sys
from pathlib import Path

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
    """A small environment, so that nothing of the developer's leaks into a test."""
    return {"PATH": "/usr/sbin:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **(extra or {})}
