"""The API key goes over a network only encrypted, unless the configuration says that it may be read on the way."""

import socket
import threading

import pytest
from integration.command import iocstream

CONFIGURATION = """
sources: {{v: {{type: virustotal, api_key: the-key, api_url: "{url}"{more}}}}}
routes: {{r: {{mapping: json, sink: {{type: file, path: out.jsonl}}}}}}
"""


def address_in_a_network():
    """An address of this machine that is not loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine is in no network")
        return probe.getsockname()[0]


@pytest.fixture
def eavesdropper():
    """Its address, and what was sent there."""
    heard = []
    with socket.create_server((address_in_a_network(), 0)) as server:

        def listen():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield "http://{}:{}/api/v3".format(*server.getsockname()), heard
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(("more", "sends"), [("", False), (", allow_http: true", True)])
def test_the_key_is_not_sent_over_plain_http_to_another_machine(eavesdropper, tmp_path, more, sends):
    url, heard = eavesdropper
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION.format(url=url, more=more))
    done = iocstream("check", cwd=tmp_path)
    assert any(b"x-apikey: the-key" in each for each in heard) == sends
    assert ("set allow_http: true" in done.stderr) == (not sends)
    if not sends:
        assert done.returncode == 2
        assert "iocstream.yaml:2:" in done.stderr
