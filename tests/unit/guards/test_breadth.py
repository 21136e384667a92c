"""Entries that guard nearly everything are told; those that lists of reserved networks have are not."""

import json

import pytest

from connector.guards import lists
from connector.guards.breadth import too_wide
from connector.guards.matcher import Matcher
from connector.settings.guards import ListSettings


def wide(tmp_path, *entries, list_type=None):
    path = tmp_path / ("own.json" if list_type else "own.txt")
    path.write_text(json.dumps({"list": entries, "type": list_type}) if list_type else "\n".join(entries))
    [found] = lists.read([ListSettings(path=path)])
    return [entry for entry, _ in too_wide(found)]


@pytest.mark.parametrize(
    "entry", ["0.0.0.0/0", "::/0", "128.0.0.0/1", "16.0.0.0/7", "2000::/3", "2400::/12", "*.com", "*.co.uk"]
)
def test_an_entry_that_guards_nearly_everything_is_told(tmp_path, entry):
    assert wide(tmp_path, "example.com", entry) == [entry]


@pytest.mark.parametrize("entry", [".com", "https://", "http", ".co.uk"])
def test_a_substring_of_nearly_everything_is_told(tmp_path, entry):
    assert wide(tmp_path, "example", entry, list_type="substring") == [entry]


@pytest.mark.parametrize("entry", [".", "^.+$", "[a-z0-9]"])
def test_an_expression_that_matches_nearly_everything_is_told(tmp_path, entry):
    pytest.importorskip("re2")
    assert wide(tmp_path, "^example", entry, list_type="regex") == [entry]


def test_what_lists_of_reserved_networks_and_of_owners_have_is_not_told(tmp_path):
    reserved = [
        "224.0.0.0/4",
        "240.0.0.0/4",
        "10.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
        "::/8",
        "::ffff:0:0/96",
    ]
    assert wide(tmp_path, *reserved, "3.0.0.0/8", "2001:4860::/32", "*.example.net", "*.test", "=com.example") == []


def test_the_network_of_ipv4_addresses_in_the_form_of_ipv6_does_not_guard_all_ipv4_addresses(tmp_path):
    (tmp_path / "own.txt").write_text("::ffff:0:0/96\n::ffff:192.0.2.0/120\n")
    matcher = Matcher(lists.read([ListSettings(path=tmp_path / "own.txt")]))
    assert [bool(matcher.match(each)) for each in ("198.51.100.1", "192.0.2.1", "::ffff:192.0.2.1")] == [
        False,
        True,
        True,
    ]
