"""TLS to a syslog receiver: which files, whose name, and what a failure means (RFC 5425)."""

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from connector.model import Misconfigured, Unavailable
from connector.sinks.syslog.connection import Address, WrongReceiver, cause, words

_CLIENT_REFUSED = ("CERTIFICATE", "UNKNOWN_CA", "HANDSHAKE_FAILURE", "ACCESS_DENIED")


@dataclass(frozen=True, slots=True)
class Tls:
    """How to recognize the receiver, and be recognized by it.

    Attributes:
        ca_bundle: PEM file of the CA certificates to trust instead of the system's.
        certificate: PEM file of the client certificate.
        key: PEM file of its key, unless it is in the certificate's file.
        server_name: the name that the receiver's certificate must carry.
    """

    ca_bundle: Path | None
    certificate: Path | None
    key: Path | None
    server_name: str

    def context(self) -> ssl.SSLContext:
        """Read the files, anew for each connection, so that a renewed certificate is used without a restart.

        Raises:
            Misconfigured: a file cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_bundle)
        except OSError as error:
            raise Misconfigured(f"ca_bundle {self.ca_bundle} cannot be used: {cause(error)}") from None
        if self.certificate is not None:
            try:
                # An empty password: OpenSSL would ask for one at the terminal.
                context.load_cert_chain(self.certificate, self.key, password="")
            except OSError as error:
                raise Misconfigured(
                    f"client_certificate {self.certificate} cannot be used: {cause(error)}; it must be PEM, with the "
                    "key that belongs to it, and the key without a passphrase"
                ) from None
        return context


def secured(plain: socket.socket, context: ssl.SSLContext, server_name: str, address: Address) -> ssl.SSLSocket:
    """Make TLS of a connection; in any case `plain` must not be used any more.

    Raises:
        Unavailable: no complete handshake.
        Misconfigured: a certificate is refused, or this is not TLS.
    """
    try:
        return context.wrap_socket(plain, server_hostname=server_name)
    except ssl.SSLCertVerificationError as error:
        remedy = (
            "set server_name to the name that its certificate carries"
            if "mismatch" in error.verify_message
            else "set ca_bundle to the PEM file of the CA that issued it"
        )
        raise Misconfigured(
            f"the certificate of {address} is not accepted: {error.verify_message.rstrip('.')}; if this is the right "
            f"receiver, {remedy}"
        ) from None
    except ssl.SSLEOFError:
        raise Unavailable(f"{address} closed the connection during the TLS handshake") from None
    except ssl.SSLError as error:
        raise tls_error(error, address) from None
    except TimeoutError:
        raise Unavailable(f"{address} did not finish the TLS handshake in time") from None
    except ValueError:
        raise Misconfigured(f"server_name {server_name!r} is not the name of a host") from None
    except OSError as error:
        raise Unavailable(f"{address} broke the connection during the TLS handshake: {cause(error)}") from None
    finally:
        plain.close()  # nothing to do once it is wrapped: the file descriptor has moved


def tls_error(error: ssl.SSLError, address: Address) -> Misconfigured | Unavailable:
    """Sort a failure by who can mend it: a person, or time."""
    reason = error.reason or ""
    if "ALERT" in reason and any(word in reason for word in _CLIENT_REFUSED):
        return Misconfigured(
            f"{address} refuses this client ({words(reason)}): set client_certificate and client_key to a certificate "
            "that the receiver's CA issued and that it permits"
        )
    if "PROTOCOL_VERSION" in reason or reason == "UNSUPPORTED_PROTOCOL":
        return Misconfigured(f"{address} speaks no version of TLS from 1.2 on; upgrade the receiver")
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"):
        return WrongReceiver(f"{address} does not speak TLS: check port, or set a transport without it")
    return Unavailable(f"TLS with {address} failed: {words(reason) or cause(error)}")


def speaks_tls(said: bytes) -> bool:
    """Whether plain bytes are answered by a TLS alert (RFC 8446 section 5.1)."""
    return said[:2] == b"\x15\x03"
