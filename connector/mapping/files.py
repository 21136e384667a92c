"""Which files a mapping is made of: one that comes along or your own, a profile, overlays."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from connector import mapping
from connector.model import Misconfigured
from connector.settings import yamldoc
from connector.settings.config import Settings, placed
from connector.settings.yamldoc import YamlDocument
from connector.values.suggestions import instead


def _one_in_a_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class MappingSettings(Settings):
    """A mapping, and what is laid over it."""

    use: str = Field(
        description="A bundled mapping by name (`iocstream manifest` lists them), or the path of a YAML file."
    )
    profile: str | None = Field(
        None,
        description=(
            "Name of a profile of the mapping, which adapts it to one kind of receiver, such as "
            "opencti or sentinel for stix21."
        ),
    )
    overlay: Annotated[list[str], BeforeValidator(_one_in_a_list, json_schema_input_type=str | list[str])] = Field(
        [],
        description=(
            "Path of an overlay of your own, or a list of them. They are applied to the mapping in this "
            "order, after the profile."
        ),
    )

    @field_validator("use")
    @classmethod
    def _is_there(cls, value: str, info: ValidationInfo) -> str:
        if _is_path(value):
            value = str(placed(Path(value), info))
        with _as_fault():
            if not (path := mapping_path(value)).is_file():
                raise ValueError(f"there is no file {path}")
        return value

    @field_validator("profile")
    @classmethod
    def _is_one_of_it(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and "use" in info.data:
            with _as_fault():
                _profile_path(mapping_path(info.data["use"]), value)
        return value

    @field_validator("overlay")
    @classmethod
    def _are_there(cls, value: list[str], info: ValidationInfo) -> list[str]:
        paths = [placed(Path(path), info) for path in value]
        for path in paths:
            if not path.is_file():
                raise ValueError(f"there is no file {path}")
        return [str(path) for path in paths]

    def __str__(self) -> str:
        parts = [*([self.profile] if self.profile else []), *self.overlay]
        return f"{self.use} with {', '.join(parts)}" if parts else self.use


def _by_name(value: Any) -> Any:
    return {"use": value} if isinstance(value, str) else value


MappingChoice = Annotated[MappingSettings, BeforeValidator(_by_name, json_schema_input_type=str | MappingSettings)]
"""As a configuration says it: the name or path alone, or what `MappingSettings` holds."""


def bundled_folder() -> Path:
    """Where the mappings that come with the product lie."""
    package = Path(__file__).parents[1]
    installed = package / "bundled_mappings"
    return installed if installed.is_dir() else package.parent / "mappings"


def bundled_mappings() -> Mapping[str, Path]:
    """The mappings that come with the product, by name."""
    return _named(bundled_folder())


def profiles(mapping_path: Path) -> Mapping[str, Path]:
    """The profiles of a mapping, by name: `profiles/NAME/*.yaml` beside it."""
    return _named(mapping_path.parent / "profiles" / mapping_path.stem)


def mapping_path(using: str | Path) -> Path:
    """The file of a bundled mapping, or the path given.

    Raises:
        Misconfigured: no bundled mapping has this name.
    """
    if isinstance(using, Path) or _is_path(using):
        return Path(using)
    bundled = bundled_mappings()
    if using not in bundled:
        raise Misconfigured(
            f"there is no mapping {using!r}{instead(using, bundled)}, or give the path of a file (./{using}.yaml)"
        )
    return bundled[using]


def read(using: str | Path, profile: str | None = None, overlays: Sequence[str | Path] = ()) -> YamlDocument:
    """A mapping with its profile and then the overlays over it, in order.

    Raises:
        Misconfigured: a file is not there or is no YAML, there is no such profile, or an overlay does not fit.
    """
    path = mapping_path(using)
    laid = [*([_profile_path(path, profile)] if profile is not None else []), *(Path(overlay) for overlay in overlays)]
    return reduce(mapping.apply_overlay, (_load(over) for over in laid), _load(path))


@contextmanager
def _as_fault() -> Iterator[None]:
    """What is wrong, as a fault of the option that says so."""
    try:
        yield
    except Misconfigured as error:
        raise ValueError(str(error)) from None


def _profile_path(path: Path, profile: str) -> Path:
    known = profiles(path)
    if profile not in known:
        there = instead(profile, known) if known else "; it has none"
        raise Misconfigured(f"the mapping {path.stem} has no profile {profile!r}{there}")
    return known[profile]


def _is_path(using: str) -> bool:
    return "/" in using or using.endswith((".yaml", ".yml"))


def _load(path: Path) -> YamlDocument:
    folder = bundled_folder()
    name = f"mappings/{path.relative_to(folder)}" if path.is_relative_to(folder) else str(path)
    return yamldoc.load(path, name)


def _named(folder: Path) -> Mapping[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
