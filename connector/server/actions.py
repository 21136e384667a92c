"""`POST /actions/{name}`: each action, in a thread, a few at a time."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Annotated, Any

import pydantic
from fastapi import APIRouter, Depends, Request, Response

from connector.actions import ACTIONS, Action, ActionContext, Envelope, Parameters
from connector.actions.envelope import faults
from connector.actions.registry import perform
from connector.server import bodies
from connector.server.audit import named, record_of
from connector.server.authentication import SECURITY, requires
from connector.server.problems import Problem, problem_of, responses
from connector.server.token_book import TokenBook
from connector.server.turns import Turns
from connector.settings.server import ServerSettings, TokenSettings
from connector.sources.virustotal.spending import Spending
from connector.telemetry import AuditLog

_PROBLEMS = (
    "invalid_json",
    "unauthenticated",
    "forbidden",
    "not_found",
    "too_slow",
    "served_elsewhere",
    "not_delivered",
    "too_large",
    "unsupported_media_type",
    "invalid_parameters",
    "rejected",
    "rate_limited",
    "quota_spent",
    "misconfigured",
    "internal",
    "unavailable",
    "busy",
    "timed_out",
)


def router(context: ActionContext, settings: ServerSettings, audit: AuditLog, book: TokenBook) -> APIRouter:
    """The endpoints of all actions."""
    routes = APIRouter(prefix="/actions", tags=["actions"], dependencies=SECURITY)
    threads = ActionThreads(settings)
    for action in ACTIONS.values():
        routes.add_api_route(
            f"/{action.name}",
            _endpoint(action, context, settings, threads=threads, audit=audit, book=book),
            methods=["POST"],
            operation_id=action.name,
            summary=action.title,
            description=f"{action.help}\n\nScope: `{action.scope}`. Cost at VirusTotal: {action.cost}.",
            response_model=action.envelope,
            response_description="What came of it; `status` and `errors` say whether all of it succeeded.",
            responses=responses(*_PROBLEMS),
            openapi_extra={"requestBody": _request_body(action), "x-scope": action.scope, "x-cost": action.cost},
        )
    return routes


def parameter_schemas() -> dict[str, Any]:
    """The schemas of the parameters of actions, by the names that the OpenAPI document has for them."""
    return {action.parameters.__name__: action.parameters.model_json_schema() for action in ACTIONS.values()}


class ActionThreads:
    """Runs each action in a thread of its own, when it is its token's turn. Used by one event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        self._turns = Turns(
            settings.max_concurrent_actions, settings.max_concurrent_actions_per_token, settings.queue_seconds
        )
        self._seconds = settings.action_seconds

    async def run(self, work: Callable[[], Envelope], token: str, check: Callable[[], None]) -> Envelope:
        """Run it in a thread, and wait for its result.

        `check` is called when its turn has come: what it raises is raised, and nothing is run.

        Raises:
            Problem: too many are running already; or it takes too long, and goes on without anybody waiting for it.
        """
        await self._turn(token, check)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Envelope] = loop.create_future()

        def tell(envelope: Envelope | None, bug: BaseException | None) -> None:
            if done.done():  # nobody waits any more
                return
            if bug is not None:
                done.set_exception(bug)
            elif envelope is not None:
                done.set_result(envelope)

        def work_and_tell() -> None:
            envelope, bug = None, None
            try:
                envelope = work()
            except BaseException as error:  # noqa: BLE001 -- raised again by whoever waits
                bug = error
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._turns.give_back, token)
                loop.call_soon_threadsafe(tell, envelope, bug)

        # A daemon, like the threads of `iocstream run`: if it is not done in time, it ends with the process.
        try:
            threading.Thread(target=work_and_tell, name="action", daemon=True).start()
        except RuntimeError:  # the system allows no more
            self._turns.give_back(token)
            raise
        try:
            async with asyncio.timeout(self._seconds):
                return await done
        except TimeoutError:
            raise Problem(
                "timed_out",
                f"the action is still running after {self._seconds:g} s, and goes on",
                "get_status shows what it does; server.action_seconds in the configuration is the limit.",
            ) from None

    async def _turn(self, token: str, check: Callable[[], None]) -> None:
        await self._turns.take(token)
        try:
            check()
        except BaseException:
            self._turns.give_back(token)
            raise


def _endpoint(
    action: Action,
    context: ActionContext,
    settings: ServerSettings,
    *,
    threads: ActionThreads,
    audit: AuditLog,
    book: TokenBook,
) -> Callable[..., Coroutine[Any, Any, Response]]:
    async def endpoint(request: Request, token: Annotated[TokenSettings, Depends(requires(action.scope))]) -> Response:
        record = record_of(request)
        about = record.about
        asked = _parameters(action, await bodies.json_object(request, settings))
        about["parameters"] = named(asked)
        spending = Spending(is_allowed=token.may("act"), share=book.share(token))
        allowed = replace(context.seeing(token.sources), spending=spending, caller=token.name)
        ended = threading.Event()

        def work() -> Envelope:
            envelope = perform(allowed, action, asked)
            if ended.is_set():  # nobody waits any more: the line of the request could not say how it ended
                came_of_it = {"action": action.name, "outcome": _outcome(envelope), "quota": spending.requests}
                audit.write("action_ended", token=token.name, **came_of_it, summary=envelope.summary)
            return envelope

        try:
            envelope = await threads.run(work, token.name, lambda: request.state.gate.check(token))
            about |= {"outcome": _outcome(envelope), "summary": envelope.summary}
        finally:
            ended.set()
            about["quota"] = spending.requests
            book.used(token, record.client)  # so that what it spent is written down
        if envelope.data is None:
            raise problem_of(envelope.errors)
        return Response(
            envelope.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"}
        )

    return endpoint


def _outcome(envelope: Envelope) -> str:
    """How it ended: `success`, or the code of the first error."""
    return envelope.errors[0].code if envelope.errors else envelope.status


def _parameters(action: Action, given: dict[str, Any]) -> Parameters:
    try:
        return action.parameters.model_validate(given, strict=True)
    except pydantic.ValidationError as error:
        raise problem_of(faults(error, action.parameters.model_fields)) from None


def _request_body(action: Action) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{action.parameters.__name__}"}
    example = {"value": dict(action.example)}
    return {
        "required": action.needs_parameters,
        "content": {"application/json": {"schema": schema, "examples": {action.name: example}}},
    }
