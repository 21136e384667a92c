"""How many examples hypothesis tries, and whether they are the same ones each time.

`HYPOTHESIS_PROFILE` chooses: `quick`, the default, a fifth of what each test asks for; `thorough`, all of them, in
continuous integration, where a failure must be due to the change; `random`, as many, others each time, to search for
what no example has shown yet. None judges how long an example takes, since the machine may be busy.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from hypothesis import HealthCheck, settings

PERCENT = {"quick": 20, "thorough": 100, "random": 100}


def load() -> None:
    """Make the profile that the environment names the one that every test has."""
    for name, percent in PERCENT.items():
        settings.register_profile(
            name,
            max_examples=percent,  # for a test that asks for no number: of hypothesis's own 100
            deadline=None,
            derandomize=name != "random",
            suppress_health_check=[HealthCheck.too_slow],
            print_blob=True,
        )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def examples(number: int, **more: Any) -> settings:
    """The settings of a test that wants this many examples: the profile's share of them is tried, at least five."""
    return settings(max_examples=max(5, number * settings().max_examples // 100), **more)


def share(items: Iterable[Any], nth: int) -> Iterator[Any]:
    """The profile's share of items that are all alike to a test: every fifth, or all. Five tests have them all."""
    step = max(PERCENT.values()) // settings().max_examples
    return islice(items, nth % step, None, step)
