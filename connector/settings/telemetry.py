"""The section `telemetry:` of the configuration."""

import re

from pydantic import Field, field_validator

from connector.settings.config import Settings

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/@]+)):([0-9]{1,5})\Z")
_MAX_PORT = 65535


class TelemetrySettings(Settings):
    """What a monitoring system may ask while `iocstream run` runs."""

    listen: str | None = Field(
        None,
        description=(
            "Address and port that serve /metrics, /healthz and /readyz, such as 127.0.0.1:9464. Without "
            "it: none. There is no login, so choose an address that only your monitoring reaches."
        ),
    )

    @field_validator("listen")
    @classmethod
    def _address_and_port(cls, text: str | None) -> str | None:
        if text is not None:
            address_and_port(text)
        return text

    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on."""
        return None if self.listen is None else address_and_port(self.listen)


def address_and_port(text: str) -> tuple[str, int]:
    """Where to listen, as `ADDRESS:PORT`.

    Raises:
        ValueError: it is none.
    """
    found = _ADDRESS.match(text)
    if found is None or int(found[3]) > _MAX_PORT:
        raise ValueError("it must be ADDRESS:PORT, such as 127.0.0.1:9464, 0.0.0.0:9464 or [::1]:9464")
    return found[1] or found[2], int(found[3])
