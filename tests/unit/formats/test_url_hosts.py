"""The hosts of URLs: every mapping and profile holds them to the rules that domains and addresses are held to."""

import pytest
from mapping_examples import MAPPINGS, bundled

from connector import notification
from connector.pipeline.convert import convert

ID = "49365e2b6b265ccba4bed01f5fa3cbcf6a028e5354d2b647f5eb37be735991c5"
OUTPUTS = sorted(
    [
        *(
            (path.stem, None) for path in MAPPINGS.glob("*.yaml") if path.stem not in ("json", "raw")
        ),  # which are as VirusTotal has it
        *((path.parent.name, path.stem) for path in MAPPINGS.glob("profiles/*/*.yaml")),
    ],
    key=str,
)
FOR_PEOPLE = ("jira", "pagerduty", "slack", "teams")
"""The mappings whose messages show a URL as VirusTotal has it, written so that nobody follows it by mistake."""
_NOWHERE = "its host is no name that could be looked up, no address"
REFUSES = {"stix21": _NOWHERE, "udm": _NOWHERE, "misp": "it is no hash, domain, URL or address"}
"""The mappings that refuse a notification of which they cannot say what it is about, and what they say then."""
NO_HOST = [
    *("01.02.03.04", "010.0.0.1", "08.1.1.1", "256.1.1.1", "4294967296", "1.2.3.4.5", "example.0x1f"),
    *("a..example", ".example.com", "example.com..", "a b.example", f"{'a' * 64}.example", "[fe80::1%25eth0]"),
]


def converted(output, url, entity_id=ID):
    """What becomes of a notification about a URL."""
    context = {"notification_id": "1", "notification_date": 1684311125, "origin": "hunting"}
    body = {"type": "url", "id": entity_id, "attributes": {"url": url}, "context_attributes": context}
    (made,) = convert([notification.read(body)], bundled(*output))
    return made


def lines(output, url):
    made = converted(output, url)
    assert made.refusal is None
    return [message.body for message in made.messages]


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize("host", NO_HOST)
def test_a_url_to_which_nobody_can_go_is_no_indicator(output, host):
    made = converted(output, f"http://{host}/x")
    if output[0] in REFUSES:
        assert REFUSES[output[0]] in str(made.refusal)
    else:
        (message,) = made.messages
        shown = f"http://{host}" if output[0] in FOR_PEOPLE else host
        assert shown.encode() not in message.body
        assert ID.encode() in message.body


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize(
    ("spelled", "sent"),
    [
        ("http://Example.com./x", "http://example.com/x"),
        ("http://ex%61mple.com.:80/x", "http://example.com/x"),
        ("http://example.com\\x", "http://example.com/x"),
        ("http://0xC0.0.513/x", "http://192.0.2.1/x"),
        ("http://3221225985/x", "http://192.0.2.1/x"),
        ("http://example.com/x?y#victim@example.org", "http://example.com/x?y"),
    ],
)
def test_a_url_is_written_as_it_is_sent_and_its_host_as_it_is_looked_up(output, spelled, sent):
    def made(url):
        return [line.replace(spelled.replace("\\", "\\\\").encode(), sent.encode()) for line in lines(output, url)]

    assert made(spelled) == made(sent)
    if output[0] != "ecs":  # which has a field for what VirusTotal shows
        assert b"victim" not in b"".join(lines(output, spelled))


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize("host", ["-a-.example", "a__b.example", "intranet", "xn--i-7iq.ws", "[2001:db8::1]"])
def test_a_host_that_somebody_may_look_up_stays_as_it_is(output, host):
    made = b"".join(lines(output, f"http://{host}/x"))
    if output[0] in FOR_PEOPLE:
        assert f"http://{host}".encode() not in made
        made = made.replace(b"[://]", b"://").replace(b"[.]", b".")
    assert f"http://{host}/x".encode() in made


def test_a_refusal_says_whether_the_url_is_unknown_or_impossible():
    unknown = converted(("stix21", None), None)
    assert str(unknown.refusal).endswith("nothing says which URL it is")
    assert str(converted(("udm", None), None).refusal) == str(unknown.refusal).replace("let.value.url", "let.refusal")
