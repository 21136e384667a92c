"""What a file of `receivers/` may say: how messages are put into requests, and what the receiver's answers mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from connector.clients.login import HeaderName
from connector.mapping.compilation.checking import Scope
from connector.mapping.language.json_types import ANY, NULL, NUMBER, OBJECT, STRING, Shape, Types
from connector.model import Misconfigured
from connector.settings import config, yamldoc
from connector.settings.config import Name, Placeholders, Settings
from connector.settings.yamldoc import YamlDocument
from connector.values.suggestions import instead

Then = Literal["delivered", "refused", "next", "again", "smaller", "person"]
"""What an answer means for the messages of its request: they are there; they never will be; send them in the next
request, for others were at fault; send them again later; send fewer at once; a person must put something right."""

_MESSAGE: Types = Shape.of(
    {"id": STRING, "version": STRING | NULL, "time": NUMBER, "timestamp": STRING, "digest": STRING}
)
"""Of the STIX object or the notification the `id` (an event that takes back another has the same) and `version`, `time`
and `timestamp`, and `digest`, which is that of all its bytes."""
ANSWER_SCOPE: Scope = {"status": NUMBER, "headers": OBJECT, "body": ANY, "text": STRING, "count": NUMBER}
"""What expressions over an answer may name. `body` is null unless it is JSON; `text` is how it begins; `count` is how
many messages were sent."""
ITEM_SCOPE: Scope = {**ANSWER_SCOPE, "item": ANY}

Expression = Annotated[str, Field(min_length=1)]


def _no_login(name: str) -> str:
    if name.lower() == "authorization":
        raise ValueError("this header is that of the login: say under login which word comes before the token")
    return name


def _no_media_type(name: str) -> str:
    if name.lower() == "content-type":
        raise ValueError("this header is written of media_type: give that")
    return name


CallHeaderName = Annotated[HeaderName, AfterValidator(_no_login)]
RequestHeaderName = Annotated[CallHeaderName, AfterValidator(_no_media_type)]


class Option(Settings):
    """Something that a route says under `options`."""

    description: str = Field(description="What it is, in one line.")
    default: str | None = Field(None, description="What it is unless the route says otherwise. Without it: required.")


class Login(Settings):
    """How the receiver wants `token`."""

    scheme: str = Field("Bearer", pattern=r"^[A-Za-z0-9-]+$", description="The word before it in Authorization.")
    place: Literal["header", "body"] = Field(
        "header", description="`header`: Authorization. `body`: where `item` has `${{ token }}`."
    )


class Signature(Settings):
    """A signature over the body as it is sent, with the sink's `signing_key`."""

    header: RequestHeaderName = Field(description="The header that carries it.")
    prefix: str = Field("", description="What stands before the hexadecimal HMAC-SHA256.")


class Call(Settings):
    """One request."""

    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT"] = Field("POST", description="Its method.")
    url: str = Field(description="Its address: text with `${{ url }}`, that of the sink, in it.")
    headers: dict[CallHeaderName, str] = Field(
        default_factory=dict, description="Its headers, beside those of the login."
    )
    body: JsonValue = Field(None, description="Its body, sent as JSON. Without it: none.")


class Request(Settings):
    """How messages are sent."""

    method: Literal["POST", "PUT"] = Field("POST", description="Its method.")
    url: str = Field(description="Its address: text with `${{ url }}`, that of the sink, in it.")
    headers: dict[RequestHeaderName, str] = Field(
        default_factory=dict, description="Its headers, beside those of the login and `media_type`."
    )
    media_type: str = Field("application/json", description="Its Content-Type.")
    framing: Literal["one", "array", "lines", "concatenated", "envelope"] = Field(
        description=(
            "How messages make a body. `one`: one message a request. `array`: a JSON array. `lines`: one a line "
            "(NDJSON), each after a line made of `action`, if there is one. `concatenated`: one after the other. "
            "`envelope`: in `envelope`."
        )
    )
    item: JsonValue = Field(
        None,
        description=(
            "What each message is in the body, made of `document`. Without it: the message as the mapping made it. "
            "Members that are null are left out."
        ),
    )
    action: JsonValue = Field(None, description="For `lines`: an object that goes before each message.")
    envelope: JsonValue = Field(None, description="For `envelope`: a document in which `${{ messages }}` stands once.")
    gzip: bool = Field(default=False, description="Whether bodies are compressed.")
    signature: Signature | None = Field(
        None, description="A signature over the body as it is sent (compressed, with gzip), if the receiver checks one."
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.action is not None and self.framing != "lines":
            raise ValueError("action goes with framing: lines")
        if (self.envelope is not None) != (self.framing == "envelope"):
            raise ValueError("envelope and framing: envelope go together")
        return self


class Batch(Settings):
    """How much goes into one request, and how many there may be."""

    messages: int = Field(500, ge=1, le=100_000, description="Most messages in one request.")
    bytes: int = Field(1_000_000, ge=1024, le=100_000_000, description="Most bytes in one request, before compression.")
    requests_a_minute: int | None = Field(None, ge=1, le=100_000, description="Most requests in a minute.")


class ItemAnswer(Settings):
    """What one line means of an answer that has one for each message."""

    when: Expression | None = Field(None, description="When this holds, over `item` and the names of an answer.")
    then: Then = Field(description="What it means for the message.")
    reason: Expression | None = Field(None, description="The receiver's reason.")


class Answer(Settings):
    """What an answer means. Of those in a list, the first counts whose `when` holds."""

    when: Expression | None = Field(
        None, description="A JMESPath condition over `status`, `headers`, `body`, `text` and `count`."
    )
    then: Then | None = Field(None, description="What it means for the messages that nothing else here is said of.")
    reason: Expression | None = Field(None, description="The receiver's reason, of the body.")
    taken: Expression | None = Field(None, description="How many messages were delivered, from the first on.")
    refused: Expression | None = Field(
        None, description="A list of `{index, reason}`: the messages that were refused, counted from 0."
    )
    each: Expression | None = Field(None, description="A list with what became of each message, in order.")
    items: list[ItemAnswer] | None = Field(None, min_length=1, description="What the lines of `each` mean.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.each is None) != (self.items is None):
            raise ValueError("each and items go together")
        if (self.then is None) == (self.each is None):
            raise ValueError("give either then, or each and items")
        return self


class Find(Settings):
    """A question before each message, for `framing: one`: what the receiver has already."""

    request: Call = Field(description="The question.")
    found: Expression = Field(
        description="Of its answer, if that is a success: what was found, which requests may name."
    )
    absent: Expression = Field(
        description="Where nothing was found: whether the answer says so, and is no page of a proxy or another fault."
    )
    skip: Expression | None = Field(
        None, description="When this holds, over the names of a request, the message counts as delivered without one."
    )


class Confirm(Settings):
    """How to learn that what was accepted is kept (Splunk: is indexed). Until then it does not count as delivered."""

    id: Expression = Field(description="Of the answer to a request: what to ask for. Null: nothing needs to be asked.")
    request: Call = Field(description="The question, in which `id` is known.")
    confirmed: Expression = Field(description="Of its answer: whether all of the request is kept.")
    seconds: float = Field(120, gt=0, le=3600, description="How long that may take. Then it is sent again.")


class Check(Settings):
    """A request that leaves nothing behind, for `iocstream check`."""

    request: Call = Field(description="The request.")
    answers: list[Answer] = Field(min_length=1, description="What its answers mean; `delivered`: all is well.")


class ReceiverFile(Settings):
    """A file of `receivers/`."""

    description: str = Field(description="What the receiver is, in one line.")
    documentation: str | None = Field(None, description="Where its makers describe the API.")
    takes: list[str] | None = Field(
        None, min_length=1, description="The formats of mappings that it takes. Without it: any."
    )
    objects: list[str] | None = Field(
        None,
        min_length=1,
        description="The types of STIX objects that it takes. Others are left out, and count as delivered.",
    )
    url: str | None = Field(None, description="Its address, where that is the same for everybody.")
    options: dict[Name, Option] = Field(default_factory=dict, description="What a route says beside the address.")
    login: Login = Field(default_factory=Login, description="How it wants `token`.")
    find: Find | None = Field(None, description="What to ask before each message.")
    request: Request = Field(description="How messages are sent.")
    about: Expression | None = Field(
        None,
        description=(
            "What a message is about, over the names of `find.request`. What is about the same stays in order, also "
            "where one of them fails."
        ),
    )
    kind: Expression | None = Field(
        None,
        description=(
            "Which kind of request a message becomes, over the names of a request. When one fails, only another of its "
            "kind shows that this is no outage."
        ),
    )
    batch: Batch = Field(default_factory=Batch, description="How much goes into one request.")
    answers: list[Answer] = Field(
        min_length=1,
        description="What answers mean. After these come those for the usual statuses; see docs/receivers.md.",
    )
    confirm: Confirm | None = Field(None, description="How to learn that what was accepted is kept.")
    check: Check | None = Field(None, description="How to probe it, leaving nothing behind.")

    @model_validator(mode="after")
    def _one_question_a_message(self) -> Self:
        if self.find is not None and (self.request.framing != "one" or self.confirm is not None):
            raise ValueError("find goes with framing: one, for it asks before each message, and without confirm")
        return self


def call_scope(file: ReceiverFile) -> dict[str, Types]:
    """What expressions of any request may name: the sink's address and options, and a UUID of this run of the sink."""
    remedy = "; what a route may say stands under options in this file"
    return {"url": STRING, "options": Shape.of(dict.fromkeys(file.options, STRING), remedy), "run": STRING}


def message_scope(file: ReceiverFile) -> dict[str, Types]:
    """What a request that is about a message may name beside: the first message, and what that holds if it is JSON."""
    return {**call_scope(file), "message": _MESSAGE, "document": ANY}


def request_scope(file: ReceiverFile) -> dict[str, Types]:
    """What a request that brings messages may name: that, and what `find` found."""
    return {**message_scope(file), **({} if file.find is None else {"found": ANY})}


def item_scope(file: ReceiverFile) -> dict[str, Types]:
    """What `item` may name: the same of its own message, and the token, for receivers that want it in the body."""
    return {**request_scope(file), "token": STRING}


def bundled_folder() -> Path:
    """Where the files that come with the product lie."""
    package = Path(__file__).parents[2]
    installed = package / "bundled_receivers"
    return installed if installed.is_dir() else package.parent / "receivers"


def bundled() -> Mapping[str, Path]:
    """The files that come with the product, by name."""
    return {path.stem: path for path in sorted(bundled_folder().glob("*.yaml"))}


def path_of(using: str) -> Path:
    """The file of a bundled receiver, or the path given.

    Raises:
        Misconfigured: none has this name.
    """
    if "/" in using or using.endswith((".yaml", ".yml")):
        return Path(using)
    known = bundled()
    if using not in known:
        raise Misconfigured(
            f"there is no receiver {using!r}{instead(using, known)}, or give the path of a file (./{using}.yaml)"
        )
    return known[using]


def read(path: Path) -> tuple[YamlDocument, ReceiverFile]:
    """A file, and what it says.

    Raises:
        Misconfigured: with `file:line:column: path: what is wrong` for each fault found.
    """
    folder = bundled_folder()
    name = f"receivers/{path.name}" if path.parent == folder else str(path)
    document = yamldoc.load(path, name)
    return document, config.validate(document, ReceiverFile, Placeholders(path.parent.resolve()))
