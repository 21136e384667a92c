"""What the stock templates of real syslog servers leave of an event: `docs/formats.md` has the table."""

import contextlib

import pytest
from missing_software import or_skip
from peers import syslog, syslog_templates

from connector.model import Message
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink

pytestmark = pytest.mark.xdist_group("syslog")

MAY_17 = 1684311125  # 2023-05-17T08:12:05Z
EVENTS = [b"CEF:0|a|b|1|c|d|5|msg=whole", b"LEEF:2.0|a|b|1|c|^|msg=whole"]
HEADERS = {
    "default": {},
    "rfc5424": {"header": "rfc5424"},
    "without a tag": {"tag": ""},
}
RSYSLOG_FILES = dict.fromkeys(syslog_templates.WRITTEN, 1) | {"relayed": len(syslog_templates.FORWARDED)}
"""File → how often an event is in it."""


@pytest.fixture(scope="module")
def rsyslog(tmp_path_factory):
    with or_skip(), syslog.running(syslog_templates.rsyslog(tmp_path_factory.mktemp("rsyslog"))) as server:
        yield server


@pytest.fixture(scope="module")
def syslog_ng(tmp_path_factory):
    with or_skip(), syslog.running(syslog_templates.syslog_ng(tmp_path_factory.mktemp("syslog_ng"))) as server:
        yield server


def written(server, source, files, **options):
    """The lines of each file that are there once it has all events, and were not there before."""
    before = {name: len(lines(server, name)) for name in files}
    settings = SyslogSettings(host="127.0.0.1", port=server.ports[source], transport="tcp", hostname="vt-1", **options)
    with contextlib.closing(SyslogSink(settings)) as sink:
        assert sink.send([Message(n, f"n-{n}", event, MAY_17) for n, event in enumerate(EVENTS)]) == []
    server.wait_until(
        lambda: all(len(lines(server, name)) - before[name] >= len(EVENTS) * times for name, times in files.items())
    )
    return {name: lines(server, name)[before[name] :] for name in files}


def lines(server, name):
    path = server.folder / f"{name}.log"
    return path.read_bytes().splitlines() if path.exists() else []


@pytest.mark.parametrize("header", ["default", "rfc5424"])
def test_every_stock_template_of_rsyslog_leaves_an_event_whole(rsyslog, header):
    for found in written(rsyslog, "tcp", RSYSLOG_FILES, **HEADERS[header]).values():
        for event in EVENTS:
            assert [line.endswith(b" " + event) for line in found].count(True) == len(found) // len(EVENTS)


def test_without_a_tag_every_stock_template_of_rsyslog_breaks_an_event(rsyslog):
    for found in written(rsyslog, "tcp", RSYSLOG_FILES, **HEADERS["without a tag"]).values():
        assert not any(event in line for line in found for event in EVENTS)


@pytest.mark.parametrize(
    ("header", "source"), [("default", "legacy"), ("without a tag", "legacy"), ("rfc5424", "current")]
)
def test_the_default_template_of_syslog_ng_leaves_an_event_whole(syslog_ng, header, source):
    framing = {"framing": "octet"} if source == "current" else {}
    found = written(syslog_ng, source, {"written": 1}, **HEADERS[header], **framing)["written"]
    assert [line.endswith(b" " + event) for line, event in zip(found, EVENTS, strict=True)] == [True, True]
