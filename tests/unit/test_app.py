"""A configuration as a plan."""

import pytest

from connector import app, configuration
from connector.model import Misconfigured


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


ROUTES = """
sources:
  one: {type: file, path: .}
  two: {type: file, path: ..}
routes:
  all: {mapping: cef, sink: {type: file, path: all.cef}}
  published: {mapping: stix21, sources: [two], sink: {type: collection, name: iocs, keep_days: 90}}
  first: {mapping: stix21, sink: {type: taxii, collection_url: "https://taxii.example/a/collections/1/", token: x}}
  second: {mapping: stix21, sink: {type: taxii, collection_url: "https://taxii.example/a/collections/2/", token: x}}
"""


def test_a_route_of_a_plan_knows_what_it_reads_whom_it_waits_for_and_what_it_keeps(plan):
    loaded = plan(ROUTES)
    routes = {name: app.make_route(loaded, name, None) for name in loaded.settings.routes}
    assert {name: route.sources for name, route in routes.items()} == loaded.reads()
    assert [(routes[name].sources, routes[name].reads_all) for name in ("all", "published")] == [
        (("one", "two"), True),
        (("two",), False),
    ]
    assert (routes["published"].collection, routes["published"].keep_days) == ("iocs", 90)
    assert (routes["all"].collection, routes["all"].keep_days) == ("", None)
    assert routes["first"].waits_for == routes["second"].waits_for == "taxii https://taxii.example"
    assert len({route.waits_for for route in routes.values()}) == 3
    assert routes["first"].receiver != routes["second"].receiver


def test_two_producers_of_one_name_are_refused_since_their_objects_would_have_the_same_ids(plan):
    text = """
producer: {name: Acme, tlp: green}
sources:
  one: {type: file, path: ., producer: {tlp: red}}
routes:
  all: {mapping: stix21, sink: {type: file, path: out}}
"""
    with pytest.raises(Misconfigured, match=r"iocstream.yaml:4:\d+: sources.one.producer: its name is that of another"):
        plan(text)
    assert plan(text.replace("tlp: red", "tlp: green")).settings.sources["one"].producer.tlp == "green"


@pytest.mark.parametrize("labels", ["{tenant: ''}", "{1a: b}", "{a.b: c}", '{a: "b\\nc"}', "{a: [b]}"])
def test_labels_are_names_that_expressions_can_write_with_one_line_of_text(plan, labels):
    sources = f"sources: {{one: {{type: file, path: ., labels: {labels}}}}}"
    text = sources + "\nroutes: {a: {mapping: cef, sink: {type: file, path: o}}}"
    with pytest.raises(Misconfigured, match=r"sources\.one\.labels"):
        plan(text)
