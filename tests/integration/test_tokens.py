"""Tokens have a life, and see what is theirs: tried over the socket of `iocstream serve` while it runs."""

import copy
import json
import socket
import stat
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
import requests
from integration.command import iocstream_here, started
from integration.servers import Server

from connector.actions import ACTIONS
from connector.settings.server import new_token
from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving
from connector.values.timestamps import timestamp

RAISED = [each for each in notifications(60) if each["type"] in ("domain", "ip_address")]
OURS, THEIRS = RAISED[:3], copy.deepcopy(RAISED[3:7])
RAISED_BY_A_RULE = [each for each in THEIRS if each["context_attributes"]["hunting_info"]]
for each in RAISED_BY_A_RULE:
    each["context_attributes"]["hunting_info"]["rule_name"] = "rule_of_theirs_canary"
CONFIGURATION = """
sources:
  ours: {type: file, path: ours.jsonl}
  theirs-canary: {type: file, path: theirs.jsonl}
journal: {path: iocstream.db}
shutdown_seconds: 1
guards: {lists: [{path: good.txt, effect: suppress, name: good}]}
routes:
  of-ours: {mapping: stix21, sources: [ours], sink: {type: collection, name: ours-only}}
  of-theirs-canary: {mapping: stix21, sources: [theirs-canary], sink: {type: collection, name: theirs-canary-only}}
  of-all-canary: {mapping: stix21, sink: {type: collection, name: all-canary}}
  refusing-canary: {mapping: refusing.yaml, sink: {type: file, path: refused.json}}
server:
  listen: 127.0.0.1:0
  tokens: %s
"""


def value_of(item):
    return item["id"]


def notification_id(item):
    return item["context_attributes"]["notification_id"]


def configured(folder, tokens):
    """Two tenants with a route each, and routes for both; `tokens` by name: the options of each."""
    made = {name: new_token() for name in tokens}
    settings = [{"name": name, "hash": made[name][1], **options} for name, options in tokens.items()]
    path = folder / "iocstream.yaml"
    path.write_text(CONFIGURATION % json.dumps(settings))
    for name, items in (("ours", OURS), ("theirs", THEIRS)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in items))
    (folder / "good.txt").write_text(f"{value_of(OURS[0])}\n{value_of(THEIRS[0])}\n")
    (folder / "refusing.yaml").write_text("format: json\nemit:\n  line: {id: '${{ abs(entity.nothing) }}'}\n")
    return path, {name: token for name, (token, _) in made.items()}


@contextmanager
def served(path, tokens):
    with started("serve", "-c", path, cwd=path.parent, stderr=subprocess.PIPE) as process:
        server = Server(process, dict(tokens))
        try:
            yield server
        finally:
            process.kill()
            server.finish_reading()


def command(path, *arguments):
    done = iocstream_here("token", *arguments, "-c", path, cwd=path.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def becomes(status, ask):
    """Ask until this is the status: a change is taken up within a second or two."""
    deadline = time.monotonic() + 30
    while (found := ask().status_code) != status and time.monotonic() < deadline:
        threading.Event().wait(0.1)
    assert found == status


@pytest.mark.parametrize("name", ["written", "made"])
def test_a_token_is_made_and_revoked_while_the_server_runs(tmp_path, name):
    path, tokens = configured(tmp_path, {"written": {"scopes": ["read"]}, "admin": {"scopes": ["admin"]}})
    with served(path, tokens) as server:
        server.post("poll", token="admin").raise_for_status()
        made = json.loads(command(path, "new", "made", "-s", "read", "--json"))
        server.tokens["made"] = made["token"]

        def ask():
            return server.post("get_status", token=name)

        becomes(200, ask)
        command(path, "revoke", name)
        becomes(401, ask)
        again = json.loads(command(path, "new", name, "-s", "read", "--json"))
        server.tokens[name] = again["token"]
        becomes(200, ask)
        assert server.end() == 0
    for file in tmp_path.glob("iocstream.db.tokens*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not any(token in file.read_text() for token in server.tokens.values())


def test_a_token_that_is_revoked_before_its_request_is_complete_does_nothing(tmp_path):
    """All of a request but its last byte is sent while the token is good."""
    path, tokens = configured(tmp_path, {"acting": {"scopes": ["act"]}, "admin": {"scopes": ["admin"]}})
    with served(path, tokens) as server:
        body = json.dumps({"verdict": "benign", "of": "observable", "value": "late.example.com"}).encode()
        head = f"POST /actions/judge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {tokens['acting']}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        with socket.create_connection(
            (server.url.split("//")[1].split(":")[0], int(server.url.rpartition(":")[2])), timeout=30
        ) as connection:
            connection.sendall(head.encode() + body[:-1])
            assert server.post("list_sources", token="acting").status_code != 401
            command(path, "revoke", "acting")
            becomes(401, lambda: server.post("list_sources", token="acting"))
            connection.sendall(body[-1:])
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        assert answer.startswith("HTTP/1.1 401 "), answer
        assert "the token acting" in answer
        listed = server.post("list_judgements", parameters={"of": "observable"}, token="admin").json()
        assert "late.example.com" not in json.dumps(listed)
        assert server.end() == 0


@pytest.mark.parametrize("damage", ["removed", "emptied", "made a folder"])
def test_what_was_revoked_stays_so_when_the_file_is_lost(tmp_path, damage):
    path, tokens = configured(tmp_path, {"leaked": {"scopes": ["read"]}, "admin": {"scopes": ["admin"]}})
    file = tmp_path / "iocstream.db.tokens"
    with served(path, tokens) as server:
        server.post("poll", token="admin").raise_for_status()
        command(path, "revoke", "leaked")
        becomes(401, lambda: server.post("get_status", token="leaked"))
        file.unlink()
        if damage == "emptied":
            file.touch()
        elif damage == "made a folder":
            file.mkdir()
        deadline = time.monotonic() + 30
        while not any("tokens_unread" in line for line in server.log) and time.monotonic() < deadline:
            assert server.post("get_status", token="leaked").status_code == 401
            assert server.post("get_status", token="admin").status_code == 200
        assert sum("tokens_unread" in line for line in server.log) == 1
    if damage != "removed":
        done = iocstream_here("serve", "-c", path, cwd=tmp_path)
        assert done.returncode == 2
        assert str(file) in done.stderr


def test_a_token_ends_at_its_time_and_the_log_says_whose_it_was(tmp_path):
    path, tokens = configured(
        tmp_path, {"old": {"scopes": ["read"], "expires": "2026-01-31"}, "admin": {"scopes": ["admin"]}}
    )
    with served(path, tokens) as server:
        refused = server.post("get_status", token="old")
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert "expired" in refused.json()["detail"]
        taxii = requests.get(f"{server.url}/taxii2/", auth=("old", server.tokens["old"]), timeout=10)
        assert taxii.status_code == 401
        assert server.end() == 0
    told = [json.loads(line) for line in server.log if "login_refused" in line]
    assert {line["message"] for line in told} == {"the token old has expired"}
    (listed,) = [each for each in json.loads(command(path, "list", "--json")) if each["name"] == "old"]
    assert (listed["state"], listed["expires"]) == ("expired", "2026-01-31T00:00:00.000Z")


def test_the_last_use_of_a_token_is_listed_and_in_the_status(tmp_path):
    path, tokens = configured(tmp_path, {"used": {"scopes": ["admin"]}, "unused": {"scopes": ["read"]}})
    with served(path, tokens) as server:
        server.post("poll", token="used").raise_for_status()
        assert server.end() == 0
    listed = {each["name"]: each for each in json.loads(command(path, "list", "--json"))}
    assert listed["used"]["last_used_from"] == "127.0.0.1"
    assert listed["used"]["last_used"] is not None
    assert listed["unused"]["last_used"] is None
    status = iocstream_here("status", "--json", "-c", path, cwd=tmp_path)
    assert json.loads(status.stdout)["tokens"] == [*listed.values()]
    shown = iocstream_here("status", "-c", path, cwd=tmp_path).stdout + command(path, "list")
    assert shown.count("unused") == 2


def test_a_token_that_ends_soon_or_has_ended_is_warned_of_with_what_to_do(tmp_path):
    day, now = 86_400, int(time.time())
    path, _ = configured(
        tmp_path,
        {
            "long": {"scopes": ["read"], "expires": timestamp(now + 15 * day)},
            "soon": {"scopes": ["act", "taxii"], "sources": ["ours"], "expires": timestamp(now + 13 * day)},
            "over": {"scopes": ["read"], "expires": "2026-01-31"},
            "revoked": {"scopes": ["read"], "expires": "2026-01-31"},
            "endless": {"scopes": ["admin"]},
        },
    )
    command(path, "new", "made", "--scope", "read", "--expires", "3d")
    command(path, "revoke", "revoked")

    def asked(*arguments):
        return iocstream_here(*arguments, "-c", path, cwd=tmp_path).stdout

    found = [each for each in json.loads(asked("check", "--json")) if each["part"] == "tokens"]
    assert [each["level"] for each in found] == ["warning"] * 3
    soon, over, made = (each["message"] for each in found)
    assert soon.startswith("the token soon expires in 12 days")
    assert "`iocstream token new NEW_NAME --scope act --scope taxii --source ours --expires 90d`" in soon
    assert soon.endswith("`iocstream token revoke soon`")
    assert over.startswith("the token over expired on 2026-01-31")
    assert "`iocstream token revoke over`" in over
    assert "`iocstream token new over --scope read --expires 90d`" in over
    assert made.startswith("the token made expires in 2 days")

    iocstream_here("run", "--once", "-c", path, cwd=tmp_path)  # makes the journal
    messages = {each["name"]: each["message"] for each in json.loads(asked("status", "--json"))["tokens"]}
    wanted = {"soon": soon, "over": over, "made": made}
    assert messages == {**dict.fromkeys(("long", "revoked", "endless")), **wanted}
    for shown in (asked("status"), asked("token", "list"), asked("check")):
        assert [text for text in wanted.values() if text not in shown] == []

    # Each of the commands does what it says.
    for command_line in over.split("`")[1::2]:
        command(path, *command_line.split()[2:])
    assert [each["message"] for each in json.loads(asked("check", "--json")) if each["part"] == "tokens"] == [
        soon,
        made,
    ]


SCOPES = {
    "tenant": {"scopes": ["admin"], "sources": ["ours"]},
    "admin": {"scopes": ["admin"]},
}
ASKED = [
    ("list_notifications", {"bodies": True}),
    ("list_notifications", {"source": "theirs-canary"}),
    ("get_notification", {"id": notification_id(THEIRS[0])}),
    ("convert_notification", {"id": notification_id(THEIRS[1])}),
    ("push_notification", {"id": notification_id(THEIRS[1]), "route": "of-theirs-canary"}),
    ("push_notification", {"id": notification_id(THEIRS[1]), "route": "of-all-canary"}),
    ("push_notification", {"id": notification_id(THEIRS[1]), "route": "of-ours"}),
    ("delete_notification", {"id": notification_id(THEIRS[1]), "override": True}),
    ("list_rejected", {"route": "refusing-canary"}),
    ("retry_rejected", {"route": "refusing-canary"}),
    ("list_guarded", {"route": "of-all-canary"}),
    ("count_notifications", {"source": "theirs-canary"}),
    ("list_judgements", {"source": "theirs-canary"}),
    ("judge", {"verdict": "benign", "of": "observable", "value": "x.example", "source": "theirs-canary"}),
    ("judge", {"verdict": "benign", "of": "notification", "value": notification_id(THEIRS[1])}),
    ("judge", {"verdict": "none", "of": "observable", "value": "judged-canary.example"}),
    *[(name, {}) for name in ACTIONS],
    *[(each.name, dict(each.example)) for each in ACTIONS.values()],
]


def test_a_token_for_one_tenant_learns_nothing_of_another_whatever_it_asks(tmp_path):
    path, tokens = configured(tmp_path, SCOPES)
    secret = ["canary", *[notification_id(each) for each in THEIRS], *[value_of(each) for each in THEIRS]]
    with served(path, tokens) as server:
        polled = server.post("poll", token="admin").json()
        assert polled["summary"]["new"] == len(OURS) + len(THEIRS)
        judged = {"verdict": "benign", "of": "observable", "value": "judged-canary.example", "source": "theirs-canary"}
        server.post("judge", judged, token="admin").raise_for_status()
        server.post("judge", {**judged, "source": ""}, token="admin").raise_for_status()
        for each in (RAISED_BY_A_RULE[0], OURS[0]):
            judged = {"verdict": "false_positive", "of": "notification", "value": notification_id(each)}
            server.post("judge", judged, token="admin").raise_for_status()
        everything = "".join(server.post(name, asked, token="admin").text for name, asked in ASKED[:2])
        assert all(each in everything for each in secret[1:])

        for name, asked in ASKED:
            answer = server.post(name, asked, token="tenant")
            # What the caller wrote itself may come back.
            said = [each for each in secret if each in answer.text and each not in json.dumps(asked)]
            assert said == [], (name, asked, answer.text)
            assert answer.status_code < 500 or answer.json()["code"] == "misconfigured", (name, asked, answer.text)
            if any(each in json.dumps(asked) for each in secret) and name != "list_guarded":
                assert answer.status_code != 200, (name, asked, answer.text)

        def told(name, **asked):
            return server.post(name, asked, token="tenant").json()["data"]

        ours = {notification_id(each) for each in OURS}
        assert {each["id"] for each in told("list_notifications")["notifications"]} == ours
        assert {each["notification"] for each in told("list_rejected")["rejected"]} <= ours
        for name, limit in (("list_guarded", 1), ("list_guarded", 100)):
            assert {each["notification"] for each in told(name, limit=limit)["guarded"]} == {notification_id(OURS[0])}
        rule = OURS[0]["context_attributes"]["hunting_info"]["rule_name"]
        for rules in (told("list_judged_rules", limit=1)["rules"], told("get_status")["rules"]):
            assert [(each["name"], each["source"], each["judged"]) for each in rules] == [(rule, "ours", 1)]
        assert sum(each["notifications"] for each in told("count_notifications")["counts"]) == len(OURS)
        status = told("get_status")
        assert str(tmp_path) not in json.dumps(status)
        assert [each["name"] for each in status["sources"]] == ["ours"]
        assert [each["name"] for each in status["routes"]] == ["of-ours"]
        assert status["journal"]["notifications"] == len(OURS)
        assert status["journal"]["path"] == ""
        own = told("judge", verdict="benign", of="observable", value="own.example")
        assert own["source"] == "ours"
        assert [each["value"] for each in told("list_judgements")["judgements"]] == ["own.example", "intranet.example"]
        assert server.post("poll", token="tenant").status_code == 403

        root = f"{server.url}/taxii2/root/collections/"
        login = {"auth": ("tenant", server.tokens["tenant"]), "timeout": 10}
        listed = requests.get(root, **login).json()["collections"]
        assert [each["alias"] for each in listed] == ["ours-only"]
        for alias in ("theirs-canary-only", "all-canary"):
            assert requests.get(f"{root}{alias}/objects/", **login).status_code == 404
        assert requests.get(f"{root}ours-only/objects/", **login).json()["objects"]


def test_a_tenant_gets_nothing_of_another_at_virustotal_by_a_key_that_both_have(tmp_path):
    api = Api(RAISED, key="demo-key")
    path, tokens = configured(tmp_path, SCOPES)
    with serving(api) as url:
        text = path.read_text()
        for name, file in (("ours", "ours.jsonl"), ("theirs-canary", "theirs.jsonl")):
            source = f'{name}: {{type: virustotal, api_key: demo-key, api_url: "{url}/api/v3"}}'
            text = text.replace(f"{name}: {{type: file, path: {file}}}", source)
        path.write_text(text)
        with served(path, tokens) as server:
            for name, asked in (
                ("get_notification", {"id": notification_id(THEIRS[0]), "where": "virustotal"}),
                ("list_notifications", {"where": "virustotal"}),
                ("convert_notification", {"id": notification_id(THEIRS[0])}),
                ("push_notification", {"id": notification_id(THEIRS[0]), "route": "of-ours"}),
                ("delete_notification", {"id": notification_id(THEIRS[0]), "override": True}),
            ):
                assert server.post(name, asked, token="tenant").status_code == 403, name
            unsure = server.post("delete_notification", {"id": notification_id(THEIRS[0])}, token="tenant")
            assert unsure.status_code == 403
            assert "canary" not in unsure.text
            assert api.requests == []
            assert server.post("get_notification", {"id": notification_id(THEIRS[0])}, token="admin").status_code == 200


def test_a_token_spends_no_more_of_the_quota_than_its_share_of_a_day(tmp_path):
    """Of a key that two tenants have, too: its sources can be probed with it, and its quota asked for."""
    api = Api(RAISED, key="demo-key")
    path, tokens = configured(
        tmp_path,
        {
            "tenant": {"scopes": ["act"], "sources": ["ours"], "quota_per_day": 5},
            "none": {"scopes": ["admin"], "quota_per_day": 0},
            "admin": {"scopes": ["admin"]},
        },
    )

    with serving(api) as url:
        text = path.read_text().replace("  listen:", "  audit: audit.jsonl\n  listen:")
        for name, file in (("ours", "ours.jsonl"), ("theirs-canary", "theirs.jsonl")):
            source = f'{name}: {{type: virustotal, api_key: demo-key, api_url: "{url}/api/v3"}}'
            text = text.replace(f"{name}: {{type: file, path: {file}}}", source)
        path.write_text(text)
        with served(path, tokens) as server:
            server.post("test_connectivity", token="tenant").raise_for_status()
            assert len(api.requests) == 3
            for _ in range(9):
                refused = server.post("get_quota", token="tenant")
            assert (refused.status_code, refused.json()["code"]) == (429, "quota_spent")
            assert "quota_per_day" in refused.json()["detail"]
            assert 0 < int(refused.headers["Retry-After"]) <= 86_400
            assert len(api.requests) == 5
            assert server.post("list_notifications", token="tenant").status_code == 200
            assert server.post("poll", token="none").status_code == 429
            assert len(api.requests) == 5
            assert server.post("get_quota", token="admin").status_code == 200
            assert server.end() == 0
        before = len(api.requests)
        with served(path, tokens) as server:  # which has not forgotten it
            assert server.post("get_quota", token="tenant").status_code == 429
            assert len(api.requests) == before
            assert server.end() == 0
    status = json.loads(iocstream_here("status", "--json", "-c", path, cwd=tmp_path).stdout)["tokens"]
    assert {each["name"]: (each["quota_today"], each["quota_per_day"]) for each in status} == {
        "tenant": (5, 5),
        "none": (0, 0),
        "admin": (before - 5, None),
    }
    assert "5 of 5" in command(path, "list")
    command(path, "new", "made", "--scope", "act", "--quota-per-day", "7")
    assert "0 of 7" in command(path, "list")
    assert "quota_per_day: 8}" in command(path, "new", "x", "--scope", "act", "--quota-per-day", "8", "--print")
    audited = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert sum(line.get("quota", 0) for line in audited) == before
    spent = [line["times"] for line in audited if line.get("outcome") == "quota_spent" and line["token"] == "tenant"]
    assert sum(spent) > len(spent)


def test_a_token_for_a_source_that_is_not_there_is_refused(tmp_path):
    path, _ = configured(tmp_path, {"tenant": {"scopes": ["read"], "sources": ["nobody"]}})
    done = iocstream_here("serve", "-c", path, cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no source 'nobody'" in done.stderr
    path, _ = configured(tmp_path, SCOPES)
    done = iocstream_here("token", "new", "x", "-s", "read", "--source", "nobody", "-c", path, cwd=tmp_path)
    assert done.returncode == 2
    assert "nobody" in done.stderr
    assert not (tmp_path / "iocstream.db.tokens").exists()


def test_what_init_writes_is_for_its_owner_alone(tmp_path):
    assert iocstream_here("init", cwd=tmp_path).returncode == 0
    assert stat.S_IMODE((tmp_path / "iocstream.yaml").stat().st_mode) == 0o600
