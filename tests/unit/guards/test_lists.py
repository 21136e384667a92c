"""Lists from files: what each form means, and one clear error for what is none."""

import json
import os

import pytest

from connector.guards import lists
from connector.guards.matcher import Matcher
from connector.model import Misconfigured
from connector.settings.guards import ListSettings


def read(path, **options):
    return lists.read([ListSettings(path=path, **options)])


def text_list(tmp_path, text, name="own.txt", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, **options)


def misp(tmp_path, entries, name="own.json", options=None, **keys):
    path = tmp_path / name
    path.write_text(json.dumps({"name": "A list", "list": entries, **keys}))
    return read(path, **(options or {}))


def entry(found, value):
    match = Matcher(found).match(value)
    return match and match.entry


def error(tmp_path, make):
    with pytest.raises(Misconfigured) as raised:
        make()
    return str(raised.value).replace(f"{tmp_path}/", "")


def test_a_text_file_has_one_value_a_line_with_comments_and_blanks(tmp_path):
    text = (
        "\ufeff# what is ours\n\nExample.COM.  # the shop\n  192.0.2.0/28\n2001:DB8:0::1\nhttps://example.org/a#part\n"
    )
    (found,) = text_list(tmp_path, text)
    assert (found.name, len(found)) == ("own", 4)
    assert entry([found], "www.example.com") == "example.com"
    assert entry([found], "192.0.2.9") == "192.0.2.0/28"
    assert entry([found], "2001:db8::1") == "2001:db8::1"
    assert entry([found], "https://example.org/a#part") == "https://example.org/a"
    assert entry([found], "https://example.org/b") is None


def test_signs_before_a_host_say_whether_what_is_below_it_is_meant(tmp_path):
    found = text_list(tmp_path, "=alone.example\n.below.example\n*.github.io\n*.test\n")
    assert entry(found, "alone.example") == "alone.example"
    assert entry(found, "www.alone.example") is None
    assert entry(found, "below.example") == "below.example"
    assert entry(found, "www.below.example") == "below.example"
    assert entry(found, "anybody.github.io") == "*.github.io"
    assert entry(found, "a.b.test") == "*.test"


@pytest.mark.parametrize("digits", [32, 40, 64])
def test_hashes_are_guarded_in_either_case(tmp_path, digits):
    assert entry(text_list(tmp_path, "AB" * (digits // 2)), "ab" * (digits // 2)) == "ab" * (digits // 2)


@pytest.mark.parametrize(
    ("list_type", "on_it", "guarded", "not_guarded"),
    [
        ("string", "example.com", ["example.com", "EXAMPLE.com."], ["www.example.com", "xexample.com"]),
        ("string", ".google.ad", ["google.ad", "www.google.ad"], ["notgoogle.ad"]),
        ("string", "192.0.2.1", ["192.0.2.1", "::ffff:192.0.2.1"], ["192.0.2.2"]),
        ("string", "Example Ltd", ["Example Ltd"], ["example.com"]),
        ("hostname", "example.com", ["example.com", "a.b.example.com"], ["xexample.com", "com"]),
        ("hostname", ".example.com", ["example.com", "a.b.example.com"], ["xexample.com", "com"]),
        ("hostname", "192.0.2.1", ["192.0.2.1", "http://192.0.2.1/a"], ["192.0.2.2"]),
        ("hostname", "https://example.com/a", ["https://example.com/a"], ["example.com", "https://example.com/b"]),
        ("hostname", "Example Ltd", ["Example Ltd"], ["example.com"]),
        ("regex", "/evil[0-9]/i", ["evil1.example", "https://a.example/EVIL2"], ["evil.example"]),
        ("regex", "/evil[0-9]/", ["evil1.example"], ["https://a.example/EVIL2"]),
        ("regex", "EVIL[0-9]", ["https://a.example/EVIL2"], ["evil1.example"]),
        ("cidr", "2001:db8::/32", ["2001:db8::1", "2001:db8:1::/48"], ["2001:db9::1", "2001::/16"]),
        ("cidr", "192.0.2.7", ["192.0.2.7"], ["192.0.2.6"]),
        ("substring", "any.run", ["app.any.run", "ANY.RUN.example", "https://app.any.run/x"], ["anyrun.example"]),
    ],
)
def test_the_types_of_misp_match_as_misp_says(tmp_path, list_type, on_it, guarded, not_guarded):
    found = misp(tmp_path, [on_it], type=list_type)
    assert [value for value in guarded if not entry(found, value)] == []
    assert [value for value in not_guarded if entry(found, value)] == []


def test_a_list_of_misp_has_the_effect_and_the_confidence_that_the_configuration_says(tmp_path):
    (found,) = misp(tmp_path, ["example.com"], type="hostname", options={"effect": "label", "confidence": 7})
    assert (found.effect, found.confidence) == ("label", 7)


def test_names_with_addresses_are_both_names_and_addresses(tmp_path):
    both = misp(tmp_path, ["example.com", "192.0.2.1"], type="hostname", matching_attributes=["domain|ip"])
    assert entry(both, "example.com")
    assert entry(both, "192.0.2.1")
    assert not entry(both, "https://example.com/a")
    urls_too = misp(tmp_path, ["example.com"], type="hostname", matching_attributes=["domain|ip", "url"])
    assert entry(urls_too, "example.com")
    assert entry(urls_too, "https://example.com/a")


def test_the_attributes_of_misp_say_which_kinds_of_values_a_list_guards(tmp_path):
    names = misp(tmp_path, ["example.com"], type="hostname", matching_attributes=["hostname", "domain"])
    assert entry(names, "example.com")
    assert not entry(names, "https://example.com/a")
    urls = misp(tmp_path, ["example.com"], type="hostname", matching_attributes=["url"])
    assert entry(urls, "https://example.com/a")
    assert not entry(urls, "example.com")


def test_a_list_of_what_notifications_are_not_about_is_empty(tmp_path):
    (found,) = misp(tmp_path, ["/(.*)/"], type="regex", matching_attributes=["phone-number"])
    assert len(found) == 0


@pytest.mark.parametrize("text", ["", "\n", "# all is gone\n  # really\n", "\ufeff"])
def test_a_text_without_an_entry_is_told_for_it_would_guard_nothing(tmp_path, text):
    told = error(tmp_path, lambda: text_list(tmp_path, text))
    assert told.startswith("own.txt: there is no entry in this list")
    assert "restore it, or take it out of the configuration" in told


@pytest.mark.parametrize(("entries", "attributes"), [([], ["hostname"]), ([], ["phone-number"]), ([" "], ["hostname"])])
def test_a_warninglist_without_an_entry_is_told_too(tmp_path, entries, attributes):
    def made():
        misp(tmp_path, entries, type="hostname", matching_attributes=attributes)

    assert error(tmp_path, made).startswith("own.json: there is no entry in this list")


def test_an_empty_list_among_those_of_a_folder_is_told(tmp_path):
    (tmp_path / "a.txt").write_text("example.com\n")
    (tmp_path / "b.txt").touch()
    assert error(tmp_path, lambda: read(tmp_path)).startswith("b.txt: there is no entry in this list")


def test_the_configuration_may_say_how_entries_match(tmp_path):
    found = misp(tmp_path, ["example.com"], type="string", options={"type": "hostname", "name": "popular"})
    assert entry(found, "www.example.com") == "example.com"
    assert found[0].name == "popular"


def test_a_folder_is_all_lists_in_it_each_called_after_its_file_or_folder(tmp_path):
    folder = tmp_path / "lists"
    for name in ("tranco", "crux"):
        (folder / name).mkdir(parents=True)
        (folder / name / "list.json").write_text('{"list": ["example.com"]}')
    (folder / "own list.txt").write_text("example.org\n")
    (folder / "README.md").write_text("no list\n")
    (folder / ".git").mkdir()
    (folder / ".git" / "other.json").write_text("[]")
    assert [found.name for found in read(folder)] == ["crux", "own-list", "tranco"]


def test_the_line_of_an_entry_is_found_again(tmp_path):
    (text,) = text_list(tmp_path, "# one\nexample.org\n=WWW.Example.com  # two\n")
    assert (lists.line_of(text, "www.example.com"), lists.line_of(text, "example.net")) == (3, None)
    path = tmp_path / "own.json"
    path.write_text('{"list": [\n "example.org",\n "192.0.2.0/24"\n]}')
    (of_json,) = read(path)
    assert lists.line_of(of_json, "192.0.2.0/24") == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("example.org\nnonsense\n", "own.txt:2: 'nonsense': it is no host, address, network, URL or hash"),
        ("10.0.0.1 ads.example\n", "own.txt:1: '10.0.0.1 ads.example': it is no host"),
        ("=192.0.2.1\n", "own.txt:1: '=192.0.2.1': it is no host name"),
        ("*.192.0.2.1\n", "own.txt:1: '*.192.0.2.1': it is no host name"),
        (b"example.org\n\x89PNG\0", "own.txt:2: is no text"),
        (b"example.org\n\nexample.com\xff\n", "own.txt:3: is not UTF-8 text"),
        ("a" * 5000, "own.txt:1: longer than 4096 characters"),
    ],
)
def test_a_fault_in_text_names_file_and_line(tmp_path, text, told):
    assert error(tmp_path, lambda: text_list(tmp_path, text)).startswith(told)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{\n "list": [1]}', "own.json: list[0]: must be text"),
        ('{\n "list": \n x', "own.json:3: is no JSON"),
        ("[" * 100_000, "own.json:1: is no JSON"),
        ('{"list": ' + '{"a":' * 2000 + "1" + "}" * 2001, "own.json:1: is no JSON"),
        ('{"list": ["example.com"], "type": "glob"}', "own.json: there is no \"type\" 'glob' of a MISP warninglist"),
        ('["example.com"]', "own.json: is no MISP warninglist"),
        ('{"list": ["example.com"], "type": "cidr"}', "own.json: list[0]: 'example.com': it is no address or network"),
        ('{"list": ["com"], "type": "substring"}', "own.json: list[0]: 'com': a substring of less than 4 characters"),
        ('{"list": [" "], "type": "substring"}', "own.json: list[0]: '': a substring of less than 4 characters"),
        ('{"list": ["a", ""], "type": "regex"}', "own.json: list[1]: '': the expression matches the empty text"),
        ('{"list": ["/x*/i"], "type": "regex"}', "own.json: list[0]: '/x*/i': the expression matches the empty text"),
        ('{"list": [], "matching_attributes": "domain"}', 'own.json: "matching_attributes" must be a list'),
        ("\0\1\2", "own.json:1: is no JSON"),
    ],
)
def test_a_fault_in_json_names_file_and_place(tmp_path, body, told):
    path = tmp_path / "own.json"
    path.write_text(body)
    assert error(tmp_path, lambda: read(path)).startswith(told)


def test_a_file_that_is_too_large_is_refused_before_it_is_read_whole(tmp_path):
    path = tmp_path / "own.txt"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 200 * 1024 * 1024)
    assert error(tmp_path, lambda: read(path)) == "own.txt: larger than 67108864 bytes; is it a list?"


def test_files_are_bounded_together_and_in_number(tmp_path, monkeypatch):
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text("example.com\n")
    monkeypatch.setattr(lists, "MAX_TOTAL_BYTES", 30)
    assert "c.txt: with it the lists have more than 30 bytes" in error(tmp_path, lambda: read(tmp_path))
    monkeypatch.setattr(lists, "MAX_FILES", 2)
    assert "more than 2 lists in this folder" in error(tmp_path, lambda: read(tmp_path))
    monkeypatch.setattr(lists, "MAX_ENTRIES", 1)
    told = error(tmp_path, lambda: text_list(tmp_path, "example.com\nexample.org\n"))
    assert told.startswith("own.txt:2: there are more than 1 entries")


def test_what_is_no_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    assert error(tmp_path, lambda: read(tmp_path)) == "pipe.txt: is no regular file"
    (tmp_path / "empty").mkdir()
    told = "empty: there is no *.json or *.txt file in this folder"
    assert error(tmp_path, lambda: read(tmp_path / "empty")) == told
    told = error(tmp_path, lambda: read(tmp_path / "empty", name="x"))
    assert told == "empty: is a folder, whose lists are called after their files: leave `name` out"


def test_an_expression_that_is_slow_elsewhere_is_quick(tmp_path):
    pytest.importorskip("re2")
    found = misp(tmp_path, ["/^(a+)+$/", "^(a|a)*$", "^(.*)*b$"], type="regex")
    assert entry(found, "a" * 60 + ".example") is None
    assert entry(misp(tmp_path, ["/^WWW\\d+\\./i"], type="regex"), "www12.example.com") == "/^WWW\\d+\\./i"


@pytest.mark.parametrize("expression", ["(", "(?=a)b", "a{1000}{1000}", "(((a{100}){100}){100})", "x" * 2000, "[z-a]"])
def test_an_expression_that_re2_does_not_take_is_told(tmp_path, expression):
    pytest.importorskip("re2")
    told = error(tmp_path, lambda: misp(tmp_path, [expression], type="regex"))
    assert told.startswith("own.json: list[0]: ")
    assert "expression" in told


def test_without_re2_a_list_of_expressions_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "re2", None)
    told = error(tmp_path, lambda: misp(tmp_path, ["a"], type="regex"))
    assert told.endswith("pip install 'iocstream-connector[regex]'")
