"""What an answer means for the messages of its request, by the table of a receiver's file and the usual statuses."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple, TypeGuard

from connector.clients.hiding import Hiding
from connector.clients.http import MAX_BODY_BYTES, Response
from connector.mapping.compilation.checking import Scope
from connector.mapping.template import Evaluated, NoValue, compile_expression
from connector.model import Json, JsonObject
from connector.settings.yamldoc import YamlDocument, YamlPath
from connector.sinks.http.receiver_file import ANSWER_SCOPE, ITEM_SCOPE, Answer, ItemAnswer, Then
from connector.values import jsontext

_LONGEST_REASON = 500
_OF_THE_BODY = re.compile(r"(?<![.\w])(body|text)\b")
_TEXT = re.compile(r"(?<![.\w])text\b")
_LONGEST_TEXT = 2000
SUCCESS = range(200, 300)
_REDIRECT = range(300, 400)
_SERVER_ERROR = range(500, 600)
_USUAL: Mapping[int, Then] = {
    HTTPStatus.BAD_REQUEST: "refused",
    HTTPStatus.UNPROCESSABLE_ENTITY: "refused",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "smaller",
    HTTPStatus.REQUEST_TIMEOUT: "again",
    HTTPStatus.TOO_EARLY: "again",
    HTTPStatus.TOO_MANY_REQUESTS: "again",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the messages of a request, each by its place in it.

    Attributes:
        taken: those that were delivered.
        refused: those that were refused, each with the receiver's reason.
        left: the others, in order.
        then: what is to be done about these: anything but `delivered`.
        reason: why.
        is_by_message: whether the answer said of each message what became of it.
        is_unknown: whether the receiver may have taken those left, and says so in more than can be read: to send them
            again would not make it known.
    """

    taken: frozenset[int] = frozenset()
    refused: Mapping[int, str] = field(default_factory=dict)
    left: Sequence[int] = ()
    then: Then = "again"
    reason: str = ""
    is_by_message: bool = False
    is_unknown: bool = False


class _Line(NamedTuple):
    """One line of a table, compiled.

    Attributes:
        reads: whether it says something of the body, beside why.
    """

    when: Evaluated | None
    then: Then | None
    reason: Evaluated | None
    taken: Evaluated | None = None
    refused: Evaluated | None = None
    each: Evaluated | None = None
    items: Sequence["_Line"] = ()
    reads: bool = False


class Answers:
    """A table, ready to be asked.

    Args:
        document, path: where the table stands.
        answers: what it says.

    Raises:
        Misconfigured: an expression is wrong, whatever the answers are.
    """

    def __init__(self, document: YamlDocument, path: YamlPath, answers: Sequence[Answer]) -> None:
        self._name = document.name
        self._reads_text = _TEXT.search(str([each.model_dump() for each in answers])) is not None
        self._lines = [_compiled(document, (*path, place), each) for place, each in enumerate(answers)]

    def outcome(self, response: Response, count: int) -> Outcome:
        """What an answer means for `count` messages."""
        names = answered(response, count, with_text=self._reads_text)
        is_unread = names["body"] is None and _is_unread(response)
        for line in self._lines:
            if not (is_unread and line.reads) and _holds(line.when, names):
                found = _outcome(line, names, count, response)
                if found is not None:
                    return found
        then, reason = self._usual(response)
        if is_unread and response.status in SUCCESS:
            reason = (
                f"it answered {response.status} with more than can be read ({MAX_BODY_BYTES // 2**20} MiB), so nobody "
                f"can tell what it took; that is not sent again before the next start. Have it answer less, or say in "
                f"a copy of {self._name} what {response.status} means, whatever the body"
            )
            return Outcome(left=range(count), then="person", reason=reason, is_unknown=True)
        return Outcome(left=range(count), then=then, reason=_reason(None, names, response, said=reason))

    def _usual(self, response: Response) -> tuple[Then, str]:
        status = response.status
        said = f"{status} {response.excerpt()}".strip()
        if status in SUCCESS:
            return "person", f"it answered {said}, and {self._name} does not say what that means"
        if status in _REDIRECT:
            to = response.hide.line(response.headers.get("location", ""), _LONGEST_REASON)
            return "person", f"it answers at another address ({status}, {to}); give that one"
        return _USUAL.get(status, "again" if status in _SERVER_ERROR else "person"), f"it answered {said}"


def _compiled(document: YamlDocument, path: YamlPath, line: Answer | ItemAnswer) -> _Line:
    def expression(key: str, scope: Scope) -> Evaluated | None:
        text = getattr(line, key)
        return None if text is None else compile_expression(document, (*path, key), text, scope)

    if isinstance(line, ItemAnswer):
        return _Line(expression("when", ITEM_SCOPE), line.then, expression("reason", ITEM_SCOPE))
    items = [_compiled(document, (*path, "items", place), each) for place, each in enumerate(line.items or ())]
    made = {key: expression(key, ANSWER_SCOPE) for key in ("when", "reason", "taken", "refused", "each")}
    reads = any(_OF_THE_BODY.search(getattr(line, key) or "") for key in ("when", "taken", "refused", "each"))
    return _Line(then=line.then, items=items, reads=reads, **made)


def answered(response: Response, count: int, *, with_text: bool = True) -> JsonObject:
    """What expressions over the answer to a request with `count` messages may name (`ANSWER_SCOPE`).

    To hide what may be secret in the text takes as long as all else: it may be left out where no expression names it.
    """
    try:
        body = response.json() if response.body else None
    except ValueError:
        body = None
    text = response.excerpt(_LONGEST_TEXT) if with_text else ""
    return {"status": response.status, "headers": dict(response.headers), "body": body, "text": text, "count": count}


def _is_unread(response: Response) -> bool:
    """Whether there is a body that is too large: as it is, or when it is decoded."""
    try:
        response.json()
    except jsontext.TooManyValues:
        return True
    except ValueError:
        pass
    return response.is_cut


def _holds(when: Evaluated | None, names: JsonObject) -> bool:
    """Whether a line is for an answer; one whose condition does not fit it is not."""
    if when is None:
        return True
    found = read(when, names)
    return found not in (None, False, "", [], {})


def read(evaluated: Evaluated | None, names: JsonObject) -> Json:
    """What an expression finds in an answer; null where it does not fit it."""
    try:
        return None if evaluated is None else evaluated(names)
    except NoValue:
        return None


def _outcome(line: _Line, names: JsonObject, count: int, response: Response) -> Outcome | None:
    """None when the answer has not what the line says of each message: it is for some other answer."""
    if line.each is not None:
        return _by_item(line, names, count, response)
    refused = _refused(read(line.refused, names), count, response.hide)
    if line.refused is not None and refused is None:
        return None
    first = read(line.taken, names)
    refused = refused or {}
    taken = {place for place in range(first if _is_place(first) else 0) if place < count} - set(refused)
    left = [place for place in range(count) if place not in refused and place not in taken]
    if line.then == "delivered":
        return Outcome(frozenset([*taken, *left]), refused)
    return Outcome(frozenset(taken), refused, left, line.then or "again", _reason(line, names, response))


def _by_item(line: _Line, names: JsonObject, count: int, response: Response) -> Outcome | None:
    found = read(line.each, names)
    if not isinstance(found, list) or len(found) != count:
        return None
    taken: set[int] = set()
    refused: dict[int, str] = {}
    left: dict[int, tuple[Then, str]] = {}
    for place, item in enumerate(found):
        within = {**names, "item": item}
        met = next((each for each in line.items if _holds(each.when, within)), None)
        then: Then = "person" if met is None or met.then is None else met.then
        unmet = "" if met else f"{response.hide.line(str(item), 200)}: not in its table"
        reason = _reason(met, within, response, said=unmet)
        if then == "delivered":
            taken.add(place)
        elif then == "refused":
            refused[place] = reason
        else:
            left[place] = then, reason
    if not left:
        return Outcome(frozenset(taken), refused)
    # What a person must mend comes first: to send again would not help.
    then, reason = next((each for each in left.values() if each[0] == "person"), next(iter(left.values())))
    return Outcome(frozenset(taken), refused, [*left], then, reason, is_by_message=True)


def _refused(found: Json, count: int, hide: Hiding) -> dict[int, str] | None:
    """By place; None when it is no list of what it should be."""
    if not isinstance(found, list):
        return None
    refused: dict[int, str] = {}
    for each in found:
        place = each.get("index") if isinstance(each, dict) else None
        if not _is_place(place) or place >= count:
            return None
        refused[place] = _text(each.get("reason"), hide) or "the receiver does not say why"
    return refused


def _is_place(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _reason(line: _Line | None, names: JsonObject, response: Response, said: str = "") -> str:
    reason = _text(read(line.reason, names), response.hide) if line is not None else ""
    return reason or said or f"it answered {response.status} {response.excerpt()}".strip()


def _text(value: Json, hide: Hiding) -> str:
    if value is None:
        return ""
    return hide.line(value if isinstance(value, str) else str(value), _LONGEST_REASON)
