"""Overlays: what to change in a mapping, add to it and remove from it, in a file of its own.

Each line says what it expects of the mapping below: `change` and `remove` that something is there, `add` that it is
not. So an overlay keeps working when the mapping is upgraded, or the line that no longer fits is named.
"""

import copy
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from connector.model import Json, Misconfigured
from connector.settings.yamldoc import Place, YamlDocument, YamlPath, dotted
from connector.values.suggestions import suggestion

_TOP_LEVEL = ("extends", "description", "change", "add", "remove")
_PARTS = ("match", "let", "claim", "emit", "withdraw")
"""What an overlay may touch of a mapping."""

_Dict = dict[str, Json]


def apply_overlay(mapping: YamlDocument, overlay: YamlDocument) -> YamlDocument:
    """A mapping with an overlay over it; every value keeps the place where it stands, in either file.

    In `change`, a mapping goes deeper into the mapping that is there, except that one with a `$switch` takes the place
    of all that was there; text, numbers and lists do too. In `add`, a list goes to the end of the list that is there.
    What is removed goes first, what is added comes last.

    Args:
        mapping: of any format; another overlay may lie over it already.
        overlay: a file with `extends` and at least one of `change`, `add` and `remove`.

    Raises:
        Misconfigured: the overlay is none, is for another mapping, or lines of it do not fit; each with its place.
    """
    if not isinstance(mapping.data, dict):
        raise mapping.error((), "a mapping is expected here")
    data = _checked(overlay)
    name = PurePath(mapping.name).stem
    if data["extends"] != name:
        message = f"this is an overlay of {data['extends']!r}, and the mapping is {name!r}"
        raise overlay.error(("extends",), message)
    overlaid = _Overlaid(mapping, overlay)
    for verb in ("remove", "change", "add"):
        overlaid.apply(verb, data.get(verb, {}))
    if overlaid.faults:
        raise Misconfigured("\n".join(str(fault) for fault in overlaid.faults))
    if "description" in data:
        overlaid.put(("description",), data["description"], ("description",))
    return YamlDocument(mapping.name, overlaid.data, overlaid.places, (*mapping.overlays, overlay.name))


def _checked(overlay: YamlDocument) -> _Dict:
    data = overlay.data
    if not isinstance(data, dict):
        raise overlay.error((), f"an overlay is expected here, with {', '.join(_TOP_LEVEL)}")
    for key in data:
        if key not in _TOP_LEVEL:
            known = ", ".join(_TOP_LEVEL)
            hint = "; put it under change, add or remove" if key in _PARTS else suggestion(key, _TOP_LEVEL)
            raise overlay.error((key,), f"there is no such key in an overlay{hint} (known: {known})")
    for key in ("extends", "description"):
        if not isinstance(data.get(key, ""), str):
            raise overlay.error((key,), "must be text")
    if "extends" not in data:
        raise overlay.error((), "extends is required: the name of the mapping that this is for")
    if not data.keys() & {"change", "add", "remove"}:
        raise overlay.error((), "an overlay needs a change, an add or a remove")
    return data


class _Overlaid:
    """A mapping while an overlay is laid over it. A `path` is in the mapping, a `source` is the path in the overlay."""

    def __init__(self, mapping: YamlDocument, overlay: YamlDocument) -> None:
        self.mapping = mapping
        self.overlay = overlay
        self.data: _Dict = copy.deepcopy(mapping.data)
        self.places: dict[YamlPath, Place] = dict(mapping.places)
        self.removed: set[YamlPath] = set()
        self.faults: list[Misconfigured] = []

    def apply(self, verb: str, data: Json) -> None:
        """What the overlay says under `change`, `add` or `remove`."""
        if not isinstance(data, dict):
            raise self.overlay.error((verb,), f"a mapping is expected here, with {', '.join(_PARTS)}")
        for key in data:
            if key not in _PARTS:
                message = f"an overlay can {verb} nothing but {', '.join(_PARTS)}{suggestion(key, _PARTS)}"
                raise self.overlay.error((verb, key), message)
        self.deeper(getattr(self, verb), data, self.data, (), (verb,))

    def deeper(
        self, act: Callable[[Json, _Dict, YamlPath, YamlPath], None],
        said: _Dict, into: _Dict, path: YamlPath, source: YamlPath,
    ) -> None:  # fmt: skip
        for key, value in said.items():
            try:
                act(value, into, (*path, key), (*source, key))
            except Misconfigured as fault:
                self.faults.append(fault)

    def change(self, value: Json, into: _Dict, path: YamlPath, source: YamlPath) -> None:
        self.check_there(into, path, source)
        self.check_value(value, source)
        there = into[str(path[-1])]
        if isinstance(value, dict) and isinstance(there, dict) and "$switch" not in value:
            self.deeper(self.change, value, there, path, source)
        else:
            self.put(path, value, source)

    def add(self, value: Json, into: _Dict, path: YamlPath, source: YamlPath) -> None:
        self.check_value(value, source)
        if path[-1] not in into:
            self.put(path, value, source)
            return
        there = into[str(path[-1])]
        if isinstance(value, dict) and isinstance(there, dict) and "$switch" not in value:
            self.deeper(self.add, value, there, path, source)
        elif isinstance(value, list) and isinstance(there, list):
            for index, member in enumerate(value):
                there.append(None)
                self.put((*path, len(there) - 1), member, (*source, index))
        else:
            raise self.misfit(
                source,
                f"{dotted(path)} is there already ({self.place_of(path)}); to give it another value, "
                "move the line to change",
            )

    def remove(self, value: Json, into: _Dict, path: YamlPath, source: YamlPath) -> None:
        self.check_there(into, path, source)
        name = str(path[-1])
        there = into[name]
        if value is None:
            del into[name]
            self.forget(path)
            self.removed.add(path)
            return
        if not isinstance(value, dict):
            raise self.overlay.error(source, f"what is to be removed has no value: write only `{name}:`")
        if not isinstance(there, dict):
            raise self.misfit(
                source, f"{dotted(path)} holds nothing by name ({self.place_of(path)}); write only `{name}:`"
            )
        self.deeper(self.remove, value, there, path, source)
        if not there and path != ("let",):
            raise self.overlay.error(source, f"nothing would be left of {dotted(path)}: write only `{name}:`")

    def put(self, path: YamlPath, value: Json, source: YamlPath) -> None:
        """Give the mapping a value of the overlay, with its places."""
        into: Any = self.data
        for part in path[:-1]:
            into = into[part]
        into[path[-1]] = copy.deepcopy(value)
        self.forget(path)
        for known, place in self.overlay.places.items():
            if known[: len(source)] == source:
                self.places[path + known[len(source) :]] = place

    def forget(self, path: YamlPath) -> None:
        for known in [known for known in self.places if known[: len(path)] == path]:
            del self.places[known]

    def check_value(self, value: Json, source: YamlPath) -> None:
        if value is None or value == {}:
            raise self.overlay.error(source, "a value is expected here; to leave something out, put it under remove")

    def check_there(self, into: _Dict, path: YamlPath, source: YamlPath) -> None:
        name = str(path[-1])
        if name in into:
            return
        if path in self.removed:
            raise self.overlay.error(source, f"{dotted(path)} is removed by this overlay")
        around = dotted(path[:-1])
        here = f" (known in {around}: {', '.join(into)})" if around else ""
        raise self.misfit(
            source,
            f"{self.mapping.name} has no {dotted(path)}{suggestion(name, into)}{here}",
        )

    def place_of(self, path: YamlPath) -> Place | str:
        return self.places.get(path, self.mapping.name)

    def misfit(self, source: YamlPath, message: str) -> Misconfigured:
        return self.overlay.error(source, f"this line does not fit, correct it or take it out: {message}")
