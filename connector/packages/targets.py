"""The platforms there are packages for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from connector.packages import fortisoar, openapi, opencti, shuffle, splunk_soar, stackstorm, xsoar
from connector.packages.package import Package


@dataclass(frozen=True, slots=True)
class Target:
    """A platform.

    Attributes:
        minimum: its oldest version that the package says it is for.
    """

    title: str
    minimum: str
    package: Callable[[], Package]


TARGETS: Mapping[str, Target] = {
    "xsoar": Target("Cortex XSOAR", xsoar.MINIMUM, xsoar.package),
    "splunk-soar": Target("Splunk SOAR", splunk_soar.MINIMUM, splunk_soar.package),
    "opencti": Target("OpenCTI", opencti.MINIMUM, opencti.package),
    "openapi": Target("OpenAPI (Tines, n8n, …)", openapi.MINIMUM, openapi.package),
    "stackstorm": Target("StackStorm", stackstorm.MINIMUM, stackstorm.package),
    "shuffle": Target("Shuffle", shuffle.MINIMUM, shuffle.package),
    "fortisoar": Target("FortiSOAR", fortisoar.MINIMUM, fortisoar.package),
}
"""By the name that `iocstream manifest --for` takes."""
