"""How to reach a Kafka cluster: what its source and sink share. The client is librdkafka, by confluent-kafka."""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from connector.clients.hiding import Hiding
from connector.clients.http import is_plain_http
from connector.clients.login import OAuthSettings
from connector.model import ConnectorError, Misconfigured, Unavailable
from connector.settings.config import ClientCertificate, ClientKey, ExistingFile, Settings
from connector.values.addresses import is_loopback

MISSING = "Kafka needs confluent-kafka, which is not installed: pip install 'iocstream-connector[kafka]'"
_LONGEST_REASON = 300
_FOR_A_PERSON = frozenset(
    (
        "TOPIC_AUTHORIZATION_FAILED",
        "CLUSTER_AUTHORIZATION_FAILED",
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "GROUP_AUTHORIZATION_FAILED",
        "SASL_AUTHENTICATION_FAILED",
        "UNSUPPORTED_SASL_MECHANISM",
        "TOPIC_EXCEPTION",
        "UNKNOWN_TOPIC_OR_PART",
        "INVALID_REQUIRED_ACKS",
        "UNSUPPORTED_VERSION",
        "_AUTHENTICATION",
        "_SSL",
        "_UNKNOWN_TOPIC",
        "_UNKNOWN_PARTITION",
        "_INVALID_ARG",
    )
)
"""Errors that waiting does not mend, by librdkafka's names for them."""
_ABOUT_CERTIFICATES = re.compile(r"\balert .*(certificate|unknown ca|handshake failure)")
_NOBODY = "_ALL_BROKERS_DOWN"
_TLS = "if this port speaks no TLS, take the one that does, or on loopback set tls: false"


class KafkaSettings(Settings):
    """A topic of a Kafka cluster, and how to reach it."""

    bootstrap_servers: str = Field(
        min_length=1, description="Addresses of one or several brokers, `host:port`, with commas between them."
    )
    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$", description="Name of the topic, which must be there.")
    tls: bool = Field(default=True, description="Whether brokers are spoken to over TLS. Loopback needs none.")
    ca_bundle: ExistingFile | None = Field(
        None, description="PEM file of the CA certificates to trust. Without it: those that the system trusts."
    )
    client_certificate: ClientCertificate = None
    client_key: ClientKey = None
    sasl: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "PLAIN", description="The mechanism for `username` and `password`."
    )
    username: str | None = Field(None, description="User name for SASL. Goes together with `password`.")
    password: SecretStr | None = Field(None, description="Password for SASL. Goes together with `username`.")
    oauth: OAuthSettings | None = Field(
        None,
        description=(
            "SASL OAUTHBEARER with OAuth 2 client credentials: where tokens are given out. Id and secret are sent as "
            "HTTP Basic."
        ),
    )
    allow_http: bool = Field(
        default=False,
        description="Whether `token_url` may be http:// on another machine. The secret can then be read on the way.",
    )
    timeout_seconds: float = Field(
        60, ge=1, le=3600, description="Longest wait for the brokers to report what became of a message, in seconds."
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_addresses(cls, servers: str) -> str:
        for each in servers.split(","):
            host, colon, port = each.strip().rpartition(":")
            if not colon or not host or not port.isascii() or not port.isdigit():
                raise ValueError("must be host:port, or several with commas between them")
        return ",".join(each.strip() for each in servers.split(","))

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if self.oauth is not None and self.username is not None:
            raise ValueError("give one login: oauth, or username and password")
        if self.oauth is not None and "send_as" in self.oauth.model_fields_set:
            raise ValueError("send_as is of no use here: the client for Kafka sends HTTP Basic; leave it out")
        if self.oauth is not None and not self.allow_http and is_plain_http(self.oauth.token_url):
            raise ValueError(
                "token_url with plain http:// to another machine shows the secret to everyone on the way; "
                "use https://, or set allow_http: true"
            )
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key needs client_certificate")
        if not self.tls and (self.ca_bundle is not None or self.client_certificate is not None):
            raise ValueError("ca_bundle and client_certificate are for TLS; leave tls out, or set it to true")
        if not self.tls and not all(is_loopback(host) for host in self._hosts()):
            raise ValueError("without TLS login and content can be read on the way; only loopback needs none")
        return self

    @cached_property
    def hide(self) -> Hiding:
        """Hides the secrets in what librdkafka and the brokers say."""
        return Hiding(self.password, self.oauth.client_secret if self.oauth is not None else None)

    def _hosts(self) -> list[str]:
        return [each.rpartition(":")[0].strip("[]") for each in self.bootstrap_servers.split(",")]

    def client(self) -> Mapping[str, Any]:
        """The options of librdkafka that say how to reach the cluster."""
        has_sasl = self.username is not None or self.oauth is not None
        protocol = ("SASL_" if has_sasl else "") + ("SSL" if self.tls else "PLAINTEXT")
        options: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": protocol,
            "client.id": "iocstream-connector",
            "log_level": 0,  # what matters comes by callbacks
            "socket.connection.setup.timeout.ms": 10_000,
        }
        for name, path in (
            ("ssl.ca.location", self.ca_bundle),
            ("ssl.certificate.location", self.client_certificate),
            ("ssl.key.location", self.client_key or self.client_certificate),
        ):
            if path is not None:
                options[name] = str(path)
        if self.username is not None and self.password is not None:
            options |= {
                "sasl.mechanism": self.sasl,
                "sasl.username": self.username,
                "sasl.password": self.password.get_secret_value(),
            }
        if self.oauth is not None:
            options |= {
                "sasl.mechanism": "OAUTHBEARER",
                "sasl.oauthbearer.method": "oidc",
                "sasl.oauthbearer.token.endpoint.url": self.oauth.token_url,
                "sasl.oauthbearer.client.id": self.oauth.client_id,
                "sasl.oauthbearer.client.secret": self.oauth.client_secret.get_secret_value(),
            }
            if self.oauth.scope is not None:
                options["sasl.oauthbearer.scope"] = self.oauth.scope
        return options


class Troubles:
    """What a client of librdkafka reports by callback, while its calls merely time out."""

    def __init__(self) -> None:
        self._last: Any = None

    def note(self, error: Any) -> None:
        """Called by librdkafka (`error_cb`); that no broker is left says less than why one is gone."""
        if error.name() != _NOBODY or self._last is None:
            self._last = error

    def forget(self) -> None:
        """What was reported so far is over."""
        self._last = None

    @property
    def for_a_person(self) -> Any:
        """The last error, if it is one that waiting does not mend; else None."""
        return self._last if self._last is not None and _name(self._last) in _FOR_A_PERSON else None

    @property
    def last(self) -> Any:
        """The last error; None when there was none."""
        return self._last


def _name(error: Any) -> str:
    """The name of an error; a broker that hangs up and says by TLS that it is for a certificate is a fault of TLS."""
    name, said = str(error.name()), str(error.str())
    return "_SSL" if name == "_TRANSPORT" and _ABOUT_CERTIFICATES.search(said) else name


def reason(error: Any, settings: KafkaSettings) -> str:
    """What librdkafka says of an error, as one line without secrets, and its name for it."""
    return f"{settings.hide.line(str(error.str()), _LONGEST_REASON)} ({error.name()})"


def explained(error: Any, settings: KafkaSettings) -> ConnectorError:
    """An error of librdkafka in a sentence, by who can mend it."""
    name = _name(error)
    said = settings.hide.line(str(error.str()), _LONGEST_REASON)
    where = f"{settings.bootstrap_servers}, topic {settings.topic}"
    if name in ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION"):
        return Misconfigured(f"{where}: there is no such topic, or this login may not know that it is. Create it")
    if name.endswith("AUTHORIZATION_FAILED"):
        return Misconfigured(f"{where}: this login has not the right to ({said}). Give it to it, or use another login")
    if name in ("_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM"):
        return Misconfigured(f"{where}: the login is refused ({said}). Check sasl, username and password, or oauth")
    if name == "_SSL":
        return Misconfigured(
            f"{where}: TLS failed ({said}). If the broker's certificate comes from your own CA, set ca_bundle; if it "
            f"asks for a client certificate, set client_certificate; {_TLS}"
        )
    if name in _FOR_A_PERSON:
        return Misconfigured(f"{where}: {reason(error, settings)}")
    return Unavailable(f"{where}: {outage(error, settings)}")


def outage(error: Any, settings: KafkaSettings) -> str:
    """What librdkafka says of an outage, and which option may be wrong, where brokers merely hang up."""
    name, hints = error.name(), []
    if name == "_TRANSPORT" and "SSL" in str(error.str()):
        hints.append(_TLS)
    if name == _NOBODY and not settings.tls:
        hints.append("if this port speaks TLS, set tls: true")
    if name == _NOBODY and settings.username is None and settings.oauth is None:
        hints.append("if it wants a login, set username and password, or oauth")
    return "; ".join([reason(error, settings), *hints])


def imported(make: Callable[[], Any]) -> Any:
    """What a function makes that imports confluent-kafka.

    Raises:
        Misconfigured: it is not installed.
    """
    try:
        return make()
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("confluent_kafka"):
            raise
        raise Misconfigured(MISSING) from None


def found_topic(client: Any, troubles: Troubles, settings: KafkaSettings) -> Any:
    """What the cluster says of the topic.

    Raises:
        Unavailable, Misconfigured: it cannot be asked, or there is none.
    """
    from confluent_kafka import KafkaException  # noqa: PLC0415 -- an extra

    try:
        topic = client.list_topics(settings.topic, timeout=min(settings.timeout_seconds, 20)).topics[settings.topic]
    except KafkaException as error:
        client.poll(0)  # has the callback told what is behind it
        raise explained(troubles.for_a_person or troubles.last or error.args[0], settings) from None
    if topic.error is not None:
        raise explained(topic.error, settings)
    return topic
