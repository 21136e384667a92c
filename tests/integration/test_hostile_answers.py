"""Whatever VirusTotal or a receiver sends, or stands in a file: the memory that it costs is bounded.

The attacks run against the product in a process of its own, over a real socket; what counts is the most memory that it
had meanwhile.
"""

import json
import subprocess
import sys
from urllib.parse import quote

import pytest
from hostile_answers import ANSWERS, ENDLESS, MB, hostile_server

MOST = 300 * MB
"""docs/security.md names this number."""
LAST_RESORT = 3000 * MB
"""Address space of the process: an attack that succeeds must not take the machine of the tests with it."""

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
