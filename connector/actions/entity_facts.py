"""Facts about a notification's entity that platforms have fields for: name, size, registration, network, WHOIS."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from connector.actions.assessment import seen_at
from connector.model import JsonObject
from connector.values.display import one_line, shortened

_LONGEST = 200
_MOST_TAGS = 200
_LONGEST_WHOIS = 50_000
_WHOIS = {
    **{
        f"{role} {part}".lower(): f"{role}_{part}".lower()
        for role in ("Admin", "Registrant")
        for part in ("Country", "Email", "Name", "Phone")
    },
    "registrar abuse contact email": "registrar_abuse_email",
    "registrar abuse contact phone": "registrar_abuse_phone",
}
"""The lines of a WHOIS answer that are facts, by what stands before the colon in lower case."""


class EntityFacts(BaseModel):
    """What VirusTotal knows of an entity beside its assessment; each may be unknown."""

    model_config = ConfigDict(frozen=True)

    name: str | None = Field(None, description="Name of a file that says most about it.")
    file_type: str | None = Field(None, description="Type of a file in a word, such as peexe.")
    extension: str | None = Field(None, description="Extension that a file of its type has.")
    size: int | None = Field(None, description="Size of a file in bytes.")
    tags: list[str] = Field(default_factory=list, description="VirusTotal's tags of the entity.")
    created: str | None = Field(
        None, description="When a program was built, as it says itself, or a domain registered (RFC 3339)."
    )
    modified: str | None = Field(None, description="When VirusTotal last changed what it knows (RFC 3339).")
    registrar: str | None = Field(None, description="Registrar of a domain.")
    country: str | None = Field(None, description="Country of an IP address, in two letters.")
    asn: int | None = Field(None, description="Number of the autonomous system of an IP address.")
    as_owner: str | None = Field(None, description="Owner of the autonomous system of an IP address.")
    whois: dict[str, str] = Field(
        default_factory=dict,
        description=(
            "Contacts of a domain's WHOIS record: country, email, name and phone of admin and registrant, such as "
            "`admin_email`; `registrar_abuse_email` and `registrar_abuse_phone`."
        ),
    )

    @classmethod
    def of(cls, entity: JsonObject) -> Self:
        """From the entity's attributes."""
        tags = entity.get("tags")
        return cls(
            name=_text(entity.get("meaningful_name")),
            file_type=_text(entity.get("type_tag")),
            extension=_text(entity.get("type_extension")),
            size=_number(entity.get("size")),
            tags=[tag for each in tags[:_MOST_TAGS] if (tag := _text(each))] if isinstance(tags, list) else [],
            created=seen_at(entity, "creation_date"),
            modified=seen_at(entity, "last_modification_date"),
            registrar=_text(entity.get("registrar")),
            country=_text(entity.get("country")),
            asn=_number(entity.get("asn")),
            as_owner=_text(entity.get("as_owner")),
            whois=_contacts(entity.get("whois")),
        )


def _contacts(whois: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in whois[:_LONGEST_WHOIS].splitlines() if isinstance(whois, str) else ():
        label, _, said = line.partition(":")
        name, value = _WHOIS.get(label.strip().lower()), _text(said)
        if name and value:
            found.setdefault(name, value)
    return found


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _text(value: Any) -> str | None:
    return shortened(one_line(value), _LONGEST) or None if isinstance(value, str) else None
