"""Secrets are hidden however they are written, and nothing else is."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connector.clients.hiding import Hiding, after_host, proxy_login

SECRET = 'pa55/w+rd"ü x&'


@pytest.mark.parametrize(
    "said",
    [
        SECRET,
        SECRET.upper(),
        quote(SECRET),
        quote(quote(quote(SECRET, safe=""), safe=""), safe=""),
        quote(SECRET).lower(),
        json.dumps(SECRET)[1:-1],
        "".join(f"\\u{ord(c):04X}" for c in SECRET),
        "".join(f"&#{ord(c)};" for c in SECRET),
        "".join(f"&#x{ord(c):02X};" for c in SECRET),
        SECRET.replace("&", "&amp;").replace('"', "&quot;"),
        SECRET.encode().decode("latin-1"),
        SECRET.replace(" ", "+"),
        SECRET[:5] + quote(SECRET[5:]),
    ],
)
def test_a_secret_is_hidden_as_json_html_and_urls_write_it(said):
    assert Hiding(SecretStr(SECRET))(f"before {said} after") == "before *** after"


@given(st.text(max_size=5), st.text(min_size=6, max_size=30), st.text(max_size=5))
def test_of_a_secret_within_base64_next_to_nothing_is_left(before, secret, after):
    said = base64.b64encode(f"{before}{secret}{after}".encode()).decode()
    assert "***" in Hiding(SecretStr(secret))(said)


def test_a_secret_in_base64_of_a_url_is_hidden_where_nothing_else_tells_it():
    assert Hiding(SecretStr("ab+cd/efgh"))("it says ab-cd_efgh") == "it says ***"


@given(st.text("ab+/-_ikswIKSW9", min_size=3, max_size=12), st.data())
def test_what_is_looked_at_first_is_never_narrower_than_the_pattern(secret, data):
    spellings = {"+": "+-", "/": "/_", "i": "iI\u0130\u0131", "k": "kK\u212a", "s": "sS\u017f"}
    said = "".join(data.draw(st.sampled_from(spellings.get(each.lower(), each + each.upper()))) for each in secret)
    hide = Hiding(SecretStr(secret))
    assert hide._may_be_in(said) or not hide._pattern.search(said)


def test_of_basic_the_password_is_hidden_as_well():
    hide = Hiding(SecretStr("Basic " + base64.b64encode(b"u:hush-hush").decode()))
    assert hide("u:hush-hush hush-hush u") == "*** *** u"


@pytest.mark.parametrize("proxy", ["http://v:s%21lence@p:1", "v:s%21lence@p:1"])
def test_of_a_proxy_the_login_is_hidden_and_not_the_host(proxy):
    hide = Hiding(*map(SecretStr, proxy_login(proxy)))
    assert hide(f"v:s!lence s%21lence p:1 {base64.b64encode(b'v:s!lence').decode()}") == "v:*** *** p:1 ***"


def test_a_secret_that_looks_like_a_url_is_hidden_whole():
    hide = Hiding(SecretStr("https://user:pass-phrase@vault.example/a b"))
    assert hide("it says https://user:pass-phrase@vault.example/a%20b here") == "it says *** here"


@pytest.mark.parametrize(
    ("url", "said", "shown"),
    [
        (
            "https://hooks.slack.com/services/T0001111/B0002222/XyZtoken0123456789abcdef",
            "no_team T0001111, no B0002222/XyZtoken0123456789abcdef at hooks.slack.com (xyztoken0123456789ABCDEF)",
            "no_team ***, no ***/*** at hooks.slack.com (***)",
        ),
        (
            "https://prod-1.westeurope.logic.azure.com/workflows/0123abcd/triggers/x?api-version=2016-06-01&sig=aB%2Fc-dEf_1",
            "The signature aB/c-dEf_1 of workflow 0123abcd is wrong: api-version=2016-06-01",
            "The signature *** of workflow *** is wrong: api-version=***",
        ),
        ("https://h.example/h/v1?v=2&k=abc", "h.example/h/v1?v=2&k=abc says v1, 2", "h.example*** says v1, 2"),
        ("https://splunk.example/splunk/x", "splunk.example/splunk/x, splunk", "splunk.example***, splunk"),
        ("https://h.example/?opensesame", "what is opensesame", "what is ***"),
        ("https://h.example/", "at https://h.example/", "at https://h.example/"),
        ("https://[::bad/opensesame", "https://[::bad/opensesame", "***"),
    ],
)
def test_what_comes_after_the_host_of_a_webhook_is_hidden_in_part_too(url, said, shown):
    assert Hiding(*map(SecretStr, after_host(url)))(said) == shown


@pytest.mark.parametrize("length", [0, 190, 199, 1500, 70_000])
@pytest.mark.parametrize("spell", [str, quote, lambda text: quote(quote(text))])
def test_no_part_of_a_secret_is_left_where_a_text_is_cut(length, spell):
    secret = "/".join("abcdefghij")
    hide = Hiding(SecretStr(secret))
    text = "." * length + spell(secret) * 3000
    for shown in (hide(text), hide.line(text, 200), hide.line(" " * length + text, 200), hide(text[::-1] + text)):
        assert "a/b" not in shown
        assert "a%" not in shown
    assert len(hide.line(text, 200)) <= 200


def test_what_holds_no_secret_is_left_as_it_is():
    hide = Hiding(SecretStr("0123456789"), SecretStr(""), None)
    for text in ("", "100 % of \\ & %zz 012345678", "x" * 100_000 + "\\"):
        assert hide(text) == text or len(text) > 64 * 1024
    assert Hiding()("a % b") == "a % b"


def test_a_short_secret_is_hidden_and_is_not_looked_for_in_what_is_long_and_random():
    assert Hiding(SecretStr("ab1"))("it says AB1") == "it says ***"
    assert not Hiding(SecretStr("ab1")).finds("xxab1xx")
    assert Hiding(SecretStr("ab1cd2ef")).finds("xx%61B1cd2efxx")
    assert Hiding(SecretStr("2"), SecretStr("10"))("it answered 42, 10 of 12") == "it answered 42, 10 of 12"
    assert "ab1" not in repr(Hiding(SecretStr("ab1")))
