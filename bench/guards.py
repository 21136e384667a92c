"""Known-good lists: how long a look-up in a million entries takes, how long they take to read, and how much memory."""

import json
import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from measure import Row, taken

from connector.guards import lists
from connector.guards.matcher import Matcher
from connector.settings.guards import ListSettings

HOSTS = 1_000_000
LOOK_UPS = 20_000
MICROSECONDS = 2.0
MEGABYTES = 100
SECONDS = 10.0


def guards() -> list[Row]:
    """A million hosts, as in MISP's largest lists, and networks beside; in a process of its own, for its memory."""
    receive, send = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_measured, args=(send,))
    process.start()
    rows: list[Row] = receive.recv()
    process.join()
    return rows


def _measured(answer: Connection) -> None:
    before = _resident()
    with tempfile.TemporaryDirectory() as folder:
        (hosts := Path(folder, "hosts.json")).write_text(
            json.dumps(
                {"list": [f"www.host-{number}.example{number % 97}.com" for number in range(HOSTS)], "type": "hostname"}
            )
        )
        (networks := Path(folder, "networks.txt")).write_text(
            "".join(f"10.{number % 256}.{number // 256 % 256}.0/{16 + number % 17}\n" for number in range(50_000))
        )
        started = time.process_time()
        matcher = Matcher(lists.read([ListSettings(path=hosts), ListSettings(path=networks)]))
        read = time.process_time() - started
    memory = (_resident() - before) / 1e6
    unlisted = [f"panel{number}.unlisted-{number}.net" for number in range(LOOK_UPS)]
    addresses = [f"203.0.{number % 256}.{number // 256}" for number in range(LOOK_UPS)]
    listed = [f"a.www.host-{number}.example{number % 97}.com" for number in range(LOOK_UPS)]

    def look_up(values: list[str]) -> object:
        return [matcher.match(value) for value in values]

    times = {
        name: taken({name: look_up}, lambda values=values: values).median(name) / LOOK_UPS * 1e6
        for name, values in (("hosts", unlisted), ("addresses", addresses), ("listed", listed))
    }
    limit = f"{MICROSECONDS:g} µs"
    answer.send(
        [
            Row(
                "guards: a host that no list has, in 1,000,000 entries",
                f"{times['hosts']:.2f} µs",
                limit,
                times["hosts"] <= MICROSECONDS,
            ),
            Row("guards: an address that no list has", f"{times['addresses']:.2f} µs"),
            Row("guards: a host below one that is listed (asks for its public suffix)", f"{times['listed']:.2f} µs"),
            Row("guards: reading 1,050,000 entries", f"{read:.1f} s", f"{SECONDS:g} s", read <= SECONDS),
            Row("guards: memory of them", f"{memory:.0f} MB", f"{MEGABYTES} MB", memory <= MEGABYTES),
        ]
    )


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096
