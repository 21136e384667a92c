"""A configuration as a plan."""

import pytest

from connector import configuration


@pytest.fixture
def plan(tmp_path):
    """The plan of a configuration in a folder of its own."""

    def loaded(text):
        path = tmp_path / "iocstream.yaml"
        path.write_text(text)
        return configuration.load(path, {})

    return loaded


class TestMappings:
    ROUTE = "  {name}: {{mapping: {mapping}, sink: {{type: file, path: {name}}}}}\n"

    def test_routes_that_use_the_same_share_it_compiled(self, plan):
        used = {
            "a": "cef",
            "b": "{use: cef}",
            "c": "stix21",
            "d": "{use: stix21, profile: opencti}",
            "e": "{profile: opencti, use: stix21}",
        }
        routes = "".join(self.ROUTE.format(name=name, mapping=mapping) for name, mapping in used.items())
        mappings = plan("sources: {s: {type: file, path: .}}\nroutes:\n" + routes).mappings
        assert mappings["a"] is mappings["b"]
        assert mappings["d"] is mappings["e"]
        assert len(set(map(id, mappings.values()))) == 3
