"""Calls the server's actions."""

from connectors.core.connector import ConnectorError, get_logger

from .iocstream_client import ActionError, Client

logger = get_logger("iocstream")


def called(config, operation, params):
    """Call an action; its answer, or a ConnectorError that says what to do."""
    try:
        client = Client(config.get("server_url"), config.get("token"), config.get("verify_ssl", True))
        return client.call(operation, params)
    except ActionError as error:
        logger.error("%s: %s: %s", operation, error.code, error)  # noqa: TRY400 -- it is raised as well
        raise ConnectorError(f"{error.code}: {error}") from None
