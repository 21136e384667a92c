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


BESIDE = """
sources:
  one: {type: file, path: .}
  two: {type: file, path: .., producer: {name: Two}}
routes:
  stix: {mapping: stix21, sink: &taxii {type: taxii, collection_url: "https://a.example/a/collections/1/", token: x}}
  mine: {mapping: stix21, sources: [one], sink: *taxii}
  theirs: {mapping: stix21, sources: [two], sink: *taxii}
  elsewhere: {mapping: stix21, sink: {type: taxii, collection_url: "https://other.example/a/collections/1/", token: x}}
  cef: {mapping: cef, sink: &siem {type: syslog, host: siem.example, port: 514, transport: tcp}}
  more: {mapping: cef, sources: [two], sink: *siem}
  ecs: {mapping: ecs, sink: *siem}
  json: {mapping: json, sink: *siem}
  raw: {mapping: json, sink: *siem}
"""


def test_routes_are_beside_each_other_where_one_may_tell_what_another_takes_back(plan):
    loaded = plan(BESIDE)
    assert {name: loaded.beside(name) for name in loaded.settings.routes} == {
        "stix": ["mine", "theirs"],
        "mine": ["stix"],
        "theirs": ["stix"],
        "elsewhere": [],
        "cef": ["more"],
        "more": ["cef"],
        "ecs": [],  # the other routes of JSON take nothing back
        "json": [],
        "raw": [],
    }
    with_turns = [name for name in loaded.settings.routes if app.make_route(loaded, name, None).beside]
    assert with_turns == ["stix", "mine", "theirs", "cef", "more"]


MOVED = """
sources: {{one: {{type: file, path: .}}}}
routes:
  old: {{mapping: cef, sink: {{type: syslog, host: siem.example, port: 514, transport: tcp}}}}
  new: {{mapping: cef, sink: {{type: syslog, host: moved.example, port: 514, transport: tcp}}{receiver}}}
"""


def test_a_receiver_that_moved_is_the_same_under_its_former_name(plan):
    former = plan(MOVED.format(receiver="")).receivers()["old"]
    moved = plan(MOVED.format(receiver=f", receiver: {former}"))
    assert moved.receivers() == {"old": former, "new": former}
    assert moved.beside("new") == ["old"]
    assert app.make_route(moved, "new", None).receiver == former


TERMS = """
sources: {{one: {{type: file, path: notifications}}}}
journal: {{path: iocstream.db}}
guards: {{except: [{exception}]}}
routes:
  out: {{mapping: stix21, when: "{when}", sink: {{type: file, path: a.jsonl}}}}
  other: {{mapping: stix21, sink: {{type: file, path: b.jsonl}}}}
"""


def test_the_terms_of_a_route_are_others_when_its_condition_or_its_known_good_lists_are(plan):
    def terms(exception="a.example", when="entity_value"):
        loaded = plan(TERMS.format(exception=exception, when=when))
        return [app.make_route(loaded, name, None).terms for name in ("out", "other")]

    before = terms()
    assert terms() == before
    assert [now == was for now, was in zip(terms(when="entity"), before, strict=True)] == [False, True]
    assert [now == was for now, was in zip(terms(exception="b.example"), before, strict=True)] == [False, False]


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
