"""Which options a configuration has, and where: for the errors about those that stand where they do not belong."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector.model import Json
from connector.settings.yamldoc import YamlPath

NAMED = "NAME"
"""In the place of a name that the user chooses."""
_MOST_PLACES = 3
_CLOSE = 0.7
_CLOSE_ELSEWHERE = 0.8
"""What belongs elsewhere has to be closer: who wrote `verify` for an HTTP API did not mean `severity` of syslog."""
_TOP = "the top of the file"


def unknown_option(schema: Json, data: Json, path: YamlPath) -> str:
    """What is wrong with an option that is not known where it stands, and what may have been meant.

    Args:
        schema: the JSON Schema of the file.
        data: what is in the file.
        path: of the option.
    """
    name = str(path[-1])
    here = {option for each in _at(schema, schema, data, path[:-1]) for option in each.get("properties", {})}
    everywhere = _places(schema)
    if name in everywhere:
        return f"this option does not belong here, but {_listed(everywhere[name])}"
    if close := _closest(name, here, _CLOSE):
        return f"there is no such option; did you mean {close}?"
    if close := _closest(name, everywhere, _CLOSE_ELSEWHERE):
        return f"there is no such option; did you mean {close}, which belongs {_listed(everywhere[close])}?"
    return f"there is no such option; there is {', '.join(sorted(here))}" if here else "there is no such option"


def kinds(schema: Json, data: Json, path: YamlPath) -> Sequence[str]:
    """What the `type` of the section at a path may be."""
    return [*dict.fromkeys(kind for section in _at(schema, schema, data, path) for kind in _kinds(section))]


def is_secret(schema: Json, data: Json, path: YamlPath) -> bool:
    """Whether the option at a path is a secret, whatever type the file chooses."""
    options = (
        child
        for section in _at(schema, schema, data, path[:-1])
        for key, child in _children(section)
        if key in (path[-1], NAMED)
    )
    return any(each.get("writeOnly") for option in options for each in _variants(schema, option))


def _closest(name: str, options: Any, least: float) -> str | None:
    spelt = {option.lower(): option for option in sorted(options)}
    close = difflib.get_close_matches(name.lower().replace("-", "_"), spelt, n=1, cutoff=least)
    return spelt[close[0]] if close else None


def _listed(places: Sequence[str]) -> str:
    unique = [*dict.fromkeys(places)]
    more = f", and in {len(unique) - _MOST_PLACES} other places" if len(unique) > _MOST_PLACES else ""
    return " or ".join(unique[:_MOST_PLACES]) + more


def _at(root: Json, node: Json, data: Json, path: YamlPath) -> Iterator[Mapping[str, Any]]:
    """The sections that may stand at a path, as far as the types that the file names decide."""
    for section in _variants(root, node):
        kinds = _kinds(section)
        if isinstance(data, dict) and kinds and data.get("type", kinds[0]) not in kinds:
            continue
        if not path:
            yield section
            continue
        inner = data[path[0]] if isinstance(data, dict) and path[0] in data else None
        if isinstance(data, list) and isinstance(path[0], int) and path[0] < len(data):
            inner = data[path[0]]
        for key, child in _children(section):
            if key in (path[0], NAMED) or (isinstance(path[0], int) and key == "items"):
                yield from _at(root, child, inner, path[1:])


def _places(root: Json) -> dict[str, list[str]]:
    """Option → where it belongs, those nearest to the top first."""
    places: dict[str, list[str]] = {}
    level: list[tuple[Json, tuple[str, ...], frozenset[str]]] = [(root, (), frozenset())]
    while level:
        following = []
        for node, path, passed in level:
            for section in _variants(root, node):
                title = str(section.get("title"))
                if title in passed:
                    continue
                kinds = _kinds(section)
                where = f"under {'.'.join(path)}" if path else f"at {_TOP}"
                where += f" (type: {', '.join(kinds)})" if kinds else ""
                for key, child in _children(section):
                    if key in section.get("properties", {}):
                        places.setdefault(key, []).append(where)
                    inner = path if key == "items" else (*path, key)
                    following.append((child, inner, passed | ({title} if "properties" in section else set())))
        level = following
    return places


def _variants(root: Json, node: Json) -> Iterator[Mapping[str, Any]]:
    if not isinstance(node, dict):
        return
    if "$ref" in node:
        yield from _variants(root, root["$defs"][node["$ref"].rpartition("/")[2]])
    alternatives = [each for name in ("anyOf", "oneOf", "allOf") for each in node.get(name, ())]
    for each in alternatives:
        yield from _variants(root, each)
    if "$ref" not in node and not alternatives:
        yield node


def _kinds(section: Mapping[str, Any]) -> Sequence[str]:
    """What a section's `type` says, where that decides which options it has."""
    said = section.get("properties", {}).get("type", {})
    return [said["const"]] if "const" in said else said.get("enum", [])


def _children(section: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    yield from section.get("properties", {}).items()
    for name in ("additionalProperties", "patternProperties"):
        inner = section.get(name)
        for each in inner.values() if name == "patternProperties" and inner else (inner,):
            if isinstance(each, dict):
                yield NAMED, each
    if isinstance(section.get("items"), dict):
        yield "items", section["items"]
