"""An explained conversion as one page of HTML that needs nothing else: input left, output right, linked both ways.

Everything in it may be hostile, except the style and the script. The page is built as a tree of elements, so that text
stays text, and its Content-Security-Policy lets nothing run or load but those two, by their hashes.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import PurePath
from xml.etree import ElementTree as ET

from connector.authoring.explain import ExplainedConversion, sources
from connector.mapping.compilation.checking import NOTIFICATION_SCOPE
from connector.mapping.explanation import Evaluation, ExplainedValue, ScopePath
from connector.model import Json
from connector.settings.yamldoc import dotted
from connector.values.display import printable, value_text

_VALUE, _READ = 2000, 80
"""How many characters of a value are shown, and of a value that was read."""
_SMALL = 12
"""Up to so many members, a part of the input is shown open even if nothing of it was read."""

_Content = ET.Element | str


def page(explained: ExplainedConversion) -> bytes:
    """The page, in UTF-8."""
    output = _Output(explained)
    main = _element("main", _Input(explained, output).section, output.section)
    style, script = (_resource(name) for name in ("page.css", "page.js"))
    head = _element(
        "head",
        _element("meta", charset="utf-8"),
        _element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        _element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _element("title", f"{printable(explained.notification_id)} by {printable(explained.mapping)}"),
        _element("style", style),
    )
    body = _element("body", _header(explained), main, _element("script", script))
    html: bytes = ET.tostring(_element("html", head, body, lang="en"), "utf-8", method="html")
    return b"<!DOCTYPE html>\n" + html


class _Output:
    """What the mapping makes, with a row for each value.

    Attributes:
        inputs: the element of each place in the notification.
        readers: by place, the rows of the values that came of it.
    """

    def __init__(self, explained: ExplainedConversion) -> None:
        explanation = explained.explanation
        self.inputs = {path: f"in{number}" for number, path in enumerate(_paths(explanation.view))}
        self.readers: dict[ScopePath, list[str]] = {}
        self.names = {part.key for part in (*explanation.names, *explanation.emitted)}
        self.rows = 0
        made: list[_Content] = []
        if explanation.match is not None:
            row = self.row("row", [_element("span", "match", class_="key")], [explanation.match])
            made.append(_element("ul", _element("li", row), class_="tree"))
        made.append(_element("ul", *(self.part(part, top=True) for part in explanation.emitted), class_="tree"))
        if explanation.claim is not None:
            row = self.row("row", [_element("span", "claim", class_="key")], [explanation.claim])
            made.append(_element("ul", _element("li", row), class_="tree"))
        if explanation.withdrawn:
            made.append(_element("h3", "If it were to be taken back"))
            made.append(_element("ul", *map(self.part, explanation.withdrawn), class_="tree"))
        if explanation.names:
            made.append(_element("h3", "Names under let"))
            made.append(_element("ul", *(self.part(part, top=True) for part in explanation.names), class_="tree"))
        if explained.sent:
            sent = _element("pre", "\n".join(map(printable, explained.sent)))
            summary = _element("span", "What is sent, to the byte", class_="row")
            made.append(_details(summary, sent, is_open=False))
        self.section = _section("output", "Output", "and where each value comes from", *made)

    def part(self, part: ExplainedValue, *, top: bool = False) -> ET.Element:
        """A value with its row, and those below it."""
        content: list[_Content] = [_element("span", _key(part.key), class_="key")]
        if part.left_out:
            content += [" ", _element("span", f"left out: {printable(part.left_out)}", class_="reason")]
        elif not part.parts:
            content += [" ", _value(part.value)]
        if part.by_format:
            content += [" ", _element("span", "added by the format", class_="place")]
        elif part.place:
            content += [" ", _element("span", _line(part.place), class_="place", title=printable(part.place))]
        identifier = f"name-{part.key}" if top else None
        row = self.row("row", content, part.evaluations, identifier, counts=not part.left_out and part.path[0] != "let")
        class_ = "left-out" if part.left_out else "by-format" if part.by_format else None
        if not part.parts:
            return _element("li", row, class_=class_)
        inner = _element("ul", *map(self.part, part.parts))
        return _element("li", _details(row, inner, is_open=not part.left_out), class_=class_)

    def row(
        self,
        class_: str,
        content: Sequence[_Content],
        evaluations: Sequence[Evaluation],
        identifier: str | None = None,
        *,
        counts: bool = False,
    ) -> ET.Element:
        """A line with the expressions below it, linked to the input; `counts`: as one of the values that came of it."""
        self.rows += 1
        identifier = identifier or f"out{self.rows}"
        paths = dict.fromkeys(path for each in evaluations for path in each.inputs if path in self.inputs)
        for path in paths if counts else ():
            self.readers.setdefault(path, []).append(identifier)
        why = [self.evaluation(each) for each in evaluations]
        links = " ".join(self.inputs[path] for path in paths)
        return _element("span", *content, *why, class_=class_, id=identifier, data_links=links or None)

    def evaluation(self, evaluation: Evaluation) -> ET.Element:
        """An expression, and its `sources`."""
        content: list[_Content] = []
        if evaluation.role not in ("value", "text"):
            content += [_element("span", evaluation.role, class_="role"), " "]
        content.append(_element("code", printable(" ".join(evaluation.expression.split()))))
        for path, value in sources(evaluation).items():
            target = self.inputs.get(path) or (f"name-{path[0]}" if path[0] in self.names else None)
            name = _element("a" if target else "span", printable(dotted(path)), href=f"#{target}" if target else None)
            found = " is not given" if value is None else f" = {value_text(value, _READ)}"
            content.append(_element("span", name, _element("bdi", found), class_="read"))
        return _element("span", *content, class_="why")


class _Input:
    """The notification, with a row for each value."""

    def __init__(self, explained: ExplainedConversion, output: _Output) -> None:
        self.output = output
        view = explained.explanation.view
        members = [self.member((name,), name, view.get(name)) for name in NOTIFICATION_SCOPE]
        self.section = _section("input", "Notification", "as mappings see it", _element("ul", *members, class_="tree"))

    def member(self, path: ScopePath, key: str | int, value: Json) -> ET.Element:
        """What stands at a path."""
        readers = self.read_by(path)
        children = _children(value)
        content: list[_Content] = [_element("span", _key(key), class_="key")]
        if not children:
            content += [" ", _value(value)]
        if readers:
            count = f"→ {len(readers)}"
            told = f"{len(readers)} values of the output came of this: go to the first"
            content += [" ", _element("a", count, href=f"#{readers[0]}", class_="count", title=told)]
        class_ = "row" if readers else "row unread"
        links = " ".join(readers) or None
        row = _element("span", *content, class_=class_, id=self.output.inputs[path], data_links=links)
        if not children:
            return _element("li", row)
        inner = _element("ul", *(self.member((*path, name), name, child) for name, child in children))
        is_open = len(path) == 1 or len(children) <= _SMALL or any(read[: len(path)] == path for read in self.used)
        return _element("li", _details(row, inner, is_open=is_open))

    @property
    def used(self) -> Sequence[ScopePath]:
        """The places that something came of."""
        return list(self.output.readers)

    def read_by(self, path: ScopePath) -> Sequence[str]:
        """The rows of what came of a place, or of what is around it."""
        found = [row for length in range(1, len(path) + 1) for row in self.output.readers.get(path[:length], ())]
        return list(dict.fromkeys(found))


def _header(explained: ExplainedConversion) -> ET.Element:
    if not explained.explanation.wanted:
        verdict = _element("p", "Not for this mapping: its match is false.", class_="verdict none")
    elif explained.refused:
        verdict = _element("p", f"Refused by {printable(explained.refused)}", class_="verdict refused")
    else:
        count = len(explained.sent)
        verdict = _element("p", f"{count} {'document' if count == 1 else 'documents'} to send", class_="verdict")
    called = " with ".join(PurePath(name).name for name in (explained.mapping, *explained.overlays))
    mapping, identifier = (_element("code", printable(text)) for text in (called, explained.notification_id))
    left_out = _element("input", id="show-left-out", type="checkbox", checked="checked")
    by_format = _element("input", id="show-by-format", type="checkbox", checked="checked")
    return _element(
        "header",
        _element("h1", mapping, " on notification ", identifier),
        verdict,
        _element("label", left_out, " what was left out"),
        _element("label", by_format, " what the format added"),
        _element(
            "p",
            "Point at a value to see what it came of. Click to keep it, Escape to let go.",
            id="told",
            role="status",
        ),
    )


def _section(name: str, heading: str, note: str, *content: _Content) -> ET.Element:
    title = _element("h2", heading, " ", _element("small", note), id=f"{name}-heading")
    return _element("section", title, *content, id=name, aria_labelledby=f"{name}-heading", tabindex="0")


def _details(row: ET.Element, inner: ET.Element, *, is_open: bool) -> ET.Element:
    return _element("details", _element("summary", row), inner, open="open" if is_open else None)


def _element(tag: str, *content: _Content, **attributes: str | None) -> ET.Element:
    """An element; `class_` is written `class`, and `data_links` `data-links`."""
    made = ET.Element(
        tag, {name.rstrip("_").replace("_", "-"): text for name, text in attributes.items() if text is not None}
    )
    last: ET.Element | None = None
    for each in content:
        if isinstance(each, ET.Element):
            made.append(each)
            last = each
        elif last is None:
            made.text = (made.text or "") + each
        else:
            last.tail = (last.tail or "") + each
    return made


def _key(key: str | int) -> str:
    return f"[{key}]" if isinstance(key, int) else printable(key)


def _value(value: Json) -> ET.Element:
    kind = "text" if isinstance(value, str) else "null" if value is None else "other"
    return _element("bdi", value_text(value, _VALUE), class_=f"value {kind}")


def _line(place: str) -> str:
    return printable(PurePath(place.rpartition(":")[0]).name)


def _children(value: Json) -> Sequence[tuple[str | int, Json]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else ()


def _paths(value: Json, path: ScopePath = ()) -> Iterator[ScopePath]:
    """Every place of the input."""
    if path:
        yield path
    for key, child in _children(value):
        yield from _paths(child, (*path, key))


def _resource(name: str) -> str:
    return resources.files("connector.authoring").joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, and nothing runs but what comes with this module."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "base-uri 'none'; form-action 'none'"
    )
