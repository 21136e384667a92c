import contextlib
import gzip
import socket
import ssl
import threading
from contextlib import contextmanager

import certificates
import pytest
import trustme
from pydantic import SecretStr

from connector.clients.http import Client, HttpSettings
from connector.model import Misconfigured, Unavailable


@contextmanager
def answering(*answers, tls=None):
    """A socket that answers each request with the given bytes and closes; keeps what it was asked."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            for answer in answers:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                    # The client may hang up at any moment, which some of these tests are about.
                    stack.enter_context(connection)
                    channel = stack.enter_context(tls.wrap_socket(connection, server_side=True)) if tls else connection
                    asked.append(channel.recv(65536))
                    channel.sendall(answer)
                    channel.shutdown(socket.SHUT_WR)
                    channel.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.getsockname()[1]}", asked
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # closing alone would leave the thread waiting for a client
        server.close()
        thread.join(5)


def zipped(text):
    return gzip.compress(text, mtime=0)  # the workers of a test run must give a test one name


def client(**settings):
    options = {"max_body_bytes": settings.pop("max_body_bytes", 1000), "user_agent": "test/1"}
    secrets = settings.pop("secret_headers", None)
    return Client(HttpSettings(**{"timeout_seconds": 5, **settings}), secret_headers=secrets, **options)


def test_any_status_is_an_answer_and_redirects_are_not_followed():
    with answering(b"HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\nContent-Length: 2\r\n\r\nhi") as (
        url,
        asked,
    ):
        answer = client().request("POST", url, body=b"{}")
    assert (answer.status, answer.body, answer.headers["location"]) == (302, b"hi", "http://other.example/")
    assert asked[0].startswith(b"POST / HTTP/1.1\r\n")
    assert b"Content-Length: 2\r\n" in asked[0]


def test_secrets_go_into_their_header_and_never_come_from_netrc(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password from-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (url, asked):
        client(secret_headers={"x-apikey": SecretStr("canary")}).request("GET", url)
    assert b"x-apikey: canary\r\n" in asked[0]
    assert b"Authorization" not in asked[0]


@pytest.mark.parametrize("value", ["with\nline feed", "blank ", "caf\u00e9", "nul\0"])
def test_a_secret_that_no_header_can_carry_is_refused_without_being_shown(value):
    with pytest.raises(Misconfigured) as caught:
        client(secret_headers={"x-apikey": SecretStr(value)})
    assert value not in str(caught.value)
    assert "x-apikey" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "no complete answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "no complete answer"),
        (b"garbage\r\n\r\n", "no complete answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConte", "before any content"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length:", "before any content"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chun", "before any content"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc", "a piece has a length that is none"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"F" * 30 + b"\r\nabc", "no complete answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, "more than 1000 bytes"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 10_000_000),
            "more than 1000 bytes",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", "no complete answer"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped(b"cut")[:-9],
            "its gzip has no end",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped(b"") * 101, "more than 100 members"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\n\r\n", "in the encoding 'gzip, gzip'"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n", "in the encoding 'zstd', which it was not asked for"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /else\r\nContent-Encoding: gzip\r\n\r\n" + zipped(b"x" * 2000),
            "more than 1000 bytes",
        ),
    ],
)
def test_an_answer_cut_short_or_without_end_is_an_outage(answer, said):
    with answering(answer) as (url, _), pytest.raises(Unavailable, match=said):
        client().request("GET", url)


@pytest.mark.parametrize(
    "body",
    [
        zipped(b"one two"),
        zipped(b"one ") + zipped(b"two"),
        zipped(b"one two") + b"\0" * 100,
        zipped(b"one two") + zipped(b"") * 40,
    ],
    ids=["at once", "in two members", "and zeros", "and empty members"],
)
def test_gzip_is_decompressed_whatever_it_is_cut_into(body):
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    with answering(head + b"\r\n" + body, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks) as (url, asked):
        assert [client().request("GET", url).body for _ in range(2)] == [b"one two"] * 2
    assert b"\r\nAccept-Encoding: gzip\r\n" in asked[0]


def test_a_cookie_is_not_kept_and_a_redirect_to_another_host_gets_no_secret():
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: id=1; Path=/\r\nContent-Length: 2\r\n\r\nok"
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        location = b"http://localhost:%d/" % other.getsockname()[1]
        away = b"HTTP/1.1 307 Go\r\nSet-Cookie: id=2\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location
        talks = client(secret_headers={"x-apikey": SecretStr("canary")})
        with answering(answer, away, answer) as (url, asked), contextlib.closing(talks):
            assert [talks.request("GET", url).status for _ in range(3)] == [200, 307, 200]
        with pytest.raises(BlockingIOError):
            other.accept()
    assert [b"x-apikey: canary" in each for each in asked] == [True] * 3
    assert not any(b"Cookie" in each for each in asked)


def test_a_server_that_says_nothing_is_an_outage():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(Unavailable, match=r"did not answer within 0\.2 s"),
    ):
        client(timeout_seconds=0.2).request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/?key=1")


def test_a_system_that_allows_no_more_threads_is_an_outage(monkeypatch):
    def refusing(_):
        raise RuntimeError("can't start new thread")

    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as (url, _):
        monkeypatch.setattr(threading.Timer, "start", refusing)
        with pytest.raises(Unavailable, match="may start no more threads"):
            client().request("GET", url)


def test_no_connection_is_an_outage_that_names_the_host_but_not_the_query():
    with pytest.raises(Unavailable) as caught:
        client().request("GET", "http://127.0.0.1:9/a?token=canary")
    assert "http://127.0.0.1:9/a" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_of_the_proxies_of_the_environment_logins_are_secret_and_hosts_are_not(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1,.corp.example")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1,.corp.example")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:proxy-canary@proxy.example:3128")
    monkeypatch.setenv("https_proxy", "http://user:proxy-canary@proxy.example:3128")
    hide = client().hide
    said = "not for localhost,127.0.0.1,.corp.example by http://proxy.example:3128: "
    assert hide(f"{said}proxy-canary") == f"{said}***"


@pytest.mark.parametrize("proxy", ["canary", "canary:3128", "http://", "http://h:canary"])
def test_a_proxy_that_is_no_url_is_refused_without_being_shown(proxy):
    with pytest.raises(ValueError, match="must be a URL") as caught:
        HttpSettings(proxy=proxy)
    assert "canary" not in str(caught.value)


def test_a_key_without_the_certificate_it_belongs_to_is_refused():
    with pytest.raises(ValueError, match="client_key needs client_certificate"):
        HttpSettings(client_key=__file__)


@pytest.mark.parametrize("url", ["ftp://a.example/", "a.example", "http://", "http://[::bad/"])
def test_what_is_no_url_is_misconfigured(url):
    with pytest.raises(Misconfigured, match="is not an http or https URL"):
        client().request("GET", url)


def test_an_untrusted_certificate_is_misconfigured_until_its_ca_is_given(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with answering(answer, tls=context) as (url, _), pytest.raises(Misconfigured, match="ca_bundle"):
        client().request("GET", url)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with answering(answer, tls=context) as (url, _):
        assert client(ca_bundle=tmp_path / "ca.pem").request("GET", url).body == b"ok"


def test_tls_with_a_port_that_does_not_speak_it_names_the_url():
    with answering(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as (url, _):
        secure = url.replace("http:", "https:")
        with pytest.raises(Unavailable, match="does not speak TLS: check host and port in the URL"):
            client().request("GET", secure)


def test_a_wrong_host_name_is_misconfigured(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with answering(b"", tls=context) as (url, _), pytest.raises(Misconfigured, match="TLS with"):
        client(ca_bundle=tmp_path / "ca.pem").request("GET", url)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("soon", None),
        ("-5", None),
    ],
)
def test_retry_after_is_read_in_both_forms_against_the_server_s_clock(header, seconds):
    dated = b"HTTP/1.1 429 Slow\r\nDate: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: 0\r\n"
    with answering(dated + f"Retry-After: {header}\r\n\r\n".encode()) as (url, _):
        answer = client().request("GET", url)
    assert answer.retry_after() == seconds
    assert answer.date() == 1445412480


def test_an_excerpt_is_one_short_printable_line():
    with answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 600\r\n\r\n<h1>\x1b[31m\r\n bad " + b"y" * 600) as (url, _):
        excerpt = client().request("GET", url).excerpt(20)
    assert excerpt == "<h1> [31m bad yyyyy…"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_for_ever_is_an_outage(start):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip():
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(start)
                while not ended.wait(0.02):
                    connection.sendall(b"x")

        ended = threading.Event()
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(Unavailable, match=r"did not finish its answer within 1\.2 s"):
            client(timeout_seconds=0.6, max_body_bytes=1_000_000).request(
                "GET", f"http://127.0.0.1:{server.getsockname()[1]}/"
            )
        ended.set()
        thread.join(5)


def test_a_tls_connection_that_is_cut_or_garbled_is_an_outage(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for said in (b"", b"\x16\x03\x03\x00", b"220 mail.example ESMTP\r\n"):
        with answering(said) as (url, _), pytest.raises(Unavailable):
            client(ca_bundle=tmp_path / "ca.pem").request("GET", url.replace("http", "https"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    torn = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok"
    with answering(torn, tls=context) as (url, _), pytest.raises(Unavailable):
        client(ca_bundle=tmp_path / "ca.pem").request("GET", url)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_client_certificate_is_shown_it(tmp_path, version):
    made = certificates.make(tmp_path)
    context = made.server_context(ask_client=True)
    context.minimum_version = context.maximum_version = version
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    options = {"ca_bundle": made.ca, "client_certificate": made.client}
    with answering(answer, tls=context) as (url, _):
        assert client(**options).request("GET", url).body == b"ok"


def test_a_server_that_wants_a_client_certificate_is_for_a_person(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose refusal comes within the handshake, for certain
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "ca.pem")
    with answering(b"", tls=context) as (url, _), pytest.raises(Misconfigured, match="set client_certificate"):
        client(ca_bundle=tmp_path / "ca.pem").request("GET", url)
