"""What the attributes of an entity come to: whether they call it bad, and when they say something else than before."""

from collections.abc import Iterable, Mapping
from typing import Any

from connector.model import JsonObject
from connector.values import news

_BAD = ("VERDICT_MALICIOUS", "VERDICT_SUSPICIOUS")
_MANY_ENGINES = 10
_MOST_NAMES = 100
_LEVELS = 16


def is_bad(attributes: Mapping[str, Any]) -> bool:
    """Whether VirusTotal calls an entity malicious or suspicious; where it has no verdict, whether any engine does."""
    verdict = _at(attributes, "gti_assessment", "verdict", "value")
    if isinstance(verdict, str):
        return verdict in _BAD
    engines = _malicious(attributes)
    return news.is_number(engines) and engines >= 1


def verdict(attributes: Mapping[str, Any]) -> str:
    """VirusTotal's verdict on an entity; empty where there is none."""
    found = _at(attributes, "gti_assessment", "verdict", "value")
    return found if isinstance(found, str) else ""


def standing(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """What an entity is held to be: verdict and severity; where there is no verdict, by its engines, as mappings do."""
    found = verdict(attributes)
    if not found and news.is_number(engines := _malicious(attributes)) and engines >= 1:
        found = _BAD[0] if engines >= _MANY_ENGINES else _BAD[1]
    return found, _text(_at(attributes, "gti_assessment", "severity", "value")) or ""


def is_benign(attributes: Mapping[str, Any]) -> bool:
    """Whether VirusTotal calls an entity benign."""
    return verdict(attributes) == "VERDICT_BENIGN"


def meaning(attributes: Mapping[str, Any]) -> bytes:
    """What is news when it changes (`connector.values.news`): verdict, severity, score, how many engines, names."""
    attribution = _object(attributes.get("attribution"))
    said = [
        _text(_at(attributes, "gti_assessment", "verdict", "value")),
        _text(_at(attributes, "gti_assessment", "severity", "value")),
        _text(_at(attributes, "popular_threat_classification", "suggested_threat_label")),
        _names(attribution.get("malware_families"), "family"),
        _names(attribution.get("threat_actors"), "name"),
        _names(_at(attributes, "malware_config", "families"), "family"),
    ]
    score = _at(attributes, "gti_assessment", "threat_score", "value")
    return news.meaning(said, engines=_malicious(attributes), percents=[score])


def _malicious(attributes: Mapping[str, Any]) -> Any:
    return _at(attributes, "last_analysis_stats", "malicious")


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


def with_unsaid(said: JsonObject, before: JsonObject, *, levels: int = _LEVELS) -> JsonObject:
    """What is said of an observable, with what was said before of what it says nothing of.

    Further down than `levels`, which is further than any attribute of VirusTotal, what is said stands by itself.
    """
    merged = {**before, **{key: value for key, value in said.items() if value is not None}}
    for key, value in said.items() if levels else ():
        if isinstance(value, dict) and isinstance(was := before.get(key), dict):
            merged[key] = with_unsaid(value, was, levels=levels - 1)
    return merged
