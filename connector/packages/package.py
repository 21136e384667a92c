"""A package as files, written to a folder or packed into an archive: the same bytes each time."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from connector.model import Misconfigured

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP archive can say."""


@dataclass(frozen=True, slots=True)
class Package:
    """The files that a platform installs.

    Attributes:
        files: path with slashes → content.
        archives: name of a file → the archive that a platform wants uploaded.
    """

    files: Mapping[str, bytes]
    archives: Mapping[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> list[Path]:
        """Write all of it; the paths written.

        Raises:
            Misconfigured: there is something in the folder already, or it cannot be written.
        """
        written = []
        try:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise Misconfigured(f"{folder} is not an empty folder; name another with --out, or move it away")
            for name, content in sorted({**self.files, **self.archives}.items()):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                written.append(path)
        except OSError as error:
            raise Misconfigured(f"{error.filename} cannot be written: {error.strerror}") from None
        return written


def tgz(files: Mapping[str, bytes]) -> bytes:
    """A gzipped tar archive."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted({str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A ZIP archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
