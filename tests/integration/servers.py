"""`iocstream serve` on loopback, as its users run it: in a process of its own, on a free port."""

import json
import signal
import subprocess
import threading
from contextlib import contextmanager

import requests
from integration.command import started

from connector.settings.server import new_token

SCOPES = {"reader": ["read"], "soar": ["act"], "root": ["admin"], "puller": ["taxii:indicators"]}


class Server:
    """A running server.

    Attributes:
        tokens: by name; each has the scopes of `SCOPES`.
        log: the lines it has written to stderr so far.
    """

    def __init__(self, process, tokens):
        self.process, self.tokens, self.log = process, tokens, []
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._listening.wait(30), self.log
        self.url = next(json.loads(line)["url"] for line in self.log if '"serving"' in line)

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line.decode())
            if b'"serving"' in line:
                self._listening.set()
        self._listening.set()

    def finish_reading(self):
        self._reader.join(10)

    def post(self, action, parameters=None, *, token="root", **options):
        headers = {"Authorization": f"Bearer {self.tokens[token]}"} if token else {}
        return requests.post(
            f"{self.url}/actions/{action}",
            json=parameters,
            headers=headers | options.pop("headers", {}),
            timeout=60,
            **options,
        )

    def end(self):
        """Ask it to end; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(40)
        self._reader.join(10)
        return code


def section(known, **options):
    """`server:` of a configuration, for tokens by name."""
    hashes = [{"name": name, "hash": hashed, "scopes": SCOPES[name]} for name, (_, hashed) in known.items()]
    return f"server: {json.dumps({'listen': '127.0.0.1:0', 'tokens': hashes, **options})}\n"


@contextmanager
def serving_actions(configuration, *, env=None, **options):
    """Serve a configuration file, to which the section `server` is added."""
    tokens = {name: new_token() for name in SCOPES}
    configuration.write_text(configuration.read_text() + section(tokens, **options))
    folder = configuration.parent
    with started("serve", "-c", configuration, cwd=folder, env=env, stderr=subprocess.PIPE) as process:
        server = Server(process, {name: token for name, (token, _) in tokens.items()})
        try:
            yield server
        finally:
            process.kill()
            server.finish_reading()
