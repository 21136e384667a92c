"""`GET /`: one page that shows the status of everything: fixed files, which call the actions.

Everything that the page shows came from a network. It is put into the page as text, and the content security policy has
the browser refuse scripts, styles, images and requests that are not of this server.
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from connector.server.authentication import requires
from connector.settings.server import TokenSettings

_MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_START = "index.html"
_HEADERS = {
    "Cache-Control": "no-cache",
    # Nothing from elsewhere; and text becomes neither markup nor code, whatever a later change to the page tries.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def router() -> APIRouter:
    """The page, its files, and who looks at it; for tokens with the scope `read`."""
    routes = APIRouter(include_in_schema=False)
    for file in files(__name__).iterdir():
        extension = file.name.rpartition(".")[2]
        if extension in _MEDIA_TYPES:
            path = "/" if file.name == _START else f"/page/{file.name}"
            dependencies = [Depends(requires("read"))]
            routes.add_api_route(path, _answer(file.read_bytes(), _MEDIA_TYPES[extension]), dependencies=dependencies)
    routes.add_api_route("/page/login.json", _login)
    return routes


def _answer(body: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    """An endpoint that answers with the same file each time."""

    async def answer() -> Response:
        return Response(body, media_type=media_type, headers=_HEADERS)

    return answer


async def _login(token: Annotated[TokenSettings, Depends(requires("read"))], response: Response) -> dict[str, object]:
    response.headers["Cache-Control"] = "no-store"
    return {"name": token.name, "may_act": token.may("act")}
