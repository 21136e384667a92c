"""What the attributes of an entity come to: whether they call it bad, and when they say something else than before."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

DIGEST_BYTES = 16
_BAD = ("VERDICT_MALICIOUS", "VERDICT_SUSPICIOUS")
_ENGINES = (1, 3, 10, 20, 40)
"""Numbers of engines at which it makes a difference whether one more calls an entity malicious."""
_SCORE_STEP = 10
_MOST_NAMES = 100


def is_bad(attributes: Mapping[str, Any]) -> bool:
    """Whether VirusTotal calls an entity malicious or suspicious; where it has no verdict, whether any engine does."""
    verdict = _at(attributes, "gti_assessment", "verdict", "value")
    return verdict in _BAD if isinstance(verdict, str) else _step(_malicious(attributes)) > 0


def meaning(attributes: Mapping[str, Any]) -> bytes:
    """A digest of what is news when it changes: verdict, severity, tens of the score, how many engines, names.

    One engine more among sixty is none, nor is another date.
    """
    score = _at(attributes, "gti_assessment", "threat_score", "value")
    attribution = _object(attributes.get("attribution"))
    said = [
        _text(_at(attributes, "gti_assessment", "verdict", "value")),
        _text(_at(attributes, "gti_assessment", "severity", "value")),
        int(score) // _SCORE_STEP if _is_number(score) and 0 <= score <= 100 else None,  # noqa: PLR2004
        _step(_malicious(attributes)),
        _text(_at(attributes, "popular_threat_classification", "suggested_threat_label")),
        _names(attribution.get("malware_families"), "family"),
        _names(attribution.get("threat_actors"), "name"),
        _names(_at(attributes, "malware_config", "families"), "family"),
    ]
    return hashlib.blake2b(orjson.dumps(said), digest_size=DIGEST_BYTES).digest()


def _malicious(attributes: Mapping[str, Any]) -> Any:
    return _at(attributes, "last_analysis_stats", "malicious")


def _step(engines: Any) -> int:
    return sum(engines >= each for each in _ENGINES) if _is_number(engines) else 0


def _names(value: Any, key: str) -> list[str]:
    found: Iterable[Any] = value[:_MOST_NAMES] if isinstance(value, list) else ()
    named = (each.get(key) if isinstance(each, dict) else each for each in found)
    return sorted({name for each in named if (name := _text(each))})


def _text(value: Any) -> str | None:
    """Text that JSON can hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124
