"""What a person can do about an error of PostgreSQL, or whether waiting helps.

(postgresql.org/docs/current/errcodes-appendix.html)
"""

import re

import psycopg

from connector.model import ConnectorError, Misconfigured, Unavailable
from connector.values.display import one_line, shortened

_LONGEST_REASON = 400
_DISK_FULL, _TOO_MANY = "53100", "53300"
_READ_ONLY = "25006"
_WAIT = re.compile(r"08|0A000|40|53|55|57|58|25006|25P0[34]")
"""By the beginning of their code: connections, a plan that is older than its tables, serialization and deadlocks,
resources, locks, operators, the system, a standby, and a transaction that was idle too long."""
_NO_RIGHT = "42501"
_NOT_EMPTY = "2BP01"
_TOO_LONG = "54000"
_MISSING = re.compile(r"42P01|42703|42883|3F000|42P10")
_DAMAGED = re.compile(r"XX00[12]")
_OF_LOGIN = re.compile(r"28|3D000")
_REFUSED_LOGIN = re.compile(
    r"authentication failed|no password supplied|pg_hba\.conf|is not permitted to log in|role \".*\" does not exist"
    r"|database \".*\" does not exist|permission denied for database|no PostgreSQL user name|peer authentication"
)
_REFUSED_TLS = re.compile(
    r"server does not support SSL|certificate verify failed|server certificate for|root certificate file"
    r"|certificate file|private key file|tlsv1 alert|sslv3 alert|requires a valid client certificate|sslrootcert"
)
_MISTAKEN = re.compile(r"invalid connection option|invalid .* value|definition of service .* not found|service file")


def explained(  # noqa: C901, PLR0911 -- one return for each cause
    error: psycopg.Error, where: str, seconds: float
) -> ConnectorError | None:
    """What a person can do about it; None for what only a bug brings about."""
    code = error.sqlstate or ""
    said = shortened(one_line(str(error)), _LONGEST_REASON)
    if not code and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return _of_connection(said, where)
    if code == _DISK_FULL:
        return Unavailable(f"{where}: the disk of the database is full: free some space; nothing is lost ({said})")
    if code == _TOO_MANY:
        return Unavailable(f"{where}: too many connections: raise max_connections, or use a pooler ({said})")
    if code == _READ_ONLY:
        return Unavailable(f"{where}: this server takes no writes: it is a standby, or was made read only ({said})")
    if code in ("55P03", "57014"):
        return Unavailable(f"{where}: others have kept the journal for {seconds:g} s, or it answers slowly ({said})")
    if _WAIT.match(code):
        return Unavailable(f"{where}: {said} ({code})")
    if _OF_LOGIN.match(code):
        return _of_login(said, where)
    if code == _NO_RIGHT:
        return Misconfigured(
            f"{where}: this login has not the right to ({said}). Give it a schema of its own: CREATE SCHEMA name"
            " AUTHORIZATION login, and name that in journal.schema_name"
        )
    if code == _TOO_LONG:
        return Misconfigured(
            f"{where}: a name in the configuration, such as the URL or path of a sink, is longer than the database can"
            f" keep ({said}): shorten it to less than 2,000 bytes"
        )
    if code == _NOT_EMPTY:
        return Misconfigured(f"{where}: the schema that is to make room is not empty ({said}): drop what is in it")
    if _DAMAGED.match(code) or _MISSING.match(code):
        return damaged(said, where)
    return None


def damaged(detail: str, where: str) -> Misconfigured:
    """What to do about a damaged database."""
    return Misconfigured(
        f"the journal in {where} is damaged ({detail}). Restore a backup of the database; or drop its schema to start"
        " anew: the next run then fetches what was raised in the last `since_hours` of each source, and it is delivered"
        " again; lost are dead letters, and what is older and was not delivered yet"
    )


def _of_connection(said: str, where: str) -> ConnectorError:
    """Of an attempt to connect, which has no code: its text says what it was."""
    if _REFUSED_LOGIN.search(said):
        return _of_login(said, where)
    if _REFUSED_TLS.search(said):
        return Misconfigured(
            f"{where}: TLS failed ({said}). If the server's certificate comes from your own CA, add"
            " sslrootcert=/path/of/ca.pem to journal.dsn; if it asks for a client certificate, sslcert and sslkey"
        )
    if _MISTAKEN.search(said):
        return Misconfigured(f"{where}: {said}. Mend journal.dsn")
    return Unavailable(f"{where}: {said}")


def _of_login(said: str, where: str) -> Misconfigured:
    return Misconfigured(
        f"{where}: the login is refused ({said}). Check user and dbname in journal.dsn, journal.password or the"
        " password file, and the server's pg_hba.conf"
    )
