"""However an observable is spelled: what a mapping says of it, what guards it and what is judged of it are one."""

import re

import pytest
from mapping_examples import MAPPINGS, bundled

from connector import notification
from connector.guards.guards import Guards
from connector.guards.lists import of_values
from connector.guards.matcher import Matcher
from connector.model import Refused
from connector.values import observables

OUTPUTS = sorted(
    [
        *((path.stem, None) for path in MAPPINGS.glob("*.yaml")),
        *((path.parent.name, path.stem) for path in MAPPINGS.glob("profiles/*/*.yaml")),
    ],
    key=str,
)
DOMAINS = [
    *(
        "odd\u3002test",
        "odd\uff0etest",
        "odd\uff61test",
        "www\u3002odd.test",
        "ODD\u3002TEST",
        "odd.test\u3002",
        " Odd.Test. ",
    ),
    *(
        "o\u00addd.test",
        "o\u200bdd.test",
        "\u24deDD.test",
        "\uff4f\uff44\uff44.test",
        "xn--odd-.test",
        "odd.c1",
        "odd.test\uff11",
    ),
    *(
        "odd.test:443",
        "ODD\u3002test:443",
        "odd.test/",
        "%6fdd.test",
        "http://odd.test/",
        "a0x1.odd.test",
        "odd.0x1f.test",
    ),
]
ADDRESSES = [
    *(
        "9.8.7.6",
        " 9.8.7.6",
        "9.8.7.6:8080",
        "9.8.7.6%eth0",
        "9.8.7.6/32",
        "9.8.7.0/24",
        "9.8.0x7.6",
        "9.8.7.0x6",
        "9.8.7.0xa",
    ),
    *("151521030:80", "0x9080706:80", "9.8.1798:80", "\uff19.8.7.6:80", "\uff19.8.7.6", "09.8.7.6", "09.8.7.6:80"),
    *("2600:DB8:0::1", "[2600:db8::1]", "[2600:db8::1]:443", "2600:db8::1%eth0", "[2600:db8::1%eth0]:443"),
    *("::ffff:9.8.7.6", "::FFFF:0908:0706", "[::ffff:9.8.7.6]:80", "64:ff9b::908:706", "9.8.7.6:99999"),
]
URLS = [
    *(
        "http://odd\u3002test",
        "HTTP://Odd.Test:80/a",
        "http://odd.test/login#x",
        "http://u:p@odd.test/a",
        "http://9.8.0x7.6/",
    ),
    *(
        "http://odd.test\\@evil.test/",
        "http://evil.test\\@odd.test/",
        "http://9.8.7.6\\@evil.test/",
        "http://odd.test/a\\b?c\\d",
    ),
    *(
        "https://odd.test/./login",
        "https://odd.test/a/../login",
        "https://odd.test/%2E/a/%2e%2E/login",
        "https://odd.test/..",
    ),
    *(
        "https://odd.test/%6Cogin",
        "https://odd.test/%7eu?%41=%27",
        "https://odd.test/it's",
        "http://odd.test/%c3?q[]=1&r=%5b",
    ),
    *(
        "http://odd.test/^?^{}",
        "http://odd.test/100%",
        "http://[2600:DB8::1]:80/",
        "http://3221225985/",
        "http://odd.test:0443/",
    ),
]
NAMES_NOTHING = {"09.8.7.6", "09.8.7.6:80", "\uff19.8.7.6"}
SPELLED = (
    [("domain", each) for each in DOMAINS]
    + [("ip_address", each) for each in ADDRESSES]
    + [("url", each) for each in URLS]
)


def read(entity_type, value):
    context = {"notification_id": "1", "notification_date": 1684311125, "origin": "hunting"}
    verdict = {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}, "threat_score": {"value": 90}}}
    attributes = verdict | ({"url": value} if entity_type == "url" else {})
    identifier = "ab" * 32 if entity_type == "url" else value
    return notification.read(
        {"type": entity_type, "id": identifier, "attributes": attributes, "context_attributes": context}
    )


def texts(value):
    """Every text in a document, at any depth; of a pattern what it compares with."""
    if isinstance(value, str):
        return [*re.findall(r"= '((?:[^'\\]|\\.)*)'\]", value.replace("\\'", "'")), value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for child in children for text in texts(child)]


def said(output, about):
    """The hosts, addresses and URLs that a mapping names for what a notification is about."""
    try:
        document = bundled(*output).render(notification.view(about))
    except Refused:
        return set()
    found = {text: observables.read(text) for text in texts(document) if "virustotal.com" not in text}
    return {text for text, seen in found.items() if seen is not None and seen.kind != "hash"}


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_what_is_said_of_an_observable_guards_it_and_is_what_is_judged(output):
    elsewhere = {
        text
        for kind, value in (("domain", "x.test"), ("ip_address", "1.1.1.1"), ("url", "http://x.test/"))
        for text in said(output, read(kind, value))
    }
    for entity_type, value in SPELLED:
        about = read(entity_type, value)
        view = notification.view(about)
        judged = {observables.name(each) for each in notification.observables(about.body)}
        for text in said(output, about) - elsewhere:
            guards = Guards([Matcher([of_values("own", [observables.read(text).value])])], Matcher([]), Matcher([]))
            assert guards.of_notification(view) is not None, (value, text)
            if entity_type != "url" or "://" in text:  # and not the host of a URL, which is judged by itself
                assert observables.name(text) in judged, (value, text)


@pytest.mark.parametrize("entity_type", ["domain", "ip_address", "url"])
def test_every_event_of_a_spelling_that_names_something_is_guarded(entity_type):
    """Also where an event can say no more than the id."""
    for kind, value in SPELLED:
        if kind == entity_type and value not in NAMES_NOTHING:
            assert observables.read(value) is not None, value


@pytest.mark.parametrize(
    ("listed", "value"),
    [
        ("odd.test", "odd\u3002test"),
        ("odd.test", "WWW\uff0eOdd\uff61TEST"),
        ("odd.test", "odd.test:443"),
        ("odd.c1", "odd.c1"),
        ("9.8.7.0/24", "9.8.7.6:8080"),
        ("9.8.7.0/24", "9.8.7.6%eth"),
        ("9.8.7.0/24", "9.8.7.0xa"),
        ("2600:db8::/32", "[2600:db8::1]:443"),
        ("2600:db8::/32", "2600:db8::1%eth0"),
        ("good.test", "http://good.test\\@evil.test/"),
        ("9.8.7.6", "http://9.8.7.6\\@evil.test/"),
        ("https://edu.test/login", "https://edu.test/./login"),
        ("https://edu.test/login", "https://edu.test/a/%2E./login"),
        ("https://edu.test/login", "https://edu.test\\a\\..\\%6Cogin#x"),
    ],
)
def test_an_entry_guards_what_is_spelled_otherwise(listed, value):
    assert Matcher([of_values("own", [listed])]).match(value) is not None


def test_what_lies_behind_a_backslash_is_a_path_for_browsers():
    assert observables.host_of("http://evil.test\\@good.test/") == ("host", "evil.test")
    assert Matcher([of_values("own", ["good.test"])]).match("http://evil.test\\@good.test/") is None
