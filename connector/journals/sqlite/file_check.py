"""Whether a file can be the journal, found without opening it as a database, which would change or make files."""

import os
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

from connector.journals.sqlite import open_files
from connector.journals.sqlite.database import APPLICATION_ID, migrations
from connector.journals.sqlite.mark import must_not_be_marked
from connector.model import Misconfigured

_MAGIC = b"SQLite format 3\0"
_HEADER = struct.Struct(">40xI16xI4xI28x")
"""Schema cookie, user version and application id (sqlite.org/fileformat2.html#the_database_header)."""


def check_file(path: Path) -> str:
    """One sentence on what is there.

    Raises:
        Misconfigured: it is no journal, or one of a newer version, or cannot be made or written to.
    """
    try:
        if path.is_symlink():
            with suppress(FileNotFoundError):
                path.stat()  # which tells of links in a circle, as nothing below does
        if path.is_dir():
            raise Misconfigured(f"the journal {path} is a folder; set `path` to a file in it")
        if not path.exists():
            must_not_be_marked(path, "is gone")
            return _inspect_folder(path)
        if not path.is_file():
            raise Misconfigured(f"the journal {path} is not a regular file; set `path` to another file")
        with open_files.kept_closed(path) as is_closed:
            if not is_closed:
                return f"{path} is open"  # and was looked at when it was opened
            with path.open("rb") as file:
                header = file.read(_HEADER.size)
    except OSError as error:
        raise Misconfigured(f"the journal {path} cannot be read: {error.strerror}") from None
    if header:
        _inspect_header(path, header)
    else:
        must_not_be_marked(path, "is empty")
    if not os.access(path, os.W_OK) or not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise Misconfigured(
            f"the journal {path} cannot be written to: the file and its folder must be writable for this user"
        )
    return f"{path} can be gone on with and has {path.stat().st_size} bytes"


def is_of_this_version(path: Path) -> bool:
    """Whether a file is a journal that can be opened without being changed: one of an older version is migrated."""
    if not path.is_file():
        return False
    with open_files.kept_closed(path) as is_closed:
        if not is_closed:
            return True
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
    return len(header) == _HEADER.size and _HEADER.unpack(header)[1:] == (len(migrations()), APPLICATION_ID)


def _inspect_folder(path: Path) -> str:
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder) as trial:  # what may be written is known by writing alone
            trial.write(b"trial")
    except OSError as error:
        raise Misconfigured(
            f"the journal {path} cannot be made in {folder}: {error.strerror}."
            " Set `path` to a file in a folder that this user may write to"
        ) from None
    return f"{path} will be made"


def _inspect_header(path: Path, header: bytes) -> None:
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise Misconfigured(
            f"{path} is not a journal of ours, nor any SQLite database; set `path` to another file."
            " If it was the journal once, restore a backup of it, or move it away to start anew"
        )
    schema_cookie, version, application_id = _HEADER.unpack(header)
    if application_id != APPLICATION_ID and (schema_cookie, version, application_id) != (0, 0, 0):
        raise Misconfigured(f"{path} is a database of another program, not a journal; set `path` to another file")
    known = len(migrations())
    if version > known:
        raise Misconfigured(
            f"the journal {path} was written by a newer version of this program (its schema is {version},"
            f" this program knows {known}): upgrade, or restore the backup made before"
        )
