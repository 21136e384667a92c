"""`iocstream run` as a service: SIGHUP, what systemd is told, and troubles that must not end it."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from integration.command import ROOT, started

EXAMPLE = json.loads((ROOT / "mappings" / "examples" / "inputs" / "domain_hunting.json").read_text())
CONFIGURATION = """
sources:
  saved: {type: file, path: saved.jsonl, poll_seconds: 1}
routes:
  one: {mapping: cef, sink: {type: file, path: one.cef}}
"""
ANOTHER = CONFIGURATION + "  two: {mapping: cef, sink: {type: file, path: two.cef}}\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(CONFIGURATION)
    add(tmp_path)
    return tmp_path


@contextmanager
def service(folder, **environ):
    """The process at work; its log is in `log`."""
    with (folder / "log").open("wb") as log:
        process = started("run", cwd=folder, env=environ, stdin=subprocess.DEVNULL, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def systemd(tmp_path):
    """Stands for systemd: the socket that NOTIFY_SOCKET names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30)
        yield listener


def add(folder):
    """One notification more for the source to find."""
    path = folder / "saved.jsonl"
    count = len(path.read_text().splitlines()) if path.exists() else 0
    text = json.dumps(EXAMPLE).replace(EXAMPLE["context_attributes"]["notification_id"], f"9{count}")
    with path.open("a") as file:
        file.write(text + "\n")


def heard(systemd):
    return systemd.recv(4096).decode().splitlines()


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def eventually(holds):
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def events(folder, name):
    return [event for event in map(json.loads, lines(folder / "log")) if event["event"] == name]


def end(process):
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0


def test_sighup_takes_up_a_changed_configuration_and_systemd_hears_of_it(folder, systemd):
    with service(folder, NOTIFY_SOCKET=str(folder / "notify")) as process:
        assert "READY=1" in heard(systemd)
        eventually(lambda: len(lines(folder / "one.cef")) == 1)
        (folder / "iocstream.yaml").write_text(ANOTHER)
        process.send_signal(signal.SIGHUP)
        reloading, since = heard(systemd)
        assert reloading == "RELOADING=1"
        assert 0 < int(since.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
        assert "READY=1" in heard(systemd)
        eventually(lambda: len(lines(folder / "two.cef")) == 1)
        add(folder)
        eventually(lambda: (len(lines(folder / "one.cef")), len(lines(folder / "two.cef"))) == (2, 2))
        end(process)
        assert heard(systemd) == ["STOPPING=1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ANOTHER.replace("cef", "cfe"), "there is no mapping 'cfe'"),
        ("", "there is nothing in this file"),
        # It can be read, and cannot be started.
        (ANOTHER + "journal: {path: saved.jsonl/iocstream.db}\n", "the journal"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_said_and_the_one_before_goes_on(folder, systemd, text, said):
    with service(folder, NOTIFY_SOCKET=str(folder / "notify")) as process:
        assert "READY=1" in heard(systemd)
        (folder / "iocstream.yaml").write_text(text)
        process.send_signal(signal.SIGHUP)
        assert heard(systemd)[0] == "RELOADING=1"
        ready, status = heard(systemd)
        assert ready == "READY=1"
        assert said in status
        assert [said in event["reason"] for event in events(folder, "configuration_refused")] == [True]
        add(folder)
        eventually(lambda: len(lines(folder / "one.cef")) == 2)
        (folder / "iocstream.yaml").write_text(ANOTHER)
        process.send_signal(signal.SIGHUP)
        eventually(lambda: len(lines(folder / "two.cef")) == 2)
        end(process)


def test_many_sighups_at_once_end_in_the_last_configuration(folder):
    with service(folder) as process:
        eventually(lambda: len(lines(folder / "one.cef")) == 1)
        for number in range(20):
            (folder / "iocstream.yaml").write_text(ANOTHER if number % 2 else CONFIGURATION)
            process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
        eventually(lambda: len(lines(folder / "two.cef")) == 1)
        end(process)
    assert len(lines(folder / "one.cef")) == 1


def test_the_watchdog_is_told_while_all_parts_run_and_no_longer(folder, systemd):
    with service(folder, NOTIFY_SOCKET=str(folder / "notify"), WATCHDOG_USEC="400000") as process:
        assert "READY=1" in heard(systemd)
        assert [heard(systemd) for _ in range(3)] == [["WATCHDOG=1"]] * 3
        deadline = time.monotonic() + 10
        process.send_signal(signal.SIGSTOP)
        systemd.settimeout(2)
        with suppress(TimeoutError):
            while heard(systemd) == ["WATCHDOG=1"]:
                assert time.monotonic() < deadline
        process.send_signal(signal.SIGCONT)
        systemd.settimeout(30)
        assert heard(systemd) == ["WATCHDOG=1"]
        end(process)


def test_a_metrics_port_that_is_taken_holds_up_no_delivery_and_is_tried_again(folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (folder / "iocstream.yaml").write_text(f"{CONFIGURATION}telemetry: {{listen: '127.0.0.1:{port}'}}\n")
        with service(folder) as process:
            eventually(lambda: len(lines(folder / "one.cef")) == 1)
            eventually(lambda: events(folder, "not_listening"))
            other.close()
            eventually(lambda: events(folder, "listening"))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                assert answer.status == 200
            end(process)
    (event,) = events(folder, "not_listening")
    assert f"telemetry.listen: 127.0.0.1:{port} cannot be listened on" in event["reason"]
    assert "Choose another" in event["reason"]
    assert event["level"] == "error"


def test_a_log_that_nobody_reads_ends_nothing(folder):
    process = started("run", cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        process.stderr.close()
        eventually(lambda: len(lines(folder / "one.cef")) == 1)
        add(folder)
        eventually(lambda: len(lines(folder / "one.cef")) == 2)
        end(process)
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait()


def test_a_log_on_a_full_disk_ends_nothing(folder):
    with Path("/dev/full").open("wb") as full:
        process = started("run", cwd=folder, stdin=subprocess.DEVNULL, stderr=full)
    try:
        eventually(lambda: len(lines(folder / "one.cef")) == 1)
        end(process)
    finally:
        process.kill()
        process.wait()
