"""Messages to an HTTP API, as many in a request as its receiver's file allows.

What a request came to is remembered until the whole batch is dealt with (`connector.ports.Resumable`): a batch that had
to stop goes on where it stopped. A request that is refused as a whole is halved until the message at fault is found;
so is one at which the receiver fails, or which is for a person, as `Search` has it. What is put off again and
again, while others are taken, is refused (`Overdue`). While it is in doubt whether a receiver keeps what it accepts, it
is sent one message at a time.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from operator import attrgetter

from connector.clients.http import NotConnected, Response
from connector.mapping.template import NoValue
from connector.model import BUSY, ConnectorError, Json, JsonObject, Message, Misconfigured, Refusal, Unavailable
from connector.plugin import CONTRACT, USER_AGENT, SinkKind
from connector.sinks.dealt import Dealt, itself
from connector.sinks.http.answer import SUCCESS, Outcome
from connector.sinks.http.exchange import Exchange
from connector.sinks.http.overdue import MOST_AT_ONCE, Overdue
from connector.sinks.http.request import Limits, Made
from connector.sinks.http.search import Search, Tried, halves
from connector.sinks.http.settings import HttpSinkSettings

__all__ = ["HttpSink", "HttpSinkSettings"]

_FAILED = (HTTPStatus.REQUEST_TIMEOUT, *range(500, 600))
_FORBIDDEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_FIRST_ASK_SECONDS = 0.2
_SLOWEST_ASK_SECONDS = 5.0
_UNCONFIRMED_BEFORE_PERSON = 3
_FIRST_WAIT_SECONDS = 60.0
"""After the first time that nothing was confirmed; twice as long after the second."""


class HttpSink:
    """A `connector.ports.Sink` that is `Resumable`; for one thread, with one request under way at a time."""

    def __init__(
        self,
        settings: HttpSinkSettings,
        *,
        user_agent: str,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._receiver = settings.compiled
        self._user_agent = user_agent
        self._sleep = sleep
        self._clock = clock
        self._exchange = Exchange(settings, user_agent=user_agent, sleep=sleep, clock=clock)
        batch = self._receiver.file.batch
        self._limits = Limits(settings.max_batch_messages or batch.messages, settings.max_batch_bytes or batch.bytes)
        self._ordered: Sequence[Message] = ()  # this batch
        self._dealt = Dealt(itself)
        self._accepted: dict[Json, Sequence[Message]] = {}  # by what is to be asked for; not confirmed yet
        self._unknown: dict[Message, str] = {}  # of which nobody can tell whether they were taken, and why
        self._search = Search(self._try, self._left, self._subject, self._dealt)
        self._overdue = Overdue(clock)
        self._in_doubt = False  # it accepts, and does not say that it keeps
        self._unconfirmed = 0  # how often in a row

    def __repr__(self) -> str:
        return f"HttpSink({self._settings.receiver()!r})"

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """See `connector.ports.Sink`."""
        ordered = sorted(messages, key=attrgetter("dependency_level"))
        self._ordered = ordered
        objects = self._receiver.objects
        if objects is not None:
            self._dealt.take(message for message in ordered if message.id.partition("--")[0] not in objects)
        if self._unknown and (message := next((each for each in ordered if each in self._unknown), None)) is not None:
            raise Misconfigured(self._unknown[message])
        left = self._left(ordered)
        try:
            if self._in_doubt and left:
                self._deliver_all(left[:1])
                self._await_confirmation()
            self._settle_overdue(left)
            self._deliver_all(self._left(left))
        except Misconfigured:
            with suppress(ConnectorError):  # that may last, and what was accepted until then is delivered
                self._await_confirmation()
            raise
        self._await_confirmation()
        if self._dealt.left(ordered):
            raise Unavailable(self._exchange.said("it confirmed one request by the id of another; that is sent again"))
        self._search.forget(ordered)
        self._overdue.forget(ordered)
        return self._dealt.settled(ordered, keeps_others=not left)

    def dealt_with(self, messages: Sequence[Message]) -> int:
        """See `connector.ports.Resumable`."""
        return self._dealt.count(messages)

    def check(self) -> str:
        """See `connector.ports.Sink`. Without a probe in the receiver's file: whether anything answers there."""
        host = self._settings.host()
        exchange = Exchange(self._settings, user_agent=self._user_agent, sleep=self._sleep, clock=self._clock)
        try:
            probe = self._receiver.probe
            if probe is None:
                response = exchange.request(Made("OPTIONS", self._settings.address, {}, None))
                if response.status in _FORBIDDEN:
                    raise Misconfigured(exchange.said(_answer(response)))
                return f"{host} answers ({response.status}); whether it takes messages shows with the first"
            outcome = probe.answers.outcome(exchange.request(exchange.made(probe.call.made)), 1)
            if not outcome.taken:
                raise exchange.error(outcome)
            return f"{host} takes messages"
        finally:
            exchange.close()

    def close(self) -> None:
        """See `connector.ports.Sink`."""
        self._exchange.close()

    def _left(self, messages: Sequence[Message]) -> Sequence[Message]:
        """What of these is not dealt with, and not accepted either."""
        left = self._dealt.left(messages)
        if self._accepted:
            accepted = {message for each in self._accepted.values() for message in each}
            return [message for message in left if message not in accepted]
        return left

    def _subject(self, message: Message) -> str | None:
        return self._receiver.subjects.about(self._exchange.names, message)

    def _deliver_all(self, left: Sequence[Message]) -> None:
        """Send these, in as many requests as it takes to have all of them taken or refused.

        Raises:
            Unavailable, Misconfigured: some are left.
        """
        while left:
            count = self._receiver.requests.fitting(left, self._limits)
            is_in_turn = self._deliver(left[:count])
            left = left[count:] if is_in_turn else self._left(left)

    def _deliver(self, messages: Sequence[Message]) -> bool:
        """Deliver what fitted into one request, in as many as it takes; whether no other message was sent."""
        waiting = [messages]
        is_searched = False
        while waiting:
            messages = waiting.pop()
            if is_searched and not (messages := self._left(messages)):
                continue
            count = self._receiver.requests.fitting(messages, self._limits)
            if count < len(messages):  # less than before: the receiver has told what is too large
                waiting.append(messages[count:])
                messages = messages[:count]
            tried = self._try(messages)
            left = tried.left
            if not left:
                continue
            if tried.then in ("refused", "smaller"):
                if len(left) == 1:
                    self._dealt.refuse(left[0], tried.reason)
                    continue
                if tried.then == "smaller":
                    self._limit(left)
                waiting += halves(left)
            elif tried.then == "next" and len(left) < len(messages):
                waiting.append(left)
            elif is_searched or self._search.is_due(tried):
                is_searched = True
                waiting += self._search.pieces(tried, self._ordered)
            else:
                self._overdue.note(tried)
                raise tried.error
        return not is_searched

    def _settle_overdue(self, messages: Sequence[Message]) -> None:
        """Refuse what was put off again and again, if another is taken now and it is put off once more.

        The other goes first, so that nothing is sent sooner than a receiver has asked for.

        Raises:
            Unavailable, Misconfigured: no other is taken.
        """
        overdue = self._overdue.among(messages)
        if not overdue:
            return
        waiting, tried = [message for message, _ in overdue], overdue[0][1]
        if (error := self._search.witnessed(tried, waiting, self._ordered)) is not None:
            raise error
        for message in self._left(waiting[:MOST_AT_ONCE]):
            again = self._try([message])
            if not again.left:
                return  # it has time now
            if again.then == "again":
                self._dealt.refuse(message, f"{BUSY}: {again.reason}")
            elif again.then in ("refused", "smaller"):
                self._dealt.refuse(message, again.reason)
            else:
                raise again.error

    def _limit(self, messages: Sequence[Message]) -> None:
        """Keep to what the receiver, or a proxy before it, takes: these were too large."""
        size = sum(len(message.body) for message in messages)
        self._limits = Limits(self._limits.messages, max(1024, min(self._limits.bytes, size // 2)))

    def _try(self, messages: Sequence[Message]) -> Tried:
        """Send these in one request, and note what became of them."""
        kind = None
        try:
            names, settled = self._asked(messages[0])
            if settled is None:
                kind = self._receiver.subjects.kind(names, messages[0])
                made = self._receiver.requests.made(messages, names, self._settings.signing_key)
                response = self._exchange.request(made)
                outcome = self._receiver.answers.outcome(response, len(messages))
            else:
                outcome, response = settled
        except NoValue as no_value:
            said = self._exchange.hide(str(no_value))
            return Tried(messages, "refused", said, Misconfigured(said))
        except Unavailable as outage:
            is_failure = not isinstance(outage, NotConnected)
            return Tried(messages, "again", str(outage), outage, is_failure=is_failure, kind=kind)
        for place, reason in outcome.refused.items():
            self._dealt.refuse(messages[place], reason)
        taken = [message for place, message in enumerate(messages) if place in outcome.taken]
        if settled is None:
            self._take(taken, response, kind)
        else:
            self._dealt.take(taken)  # nothing was sent, so it does not show that the receiver takes anything
        left = [messages[place] for place in outcome.left]
        error = self._exchange.error(outcome, response)
        if outcome.is_unknown:
            self._unknown = dict.fromkeys(left, str(error))
        is_failure = needs_person = False
        if len(left) == len(messages):
            has_failed = response.status in _FAILED and response.retry_after() is None
            is_failure = outcome.then == "next" or (outcome.then == "again" and has_failed)
            needs_person = outcome.then == "person" and not outcome.is_unknown
        if needs_person and response.status in SUCCESS:
            self._in_doubt = True
        return Tried(
            left,
            outcome.then,
            outcome.reason,
            error,
            is_failure=is_failure,
            needs_person=needs_person,
            kind=kind,
            is_by_message=outcome.is_by_message,
        )

    def _asked(self, message: Message) -> tuple[JsonObject, tuple[Outcome, Response] | None]:
        """The names for a request with this message, and what the question before it settles, if it does."""
        names = self._exchange.names
        if (finder := self._receiver.finder) is None:
            return names, None
        response = self._exchange.request(finder.question(names, message))
        names = {**names, "found": finder.found(response)}
        settled = finder.settled(response, names, message)
        return names, None if settled is None else (settled, response)

    def _take(self, messages: Sequence[Message], response: Response, kind: str | None) -> None:
        """These were accepted: they are delivered, or wait for that to be confirmed."""
        if not messages:
            return
        self._search.note_taken(messages[-1], kind)
        confirmation = self._receiver.confirmation
        asked = None if confirmation is None else confirmation.id(response, len(messages))
        if asked is None:
            self._dealt.take(messages)
            self._in_doubt = False
        else:
            # An id that comes again is of a receiver that counts anew: what it confirms is not what came before.
            self._accepted[str(asked) if isinstance(asked, list | dict) else asked] = messages

    def _await_confirmation(self) -> None:
        """Ask what was accepted for whether it is kept.

        Raises:
            Unavailable: it is not, in the time that it has; it will be sent again.
            Misconfigured: the question is answered by what it is no answer to.
        """
        confirmation = self._receiver.confirmation
        if confirmation is None or not self._accepted:
            return
        deadline, wait = self._clock() + confirmation.seconds, _FIRST_ASK_SECONDS
        while self._accepted:
            for asked, messages in [*self._accepted.items()]:
                response = self._exchange.request(self._exchange.made(confirmation.question, asked))
                if response.status != HTTPStatus.OK or response.is_cut:
                    raise self._unanswered(response)
                if confirmation.holds(response, len(messages)):
                    self._dealt.take(messages)
                    self._in_doubt, self._unconfirmed = False, 0
                    del self._accepted[asked]
            left = deadline - self._clock()
            if self._accepted and left <= 0:
                self._accepted.clear()
                raise self._never_confirmed(confirmation.seconds)
            if self._accepted:
                self._sleep(min(wait, left))
                wait = min(wait * 2, _SLOWEST_ASK_SECONDS)

    def _never_confirmed(self, seconds: float) -> ConnectorError:
        """What to raise; from now on one message is sent at a time, until one is confirmed."""
        self._in_doubt = True
        self._unconfirmed += 1
        said = f"it accepted messages, and has not said in {seconds:g} s that it keeps them"
        if self._unconfirmed < _UNCONFIRMED_BEFORE_PERSON:
            wait = _FIRST_WAIT_SECONDS * 2 ** (self._unconfirmed - 1)
            return Unavailable(self._exchange.said(said), retry_after=wait)
        remedy = (
            f"; that is so for the {self._unconfirmed}th time. See there whether it confirms what it takes, and has "
            "room to keep it. Until it confirms one message, one at a time is sent again"
        )
        return Misconfigured(self._exchange.said(said + remedy))

    def _unanswered(self, response: Response) -> ConnectorError:
        said = self._exchange.said(f"{_answer(response)} when asked whether it keeps what it accepted")
        if response.status in (*_FAILED, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS):
            return Unavailable(said, retry_after=response.retry_after())
        return Misconfigured(said)


def _answer(response: Response) -> str:
    return f"it answered {response.status} {response.excerpt()}".strip()


KIND = SinkKind(
    contract=CONTRACT,
    settings=HttpSinkSettings,
    make=lambda settings, around: HttpSink(settings, user_agent=USER_AGENT, sleep=around.sleep),
)
