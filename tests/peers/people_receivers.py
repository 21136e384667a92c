"""What reaches people, imitated as in `peers.http_receivers`: Slack, Microsoft Teams, PagerDuty and Jira."""

import re

import orjson
from peers.http_receivers import Imitation, json_answer
from werkzeug.wrappers import Response


class Slack(Imitation):
    """An incoming webhook of Slack.

    Attributes:
        refuse: texts; messages that hold one are no blocks that it knows.
        gone: what it says instead of taking anything, such as no_service.
    """

    path = "/services/T0000/B0000/slack-secret-0000"

    def __init__(self):
        super().__init__()
        self.refuse = ()
        self.gone = None

    def answer(self, request, body):  # noqa: PLR0911 -- one for each thing that it refuses
        if request.method != "POST":
            return Response("invalid_method", 405)
        if request.path != self.path:
            return Response("invalid_token" if "/services/" in request.path else "not found", 403)
        if self.gone:
            return Response(self.gone, 410 if self.gone == "channel_is_archived" else 404)
        if (cued := self.cue()) is not None:
            return cued
        try:
            message = orjson.loads(body)
        except ValueError:
            return Response("invalid_payload", 400)
        if not message.get("text") and not message.get("blocks"):
            return Response("no_text", 400)
        if any(each in body.decode() for each in self.refuse) or not all(map(is_block, message.get("blocks", []))):
            return Response("invalid_blocks", 400)
        self.taken.append(message)
        return Response("ok")


def is_block(block):
    """Whether it is a block, within the limits of Slack's reference."""
    match block["type"]:
        case "section":
            texts = [block["text"]] if "text" in block else []
            fields = block.get("fields", [])
            is_bounded = len(fields) <= 10 and all(len(each["text"]) <= 2000 for each in fields)
            return bool(texts or fields) and is_bounded and all(map(_is_text, [*texts, *fields]))
        case "context":
            return 0 < len(block["elements"]) <= 10 and all(map(_is_text, block["elements"]))
    return False


def _is_text(text):
    options = {"plain_text": {"emoji"}, "mrkdwn": {"verbatim"}}.get(text["type"], ())
    return text.keys() - {"type", "text"} <= set(options) and 0 < len(text["text"]) <= 3000


class Teams(Imitation):
    """A workflow of Power Automate that posts cards.

    Attributes:
        refuse: texts; requests that hold one do not fit the workflow's schema.
        is_on: whether the workflow is switched on.
    """

    path = "/workflows/0000/triggers/manual/paths/invoke"
    signature = "teams-secret-0000"
    most_bytes = 28 * 1024

    def __init__(self):
        super().__init__()
        self.refuse = ()
        self.is_on = True

    def answer(self, request, body):  # noqa: PLR0911 -- likewise
        if request.path != self.path:
            return _azure(404, "WorkflowNotFound", "The workflow could not be found.")
        if request.args.get("sig") != self.signature:
            return _azure(401, "DirectApiAuthorizationRequired", "The request must be authenticated.")
        if request.method != "POST":
            return _azure(404, "TriggerRequestMethodNotValid", "The HTTP method is not valid for this trigger.")
        if not self.is_on:
            return _azure(400, "WorkflowTriggerIsNotEnabled", "The trigger 'manual' is not enabled.")
        if (cued := self.cue()) is not None:
            return cued
        text = body.decode()
        card = orjson.loads(body)
        fits = card.get("type") == "message" and all(
            each["contentType"] == "application/vnd.microsoft.card.adaptive"
            and each["content"]["type"] == "AdaptiveCard"
            for each in card["attachments"]
        )
        if not fits or len(body) > self.most_bytes or any(each in text for each in self.refuse):
            return _azure(400, "TriggerInputSchemaMismatch", "The input body does not match the schema.")
        self.taken.append(card)
        return Response(status=202)


def _azure(status, code, message):
    return json_answer(status, {"error": {"code": code, "message": message}})


class PagerDuty(Imitation):
    """PagerDuty's Events API v2.

    Attributes:
        refuse: texts; events that hold one are invalid.
        open: the alerts that are open, by dedup_key: each with the events that it came of.
    """

    routing_key = "0123456789abcdef0123456789abcdef"
    most_bytes = 512 * 1024

    def __init__(self):
        super().__init__()
        self.refuse = ()
        self.open = {}

    def answer(self, request, body):
        if request.path != "/v2/enqueue" or request.method != "POST":
            return Response(status=404)
        if (cued := self.cue()) is not None:
            return cued
        event = orjson.loads(body)
        errors = [*faults(event, self.routing_key)]
        if len(body) > self.most_bytes or any(each in body.decode() for each in self.refuse):
            errors.append("Event exceeds the maximum size")
        if errors:
            answer = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
            return json_answer(400, answer)
        self.taken.append(event)
        if event["event_action"] == "resolve":
            self.open.pop(event["dedup_key"], None)
        else:
            self.open.setdefault(event["dedup_key"], []).append(event)
        answer = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return json_answer(202, answer)


def faults(event, routing_key):
    if event.get("routing_key") != routing_key:
        yield f"'routing_key' {event.get('routing_key')} is invalid"
    if event.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        yield "'event_action' is invalid (must be one of trigger, acknowledge, resolve)"
    if not 0 < len(event.get("dedup_key", "")) <= 255:
        yield "'dedup_key' is too long (maximum 255 characters)"
    if event.get("event_action") == "trigger" or "payload" in event:
        payload = event.get("payload", {})
        for name in ("summary", "source", "severity"):
            if not payload.get(name):
                yield f"'payload.{name}' is missing or blank"
        if len(payload.get("summary", "")) > 1024:
            yield "'payload.summary' is too long (maximum 1024 characters)"
        if payload.get("severity") not in ("critical", "error", "warning", "info"):
            yield "'payload.severity' is invalid (must be one of critical, error, warning, info)"


class Jira(Imitation):
    """Jira Cloud, with one project.

    Attributes:
        refuse: texts; issues and comments that hold one are no documents that it takes.
        issues: by key: what each was made of, whether it is `done`, and its `comments`.
    """

    login = "Basic Ym90QGV4YW1wbGUuY29tOmppcmEtdG9rZW4tMDAwMA=="  # bot@example.com:jira-token-0000
    project = "SEC"
    longest = 32_767

    def __init__(self):
        super().__init__()
        self.refuse = ()
        self.issues = {}

    def answer(self, request, body):  # noqa: PLR0911 -- likewise
        if request.headers.get("Authorization") != self.login:
            return json_answer(401, {"message": "Client must be authenticated to access this resource."})
        if request.path == f"/rest/api/3/project/{self.project}":
            return json_answer(200, {"key": self.project})
        if request.method != "POST":
            return json_answer(404, {"errorMessages": ["No project could be found with key 'OTHER'."], "errors": {}})
        asked = orjson.loads(body)
        if request.path == "/rest/api/3/search/jql":
            return self._search(asked)
        if (cued := self.cue()) is not None:
            return cued
        text = body.decode()
        if any(each in text for each in self.refuse) or len(text) > self.longest:
            return json_answer(400, {"errorMessages": ["CONTENT_LIMIT_EXCEEDED"], "errors": {}})
        if request.path == "/rest/api/3/issue":
            return self._create(asked["fields"])
        key = re.fullmatch("/rest/api/3/issue/([A-Z]+-[0-9]+)/comment", request.path)
        if key is None or key[1] not in self.issues:
            return json_answer(404, {"errorMessages": ["Issue does not exist."], "errors": {}})
        if not is_document(asked["body"]):
            return json_answer(400, {"errorMessages": ["INVALID_INPUT"], "errors": {"comment": "INVALID_INPUT"}})
        self.issues[key[1]]["comments"].append(asked["body"])
        self.taken.append(asked)
        return json_answer(201, {"id": str(len(self.taken))})

    def _search(self, asked):
        jql = r'project = "(\w+)" AND labels = "([\w-]+)"( AND statusCategory != Done)? ORDER BY created DESC'
        found = re.fullmatch(jql, asked["jql"])
        if found is None or found[1] != self.project:
            said = f"The value '{found and found[1]}' does not exist for the field 'project'."
            return json_answer(400, {"errorMessages": [said]})
        keys = [
            key
            for key, issue in self.issues.items()
            if found[2] in issue["fields"]["labels"] and not (found[3] and issue["done"])
        ]
        return json_answer(200, {"issues": [{"key": key} for key in keys[::-1][: asked["maxResults"]]], "isLast": True})

    def _create(self, fields):
        errors = {}
        if fields["project"] != {"key": self.project}:
            errors["project"] = "valid project is required"
        if fields["issuetype"] != {"name": "Task"}:
            errors["issuetype"] = "Specify a valid issue type"
        if not 0 < len(fields["summary"]) <= 255 or len(fields["summary"].splitlines()) > 1:
            errors["summary"] = "Summary must be less than 255 characters."
        if any(" " in label or len(label) > 255 for label in fields["labels"]):
            errors["labels"] = "The label can't contain spaces."
        if not is_document(fields["description"]):
            errors["description"] = "INVALID_INPUT"
        if errors:
            return json_answer(400, {"errorMessages": [], "errors": errors})
        key = f"{self.project}-{len(self.issues) + 1}"
        self.issues[key] = {"fields": fields, "done": False, "comments": []}
        self.taken.append(fields)
        return json_answer(201, {"id": "1", "key": key})


_INSIDE = {
    "doc": {"paragraph", "bulletList"},
    "bulletList": {"listItem"},
    "listItem": {"paragraph"},
    "paragraph": {"text"},
}


def is_document(node):
    """Whether it is of the Atlassian Document Format, of the nodes that we use."""
    kind = node["type"]
    if kind == "text":
        return bool(node["text"]) and all(mark["type"] in ("strong", "link") for mark in node.get("marks", []))
    if kind == "doc" and node["version"] != 1:
        return False
    content = node["content"]
    return bool(content) and all(each["type"] in _INSIDE[kind] and is_document(each) for each in content)
