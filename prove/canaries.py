"""Secrets that are unique texts, and the search for them in every file that a connector wrote."""

import base64
import json
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prove.parties import taxii_peers

API_KEY = "canary7e0d5f3a1c9b4826aa53e1f7c0d94b2268f0b7c1d3e5a9f8"
PASSWORD = taxii_peers.PASSWORD
"""The real servers' login is the tests' own."""
USERNAME = taxii_peers.USERNAME
PROXY_PASSWORD = "canary-proxy-9f31c2"
TOKEN = "canary-token-55b0e4d17a"
HEADER_KEY = "canary-header-key-c81f02"

ENVIRONMENT: Mapping[str, str] = {
    "VT_API_KEY": API_KEY,
    "TAXII_PASSWORD": PASSWORD,
    "PROXY_PASSWORD": PROXY_PASSWORD,
    "TAXII_TOKEN": TOKEN,
    "TAXII_KEY": HEADER_KEY,
}
"""What the configurations of all proofs name as `${…}`."""


@dataclass(slots=True)
class Sweep:
    """What was searched and what was found.

    Attributes:
        found: `file: which secret`.
    """

    files: int = 0
    bytes: int = 0
    found: list[str] = field(default_factory=list)

    def add(self, other: "Sweep") -> None:
        """Add another one's."""
        self.files += other.files
        self.bytes += other.bytes
        self.found += other.found

    def folder(self, folder: Path, keys: Iterable[Path] = ()) -> None:
        """Search every file in a folder; `keys` are PEM files of private keys, secret line by line."""
        needles = _needles(keys)
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            content = path.read_bytes()
            self.files += 1
            self.bytes += len(content)
            self.found += [f"{path.name}: {name}" for name, text in needles if text in content]


def _needles(keys: Iterable[Path]) -> list[tuple[str, bytes]]:
    """Each secret in every form in which it could be written."""
    needles = []
    for name, secret in ENVIRONMENT.items():
        basic = base64.b64encode(f"{USERNAME}:{secret}".encode()).decode()
        forms = {
            secret,
            urllib.parse.quote(secret, safe=""),
            urllib.parse.quote_plus(secret),
            json.dumps(secret)[1:-1],
            base64.b64encode(secret.encode()).decode().rstrip("="),
            basic.rstrip("="),
            secret.encode().hex(),
        }
        needles += [(name, form.encode()) for form in forms]
    for path in keys:
        secrets = [line for line in path.read_bytes().splitlines() if not line.startswith(b"-----")]
        needles += [(path.name, line) for line in secrets if len(line) > 30]
    return needles
