"""What guards a source's notifications on a route: sections add up, exceptions free, the list that comes along."""

import pytest

from connector.guards.guards import GuardBook, bundled, known_good
from connector.guards.matcher import Matcher
from connector.mapping.language import functions
from connector.settings.guards import GuardSettings


def section(tmp_path, *hosts, **options):
    path = tmp_path / f"{hosts[0]}.txt"
    path.write_text("\n".join(hosts))
    return GuardSettings.model_validate({"lists": [{"path": str(path), **options}]})


def view(entity_type, value, **entity):
    return {"notification": {"entity_type": entity_type}, "entity": entity, "entity_value": value}


def test_two_routes_with_different_guards_on_one_source(tmp_path):
    book = GuardBook(
        section(tmp_path, "all.example"),
        {"source": section(tmp_path, "source.example")},
        {
            "one": section(tmp_path, "one.example"),
            "two": section(tmp_path, "two.example", effect="label", confidence=7),
        },
    )
    one, two, other = book.of("one", "source"), book.of("two", "source"), book.of("two", "another")
    hosts = ("all.example", "source.example", "one.example", "two.example")
    assert [bool(one.observable(host)) for host in hosts] == [True, True, True, False]
    assert [bool(two.observable(host)) for host in hosts] == [True, True, False, True]
    assert [bool(other.observable(host)) for host in hosts] == [True, False, False, True]
    assert two.observable("two.example")[1:] == ("label", 7, "two.example")
    assert one.observable("www.all.example") == ("all.example", "suppress", None, "all.example")


def test_a_list_that_several_sections_name_is_read_once(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("connector.guards.guards.Matcher", lambda lists: made.append(lists) or Matcher(lists))
    ours = section(tmp_path, "a.example")
    book = GuardBook(ours, {}, {"one": ours, "two": ours})
    book.of("one"), book.of("two"), book.of("three")
    assert len([each for each in made if each and each[0].path]) == 1


def test_no_list_guards_an_exception_nor_what_is_below_it(tmp_path):
    book = GuardBook(GuardSettings.model_validate({"except": ["drive.google.com", "8.8.8.0/24"]}))
    guards = book.of()
    assert guards.derived("www.google.com")
    assert not any(map(guards.derived, ("drive.google.com", "a.drive.google.com", "8.8.8.8")))
    assert guards.derived("1.1.1.1")
    assert guards.exception("a.drive.google.com") == "drive.google.com"


@pytest.mark.parametrize(
    ("top", "source", "route", "derived", "observable"),
    [
        (None, None, None, True, False),
        ("none", None, None, False, False),
        ("all", None, None, True, True),
        ("all", "none", None, False, False),
        ("none", "none", "all", True, True),
        ("none", None, "derived", True, False),
    ],
)
def test_the_narrowest_section_says_what_the_list_that_comes_along_guards(top, source, route, derived, observable):
    everywhere, of_source, of_route = (GuardSettings(bundled=reach) for reach in (top, source, route))
    book = GuardBook(everywhere, {"s": of_source}, {"r": of_route})
    guards = book.of("r", "s")
    assert bool(guards.derived("google.com")) is derived
    assert bool(guards.observable("google.com")) is observable


def test_a_file_is_guarded_by_any_of_its_hashes(tmp_path):
    guards = GuardBook(section(tmp_path, "ab" * 16)).of()
    assert guards.of_notification(view("file", "cd" * 32, md5="AB" * 16)).entry == "ab" * 16
    assert guards.of_notification(view("file", "cd" * 32, md5="ee" * 16)) is None
    assert guards.of_notification(view("file", "cd" * 32, md5=7)) is None
    assert guards.of_notification(view("domain", None)) is None


def test_of_several_hashes_on_lists_the_one_that_is_suppressed_decides(tmp_path):
    md5, sha1, sha256 = "ab" * 16, "ab" * 20, "ab" * 32
    labels = section(tmp_path, sha256, effect="label")
    guards = GuardBook(labels, {}, {"r": section(tmp_path, sha1)}).of("r")
    assert guards.of_notification(view("file", sha256, md5=md5, sha1=sha1)).entry == sha1
    assert guards.of_notification(view("file", sha256, md5=md5)).entry == sha256
    assert guards.of_notification(view("url", "https://a.example/", sha1=sha1)) is None


def test_what_is_no_exception_has_none(tmp_path):
    guards = GuardBook(GuardSettings.model_validate({"except": ["drive.google.com"]})).of()
    assert guards.exception("www.google.com") is None


def test_one_list_that_suppresses_outweighs_labels_of_wider_sections(tmp_path):
    book = GuardBook(section(tmp_path, "a.example", effect="label"), {}, {"r": section(tmp_path, "www.a.example")})
    assert book.of("r").observable("www.a.example").is_suppressed
    assert not book.of("").observable("www.a.example").is_suppressed


@pytest.mark.parametrize(
    "host",
    [
        *("google.com", "www.google.com", "8.8.8.8", "2001:4860:4860::8888", "api.telegram.org", "pastebin.com"),
        *(
            "raw.githubusercontent.com",
            "cdn.discordapp.com",
            "smtp.gmail.com",
            "graph.microsoft.com",
            "ocsp.digicert.com",
        ),
        *(
            "time.windows.com",
            "pool.ntp.org",
            "ctldl.windowsupdate.com",
            "api.ipify.org",
            "127.0.0.1",
            "10.1.2.3",
            "::1",
        ),
        *("fe80::1", "printer.local", "localhost.localdomain", "255.255.255.255", "0.0.0.0", "one.one.one.one"),
    ],
)
def test_the_list_that_comes_along_guards_what_nobody_wants_blocked(host):
    assert bundled().derived(host).is_suppressed


@pytest.mark.parametrize("host", ["0x8.0x8.0x8.0x8", "0X8.8.0x808", "0x2d.0x21.0x20.0xff"])
def test_a_host_of_hexadecimal_numbers_is_an_address_and_no_domain_name(host):
    assert functions.domain(host) is None
    assert (bundled().derived(functions.ip(host)) is not None) == (functions.ip(host) == "8.8.8.8")


@pytest.mark.parametrize(
    "host",
    [
        *("evil.github.io", "evil.blogspot.com", "evil.duckdns.org", "evil.ngrok.io", "evil.trycloudflare.com"),
        *("evil.azurewebsites.net", "evil.pages.dev", "evil.workers.dev", "evil.web.app", "bucket.s3.amazonaws.com"),
        *("ec2-203-0-113-1.compute-1.amazonaws.com", "1.2.3.4.bc.googleusercontent.com", "evil.wordpress.com"),
        *("vps-1.vps.ovh.net", "evil.blob.core.windows.net", "d111111abcdef8.cloudfront.net", "evil.okta.com"),
        *("example.com", "192.0.2.1", "45.33.32.156", "2001:db8::1", "google.com.evil.top"),
    ],
)
def test_the_list_that_comes_along_guards_no_host_that_anybody_can_have(host):
    assert bundled().derived(host) is None


def test_each_entry_of_the_list_that_comes_along_is_needed():
    for each in known_good().lists:
        said = [line.partition("#")[0].strip() for line in each.path.read_text("utf-8").splitlines()]
        hosts = [line for line in said if line and line[0] not in "*=" and not line[-1].isdigit() and ":" not in line]
        for host in hosts:
            parent = host.split(".", 1)[1]
            above = bundled().derived(parent) if "." in parent else None
            assert above is None, f"{each.name}: {above.entry} guards {host} already"


def test_a_digest_tells_whether_other_values_are_guarded_or_with_another_effect(tmp_path):
    def digest(*hosts, exceptions=(), bundled=None, **options):
        made = section(tmp_path, *hosts, **options).model_copy(
            update={"exceptions": list(exceptions), "bundled": bundled}
        )
        return GuardBook(made).of().digest

    same = digest("example.com", "192.0.2.0/24")
    assert digest("example.com", "192.0.2.0/24") == same
    others = [
        digest("example.com"),
        digest("=example.com", "192.0.2.0/24"),
        digest("example.com", "192.0.2.0/24", effect="label"),
        digest("example.com", "192.0.2.0/24", effect="label", confidence=7),
        digest("example.com", "192.0.2.0/24", exceptions=["www.example.com"]),
        digest("example.com", "192.0.2.0/24", bundled="all"),
        digest("example.com", "192.0.2.0/24", bundled="none"),
        GuardBook().of().digest,
    ]
    assert len({same, *others}) == 1 + len(others)
