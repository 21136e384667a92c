import ipaddress
import json
import re
from collections import Counter

import pytest

from connector import notification
from connector.model import Refused
from connector.simulator.notifications import notifications

NOW = 1_800_000_000
MADE = notifications(800, seed=3, now=NOW)
RESERVED = re.compile(r"(.+\.)?example(\.(com|net|org))?\Z")


def context(item):
    return item["context_attributes"]


def test_the_same_seed_makes_the_same_notifications():
    assert notifications(60, seed=3, now=NOW) == notifications(60, seed=3, now=NOW)
    assert notifications(60, seed=3, now=NOW) != notifications(60, seed=4, now=NOW)


def test_they_are_as_many_as_asked_for_and_each_has_an_id_of_its_own():
    assert notifications(0) == []
    assert len({context(item)["notification_id"] for item in MADE}) == 800


def test_they_come_oldest_first_within_two_days_with_several_in_a_second():
    dates = [context(item)["notification_date"] for item in MADE]
    assert dates == sorted(dates)
    assert dates[0] >= NOW - 2 * 86400
    assert dates[-1] <= NOW
    assert max(Counter(dates).values()) >= 3


def test_ids_are_not_in_the_order_of_time():
    numbers = [int(context(item)["notification_id"]) for item in MADE]
    assert numbers != sorted(numbers)


def test_all_entity_types_origins_and_sources_occur():
    assert {item["type"] for item in MADE} == {"file", "url", "domain", "ip_address", "hash_list"}
    assert {context(item)["origin"] for item in MADE} == {"hunting", "subscriptions"}
    kinds = {tuple(source["type"] for source in context(item)["sources"]) for item in MADE}
    followed = {("collection",), ("threat_actor",)}
    assert kinds == {("hunting_ruleset",), ("retrohunt_job",)} | followed | {("threat_profile", *k) for k in followed}
    assert all((context(item)["hunting_info"] is None) == (context(item)["origin"] == "subscriptions") for item in MADE)
    assert {ipaddress.ip_address(item["id"]).version for item in MADE if item["type"] == "ip_address"} == {4, 6}


def test_the_oddities_of_real_answers_occur():
    urls = [item for item in MADE if item["type"] == "url"]
    assert any("://" in item["id"] for item in urls)
    assert any(re.fullmatch("[0-9a-f]{64}", item["id"]) and "attributes" in item for item in urls)
    assert any("attributes" not in item for item in urls)
    text = json.dumps(MADE)
    assert "\\u0000" in text
    assert "\\u03f2" in text
    assert "*begin_highlight*" in text
    assert any("gti_assessment" not in item.get("attributes", {}) for item in MADE if item["type"] == "file")
    assert any("verdict" not in item.get("attributes", {}).get("gti_assessment", {"verdict": 1}) for item in MADE)
    again = Counter((item["type"], item["id"]) for item in MADE)
    assert max(again.values()) >= 2
    assert any("snippet" not in (context(item)["hunting_info"] or {"snippet": 1}) for item in MADE)


def test_a_few_cannot_be_converted_and_most_can():
    known = {item["attributes"]["url"] for item in MADE if item["type"] == "url" and "attributes" in item}
    nothing_known = 0
    for item in MADE:
        try:
            view = notification.view(notification.read(item))
        except Refused:
            pytest.fail("each says who, when and what")
        nothing_known += view["entity_value"] is None
    assert known
    assert 10 < nothing_known < 80


def test_every_address_and_name_is_one_that_documentation_may_use():
    networks = [ipaddress.ip_network("198.51.100.0/24"), ipaddress.ip_network("2001:db8::/32")]
    for item in MADE:
        if item["type"] == "ip_address":
            address = ipaddress.ip_address(item["id"])
            assert any(address in network for network in networks if network.version == address.version)
        elif item["type"] == "domain":
            assert RESERVED.match(item["id"])
        elif item["type"] == "url" and "attributes" in item:
            assert RESERVED.match(item["attributes"]["url"].split("/")[2])
