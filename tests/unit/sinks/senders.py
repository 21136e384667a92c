"""Syslog sinks on loopback, what they send, and servers that misbehave."""

import contextlib
import socket
import struct
import threading
import time

from connector.model import Message
from connector.sinks.syslog.sink import SyslogSettings, SyslogSink

MAY_17 = 1684311125  # 2023-05-17T08:12:05Z
HEADER = b"<132>May 17 08:12:05 vt-1 iocstream: "


def message(number, body=b"CEF:0|a|b|1|c|d|5|", **fields):
    return Message(seq=number, id=f"n-{number}", body=body + b"cnt=%d" % number, time=MAY_17, **fields)


def settings(port, transport="tcp", **options):
    return SyslogSettings(
        type="syslog", host="127.0.0.1", port=port, transport=transport, hostname="vt-1", **options
    )  # fmt: skip


@contextlib.contextmanager
def sink_to(port, transport="tcp", *, clock=time.monotonic, **options):
    with contextlib.closing(SyslogSink(settings(port, transport, **options), clock=clock)) as sink:
        yield sink


@contextlib.contextmanager
def talking(serve, receive_buffer=None):
    """A TCP server that hands each connection to `serve`, one after the other, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if receive_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        port = listener.getsockname()[1]
        stopping = threading.Event()

        def run():
            while not stopping.is_set():
                connection, _ = listener.accept()
                with connection:
                    if not stopping.is_set():
                        serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield port
        finally:
            stopping.set()
            socket.create_connection(("127.0.0.1", port)).close()
            thread.join()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
