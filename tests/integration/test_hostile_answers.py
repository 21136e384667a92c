"""Whatever VirusTotal or a receiver sends, or stands in a file: the memory that it costs is bounded.

The attacks run against the product in a process of its own, over a real socket; what counts is the most memory that it
had meanwhile.
"""

import json
import subprocess
import sys
from urllib.parse import quote

import pytest
from hostile_answers import ANSWERS, ENDLESS, MB, answer, fattest_page, hostile_server, zipped
from integration.command import environment

from connector.sources.file import json_values

MOST = 300 * MB
"""docs/security.md names this number."""
LAST_RESORT = 3000 * MB
"""Address space of the process: an attack that succeeds must not take the machine of the tests with it."""

MAPPINGS = ("stix21", "cef")

_RUN = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "connector", "run", "--once"]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""A small process between: Linux counts for a process also what the one that starts it has, which here is pytest."""

_PEAK = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (LAST_RESORT, LAST_RESORT))
from connector import app, kinds
from connector.model import Misconfigured, Unavailable

def peak():
    (kilobytes,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(kilobytes) * 1024

def reset():
    open("/proc/self/clear_refs", "w").write("5")

for line in sys.stdin:
    url, seconds = json.loads(line)
    reset()
    try:
        said = attacked(url, seconds)
    except (Unavailable, Misconfigured) as error:
        said = str(error)
    except MemoryError:
        said = "more memory than the process may have"
    print(json.dumps([said[:500], peak()]), flush=True)
"""

_SOURCE = """
from connector.sources.virustotal.source import VirusTotalSettings, VirusTotalSource

def attacked(url, seconds):
    settings = VirusTotalSettings(type="virustotal", api_key="k" * 64, api_url=url, timeout_seconds=seconds)
    source = VirusTotalSource(settings, user_agent="test/1")
    return str(sum(len(page.notifications) for page in source.pages(None)))
"""

_SINK = """
from connector.model import Message
from connector.sinks.taxii.settings import TaxiiSettings
from connector.sinks.taxii.client import TaxiiClient

def attacked(url, seconds):
    settings = TaxiiSettings(collection_url=f"{url}/root/collections/one/", token="t", timeout_seconds=seconds)
    client = TaxiiClient(settings, user_agent="test/1")
    said = []
    for ask in (
        lambda: client.get(f"{url}/root/", "The API root"),
        lambda: client.post(f"{url}/root/collections/one/", b"{}"),
    ):
        try:
            said.append(type(ask()).__name__)
        except (Unavailable, Misconfigured) as error:
            said.append(str(error)[:50])
    return " ".join(said)
"""


def peaks(attack, names):
    """Attack → what came of it, and the most memory that the process had meanwhile."""
    program = attack + _PEAK.replace("LAST_RESORT", str(LAST_RESORT))
    with hostile_server(ANSWERS | ENDLESS) as url:
        addresses = [(f"{url}/{quote(name, safe='')}", 0.2 if name in ENDLESS else 60) for name in names]
        asked = "".join(json.dumps(address) + "\n" for address in addresses)
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=asked,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return dict(zip(names, map(json.loads, done.stdout.splitlines()), strict=True))


NAMES = [*ANSWERS, *ENDLESS]


@pytest.mark.parametrize("attack", [_SOURCE, _SINK], ids=["source", "sink"])
@pytest.mark.parametrize("names", [NAMES[::2], NAMES[1::2]], ids=["half of them", "the others"])
def test_an_answer_costs_little_memory_whatever_it_is(attack, names):
    found = peaks(attack, names)
    assert {name: said for name, said in found.items() if said[1] > MOST} == {}


def most_memory_of_a_run(folder, source):
    """That of `iocstream run --once`, from a source through both mappings, and how many lines came of it."""
    sinks = "".join(f"  {each}: {{mapping: {each}, sink: {{type: file, path: {each}.out}}}}\n" for each in MAPPINGS)
    (folder / "iocstream.yaml").write_text(f"sources: {{hostile: {source}}}\nroutes:\n{sinks}")
    command = [sys.executable, "-c", _RUN]
    done = subprocess.run(command, cwd=folder, env=environment(None), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1]) * 1024, len((folder / "cef.out").read_text().splitlines())


@pytest.mark.parametrize(("unit", "items", "attribute"), [(b'"a.example",', 1, b"tags"), (b'{"":0},', 40, b"other")])
def test_the_fattest_pages_are_stored_and_delivered_in_little_memory(tmp_path, unit, items, attribute):
    page = answer(lambda: zipped(fattest_page(unit, items, attribute)), "Content-Encoding: gzip")
    with hostile_server({"page": page}) as url:
        source = f"{{type: virustotal, api_key: k, api_url: '{url}/page', look_ups_per_day: 3}}"
        most, delivered = most_memory_of_a_run(tmp_path, source)
    assert delivered == items
    assert most < MOST


@pytest.mark.parametrize("is_whole", [True, False], ids=["one value", "JSON Lines"])
@pytest.mark.parametrize(("unit", "attribute"), [(b'"a.example",', b"tags"), (b'{"":0},', b"other")])
def test_a_hostile_file_is_read_in_little_memory(tmp_path, unit, attribute, is_whole):
    most_decoded = json_values.MAX_DECODED_BYTES if is_whole else 20 * MB
    page = fattest_page(unit, 20, attribute, json_values.MAX_VALUE_BYTES, most_decoded)
    text = page.replace(b"{", b"{\n", 1) if is_whole else (page + b"\n") * 10
    (tmp_path / "in.json").write_bytes(text)
    most, delivered = most_memory_of_a_run(tmp_path, "{type: file, path: in.json}")
    assert delivered == 20
    assert most < MOST
