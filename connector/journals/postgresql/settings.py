"""Where the journal's database is, and how it is reached."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, SecretStr, ValidationInfo, field_validator, model_validator

from connector.settings.config import placed
from connector.settings.parts import JournalSettings
from connector.values.addresses import is_loopback

MISSING = "PostgreSQL needs psycopg, which is not installed: pip install 'iocstream-connector[postgresql]'"
LOOK_SECONDS = 6
"""How often processes that share a journal look at each other, and a second."""
_SECRETS = ("password", "sslpassword", "oauth_client_secret")
_CHECKED = ("verify-ca", "verify-full")
_OURS = ("options", "client_encoding", "replication", "fallback_application_name")
"""What this program sets itself, or would break it."""
_FORM = "`host=db.example dbname=iocstream user=connector`, or `postgresql://connector@db.example/iocstream`"


class PostgresqlSettings(JournalSettings):
    """A journal in a PostgreSQL database."""

    type: Literal["postgresql"] = Field("postgresql", description="The kind of journal: a PostgreSQL database.")
    dsn: str = Field(
        min_length=1,
        description=(
            "Where the database is: `host=db.example dbname=iocstream user=connector`, or a URL of PostgreSQL's; what "
            "libpq knows may be in it, several hosts too, but no password. Without sslmode, the server's certificate "
            "must be valid for its name; a socket and loopback need no TLS."
        ),
    )
    password: SecretStr | None = Field(
        None,
        description=(
            "Password of the database's user. Without it: what PGPASSWORD or the file of PGPASSFILE (`~/.pgpass`) says."
        ),
    )
    schema_name: str = Field(
        "iocstream",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="The schema of the database that has the journal's tables, and nothing else; made if need be.",
    )
    timeout_seconds: float = Field(
        30,
        ge=1,
        le=600,
        description="Longest wait for an answer of the database, or for the turn to write, in seconds.",
    )

    takeover_seconds: int = Field(
        30,
        ge=15,
        le=600,
        description=(
            "How many seconds after a process that shares this journal was last heard of the others take over what it "
            "served. A shorter time takes over from processes that only hang for a while, too; nothing is lost by it."
        ),
    )

    @field_validator("dsn")
    @classmethod
    def _is_connection_string(cls, dsn: str) -> str:
        said = parsed(dsn)
        for name in _SECRETS:
            if name in said:
                raise ValueError(f"no {name} belongs here, where logs may show it: set journal.password, or PGPASSFILE")
        for name in _OURS:
            if name in said:
                raise ValueError(f"{name} is set by this program: leave it out")
        if is_tls_needed(said) and said.get("sslmode", "verify-full") not in _CHECKED:
            raise ValueError(
                "with this sslmode, login and content can be read or changed on the way: leave it out, or set it to "
                "verify-full; only a socket and loopback need no TLS"
            )
        return dsn

    _folder: Path = PrivateAttr(Path())

    @model_validator(mode="after")
    def _can_be_reached(self, info: ValidationInfo) -> Self:
        self._folder = placed(Path(), info)
        if self.password is not None and "\0" in self.password.get_secret_value():
            raise ValueError("no password holds a NUL character")
        return self

    @property
    def lease_seconds(self) -> int:
        """How long a process may not be heard of: the others look every few seconds, which is the rest of the time."""
        return self.takeover_seconds - LOOK_SECONDS

    def place(self) -> str:
        """See `connector.settings.parts.JournalSettings`."""
        said = parsed(self.dsn)
        host = said.get("host") or said.get("hostaddr") or said.get("service") or "the local server"
        port = f":{said['port']}" if "port" in said else ""
        name = said.get("dbname", "")
        return f"PostgreSQL, {host}{port}{f', database {name}' if name else ''}, schema {self.schema_name}"

    def beside(self, suffix: str) -> Path:
        """See `connector.settings.parts.JournalSettings`: in the folder of the configuration."""
        return self._folder / f"iocstream.{suffix}"

    def connection(self) -> Mapping[str, Any]:
        """The parameters of libpq, with the password."""
        said = parsed(self.dsn)
        given: dict[str, Any] = {
            "application_name": "iocstream-connector",
            "connect_timeout": max(2, int(self.timeout_seconds)),
            "target_session_attrs": "read-write",
            "tcp_user_timeout": int(self.timeout_seconds * 1000),
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        }
        if is_tls_needed(said):
            given["sslmode"] = "verify-full"
            roots = os.environ.get("PGSSLROOTCERT") or Path("~/.postgresql/root.crt").expanduser()
            if not os.path.exists(roots) and (system := ssl.get_default_verify_paths().cafile):  # noqa: PTH110
                given["sslrootcert"] = system
        given |= said
        given["client_encoding"] = "UTF8"
        if self.password is not None:
            given["password"] = self.password.get_secret_value()
        return given


def parsed(dsn: str) -> Mapping[str, str]:
    """The parameters in a connection string.

    Raises:
        ValueError: it is none; what it says is not in the error, since a secret may be in it.
    """
    try:
        from psycopg import ProgrammingError, conninfo  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("psycopg"):
            raise
        raise ValueError(MISSING) from None
    try:
        return {name: str(value) for name, value in conninfo.conninfo_to_dict(dsn).items() if value is not None}
    except ProgrammingError:
        raise ValueError(f"this is no connection string of PostgreSQL, such as {_FORM}") from None


def is_tls_needed(said: Mapping[str, str]) -> bool:
    """Whether a server is reached over a network."""
    hosts = said.get("hostaddr") or ""
    if not hosts and "service" not in said and not os.environ.get("PGSERVICE"):  # a service may name any address
        known = os.environ.get
        hosts = known("PGHOSTADDR") or said.get("host") or known("PGHOST") or "/"
    return not all(host.startswith(("/", "@")) or is_loopback(host) for host in hosts.split(","))
