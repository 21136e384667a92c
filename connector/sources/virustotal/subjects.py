"""What VirusTotal says of what notifications name and are about: rulesets, collections, actors, files, URLs, hosts.

Where to ask, and what an answer means; `connector.pipeline.look_ups` says when to ask.

(docs.virustotal.com/reference/hunting-ruleset-object, …/retrohunt-job-object, …/collections-object, …/url-object)
"""

import hashlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from connector.model import Json, JsonObject, LookUp, Subject
from connector.notification import ENTITIES, TECHNIQUES
from connector.sources.bodies import storable
from connector.sources.virustotal.api import Answer
from connector.sources.virustotal.techniques import techniques
from connector.values import assessments, jsontext

DAY_SECONDS = 86_400
REFUSED_SECONDS = 14 * DAY_SECONDS
"""After how long something absent or forbidden is asked for again: someone may share it, or the licence may grow."""
FAILED_SECONDS = 3600
"""After how long something is asked for again that was answered with nonsense."""
MAX_ATTRIBUTES_BYTES = 16 * 1024 * 1024
"""Memory that those of one subject take, decoded: what does not fit is left out, the largest attributes first."""
MAX_ENTITY_BYTES = 2 * 1024 * 1024
"""Likewise of a file, URL, domain or IP address, of which there are many more."""

_MAX_NAME = 200


class _Kind(NamedTuple):
    """One type of subject.

    Attributes:
        path: of its endpoint, before the id.
        fresh_seconds: after how long it is read again.
        passing: attributes whose change is nothing that a notification would be told again for.
        refused_seconds: after how long it is asked for again when it was absent or forbidden.
        below: of its endpoint, after the id.
    """

    path: tuple[str, ...]
    fresh_seconds: int
    passing: frozenset[str]
    refused_seconds: int = REFUSED_SECONDS
    below: tuple[str, ...] = ()


_NEVER_SECONDS = 3650 * DAY_SECONDS
_COLLECTION = _Kind(
    ("collections",),
    7 * DAY_SECONDS,
    frozenset(
        {"aggregations", "counters", "last_modification_date", "status", "summary_stats", "top_icon_md5"}
        | {f"recent_activity_{name}" for name in ("relative_change", "summary")}
        | {f"{name}_count" for name in ("domains", "files", "ip_addresses", "urls", "references", "subscribers")}
    ),
)
_KINDS: Mapping[str, _Kind] = {
    # Only visible to their owner and those they are shared with; daily, for `rate_limited`.
    "hunting_ruleset": _Kind(
        ("intelligence", "hunting_rulesets"), DAY_SECONDS, frozenset(("rate_limited", "rate_limited_ratio"))
    ),
    # A job's rules never change.
    "retrohunt_job": _Kind(
        ("intelligence", "retrohunt_jobs"),
        30 * DAY_SECONDS,
        frozenset(("eta_seconds", "num_matches", "num_matches_outside_time_range", "progress", "scanned_bytes")),
    ),
    "collection": _COLLECTION,
    "threat_actor": _COLLECTION,
    # Also asked for what its digest stands for.
    "url": _Kind(("urls",), _NEVER_SECONDS, frozenset(), refused_seconds=DAY_SECONDS),
    "file": _Kind(("files",), _NEVER_SECONDS, frozenset()),
    "domain": _Kind(("domains",), _NEVER_SECONDS, frozenset()),
    "ip_address": _Kind(("ip_addresses",), _NEVER_SECONDS, frozenset()),
    TECHNIQUES: _Kind(("files",), _NEVER_SECONDS, frozenset(), below=("behaviour_mitre_trees",)),
}


def endpoint(subject: Subject) -> tuple[str, ...]:
    """The path to ask at."""
    kind = _KINDS[subject.type]
    return (*kind.path, subject.id, *kind.below)


def answered(
    subject: Subject, answer: Answer, asked_at: int, again: Sequence[int] = (), *, with_techniques: bool = True
) -> LookUp:
    """What an answer means.

    Args:
        subject: what was asked about.
        answer: what VirusTotal said.
        asked_at: when, in Unix seconds.
        again: how many seconds after it was last named an entity is asked about again.
        with_techniques: whether it is then asked what a malicious or suspicious file does.
    """
    kind = _KINDS[subject.type]
    if answer.status == HTTPStatus.FORBIDDEN:
        return LookUp(subject, "forbidden", asked_at, asked_at + kind.refused_seconds)
    if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return LookUp(subject, "absent", asked_at, asked_at + kind.refused_seconds)
    data = answer.document.get("data") if answer.status == HTTPStatus.OK else None
    if subject.type == TECHNIQUES and isinstance(data, dict):
        said: Json = {"techniques": techniques(storable(data))}
    else:
        said = data.get("attributes") if isinstance(data, dict) else None
    if not isinstance(said, dict):
        return LookUp(subject, "failed", asked_at, asked_at + FAILED_SECONDS)
    due = asked_at + kind.fresh_seconds
    if subject.type in ENTITIES:
        entity = _bounded(storable(said), MAX_ENTITY_BYTES)
        does_harm = subject.type == "file" and assessments.is_bad(entity)
        leads_to = [Subject(TECHNIQUES, subject.id)] if does_harm and with_techniques else []
        news = assessments.meaning(entity)
        return LookUp(subject, "known", asked_at, due, entity, news, again=again, leads_to=leads_to)
    attributes = _bounded(storable(said), MAX_ATTRIBUTES_BYTES)
    lasting = {name: value for name, value in attributes.items() if name not in kind.passing}
    digest = hashlib.sha256(orjson.dumps(lasting, option=orjson.OPT_SORT_KEYS)).digest()
    report = _limits(attributes) if subject.type == "hunting_ruleset" else {}
    return LookUp(subject, "known", asked_at, due, attributes, digest, report)


def _bounded(attributes: JsonObject, most: int) -> JsonObject:
    sizes = {name: jsontext.decoded_bytes(orjson.dumps({name: value})) for name, value in attributes.items()}
    if sum(sizes.values()) <= most:
        return attributes
    kept, left = set(), most
    for name in sorted(sizes, key=sizes.__getitem__):
        left -= sizes[name]
        if left < 0:
            break
        kept.add(name)
    return {name: value for name, value in attributes.items() if name in kept}


def _limits(attributes: JsonObject) -> JsonObject:
    """How a ruleset stands to the limit of its notifications in 24 hours, for `status`.

    `rate_limited` says that its matches are dropped now, `rate_limited_ratio` in which part of the past 24 hours.
    """
    name, limit = attributes.get("name"), attributes.get("limit")
    ratio: Any = attributes.get("rate_limited_ratio")
    return {
        "name": "".join(filter(str.isprintable, name[:_MAX_NAME])) if isinstance(name, str) else None,
        "rate_limited": attributes.get("rate_limited") is True,
        "rate_limited_ratio": min(1.0, max(0.0, float(ratio))) if _is_number(ratio) else None,
        "limit": limit if isinstance(limit, int) and not isinstance(limit, bool) else None,
    }


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
