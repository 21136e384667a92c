"""What is known of a notification's entity: how bad it is, how sure that is, who is behind it, when it was seen.

The one reading of it for actions, and so for the feed of every package. Verdict, score and confidence follow the same
rules as `mappings/stix21.yaml`; docs/stix.md says why they are as they are.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from connector.model import Document, Guarded, JsonObject, Judgement
from connector.values import observables
from connector.values.display import one_line, shortened
from connector.values.timestamps import timestamp

Verdict = Literal["malicious", "suspicious", "undetected", "benign", "unknown"]
Severity = Literal["high", "medium", "low", "none", "unknown"]

MALICIOUS_ENGINES, SUSPICIOUS_ENGINES = 10, 1
"""How many engines make a verdict, where Google Threat Intelligence gives none."""
_MOST_NAMES = 100
_LONGEST_NAME = 200
_LAST_SECOND = 253_402_300_799
_ASSESSED: Mapping[str, Verdict] = {
    "VERDICT_MALICIOUS": "malicious",
    "VERDICT_SUSPICIOUS": "suspicious",
    "VERDICT_UNDETECTED": "undetected",
    "VERDICT_BENIGN": "benign",
}
_SEVERITIES: Mapping[str, Severity] = {
    "SEVERITY_HIGH": "high",
    "SEVERITY_MEDIUM": "medium",
    "SEVERITY_LOW": "low",
    "SEVERITY_NONE": "none",
}
_SUPPORTED: Mapping[Verdict, tuple[int, int]] = {"malicious": (70, 100), "suspicious": (30, 69)}
_SUPPORTED_OTHERWISE = (0, 29)
"""The confidence that a verdict supports whatever the score, and the most that it supports."""
_COUNTED = ("malicious", "suspicious", "undetected", "harmless")
_HASHES = {32: "md5", 40: "sha1", 64: "sha256"}
"""Digests by how many hexadecimal digits they have."""
_ACTOR, _MALWARE = ("threat-actor",), ("malware", "malware-family")
"""What the ids of collections about actors and families begin with, and their `collection_type`."""


class Hashes(BaseModel):
    """The digests of a file. All of them are null for what is no file."""

    model_config = ConfigDict(frozen=True)

    md5: str | None = Field(None, description="MD5 of the file.")
    sha1: str | None = Field(None, description="SHA-1 of the file.")
    sha256: str | None = Field(None, description="SHA-256 of the file.")
    ssdeep: str | None = Field(None, description="Fuzzy hash of the file by SSDEEP.")
    tlsh: str | None = Field(None, description="Fuzzy hash of the file by TLSH.")
    imphash: str | None = Field(None, description="Hash of what a Windows program imports.")


class Assessment(BaseModel):
    """What is known of a notification's entity."""

    model_config = ConfigDict(frozen=True)

    verdict: Verdict = Field(
        "unknown",
        description=(
            "VirusTotal's verdict on the entity; where it gives none, what the engines say. "
            "A match alone is no verdict. What an analyst judged benign is benign; what is a false positive, "
            "or on a known-good list, is unknown."
        ),
    )
    score: int | None = Field(None, description="Threat score of Google Threat Intelligence, from 0 to 100.")
    severity: Severity = Field("unknown", description="Severity in the assessment of Google Threat Intelligence.")
    confidence: int | None = Field(
        None,
        description=(
            "How sure it is that the entity is malicious, from 0 to 100, never more than verdict and score support; "
            "null when nothing says so, and for what is benign."
        ),
    )
    malicious_engines: int | None = Field(None, description="How many engines call the entity malicious.")
    engines: int | None = Field(None, description="How many engines looked at the entity and said something.")
    threat_label: str | None = Field(None, description="What engines call the threat, such as trojan.emotet/heodo.")
    families: list[str] = Field(default_factory=list, description="Malware families that the entity belongs to.")
    actors: list[str] = Field(default_factory=list, description="Threat actors that the entity is attributed to.")
    techniques: list[str] = Field(
        default_factory=list, description="ATT&CK techniques that sandboxes saw a file use, by id, such as T1059.001."
    )
    hashes: Hashes = Field(Hashes(), description="The digests of a file.")
    first_seen: str | None = Field(None, description="When VirusTotal first saw the entity (RFC 3339).")
    last_seen: str | None = Field(None, description="When VirusTotal last saw the entity (RFC 3339).")

    @classmethod
    def of(cls, view: Document) -> Self:
        """From a notification as mappings see it (`connector.notification.view`)."""
        entity: JsonObject = view["entity"]
        said: JsonObject = view["notification"]
        verdict = _verdict(entity)
        score = _percentage(_at(entity, "gti_assessment", "threat_score", "value"))
        severity = _at(entity, "gti_assessment", "severity", "value")
        stats = _stats(entity)
        return cls(
            verdict=verdict,
            score=score,
            severity=_SEVERITIES.get(severity, "unknown") if isinstance(severity, str) else "unknown",
            confidence=_confidence(entity, verdict, score),
            malicious_engines=stats.get("malicious"),
            engines=sum(stats.values()) if stats else None,
            threat_label=_name(_at(entity, "popular_threat_classification", "suggested_threat_label")),
            families=_names(_families(said, entity)) if verdict != "benign" else [],
            actors=_names(_actors(said, entity)) if verdict != "benign" else [],
            techniques=_names(each.get("id") for each in _objects(entity.get("techniques")))
            if verdict != "benign"
            else [],
            hashes=_hashes(view) if said["entity_type"] == "file" else Hashes(),
            first_seen=seen_at(entity, "first_submission_date", "first_seen_itw_date"),
            last_seen=seen_at(entity, "last_submission_date", "last_seen_itw_date"),
        )

    def corrected(self, judgement: Judgement | None, guarded: Guarded | None) -> Self:
        """What is left of it after what an analyst says and what known-good lists have: nobody is to block by it.

        A true positive says that the match is right, not how bad the entity is.
        """
        if judgement is not None and judgement.withholds:
            return self._disclaimed("benign" if judgement.verdict == "benign" else "unknown")
        if guarded is not None and guarded.is_suppressed:
            return self._disclaimed("unknown")
        if guarded is not None and guarded.confidence is not None and self.confidence is not None:
            return self.model_copy(update={"confidence": min(self.confidence, guarded.confidence)})
        return self

    def _disclaimed(self, verdict: Verdict) -> Self:
        nothing: dict[str, Any] = {"confidence": None, "families": [], "actors": [], "techniques": []}
        return self.model_copy(update={"verdict": verdict, **nothing})


def seen_at(entity: JsonObject, *names: str) -> str | None:
    """The first of these attributes that is a time (Unix seconds), in RFC 3339."""
    for name in names:
        value = entity.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(_LAST_SECOND)):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LAST_SECOND:
            return timestamp(value)
    return None


def _verdict(entity: JsonObject) -> Verdict:
    given = _at(entity, "gti_assessment", "verdict", "value")
    if isinstance(given, str) and given:
        return _ASSESSED.get(given, "unknown")
    malicious = _stats(entity).get("malicious", 0)
    if malicious >= MALICIOUS_ENGINES:
        return "malicious"
    return "suspicious" if malicious >= SUSPICIOUS_ENGINES else "unknown"


def _confidence(entity: JsonObject, verdict: Verdict, score: int | None) -> int | None:
    certainty = None if verdict == "benign" else _certainty(entity, score)
    if certainty is None:
        return None
    least, most = _SUPPORTED.get(verdict, _SUPPORTED_OTHERWISE)
    return min(certainty, most, most if score is None else max(score, least))


def _certainty(entity: JsonObject, score: int | None) -> int | None:
    factors = _at(entity, "gti_assessment", "contributing_factors")
    factors = factors if isinstance(factors, dict) else {}
    for name in ("gti_confidence_score", "mandiant_confidence_score"):
        given = _percentage(factors.get(name))
        if given is not None:
            return given
    if score is not None:
        return score
    stats = _stats(entity)
    counted = sum(stats.values())
    return round(100 * stats["malicious"] / counted) if counted and "malicious" in stats else None


def _families(said: JsonObject, entity: JsonObject) -> Iterator[Any]:
    """Names of families in lower case: those followed, then as attribution, configurations and sandboxes give them."""
    yield from (name.lower() for name in _followed(said, _MALWARE) if isinstance(name, str))
    config = entity.get("malware_config")
    # In the flat form that VirusTotal documents, a configuration is one family with one connection.
    configured = _objects(_at(config, "families")) or _objects([config])
    for each in (*_objects(_at(entity, "attribution", "malware_families")), *configured):
        family = each.get("family")
        yield family.lower() if isinstance(family, str) else None
    sandboxes = entity.get("sandbox_verdicts")
    for each in sandboxes.values() if isinstance(sandboxes, dict) else ():
        if isinstance(each, dict) and each.get("category") == "malicious":
            names = each.get("malware_names")
            yield from (name.lower() for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def _actors(said: JsonObject, entity: JsonObject) -> Iterator[Any]:
    """Names of actors: those that the notification follows, then those that the entity is attributed to."""
    yield from _followed(said, _ACTOR)
    yield from (each.get("name") for each in _objects(_at(entity, "attribution", "detailed_threat_actors")))
    named = _at(entity, "attribution", "threat_actors")
    yield from named if isinstance(named, list) else ()


def _followed(said: JsonObject, kinds: tuple[str, ...]) -> Iterator[Any]:
    """The names of collections of these kinds that raised the notification, by id or by what a look-up learned."""
    for source in _objects(said.get("sources")):
        identifier, kind = source.get("id"), source.get("type")
        begins = identifier.partition("--")[0] if isinstance(identifier, str) and "--" in identifier else ""
        type_known = _at(source, "attributes", "collection_type")
        if begins in kinds or type_known in kinds or (kind == "threat_actor" and kinds == _ACTOR):
            yield _at(source, "attributes", "name") or source.get("label")


def _hashes(view: Document) -> Hashes:
    entity = view["entity"]
    lower = {name: value.lower() for name in ("md5", "sha1") if (value := _name(entity.get(name)))}
    imphash = _name(_at(entity, "pe_info", "imphash"))
    value = observables.of_entity("file", view["entity_value"])
    if value is not None:  # of a file that is named by another hash than its SHA-256
        lower |= {_HASHES[len(value)]: value}
    return Hashes(
        **lower,
        ssdeep=_name(entity.get("ssdeep")),
        tlsh=_name(entity.get("tlsh")),
        imphash=imphash,
    )


def _stats(entity: JsonObject) -> dict[str, int]:
    """What the engines said, as counts."""
    given = entity.get("last_analysis_stats")
    if not isinstance(given, dict):
        return {}
    return {
        name: value
        for name in _COUNTED
        if isinstance(value := given.get(name), int) and not isinstance(value, bool) and value >= 0
    }


def _percentage(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:  # noqa: PLR2004
        return None
    return int(value)


def _at(value: Any, *names: str) -> Any:
    """What lies in objects under these names; None when something on the way is none."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _names(values: Iterable[Any]) -> list[str]:
    """Each name once, at most `_MOST_NAMES`."""
    names = dict.fromkeys(name for value in values if (name := _name(value)))
    return list(names)[:_MOST_NAMES]


def _name(value: Any) -> str | None:
    return shortened(one_line(value), _LONGEST_NAME) or None if isinstance(value, str) else None
