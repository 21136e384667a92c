"""How often a token may ask, and who waits."""

import pytest

from connector.server.authentication import Gate
from connector.server.notices import Notices
from connector.server.problems import Problem
from connector.server.token_book import TokenBook
from connector.settings.server import ServerSettings, TokenSettings, hashed
from connector.settings.token_file import TokenFile


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gate(clock, tmp_path):
    tokens = [{"name": name, "hash": hashed(name), "scopes": ["read"]} for name in ("one", "two")]
    settings = ServerSettings.model_validate({"requests_per_minute": 60, "tokens": tokens})
    return Gate(settings, TokenBook(TokenFile(tmp_path / "tokens", settings.tokens)), Notices(), clock)


def asks(gate, times, patience=0, token="one"):
    return [gate.count(gate.token_of(f"Bearer {token}"), patience) for _ in range(times)]


def test_an_allowance_that_is_spent_fills_up_again_evenly(gate, clock):
    assert asks(gate, 60) == [0] * 60
    with pytest.raises(Problem) as refused:
        asks(gate, 1)
    assert refused.value.headers == [("Retry-After", "2")]
    assert asks(gate, 1, token="two") == [0]
    clock.now += 3
    assert asks(gate, 3) == [0] * 3
    with pytest.raises(Problem):
        asks(gate, 1)
    clock.now += 10_000
    assert asks(gate, 60) == [0] * 60


def test_whoever_is_patient_waits_in_turn_and_those_behind_are_refused(gate, clock):
    asks(gate, 60)
    assert asks(gate, 5, patience=5) == [1, 2, 3, 4, 5]
    for _ in range(3):  # a refusal costs nothing
        with pytest.raises(Problem) as refused:
            asks(gate, 1, patience=5)
        assert refused.value.details.status == 429
    with pytest.raises(Problem):
        asks(gate, 1)
    clock.now += 1
    assert asks(gate, 1, patience=5) == [5]


def test_a_token_is_asked_for_again_before_the_action_runs(gate):
    token = gate.token_of("Bearer one")
    gate.check(token)
    for changed in ({"scopes": ["admin"]}, {"hash": hashed("other")}, {"expires": "2020-01-01T00:00:00Z"}):
        settings = {"name": "one", "hash": hashed("one"), "scopes": ["read"], **changed}
        with pytest.raises(Problem) as refused:
            gate.check(TokenSettings.model_validate(settings))
        assert refused.value.details.status == 401
