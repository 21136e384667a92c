"""Requests to a receiver, one by one: each with its login, none before its time, no secret in what went wrong."""

import time
import uuid
from collections.abc import Callable
from http import HTTPStatus

from pydantic import SecretStr

from connector.clients.hiding import HIDDEN
from connector.clients.http import Client, Response, TooLarge
from connector.mapping.template import NoValue
from connector.model import ConnectorError, Json, JsonObject, Misconfigured, Unavailable
from connector.sinks.http.answer import Outcome
from connector.sinks.http.oauth import TokenBook
from connector.sinks.http.request import Made
from connector.sinks.http.settings import HttpSinkSettings

_MINUTE = 60


class Exchange:
    """A connection to a receiver. For one thread.

    Attributes:
        names: what expressions of a request may name.
    """

    def __init__(
        self,
        settings: HttpSinkSettings,
        *,
        user_agent: str,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._clock = clock
        file = settings.compiled.file
        login = settings.login(file.login.scheme) if file.login.place == "header" else {}
        secret_headers = {**login, **settings.headers}
        self._client = Client(
            settings, user_agent=user_agent, secret_headers=secret_headers, secrets=settings.secrets()
        )
        self._tokens = TokenBook(settings.oauth, clock) if settings.oauth is not None else None
        a_minute = settings.requests_a_minute or file.batch.requests_a_minute
        self._seconds_between = _MINUTE / a_minute if a_minute else 0.0
        self._next_at = 0.0
        token = settings.token.get_secret_value() if settings.token is not None else None
        # Not shown: the token is in it, and the address may be a secret.
        self.names: JsonObject = {
            "url": settings.address.rstrip("/"),
            "options": dict(settings.chosen),
            "run": str(uuid.uuid4()),
            "token": token,
        }

    def __repr__(self) -> str:
        return f"Exchange({self._settings.host()!r})"

    def request(self, made: Made) -> Response:
        """The answer to a request; without its body, where that is larger than allowed.

        Raises:
            Unavailable, Misconfigured: as `Client.request` does.
        """
        wait = self._next_at - self._clock()
        if wait > 0:
            self._sleep(wait)
        self._next_at = max(self._next_at, self._clock()) + self._seconds_between
        try:
            response = self._exchanged(made)
            if response.status == HTTPStatus.UNAUTHORIZED and self._tokens is not None:
                self._tokens.forget()
                response = self._exchanged(made)
        except ConnectorError as error:
            error.args = (self.said(str(error)),)
            raise
        return response

    def _exchanged(self, made: Made) -> Response:
        secret_headers = {}
        if self._tokens is not None:
            secret_headers["Authorization"] = SecretStr(f"Bearer {self._tokens.token(self._client).get_secret_value()}")
        try:
            return self._client.request(
                made.method, made.url, body=made.body, headers=dict(made.headers), secret_headers=secret_headers
            )
        except TooLarge as error:
            if error.response is None:
                raise
            return error.response  # its status may be all that is needed

    def made(self, make: Callable[..., Made], *given: Json) -> Made:
        """A request made of the names, and of what else is given.

        Raises:
            Misconfigured: it cannot be made.
        """
        try:
            return make(self.names, *given)
        except NoValue as error:
            raise Misconfigured(self.said(str(error))) from None

    def error(self, outcome: Outcome, response: Response | None = None) -> ConnectorError:
        """What to raise when messages are left for another time."""
        said = self.said(outcome.reason)
        if outcome.then in ("again", "next"):
            return Unavailable(said, retry_after=response.retry_after() if response is not None else None)
        return Misconfigured(said)

    def said(self, text: str) -> str:
        """What went wrong, with the name of the receiver, and without what may be a secret of ours."""
        host = self._settings.host()
        text = self._client.hide(text.replace(self._settings.address.partition("?")[0].rstrip("/"), host))
        text = text.replace(f"{host}{HIDDEN}", host)
        return text if host in text else f"{host}: {text}"

    def hide(self, text: str) -> str:
        """The text without secrets."""
        return self._client.hide(text)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
