"""One party refuses for a while, or refuses everything: nothing stops for good, and nothing is given up."""

import hashlib
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from werkzeug.wrappers import Request, Response

from connector.simulator.taxii import MEDIA_TYPE
from prove.figures import Figure
from prove.operation.scene import (
    Bench,
    Rule,
    Scene,
    Truth,
    api_error,
    copied,
    outcome,
    page,
    said,
    taxii_error,
    tried,
)

MANY = 32
"""More notifications than may be refused in a row before it counts as everything."""
INDICATORS = """
format: stix
description: An indicator for each domain, and no more
emit:
  indicator:
    type: indicator
    id: ${{ stix_id('indicator', 'domain', entity_value) }}
    name: ${{ entity_value }}
    pattern_type: stix
    pattern: "[domain-name:value = ${{ entity_value }}]"
    indicator_types: [anomalous-activity]
    valid_from: ${{ timestamp(notification.date) }}
"""
API_REFUSALS = {
    "401": api_error(401, "WrongCredentialsError"),
    "403 in HTML": page(403),
    "404": api_error(404, "NotFoundError"),
    "400": api_error(400, "BadRequestError"),
    "403": api_error(403, "ForbiddenError"),
    "200 in HTML": page(200),
    "302": said(302, "", Location="https://login.example/"),
    "401 in HTML": page(401),
    "404 in HTML": page(404),
    "407": page(407),
    "503": page(503),
}
TAXII_REFUSALS = {
    "401": taxii_error(401),
    "403 in HTML": page(403),
    "404": taxii_error(404),
    "400 in HTML": page(400),
    "403": taxii_error(403),
    "200 in HTML": page(200),
    "302": said(302, "", Location="https://login.example/"),
    "404 in HTML": page(404),
    "406": taxii_error(406),
    "503": page(503),
}


@tried("The API refuses for a while")
def api_refuses(bench: Bench) -> Figure:
    """Three requests are refused, in each way; the process stays and goes on by itself."""
    ways = bench.some(API_REFUSALS)
    with bench.scene("api-refuses") as scene:
        scene.start()
        alarms = 0
        for answer in ways.values():
            before = scene.api_gate.inflicted
            scene.api_gate.refuses(answer, 3)
            scene.raises(3)
            scene.until_arrived(scene.api_gate)
            alarms += scene.api_gate.inflicted == before + 3
        code = scene.stop()
        more = f"{len(ways)} ways, without a restart"
        kept = alarms == len(ways) and code == 0
        return outcome("The API refuses for a while", scene, scene.api_gate.inflicted, more=more, kept=kept)


@tried("A TAXII server refuses for a while")
def receiver_refuses(bench: Bench) -> Figure:
    """Likewise a receiver; the other route is not held up."""
    ways = bench.some(TAXII_REFUSALS)
    with bench.scene("receiver-refuses") as scene:
        scene.start()
        inflicted = 0
        for answer in ways.values():
            before = scene.taxii_gate.inflicted
            scene.taxii_gate.refuses(answer, 3)
            scene.raises(3)
            scene.until_arrived(scene.taxii_gate)
            inflicted += scene.taxii_gate.inflicted == before + 3
        code = scene.stop()
        letters = len(scene.letters())
        return outcome(
            "A TAXII server refuses for a while",
            scene,
            scene.taxii_gate.inflicted,
            more=f"{len(ways)} ways, without a restart, {letters} dead letters",
            kept=inflicted == len(ways) and code == 0 and letters == 0,
        )


@tried("A receiver refuses everything")
def receiver_refuses_everything(bench: Bench) -> Figure:
    """It accepts each envelope and reports every object as failed: a licence exceeded; then it takes them."""
    with bench.scene("everything") as scene:
        (scene.home / "small.yaml").write_text(INDICATORS)
        scene.configuration["routes"]["taxii"]["mapping"] = "small.yaml"
        scene.configure()
        scene.taxii_gate.rule = _all_failed
        scene.raises(MANY)
        scene.start()
        message = _until_blocked(scene)
        backlog = scene.parts()["taxii"]["backlog"]
        scene.taxii_gate.heals()
        scene.until_arrived(scene.taxii_gate)
        scene.stop()
        letters = len(scene.letters())
        is_said = "refuses everything" in message and "licence exceeded" in message
        return outcome(
            "A receiver refuses everything",
            scene,
            scene.taxii_gate.inflicted,
            more=f"backlog kept: {backlog}, {letters} dead letters" + ("" if is_said else ", not said"),
            kept=is_said and letters == 0 and backlog == MANY,
        )


@tried("A TAXII server takes requests of 100 bytes only")
def receiver_takes_no_size(bench: Bench) -> Figure:
    """Its API root says so, or a proxy before it refuses every size; then the limit is what is usual."""
    inflicted, letters, is_said = 0, 0, True
    ways = {"said by the server": _small_root, "by a proxy": _small_proxy}
    with bench.scene("size") as scene:
        for rule in ways.values():
            scene.taxii_gate.rule = rule
            scene.raises(5)
            scene.start()
            message = _until_blocked(scene)
            is_said = is_said and ("size" in message or "max_content_length" in message)
            scene.taxii_gate.heals()
            scene.until_arrived(scene.taxii_gate)
            scene.stop()
            letters += len(scene.letters())
            inflicted = scene.taxii_gate.inflicted
        return outcome(
            "A TAXII server takes requests of 100 bytes only",
            scene,
            inflicted,
            more=f"{letters} dead letters" + ("" if is_said else ", not said"),
            kept=is_said and letters == 0,
        )


@tried("A TAXII server reports failures, in every form")
def receiver_says_that_it_failed(bench: Bench) -> Figure:
    """It stores nothing and says so in ways that are easy to overlook; then it stores."""
    ways = bench.some(FAILED)
    with bench.scene("statuses") as scene:
        for mapping in ("stix21", "small.yaml"):
            # Five objects for each notification, and one: then there is nothing beside it to tell faults apart by.
            (scene.home / "small.yaml").write_text(INDICATORS)
            scene.configuration["routes"]["taxii"]["mapping"] = mapping
            scene.configure()
            scene.start()
            for form in ways.values():
                scene.taxii_gate.rule = _reporting(form)
                scene.raises(1)
                before = scene.taxii_gate.envelopes
                scene.until(
                    lambda before=before: scene.taxii_gate.envelopes >= before + 5, "envelopes were reported so"
                )
                scene.taxii_gate.heals()
                scene.until_arrived(scene.taxii_gate)
            scene.stop()
        letters = len(scene.letters())
        return outcome(
            "A TAXII server reports failures, in every form",
            scene,
            scene.taxii_gate.inflicted,
            more=f"{len(ways)} forms, {letters} dead letters",
            kept=letters == 0,
        )


@tried("Look-ups of URLs refused, by a web filter and otherwise")
def look_ups_refused(bench: Bench) -> Figure:
    """Notifications of URLs known by a digest alone, of which the look-ups fail: pages are stored all the same."""
    ways = bench.some({"403 in HTML": page(403), "500": api_error(500, "x"), "404": api_error(404, "NotFoundError")})
    with bench.scene("look-ups") as scene:
        scene.configure(routes={"events": scene.configuration["routes"]["events"]})
        inflicted = 0
        for answer in ways.values():
            before = scene.api_gate.inflicted
            scene.api_gate.refuses(answer, 1000, on="/urls/")
            scene.start()  # a run of its own, since a failed look-up is followed by a pause
            urls = scene.made([int(time.time()) - 5] * 3)
            for item in urls:
                item |= {"type": "url", "id": hashlib.sha256(item["id"].encode()).hexdigest()}
                del item["attributes"]
            scene.api.add(urls)
            scene.raises(3)
            scene.until_arrived(scene.api_gate)
            scene.stop()
            inflicted += scene.api_gate.inflicted > before
        return outcome(
            "Look-ups of URLs refused, by a web filter and otherwise",
            scene,
            scene.api_gate.inflicted,
            more=f"{len(ways)} ways",
            kept=inflicted == len(ways),
        )


def _all_failed(request: Request, _: Truth) -> Response | None:
    if request.method != "POST":
        return None
    objects = orjson.loads(request.get_data())["objects"]
    failures = [
        {"id": each["id"], "version": each.get("modified", ""), "message": "licence exceeded"} for each in objects
    ]
    return _status(objects, status="complete", success_count=0, failure_count=len(objects), failures=failures)


def _status(objects: Sequence[Any], **told: Any) -> Response:
    whole = {"id": str(uuid.uuid4()), "request_timestamp": "2026-01-01T00:00:00Z", "total_count": len(objects)}
    whole |= {"success_count": len(objects), "failure_count": 0, "pending_count": 0, **told}
    return said(202, {key: value for key, value in whole.items() if value is not None}, kind=MEDIA_TYPE)


FAILED: dict[str, Callable[[Sequence[Any]], Response]] = {
    "failed, with counts of success": lambda objects: _status(objects, status="failed"),
    "a success_count below the total": lambda objects: _status(objects, status="complete", success_count=0),
    "an error with 200": lambda _: taxii_error(200),
    "a failure_count without names": lambda objects: _status(
        objects, status="complete", success_count=0, failure_count=len(objects)
    ),
    "counts as text": lambda objects: _status(
        objects, status="complete", success_count="0", failure_count=str(len(objects))
    ),
    "pending for ever": lambda objects: _status(objects, status="pending", success_count=0, pending_count=len(objects)),
    "pendings in a complete one": lambda objects: _status(
        objects,
        status="complete",
        success_count=0,
        pending_count=None,
        pendings=[{"id": each["id"], "version": each.get("modified", "")} for each in objects],
    ),
    "error": lambda objects: _status(objects, status="error", success_count=None, failure_count=None),
}


def _reporting(form: Callable[[Sequence[Any]], Response]) -> Rule:
    """Answer envelopes in a form, and the question for a status in the same."""
    last: list[Any] = []

    def rule(request: Request, _: Truth) -> Response | None:
        if request.method == "POST":
            last[:] = orjson.loads(request.get_data())["objects"]
            return form(last)
        if "/status/" in request.path:
            answer = copied(form(last))
            answer.status_code = 200
            return answer
        return None

    return rule


def _small_root(request: Request, truth: Truth) -> Response | None:
    if request.method == "POST":
        return taxii_error(413, "too large")
    answer = truth()
    if b"max_content_length" not in answer.get_data():
        return None
    return said(200, orjson.loads(answer.get_data()) | {"max_content_length": 100}, kind=MEDIA_TYPE)


def _small_proxy(request: Request, _: Truth) -> Response | None:
    return taxii_error(413, "too large") if request.method == "POST" else None


def _until_blocked(scene: Scene) -> str:
    """Wait until the route is blocked; why it is."""
    scene.until(lambda: scene.parts().get("taxii", {}).get("state") == "blocked", "the route is blocked")
    return str(scene.parts()["taxii"]["message"])


CASES = (
    api_refuses,
    receiver_refuses,
    receiver_refuses_everything,
    receiver_takes_no_size,
    receiver_says_that_it_failed,
    look_ups_refused,
)
