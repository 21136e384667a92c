"""The section `guards:` of the configuration, of a source and of a route: lists of what is known to be good."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from connector.settings.config import Name, Settings, placed
from connector.values import observables

DEFAULT_CONFIDENCE = 25
"""Of 100: less than a verdict of its own gives."""

ListType = Literal["string", "hostname", "substring", "cidr", "regex"]
"""How the entries of a list match, in the terms of MISP's warninglists."""
Effect = Literal["suppress", "label"]
Reach = Literal["derived", "all", "none"]


def _there(path: Path, info: ValidationInfo) -> Path:
    path = placed(path, info)
    if not path.is_file() and not path.is_dir():
        if os.path.lexists(path):
            raise ValueError(f"{path} is neither a file nor a folder")
        raise ValueError(f"there is no file or folder {path}")
    return path


class ListSettings(Settings):
    """A list of values that are known to be good, and what it does to what is on it."""

    path: Annotated[Path, AfterValidator(_there)] = Field(
        description=(
            "A MISP warninglist (*.json), a text file with one value a line (*.txt), or a folder of such files."
        )
    )
    name: Name | None = Field(
        None,
        description=(
            "What the list is called where its effect shows. Without it: the file's name, or the folder's "
            "for a file called list.json. With a folder of files it cannot be given."
        ),
    )
    type: ListType | None = Field(
        None,
        description=(
            "How entries match, in place of what the file says: string, hostname (the host and what is below "
            "it), substring, cidr or regex."
        ),
    )
    effect: Effect = Field(
        "suppress",
        description=(
            "What becomes of a value on the list: suppress, nothing is said to be bad of it; or label, it is "
            "sent with the label guarded:NAME and less confidence."
        ),
    )
    confidence: int = Field(
        DEFAULT_CONFIDENCE,
        ge=0,
        le=100,
        description="With the effect label: the most confidence, from 0 to 100, that is given for what is on the list.",
    )


def _by_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


ListChoice = Annotated[ListSettings, BeforeValidator(_by_path, json_schema_input_type=str | ListSettings)]
"""As a configuration says it: the path alone, or what `ListSettings` holds."""


class GuardSettings(Settings):
    """What is known to be good, so that nothing is sent that would have it blocked."""

    lists: list[ListChoice] = Field(
        [], max_length=100, description="Lists of values that are known to be good: paths, or sections with a path."
    )
    exceptions: list[str] = Field(
        [],
        alias="except",
        max_length=10_000,
        description=(
            "Hosts, addresses, networks, URLs and hashes that no list guards. A host stands for what is below it, too."
        ),
    )
    bundled: Reach | None = Field(
        None,
        description=(
            "What the list that comes with the product guards: derived, hosts that a notification merely "
            "names, such as those of a malware configuration; all, what notifications are about too; or none. "
            "Without it: what the section around it says, at the top derived."
        ),
    )

    @field_validator("exceptions")
    @classmethod
    def _recognised(cls, values: list[str]) -> list[str]:
        for value in values:
            if observables.recognise(value) is None:
                raise ValueError(f"{value[:100]!r} is no host, address, network, URL or hash")
        return values
