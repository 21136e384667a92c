"""OpenAPI: the document of the server, for platforms that make their own actions of one (Tines, n8n, Torq, …)."""

from connector.model import Misconfigured
from connector.packages.package import Package
from connector.packages.rendering import SETTINGS, json_bytes

MINIMUM = "3.1"
"""The version of OpenAPI."""


def package() -> Package:
    """The document, with a place for the server's address.

    Raises:
        Misconfigured: the extra `server` of this package is not installed, which the document is made by.
    """
    try:
        from connector.server.application import document  # noqa: PLC0415 -- an extra, which other packages do without
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "connector":
            raise
        raise Misconfigured(
            f"the OpenAPI document needs {error.name}, which is not installed:"
            " pip install 'iocstream-connector[server]'"
        ) from None
    host = {"default": "iocstream.example:8640", "description": "Host and port of `iocstream serve`."}
    servers = [{"url": "https://{host}", "description": SETTINGS["url"], "variables": {"host": host}}]
    return Package({"openapi.json": json_bytes({**document(), "servers": servers})})
