"""A software bill of materials (CycloneDX 1.6, JSON) from the locks: what the product and each of its extras install.

Nothing in it is of this machine or of this moment, so that the same commit has the same file; the date is
SOURCE_DATE_EPOCH, as in the wheel.

    python docs/sbom.py > dist/iocstream-connector-0.1.0.cdx.json
"""

import datetime
import json
import os
import re
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_PACKAGE = re.compile(r"^([\w.-]+)==([^\s;]+)((?:.*\\\n)*.*)", re.MULTILINE)
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
"""RFC 9562's for URLs."""


def components(lock: str) -> dict[str, dict[str, Any]]:
    """Package → its component, of a lock."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")
    found = {}
    for name, version, rest in _PACKAGE.findall(text):
        purl = f"pkg:pypi/{name}@{version}"
        hashes = re.findall(r"--hash=sha256:(\w+)", rest)
        marker = re.match(r"\s*;\s*(.*?)\s*\\", rest)
        found[name] = {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": version,
            "purl": purl,
            # Of the files that the lock allows: the source, and a wheel for each platform.
            "properties": [
                *({"name": "iocstream:sha256", "value": each} for each in hashes),
                *([{"name": "iocstream:marker", "value": marker[1]}] if marker else []),
            ],
        }
    return found


def bill(epoch: int) -> dict[str, Any]:
    """The whole document, dated at a time in Unix seconds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    name, version = project["name"], project["version"]
    core = components("runtime")
    extras = {extra: components(extra) for extra in sorted(project["optional-dependencies"])}
    wanted: dict[str, dict[str, Any]] = dict(core)
    for extra, packages in extras.items():
        for package, component in packages.items():
            if package not in core:
                wanted.setdefault(package, {**component, "scope": "optional"})
                wanted[package]["properties"].append({"name": "iocstream:extra", "value": extra})
    purl = f"pkg:pypi/{name}@{version}"
    at = datetime.datetime.fromtimestamp(epoch, datetime.UTC)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
                "licenses": [{"license": {"id": project["license"]}}],
            },
        },
        "components": [wanted[package] for package in sorted(wanted)],
        "dependencies": [{"ref": purl, "dependsOn": sorted(each["bom-ref"] for each in wanted.values())}],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": f"urn:uuid:{serial}"}


if __name__ == "__main__":
    json.dump(bill(int(os.environ["SOURCE_DATE_EPOCH"])), sys.stdout, indent=2, sort_keys=True)
    print()
