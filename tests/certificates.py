"""Throw-away certificates for servers and clients of the tests."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """PEM files. `server` is for 127.0.0.1 and localhost, `other_name` for other.test, `client` for sender.test,
    `not_permitted` for nobody.test, `stranger` for sender.test by the other CA."""

    folder: Path

    def __getattr__(self, name):
        path = self.folder / f"{name}.pem"
        if not path.is_file():
            raise AttributeError(name)
        return path

    def server_context(self, certificate=None, *, ask_client=False):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca)
        context.load_cert_chain(certificate or self.server)
        context.verify_mode = ssl.CERT_REQUIRED if ask_client else ssl.CERT_NONE
        return context


def make(folder):
    """Fill a folder."""
    ca, other_ca = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    other_ca.cert_pem.write_to_path(str(folder / "other_ca.pem"))
    for name, issuer, identities in (
        ("server", ca, ("127.0.0.1", "localhost")),
        ("other_name", ca, ("other.test",)),
        ("client", ca, ("sender.test",)),
        ("not_permitted", ca, ("nobody.test",)),
        ("stranger", other_ca, ("sender.test",)),
    ):
        issued = issuer.issue_cert(*identities, common_name=identities[0])
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(folder / f"{name}_key.pem"))
    return Certificates(folder)
