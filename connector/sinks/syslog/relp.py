"""Syslog over RELP: every event is acknowledged (https://www.rsyslog.com/doc/relp.html)."""

import contextlib
import time
from collections.abc import Sequence

from connector.model import ConnectorError, Unavailable
from connector.sinks.syslog import relp_frame
from connector.sinks.syslog.channel import Channel
from connector.sinks.syslog.connection import Address, WrongReceiver
from connector.sinks.syslog.relp_frame import Answer, BrokenFrame, Frame
from connector.sinks.syslog.tls import Tls, speaks_tls
from connector.values.display import excerpt

_OFFERS = b"relp_version=0\nrelp_software=iocstream-connector\ncommands=syslog"
_CHUNK_BYTES = 64 * 1024
_LINGER_SECONDS = 1.0
_LONGEST_REASON = 200
_DONE = 200
_HINT = "if it expects TLS, set transport: relp-tls; if it is no RELP receiver, check port and transport"
_TLS_HINT = (
    "either there is no receiver behind it, or it does not accept this client; if it asks for a client certificate, "
    "set client_certificate to one whose name it permits"
)


class RelpSession:
    """A RELP session: opened by the constructor, closed by `close`.

    At most a window of events is under way unacknowledged. When the session breaks, the caller sends again all that
    it had handed over, so those that were acknowledged, and those whose acknowledgement was lost, arrive twice.

    Attributes:
        answers: by position, what the receiver answered to the events handed over last: why it refuses one, or nothing.
    """

    def __init__(
        self,
        address: Address,
        tls: Tls | None,
        *,
        connect_timeout: float,
        send_timeout: float,
        window: int,
    ) -> None:
        """Connect and open the session.

        Args:
            address: of the receiver.
            tls: None for plain RELP.
            connect_timeout: seconds, for each of connection, handshake and opening.
            send_timeout: seconds, for the next acknowledgement.
            window: events that may be under way; small enough that their answers fit into a socket's buffer.

        Raises:
            Unavailable: no session in time.
            Misconfigured: a certificate was refused, ours or theirs, or the other side is no RELP receiver.
        """
        self._address = address
        self._send_timeout = send_timeout
        self._window = window
        self._transaction = 0
        self._is_open = False
        self.answers: dict[int, str] = {}
        self._hint = _TLS_HINT if tls else _HINT
        self._frames = relp_frame.FrameReader()
        self._channel = Channel(address, tls, connect_timeout=connect_timeout)
        try:
            self._open(connect_timeout)
        except BaseException:
            self.abandon()
            raise

    @property
    def tls_version(self) -> str | None:
        """`TLSv1.3` and the like; None without TLS."""
        return self._channel.tls_version

    def send(self, frames: Sequence[bytes], *, one_by_one: bool = False) -> Sequence[tuple[int, str]]:
        """See `Connection`. Returns when every event is answered.

        With `one_by_one` each event waits for the answer to the one before: what is not answered when the session ends
        begins with the event at which it ended. Otherwise a receiver that crashes takes answers under way with it.
        """
        window = 1 if one_by_one else self._window
        self.answers = {}
        under_way: dict[int, int] = {}
        position = 0
        while position < len(frames) or under_way:
            chunk: list[bytes] = []
            size = 0
            while position < len(frames) and len(under_way) < window and size < _CHUNK_BYTES:
                transaction = self._next_transaction()
                under_way[transaction] = position
                chunk.append(relp_frame.encoded(transaction, b"syslog", frames[position]))
                size += len(chunk[-1])
                position += 1
            if chunk:
                self._write(b"".join(chunk))
            must_wait = position == len(frames) or len(under_way) == window
            for frame in self._read(self._send_timeout if must_wait else 0.0):
                if frame.command == b"serverclose":
                    self._is_open = False
                    continue
                answer = self._answer(frame)
                if frame.transaction not in under_way:
                    raise Unavailable(f"{self._address} acknowledges what was not sent")
                answered = under_way.pop(frame.transaction)
                is_done = answer.code == _DONE
                self.answers[answered] = "" if is_done else f"the receiver answers: {_words(answer)}"
            if not self._is_open and (position < len(frames) or under_way):
                raise Unavailable(f"{self._address} ended the RELP session")
        return [(n, reason) for n, reason in self.answers.items() if reason]

    def alive(self) -> bool:
        """See `Connection`. Whatever a receiver says unasked is that it ends the session."""
        try:
            return self._is_open and self._channel.read() is None
        except Unavailable:
            return False

    def close(self) -> None:
        """See `Connection`."""
        with contextlib.suppress(ConnectorError):  # all is acknowledged; leaving is a courtesy
            self._write(relp_frame.encoded(self._next_transaction(), b"close"), _LINGER_SECONDS)
            self._channel.end(_LINGER_SECONDS)
        self.abandon()

    def abandon(self) -> None:
        """See `Connection`."""
        self._channel.abandon()

    def _open(self, timeout: float) -> None:
        transaction = self._next_transaction()
        try:
            self._write(relp_frame.encoded(transaction, b"open", _OFFERS), timeout)
            (frame, *more) = self._read(timeout)
        except Unavailable as error:
            raise Unavailable(f"no RELP session: {error}; {self._hint}") from None
        if frame.command == b"serverclose":
            raise Unavailable(f"no RELP session: {self._address} opens none; {self._hint}")
        answer = self._answer(frame)
        if frame.transaction != transaction or more:
            raise WrongReceiver(f"{self._address} does not keep to RELP")
        if answer.code != _DONE:
            raise WrongReceiver(f"{self._address} refuses the RELP session: {_words(answer)}")
        offers = dict(line.partition(b"=")[::2] for line in answer.offers.split(b"\n"))
        if b"syslog" not in offers.get(b"commands", b"").split(b","):
            raise WrongReceiver(f"{self._address} speaks RELP but takes no syslog events")
        self._is_open = True

    def _answer(self, frame: Frame) -> Answer:
        answer = relp_frame.answer(frame)
        if answer is None:
            raise WrongReceiver(f"{self._address} does not keep to RELP: it says {excerpt(frame.data)!r}")
        return answer

    def _read(self, seconds: float) -> list[Frame]:
        """Frames as soon as there are some; with a time to wait at least one."""
        deadline = time.monotonic() + seconds
        while True:
            said = self._channel.read(deadline - time.monotonic())
            if said is None:
                if not seconds:
                    return []
                raise Unavailable(f"{self._address} answered nothing for {seconds:g} s")
            if not said:
                raise Unavailable(f"{self._address} closed the connection")
            try:
                frames = list(self._frames.feed(said))
            except BrokenFrame:
                raise self._not_relp(said) from None
            if frames or not seconds:
                return frames
            if time.monotonic() > deadline:
                raise Unavailable(f"{self._address} answered nothing for {seconds:g} s")

    def _write(self, data: bytes, timeout: float | None = None) -> None:
        try:
            self._channel.write(data, timeout or self._send_timeout)
        except Unavailable:
            self._channel.read()  # the reason for the end can often still be read
            raise

    def _next_transaction(self) -> int:
        self._transaction = self._transaction % relp_frame.LAST_TRANSACTION + 1
        return self._transaction

    def _not_relp(self, said: bytes) -> WrongReceiver:
        if speaks_tls(said):
            return WrongReceiver(f"{self._address} speaks TLS: set transport: relp-tls")
        return WrongReceiver(
            f"{self._address} answers ({excerpt(said)!r}), which no RELP receiver does: check host, port, transport"
        )


def _words(answer: Answer) -> str:
    return f"{answer.code} {excerpt(answer.text, _LONGEST_REASON)}".strip()
