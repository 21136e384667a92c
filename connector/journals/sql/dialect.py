"""What an SQL store gives to the verbs of the journal: transactions in which statements run by name, and leases."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib import resources
from typing import Any, Protocol

from connector.model import LeaseHolder, Misconfigured


class Cursor(Protocol):
    """The rows of a statement that has run, each a tuple."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        ...

    def fetchone(self) -> Any:
        """The next row; None after the last."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left, one by one."""
        ...


class Transaction(Protocol):
    """One transaction. A statement is run by its name, which is the same in every store."""

    def run(self, name: str, values: Mapping[str, Any] | tuple[()] = ()) -> Cursor:
        """Run a statement with these values for its parameters."""
        ...

    def run_many(self, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run a statement for each row of values; return how many rows of the table were changed in all."""
        ...

    def run_each(self, name: str, rows: Iterable[Mapping[str, Any]]) -> Sequence[Sequence[Any]]:
        """Run a statement for each row of values; return the rows that each gives."""
        ...

    def insert(self, name: str, values: Mapping[str, Any]) -> int:
        """Run an INSERT that returns the number of the new row; return it."""
        ...

    def ask(self, statement: str, values: Mapping[str, Any] | tuple[()] = ()) -> Cursor:
        """Run a statement that has no name of its own; it has `:name` in the place of each value."""
        ...

    def ask_many(self, statement: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """As `ask`, for each row of values."""
        ...

    def last_number(self, table: str, column: str) -> int:
        """The last number that a row of a table was given, be it gone; 0: none."""
        ...

    def allow_long_statements(self) -> None:
        """Have statements take hours until this transaction ends: those that read all of a table."""
        ...

    def number_after(self, table: str, column: str, number: int) -> None:
        """Have rows to come get greater numbers than this one."""
        ...


class Database(Protocol):
    """A store, opened at first use."""

    def read(self) -> AbstractContextManager[Transaction]:
        """One unchanging view of the store."""
        ...

    def write(self) -> AbstractContextManager[Transaction]:
        """One transaction: durable when the block has ended, undone when it raised."""
        ...

    def reclaim(self) -> None:
        """Give back to the disk what is free since much was forgotten."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it has been opened, and not closed since."""
        ...

    def damaged(self, detail: str) -> Misconfigured:
        """The error that tells a person what to do about a damaged store."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


class Leases(Protocol):
    """The leases that one open journal holds; see `connector.ports.Journal.lease`."""

    def hold(self, name: str, remedy: str = ...) -> AbstractContextManager[None]:
        """Hold a lease; a second entry by the same journal is refused too.

        Args:
            name: whose it is.
            remedy: what can be done while another living process holds it, which the error says.

        Raises:
            Unavailable: another living process, or the same journal, holds it.
        """
        ...

    def renew(self, name: str) -> None:
        """Renew a lease held while there is nothing to write."""
        ...

    def renew_all(self) -> Sequence[str]:
        """As `connector.ports.Journal.renew_leases`."""
        ...

    def fence(self, db: Any, name: str) -> None:
        """Make sure, inside the transaction that writes, that the lease is still held; renew it."""
        ...

    def is_anothers(self, db: Any, name: str) -> bool:
        """Whether another process, or journal of this one, holds the lease."""
        ...

    def holder(self, db: Any, name: str) -> LeaseHolder | None:
        """The living process that holds the lease, or has let it go for an outage and nobody took it since."""
        ...

    def close(self) -> None:
        """Give back the leases still held."""
        ...


def named_statements(*packages: str) -> Mapping[str, str]:
    """The statements that stand under `-- name: …` lines in the `.sql` files of these packages.

    Raises:
        ValueError: two have the same name.
    """
    statements: dict[str, str] = {}
    files = (file for package in packages for file in resources.files(package).iterdir())
    for file in files:
        _, *parts = file.read_text(encoding="utf-8").split("-- name: ") if file.name.endswith(".sql") else ("",)
        for name, _, statement in (part.partition("\n") for part in parts):
            if name in statements:
                raise ValueError(f"two statements are called {name}")
            statements[name] = statement.strip()
    return statements
