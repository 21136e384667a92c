"""PostgreSQL servers of Debian's package, each with a folder of its own, on a socket there and on loopback."""

import atexit
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from free_ports import reserve

from connector.journals.postgresql.journal import PostgresqlJournal
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.journals.sql import copying

USER, PASSWORD = "connector", "postgres-password-0000"
_STARTING_SECONDS = 60


def programs():
    """The folder of the newest server that is installed; None without one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def needs_postgresql():
    """Skips where the server is not."""
    if programs() is None:
        pytest.skip("there is no PostgreSQL (.ci/install-servers)")


class Server:
    """One server, with a database `iocstream` that USER owns; who comes by the socket needs no password.

    Args:
        is_durable: whether what it has stored survives that the machine loses its power.
        tls: PEM file of its certificate and key; without one it speaks no TLS.
        folder: in which it makes its own; without one, in memory.
    """

    def __init__(self, *, is_durable=False, tls=None, folder=None, options=()):
        room = folder or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.folder = Path(tempfile.mkdtemp(prefix="iocstream-postgresql-", dir=room))
        self.port = reserve()
        self.options = [
            f"fsync={'on' if is_durable else 'off'}",
            "max_connections=60",
            "autovacuum_naptime=10",
            *options,
        ]
        self.process = None
        self._schemas, self._given_back = 0, []
        self._account = pwd.getpwnam("postgres") if os.getuid() == 0 else None  # it does not run as root
        self._give(self.folder)
        data = str(self.folder / "data")
        initdb = ("initdb", "--pgdata", data, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres")
        self._run(*initdb, "--auth-local=trust", "--auth-host=scram-sha-256")
        if tls is not None:
            pem = self.folder / "server.pem"
            pem.touch(0o600)
            pem.write_bytes(tls.read_bytes())
            self._give(pem)
            self.options += ["ssl=on", f"ssl_cert_file={pem}", f"ssl_key_file={pem}"]
        self.start()
        with self.admin("postgres") as db:
            db.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
            db.execute(f"CREATE DATABASE iocstream OWNER {USER}")

    @property
    def dsn(self):
        """Over the socket, where no password is asked for."""
        return f"host={self.folder} port={self.port} user={USER} dbname=iocstream"

    @property
    def network_dsn(self):
        """Over loopback, with PASSWORD."""
        return f"host=127.0.0.1 port={self.port} user={USER} dbname=iocstream"

    def admin(self, database="iocstream"):
        """A connection of the superuser."""
        dsn = f"host={self.folder} port={self.port} user=postgres dbname={database}"
        return closing(psycopg.connect(dsn, autocommit=True))

    def start(self):
        options = [
            "listen_addresses=127.0.0.1",
            f"port={self.port}",
            f"unix_socket_directories={self.folder}",
            *self.options,
        ]
        command = [
            programs() / "postgres",
            "-D",
            self.folder / "data",
            *(part for each in options for part in ("-c", each)),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **self._as_account())
        until = time.monotonic() + _STARTING_SECONDS
        while True:
            try:
                with self.admin("postgres"):
                    return
            except psycopg.OperationalError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise AssertionError((self.folder / "log").read_text()) from None
                time.sleep(0.05)

    def empty_schema(self):
        """The name of a schema with a journal's tables, in which nothing is: one that was given back, if any."""
        if not self._given_back:
            self._schemas += 1
            name = f"journal_{self._schemas}"
            with closing(PostgresqlJournal(PostgresqlSettings(dsn=self.dsn, schema_name=name))) as journal:
                journal.news()
            return name
        name = self._given_back.pop()
        with closing(psycopg.connect(self.dsn, autocommit=True)) as db:
            for table in reversed(copying.TABLES):
                db.execute(f"DELETE FROM {name}.{table.name}")
            db.execute(
                f"DELETE FROM {name}.look_ups; DELETE FROM {name}.leases; DELETE FROM {name}.workers;"
                f" UPDATE {name}.judged SET mark = 0;"
                f" INSERT INTO {name}.body_kinds VALUES ('notifications', 0, 1000), ('objects', 0, 1000)"
            )
            numbers = (
                "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S' AND relnamespace = to_regnamespace(%s)"
            )
            db.execute(numbers, [name])
        return name

    def give_back(self, schema):
        """Somebody else may have it."""
        self._given_back.append(schema)

    def stop(self, how=signal.SIGINT):
        """SIGINT: at once, and orderly; SIGQUIT: as if it crashed."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(_STARTING_SECONDS)

    def remove(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program, *arguments):
        subprocess.run(
            [programs() / program, *arguments],
            check=True,
            capture_output=True,
            cwd=self.folder,
            timeout=_STARTING_SECONDS,
            **self._as_account(),
        )

    def started(self, command, folder):
        """Another program, as the account that the server runs as, in a folder that is then its own."""
        for each in (folder, *folder.iterdir()):
            self._give(each)
        return subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as_account()
        )

    def _give(self, path):
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _as_account(self):
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}


@functools.cache
def shared():
    """The one server of this test process; it does not wait for a disk."""
    needs_postgresql()
    server = Server()
    atexit.register(server.remove)
    return server
