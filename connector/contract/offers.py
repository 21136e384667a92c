"""What every plugin must do, whatever it offers: be found, be usable, and have options that can be understood."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from pydantic import ValidationError

from connector import entry_points
from connector.entry_points import Offer
from connector.mapping.language import plugin_functions
from connector.plugin import FormatKind, JournalKind, SinkKind, SourceKind
from connector.settings.config import Settings

_DECLARATIONS = {
    "sources": SourceKind,
    "formats": FormatKind,
    "sinks": SinkKind,
    "journals": JournalKind,
    "functions": plugin_functions.MappingFunction,
}
_SECRET = "the-secret-that-nobody-may-see"


class OfferContract:
    """What every plugin must do; derive from it, with the group and the name of the entry point.

    Attributes:
        group: `sources`, `formats`, `sinks`, `journals` or `functions`.
        name: of the entry point.
        options: for a source, a sink or a journal, options that are valid, without `type`.
    """

    group: str
    name: str
    options: Mapping[str, object] = MappingProxyType({})

    @pytest.fixture
    def offer(self) -> Offer:
        found = entry_points.find(self.group, self.name)
        assert found is not None, f"no distribution that is installed has the entry point {self.name}"
        return found

    @pytest.fixture
    def settings(self, offer) -> type[Settings]:
        declared = offer.load(_DECLARATIONS[self.group])
        if not isinstance(declared, SourceKind | SinkKind | JournalKind):
            pytest.skip("this has no options")
        return declared.settings

    def test_the_connector_finds_and_loads_it(self, offer):
        assert offer.load(_DECLARATIONS[self.group]).contract in entry_points.SUPPORTED

    def test_its_options_are_accepted_and_others_are_not(self, settings):
        made = settings.model_validate({"type": self.name, **self.options})
        assert made.type == self.name
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            settings.model_validate({"type": self.name, **self.options, "no_such_option": 1})

    def test_each_option_is_described_in_a_sentence(self, settings):
        undescribed = [name for name, field in settings.model_fields.items() if not (field.description or "").strip()]
        assert undescribed == []
        assert (settings.__doc__ or "").strip()

    def test_settings_are_named_without_their_secrets_and_always_the_same(self, settings):
        secrets = {
            name: _SECRET for name, field in settings.model_fields.items() if "SecretStr" in str(field.annotation)
        }
        made = settings.model_validate({"type": self.name, **self.options, **secrets})
        again = settings.model_validate({"type": self.name, **self.options, **secrets})
        said, again_said = (
            [
                repr(each),
                *(str(getattr(each, name)()) for name in ("waits_for", "receiver", "place") if hasattr(each, name)),
            ]
            for each in (made, again)
        )
        assert said == again_said
        assert _SECRET not in "".join(said)

    def test_secrets_are_of_the_type_that_hides_them(self, settings):
        words = ("password", "secret", "token", "api_key", "credential")
        named = {
            name: field
            for name, field in settings.model_fields.items()
            if any(word in name for word in words) and field.annotation in (str, str | None)
        }
        assert not named, f"of pydantic's SecretStr, not of str: {', '.join(named)}"
