import socket
from pathlib import Path

import pytest

from connector.model import Misconfigured
from connector.settings import yamldoc
from connector.settings.config import Placeholders, validate
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink

BASE = {"host": "logs.example", "port": 514, "transport": "tcp"}


def settings(**options):
    text = "\n".join(f"{key}: {value}" for key, value in {**BASE, **options}.items())
    return validate(yamldoc.parse(text, "test.yaml"), SyslogSettings, Placeholders(Path("/nowhere")))


def test_the_defaults_are_those_that_most_receivers_take():
    made = settings()
    assert (made.header, made.facility, made.severity, made.tag) == ("rfc3164", "local0", "warning", "iocstream")
    assert made.max_frame_bytes == 8000


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"transport": "udp", "framing": "lf"}, "framing is for transport: tcp or tls"),
        ({"transport": "relp", "framing": "lf"}, "framing is for transport: tcp or tls"),
        ({"transport": "beep"}, "'relp-tls', 'relp', 'tls', 'tcp' or 'udp'"),
        ({"framing": "nul"}, "'lf' or 'octet'"),
        ({"packets_per_second": 100}, "packets_per_second is for transport: udp"),
        ({"relp_window_messages": 100}, "relp_window_messages is for transport: relp or relp-tls"),
        ({"transport": "relp", "replay_window_messages": 100}, "replay_window_messages is for transport: tcp or tls"),
        ({"transport": "udp", "replay_window_seconds": 100}, "replay_window_seconds is for transport: tcp or tls"),
        ({"transport": "relp", "ca_bundle": __file__}, "ca_bundle is for transport: tls or relp-tls"),
        ({"server_name": "logs.example"}, "server_name is for transport: tls"),
        ({"ca_bundle": __file__}, "ca_bundle is for transport: tls"),
        ({"transport": "tls", "ca_bundle": "/no/such/file"}, "no file /no/such/file"),
        ({"transport": "tls", "client_key": __file__}, "client_key needs client_certificate"),
        ({"hostname": "'2001:db8::1'"}, "IPv6"),
        ({"hostname": "two words"}, "a name or an IPv4 address"),
        ({"tag": "'a b'"}, "tag must be"),
        ({"tag": "'CEF:'"}, "tag must be"),
        ({"tag": "''", "header": "rfc5424"}, "tag must not be empty"),
        ({"tag": "a" * 33}, "tag must be 1 to 32"),
        ({"tag": "a" * 49, "header": "rfc5424"}, "tag must be 1 to 48"),
        ({"host": "tcp://logs.example"}, "nothing but a name or an address"),
        ({"host": "logs.example:514"}, "its port stands under port"),
        ({"host": "'[::1]'"}, "without brackets"),
        ({"facility": "local8"}, "local7"),
        ({"max_frame_bytes": 100}, "480"),
        ({"allow_unverified_tls": "true"}, "there is no such option"),
    ],
)
def test_what_contradicts_itself_is_refused(options, fault):
    with pytest.raises(Misconfigured, match=r"test\.yaml:\d+:\d+") as refused:
        settings(**options)
    assert fault in str(refused.value)


def test_a_long_app_name_is_fine_for_rfc5424():
    assert settings(tag="a" * 48, header="rfc5424").tag == "a" * 48
    assert settings(tag="''").tag == ""


def test_a_machine_whose_name_cannot_stand_in_a_header_needs_one_given(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "fe80::1")
    with pytest.raises(Misconfigured, match="set hostname"):
        SyslogSink(settings())
    SyslogSink(settings(hostname="vt-1"))
