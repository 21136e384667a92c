"""Tokens have a life, and see what is theirs: tried over the socket of `iocstream serve` while it runs."""

import json
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

RAISED = [each for each in notifications(60) if each["type"] in ("domain", "ip_address")]
OURS, THEIRS = RAISED[:3], RAISED[3:7]
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
  of-all: {mapping: stix21, sink: {type: collection, name: all-canary}}
  refusing: {mapping: refusing.yaml, sink: {type: file, path: refused.json}}
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
    ("push_notification", {"id": notification_id(THEIRS[1]), "route": "of-all"}),
    ("push_notification", {"id": notification_id(THEIRS[1]), "route": "of-ours"}),
    ("delete_notification", {"id": notification_id(THEIRS[1]), "override": True}),
    ("list_rejected", {"route": "refusing"}),
    ("list_guarded", {"route": "of-all"}),
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
        assert {each["notification"] for each in told("list_guarded")["guarded"]} == {notification_id(OURS[0])}
        assert sum(each["notifications"] for each in told("count_notifications")["counts"]) == len(OURS)
        status = told("get_status")
        assert [each["name"] for each in status["sources"]] == ["ours"]
        assert [each["name"] for each in status["routes"]] == ["of-ours"]
        assert status["journal"]["notifications"] == len(OURS)
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
            assert api.requests == []
            assert server.post("get_notification", {"id": notification_id(THEIRS[0])}, token="admin").status_code == 200


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
