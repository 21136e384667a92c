"""The TAXII sink against imitations of servers that cannot be installed here, written after their source code."""

import contextlib
import socket
import threading
import uuid
from contextlib import contextmanager

import orjson
import pytest
from werkzeug.wrappers import Request, Response

from connector.model import Message, Unavailable
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving
from connector.sinks.taxii.sink import TaxiiSettings, TaxiiSink

MEDIA_TYPE = "application/taxii+json;version=2.1"


def messages(count):
    made = [{"type": "indicator", "id": f"indicator--{uuid.uuid4()}", "name": str(n)} for n in range(count)]
    return [Message(1, each["id"], orjson.dumps(each), 0) for each in made]


class OpenCti:
    """OpenCTI's TAXII push (httpTaxii.js): 200 for 202, work ids with colons, counts and no lists, a queue behind."""

    collection = str(uuid.uuid4())

    def __init__(self):
        self.envelopes, self.works, self.bad = [], {}, set()

    def __call__(self, environ, start_response):
        request = Request(environ)
        assert request.authorization.token == "t0k"
        root = "/taxii2/root/"
        routes = {
            ("GET", root): lambda: {"title": "root", "max_content_length": 100 * 1024 * 1024},
            ("GET", f"{root}collections/{self.collection}/"): lambda: {
                "id": self.collection,
                "title": "VT",
                "can_read": False,
                "can_write": True,
            },
            ("POST", f"{root}collections/{self.collection}/objects/"): lambda: self.push(request),
        }
        if request.path.startswith(f"{root}status/"):
            body = self.work(request.path.removeprefix(f"{root}status/")[:-1])
        else:
            body = routes[request.method, request.path]()
        return Response(orjson.dumps(body), 200, content_type=MEDIA_TYPE)(environ, start_response)

    def push(self, request):
        objects = orjson.loads(request.get_data())["objects"]
        self.envelopes.append([each["id"] for each in objects])
        work = f"work_{uuid.uuid4()}_2026-11-01T10:20:30.{len(self.works):03}Z"
        self.works[work] = [len(objects), sum(each["id"] in self.bad for each in objects), 0]
        counts = {"total_count": len(objects), "success_count": 0, "failure_count": 0, "pending_count": len(objects)}
        return {"id": work, "status": "pending", "request_timestamp": "2026-11-01T10:20:30.000Z", **counts}

    def work(self, work):
        total, failed, polls = self.works[work]
        self.works[work][2] += 1
        if polls == 0:  # the counts are NaN, so null, until the queue has begun
            return {"id": work, "status": "pending", "total_count": None, "failure_count": 0, "success_count": None}
        # Bundles are split on the way, so that more is counted than was sent.
        counts = {"total_count": total + 3, "success_count": total + 3 - failed, "failure_count": failed}
        return {"id": work, "status": "complete", "pending_count": 0, **counts}


@contextmanager
def pushing_to(application, **settings):
    with serving(application) as url:
        taxii = TaxiiSink(
            TaxiiSettings(collection_url=f"{url}{application.path}", **settings),
            user_agent="iocstream-test/1",
            sleep=lambda _: None,
        )
        with contextlib.closing(taxii):
            yield taxii


def test_opencti_takes_everything():
    opencti = OpenCti()
    opencti.path = f"/taxii2/root/collections/{opencti.collection}/"
    batch = messages(10)
    with pushing_to(opencti, token="t0k", max_envelope_objects=4) as taxii:
        assert list(taxii.send(batch)) == []
    assert [name for envelope in opencti.envelopes for name in envelope] == [m.id for m in batch]
    assert [polls for _, _, polls in opencti.works.values()] == [2, 2, 2]


def test_an_object_that_opencti_only_counts_as_failed_is_found():
    opencti = OpenCti()
    opencti.path = f"/taxii2/root/collections/{opencti.collection}/"
    batch = messages(10)
    opencti.bad = {batch[6].id}
    with pushing_to(opencti, token="t0k") as taxii:
        assert [refusal.message for refusal in taxii.send(batch)] == [batch[6]]


def test_a_server_that_stores_behind_a_500_has_each_object_once_after_the_second_try():
    receiver = TaxiiReceiver(username="u", password="p")
    batch = messages(5)
    with pushing_to(receiver, username="u", password="p") as taxii:
        receiver.fail_next(500, store=True)
        with pytest.raises(Unavailable, match="500"):
            taxii.send(batch)
        assert list(taxii.send(batch)) == []
    assert [each["id"] for each in receiver.objects()] == [m.id for m in batch]


def test_a_slow_server_is_waited_for():
    receiver = TaxiiReceiver(username="u", password="p")
    receiver.pending_polls = 7
    batch = messages(5)
    with pushing_to(receiver, username="u", password="p") as taxii:
        assert list(taxii.send(batch)) == []
    assert len(receiver.objects()) == 5


@pytest.mark.parametrize(
    "cut_short",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\n" + b'{"id": "x", "stat',
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    ],
)
def test_an_answer_that_breaks_off_is_unavailable(cut_short):
    ready = b'HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{"can_write":true}'
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            for answer in (ready, ready, cut_short):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api/collections/c/"
        taxii = TaxiiSink(TaxiiSettings(collection_url=url, timeout_seconds=10), user_agent="test/1")
        with pytest.raises(Unavailable):
            taxii.send(messages(2))
        taxii.close()
        thread.join(10)
