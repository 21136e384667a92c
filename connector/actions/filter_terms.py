"""VirusTotal's filter terms, applied to notifications that the journal has.

(docs.virustotal.com/reference/get-objects-from-the-ioc-stream)
"""

from collections.abc import Callable, Mapping
from typing import Any

from connector.actions.envelope import InvalidParameters
from connector.model import JsonObject
from connector.values.jsontext import list_or_empty

_Values = Callable[[JsonObject], list[Any]]

_TERMS: Mapping[str, _Values] = {
    "origin": lambda said: [said.get("origin")],
    "entity_type": lambda said: [said.get("entity_type")],
    "entity_id": lambda said: [said.get("entity_id")],
    "source_type": lambda said: [source.get("type") for source in _objects(said.get("sources"))],
    "source_id": lambda said: [source.get("id") for source in _objects(said.get("sources"))],
    "notification_tag": lambda said: list_or_empty(said.get("tags")),
}


def matcher(text: str) -> Callable[[JsonObject], bool]:
    """A test for what a notification says (`notification` of its view): whether it matches all terms, in one text.

    Raises:
        InvalidParameters: a term is not of this language.
    """
    tests = [_term(term) for term in text.split()]
    return lambda said: all(test(said) for test in tests)


def _term(term: str) -> Callable[[JsonObject], bool]:
    name, _, value = term.partition(":")
    if name == "date":
        raise InvalidParameters(f"filter: {term!r}: say `since` instead of a date")
    if name not in _TERMS or not value:
        raise InvalidParameters(f"filter: {term!r} is no term; write NAME:VALUE, with a name of {', '.join(_TERMS)}")
    values = _TERMS[name]
    return lambda said: value in values(said)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in list_or_empty(value) if isinstance(item, dict)]
