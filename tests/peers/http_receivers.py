"""Receivers that speak HTTP, imitated from their makers' documentation: they take what the real ones take, and refuse
with the same codes and bodies what these refuse.

Each is a WSGI application for `connector.simulator.wsgi_server.serving`. `taken` is what it holds, in order.
"""

import gzip
import hashlib
import hmac
import itertools
import json
import threading
from urllib.parse import parse_qs

import orjson
from werkzeug.wrappers import Request, Response


class Imitation:
    """What all have: failures on cue, and the requests that came.

    Attributes:
        taken: the documents or events that it holds, in order of arrival, repeats too.
        requests: method, path, headers and decompressed body of each request.
    """

    def __init__(self):
        self.taken = []
        self.requests = []
        self._cues = []
        self._lock = threading.Lock()

    def answer_next(self, status, body=b"", *, times=1, after=0, **headers):
        """Answer the next requests that bring messages so, but for the first few, and take nothing of them."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._cues += [None] * after + [(status, body, named)] * times

    def __call__(self, environ, start_response):
        request = Request(environ)
        body = request.get_data()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self._lock:
            self.requests.append((request.method, request.path, dict(request.headers), body))
            response = self.answer(request, body)
        return response(environ, start_response)

    def cue(self):
        """The answer that the test has asked for, if any."""
        cue = self._cues.pop(0) if self._cues else None
        if cue is None:
            return None
        status, body, headers = cue
        return Response(body, status, headers)

    def answer(self, request, body):
        """What the receiver answers."""
        raise NotImplementedError


def json_answer(status, document, **headers):
    return Response(orjson.dumps(document), status, headers, mimetype="application/json")


class Webhook(Imitation):
    """Any address.

    Attributes:
        refuse: texts that it answers with 422.
        break_at: texts that make it fail.
        busy_after: how many requests it answers before it is busy, once.
    """

    def __init__(self, key=None, login=None):
        super().__init__()
        self.refuse = ()
        self.break_at = ()
        self.busy_after = -2
        self._key = key
        self._login = login

    def answer(self, request, body):  # noqa: PLR0911 -- one for each thing that it refuses
        if self._login and request.headers.get("Authorization") != self._login:
            return Response("who are you", 401)
        if request.method != "POST":
            return Response(status=405)
        if self._key:
            wanted = "sha256=" + hmac.new(self._key, request.get_data(), hashlib.sha256).hexdigest()
            if not hmac.compare_digest(request.headers.get("X-Hub-Signature-256", ""), wanted):
                return Response("bad signature", 401)
        self.busy_after -= 1
        if self.busy_after == -1:
            return Response("busy", 503, {"Retry-After": "7"})
        if (cued := self.cue()) is not None:
            return cued
        text = body.decode()
        if any(each in text for each in self.break_at):
            return Response("oops", 500)
        if any(each in text for each in self.refuse):
            return Response("cannot digest this", 422)
        self.taken.append(orjson.loads(body))
        return Response(status=202)


class Hec(Imitation):
    """Splunk's HTTP Event Collector.

    Attributes:
        acknowledges: whether the token has indexer acknowledgement.
        polls_before: how many questions an acknowledgement takes.
        indexes: whether anything is ever indexed.
    """

    token = "hec-token-0000"

    def __init__(self, *, acknowledges=False):
        super().__init__()
        self.acknowledges = acknowledges
        self.polls_before = 0
        self.indexes = True
        self._ids = itertools.count()
        self._waiting = {}  # by channel and id: events, and the questions left

    def answer(self, request, body):  # noqa: PLR0911 -- likewise
        if request.path == "/services/collector/health":
            return json_answer(200, {"text": "HEC is healthy", "code": 17})
        if request.headers.get("Authorization") != f"Splunk {self.token}":
            return json_answer(403, {"text": "Invalid token", "code": 4})
        channel = request.headers.get("X-Splunk-Request-Channel") or request.args.get("channel")
        if request.path == "/services/collector/ack":
            return self._acks(channel, orjson.loads(body))
        if request.path != "/services/collector/event" or request.method != "POST":
            return json_answer(404, {"text": "The requested URL was not found on this server.", "code": 404})
        if (cued := self.cue()) is not None:
            return cued
        if self.acknowledges and not channel:
            return json_answer(400, {"text": "Data channel is missing", "code": 10})
        events, error = self._events(body)
        if not self.acknowledges:
            self.taken += events
        if error is not None:
            self.taken += events if self.acknowledges else []
            return json_answer(400, error)
        answer = {"text": "Success", "code": 0}
        if self.acknowledges:
            answer["ackId"] = next(self._ids)
            self._waiting[channel, answer["ackId"]] = [events, self.polls_before]
        return json_answer(200, answer)

    def _events(self, body):
        events, text, decoder = [], body.decode(), json.JSONDecoder()
        if not text:
            return [], {"text": "No data", "code": 5}
        position = 0
        while position < len(text):
            try:
                event, position = decoder.raw_decode(text, position)
            except ValueError:
                return events, {"text": "Invalid data format", "code": 6, "invalid-event-number": len(events)}
            if not isinstance(event, dict) or "event" not in event:
                return events, {"text": "Event field is required", "code": 12, "invalid-event-number": len(events)}
            if event["event"] in ("", None):
                return events, {"text": "Event field cannot be blank", "code": 13, "invalid-event-number": len(events)}
            if event.get("index") == "elsewhere":
                return events, {"text": "Incorrect index", "code": 7, "invalid-event-number": len(events)}
            events.append(event)
        return events, None

    def _acks(self, channel, question):
        told = {}
        for ack in question["acks"]:
            waiting = self._waiting.get((channel, ack))
            told[str(ack)] = False
            if waiting is not None and self.indexes:
                waiting[1] -= 1
                if waiting[1] < 0:
                    self.taken += waiting[0]
                    told[str(ack)] = True
                    del self._waiting[channel, ack]  # an id is told once
        return json_answer(200, {"acks": told})


class Bulk(Imitation):
    """`_bulk` of Elasticsearch and OpenSearch.

    Attributes:
        refuse: texts; documents that hold one do not fit the index.
        busy: texts; documents that hold one are refused for now, as often as is said.
    """

    api_key = "VnVhQ2ZHY0JDZGJrU"
    index = "vt"

    def __init__(self):
        super().__init__()
        self.documents = {}
        self.refuse = ()
        self.busy = {}

    def answer(self, request, body):
        if request.headers.get("Authorization") != f"ApiKey {self.api_key}":
            return json_answer(401, {"error": {"type": "security_exception", "reason": "unable to authenticate"}})
        if request.path == "/_cluster/health":
            return json_answer(200, {"status": "green"})
        if (cued := self.cue()) is not None:
            return cued
        if request.headers["Content-Type"] != "application/x-ndjson" or not body.endswith(b"\n"):
            reason = "The bulk request must be terminated by a newline [\\n]"
            return json_answer(400, {"error": {"type": "illegal_argument_exception", "reason": reason}, "status": 400})
        lines = body.splitlines()
        items = [
            self._create(orjson.loads(action)["create"], document)
            for action, document in zip(lines[::2], lines[1::2], strict=True)
        ]
        return json_answer(200, {"took": 1, "errors": any("error" in each["create"] for each in items), "items": items})

    def _create(self, action, document):
        about = {"_index": action["_index"], "_id": action["_id"]}
        if action["_index"] != self.index:
            error = {"type": "index_not_found_exception", "reason": f"no such index [{action['_index']}]"}
            return {"create": {**about, "status": 404, "error": error}}
        if action["_id"] in self.documents:
            error = {"type": "version_conflict_engine_exception", "reason": "document already exists"}
            return {"create": {**about, "status": 409, "error": error}}
        text = document.decode()
        for each, times in self.busy.items():
            if each in text and times:
                self.busy[each] -= 1
                error = {"type": "es_rejected_execution_exception", "reason": "rejected execution"}
                return {"create": {**about, "status": 429, "error": error}}
        if any(each in text for each in self.refuse):
            cause = {"type": "illegal_argument_exception", "reason": "For input string"}
            error = {"type": "document_parsing_exception", "reason": "failed to parse field", "caused_by": cause}
            return {"create": {**about, "status": 400, "error": error}}
        self.documents[action["_id"]] = orjson.loads(document)
        self.taken.append(orjson.loads(document))
        return {"create": {**about, "result": "created", "status": 201}}


class Sentinel(Imitation):
    """Microsoft Sentinel's upload of STIX objects, and the endpoint that gives out its tokens.

    Attributes:
        refuse: ids of objects that it refuses.
        given: the tokens that it has given out; the last one is good.
    """

    types = ("indicator", "attack-pattern", "threat-actor", "identity", "relationship")
    most = 100
    workspace = "w-1"

    def __init__(self):
        super().__init__()
        self.refuse = set()
        self.given = []

    def answer(self, request, body):  # noqa: PLR0911 -- likewise
        if request.path == "/token":
            asked = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            if asked.get("client_secret") != "client-secret-0000":
                return json_answer(
                    401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid secret"}
                )
            self.given.append(f"token-{len(self.given)}")
            return json_answer(
                200, {"token_type": "Bearer", "expires_in": 3599, "access_token": self.given[-1], **_scope(asked)}
            )
        if not self.given or request.headers.get("Authorization") != f"Bearer {self.given[-1]}":
            return json_answer(401, {"error": {"code": "Unauthorized"}})
        if (cued := self.cue()) is not None:
            return cued
        upload = f"/workspaces/{self.workspace}/threat-intelligence-stix-objects:upload"
        if request.path != upload or not request.args["api-version"]:
            return json_answer(404, {"error": {"code": "NotFound"}})
        asked = orjson.loads(body)
        objects = asked["stixobjects"]
        if not asked.get("sourcesystem") or len(objects) > self.most:
            return json_answer(400, {"error": {"code": "BadRequest"}})
        errors = []
        for place, each in enumerate(objects):
            if each["id"] in self.refuse or each["type"] not in self.types:
                errors.append({"recordIndex": place, "errorMessages": [f"Error for {each['id']}", "not taken"]})
            else:
                self.taken.append(each)
        return json_answer(200, {"errors": errors} if errors else {})


def _scope(asked):
    return {"scope": asked["scope"]} if "scope" in asked else {}
