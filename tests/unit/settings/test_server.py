import re

import pytest
from pydantic import ValidationError

from connector.settings import server
from connector.settings.server import ServerSettings, TokenSettings, find_token, hashed, new_token


def token(name, *scopes):
    made, digest = new_token()
    return made, TokenSettings(name=name, hash=digest, scopes=list(scopes))


def test_a_token_is_256_random_bits_and_kept_as_its_hash():
    made, digest = new_token()
    assert re.fullmatch(r"iocs_[A-Za-z0-9_-]{43}", made)
    assert made not in digest
    assert digest == hashed(made)
    assert len({new_token()[0] for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["read"], {"read"}),
        (["act"], {"read", "act"}),
        (["admin"], {"read", "act", "admin", "taxii", "taxii:a", "taxii:b"}),
        (["taxii:a"], {"taxii:a"}),
        (["taxii"], {"taxii", "taxii:a", "taxii:b"}),
        (["read", "taxii:b"], {"read", "taxii:b"}),
    ],
)
def test_scopes_include_one_another(scopes, allowed):
    _, settings = token("x", *scopes)
    every = ("read", "act", "admin", "taxii", "taxii:a", "taxii:b")
    assert {scope for scope in every if settings.may(scope)} == allowed


def test_every_known_token_is_compared_and_a_name_must_be_its_own(monkeypatch):
    (first, a), (second, b) = token("a", "read"), token("b", "read")
    compared = []
    compare = server.hmac.compare_digest
    monkeypatch.setattr(server.hmac, "compare_digest", lambda *each: compared.append(each) or compare(*each))
    assert find_token([a, b], first) is a
    assert len(compared) == 2
    assert find_token([a, b], second, "b") is b
    assert find_token([a, b], second, "a") is None
    assert find_token([a, b], "wrong") is None
    assert find_token([a, b], "") is None


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "[::1]:1", "localhost:1"])
def test_loopback_needs_no_tls(listen):
    assert ServerSettings(listen=listen).address()[1] == 1


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "server.example:1"])
def test_elsewhere_tls_is_spoken_here_or_in_front(listen):
    with pytest.raises(ValidationError, match="in the clear"):
        ServerSettings(listen=listen)
    assert ServerSettings(listen=listen, behind_proxy=True)
