"""The quota of an API key, as VirusTotal's `overall_quotas` tells it (API v3); what has another form is left out."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeGuard

_SPAN = re.compile(r"[a-z0-9_]{1,64}\Z")
_MAX_SPANS = 16
_MAX_COUNT = 2**53


class Allowance(NamedTuple):
    """How many requests are allowed in a span of time, and used.

    Attributes:
        span: `hourly`, `daily`, `monthly`, or what else VirusTotal names.
        whose: `user` or `group`.
    """

    span: str
    whose: str
    used: int
    allowed: int

    @property
    def left(self) -> int:
        """How many requests are left."""
        return self.allowed - self.used


def allowances(quota: Any) -> Iterator[Allowance]:
    """Every allowance, in VirusTotal's order; of one span that of the user first."""
    spans = list(quota.items())[:_MAX_SPANS] if isinstance(quota, dict) else []
    for name, said in spans:
        for whose in ("user", "group"):
            numbers = said.get(whose) if isinstance(said, dict) else None
            used, allowed = (numbers.get("used"), numbers.get("allowed")) if isinstance(numbers, dict) else (None, None)
            if _SPAN.match(name) and _is_count(used) and _is_count(allowed):
                yield Allowance(name.removeprefix("api_requests_"), whose, used, allowed)


def by_span(quota: Any) -> Mapping[str, Allowance]:
    """One allowance for each span: that of the user, or where the user has none, that of the group."""
    found: dict[str, Allowance] = {}
    for each in allowances(quota):
        found.setdefault(each.span, each)
    return found


def _is_count(number: Any) -> TypeGuard[int]:
    return isinstance(number, int) and 0 <= number < _MAX_COUNT
