"""OpenAPI: the document of the server, for platforms that make their own actions of one (Tines, n8n, Torq, …)."""

from connector.packages.package import Package
from connector.packages.rendering import SETTINGS, json_bytes

MINIMUM = "3.1"
"""The version of OpenAPI."""


def package() -> Package:
    """The document, with a place for the server's address.

    Raises:
        ModuleNotFoundError: the extra `server`, which makes the document, is not installed.
    """
    from connector.server.application import document  # noqa: PLC0415 -- an extra, which other packages do without

    host = {"default": "iocstream.example:8640", "description": "Host and port of `iocstream serve`."}
    servers = [{"url": "https://{host}", "description": SETTINGS["url"], "variables": {"host": host}}]
    return Package({"openapi.json": json_bytes({**document(), "servers": servers})})
