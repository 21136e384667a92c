"""Lists from files: what each form means, and one clear error for what is none."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.guards import lists
from connector.guards.guards import GuardBook
from connector.guards.matcher import Matcher
from connector.guards.warninglist import Warninglist, offset
from connector.model import Misconfigured
from connector.settings.guards import GuardSettings, ListSettings


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
        ('{\n "list": [1]}', "own.json:2: list[0] must be text"),
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
        ('{"list": ["a.example",\n]}', "own.json:1: is no JSON"),
        ('{"list": ["a.example"\n "b.example"]}', "own.json:2: is no JSON"),
        ('{"list": ["a.example"]\n', "own.json:2: is no JSON"),
        ('{"list": ["a.example",\n "b\\x"], "type": "string"}', "own.json:2: is no JSON"),
        ('{"list": ["a.example",\n "b\n"], "type": "string"}', "own.json:2: is no JSON"),
        ('{"list": ["a.example",\n ["b.example"]]}', "own.json:2: list[1] must be text"),
        ('{"list": ["a.example"], "list": ["b.example"]}', "own.json: is no MISP warninglist"),
        ('{"list": ["a.example",\n "' + "b" * 60_000 + '"]}', "own.json:2: an entry is too long"),
        ('{"list": ["' + "b" * 5000 + '"]}', "own.json: list[0]: longer than 4096 characters"),
        ('{"name": "' + "b" * 2_000_000 + '", "list": ["a.example"]}', "own.json: is no MISP warninglist"),
        ('{"list": ["a.example"], "name": "' + "b" * 2_000_000 + '"}', "own.json: is no MISP warninglist"),
        ('{"list": [' + "[],\n" * 2_000_000 + '"a.example"]}', "own.json:1: from here on, this is no MISP warninglist"),
    ],
    ids=str.__len__,
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
    monkeypatch.undo()
    monkeypatch.setattr(lists, "MAX_ENTRIES", 1)
    told = error(tmp_path, lambda: text_list(tmp_path, "example.com\nexample.org\n"))
    assert told.startswith("own.txt:2: there are more than 1 entries")
    told = error(tmp_path, lambda: misp(tmp_path, ["example.com", "example.org"]))
    assert told.startswith("own.json: list[1]: there are more than 1 entries")


@pytest.mark.parametrize(
    ("limit", "what", "list_type", "beginning"),
    [
        ("MAX_ENTRIES", "entries", "hostname", ""),
        ("MAX_WILDCARDS", "entries that begin with `*.`", None, "*."),
        ("MAX_SUBSTRINGS", "substrings", "substring", ""),
        ("MAX_REGEXES", "regular expressions", "regex", "^"),
    ],
)
def test_the_lists_of_all_sections_together_have_no_more_entries_than_there_may_be(  # noqa: PLR0917
    tmp_path, monkeypatch, limit, what, list_type, beginning
):
    if list_type == "regex":
        pytest.importorskip("re2")
    paths = [tmp_path / f"{number}.txt" for number in range(2)]
    for path in paths:
        path.write_text(f"{beginning}a.example\n{beginning}b.example\n")
    first, second = (GuardSettings(lists=[ListSettings(path=path, type=list_type)]) for path in paths)
    assert len(GuardBook(first, {"s": second}).read()) == 2
    monkeypatch.setattr(lists, limit, 3)
    told = error(tmp_path, GuardBook(first, {"s": second}).read)
    assert told.startswith(
        f"1.txt: with it the lists of this configuration have 4 {what}, and 3 are the most: take out"
    )
    assert len(GuardBook(first, {"s": first}).read()) == 1
    monkeypatch.setattr(lists, limit, 1)
    assert "0.txt:2: " in error(tmp_path, GuardBook(first).read)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_have_their_numbers_wherever_a_file_is_cut_while_it_is_read(tmp_path, monkeypatch, end):
    path = tmp_path / "own.txt"
    path.write_bytes(end.join([*(f"h{number}.example" for number in range(20)), "nonsense", "a.example"]).encode())
    for size in range(16, 60):
        monkeypatch.setattr(lists, "_BLOCK", size)
        assert error(tmp_path, lambda: read(path)).startswith("own.txt:21: 'nonsense': it is no host")


def test_a_line_without_an_end_is_told(tmp_path):
    told = error(tmp_path, lambda: text_list(tmp_path, "a.example\n# " + "b" * 3_000_000))
    assert told == "own.txt:2: a line of more than 1048576 bytes"


@given(
    st.lists(st.text(max_size=5), max_size=350),
    st.dictionaries(st.text(max_size=4), st.recursive(st.text(max_size=3), st.lists), max_size=3),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_a_warninglist_is_read_as_any_json_is_a_few_entries_at_a_time(texts, about, indent, is_first):
    about.pop("list", None)
    member = {"list": texts}
    body = json.dumps(member | about if is_first else about | member, indent=indent, ensure_ascii=is_first).encode(
        errors="replace"
    )
    found = Warninglist(body)
    entries = [(start, each) for start, some in found.entries(1000) for each in some]
    assert [each for _, each in entries] == json.loads(body)["list"]
    assert {**found.about, "list": texts} == about | member
    for number, (start, each) in enumerate(entries[:100]):
        assert json.JSONDecoder().raw_decode(body[offset(body, start, number) :].decode())[0] == each


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
