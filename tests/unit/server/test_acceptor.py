"""What is left of connections when they have ended, and which of them end for others."""

import asyncio
import gc
import socket
import ssl
import struct
from functools import partial

import certificates
import pytest
import uvicorn
from uvicorn.server import ServerState

from connector.server import acceptor as acceptors
from connector.server.acceptor import Acceptor
from connector.server.connection import Connection
from connector.server.notices import Notices

HALF = bytes.fromhex("16030100b1010000ad0303") + b"A" * 50
"""The beginning of a ClientHello."""
ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    certificates.make(folder)
    return certificates.Certificates(folder)


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


class Server:
    """An acceptor with TLS in the loop that runs, and clients of it that wait in threads."""

    def __init__(self, made):
        config = uvicorn.Config(hello, log_config=None, ws="none", lifespan="off", timeout_keep_alive=600)
        config.load()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.trusting = ssl.create_default_context(cafile=made.ca)
        self.trusting.maximum_version = ssl.TLSVersion.TLSv1_2  # in which the server is done first
        connect = partial(Connection, config, ServerState(), {})
        notices = Notices(lambda _: None)
        self.acceptor = Acceptor(
            self.listener, lambda gone: connect(seconds=600, on_end=gone), notices, made.server_context()
        )
        self.acceptor.start()

    async def connected(self):
        return await asyncio.to_thread(socket.create_connection, self.listener.getsockname(), 10)

    async def encrypted(self, connection):
        return await asyncio.to_thread(self.trusting.wrap_socket, connection, server_hostname="127.0.0.1")

    def close(self):
        self.acceptor.close()
        self.listener.close()


async def becomes(number, count):
    """Wait until there are so many."""
    async with asyncio.timeout(10):
        while count() != number:  # noqa: ASYNC110 -- nothing tells of it
            await asyncio.sleep(0.01)


async def half_a_handshake(server):
    connection = await server.connected()
    connection.sendall(HALF)
    return connection


async def no_handshake(server):
    connection = await server.connected()
    connection.sendall(ASKED)
    await asyncio.to_thread(connection.recv, 1000)  # what is wrong
    return connection


async def idle(server):
    return await server.encrypted(await server.connected())


async def answered(server):
    connection = await idle(server)
    connection.sendall(ASKED)
    assert (await asyncio.to_thread(connection.recv, 1000)).startswith(b"HTTP/1.1 200")
    return connection


def closes(connection):
    connection.close()


def resets(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def encrypted_ends():
    return sum(isinstance(each, ssl.SSLObject) for each in gc.get_objects())


@pytest.mark.parametrize("ends", [closes, resets, None], ids=["closed", "reset", "ended for another"])
@pytest.mark.parametrize("begins", [half_a_handshake, no_handshake, idle, answered])
def test_nothing_of_tls_is_left_in_memory_when_a_connection_has_ended(made, monkeypatch, begins, ends):
    """Without a look for circles of objects, which comes rarely where there are many others."""
    monkeypatch.setattr(acceptors, "MAX_STRANGERS", 1)

    async def run():
        server = Server(made)
        connection = await begins(server)
        if begins is not no_handshake:
            await becomes(1, encrypted_ends)
        if ends is None:
            other = await half_a_handshake(server)
            await asyncio.to_thread(connection.recv, 1000)  # the end, or before it what is wrong
            other.close()
            connection.close()
        else:
            ends(connection)
        await becomes(0, encrypted_ends)
        server.close()

    gc.collect()
    gc.freeze()  # what is there already is not looked through at each count
    gc.disable()
    try:
        asyncio.run(run())
    finally:
        gc.enable()


def test_who_has_done_a_handshake_is_newer_than_those_who_came_later_and_have_not(made, monkeypatch):
    monkeypatch.setattr(acceptors, "MAX_STRANGERS", 8)

    async def run():
        server = Server(made)
        first = await server.connected()
        crowd = [await half_a_handshake(server) for _ in range(7)]
        first = await server.encrypted(first)
        crowd += [await half_a_handshake(server) for _ in range(7)]
        first.sendall(ASKED)
        assert (await asyncio.to_thread(first.recv, 1000)).startswith(b"HTTP/1.1 200")
        for each in (first, *crowd):
            each.close()
        server.close()

    asyncio.run(run())
