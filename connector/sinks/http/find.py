"""What a receiver has already, asked before a message is sent."""

from dataclasses import replace

from connector.clients.http import Response
from connector.mapping.template import Evaluated, compile_expression
from connector.model import Json, JsonObject, Message
from connector.settings.yamldoc import YamlDocument
from connector.sinks.http.answer import Answers, Outcome, answered, read
from connector.sinks.http.receiver_file import ANSWER_SCOPE, Find, ReceiverFile, message_scope, request_scope
from connector.sinks.http.request import CallMaker, Made, with_message

_SUCCESS = range(200, 300)


class Finder:
    """The question of a receiver's file, ready to be asked. Raises Misconfigured for an expression that is wrong."""

    def __init__(self, document: YamlDocument, file: ReceiverFile, find: Find) -> None:
        self._call = CallMaker(document, ("find", "request"), find.request, message_scope(file))
        self._found = compile_expression(document, ("find", "found"), find.found, ANSWER_SCOPE)
        self._absent = compile_expression(document, ("find", "absent"), find.absent, ANSWER_SCOPE)
        self._skip: Evaluated | None = None
        if find.skip is not None:
            self._skip = compile_expression(document, ("find", "skip"), find.skip, request_scope(file))
        self._trouble = Answers(document, ("find",), [])

    def question(self, names: JsonObject, message: Message) -> Made:
        """The request that asks. Raises NoValue when an expression does not fit what it is given."""
        return self._call.made(with_message(names, message))

    def found(self, response: Response) -> Json:
        """What is there; null for nothing."""
        return read(self._found, answered(response, 1)) if response.status in _SUCCESS else None

    def settled(self, response: Response, names: JsonObject, message: Message) -> Outcome | None:
        """What the answer means for the message, by the names with what was found; None when it is to be sent.

        Where the answer says neither what is there nor that nothing is, the message is never refused for that: a
        question that is not understood would be asked as wrongly for the next one.
        """
        if names["found"] is None and not _is_true(read(self._absent, answered(response, 1))):
            outcome = self._trouble.outcome(response, 1)
            then = "person" if outcome.then in ("refused", "smaller") else outcome.then
            return replace(outcome, then=then, is_unknown=False)  # a question may be asked again
        return Outcome(frozenset({0})) if _is_true(read(self._skip, with_message(names, message))) else None


def _is_true(value: Json) -> bool:
    return value not in (None, False, "", [], {})
