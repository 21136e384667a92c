"""A WSGI application served on loopback by a thread, for as long as a `with` block lasts."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.types import WSGIApplication

from werkzeug.serving import WSGIRequestHandler, make_server


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    _dated = False

    def send_response(self, code: int, message: str | None = None) -> None:
        """The status line alone: http.server would add a Date beside the one of an application with its own clock."""
        self._dated = False
        self.send_response_only(code, message)

    def send_header(self, keyword: str, value: str) -> None:
        """Note whether the application told the time."""
        self._dated = self._dated or keyword.lower() == "date"
        super().send_header(keyword, value)

    def end_headers(self) -> None:
        """Tell the time for an application that did not."""
        if not self._dated:
            self.send_header("Date", self.date_time_string())
        super().end_headers()

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 -- werkzeug's own signature
        logging.getLogger(__name__).debug("%s %s", type, message % args)


@contextmanager
def serving(application: WSGIApplication, port: int = 0) -> Iterator[str]:
    """Serve until the block ends; yields the base URL, `http://127.0.0.1:PORT`. Port 0 takes a free one.

    Raises:
        OSError: the port cannot be listened on.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:  # werkzeug would end the program if the port is taken
        server = make_server(
            "127.0.0.1", port, application, threaded=True, request_handler=_QuietHandler, fd=listener.fileno()
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
