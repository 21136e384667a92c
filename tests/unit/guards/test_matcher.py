"""One look-up over all lists: what is below a host and what is not, and which of several lists speaks."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from publicsuffixlist import PSLFILE, PublicSuffixList

from connector.guards.entries import Entries, Hosts
from connector.guards.lists import MIN_SUBSTRING, GuardList, of_values
from connector.guards.matcher import Matcher, _is_of_one_owner
from connector.guards.networks import Networks
from connector.guards.regexes import Regex
from connector.values import observables

FORMS = {"exact": Entries, "hosts": Hosts, "networks": Networks}


def guard_list(name, **options):
    return GuardList(name, **{key: FORMS.get(key, lambda as_it_is: as_it_is)(value) for key, value in options.items()})


def guarded(values, value):
    match = Matcher([of_values("own", values)]).match(value)
    return match and match.entry


@pytest.mark.parametrize(
    "host", ["google.com", "www.google.com", "a.b.c.google.com", "WWW.Google.COM.", " google.com "]
)
def test_a_host_guards_itself_and_what_is_below_it(host):
    assert guarded(["google.com"], host) == "google.com"


@pytest.mark.parametrize("host", ["google.com.evil.example", "notgoogle.com", "google.co", "com", "google-com"])
def test_a_host_guards_nothing_that_only_looks_like_it(host):
    assert guarded(["google.com"], host) is None


@pytest.mark.parametrize(
    ("on_the_list", "of_somebody_else"),
    [
        ("github.io", "evil.github.io"),
        ("com.br", "evil.com.br"),
        ("co.uk", "evil.co.uk"),
        ("amazonaws.com", "ec2-203-0-113-1.us-west-1.compute.amazonaws.com"),
        ("windows.net", "evil.blob.core.windows.net"),
    ],
)
def test_what_is_below_a_public_suffix_is_not_guarded_by_it_nor_by_what_is_above(on_the_list, of_somebody_else):
    assert guarded([on_the_list], of_somebody_else) is None
    assert guarded([of_somebody_else], f"www.{of_somebody_else}") == of_somebody_else


def test_the_short_answer_about_public_suffixes_is_that_of_the_list_in_full():
    suffixes = PublicSuffixList()
    rules = [line.split(" ")[0].lstrip("!*.") for line in Path(PSLFILE).read_text("utf-8").splitlines()]
    hosts = [f"a.b.c.{rule}" for rule in [*rules, "unknown-tld"] if rule.isascii() and rule[:2] not in ("", "//")]
    wrong = [
        (host, listed)
        for host in hosts
        for start in range(1, host.count("."))
        if _is_of_one_owner(listed := ".".join(host.split(".")[start:]), host)
        != (len(listed) >= len(suffixes.privatesuffix(host) or host))
    ]
    assert len(hosts) > 8000
    assert wrong == []


def test_a_listed_host_far_below_a_name_guards_neither_the_name_nor_what_is_beside():
    matcher = Matcher([of_values("first", ["cdn.far.below.example.com"]), of_values("second", ["example.org"])])
    assert [matcher.match(each) for each in ("example.com", "below.example.com", "x.below.example.com")] == [None] * 3
    assert matcher.match("a.cdn.far.below.example.com").entry == "cdn.far.below.example.com"
    both = Matcher([of_values("first", ["cdn.example.com"]), of_values("second", ["example.com"])])
    assert (both.match("cdn.example.com").of.name, both.match("www.example.com").of.name) == ("first", "second")


def test_a_public_suffix_guards_itself():
    assert guarded(["github.io"], "github.io") == "github.io"


@pytest.mark.parametrize(
    "url",
    ["https://www.google.com/a", "HTTP://user@WWW.GOOGLE.com:8080/?q", "http://192.0.2.9/x", "http://[2001:db8::5]/"],
)
def test_a_url_is_guarded_by_its_host(url):
    assert guarded(["google.com", "192.0.2.0/24", "2001:db8::/32"], url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://3221225985/", "http://0xC0.0.2.1/x", "http://192.0.513/", "http://0300.0.2.1/", "http://192.0.2.1./"),
        *(
            "http://ex%61mple.com/x",
            "http://example%2Ecom/",
            "http://example.com\\x",
            "http://example.com\\.evil.test/",
        ),
        *(
            "http://u@example.com\\x",
            "http://example.com\\@evil.test/",
            "http://[64:ff9b::c000:201]/",
            "https://example.edu/login#frag",
        ),
    ],
)
def test_a_url_is_guarded_by_the_host_that_browsers_go_to_and_whatever_its_fragment(url):
    assert guarded(["example.com", "192.0.2.0/24", "https://example.edu/login"], url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://evil.test\\@example.com/", "http://example.com%2f.evil.test/", "http://evil.test\\example.com"),
        *("http://3221225986.evil.test/", "http://4294967296/", "http://192.0.2.1.1/", "https://example.edu/#/login"),
        *("https://example.edu/?q=https://example.edu/login#frag", "http://%zz.example.com.evil.test/"),
    ],
)
def test_a_url_is_not_guarded_by_what_only_looks_like_its_host(url):
    assert guarded(["example.com", "192.0.2.0/24", "https://example.edu/login"], url) is None


@pytest.mark.parametrize("url", ["https://example.edu/a#ours", "https://example.edu/a#theirs", "https://example.edu/a"])
def test_a_listed_url_guards_what_is_fetched_whatever_stands_behind_the_hash(url):
    assert guarded(["https://example.edu/a#ours"], url) == "https://example.edu/a"
    assert guarded(["https://example.edu/a#ours"], url.replace("/a", "/b")) is None


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.edu./login", "https://EXAMPLE.edu.:443/login", "https://ex%61mple.edu/login"),
        *("https://example.edu\\login", "https://example.edu/login#there"),
    ],
)
def test_a_listed_url_guards_every_spelling_of_itself(url):
    assert guarded(["https://example.edu/login"], url) == "https://example.edu/login"
    assert guarded(["https://example.edu./login#here"], "https://example.edu/login") == "https://example.edu/login"


def test_a_url_that_is_too_long_to_be_on_a_list_is_guarded_by_its_host():
    assert guarded(["example.com"], f"https://www.example.com./{'a' * 10_000}") == "example.com"


@pytest.mark.parametrize("address", ["64:ff9b::808:808", "2002:808:808::1", "::8.8.8.8", "::ffff:8.8.8.8"])
def test_an_address_is_guarded_as_the_ipv4_address_that_it_carries(address):
    assert guarded(["8.8.8.8"], address) == "8.8.8.8"
    assert guarded(["8.8.4.4", "0.0.0.0/24"], address) is None


@pytest.mark.parametrize("address", ["64:ff9c::808:808", "2003:808:808::1", "2001:db8::808:808", "::1", "::"])
def test_an_address_that_carries_none_is_guarded_as_itself(address):
    assert guarded(["8.8.8.8", "0.0.0.0/24"], address) is None
    assert guarded([address], address) == address


def test_a_host_is_not_guarded_by_a_url_on_it():
    assert guarded(["https://example.com/login"], "example.com") is None
    assert guarded(["https://example.com/login"], "https://example.com/other") is None
    assert guarded(["https://example.com/login"], "https://example.com/login") == "https://example.com/login"


def test_the_narrowest_list_that_suppresses_speaks_before_one_that_labels():
    labels = guard_list("popular", effect="label", confidence=10, hosts=["example.com"])
    suppresses = guard_list("ours", hosts=["www.example.com", "example.com"])
    match = Matcher([labels, suppresses]).match("www.example.com")
    assert (match.of.name, match.entry) == ("ours", "www.example.com")
    assert Matcher([labels]).match("www.example.com").of.name == "popular"


def test_a_url_whose_host_is_suppressed_is_suppressed_though_a_list_labels_the_url():
    labels = guard_list("urls", effect="label", exact=["https://example.com/a"])
    suppresses = guard_list("hosts", hosts=["example.com"])
    assert Matcher([labels, suppresses]).match("https://example.com/a").of.name == "hosts"


def test_a_list_that_is_not_for_a_kind_does_not_hide_one_that_is():
    hosts_alone = guard_list("hosts", kinds=frozenset(("host",)), hosts=["example.com"])
    urls_alone = guard_list("urls", kinds=frozenset(("url",)), hosts=["example.com"])
    matcher = Matcher([hosts_alone, urls_alone])
    assert matcher.match("https://example.com/").of.name == "urls"
    assert matcher.match("example.com").of.name == "hosts"


def test_a_text_that_is_no_observable_is_guarded_where_a_list_has_it_whatever_kinds_that_is_for():
    (ours, other) = (guard_list(name, kinds=frozenset(("url",)), exact=[f"{name} Ltd"]) for name in ("ours", "other"))
    matcher = Matcher([ours, other])
    assert matcher.match("other Ltd") == (other, "other Ltd")
    assert matcher.match("another Ltd") is None


@pytest.mark.parametrize(
    ("value", "suppressing", "labelling"),
    [
        ("https://a.example/any.run", {"exact": ["https://a.example/any.run"]}, {"substrings": ["any.run"]}),
        ("app.any.run", {"hosts": ["any.run"]}, {"substrings": ["any.run"]}),
        ("192.0.2.7", {"networks": ["192.0.2.0/24"]}, {"exact": ["192.0.2.7"]}),
        ("192.0.2.7", {"exact": ["192.0.2.7"]}, {"networks": ["192.0.2.0/24"]}),
        ("2002:c000:207::", {"networks": ["2002::/16"]}, {"networks": ["192.0.2.0/24"]}),
        ("any.run", {"substrings": ["any.run"]}, {"regexes": [Regex("run$")]}),
    ],
)
def test_what_one_form_of_entry_guards_no_other_form_hides(value, suppressing, labelling):
    labels, suppresses = guard_list("labels", effect="label", **labelling), guard_list("suppresses", **suppressing)
    assert Matcher([labels]).match(value).of is labels
    assert Matcher([labels, suppresses]).match(value).of is suppresses


@pytest.mark.parametrize("value", ["any.run", "any.run.example", "app.any.run", "https://a.example/x/any.run"])
def test_a_substring_is_found_at_the_beginning_and_at_the_end(value):
    assert Matcher([guard_list("own", substrings=["any.run"])]).match(value).entry == "any.run"
    shortest = value[-MIN_SUBSTRING:]
    assert Matcher([guard_list("own", substrings=[shortest])]).match(value).entry == shortest


@pytest.mark.parametrize(
    ("value", "entries"),
    [("192.0.2.7", {"networks": ["192.0.2.0/24"]}), ("ab" * 16, {"exact": ["ab" * 16]})],
)
def test_what_is_no_host_is_not_guarded_by_a_list_for_hosts(value, entries):
    assert Matcher([guard_list("any", **entries)]).match(value)
    assert Matcher([guard_list("hosts", kinds=frozenset(("host",)), **entries)]).match(value) is None


def test_of_lists_alike_the_first_speaks_though_several_have_the_entry():
    lists = [guard_list(name, hosts=["example.com"]) for name in ("first", "second", "third")]
    assert Matcher(lists).match("www.example.com").of.name == "first"
    assert Matcher(lists[1:]).match("www.example.com").of.name == "second"


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ".",
        "..",
        "*",
        "a" * 100_000,
        "://",
        "http://",
        "http://[::1",
        "1.2.3",
        "\0",
        "\ud800.com",
        "::1%eth0",
        "/",
    ],
)
def test_what_names_nothing_is_guarded_by_nothing(value):
    assert guarded(["google.com", "0.0.0.0/0", "*.test"], value) is None


NETWORKS = st.one_of(
    st.builds(lambda a, n: ipaddress.ip_network((a, n), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32)),
    st.builds(
        lambda a, n: ipaddress.ip_network((a, n), strict=False), st.integers(2**100, 2**128 - 1), st.integers(0, 128)
    ),
)


@examples(150)
@given(st.lists(NETWORKS, max_size=8), NETWORKS)
def test_networks_guard_just_what_lies_in_them(on_the_list, asked):
    expected = any(asked.version == each.version and asked.subnet_of(each) for each in on_the_list)
    assert bool(guarded([str(each) for each in on_the_list], str(asked))) == expected


@examples(300)
@given(st.text(alphabet="ab.-:/[]%0@# é*=", max_size=40))
def test_no_text_is_a_bug(text):
    observables.read(text)
    guarded(["a.b", "0.0.0.0/8", "http://a.b/"], text)


@examples(300)
@given(st.one_of(st.text(alphabet="aB.-_:/1 é", max_size=20), st.from_regex(r"[a-z0-9._-]{1,30}", fullmatch=True)))
def test_what_is_told_at_a_glance_to_be_a_host_is_one_in_its_one_spelling_or_nothing(text):
    if observables.is_usual_host(text):
        assert observables.read(text) in (None, ("host", text))
