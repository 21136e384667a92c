import contextlib
import ssl
from pathlib import Path

import pytest

from connector.model import Message, Misconfigured, Unavailable
from connector.simulator.syslog import SyslogReceiver
from connector.sinks.syslog import stream
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink

MESSAGE = Message(seq=1, id="n-1", body=b"CEF:0|", time=1684311125)


@contextlib.contextmanager
def sink_to(receiver, **options):
    settings = SyslogSettings(host="127.0.0.1", port=receiver.port, transport="tls", hostname="vt-1", **options)
    with contextlib.closing(SyslogSink(settings)) as sink:
        yield sink


def refused(receiver, expected, **options):
    """That neither a probe nor a batch gets through, for a reason that names the remedy; nothing arrives."""
    with sink_to(receiver, **options) as sink:
        with pytest.raises(Misconfigured, match=expected):
            sink.check()
        with pytest.raises(Misconfigured, match=expected):
            sink.send([MESSAGE])
    assert receiver.lines() == []


@pytest.fixture(params=["1.2", "1.3"])
def version(request):
    return {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[request.param]


def test_counted_frames_are_the_default(certificates):
    with (
        SyslogReceiver(tls=certificates.server_context()) as receiver,
        sink_to(receiver, ca_bundle=certificates.ca) as sink,
    ):
        assert sink._framing == "octet"
        assert "TLSv1.3" in sink.check()


def test_a_receiver_that_our_ca_does_not_know_is_not_written_to(certificates):
    with SyslogReceiver(tls=certificates.server_context()) as receiver:
        refused(receiver, "set ca_bundle", ca_bundle=certificates.other_ca)
        refused(receiver, "set ca_bundle")


def test_a_receiver_with_another_name_is_not_written_to(certificates):
    with SyslogReceiver(tls=certificates.server_context(certificates.other_name)) as receiver:
        refused(receiver, "set server_name", ca_bundle=certificates.ca)
        with sink_to(receiver, ca_bundle=certificates.ca, server_name="other.test") as sink:
            assert sink.send([MESSAGE]) == []
        assert receiver.wait_for(1, seconds=10)


def test_a_missing_client_certificate_is_noticed_before_anything_is_sent(certificates, version):
    context = certificates.server_context(ask_client=True)
    context.minimum_version = context.maximum_version = version
    with SyslogReceiver(tls=context) as receiver:
        refused(receiver, "set client_certificate", ca_bundle=certificates.ca)


def test_a_client_certificate_of_another_ca_is_noticed_before_anything_is_sent(certificates, version):
    context = certificates.server_context(ask_client=True)
    context.minimum_version = context.maximum_version = version
    with SyslogReceiver(tls=context) as receiver:
        refused(
            receiver,
            "set client_certificate",
            ca_bundle=certificates.ca,
            client_certificate=certificates.stranger,
        )


def test_a_client_certificate_opens_the_door(certificates, version):
    context = certificates.server_context(ask_client=True)
    context.minimum_version = context.maximum_version = version
    with (
        SyslogReceiver(tls=context) as receiver,
        sink_to(
            receiver,
            ca_bundle=certificates.ca,
            client_certificate=certificates.client,
            client_key=certificates.client_key,
        ) as sink,
    ):
        assert sink.send([MESSAGE]) == []
        assert receiver.wait_for(1, seconds=10)


def test_a_renewed_certificate_is_used_without_a_restart(certificates, tmp_path):
    mine = tmp_path / "mine.pem"
    mine.write_bytes(certificates.stranger.read_bytes())
    with (
        SyslogReceiver(tls=certificates.server_context(ask_client=True)) as receiver,
        sink_to(receiver, ca_bundle=certificates.ca, client_certificate=mine) as sink,
    ):
        with pytest.raises(Misconfigured):
            sink.send([MESSAGE])
        mine.write_bytes(certificates.client.read_bytes())
        assert sink.send([MESSAGE]) == []


def test_nothing_counts_as_sent_when_plain_tcp_meets_a_tls_port(certificates, monkeypatch):
    monkeypatch.setattr(stream, "_VERDICT_SECONDS", 20.0)  # the receiver may be on a busy machine
    with SyslogReceiver(tls=certificates.server_context()) as receiver:
        settings = SyslogSettings(host="127.0.0.1", port=receiver.port, transport="tcp", hostname="vt-1")
        # Its alert explains it, unless the reset that follows is quicker.
        expected = "set transport: tls|reset"
        with (
            contextlib.closing(SyslogSink(settings)) as sink,
            pytest.raises((Misconfigured, Unavailable), match=expected),
        ):
            sink.send([MESSAGE])


def test_tls_to_a_plain_port_is_told_apart(certificates):
    with SyslogReceiver("tcp") as receiver:
        settings = {"ca_bundle": certificates.ca, "connect_timeout_seconds": 0.2}
        with sink_to(receiver, **settings) as sink, pytest.raises(Unavailable, match="handshake"):
            sink.check()


@pytest.mark.parametrize("content", ["", "no certificate", "encrypted key"])
def test_a_client_certificate_that_cannot_be_used_is_named(certificates, tmp_path, content):
    path = tmp_path / "client.pem"
    path.write_text(content)
    if content == "encrypted key":
        path.write_bytes(encrypted(certificates.client))
    with SyslogReceiver(tls=certificates.server_context()) as receiver:
        refused(receiver, str(path), ca_bundle=certificates.ca, client_certificate=path)


def test_a_ca_bundle_that_cannot_be_used_is_named(certificates, tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with SyslogReceiver(tls=certificates.server_context()) as receiver:
        refused(receiver, f"ca_bundle {path}", ca_bundle=path)


def encrypted(certificate: Path) -> bytes:
    from cryptography.hazmat.primitives import serialization

    pem = certificate.read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    hidden = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    return hidden + pem[pem.index(b"-----BEGIN CERTIFICATE") :]
