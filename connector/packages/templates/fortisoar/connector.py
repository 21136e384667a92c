"""The connector, as FortiSOAR calls it."""

from connectors.core.connector import Connector, ConnectorError, get_logger

from .operations import called

logger = get_logger("iocstream")


class IocStream(Connector):
    """Every operation of info.json is an action of the server."""

    def execute(self, config, operation, params, **kwargs):  # noqa: ARG002
        """Do one operation."""
        return called(config, operation, params)

    def check_health(self, config):
        """Raise when the server cannot be reached, or does not take the token."""
        called(config, "get_status", {})
        return True


__all__ = ["ConnectorError", "IocStream"]
