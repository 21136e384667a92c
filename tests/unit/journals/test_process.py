"""Whether a process is still there, which holds a lease."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from connector.journals.sql.process import Process

pytestmark = pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="the system has no /proc")

PROGRAM = """
import sys
from pathlib import Path
from connector.journals.sql.process import Process
Path("/proc/self/comm").write_bytes(bytes.fromhex(sys.argv[1]))
here = Process.current()
print(here.host, here.realm.replace(" ", "/"), here.pid, here.started, flush=True)
for line in sys.stdin:
    print("here", flush=True)
"""


@pytest.fixture
def child():
    """Starts a process of a name; what it says it is, and the process."""
    started = []

    def start(name):
        command = [sys.executable, "-c", PROGRAM, name.hex()]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        host, realm, pid, ticks = process.stdout.readline().split()
        return Process(host, realm.replace("/", " ", 1), int(pid), ticks), process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def answers(process):
    process.stdin.write("?\n")
    process.stdin.flush()
    return process.stdout.readline() == "here\n"


@pytest.mark.parametrize("name", [b"iocstream", b"a b", b"x) Z 1 (y", b"\xff\xfe"])
def test_a_process_is_there_whatever_its_name_and_to_look_does_nothing_to_it(child, name):
    known, process = child(name)
    assert known.started.isdecimal()
    assert known.pid == process.pid
    assert not known.is_gone()
    assert answers(process)


def test_a_process_that_has_its_number_now_is_another(child):
    known, process = child(b"later")
    assert replace(known, started=str(int(known.started) - 1)).is_gone()
    assert not replace(known, started="").is_gone(), "when nobody knows when it started, its number has to do"
    assert answers(process)


def test_one_that_was_killed_is_gone_though_nobody_has_waited_for_it(child):
    known, process = child(b"killed")
    process.kill()
    assert process.stdout.read() == ""  # all that it had open is closed
    while not known.is_gone():
        pass
    assert process.returncode is None
