"""`mappings/stix21.yaml`: what its examples become, and what stays the same from one match to the next."""

import contextlib
import copy

import jsonschema_rs
import orjson
import pytest
from hypothesis_profiles import share
from malformed_notifications import body_of, emptied
from mapping_examples import CASES, MAPPINGS, bundled, conversion

from connector import notification
from connector.formats.stix.format import StixFormat
from connector.formats.stix.shared_objects import EXTENSION_ID
from connector.guards import guards
from connector.mapping import compile_mapping
from connector.model import NOT_CLAIMED, Refused
from connector.pipeline.convert import convert
from connector.settings import yamldoc
from connector.settings.producer import Producer

STIX = StixFormat(Producer())
MAPPING = compile_mapping(
    yamldoc.load(MAPPINGS / "stix21.yaml", "stix21.yaml"), {"stix": STIX}, guards.bundled().derived
)
REFUSED = {"ip_with_port", "url_sha256_only", "unknown_entity_type"}


def documents(conversion):
    """What a notification adds; the shared ones are the same for all."""
    return [orjson.loads(message.body) for message in conversion.messages if message.dependency_level > 0]


def of(case, **changes):
    """The documents by type of one example, its context attributes changed."""
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / f"{case}.json").read_bytes())
    body["context_attributes"].update(changes)
    return converted(body)


def converted(*bodies):
    """The last notification's documents by type."""
    *_, last = convert([notification.read(body) for body in bodies], MAPPING)
    assert last.refusal is None
    return {document["type"]: document for document in documents(last)}


def objects(body):
    """The documents of one notification, in the order in which they are sent."""
    [made] = convert([notification.read(body)], MAPPING)
    assert made.refusal is None
    return documents(made)


def of_type(name, found):
    return [each for each in found if each["type"] == name]


@pytest.mark.parametrize("case", CASES)
def test_only_what_stix_cannot_say_is_refused(case):
    assert bool(conversion(MAPPING, case).refusal) == (case in REFUSED)


def test_every_expression_finds_a_value_in_some_example():
    traced = MAPPING.traced()
    for case in CASES:
        body = orjson.loads((MAPPINGS / "examples" / "inputs" / f"{case}.json").read_bytes())
        with contextlib.suppress(Refused):
            traced.render(notification.view(notification.read(body)))
    assert [str(location) for location in traced.without_value()] == []


@pytest.mark.parametrize("case", sorted(set(CASES) - REFUSED))
def test_what_an_extension_carries_fits_its_schema(case):
    definition = next(d for d in STIX.shared_documents() if d["id"] == EXTENSION_ID)
    for document in documents(conversion(MAPPING, case)):
        for key, content in document.get("extensions", {}).items():
            assert key == EXTENSION_ID
            jsonschema_rs.validate(orjson.loads(definition["schema"]), content)


@pytest.mark.parametrize("case", sorted(set(CASES) - REFUSED))
def test_everything_that_is_referred_to_comes_before(case):
    known = {document["id"] for document in STIX.shared_documents()}
    for document in documents(conversion(MAPPING, case)):
        for name, value in document.items():
            if name.endswith("_ref"):
                assert value in known
            if name.endswith("_refs"):
                assert set(value) <= known
        known.add(document["id"])


def test_an_indicator_is_the_same_whichever_rule_matched():
    one = of("file_hunting")["indicator"]
    other = of(
        "file_hunting",
        notification_id="5",
        origin="subscriptions",
        hunting_info=None,
        tags=["other"],
        sources=[{"id": "x", "type": "collection", "label": "y"}],
    )["indicator"]
    assert one == other


def test_a_new_match_makes_the_indicator_valid_for_longer_and_leaves_its_start():
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / "file_hunting.json").read_bytes())
    later = copy.deepcopy(body)
    later["context_attributes"].update(notification_id="5", notification_date=1768534055)
    first, second = converted(body)["indicator"], converted(body, later)["indicator"]
    assert first["id"] == second["id"]
    assert first["valid_from"] == second["valid_from"] == second["created"]
    assert first["valid_until"] < second["valid_until"]
    assert first["modified"] < second["modified"]


def test_an_old_match_that_is_read_after_a_new_one_is_a_sighting_and_shortens_nothing():
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / "file_hunting.json").read_bytes())
    older = copy.deepcopy(body)
    older["context_attributes"].update(notification_id="5", notification_date=1500000000)
    found = converted(body, older)
    assert found["sighting"]["first_seen"] == "2017-07-14T02:40:00.000Z"
    assert "indicator" not in found


def test_a_file_keeps_its_identity_when_its_attributes_become_known():
    whole = orjson.loads((MAPPINGS / "examples" / "inputs" / "file_hunting.json").read_bytes())
    bare = {key: value for key, value in whole.items() if key != "attributes"}
    known = {"size", "mime_type", "hashes"}
    assert {key: value for key, value in converted(whole)["file"].items() if key not in known}.items() <= converted(
        bare
    )["file"].items()
    assert converted(bare)["indicator"]["id"] == converted(whole)["indicator"]["id"]


def test_both_shapes_of_a_notification_become_the_same():
    item = orjson.loads((MAPPINGS / "examples" / "inputs" / "file_hunting.json").read_bytes())
    context = dict(item["context_attributes"])
    alone = {
        "type": "ioc_stream_notification",
        "id": context.pop("notification_id"),
        "attributes": {
            "date": context.pop("notification_date"),
            "entity_type": "file",
            "entity_id": item["id"],
            **context,
        },
        "entity": {key: value for key, value in item.items() if key != "context_attributes"},
    }
    assert converted(alone) == converted(item)


@pytest.mark.parametrize(
    ("verdict", "indicator_type", "until"),
    [
        ("VERDICT_MALICIOUS", "malicious-activity", "2025-11-07"),
        ("VERDICT_SUSPICIOUS", "anomalous-activity", "2025-10-22"),
        ("VERDICT_BENIGN", "benign", "2025-10-15"),
        ("VERDICT_UNDETECTED", "unknown", "2025-10-15"),
        ("VERDICT_NEW", "unknown", "2025-10-15"),
        (None, "unknown", "2025-10-15"),
    ],
)
def test_only_the_assessment_says_malicious(verdict, indicator_type, until):
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / "ip_v4.json").read_bytes())
    body["attributes"]["gti_assessment"] = {"verdict": {"value": verdict}} if verdict else None
    body["attributes"].pop("last_analysis_stats", None)
    indicator = converted(body)["indicator"]
    assert indicator["indicator_types"] == [indicator_type]
    assert indicator["valid_until"].startswith(until)


@pytest.mark.parametrize(
    ("engines", "indicator_type", "confidence"),
    [(0, "unknown", 0), (1, "anomalous-activity", 2), (10, "malicious-activity", 17), (60, "malicious-activity", 100)],
)
def test_without_an_assessment_the_engines_say_it(engines, indicator_type, confidence):
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / "ip_v4.json").read_bytes())
    body["attributes"]["gti_assessment"] = None
    body["attributes"]["last_analysis_stats"] = {"malicious": engines, "undetected": 60 - engines, "timeout": 30}
    indicator = converted(body)["indicator"]
    assert indicator["indicator_types"] == [indicator_type]
    assert indicator["confidence"] == confidence


SCORED = {"threat_score": {"value": 70}, "contributing_factors": {"gti_confidence_score": 80}}


@pytest.mark.parametrize(
    ("assessment", "confidence", "score"),
    [
        (SCORED, 70, 70),
        (SCORED | {"threat_score": {"value": 150}}, 80, 150),
        (SCORED | {"contributing_factors": {"gti_confidence_score": -1, "mandiant_confidence_score": "60"}}, 60, 70),
        (SCORED | {"contributing_factors": {"mandiant_confidence_score": 101}}, 70, 70),
        ({"threat_score": {"value": 101}}, 17, 101),
        ({"threat_score": {"value": 0}}, 0, 0),
    ],
)
def test_a_score_that_is_none_is_told_and_is_no_confidence(assessment, confidence, score):
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / "ip_v4.json").read_bytes())
    body["attributes"]["gti_assessment"] = assessment
    body["attributes"]["last_analysis_stats"] = {"malicious": 10, "undetected": 50}
    indicator = converted(body)["indicator"]
    assert indicator["confidence"] == confidence
    assert indicator["extensions"][EXTENSION_ID]["threat_score"] == score


@pytest.mark.parametrize(
    ("verdict", "score", "said", "confidence"),
    [
        ("UNDETECTED", 1, 75, 1),
        ("UNDETECTED", None, 75, 29),
        ("UNKNOWN", 90, 75, 29),
        ("SUSPICIOUS", 20, 90, 30),
        ("SUSPICIOUS", 50, 90, 50),
        ("SUSPICIOUS", 95, 90, 69),
        ("SUSPICIOUS", 95, 10, 10),
        ("MALICIOUS", 30, 90, 70),
        ("MALICIOUS", 85, 90, 85),
        ("MALICIOUS", None, 90, 90),
        ("MALICIOUS", 85, 40, 40),
        ("BENIGN", 1, 75, None),
    ],
)
def test_confidence_is_never_more_than_verdict_and_score_support(verdict, score, said, confidence):
    body = body_of("file_hunting")
    body["attributes"]["gti_assessment"] = {
        "verdict": {"value": f"VERDICT_{verdict}"},
        "threat_score": {"value": score},
        "contributing_factors": {"gti_confidence_score": said},
    }
    body["attributes"]["last_analysis_stats"] = {"malicious": 0, "undetected": 57}
    assert converted(body)["indicator"].get("confidence") == confidence


def test_what_is_benign_indicates_nothing_and_nobody():
    body = explained(gti_assessment={"verdict": {"value": "VERDICT_BENIGN"}})
    found = objects(body)
    assert not [each for each in found if each.get("relationship_type") == "indicates"]
    [indicator] = [each for each in of_type("indicator", found) if each["pattern_type"] == "stix"]
    assert indicator["indicator_types"] == ["benign"]
    assert "confidence" not in indicator


NJRAT = {"family": "njRat", "domain": "Bad.Example", "port": "5552", "campaign": "HacKed"}


def test_a_configuration_in_the_documented_flat_form_names_family_and_host():
    found = objects(explained(malware_config=NJRAT, attribution=None, sandbox_verdicts=None))
    [family] = [each for each in of_type("malware", found) if each["name"] == "njrat"]
    [host] = [each for each in of_type("indicator", found) if each.get("labels") == ["malware-config"]]
    assert host["pattern"] == "[domain-name:value = 'bad.example']"
    assert family["name"] == "njrat"
    address = {"family": "njRat", "ip": "198.51.100.9"}
    [host] = [each for each in objects(explained(malware_config=address)) if each.get("labels") == ["malware-config"]]
    assert host["pattern"] == "[ipv4-addr:value = '198.51.100.9']"


def test_the_host_of_a_connection_that_has_only_a_url_is_that_of_the_url():
    connections = [
        {"url": "https://Panel.Example:8443/gate.php", "categories": ["C2"]},
        {"host": "not a host", "url": "tcp://[2001:db8::9]:4443", "categories": ["C2"]},
        {"host": 5, "url": ["x"]},
        {"url": "tcp://\u03f2\u0000172.94.9\u00006.90:599\u00009"},
    ]
    config = {"families": [{"family": "quill", "configs": [{"net_info": {"connections": connections}}]}]}
    found = [each["name"] for each in objects(explained(malware_config=config)) if each.get("labels") == ["c2"]]
    assert found == ["panel.example", "2001:db8::9"]


def test_what_is_known_of_a_file_is_where_receivers_read_it_and_its_id_stays():
    body = body_of("file_flat_configuration")
    [file] = of_type("file", objects(body))
    assert set(file["hashes"]) == {"SHA-256", "SSDEEP", "TLSH"}
    assert (file["size"], file["mime_type"]) == (24064, "application/octet-stream")
    bare = {key: value for key, value in body.items() if key != "attributes"}
    assert of_type("file", objects(bare))[0]["id"] == file["id"]
    [indicator] = [each for each in of_type("indicator", objects(body)) if each["name"] == "server.exe"]
    assert {"trojan", "control-server", "peexe"} <= set(indicator["labels"])
    said = indicator["extensions"][EXTENSION_ID]
    assert said["hashes"].keys() == {"MD5", "SHA-1", "SHA-256", "SSDEEP", "TLSH", "VHASH", "IMPHASH"}
    assert said["categories"] == ["trojan", "control-server"]


def test_fuzzy_hashes_that_are_none_cost_no_notification():
    for odd in ("3:" + "A" * 200, "T1zz", "", 5, ["x"]):
        body = body_of("file_flat_configuration")
        body["attributes"].update(ssdeep=odd, tlsh=odd, size=odd, exiftool=odd, vhash=None)
        [file] = of_type("file", objects(body))
        assert set(file["hashes"]) == {"SHA-256"}


def test_an_address_is_linked_to_its_network_and_country():
    found = objects(body_of("ip_v4"))
    [observable], [system] = of_type("ipv4-addr", found), of_type("autonomous-system", found)
    assert (system["number"], system["name"], system["rir"]) == (64496, "Example Hosting", "RIPE NCC")
    [location] = of_type("location", found)
    linked = {each["relationship_type"]: each for each in of_type("relationship", found)}
    assert (linked["belongs-to"]["source_ref"], linked["belongs-to"]["target_ref"]) == (observable["id"], system["id"])
    assert (linked["located-at"]["source_ref"], linked["located-at"]["target_ref"]) == (
        observable["id"],
        location["id"],
    )
    # The country of the submitter may be the same one, and is one object then.
    same = body_of("ip_v4")
    same["context_attributes"]["hunting_info"]["source_country"] = "NL"
    again = objects(same)
    assert [each["id"] for each in of_type("location", again)] == [location["id"]]
    assert linked["located-at"]["id"] in {each["id"] for each in again}


def test_who_registered_a_domain_and_when_is_in_the_extension():
    body = body_of("domain_hunting")
    body["attributes"].update(registrar="Example Registrar", creation_date="1700000000")
    [indicator] = of_type("indicator", objects(body))
    said = indicator["extensions"][EXTENSION_ID]["network"]
    assert (said["registrar"], said["registered"]) == ("Example Registrar", "2023-11-14T22:13:20.000Z")


def test_a_notification_that_knows_nothing_takes_back_nothing():
    whole = orjson.loads((MAPPINGS / "examples" / "inputs" / "file_hunting.json").read_bytes())
    bare = {key: value for key, value in whole.items() if key != "attributes"}
    bare["context_attributes"] = {**whole["context_attributes"], "notification_id": "5"}
    assert converted(bare)["indicator"]["indicator_types"] == ["unknown"]
    after = converted(whole, bare)
    assert "indicator" not in after
    assert after["sighting"]["sighting_of_ref"] == converted(whole)["indicator"]["id"]


def explained(**attributes):
    """The example with everything in it, some attributes of its file changed."""
    body = orjson.loads((MAPPINGS / "examples" / "inputs" / "file_explained.json").read_bytes())
    body["attributes"].update(attributes)
    return body


def every(*bodies):
    """All the last notification's documents."""
    *_, last = convert([notification.read(body) for body in bodies], MAPPING)
    assert last.refusal is None
    return documents(last)


PROFILES = sorted(path.stem for path in (MAPPINGS / "profiles" / "stix21").iterdir())


@pytest.mark.parametrize("case", sorted(set(CASES) - REFUSED))
def test_nothing_that_is_left_empty_costs_a_notification_or_what_takes_it_back(case):
    bodies = list(emptied(case))
    written = {str(made.refusal) for body in share(bodies, 0) for made in convert([notification.read(body)], MAPPING)}
    assert written <= {"None", "nothing says which URL it is"}
    assert refusals(bodies, bundled("stix21")) <= {"nothing says which URL it is"}
    for nth, profile in enumerate(PROFILES):
        found = refusals(share(bodies, nth), bundled("stix21", profile))
        assert found <= {"nothing says which URL it is"}, profile


def refusals(bodies, mapping):
    """Why nothing is made of a notification, or nothing that takes it back. All that is made is checked."""
    found = set()
    for body in bodies:
        try:
            rendering = mapping.rendering(notification.view(notification.read(body)))
            mapping.withdrawal(rendering, NOT_CLAIMED, alone=True)
        except Refused as refusal:
            found.add(str(refusal))
    return found


def test_what_becomes_known_of_a_source_later_is_a_new_version_of_the_same_object():
    known = explained()
    unknown = copy.deepcopy(known)
    for source in unknown["context_attributes"]["sources"]:
        del source["attributes"]
    first = {document["id"]: document for document in every(unknown)}
    then = {document["id"]: document for document in every(unknown, known)}
    actor = next(found for found in first.values() if found["type"] == "threat-actor" and "aliases" not in found)
    assert actor["name"] == "Cobalt Heron"
    assert then[actor["id"]]["aliases"] == ["UNC9999", "Grey Egret"]
    assert then[actor["id"]]["created"] == actor["created"] < then[actor["id"]]["modified"]
    assert not {found["type"] for found in first.values()} & {"report", "tool"}, "their type was not known"
    assert {found["type"] for found in then.values()} >= {"report", "tool"}


def test_a_name_alone_takes_the_place_of_nothing_that_is_known():
    by_name = orjson.loads((MAPPINGS / "examples" / "inputs" / "file_sources_by_name.json").read_bytes())
    assert sum(found["type"] == "threat-actor" for found in every(by_name)) == 2
    assert sum(found["type"] == "threat-actor" for found in every(explained(), by_name)) == 1


def test_what_is_malicious_of_a_benign_file_is_left_out():
    found = every(explained(gti_assessment={"verdict": {"value": "VERDICT_BENIGN"}}))
    assert [d["pattern_type"] for d in found if d["type"] == "indicator"] == ["yara", "stix"]
    assert not [d for d in found if d["type"] == "malware" and "external_references" not in d]


def test_no_host_of_a_configuration_becomes_an_indicator_that_is_not_one_on_the_internet():
    c2 = [d["pattern"] for d in every(explained()) if d.get("labels") == ["c2"]]
    assert c2 == [
        "[ipv4-addr:value = '198.51.100.23']",
        "[domain-name:value = 'panel.quillback.example']",
        "[domain-name:value = 'xn--bcher-kva.example']",
        "[ipv6-addr:value = '2001:db8::17']",
    ]


@pytest.mark.parametrize("odd", [7, None, [], {}, ["x"], "x"])
@pytest.mark.parametrize("name", ["malware_config", "sandbox_verdicts", "attribution", "last_analysis_stats"])
def test_odd_attributes_do_not_cost_a_notification(name, odd):
    assert {d["type"] for d in every(explained(**{name: odd}))} >= {"indicator", "sighting"}


def indicator_of_url(url):
    body = body_of("url_hunting")
    body["attributes"]["url"] = url
    found = objects(body)
    [indicator], [observable] = of_type("indicator", found), of_type("url", found)
    assert indicator["pattern"] == "[url:value = '{}']".format(observable["value"].replace("'", "\\'"))
    return indicator["id"], observable["value"]


def test_a_url_is_written_as_virustotal_has_it():
    for url in (
        "http://a.example/?q[]=1",
        "http://a.example/100%?%zz",
        "http://a.example/it's",
        "http://a.example/%c3",
    ):
        assert indicator_of_url(url)[1] == url


def test_a_url_is_one_indicator_however_it_is_spelled():
    for spellings in (
        ("HTTP://A.Example:80/%c3?q[]=1", "http://a.example/%C3?q%5B%5D=1"),
        ("https://a.example", "https://A.EXAMPLE:443/"),
        ("http://a.example/it's", "http://a.example/it%27s"),
    ):
        assert len({indicator_of_url(url)[0] for url in spellings}) == 1
    assert indicator_of_url("http://a.example/%2F")[0] != indicator_of_url("http://a.example//")[0]


@pytest.mark.parametrize(
    ("case", "value", "reason"),
    [
        ("domain_hunting", "01.02.03.04", "its domain is no name that could be looked up, or an address"),
        ("domain_hunting", "localhost", "its domain is no name that could be looked up, or an address"),
        (
            "ip_v4",
            "01.02.03.04",
            "it is no address alone: none at all, or with a port, a zone or zeros before a number",
        ),
        (
            "ip_v4",
            "198.51.100.7:443",
            "it is no address alone: none at all, or with a port, a zone or zeros before a number",
        ),
        (
            "ip_v6",
            "fe80::1%eth0",
            "it is no address alone: none at all, or with a port, a zone or zeros before a number",
        ),
    ],
)
def test_what_is_no_name_and_no_address_is_refused_for_what_it_is(case, value, reason):
    body = body_of(case) | {"id": value}
    [converted] = convert([notification.read(body)], MAPPING)
    assert str(converted.refusal).endswith(reason)


def test_a_label_with_a_hyphen_at_its_end_is_a_name_like_any_other():
    [indicator] = of_type("indicator", objects(body_of("domain_hunting") | {"id": "-a.b-.example"}))
    assert indicator["pattern"] == "[domain-name:value = '-a.b-.example']"


def test_two_producers_never_make_the_same_object():
    ids = []
    for name in ("Example CERT", "Other CERT"):
        theirs = compile_mapping(
            yamldoc.load(MAPPINGS / "stix21.yaml", "stix21.yaml"), {"stix": StixFormat(Producer(name=name))}
        )
        [found] = convert([notification.read(explained())], theirs)
        ids.append({d["id"] for d in documents(found) if "created" in d})
    assert not ids[0] & ids[1]


def test_a_producer_that_changes_its_address_makes_versions_of_its_objects():
    producer = Producer(contact_information="cert@example.com")
    theirs = compile_mapping(yamldoc.load(MAPPINGS / "stix21.yaml", "stix21.yaml"), {"stix": StixFormat(producer)})
    [found] = convert([notification.read(explained())], theirs)
    assert {d["id"] for d in documents(found)} == {d["id"] for d in every(explained())}


@pytest.mark.parametrize(
    ("key", "odd"),
    [("id", 8012345679), ("type", 7), ("label", 7), ("label", []), ("label", {}), ("type", [])],
)
def test_an_odd_source_does_not_cost_the_indicator(key, odd):
    body = body_of("domain_hunting")
    source = {"id": "collection--x", "type": "collection", "label": "Infra", key: odd}
    body["context_attributes"]["sources"] = [source]
    assert [each["pattern_type"] for each in of_type("indicator", objects(body))] == ["stix"]


@pytest.mark.parametrize("key", ["snippet", "source_country", "rule_name"])
@pytest.mark.parametrize("odd", [7, [], {}, True])
def test_odd_hunting_information_does_not_cost_the_indicator(key, odd):
    body = body_of("domain_hunting")
    body["context_attributes"]["hunting_info"][key] = odd
    assert of_type("indicator", objects(body))


def test_actors_are_those_of_both_lists_of_the_attribution_each_once():
    body = body_of("domain_hunting")
    body["attributes"]["attribution"] = {
        "threat_actors": ["APT1", "APT2"],
        "detailed_threat_actors": [{"id": "x", "name": "APT1"}],
    }
    named = [each["name"] for each in of_type("threat-actor", objects(body))]
    assert sorted(name for name in named if name.startswith("APT")) == ["APT1", "APT2"]
