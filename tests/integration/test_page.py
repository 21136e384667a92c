"""The page, looked at with a real browser; and what the server answers to browsers."""

import copy
import hashlib
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import contextmanager

import missing_software
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from integration.browser import NARROW, WIDE, browsing
from integration.command import environment, iocstream_here
from integration.servers import serving_actions

from connector.simulator.api import Api, Fault
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving

CONFIGURATION = """
sources:
  virustotal: {{type: virustotal, api_key: key, api_url: "{api}/api/v3", since_hours: 168}}
journal: {{path: "{folder}/iocstream.db"}}
routes:
  stix:
    mapping: stix21
    sink: {{type: file, path: "{folder}/indicators.json", layout: stix-bundle}}
  events:
    mapping: {mapping}
    sink: {{type: file, path: "{folder}/events.cef"}}
"""
MARKUP = "<script>document.title='led astray'</script><img src=x onerror=\"document.title='led astray'\">"
BIDI = "invoice\u202efdp.exe\u2066"
LONG = "A" * 10_000 + "<b>"

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("page")]  # one browser and one server for all of them


def hostile():
    """Notifications whose every name is an attack, the newest of all."""
    made = []
    for number, text in enumerate((MARKUP, BIDI, LONG)):
        one = copy.deepcopy(next(each for each in notifications(60) if each["type"] == "domain"))
        context = one["context_attributes"]
        context |= {
            "notification_id": str(99_000_000 + number),
            "notification_date": max(each["context_attributes"]["notification_date"] for each in notifications(60)),
            "tags": [text],
        }
        context["hunting_info"] = {"rule_name": text}
        context["sources"] = [{"type": "collection", "id": text, "label": text}]
        made.append(one)
    return made


@pytest.fixture(scope="module")
def browser():
    with missing_software.or_skip(), browsing() as page:
        yield page


@contextmanager
def with_dead_letters(folder):
    """A server with dead letters, whose reason a test can put right in `own.yaml`."""
    own = folder / "own.yaml"
    own.write_text(BROKEN)
    path = folder / "iocstream.yaml"
    virustotal = Api([*hostile(), *notifications(40)], key="key")
    with serving(virustotal) as url:
        path.write_text(CONFIGURATION.format(api=url, folder=folder, mapping=own))
        with serving_actions(path) as server:
            server.virustotal = virustotal
            server.post("poll").raise_for_status()
            yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server shared by the tests that do not change its dead letters."""
    with with_dead_letters(tmp_path_factory.mktemp("page")) as server:
        yield server


@pytest.fixture
def own_server(tmp_path):
    with with_dead_letters(tmp_path) as server:
        yield server


BROKEN = """\
format: cef
emit:
  event:
    deviceVendor: VirusTotal
    deviceProduct: IoC Stream
    deviceVersion: "3"
    deviceEventClassId: x
    name: x
    severity: 99
"""


def seen(browser, server, login="soar", **options):
    return browser(login, server.tokens[login], **options).opened(server.url + "/")


def listed(look):
    """Have the dead letters of the route `events` listed, all of which have the same reason."""
    look.page.get_by_role("button", name=re.compile("^List .* of events")).click()
    look.page.locator("#letters tbody tr").first.wait_for()


def status(server):
    return server.post("get_status").json()["data"]


def test_the_page_and_its_files_need_a_login_and_are_sent_with_a_policy(server):
    reader = ("reader", server.tokens["reader"])
    html = requests.get(server.url, auth=reader, timeout=10)
    files = re.findall(r'(?:href|src)="(page/[^"]+)"', html.text)
    assert {"page/page.js", "page/page.css", "page/icon.svg"} <= set(files)
    for path in ["", *files, "page/dom.js", "page/login.json"]:
        url = f"{server.url}/{path}"
        assert requests.get(url, timeout=10).status_code == 401, path
        assert "Basic" in requests.get(url, timeout=10).headers["WWW-Authenticate"]
        assert requests.get(url, auth=("puller", server.tokens["puller"]), timeout=10).status_code == 403, path
        answer = requests.get(url, auth=reader, timeout=10)
        assert answer.status_code == 200, path
        if not path.endswith(".json"):
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
    assert "<style" not in html.text
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|style=", html.text)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
    ],
)
def test_a_page_of_another_site_cannot_have_the_browser_act(server, headers):
    url, login = f"{server.url}/actions/poll", ("soar", server.tokens["soar"])
    refused = requests.post(url, auth=login, headers=headers, timeout=10)
    assert refused.status_code == 403
    assert refused.json()["code"] == "forbidden"
    host = server.url.partition("://")[2]
    for own in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://{host}"}, {}):
        assert requests.post(url, auth=login, headers=own, timeout=60).status_code == 200


def test_without_a_login_nothing_is_shown(browser, server):
    page = browser("soar", "wrong").page
    assert page.goto(server.url + "/").status == 401
    assert "IoC-Stream Connector" not in page.content()


def test_the_page_shows_what_status_says(browser, server):
    look = seen(browser, server)
    said = status(server)
    totals = dict(zip(look.page.locator("#totals dt").all_inner_texts(),
                      look.page.locator("#totals dd").all_inner_texts(), strict=True))  # fmt: skip
    assert totals["Notifications kept"] == str(said["journal"]["notifications"])
    assert totals["Dead letters"] == str(sum(route["dead_letters"] for route in said["routes"]))
    assert totals["Waiting to be delivered"] == "0"
    for route in said["routes"]:
        row = look.page.locator("#routes tbody tr", has_text=route["name"])
        cells = dict(zip(look.page.locator("#routes thead th").all_inner_texts(),
                         row.locator("th, td").all_inner_texts(), strict=True))  # fmt: skip
        assert cells["Position"].strip() == str(route["position"])
        assert cells["Dead letters"].strip() == str(route["dead_letters"])
        assert cells["Delivered"].strip() == str(route["delivered"])
    assert look.page.locator("#sources tbody tr").count() == 1
    counts = server.post("count_notifications", {"per": "hour", "limit": 10_000}).json()["data"]["counts"]
    look.page.get_by_text("The same as a table").click()
    shown = sum(int(text) for text in look.page.locator("#counts tbody tr td:nth-child(-n+6)").all_inner_texts())
    assert 0 < shown <= sum(each["notifications"] for each in counts)
    assert look.page.locator("#by-type rect[x]").count() > 0
    assert look.page.locator("#by-severity rect[x]").count() > 0


def test_what_is_new_appears_by_itself(browser, own_server, tmp_path):
    server = own_server
    look = seen(browser, server)
    before = look.page.locator("#totals dd").first.inner_text()
    server.virustotal.add(notifications(80))
    done = iocstream_here("run", "--once", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    look.page.locator("#totals dd").first.filter(has_not_text=re.compile(f"^{before}$")).wait_for(timeout=15_000)
    assert int(look.page.locator("#totals dd").first.inner_text()) == status(server)["journal"]["notifications"]


def test_what_attackers_named_is_shown_as_text(browser, server):
    look = seen(browser, server)
    shown = look.page.locator("#matches").inner_text()
    assert "<script>document.title=" in shown
    assert "invoice\\u202efdp.exe\\u2066" in shown
    assert "10,003 characters" in shown
    for at in range(3):
        match = look.page.locator("#matches details").nth(at)
        match.locator("summary").click()
        match.locator("pre", has_text="CEF:0").wait_for()
        assert '"type": "indicator"' in match.locator("pre").first.inner_text()
    text = look.page.locator("body").inner_text()
    assert not set("\u202e\u2066") & set(text)
    assert look.page.title() == "IoC-Stream Connector"
    assert look.page.locator("#matches script, #matches img").count() == 0
    assert look.complaints == []
    assert look.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_refused_again_stays_and_who_may_only_read_cannot_retry(browser, server):
    (letter,) = server.post("list_rejected", {"limit": 1, "route": "events"}).json()["data"]["rejected"]
    total = sum(route["dead_letters"] for route in status(server)["routes"])
    look = seen(browser, server)
    listed(look)
    retry = look.page.get_by_role("button", name=f"Retry number {letter['id']}", exact=True)
    retry.click()
    look.page.locator("#retried", has_text="refused again").wait_for()
    assert sum(route["dead_letters"] for route in status(server)["routes"]) == total
    reader = seen(browser, server, "reader")
    assert reader.page.get_by_role("button", name=re.compile("^Retry .* of events")).is_disabled()
    listed(reader)
    assert reader.page.get_by_role("button", name=f"Retry number {letter['id']}", exact=True).is_disabled()
    assert "scope act" in reader.page.locator("#rejected").inner_text()


def test_retrying_clears_what_has_been_put_right(browser, own_server, tmp_path):
    """The server keeps the mapping it has read; another server delivers with the corrected one."""
    (tmp_path / "own.yaml").write_text(BROKEN.replace("99", "3"))
    path = tmp_path / "again.yaml"
    path.write_text((tmp_path / "iocstream.yaml").read_text().split("server:")[0])
    total = sum(route["dead_letters"] for route in status(own_server)["routes"])
    with serving_actions(path) as mended:
        (letter,) = mended.post("list_rejected", {"limit": 1, "route": "events"}).json()["data"]["rejected"]
        look = seen(browser, mended)
        listed(look)
        button = look.page.get_by_role("button", name=f"Retry number {letter['id']}", exact=True)
        button.focus()
        look.page.keyboard.press("Enter")
        look.page.locator("#retried.good", has_text="1 notifications delivered").wait_for()
        button.wait_for(state="detached")
        assert sum(route["dead_letters"] for route in status(mended)["routes"]) == total - 1
        look.page.wait_for_function("document.activeElement.id === 'rejected-title'")
        look.page.get_by_role("button", name=f"Retry all {total - 1}").click()
        look.page.get_by_text(f"Retry all {total - 1} dead letters of 2 routes?").wait_for()
        look.page.get_by_role("button", name="Cancel").click()
        assert sum(route["dead_letters"] for route in status(mended)["routes"]) == total - 1
        look.page.get_by_role("button", name=f"Retry all {total - 1}").click()
        look.page.get_by_role("button", name="Retry", exact=True).click()
        look.page.locator("#retried", has_text=f"{total - 2} notifications delivered, 1 refused again").wait_for()
        look.page.locator("#routes tbody tr", has_text="events").get_by_text("all accepted").wait_for()


def test_dead_letters_are_counted_by_reason_and_listed_page_by_page(browser, own_server):
    own_server.virustotal.add(notifications(80))
    own_server.post("poll")
    total = next(route["dead_letters"] for route in status(own_server)["routes"] if route["name"] == "events")
    look = seen(browser, own_server)
    row = look.page.locator("#rejected tbody tr").first
    assert "severity" in row.locator("th").inner_text()
    assert row.locator("td").all_inner_texts()[:3] == ["events", "format", str(total)]
    assert not look.page.locator("#letters").inner_text()
    listed(look)
    look.page.wait_for_function("document.activeElement.id === 'of-reason'")
    ids, rows = [], look.page.locator("#letters tbody th")
    while look.page.locator("#more").is_visible():
        ids += rows.all_inner_texts()
        assert len(ids) % 50 == 0
        look.page.get_by_role("button", name="Next", exact=True).click()
        rows.get_by_text(ids[-1], exact=True).wait_for(state="detached")
    ids += rows.all_inner_texts()
    assert len(set(ids)) == len(ids) == total > 100
    look.page.get_by_role("button", name="First", exact=True).click()
    rows.get_by_text(ids[0], exact=True).wait_for()
    look.page.get_by_role("button", name="Close the list").click()
    look.page.locator("#letters tbody").wait_for(state="detached")


def test_a_route_that_refuses_all_says_so_and_why(browser, server):
    look = seen(browser, server)
    refusing = look.page.locator("#routes tbody tr", has=look.page.get_by_role("rowheader", name="events"))
    assert refusing.locator(".state.bad").inner_text() == "refuses all"
    reason = server.post("list_rejected", {"route": "events"}).json()["data"]["reasons"][0]["reason"]
    assert refusing.locator("td").last.inner_text() == f"refuses all: {reason}"
    other = look.page.locator("#routes tbody tr", has=look.page.get_by_role("rowheader", name="stix"))
    assert "refuses" not in other.inner_text()


def test_a_source_that_stopped_says_why(browser, own_server):
    said = b'{"error": {"code": "ForbiddenError", "message": "the licence has expired"}}'
    own_server.virustotal.faults.append(Fault("/ioc_stream", times=99, status=403, body=said))
    own_server.post("poll")
    (source,) = status(own_server)["sources"]
    look = seen(browser, own_server)
    assert source["message"][:200] in look.page.locator("#sources tbody tr").inner_text()


@contextmanager
def with_guarded_values(folder):
    """A server whose routes have guards that differ, and that has known-good values of every length and nature."""
    lists = {"own": ["portal.example.org", "far.example"], "partners-we-trust": ["203.0.113.0/24"]}
    for name, entries in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(entries))
    long = ".".join(["a" * 60] * 3) + ".far.example"
    about = [
        ("domain", "portal.example.org"),
        ("domain", long),
        ("ip_address", "203.0.113.9"),
        ("file", hashlib.sha256(b"").hexdigest()),
    ]
    connections = [{"host": host, "categories": ["C2"]} for host in ("www.google.com", "8.8.8.8", "drop.example")]
    configured = {"families": [{"family": "quillback", "configs": [{"net_info": {"connections": connections}}]}]}
    made = []
    for number, (kind, value) in enumerate(about):
        body = copy.deepcopy(next(each for each in notifications(60) if each["type"] == kind))
        body["id"] = value
        if kind == "file":
            body["attributes"] |= {"sha256": value, "malware_config": configured}
        body["context_attributes"]["notification_id"] = str(98_000_000 + number)
        made.append(body)
    path = folder / "iocstream.yaml"
    to_stix = "    mapping: stix21\n"
    text = CONFIGURATION.replace(to_stix, to_stix + "    guards: {{lists: [partners-we-trust.txt]}}\n")
    with serving(Api([*made, *notifications(20)], key="key")) as url:
        guards = "guards: {lists: [own.txt], bundled: all}\n"
        path.write_text(text.format(api=url, folder=folder, mapping="cef") + guards)
        with serving_actions(path) as server:
            server.post("poll").raise_for_status()
            yield server


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_page_shows_for_each_route_what_known_good_lists_held_back(browser, tmp_path, size):
    with with_guarded_values(tmp_path) as server:
        look = seen(browser, server, size=size)
        rows = look.page.locator("#guarded tbody tr")
        said = {each["name"]: each for each in status(server)["routes"]}
        assert rows.count() == len(said) == 2
        for name, route in said.items():
            row = look.page.locator("#guarded tbody tr", has=look.page.get_by_role("rowheader", name=name))
            numbers = [int(text) for text in row.locator("td.number").all_inner_texts()]
            assert numbers == [route["guarded"], route["guarded_hosts"]]
            listed = server.post("list_guarded", {"route": name, "limit": 5}).json()["data"]["guarded"]
            assert row.locator("li").count() == len(listed) == min(5, sum(numbers))
            for item, each in zip(row.locator("li").all_inner_texts(), listed, strict=True):
                assert each["value"][:160] in item
                assert f"on {each['list']}; notification {each['notification']}" in item
        assert (said["stix"]["guarded_hosts"], said["events"]["guarded_hosts"]) == (2, 0)
        assert said["stix"]["guarded"] > said["events"]["guarded"] > 0
        assert look.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert look.complaints == []
        found = Axe().run(look.page)
        assert found.response["violations"] == [], found.generate_report()


def test_the_page_has_no_section_of_known_good_lists_where_they_held_back_nothing(browser, server):
    assert seen(browser, server).page.locator("#held-back").is_hidden()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it_and_nothing_is_asked_elsewhere(browser, server, size, scheme):
    look = seen(browser, server, size=size, scheme=scheme)
    look.page.locator("#matches summary").first.click()
    look.page.locator("#matches pre", has_text="CEF:0").first.wait_for()
    listed(look)
    look.page.get_by_label("day", exact=True).check()
    look.page.locator("#counted", has_text="30 days").wait_for()
    assert look.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    title = look.page.locator("#routes td").first.evaluate("cell => getComputedStyle(cell, '::before').content")
    assert ("State" in title) == (size == NARROW)  # where there is no room for the head of the table
    assert look.complaints == []
    assert look.hosts == {server.url.partition("://")[2]}
    found = Axe().run(look.page)
    assert found.response["violations"] == [], found.generate_report()
    assert len(found.response["passes"]) > 20


def test_the_demo_ends_with_the_page_and_a_collection_to_read(browser, tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "connector", "demo", "--count", "30", "--dir", tmp_path / "demo"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(None)) as demo:
        try:
            os.close(theirs)
            printed = ""
            while "limit=1'" not in printed:
                printed += os.read(ours, 4096).decode()
            assert printed.index("stix-taxii") < printed.index("The page")
            url, token = re.search(r"http://127\.0\.0\.1:\d+/", printed)[0], re.search(r"iocs_\S+", printed)[0]
            look = browser("demo", token).opened(url)
            assert look.page.locator("#totals dd").first.inner_text() == "30"
            curl = re.search(r"curl .*limit=1'", printed.replace("\r", ""), re.DOTALL)[0]
            read = subprocess.run(["bash", "-c", curl], capture_output=True, check=True, timeout=20)
            (indicator,) = json.loads(read.stdout)["objects"]
            assert indicator["type"] == "indicator"
            os.write(ours, b"\x03")  # Ctrl-C, which reaches whoever has the terminal
            demo.send_signal(2)
            assert demo.wait(20) == 0
        finally:
            demo.kill()
            os.close(ours)
