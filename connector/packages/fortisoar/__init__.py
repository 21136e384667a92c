"""FortiSOAR: a connector whose operations are the server's actions, with playbooks that ingest indicators."""

from connector.packages.fortisoar.connector import MINIMUM, description
from connector.packages.fortisoar.playbooks import collection
from connector.packages.package import Package, tgz
from connector.packages.rendering import client, json_bytes, picture, readme, template

__all__ = ["MINIMUM", "package"]


def package() -> Package:
    """The connector as a folder, and as the archive to upload."""
    files = {
        "info.json": json_bytes(description()),
        "__init__.py": b"",
        "connector.py": template("fortisoar/connector.py"),
        "operations.py": template("fortisoar/operations.py"),
        "iocstream_client.py": client(),
        "playbooks/playbooks.json": json_bytes(collection()),
        "requirements.txt": b"requests\n",
        "images/small.png": picture(32, 32),
        "images/large.png": picture(80, 80),
        "README.md": readme("fortisoar/README.md"),
    }
    files = {f"iocstream/{name}": content for name, content in files.items()}
    return Package(files, {"iocstream.tgz": tgz(files)})
