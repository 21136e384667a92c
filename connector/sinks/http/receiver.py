"""A receiver's file, read and compiled once, when the configuration is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from connector.clients.http import Response
from connector.mapping.compilation.checking import Scope
from connector.mapping.language.json_types import ANY
from connector.mapping.template import Evaluated, compile_expression
from connector.model import Json, JsonObject, Message
from connector.settings.yamldoc import YamlDocument
from connector.sinks.http import receiver_file
from connector.sinks.http.answer import Answers, answered, read
from connector.sinks.http.find import Finder
from connector.sinks.http.receiver_file import ANSWER_SCOPE, ReceiverFile, call_scope, message_scope, request_scope
from connector.sinks.http.request import CallMaker, Made, RequestMaker, with_message


class Confirmation:
    """How to learn that what was accepted is kept.

    Attributes:
        seconds: how long that may take.
    """

    def __init__(self, document: YamlDocument, confirm: receiver_file.Confirm, scope: Scope) -> None:
        self._id = compile_expression(document, ("confirm", "id"), confirm.id, ANSWER_SCOPE)
        self._call = CallMaker(document, ("confirm", "request"), confirm.request, {**scope, "id": ANY})
        self._confirmed: Evaluated = compile_expression(
            document, ("confirm", "confirmed"), confirm.confirmed, ANSWER_SCOPE
        )
        self.seconds = confirm.seconds

    def id(self, response: Response, count: int) -> Json:
        """Of the answer to a request with so many messages: what to ask for; null when nothing is to be asked."""
        return read(self._id, answered(response, count))

    def question(self, names: JsonObject, asked: Json) -> Made:
        """The request that asks. Raises NoValue when an expression does not fit what it is given."""
        return self._call.made({**names, "id": asked})

    def holds(self, response: Response, count: int) -> bool:
        """Whether its answer says that all of the request is kept."""
        return read(self._confirmed, answered(response, count)) is True


class Subjects:
    """What messages are about, and which kind of request each becomes: as text, None where the file does not say."""

    def __init__(self, document: YamlDocument, file: ReceiverFile) -> None:
        self._about: Evaluated | None = None
        self._kind: Evaluated | None = None
        if file.about is not None:
            self._about = compile_expression(document, ("about",), file.about, message_scope(file))
        if file.kind is not None:
            self._kind = compile_expression(document, ("kind",), file.kind, request_scope(file))

    def about(self, names: JsonObject, message: Message) -> str | None:
        """By the names of a request, and what this message holds."""
        return _text(self._about, names, message)

    def kind(self, names: JsonObject, message: Message) -> str | None:
        """By the names of a request, with what was found, and what its first message holds."""
        return _text(self._kind, names, message)


def _text(evaluated: Evaluated | None, names: JsonObject, message: Message) -> str | None:
    if evaluated is None:
        return None
    value = read(evaluated, with_message(names, message))
    return None if value is None else str(value)


class Probe(NamedTuple):
    """A request that leaves nothing behind, and what its answers mean."""

    call: CallMaker
    answers: Answers


@dataclass(frozen=True, slots=True)
class Receiver:
    """What a receiver's file says, ready to be used by any number of sinks.

    Attributes:
        file: what it says, as it was read.
        objects: the types of STIX objects that it takes; None: all.
    """

    file: ReceiverFile
    finder: Finder | None
    requests: RequestMaker
    answers: Answers
    confirmation: Confirmation | None
    probe: Probe | None
    subjects: Subjects
    objects: frozenset[str] | None


def load(path: Path) -> Receiver:
    """Read and compile a file.

    Raises:
        Misconfigured: with `file:line:column: path: what is wrong` for each fault found.
    """
    document, file = receiver_file.read(path)
    scope = call_scope(file)
    probe = None
    if (check := file.check) is not None:
        probe = Probe(
            CallMaker(document, ("check", "request"), check.request, scope),
            Answers(document, ("check", "answers"), check.answers),
        )
    return Receiver(
        file,
        None if file.find is None else Finder(document, file, file.find),
        RequestMaker(document, file),
        Answers(document, ("answers",), file.answers),
        None if file.confirm is None else Confirmation(document, file.confirm, scope),
        probe,
        Subjects(document, file),
        None if file.objects is None else frozenset(file.objects),
    )
