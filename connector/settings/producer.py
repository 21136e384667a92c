"""Who signs STIX objects: said once for all sources, and otherwise for each."""

from typing import Literal

from pydantic import Field, field_validator

from connector.settings.config import Settings


class Producer(Settings):
    """Who signs the STIX objects, and how they may be shared."""

    name: str = Field(
        "IoC-Stream Connector",
        min_length=1,
        description="Name of the producer's Identity object: usually your organization.",
    )
    identity_class: Literal["individual", "group", "system", "organization", "class", "unknown"] = Field(
        "organization", description="What kind of producer it is, in the words of STIX's identity-class-ov."
    )
    contact_information: str | None = Field(
        None,
        min_length=1,
        description="Where receivers can reach the producer, such as an email address or a phone number.",
    )
    tlp: Literal["clear", "green", "amber", "amber+strict", "red"] | None = Field(
        "amber+strict",
        description=(
            "TLP 2.0 marking of every object; null for none. The default keeps objects within your "
            "organization, since a notification shows what you hunt for and comes under your own "
            "agreement with VirusTotal. Choose amber to let your clients see them, green or clear to "
            "publish."
        ),
    )

    @field_validator("name", "contact_information")
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        if value is not None and not value.isprintable():
            raise ValueError("must be one line of printable text")
        return value

    def changed_by(self, other: "Producer | None") -> "Producer":
        """This producer with what another says expressly."""
        if other is None:
            return self
        return self.model_copy(update={name: getattr(other, name) for name in other.model_fields_set})
