import pydantic
import pytest
from peers.http_receivers import Webhook

from connector import configuration
from connector.clients.http import Response
from connector.model import Message, Misconfigured
from connector.settings import yamldoc
from connector.simulator.wsgi_server import serving
from connector.sinks.http import receiver_file
from connector.sinks.http.answer import Answers
from connector.sinks.http.sink import HttpSink, HttpSinkSettings

URL = "https://receiver.example"
FIND = "description: a\nfind: {request: {url: a}, found: body, absent: body}\n"
OAUTH = {"token_url": "https://login.example/token", "client_id": "a", "client_secret": "b"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "url is required: the receiver webhook has no address of its own"),
        ({"url": "receiver.example"}, "is not an http or https URL"),
        ({"url": "https://me:secret@receiver.example/"}, "no login belongs in a URL"),
        ({"url": "http://receiver.example/"}, "plain http:// to another machine"),
        (
            {"url": URL, "to": "splunk"},
            "there is no receiver 'splunk'; did you mean splunk-hec? There is data",
        ),
        ({"url": URL, "to": "./none.yaml"}, "there is no file"),
        ({"url": URL, "options": {"index": "a"}}, "the receiver webhook has no option 'index'; it has none"),
        (
            {"url": URL, "to": "elasticsearch"},
            "needs the option index, under options: Name of the index",
        ),
        (
            {"url": URL, "to": "elasticsearch", "options": {"index": "a", "indx": "b"}},
            "has no option 'indx'; did you mean index? There is index",
        ),
        (
            {"url": URL, "to": "elasticsearch", "index": "a"},
            "index is an option of the receiver elasticsearch: it belongs under options",
        ),
        (
            {"url": URL, "options": {"token": "a"}},
            "the receiver webhook has no option 'token'; token stands beside options, not under it",
        ),
        (
            {"url": URL, "framing": "array"},
            "framing is what the receiver's file says: `iocstream receivers show webhook > mine.yaml`, change it there",
        ),
        ({"url": URL, "token": "abcdef", "oauth": OAUTH}, "give one login"),
        ({"url": URL, "oauth": {**OAUTH, "token_url": "http://login.example/token"}}, "plain http:// to another"),
        ({"url": URL, "oauth": {**OAUTH, "private_key": "k"}}, "give either client_secret or private_key"),
        ({"url": URL, "oauth": {**OAUTH, "client_secret": None}}, "give either client_secret or private_key"),
        (
            {"url": URL, "oauth": {**OAUTH, "client_secret": None, "private_key": "k", "refresh_token": "r"}},
            "private_key needs none",
        ),
        (
            {"url": URL, "oauth": {**OAUTH, "client_secret": None, "private_key": "k", "send_as": "basic"}},
            "send_as is for client_secret",
        ),
        ({"url": URL, "oauth": {**OAUTH, "private_key_id": "1"}}, "is that of private_key, which is missing"),
        ({"url": URL, "to": "splunk-hec", "signing_key": "k"}, "checks no signature"),
        ({"to": "pagerduty"}, "the receiver pagerduty needs token, which it wants in the body"),
        ({"url": URL, "headers": {"X-A": "line\nfeed"}}, "no HTTP header can carry"),
        ({"url": URL, "headers": {"X A": "b"}}, "is not a name that an HTTP header can have"),
        ({"url": URL, "headers": {"Content-length": "5"}}, "the header Content-length is written by the client itself"),
        ({"url": URL, "headers": {"Host": "b"}}, "the header Host is written by the client itself"),
        ({"url": URL, "headers": {"transfer-encoding": "b"}}, "is written by the client itself"),
        ({"url": URL, "headers": {"Connection": "close"}}, "is written by the client itself"),
        ({"url": URL, "headers": {"Content-Encoding": "br"}}, "is written by the client itself"),
        ({"url": URL, "headers": {"content-type": "a/b"}}, "what media_type in the receiver's file says"),
        ({"url": URL, "headers": {"Authorization": "Key b"}}, "or api_key with api_key_header: Authorization"),
        ({"url": URL, "headers": {"x-k": "b"}, "api_key": "a", "api_key_header": "X-K"}, "carries the login"),
        ({"url": URL, "headers": {"x-hub-signature-256": "b"}}, "carries the login or the signature"),
        ({"url": URL, "api_key": "a", "api_key_header": "Host"}, "is written by the client itself"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, sentence, tmp_path):
    with pytest.raises(pydantic.ValidationError) as caught:
        HttpSinkSettings.model_validate(options, context=tmp_path)
    assert sentence in str(caught.value)
    assert "secret@" not in str(caught.value)


ONE = "description: a\nrequest: {url: a, framing: one, %s}\nanswers: [{then: delivered}]\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("description: a\n", ":1:1: request: is required"),
        (
            "description: a\nrequest: {url: '${{ url }}', framing: two}\nanswers: [{then: delivered}]\n",
            "request.framing",
        ),
        ("description: a\nrequest: {url: a, framing: one}\nanswers: [{then: no}]\n", "answers[0].then"),
        (
            "description: a\nrequest: {url: a, framing: one}\nanswers: [{when: a}]\n",
            "give either then, or each and items",
        ),
        (
            f"{FIND}request: {{url: a, framing: array}}\nanswers: [{{then: delivered}}]\n",
            "find goes with framing: one",
        ),
        ("description: a\nrequest: {url: a, framing: envelope}\nanswers: [{then: delivered}]\n", "go together"),
        (
            ONE % "headers: {host: b}",
            ":2:49: request.headers.host: the header host is written by the client itself: leave it out",
        ),
        (
            ONE % "headers: {Content-Type: b}",
            ":2:57: request.headers.Content-Type: this header is written of media_type",
        ),
        (
            ONE % "headers: {Authorization: b}",
            "request.headers.Authorization: this header is that of the login",
        ),
        (
            ONE % "signature: {header: Connection}",
            "request.signature.header: the header Connection is written by the client itself",
        ),
    ],
)
def test_a_fault_in_a_receivers_file_is_named_with_its_place(tmp_path, text, sentence):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(pydantic.ValidationError) as caught:
        HttpSinkSettings(to=str(path), url=URL)
    assert f"{path}:" in str(caught.value)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "answers", "sentence"),
    [
        ("{url: '${{ urll }}', framing: one}", "[{then: delivered}]", "mine.yaml:2:16: request.url: in `urll`"),
        ("{url: a, framing: one}", "[{when: 'statu == `200`', then: delivered}]", "mine.yaml:3:18: answers[0].when"),
        ("{url: a, framing: envelope, envelope: {a: b}}", "[{then: delivered}]", "must stand in it once"),
        ("{url: a, framing: one, item: '${{ documnt }}'}", "[{then: delivered}]", "request.item: in `documnt`"),
        ("{url: 'a?key=${{ token }}', framing: one}", "[{then: delivered}]", "request.url: in `token`"),
        (
            "{url: '${{ url }}/${{ options.indx }}', framing: one}",
            "[{then: delivered}]",
            "mine.yaml:2:16: request.url: in `options.indx`: there is no member 'indx' here; did you mean index?",
        ),
        (
            "{url: a, framing: lines, action: {_id: '${{ message.digets }}'}}",
            "[{then: delivered}]",
            "request.action._id: in `message.digets`: there is no member 'digets' here; did you mean digest?",
        ),
        (
            "{url: a, framing: one}",
            "[{then: delivered}]\ncheck: {request: {url: '${{ message.id }}'}, answers: [{then: delivered}]}",
            "check.request.url: in `message.id`: the name 'message' is not known here",
        ),
        (
            "{url: a, framing: one}",
            "[{then: delivered}]\nconfirm: {id: body.id, confirmed: body.ok, request: {url: '${{ options.x }}'}}",
            "there is no member 'x' here (known: index); what a route may say stands under options in this file",
        ),
    ],
)
def test_a_wrong_expression_is_a_fault_of_the_configuration(tmp_path, monkeypatch, request_, answers, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(
        f"description: a\nrequest: {request_}\nanswers: {answers}\noptions: {{index: {{description: b, default: c}}}}\n"
    )
    routes = f"routes:\n  r: {{mapping: json, sink: {{type: http, to: ./mine.yaml, url: '{URL}'}}}}\n"
    (tmp_path / "iocstream.yaml").write_text(f"sources:\n  f: {{type: file, path: '-'}}\n{routes}")
    with pytest.raises(Misconfigured) as caught:
        configuration.load(tmp_path / "iocstream.yaml")
    assert sentence in str(caught.value)
    assert "iocstream.yaml:4:" in str(caught.value)


def test_a_receivers_file_is_read_and_compiled_once(monkeypatch):
    read = []
    load = receiver_file.read
    monkeypatch.setattr(receiver_file, "read", lambda path: read.append(path) or load(path))
    settings = HttpSinkSettings(to="splunk-hec", url=URL)
    settings.misfit("json")
    for _ in range(2):
        HttpSink(settings, user_agent="a").close()
    assert len(read) == 1


def test_a_destination_is_known_by_host_and_options_and_a_digest_of_what_may_be_secret():
    settings = HttpSinkSettings(to="elasticsearch", url="https://es.example:9200/secret?a=b", options={"index": "vt"})
    assert settings.receiver() == "http elasticsearch https://es.example:9200 #b4b4cb63 index=vt"
    assert settings.waits_for() == "http https://es.example:9200"
    assert "secret" not in repr(settings)


def test_two_addresses_on_one_host_are_two_receivers():
    paths = ["", "/", "/a", "/a/", "/b", "/a?b", "/a?c"]
    names = [HttpSinkSettings(url=f"https://hooks.example{path}").receiver() for path in paths]
    assert len(set(names)) == 5
    assert names[0] == names[1] == "http webhook https://hooks.example"
    assert names[2] == names[3]


def test_a_mapping_of_another_format_does_not_fit():
    settings = HttpSinkSettings(to="splunk-hec", url=URL)
    assert settings.misfit("json") is None
    assert settings.misfit("stix").reason == "the receiver splunk-hec takes only json, and this mapping makes stix"


ANSWERS = yamldoc.parse(
    """
answers:
- when: status == `200` && body.results
  each: body.results
  items:
  - {when: item.ok, then: delivered}
  - {when: "item.code == 'bad'", then: refused, reason: item.why}
  - {when: "item.code == 'busy'", then: again, reason: item.why}
- {when: status == `200` && body.refused, then: delivered, refused: body.refused}
- {when: status == `200` && body.first, then: next, taken: body.first}
""",
    "answers.yaml",
)


def outcome(status, body, count=3):
    table = [receiver_file.Answer.model_validate(each) for each in ANSWERS.data["answers"]]
    headers = {"content-type": "application/json", "location": "https://else.example/"}
    return Answers(ANSWERS, ("answers",), table).outcome(Response(status, headers, body), count)


@pytest.mark.parametrize(
    "body",
    [
        b'{"results":[{"ok":true}]}',  # of fewer messages than were sent
        b'{"results":{"ok":true}}',
        b'{"results":"ok"}',
        b'{"refused":[{"index":3}]}',  # of one that was not sent
        b'{"refused":[{"index":-1}]}',
        b'{"refused":[{"index":true}]}',
        b'{"refused":"all"}',
        b"<html>Please log in</html>",
        b"",
        b"[" * 5000,
        b'{"other":1}',
    ],
)
def test_a_success_that_does_not_say_what_became_of_each_message_delivers_none(body):
    found = outcome(200, body)
    assert (found.then, list(found.left), found.taken) == ("person", [0, 1, 2], frozenset())
    assert "answers.yaml does not say what that means" in found.reason


def test_each_message_has_the_fate_that_the_answer_gives_it():
    body = b'{"results":[{"ok":true},{"code":"bad","why":"no\\u202e title"},{"code":"busy","why":"later"}]}'
    found = outcome(200, body)
    assert found.taken == {0}
    assert list(found.refused) == [1]
    assert "\u202e" not in found.refused[1]
    assert (list(found.left), found.then, found.reason) == ([2], "again", "later")


def test_what_a_person_must_mend_comes_before_what_is_to_be_sent_again():
    body = b'{"results":[{"code":"busy","why":"later"},{"code":"no such thing"},{"ok":true}]}'
    found = outcome(200, body)
    assert (found.then, list(found.left)) == ("person", [0, 1])
    assert "not in its table" in found.reason


@pytest.mark.parametrize("first", [0, 2, 3, 99])
def test_what_was_taken_is_counted_from_the_first(first):
    found = outcome(200, b'{"first":%d}' % first)
    if first == 0:  # which is as good as nothing
        assert found.then == "person"
    else:
        assert found.taken == set(range(min(first, 3)))
        assert list(found.left) == [*range(min(first, 3), 3)]


@pytest.mark.parametrize(
    ("status", "then"),
    [
        (400, "refused"),
        (422, "refused"),
        (413, "smaller"),
        (408, "again"),
        (429, "again"),
        (500, "again"),
        (503, "again"),
        (401, "person"),
        (404, "person"),
        (301, "person"),
        (204, "person"),
        (418, "person"),
    ],
)
def test_statuses_mean_what_they_usually_do(status, then):
    found = outcome(status, b"words")
    assert (found.then, list(found.left)) == (then, [0, 1, 2])
    assert str(status) in found.reason


def test_a_message_of_which_no_request_can_be_made_is_refused_alone(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "description: a\nrequest: {url: '${{ url }}', framing: one, headers: {X-Id: '${{ message.id }}'}}\n"
        "answers: [{when: status == `202`, then: delivered}]\n"
    )
    receiver = Webhook()
    with serving(receiver) as url:
        sink = HttpSink(HttpSinkSettings(to=str(path), url=url), user_agent="a")
        split = Message(1, "a\r\nX-Other: b", b"{}", 0)
        (refusal,) = sink.send([split, Message(2, "c", b"{}", 0)])
        sink.close()
    assert refusal.message == split
    assert "no HTTP header can carry" in refusal.reason
    assert [headers["X-Id"] for _, _, headers, _ in receiver.requests] == ["c"]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"to": "slack", "url": URL}, 10),
        ({"to": "slack", "url": URL, "requests_a_minute": 1}, 3),
        ({"to": "slack", "url": URL, "requests_a_minute": 60_000}, 500),
        ({"to": "webhook", "url": URL}, 500),
        ({"to": "datadog", "url": URL, "requests_a_minute": 6}, 500),
    ],
)
def test_what_goes_out_slowly_is_recorded_every_ten_seconds(options, count):
    assert HttpSinkSettings(**options).at_once() == count


def test_what_a_file_of_ones_own_says_stands_in_it(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "description: a\noptions: {queue: {description: b}}\n"
        "request: {url: '${{ url }}', framing: one}\nanswers: [{then: delivered}]\n"
    )
    for option, sentence in (
        ({"queue": "a"}, "queue is an option of the receiver ./mine.yaml: it belongs under options"),
        ({"gzip": True}, "gzip is what the receiver's file says: change it in ./mine.yaml"),
    ):
        with pytest.raises(pydantic.ValidationError, match=sentence):
            HttpSinkSettings.model_validate({"url": URL, "to": "./mine.yaml", **option}, context=tmp_path)


def test_a_status_is_no_text(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "description: a\nrequest: {url: '${{ url }}', framing: one}\n"
        "answers:\n- {when: status == '200', then: delivered}\n"
    )
    with pytest.raises(pydantic.ValidationError) as caught:
        HttpSinkSettings.model_validate({"url": URL, "to": str(file)})
    assert "mine.yaml:4:10: answers[0].when: in `status == '200'`: a value of type number is never" in str(caught.value)
    assert "write numbers in backticks (`200`)" in str(caught.value)


def test_an_option_that_is_spelt_less_alike_than_that_is_not_taken_for_one_that_belongs_elsewhere(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(
        "sources: {file: {type: file, path: '-'}}\n"
        f"routes: {{r: {{mapping: json, sink: {{type: http, url: '{URL}', verify: false}}}}}}\n"
    )
    with pytest.raises(Misconfigured, match=r"verify: there is no such option; there is .*ca_bundle") as caught:
        configuration.load(tmp_path / "iocstream.yaml")
    assert "severity" not in str(caught.value)
