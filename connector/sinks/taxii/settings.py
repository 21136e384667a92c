"""The options of a TAXII 2.1 sink, refused where they contradict each other."""

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from connector.clients.http import is_plain_http
from connector.clients.login import LoginSettings, http_address
from connector.settings.parts import Misfit, SinkSettings

_COLLECTION_PATH = re.compile(r"(?P<root>.*/)collections/(?P<collection>[^/]+)/\Z")


class TaxiiSettings(LoginSettings, SinkSettings):
    """A collection of a TAXII 2.1 server, to which STIX objects are pushed."""

    type: Literal["taxii"] = Field("taxii", description="The kind of sink: a TAXII 2.1 server.")
    collection_url: str | None = Field(
        None,
        description=("Address of the collection, `https://…/collections/{id}/`. Give either this or `discovery_url`."),
    )
    discovery_url: str | None = Field(
        None, description="Address of the server's discovery, usually `https://host/taxii2/`. Needs `collection`."
    )
    collection: str | None = Field(
        None, description="Title, alias or id of the collection to look for when `discovery_url` is given."
    )
    api_root: str | None = Field(
        None, description="Address or path of the API root that holds the collection, when the server has several."
    )
    max_envelope_bytes: int = Field(
        4 * 1024 * 1024,
        ge=1024,
        le=1024 * 1024 * 1024,
        description="Largest request, in bytes. A server that says it takes less gets less.",
    )
    max_envelope_objects: int = Field(
        1000,
        ge=1,
        le=100_000,
        description=("How many objects one request may hold. Fewer make requests that a slow server answers sooner."),
    )
    status_timeout_seconds: float = Field(
        300,
        gt=0,
        le=86_400,
        description=(
            "Longest wait, in seconds, until the server has processed a request that it accepted. After "
            "that the collection is asked which of the objects it has, and the others are sent again."
        ),
    )

    def misfit(self, format_name: str) -> Misfit | None:
        """See `connector.settings.parts.SinkSettings`."""
        if format_name == "stix":
            return None
        return Misfit("type", f"a TAXII collection takes only STIX, and this mapping makes {format_name}")

    def receiver(self) -> str:
        """See `connector.settings.parts.SinkSettings`. What an address says beside host and path may be a secret."""
        path = urlsplit(self.collection_url or self.discovery_url or "").path
        within = [part for part in (self.api_root, self.collection) if part is not None]
        return " ".join([f"{self.waits_for()}{path}", *within])

    def waits_for(self) -> str:
        """See `connector.settings.parts.SinkSettings`. The server, whatever the collection."""
        address = urlsplit(self.collection_url or self.discovery_url or "")
        port = "" if address.port is None else f":{address.port}"
        return f"taxii {address.scheme}://{address.hostname}{port}"

    @field_validator("collection_url")
    @classmethod
    def _collection_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        url = with_slash(_address(url)).removesuffix("objects/")
        if not _COLLECTION_PATH.match(url):
            raise ValueError("must end in /collections/{id}/; if you only know the server, give discovery_url")
        return url

    @field_validator("discovery_url")
    @classmethod
    def _discovery_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        url = with_slash(_address(url))
        return f"{url}taxii2/" if urlsplit(url).path == "/" else url

    @field_validator("api_root")
    @classmethod
    def _root_address(cls, root: str | None) -> str | None:
        if root is None:
            return None
        return with_slash(root if root.startswith("/") and not root.startswith("//") else _address(root))

    @model_validator(mode="after")
    def _one_collection(self) -> Self:
        if (self.collection_url is None) == (self.discovery_url is None):
            raise ValueError("give either collection_url, or discovery_url and collection")
        if self.discovery_url is not None and self.collection is None:
            raise ValueError("discovery_url needs collection: the title, alias or id of the collection")
        if self.collection_url is not None and (self.collection is not None or self.api_root is not None):
            raise ValueError("collection and api_root go with discovery_url; collection_url says it all by itself")
        return self

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        for url in (self.collection_url, self.discovery_url, self.api_root):
            if url is not None and not self.allow_http and is_plain_http(url):
                raise ValueError(
                    "plain http:// to another machine shows login and content to everyone on the way; "
                    "use https://, or set allow_http: true"
                )
        return self


def with_slash(url: str) -> str:
    """The address with the slash at its end that TAXII 2.1 demands (section 3.1)."""
    return url if url.endswith("/") else f"{url}/"


def root_of(collection_url: str) -> str:
    """The API root that a collection's address lies in."""
    match = _COLLECTION_PATH.match(collection_url)
    return match["root"] if match else collection_url


def _address(url: str) -> str:
    parts = urlsplit(http_address(url))
    if parts.query or parts.fragment:
        raise ValueError("must be a plain address, without ? and #")
    return url
