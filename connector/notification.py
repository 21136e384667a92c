"""The two shapes of a notification, read as one.

* The *stream item* of `GET /ioc_stream`: an entity object whose `context_attributes` carry the notification.
* The *notification object* of `GET /ioc_stream_notifications/{id}`: type `ioc_stream_notification`, with the
  notification in `attributes`; its entity object, when it has been fetched, stands beside under `entity`.

(docs.virustotal.com/reference/get-objects-from-the-ioc-stream and …/ioc-stream-notifications)
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from connector.model import Document, Entry, Json, JsonObject, Judgement, Notification, Refused, Subject

SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_SECONDS = re.compile(r"[0-9]{1,12}\Z", re.ASCII)
MAX_ID = 512
"""Bytes of an id, at most: journals find notifications by it."""
_BEGINNING = 64
MAX_DATE = 253_402_300_799
"""The last second of the year 9999: what RFC 3339 can say."""

LOOKED_UP = ("hunting_ruleset", "retrohunt_job", "collection", "threat_actor")
"""The types of `notification.sources` that can be looked up; a `threat_profile` cannot. The URL that a notification is
about is a subject too, of the type `url`, while only its digest is known."""
_WITH_RULES = ("hunting_ruleset", "retrohunt_job")
ENTITIES = ("file", "url", "domain", "ip_address")
"""The types of entities, which can be looked up again."""
TECHNIQUES = "file_techniques"
"""The type of what a file does, as a subject: the ATT&CK techniques that sandboxes saw."""
CONFIGURATION = "malware_config"
"""The attribute of a file in which it merely names hosts."""
MAX_SUBJECTS = 100
MAX_SUBJECT_ID = 512
"""Subjects of a notification, and characters of a subject's id, at most; VirusTotal gives fewer."""

EXAMPLE_SOURCE: JsonObject = {"name": "example", "labels": {}}
"""What `source` is where no configuration says which source a notification came from: for `iocstream convert`."""

_GUI = "https://www.virustotal.com/gui/"
_GUI_PATH = {"file": "file/", "url": "url/", "domain": "domain/", "ip_address": "ip-address/"}
_NOTIFICATION_KEYS = ("id", "date", "origin", "entity_type", "entity_id", "hunting_info", "sources", "tags", "link")
_NUMBERS = (int, float)
_NESTED = ("sources", "tags")
"""The documentation's template has these in hunting_info, every real answer beside it."""


def read(body: JsonObject) -> Notification:
    """A notification from either shape. Never fails: what is missing shows when it is needed, in `view`.

    Raises:
        TypeError: it is no JSON object.
    """
    if not isinstance(body, Mapping):
        raise TypeError(f"a notification is a JSON object (a dict), not a {type(body).__name__}: {body!r:.100}")
    context = _object(body.get("context_attributes"))
    if _is_notification_object(body):
        attributes = _object(body.get("attributes"))
        identifier, date = body.get("id"), attributes.get("date")
    else:
        identifier, date = context.get("notification_id"), context.get("notification_date")
    return Notification(id=_identifier(identifier, body), date=_date(date), body=body)


def bounded_id(identifier: str) -> str:
    """An id as it is if it is no longer than `MAX_ID`; else how it begins, and its digest."""
    text = identifier.encode("utf-8", "backslashreplace")
    if len(text) <= MAX_ID:
        return identifier
    return f"{identifier[:_BEGINNING]}…sha256:{hashlib.sha256(text).hexdigest()}"


def view(
    notification: Notification,
    context: Mapping[Subject, JsonObject] = MappingProxyType({}),
    source: JsonObject | None = None,
    judgement: Judgement | None = None,
    newest: bytes | None = None,
) -> Document:
    """What mappings see, under the same names for both shapes.

    These are `notification`, `entity`, `entity_value`, `source`, `judgement` and `reassessed`.

    Keys that VirusTotal adds are kept under the names it gives them. An element of `notification.sources` of which the
    context knows more has that in `attributes`, unless it has attributes of its own.

    Args:
        notification: what is to be mapped.
        context: what is known of its subjects.
        source: the `name` and `labels` of the source that it came from. Without it, what the body itself has under
            `source`, as an example may; else `EXAMPLE_SOURCE`.
        judgement: what decides of all that analysts say of it. Without it and a source, what the body has under
            `judgement`; else there is none.
            `reassessed` is what the body has so, as an example may; else a route says it that has told otherwise.
        newest: the entity's attributes as JSON, where more was learned of them later (`connector.model.Entry.entity`).

    Raises:
        Refused: it has no id, no date or no entity type, so that nothing true can be said of it.
    """
    body = notification.body
    said = _said(body).copy()
    if _is_notification_object(body):
        entity_object: JsonObject = _object(body.get("entity"))
        said |= {"links": body["links"]} if "links" in body else {}  # those of a stream item are the entity's
    else:
        said.pop("notification_id", None)
        said.pop("notification_date", None)
        said["entity_type"], said["entity_id"] = body.get("type"), body.get("id")
        entity_object = body
    hunting_info = said.get("hunting_info")
    if isinstance(hunting_info, dict):
        for key in _NESTED:
            if key not in said and key in hunting_info:
                said[key] = hunting_info[key]
        said["hunting_info"] = _with_text(hunting_info, "rule_name")
    said["sources"] = _with_attributes(said.get("sources"), context)
    entity_type, entity_id = said.get("entity_type"), said.get("entity_id")
    error = body.get("error")
    if isinstance(error, dict) and "type" not in body:
        raise Refused(f"it is an error that VirusTotal answered: {error.get('message')!s:.200}", by="notification")
    if notification.id.startswith("sha256:"):
        raise Refused("it has no notification id", by="notification")
    if notification.date is None:
        raise Refused("it has no date that a clock could show", by="notification")
    if not isinstance(entity_type, str) or not isinstance(entity_id, str) or not entity_type or not entity_id:
        raise Refused("it does not say which entity it is about (type and id)", by="notification")
    known = _object(entity_object.get("attributes") if newest is None else orjson.loads(newest))
    entity = _with_learned(entity_type, entity_id, known, context)
    said["id"], said["date"] = notification.id, notification.date
    said["link"] = _link(entity_type, entity_id)
    for key in _NOTIFICATION_KEYS:
        said.setdefault(key)
    return {
        "notification": said,
        "entity": entity,
        "entity_value": entity_value(entity_type, entity_id, entity),
        "source": source if source is not None else _source_in(body),
        "reassessed": (_object(body.get("reassessed")) or None) if source is None else None,
        "judgement": said_of(judgement) if judgement is not None else _judgement_in(body) if source is None else None,
        "guard": _guard_in(body) if source is None else None,
    }


def said_of(judgement: Judgement) -> JsonObject:
    """A judgement as mappings see it, with its times in Unix seconds; of what is not delivered yet."""
    return {
        "verdict": judgement.verdict,
        "of": judgement.judged.kind,
        "note": judgement.note or None,
        "by": judgement.by,
        "at": judgement.at,
        "until": judgement.until,
        "after_delivery": False,
    }


def subjects(body: JsonObject) -> Sequence[Subject]:
    """What a notification names that can be looked up, each once; see `LOOKED_UP`."""
    said = _said(body)
    sources = said["sources"] if "sources" in said else _object(said.get("hunting_info")).get("sources")
    named = map(_subject, sources if isinstance(sources, list) else ())
    if _is_notification_object(body):
        about = _unknown_url(
            said.get("entity_type"), said.get("entity_id"), _object(body.get("entity")).get("attributes")
        )
    else:
        about = _unknown_url(body.get("type"), body.get("id"), body.get("attributes"))
    return [*dict.fromkeys(subject for subject in (about, *named) if subject is not None)][:MAX_SUBJECTS]


def observables(body: JsonObject) -> Sequence[str]:
    """The names of what a notification is about: as `entity_value` has it if it is known, and by its id."""
    said = _said(body)
    if _is_notification_object(body):
        entity_type, entity_id, entity = said.get("entity_type"), said.get("entity_id"), _object(body.get("entity"))
        attributes = entity.get("attributes")
    else:
        entity_type, entity_id, attributes = body.get("type"), body.get("id"), body.get("attributes")
    if not isinstance(entity_type, str) or not isinstance(entity_id, str):
        return ()
    value = entity_value(entity_type, entity_id, _object(attributes))
    return [value, entity_id] if value and value != entity_id else [entity_id]


def rule_name(body: JsonObject) -> str:
    """The name of the rule that matched; empty when none did."""
    name = _object(_said(body).get("hunting_info")).get("rule_name")
    return str(name) if name.__class__ in (str, *_NUMBERS) else ""


def rulesets(body: JsonObject) -> Sequence[str]:
    """The ids of the rulesets and Retrohunt jobs that a notification names."""
    return [each.id for each in subjects(body) if each.type in _WITH_RULES]


def entity_value(entity_type: str, entity_id: str, entity: JsonObject) -> str | None:
    """The observable itself: SHA-256, URL, domain or IP address; the id for a type not known; None if unknown.

    A URL's id may be the URL itself or its SHA-256, which cannot be turned back.
    """
    if entity_type == "url":
        url = entity.get("url")
        if isinstance(url, str) and url:
            return url
        return entity_id if "://" in entity_id else None
    if entity_type == "file":
        sha256 = entity.get("sha256")
        value = sha256 if isinstance(sha256, str) and SHA256.match(sha256) else entity_id
        return value.lower()
    return entity_id


def _source_in(body: JsonObject) -> JsonObject:
    if "source" not in body:
        return EXAMPLE_SOURCE
    said = _object(body["source"])
    name, labels = said.get("name"), _object(said.get("labels"))
    return {
        "name": name if isinstance(name, str) and name else EXAMPLE_SOURCE["name"],
        "labels": {key: value for key, value in labels.items() if isinstance(value, str)},
    }


def _judgement_in(body: JsonObject) -> JsonObject | None:
    if not (said := _object(body.get("judgement"))):
        return None
    texts, times = _of_type(said, str, ("verdict", "of", "note", "by")), _of_type(said, int, ("at", "until"))
    return texts | times | _of_type(said, bool, ("after_delivery",))


def _guard_in(body: JsonObject) -> JsonObject | None:
    said = _object(body.get("guard"))
    return _of_type(said, str, ("list", "effect")) | _of_type(said, int, ("confidence",)) if said else None


def _of_type(said: JsonObject, kind: type, keys: Sequence[str]) -> dict[str, Json]:
    """These members, null where one is not what the program itself would say: mappings rely on that."""
    return {key: value if type(value := said.get(key)) is kind else None for key in keys}


def _unknown_url(entity_type: Json, entity_id: Json, entity: Json) -> Subject | None:
    """The URL that a notification is about, when it has only the digest of it."""
    if entity_type != "url" or not isinstance(entity_id, str) or not SHA256.match(entity_id):
        return None
    return None if _object(entity).get("url") else Subject("url", entity_id)


def entity(body: JsonObject) -> tuple[Subject, dict[str, Any]] | None:
    """The entity that a notification is about, and what it says of it; None if that cannot be looked up by its id."""
    if _is_notification_object(body):
        said = _object(body.get("attributes"))
        entity_type, entity_id, attributes = said.get("entity_type"), said.get("entity_id"), body.get("entity")
        attributes = _object(attributes).get("attributes")
    else:
        entity_type, entity_id, attributes = body.get("type"), body.get("id"), body.get("attributes")
    if entity_type not in ENTITIES or not isinstance(entity_id, str):
        return None
    is_digest = entity_type in ("file", "url")
    if not (SHA256.match(entity_id) if is_digest else _is_name(entity_id)):
        return None
    return Subject(entity_type, entity_id), _object(attributes)


def known(entry: Entry) -> JsonObject:
    """What is known of the entity of a notification that is stored: what was looked up, or what it says itself."""
    if entry.entity is not None:
        return _object(orjson.loads(entry.entity))
    found = entity(entry.notification.body)
    return {} if found is None else found[1]


def _is_name(text: str) -> bool:
    return 0 < len(text) <= MAX_SUBJECT_ID and text.isprintable() and not any(map(str.isspace, text))


def _with_learned(
    entity_type: str, entity_id: str, attributes: dict[str, Any], context: Mapping[Subject, JsonObject]
) -> dict[str, Any]:
    """An entity's attributes with its URL, or its techniques, where only a look-up could tell."""
    if not context:
        return attributes
    if entity_type == "file":
        techniques = context.get(Subject(TECHNIQUES, entity_id))
        return {**techniques, **attributes} if techniques else attributes
    subject = _unknown_url(entity_type, entity_id, attributes)
    return {**context.get(subject, {}), **attributes} if subject else attributes


def _said(body: JsonObject) -> dict[str, Any]:
    return _object(body.get("attributes" if _is_notification_object(body) else "context_attributes"))


def _subject(source: Json) -> Subject | None:
    kind, identifier = _object(source).get("type"), _object(source).get("id")
    if kind not in LOOKED_UP or not isinstance(identifier, str) or not identifier.isprintable():
        return None
    return Subject(kind, identifier) if 0 < len(identifier) <= MAX_SUBJECT_ID else None


def _with_text(named: Json, key: str) -> Json:
    """The same with its name as text: rules and rulesets may be called by a number."""
    name = named.get(key) if isinstance(named, dict) else None
    return {**named, key: str(name)} if name.__class__ in _NUMBERS else named


def _with_attributes(sources: Json, context: Mapping[Subject, JsonObject]) -> Json:
    if not isinstance(sources, list):
        return sources
    for source in sources:
        if source.__class__ is dict and source.get("label").__class__ in _NUMBERS:
            sources = [_with_text(each, "label") for each in sources]
            break
    if not context:
        return sources
    known = (context.get(subject) if (subject := _subject(source)) else None for source in sources)
    return [
        source if attributes is None or "attributes" in source else {**source, "attributes": attributes}
        for source, attributes in zip(sources, known, strict=True)
    ]


def _is_notification_object(body: JsonObject) -> bool:
    return body.get("type") == "ioc_stream_notification"


def _identifier(said: Json, body: JsonObject) -> str:
    if isinstance(said, str) and said:
        return bounded_id(said)
    if isinstance(said, int) and not isinstance(said, bool):
        return bounded_id(str(said))
    try:
        said = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # too deep, or a number too large: nothing that a decoder of ours lets through
        said = repr(body).encode("utf-8", "backslashreplace")
    return "sha256:" + hashlib.sha256(said).hexdigest()


def _date(said: Json) -> int | None:
    if isinstance(said, str) and _SECONDS.match(said):
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return int(said) if 0 <= said <= MAX_DATE else None


def _link(entity_type: str, entity_id: str) -> str | None:
    path = _GUI_PATH.get(entity_type)
    if path is None:
        return None
    if entity_type == "url" and not SHA256.match(entity_id):
        # The GUI wants the id of the canonicalised URL, which the raw URL need not be.
        return None
    return f"{_GUI}{path}{entity_id}"


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
