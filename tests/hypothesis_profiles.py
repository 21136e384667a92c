"""How many examples hypothesis tries: a fifth, the same ones each time, or as many as each test asks for, at random.

`HYPOTHESIS_PROFILE` chooses: `quick`, the default, for whoever edits the code and for mutation testing; `thorough` in
continuous integration. Neither judges how long an example takes, since the machine may be busy.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings

PERCENT = {"quick": 20, "thorough": 100}


def load() -> None:
    """Make the profile that the environment names the one that every test has."""
    for name, percent in PERCENT.items():
        settings.register_profile(
            name,
            max_examples=percent,  # for a test that asks for no number: of hypothesis's own 100
            deadline=None,
            derandomize=name == "quick",
            suppress_health_check=[HealthCheck.too_slow],
            print_blob=True,
        )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def examples(number: int, **more: Any) -> settings:
    """The settings of a test that wants this many examples: the profile's share of them is tried, at least five."""
    return settings(max_examples=max(5, number * settings().max_examples // 100), **more)
