"""Finding the collection to push to, and what it takes (TAXII 2.1 sections 4.1, 4.2, 5.1, 5.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from connector.clients.http import is_plain_http
from connector.model import JsonObject, Misconfigured
from connector.sinks.taxii.client import TaxiiClient
from connector.sinks.taxii.settings import TaxiiSettings, root_of, with_slash
from connector.values.jsontext import list_or_empty, text_or_empty

_MAX_NAMED = 10
_SMALLEST_REQUEST_BYTES = 256
"""Of the requests that a server must take; next to nothing that a mapping makes is smaller."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection that takes objects.

    Attributes:
        url: its address, `…/collections/{id}/`.
        root_url: the address of its API root.
        title: what people call it.
        can_read: False only when the server says so.
        max_content_length: bytes; None when the server does not say.
    """

    url: str
    root_url: str
    title: str
    can_read: bool
    max_content_length: int | None


def find_collection(client: TaxiiClient, settings: TaxiiSettings) -> Collection:
    """Ask the server for the configured collection.

    Raises:
        Unavailable: the server cannot answer now.
        Misconfigured: it is not there, may not be used or takes nothing; the message says which and the remedy.
    """
    if settings.collection_url is not None:
        root_url, url = root_of(settings.collection_url), settings.collection_url
        root = client.get(root_url, "The API root")
        resource = client.get(url, "The collection")
    else:
        root_url = _root(client, settings)
        root = client.get(root_url, "The API root")
        resource = _named(client, root_url, settings.collection or "")
        url = f"{root_url}collections/{quote(str(resource['id']), safe='')}/"
    title = client.line(text_or_empty(resource.get("title")) or text_or_empty(resource.get("id")) or url)
    if resource.get("can_write") is False:
        raise Misconfigured(
            f"the collection {title!r} at {url} takes nothing from this login (can_write is false). "
            "Ask the server's administrator for the right to write, or choose another collection"
        )
    length = root.get("max_content_length")
    limit = length if isinstance(length, int) and not isinstance(length, bool) and length > 0 else None
    if limit is not None and limit < _SMALLEST_REQUEST_BYTES:
        raise Misconfigured(
            f"the API root {root_url} takes no request of more than {limit} bytes (max_content_length), and so "
            "next to no object. Ask the server's administrator to raise that; 10,000,000 are usual"
        )
    return Collection(
        url=url,
        root_url=root_url,
        title=title,
        can_read=resource.get("can_read") is not False,
        max_content_length=limit,
    )


def _root(client: TaxiiClient, settings: TaxiiSettings) -> str:
    discovery_url = settings.discovery_url or ""
    discovery = client.get(discovery_url, "The discovery resource")
    roots = [
        _resolved(discovery_url, root) for root in list_or_empty(discovery.get("api_roots")) if isinstance(root, str)
    ]
    default = _resolved(discovery_url, text_or_empty(discovery.get("default"))) if discovery.get("default") else None
    if settings.api_root is not None:
        chosen = _resolved(discovery_url, settings.api_root)
        if roots and chosen not in roots:
            raise Misconfigured(f"{discovery_url} knows no API root {chosen}. It has {_some(client, roots)}")
        return chosen
    if default in roots:
        chosen = default
    elif len(roots) == 1:
        chosen = roots[0]
    elif roots:
        raise Misconfigured(f"{discovery_url} has several API roots. Name one under api_root: {_some(client, roots)}")
    else:
        raise Misconfigured(
            f"{discovery_url} shows this login no API root. Check the login's rights, or give collection_url instead"
        )
    if not settings.allow_http and is_plain_http(chosen):
        raise Misconfigured(
            f"the API root {client.line(chosen)} is plain http://: login and content could be read on the way. "
            "Have the server corrected, give collection_url with https://, or set allow_http: true"
        )
    if _origin(chosen) != _origin(discovery_url):
        # Otherwise whoever answers for discovery could have the login sent anywhere.
        raise Misconfigured(
            f"{discovery_url} points to another server, {client.line(chosen)}. "
            "If the login may be sent there, set api_root to it"
        )
    return chosen


def _named(client: TaxiiClient, root_url: str, name: str) -> JsonObject:
    answer = client.get(f"{root_url}collections/", "The list of collections")
    collections = [
        c
        for c in list_or_empty(answer.get("collections"))
        if isinstance(c, dict) and isinstance(c.get("id"), str) and c["id"]
    ]
    for key in ("id", "alias", "title"):
        found = [c for c in collections if c.get(key) == name]
        if len(found) > 1:
            raise Misconfigured(
                f"{root_url} has {len(found)} collections with the {key} {name!r}. "
                f"Give one's id under collection: {_some(client, [c['id'] for c in found])}"
            )
        if found:
            return found[0]
    titles = [text_or_empty(c.get("title")) or c["id"] for c in collections]
    raise Misconfigured(
        f"{root_url} shows this login no collection {name!r}. "
        + (f"It shows {_some(client, titles)}" if titles else "It shows none at all: check the login's rights")
        + ". If the collection lies in another API root, set api_root"
    )


def _resolved(base: str, root: str) -> str:
    try:
        return with_slash(urljoin(base, root))
    except ValueError:  # "http://[" and the like
        return base


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", None, None


def _some(client: TaxiiClient, names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(client.line(name, 100) for name in names[:_MAX_NAMED]) + more
