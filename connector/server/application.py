"""The server's application: a configuration becomes the routers that serve it."""

from dataclasses import dataclass
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector import app
from connector.access import ServerSettings, TokenSettings
from connector.actions import Context
from connector.app import Config, Plan
from connector.ports import Collections
from connector.server import actions, documentation, page, problems, taxii, taxii_description
from connector.server.authentication import Admission, Gate

_DESCRIPTION = """Notifications of VirusTotal's IoC Stream, as actions for playbooks and platforms.

Every request but those for this document and its readable form needs a token, which `iocstream token NAME` makes."""

READER_PATIENCE_SECONDS = 5
"""Common TAXII clients do not come again when they have asked too often: they give up, and begin at the first page."""
_OPENAPI, _DOCS = "/openapi.json", "/docs"
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


def application(context: Context, collections: Collections) -> FastAPI:
    """The application that serves a configuration, and what its routes keep in collections."""
    settings = context.plan.settings.server
    gate = Gate(settings)

    async def reader(request: Request) -> taxii.Reader:
        return _Reader(await gate.admit(request, READER_PATIENCE_SECONDS))

    made = FastAPI(
        title="IoC-Stream Connector",
        version=app.VERSION,
        description=_DESCRIPTION,
        openapi_url=None,  # served below, completed
        docs_url=None,  # they load from another site
        redoc_url=None,
        redirect_slashes=False,  # it would send clients of a proxy that speaks TLS on to http, token and all
    )
    problems.install(made)
    # The last added is asked first.
    made.add_middleware(Admission, gate, open_to_all=(_OPENAPI, _DOCS))
    made.add_middleware(_Taxii, taxii.Server(_published(context.plan), collections, reader))
    made.add_middleware(_Headers)
    made.include_router(actions.router(context, settings))
    made.include_router(page.router())
    document = openapi(made)
    readable = documentation.page(document)

    async def openapi_json() -> dict[str, Any]:
        """What there is, for machines."""
        return document

    async def docs() -> str:
        """What there is, for people."""
        return readable

    made.add_api_route(_OPENAPI, openapi_json, include_in_schema=False)
    made.add_api_route(_DOCS, docs, include_in_schema=False, response_class=HTMLResponse)
    return made


def openapi(made: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of an application."""
    document = get_openapi(
        title=made.title,
        version=made.version,
        description=made.description,
        routes=[*made.routes, *taxii_description.described().routes],
        tags=[
            {"name": "actions", "description": "What playbooks call."},
            {"name": taxii_description.TAG, "description": "What platforms read."},
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
    nothing = cast("Collections", None)  # nobody reads it
    return openapi(application(Context(plan), nothing))


def _published(plan: Plan) -> list[taxii.Published]:
    return [taxii.Published(each.name, each.title or each.name, each.description) for each in app.collections(plan)]


@dataclass(frozen=True, slots=True)
class _Reader:
    token: TokenSettings

    def may_read(self, collection: str) -> bool:
        return self.token.may(f"taxii:{collection}")


class _Taxii:
    """Hands what is below `/taxii2` to the server that speaks it."""

    def __init__(self, application: ASGIApp, server: ASGIApp) -> None:
        self._application = application
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        path: str = scope["path"]
        is_taxii = path == taxii.PREFIX or path.startswith(f"{taxii.PREFIX}/")
        await (self._server if is_taxii else self._application)(scope, receive, send)


class _Headers:
    """Headers that keep a browser from guessing what an answer is, and from being led to use it elsewhere.

    (asgi.readthedocs.io/en/latest/specs/www.html)
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers added."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._application(scope, receive, send_with_headers)
