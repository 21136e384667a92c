"""How many examples hypothesis tries: a share of what each test asks for, by the profile that is loaded."""

from typing import Any

from hypothesis import HealthCheck, settings


def examples(number: int, **more: Any) -> settings:
    """The settings of a test that wants this many examples, where the profile has hypothesis's own 100; at least five.

    A class that several derive from is no fault, nor that a fixture is made once for all examples; and how long one
    takes is not judged, since the machine may be busy.
    """
    allowed = [HealthCheck.differing_executors, HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    more = {"deadline": None, "suppress_health_check": allowed} | more
    return settings(max_examples=max(5, number * settings().max_examples // 100), **more)
