"""The journal's file: checked, copied, shrunk; its leases listed, and taken from whoever is gone."""

from collections.abc import Callable, Sequence
from pathlib import Path

from connector.configuration import Plan
from connector.journals.sqlite import maintenance
from connector.journals.sqlite.file_check import check_file
from connector.journals.sqlite.maintenance import Lease
from connector.model import Misconfigured


def check(plan: Plan, progress: Callable[[int, int], None]) -> tuple[int, Sequence[str]]:
    """How many notifications the journal has, and what is wrong with it, a sentence each."""
    return maintenance.check(_path(plan), progress)


def backup(plan: Plan, target: Path, progress: Callable[[int, int], None]) -> int:
    """Copy the journal to a new file; the bytes of the copy."""
    return maintenance.backup(_path(plan), target, progress)


def compact(plan: Plan) -> tuple[int, int]:
    """Give free space back to the disk; the bytes before and after."""
    return maintenance.compact(_path(plan))


def leases(plan: Plan) -> Sequence[Lease]:
    """Who serves which source and route."""
    return maintenance.leases(_path(plan))


def release(plan: Plan, name: str) -> None:
    """Take a lease from a holder that is gone."""
    maintenance.release(_path(plan), name)


def _path(plan: Plan) -> Path:
    path = plan.settings.journal.path
    check_file(path)
    if not path.exists():
        raise Misconfigured(f"there is no journal at {path} yet: `iocstream run` makes it")
    return path
