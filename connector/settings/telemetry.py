"""The section `telemetry:` of the configuration."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from connector.settings.config import Settings

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/@]+)):([0-9]{1,5})\Z")
_MAX_PORT = 65535

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$"), AfterValidator(str.lower)]
"""A name of a machine, without a port."""


class TelemetrySettings(Settings):
    """What a monitoring system may ask while `iocstream run` runs."""

    listen: str | None = Field(
        None,
        description=(
            "Address and port that serve /metrics, /healthz and /readyz, such as 127.0.0.1:9464. Without "
            "it: none. There is no login, so choose an address that only your monitoring reaches."
        ),
    )

    hosts: list[HostName] = Field(
        default_factory=list,
        description=(
            "Names that the port may be asked by (header `Host`), besides addresses. Without it: names of this "
            "machine, and those that nobody can register on the Internet. It keeps pages of other sites from "
            "reading the metrics."
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
