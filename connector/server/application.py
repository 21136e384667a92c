"""The server's application: a configuration becomes the routers that serve it."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.actions import ActionContext
from connector.configuration import Config, Plan
from connector.ports import Collections
from connector.server import actions, documentation, page, problems
from connector.server.audit import Audit, AuditMiddleware
from connector.server.authentication import AuthenticationMiddleware, Gate
from connector.server.front import Front
from connector.server.notices import Notices
from connector.server.taxii import description, endpoints
from connector.server.token_book import TokenBook
from connector.settings.server import ServerSettings, TokenSettings
from connector.settings.token_file import TokenFile
from connector.telemetry import AuditLog
from connector.version import VERSION

_DESCRIPTION = """Notifications of VirusTotal's IoC Stream, as actions for playbooks and platforms.

Every request but those for this document and its readable form needs a token, which `iocstream token new` makes."""

READER_PATIENCE_SECONDS = 5
"""How long a TAXII request waits when its token has asked too often. Common TAXII clients do not retry after a 429:
they give up, and begin again at the first page."""
_OPENAPI, _DOCS = "/openapi.json", "/docs"


def application(
    context: ActionContext,
    collections: Collections,
    notices: Notices | None = None,
    book: TokenBook | None = None,
    audit: Audit | None = None,
) -> ASGIApp:
    """The application that serves the actions and the page of a configuration, and the collections over TAXII."""
    plan = context.plan
    book = book or TokenBook(plan.token_file())
    gate = Gate(plan.settings.server, book, notices or Notices())
    audit = audit or Audit(AuditLog(plan.settings.server.audit))

    async def reader(request: Request) -> endpoints.Reader:
        token = await gate.admit(request, READER_PATIENCE_SECONDS)
        return _Reader(token, frozenset(each.name for each in _published(plan.only(token.sources))))

    taxii = endpoints.TaxiiServer(_published(context.plan), collections, reader)
    divided = _Divided(_main_application(context, gate, audit.log, book), taxii)
    return Front(AuditMiddleware(divided, audit), context.plan.settings.server)


def _main_application(context: ActionContext, gate: Gate, audit: AuditLog, book: TokenBook) -> FastAPI:
    made = FastAPI(
        title="IoC-Stream Connector",
        version=VERSION,
        description=_DESCRIPTION,
        openapi_url=None,  # served below, completed
        docs_url=None,  # they load from another site
        redoc_url=None,
        redirect_slashes=False,  # behind a proxy that speaks TLS it would redirect clients, with their tokens, to http
    )
    problems.install(made)
    made.add_middleware(AuthenticationMiddleware, gate, open_to_all=(_OPENAPI, _DOCS))
    made.include_router(actions.router(context, context.plan.settings.server, audit, book))
    made.include_router(page.router())
    document = openapi(made)
    # Made once: whoever asks needs no token, and many may ask.
    for_machines, for_people = orjson.dumps(document), documentation.page(document).encode()

    async def openapi_json() -> Response:
        """The description of all endpoints, for machines."""
        return Response(for_machines, media_type="application/json")

    async def docs() -> Response:
        """The description of all endpoints, for people."""
        return HTMLResponse(for_people, headers={"Content-Security-Policy": documentation.POLICY})

    made.add_api_route(_OPENAPI, openapi_json, include_in_schema=False)
    made.add_api_route(_DOCS, docs, include_in_schema=False)
    return made


def openapi(made: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of an application."""
    document = get_openapi(
        title=made.title,
        version=made.version,
        description=made.description,
        routes=[*made.routes, *description.described().routes],
        tags=[
            {"name": "actions", "description": "What playbooks call."},
            {"name": description.TAG, "description": "What platforms read."},
        ],
    )
    document["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    schemas = document["components"]["schemas"]
    schemas |= actions.parameter_schemas()
    schemas["ProblemDetails"] = problems.ProblemDetails.model_json_schema(
        mode="serialization", ref_template="#/components/schemas/{model}"
    )
    schemas |= schemas["ProblemDetails"].pop("$defs")
    return document


def document() -> dict[str, Any]:
    """The OpenAPI document that every server has, whatever its configuration."""
    plan = Plan(Config.model_construct(sources={}, routes={}, server=ServerSettings()), {}, {})
    book = TokenBook(TokenFile(Path(os.devnull) / "tokens"))
    gate = Gate(plan.settings.server, book, Notices())
    return openapi(_main_application(ActionContext(plan), gate, AuditLog(), book))


def _published(plan: Plan) -> list[endpoints.Published]:
    found = (route.sink.published() for route in plan.settings.routes.values())
    return [endpoints.Published(each.name, each.title, each.description) for each in found if each is not None]


@dataclass(frozen=True, slots=True)
class _Reader:
    token: TokenSettings
    seen: Collection[str]
    """The collections that have nothing of a source that the token may not see."""

    @property
    def name(self) -> str:
        return self.token.name

    def may_read(self, collection: str) -> bool:
        return collection in self.seen and self.token.may(f"taxii:{collection}")


class _Divided:
    """Hands a request to the TAXII server, or to the main application."""

    def __init__(self, main: ASGIApp, taxii: ASGIApp) -> None:
        self._main = main
        self._taxii = taxii

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        path: str = scope["path"]
        is_taxii = path == endpoints.PREFIX or path.startswith(f"{endpoints.PREFIX}/")
        await (self._taxii if is_taxii else self._main)(scope, receive, send)
