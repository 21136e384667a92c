"""The receiver `elasticsearch` against a real OpenSearch: documents once, refusals by place, a missing index."""

import json

import orjson
import pytest
from integration.command import iocstream_here
from missing_software import or_skip
from peers.opensearch import opensearch

from connector.model import Message, Misconfigured, Unavailable
from connector.simulator.notifications import notifications
from connector.sinks.http.sink import HttpSink, HttpSinkSettings

pytestmark = pytest.mark.xdist_group("opensearch")
COUNT = 300
CONFIG = """
sources: {{file: {{type: file, path: in.jsonl}}}}
routes:
  to-elasticsearch:
    mapping: ecs
    sink: {{type: http, to: elasticsearch, url: "{url}", token: unused, options: {{index: {index}}}}}
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with or_skip(), opensearch(tmp_path_factory.mktemp("opensearch"), action__auto_create_index="logs-*") as made:
        yield made


def sink(node, index, **more):
    settings = HttpSinkSettings(to="elasticsearch", url=node.url, options={"index": index}, **more)
    return HttpSink(settings, user_agent="iocstream-test/1")


def message(number, **more):
    return Message(number, f"n-{number}", orjson.dumps({"n": number, **more}), 0)


def test_notifications_are_there_once_however_often_they_are_sent(node, tmp_path):
    items = notifications(COUNT, seed=3)
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in items))
    (tmp_path / "iocstream.yaml").write_text(CONFIG.format(url=node.url, index="logs-once"))
    checked = iocstream_here("check", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert f"{node.url} takes messages" in checked.stdout
    assert node.ask("GET", "/logs-once") is None
    done = iocstream_here("run", "--once", "--json", cwd=tmp_path)
    (route,) = [part for part in json.loads(done.stdout) if part["kind"] == "route"]
    assert route["state"] == "done", done.stderr
    found = node.documents("logs-once")
    assert len(found) == route["messages"] > COUNT * 0.9
    expected = iocstream_here("convert", "--mapping", "ecs", "in.jsonl", cwd=tmp_path).stdout.splitlines()
    assert sorted(map(orjson.dumps, found)) == sorted(orjson.dumps(orjson.loads(line)) for line in expected)
    for _ in range(2):
        iocstream_here("replay", "to-elasticsearch", "--from-start", cwd=tmp_path)
        iocstream_here("run", "--once", cwd=tmp_path)
    assert len(node.documents("logs-once")) == len(found)


def test_a_data_stream_takes_them(node):
    node.ask("PUT", "/_index_template/t", {"index_patterns": ["stream-*"], "data_stream": {}})
    node.ask("PUT", "/_data_stream/stream-a")
    with_time = [message(n, **{"@timestamp": "2026-01-01T00:00:00Z"}) for n in range(5)]
    for _ in range(2):
        assert sink(node, "stream-a").send(with_time) == []
    assert sorted(each["n"] for each in node.documents("stream-a")) == [*range(5)]


def test_what_does_not_fit_the_index_is_refused_alone_with_the_reason(node):
    node.ask("PUT", "/fit", {"mappings": {"properties": {"at": {"type": "date"}}}})
    messages = [message(n, at="no date" if n == 2 else "2026-01-01") for n in range(5)]
    (refusal,) = sink(node, "fit").send(messages)
    assert refusal.message == messages[2]
    assert "failed to parse field [at]" in refusal.reason
    assert sorted(each["n"] for each in node.documents("fit")) == [0, 1, 3, 4]


def test_an_index_that_is_not_there_or_takes_nothing_is_for_a_person(node):
    with pytest.raises(Misconfigured, match=r"no such index \[nowhere\]"):
        sink(node, "nowhere").send([message(1)])
    node.ask("PUT", "/full")
    node.ask("PUT", "/full/_settings", {"index.blocks.write": True})
    with pytest.raises(Misconfigured, match=r"index \[full\] blocked"):
        sink(node, "full").send([message(1)])
    node.ask("PUT", "/full/_settings", {"index.blocks.write": False})
    assert sink(node, "full").send([message(1)]) == []


def test_a_body_that_is_too_large_is_halved(tmp_path):
    with or_skip(), opensearch(tmp_path / "small", http__max_content_length="64kb") as small:
        small.ask("PUT", "/halved")
        noise = [message(n, noise=f"{n:04}" * 500) for n in range(200)]
        assert sink(small, "halved").send(noise) == []
        assert sorted(each["n"] for each in small.documents("halved")) == [*range(200)]


def test_a_node_that_has_no_room_is_asked_again(tmp_path):
    with or_skip(), opensearch(tmp_path / "busy", indexing_pressure__memory__limit="2kb") as busy:
        busy.ask("PUT", "/busy")
        messages = [message(n, noise="x" * 700) for n in range(4)]
        with pytest.raises(Unavailable, match="rejected execution"):
            sink(busy, "busy").send(messages)
        assert sink(busy, "busy", max_batch_messages=1).send(messages) == []
        assert sorted(each["n"] for each in busy.documents("busy")) == [*range(4)]
