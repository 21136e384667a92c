"""How often a token may ask, and who waits."""

import pytest
from structlog.testing import capture_logs

from connector.server.authentication import Gate
from connector.server.problems import Problem
from connector.settings.server import ServerSettings, hashed


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gate(clock):
    tokens = [{"name": name, "hash": hashed(name), "scopes": ["read"]} for name in ("one", "two")]
    return Gate(ServerSettings.model_validate({"requests_per_minute": 60, "tokens": tokens}), clock)


def asks(gate, times, patience=0, token="one"):
    return [gate.authenticate(f"Bearer {token}", patience)[1] for _ in range(times)]


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


def test_tokens_that_are_not_known_are_told_of_once_a_minute_and_never_shown(gate, clock):
    def tries(times, authorization="Bearer canary"):
        with capture_logs() as told:
            for _ in range(times):
                with pytest.raises(Problem) as refused:
                    gate.authenticate(authorization, client="192.0.2.7")
                assert refused.value.details.status == 401
        return told

    (first,) = tries(3)
    assert (first["event"], first["times"], first["client"]) == ("login_refused", 1, "192.0.2.7")
    assert tries(2, "Basic Y2FuYXJ5OmNhbmFyeQ==") == []
    assert tries(4, None) == []  # as browsers and some clients ask at first
    clock.now += 60
    (second,) = tries(1)
    assert second["times"] == 5
    assert "canary" not in str([first, second])
