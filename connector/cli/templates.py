"""The configurations that `iocstream init --template` writes: a source, and a route into one kind of receiver."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of receiver.

    Attributes:
        title: what it is, for people.
        address: what its address looks like; empty when it has none.
        route: the route, as YAML, with {address}, {host} and {port} in it.
        secrets: the environment variables that it names.
    """

    title: str
    address: str
    route: str
    secrets: tuple[str, ...] = ()


def _http(to: str, mapping: str, *more: str) -> str:
    lines = [
        "    mapping: " + mapping,
        "    sink:",
        "      type: http",
        f"      to: {to}",
        *(f"      {x}" for x in more),
    ]
    return "\n".join(lines) + "\n"


def _syslog(transport: str) -> str:
    sink = ["type: syslog", 'host: "{host}"', "port: {port}", f"transport: {transport}"]
    return "\n".join(["    mapping: cef", "    sink:", *(f"      {each}" for each in sink)]) + "\n"


TEMPLATES: Mapping[str, Template] = {
    "file": Template(
        "files: a STIX bundle that any platform imports",
        "",
        "    mapping: stix21\n    sink: {type: file, path: indicators.json, layout: stix-bundle}\n",
    ),
    "taxii": Template(
        "a collection of a TAXII 2.1 server",
        "https://taxii.example.com/api1/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/",
        '    mapping: stix21\n    sink:\n      type: taxii\n      collection_url: "{address}"\n'
        "      username: connector\n      password: ${TAXII_PASSWORD}\n",
        ("TAXII_PASSWORD",),
    ),
    "syslog": Template(
        "a SIEM that takes CEF by syslog over TLS",
        "syslog.example.com:6514",
        _syslog("tls"),
    ),
    "relp": Template(
        "rsyslog by RELP, where every event is acknowledged",
        "syslog.example.com:2514",
        _syslog("relp"),
    ),
    "splunk": Template(
        "Splunk's HTTP Event Collector",
        "https://splunk.example.com:8088",
        _http("splunk-hec", "splunk-hec", 'url: "{address}"', "token: ${HEC_TOKEN}"),
        ("HEC_TOKEN",),
    ),
    "elasticsearch": Template(
        "Elasticsearch or OpenSearch, by _bulk",
        "https://elasticsearch.example.com:9200",
        _http(
            "elasticsearch",
            "ecs",
            'url: "{address}"',
            "token: ${ELASTICSEARCH_API_KEY}",
            "options:",
            "  index: logs-iocstream",
        ),
        ("ELASTICSEARCH_API_KEY",),
    ),
    "sentinel": Template(
        "Microsoft Sentinel, upload of STIX objects",
        "https://api.ti.sentinel.azure.com",
        _http(
            "sentinel",
            "{use: stix21, profile: sentinel}",
            'url: "{address}"',
            "options:",
            "  workspace: 00000000-0000-0000-0000-000000000000   # yours",
            "oauth:",
            "  token_url: https://login.microsoftonline.com/TENANT/oauth2/v2.0/token   # your tenant",
            "  client_id: 00000000-0000-0000-0000-000000000000   # of the application",
            "  client_secret: ${SENTINEL_SECRET}",
            "  scope: https://management.azure.com/.default",
        ),
        ("SENTINEL_SECRET",),
    ),
    "misp": Template(
        "MISP, by its API",
        "https://misp.example.com",
        _http("misp", "misp", 'url: "{address}"', "token: ${MISP_KEY}"),
        ("MISP_KEY",),
    ),
    "slack": Template(
        "Slack, an incoming webhook",
        "",
        _http("slack", "slack", "url: ${SLACK_WEBHOOK}"),
        ("SLACK_WEBHOOK",),
    ),
}
"""By the name that `--template` takes."""


def configuration(name: str, key: str, address: str = "", api_url: str = "") -> str:
    """The text of a configuration.

    Args:
        name: of the template.
        key: the reference to the API key, such as `${VT_API_KEY}`.
        address: of the receiver; without it the example's.
        api_url: of the API, where it is not VirusTotal's own.
    """
    template = TEMPLATES[name]
    where = address or template.address
    parts = urlsplit(f"//{where}" if "://" not in where else where)
    route = template.route.replace("{address}", where)
    route = route.replace("{host}", parts.hostname or "").replace("{port}", str(parts.port or 6514))
    api = f'    api_url: "{api_url}"\n' if api_url else ""
    return (
        "# IoC-Stream Connector. ${VARIABLE} and ${file:/path} stand for a value kept elsewhere: secrets belong there."
        "\n# Every option: docs/configuration.md.\n\n"
        f"sources:\n  virustotal:\n    type: virustotal\n    api_key: {key}\n{api}"
        "    # filter: origin:hunting           # which notifications, in VirusTotal's own terms\n\n"
        "journal:\n  path: iocstream.db\n\n"
        "producer:\n  name: Example SOC                  # who is named as the author of STIX objects\n"
        "  tlp: amber\n\n"
        f"routes:\n  {name}:                             # {template.title}\n{route}"
    )


def reference(said: str) -> str:
    """A reference to a secret, as the configuration has it: of the name of a variable, or the path of a file."""
    said = said.strip()
    if said.startswith("${"):
        return said
    return f"${{file:{said}}}" if "/" in said else f"${{{said}}}"
