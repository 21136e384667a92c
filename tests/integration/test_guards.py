"""Known-good lists: docs/guards.md is true, and what is on a list is not sent as bad."""

import json
import re
from pathlib import Path

import pytest
from integration.command import iocstream_here

from connector import configuration
from connector.actions import ACTIONS, ActionContext, call

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guards.md").read_text("utf-8")
FIRST, ROUTES, ONE_MORE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
[TEXT] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
[(ASKED, ANSWERED)] = re.findall(r"```console\n\$ iocstream ([^\n]*)\n(.*?)```", PAGE, re.DOTALL)
SOURCE = "sources: {file: {type: file, path: in.jsonl}}\n"
OUT = "routes: {out: {mapping: json, sink: {type: file, path: out.jsonl}}}\n"
HASH = "44d88612fea8a8f36de82e1278abb02f"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own.txt").write_text(TEXT)
    (tmp_path / "partners.txt").write_text("partner.example\n")
    for name in ("google", "tranco10k", "google-chrome-crux-1million"):
        path = tmp_path / "warninglists" / "lists" / name / "list.json"
        path.parent.mkdir(parents=True)
        entries = {"google": [".google.com"], "tranco10k": ["popular.example"]}.get(name, ["crux.example"])
        path.write_text(json.dumps({"name": name, "list": entries, "type": "string"}))
    return tmp_path


def configured(folder, text):
    (folder / "iocstream.yaml").write_text(text)
    return configuration.load(folder / "iocstream.yaml")


def observable(guards, value):
    found = guards.observable(value)
    return found and (found.list, found.effect, found.confidence)


def test_the_lists_of_the_page_guard_as_it_says(folder):
    guards = configured(folder, SOURCE + OUT + FIRST).guards.of("out", "file")
    values = {
        **dict.fromkeys(["example.com", "a.example.com", "status.example.org", "x.example.net", "192.0.2.200"], "own"),
        **dict.fromkeys(["2001:db8::1", "https://example.edu/login", HASH, "https://example.com/a"], "own"),
        **dict.fromkeys(["www.google.com", "google.com"], "google"),
        **dict.fromkeys(["a.status.example.org", "example.net", "example.edu", "sites.google.com", "8.8.8.8"], None),
    }
    assert {value: (found := guards.observable(value)) and found.list for value in values} == values
    assert observable(guards, "popular.example") == ("tranco10k", "label", 20)
    assert guards.derived("8.8.8.8").list == "bundled.public-dns"


def test_a_list_is_given_another_type_as_the_page_says(folder):
    guards = configured(folder, SOURCE + OUT + ONE_MORE).guards.of()
    assert observable(guards, "www.crux.example") == ("crux", "label", 25)


def test_the_routes_of_the_page_have_guards_of_their_own(folder):
    book = configured(folder, SOURCE + ROUTES).guards
    firewall, analysts = book.of("to-firewall", "file"), book.of("to-analysts", "file")
    assert observable(firewall, "www.partner.example") == ("partners", "suppress", None)
    assert observable(analysts, "www.partner.example") is None
    assert (bool(firewall.observable("pastebin.com")), bool(firewall.derived("pastebin.com"))) == (True, True)
    assert (analysts.observable("pastebin.com"), analysts.derived("pastebin.com")) == (None, None)


def test_the_command_answers_as_the_page_says(folder):
    configured(folder, SOURCE + OUT + FIRST)
    done = iocstream_here(*ASKED.split(), cwd=folder)
    assert done.stdout.replace(f"{folder}/", "") == ANSWERED, done.stderr


def test_the_command_answers_machines_and_tells_of_exceptions_and_of_nothing(folder):
    configured(folder, SOURCE + OUT + FIRST)
    answer = json.loads(iocstream_here("guarded", "check", "sites.google.com", "--json", cwd=folder).stdout)
    assert (answer["kind"], answer["guarded"]) == ("host", False)
    assert {(each["list"], each["as"], each["exception"]) for each in answer["matches"]} == {
        ("google", "observable", "sites.google.com"),
        ("google", "derived", "sites.google.com"),
        ("bundled.search-and-social", "derived", "sites.google.com"),
    }
    told = iocstream_here("guarded", "check", "unlisted.example", cwd=folder).stdout
    assert told == "no list guards unlisted.example (host)\n"
    assert (
        "not guarded: sites.google.com is an exception"
        in iocstream_here("guarded", "check", "sites.google.com", cwd=folder).stdout
    )


def test_the_command_names_the_route_and_the_source_whose_guards_differ(folder):
    (folder / "of-source.txt").write_text("s.example\n")
    source = "sources: {file: {type: file, path: in.jsonl, guards: {lists: [of-source.txt]}}}\n"
    configured(folder, source + ROUTES)
    told = iocstream_here("guarded", "check", "s.example", cwd=folder).stdout
    assert "route to-firewall and source file: a value that a notification is about: suppress\n" in told
    told = iocstream_here("guarded", "check", "partner.example", cwd=folder).stdout
    assert told.startswith("route to-firewall and source file: ")


def test_a_list_that_is_none_ends_in_one_clear_error(folder):
    configured(folder, SOURCE + OUT + "guards: {lists: [own.txt]}")
    (folder / "own.txt").write_text("example.com\nnonsense\n")
    for command, code in ((["run", "--once"], 2), (["guarded", "check", "a.example"], 2), (["check"], 1)):
        done = iocstream_here(*command, cwd=folder)
        assert done.returncode == code
        told = f"{folder}/own.txt:2: 'nonsense': it is no host, address, network, URL or hash"
        assert (done.stdout + done.stderr).count(told) == 1


def test_check_warns_of_a_list_whose_attributes_fit_nothing(folder):
    phones = {"name": "phones", "type": "string", "list": ["+49 30"], "matching_attributes": ["phone-number"]}
    (folder / "phones.json").write_text(json.dumps(phones))
    configured(folder, SOURCE + OUT + "guards: {lists: [phones.json]}")
    (folder / "in.jsonl").touch()
    done = iocstream_here("check", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"warning  guards: {folder}/phones.json: guards nothing: its matching_attributes" in done.stdout


@pytest.mark.parametrize(
    ("guards", "place", "told"),
    [
        ("{lists: [nowhere.txt]}", "guards.lists[0]", "there is no file or folder"),
        ("{except: [example.com, '?']}", "guards.except", "'?' is no host, address, network, URL or hash"),
        ("{list: []}", "guards.list", "there is no such option; did you mean lists?"),
        ("{bundled: yes}", "guards.bundled", "must be 'derived', 'all' or 'none'"),
        ("{lists: [{path: own.txt, confidence: 101}]}", "guards.lists[0].confidence", "must be at most 100"),
    ],
)
def test_a_mistake_in_the_section_names_its_place(folder, guards, place, told):
    (folder / "iocstream.yaml").write_text(SOURCE + OUT + f"guards: {guards}\n")
    done = iocstream_here("check", cwd=folder)
    assert done.returncode == 2
    assert place in done.stderr
    assert told in done.stderr


def notification(number, kind, value, **attributes):
    return {
        "type": kind,
        "id": value,
        "attributes": attributes,
        "context_attributes": {
            "notification_id": str(number),
            "notification_date": 1755150000 + number,
            "origin": "hunting",
        },
    }


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_a_notification_is_about_is_not_sent_where_a_list_suppresses_it(folder):
    bodies = [
        notification(1, "domain", "www.example.com"),
        notification(2, "domain", "unlisted.example"),
        notification(3, "ip_address", "192.0.2.7"),
        notification(4, "url", "ab" * 32, url="https://a.example.com/x"),
        notification(5, "file", "cd" * 32, sha256="cd" * 32, md5=HASH),
        notification(6, "domain", "popular.example"),
    ]
    (folder / "in.jsonl").write_text("".join(json.dumps(body) + "\n" for body in bodies))
    two = OUT.replace(
        "}}}", "}, guards: {lists: [of-route.txt]}}, other: {mapping: json, sink: {type: file, path: b.jsonl}}}"
    )
    (folder / "of-route.txt").write_text("unlisted.example\n")
    configured(folder, SOURCE + two + FIRST)
    done = iocstream_here("run", "--once", cwd=folder)
    assert done.returncode == 0, done.stderr
    sent = {name: [each["notification"]["id"] for each in lines(folder / name)] for name in ("out.jsonl", "b.jsonl")}
    assert sent == {"out.jsonl": ["6"], "b.jsonl": ["2", "6"]}


STIX = """
sources: {file: {type: file, path: in.jsonl}}
routes: {out: {mapping: stix21, sink: {type: file, path: out.jsonl}}}
"""


def file_notification(number, *hosts):
    connections = [{"host": host, "categories": ["C2"]} for host in hosts]
    config = {"families": [{"family": "quillback", "configs": [{"net_info": {"connections": connections}}]}]}
    stats = {"malicious": 48, "undetected": 12}
    return notification(number, "file", "ab" * 32, last_analysis_stats=stats, malware_config=config)


def domain_notification(number, value="panel.example"):
    return notification(number, "domain", value, last_analysis_stats={"malicious": 20, "undetected": 40})


def run(folder, *bodies, configuration=STIX):
    with (folder / "in.jsonl").open("a") as file:
        file.writelines(json.dumps(body) + "\n" for body in bodies)
    (folder / "iocstream.yaml").write_text(configuration)
    before = len(lines(folder / "out.jsonl"))
    done = iocstream_here("run", "--once", cwd=folder)
    assert done.returncode == 0, done.stderr
    return lines(folder / "out.jsonl")[before:]


def indicators(sent):
    return {each["name"]: each.get("revoked", False) for each in sent if each["type"] == "indicator"}


def held_back(folder, *options):
    return [
        (each["route"], each["notification"], each["value"], each["as"], each["list"])
        for each in json.loads(iocstream_here("guarded", "list", "--json", *options, cwd=folder).stdout)
    ]


def test_what_is_suppressed_is_listed_with_its_notification_and_counted(folder):
    (folder / "own.txt").write_text("panel.example\n")
    run(
        folder,
        file_notification(1, "www.google.com", "drop.example"),
        domain_notification(2, "www.panel.example"),
        configuration=STIX + "guards: {lists: [own.txt]}\n",
    )
    assert held_back(folder) == [
        ("out", "2", "www.panel.example", "observable", "own"),
        ("out", "1", "www.google.com", "derived", "bundled.search-and-social"),
    ]
    assert held_back(folder, "--list", "own", "--route", "out") == held_back(folder)[:1]
    assert held_back(folder, "--limit", "1") == held_back(folder)[:1]
    [route] = json.loads(iocstream_here("status", "--json", cwd=folder).stdout)["routes"]
    assert (route["delivered"], route["filtered"], route["guarded"], route["guarded_hosts"]) == (1, 1, 1, 1)
    assert "own" in iocstream_here("guarded", "list", cwd=folder).stdout
    for options in ({}, {"list": "own", "route": "out"}, {"limit": 1}):
        answer = call(ActionContext(configuration.load(folder / "iocstream.yaml")), ACTIONS["list_guarded"], options)
        listed = [(each.route, each.notification, each.value, each.of, each.list) for each in answer.data.guarded]
        assert listed == held_back(folder, *(f"--{name}={value}" for name, value in options.items()))
        assert answer.summary == {"listed": len(listed)}


def test_playbooks_list_what_is_held_back_of_routes_there_are_and_within_bounds(folder):
    run(folder)
    context = ActionContext(configuration.load(folder / "iocstream.yaml"))
    assert call(context, ACTIONS["list_guarded"], {}).message == "nothing is held back for a known-good list"
    wrong = [
        ({"route": "none"}, "not_found"),
        ({"limit": 1001}, "invalid_parameters"),
        ({"lists": 1}, "invalid_parameters"),
    ]
    for parameters, code in wrong:
        assert call(context, ACTIONS["list_guarded"], parameters).errors[0].code == code


def test_convert_and_explain_use_the_guards_of_a_configuration_and_of_a_route(folder):
    configured(folder, SOURCE + ROUTES)
    (folder / "partners.txt").write_text("partner.example\npopular.example\n")
    bodies = [domain_notification(1, "www.partner.example"), file_notification(2, "pastebin.com", "popular.example")]
    (folder / "some.jsonl").write_text("".join(json.dumps(body) + "\n" for body in bodies))

    def made(*options):
        done = iocstream_here("convert", "some.jsonl", *options, cwd=folder)
        assert done.returncode == 0, done.stderr
        return set(indicators(json.loads(done.stdout)["objects"])) - {"ab" * 32}, done.stderr

    config = ("--config", "iocstream.yaml")
    assert made() == made(*config) == ({"www.partner.example", "popular.example"}, "")
    analysts = ({"www.partner.example", "popular.example", "pastebin.com"}, "")
    assert made(*config, "--route", "to-analysts") == analysts
    told = "held back: notification 1: it is on the list partners of what is known to be good\n"
    assert made(*config, "--route", "to-firewall") == (set(), told)

    explain = ("mapping", "explain", "stix21", "--notification", "some.jsonl", "--json")
    guarded = json.loads(iocstream_here(*explain, *config, "--route", "to-firewall", cwd=folder).stdout)
    reason = "guard: it is on the list partners of what is known to be good"
    assert (guarded["sent"], guarded["refused"], guarded["input"]["guard"]["list"]) == ([], reason, "partners")
    with_hosts = json.loads(iocstream_here(*explain, "--id", "2", *config, "-r", "to-analysts", cwd=folder).stdout)
    assert any('"name":"pastebin.com"' in each for each in with_hosts["sent"])
    done = iocstream_here("convert", "some.jsonl", "--route", "to-analysts", cwd=folder)
    assert (done.returncode, "name it with --config" in done.stderr) == (2, True)
    done = iocstream_here("convert", "some.jsonl", *config, "--route", "none", cwd=folder)
    assert (done.returncode, "none" in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_convert_withholds_what_the_journal_of_a_configuration_knows_to_be_judged_wrong(folder):
    run(folder, domain_notification(1, "ours.example"), file_notification(2, "panel.example", "other.example"))
    config = ("--config", "iocstream.yaml")
    for value in ("ours.example", "other.example"):
        judged = ("judge", "false_positive", "--observable", value, "--by", "ana", "--note", "ours")
        assert iocstream_here(*judged, *config, cwd=folder).returncode == 0
    bodies = [domain_notification(3, "ours.example"), file_notification(4, "panel.example", "other.example")]
    (folder / "some.jsonl").write_text("".join(json.dumps(body) + "\n" for body in bodies))

    done = iocstream_here("convert", "some.jsonl", *config, cwd=folder)
    without = iocstream_here("convert", "some.jsonl", cwd=folder)

    assert done.stderr == "held back: notification 3: ana judged it a false positive: ours\n"
    assert set(indicators(json.loads(done.stdout)["objects"])) - {"ab" * 32} == {"panel.example"}
    hosts = {"ours.example", "panel.example", "other.example"}
    assert set(indicators(json.loads(without.stdout)["objects"])) - {"ab" * 32} == hosts


@pytest.mark.parametrize("again", ["next match", "replay"])
def test_what_was_delivered_is_taken_back_once_a_list_has_it(folder, again):
    (folder / "own.txt").write_text("panel.example\n")
    guarded = STIX + "guards: {lists: [own.txt]}\n"
    assert indicators(run(folder, domain_notification(1))) == {"panel.example": False}
    if again == "replay":
        (folder / "iocstream.yaml").write_text(guarded)
        seen = len(lines(folder / "out.jsonl"))
        done = iocstream_here("replay", "out", "--from-start", cwd=folder)
        assert done.returncode == 0, done.stderr
        sent = lines(folder / "out.jsonl")[seen:]
    else:
        sent = run(folder, domain_notification(2), configuration=guarded)
    assert indicators(sent) == {"panel.example": True}
    # Without the list it is bad again, under another id: what is revoked stays so.
    assert indicators(run(folder, domain_notification(3), configuration=STIX)) == {"panel.example": False}


@pytest.mark.parametrize("profile", ["stix21", "stix21/opencti", "stix21/misp", "stix21/xsoar", "stix21/sentinel"])
def test_a_host_that_is_taken_back_indicates_no_family_either(folder, profile):
    name, _, of = profile.partition("/")
    mapping = f"{{use: {name}, profile: {of}}}" if of else name
    stix = STIX.replace("mapping: stix21", f"mapping: {mapping}")
    (folder / "own.txt").write_text("c2.example\n")
    run(folder, file_notification(1, "c2.example", "other.example"), configuration=stix)
    run(folder, file_notification(2, "c2.example"), configuration=stix + "guards: {lists: [own.txt]}\n")
    final = {each["id"]: each for each in lines(folder / "out.jsonl")}
    hosts = {each["id"]: each for each in final.values() if each.get("name") in ("c2.example", "other.example")}
    assert {each["name"]: each.get("revoked", False) for each in hosts.values() if each["type"] == "indicator"} == {
        "c2.example": True,
        "other.example": False,
    }
    indicates = {
        hosts[each["source_ref"]]["name"]: each.get("revoked", False)
        for each in final.values()
        if each["type"] == "relationship" and each["source_ref"] in hosts
    }
    assert indicates == ({} if of == "sentinel" else {"c2.example": True, "other.example": False})


def test_check_names_each_entry_that_guards_nearly_everything_with_its_line(folder):
    (folder / "own.txt").write_text("example.com\n0.0.0.0/0\n\n*.com  # ours?\n")
    configured(folder, SOURCE + OUT + "guards: {lists: [own.txt]}\n")
    (folder / "in.jsonl").touch()
    done = iocstream_here("check", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.replace(f"{folder}/", "").split() for line in done.stdout.splitlines() if "own.txt" in line]
    assert [line[:4] for line in told] == [
        ["warning", "guards:", "own.txt:2:", "0.0.0.0/0"],
        ["warning", "guards:", "own.txt:4:", "*.com"],
    ]
