"""Whatever VirusTotal or a receiver sends, or stands in a file: the memory that it costs is bounded.

The attacks run against the product in a process of its own, over a real socket; what counts is the most memory that it
had meanwhile.
"""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import orjson
import psutil
import pytest
from confluent_kafka import Producer
from hostile_answers import (
    ANSWERS,
    ENDLESS,
    ITEM,
    ITEM_END,
    MB,
    answer,
    bomb,
    fattest_page,
    fullest,
    hostile_server,
    zipped,
)
from integration.command import environment
from peers.kafka import TOGETHER, needs_kafka, shared

from connector.simulator.notifications import notifications
from connector.sources.file import json_values

MOST = 300 * MB
"""docs/security.md names this number."""
LAST_RESORT = 3000 * MB
"""Address space of the process: an attack that succeeds must not take the machine of the tests with it."""

MOST_AT_ONCE = 400 * MB
"""When all parties are hostile at once."""
ADDRESSES = 768 * MB
"""What `ulimit -v` allows the processes that everybody attacks at once."""

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


COLLECTION = (
    b'{"id":"one","title":"one","can_read":true,"can_write":true,"media_types":["application/taxii+json;version=2.1"]}'
)


def test_what_a_taxii_server_answers_to_objects_costs_little_memory(tmp_path):
    """Of all that a run takes, with mapping and journal."""
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in notifications(300, seed=2)))
    kept = answer(lambda: COLLECTION, f"Content-Length: {len(COLLECTION)}")
    fullest = answer(lambda: zipped(b'{"successes":[' + b'{"":0},' * (7 * MB // 7) + b"0]}"), "Content-Encoding: gzip")
    with hostile_server({"taxii": kept, "POST taxii": fullest}) as url:
        sink = f"{{type: taxii, collection_url: '{url}/taxii/collections/one/', token: token-0000}}"
        (tmp_path / "iocstream.yaml").write_text(
            f"sources: {{in: {{type: file, path: in.jsonl}}}}\nroutes: {{out: {{mapping: stix21, sink: {sink}}}}}\n"
        )
        # Until the answer has been read.
        command = [sys.executable, "-c", _RUN]
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment(None), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as run:
            for line in run.stderr:
                if "answered with more than" in line:
                    break
            (child,) = psutil.Process(run.pid).children()
            child.send_signal(signal.SIGINT)
            told, _ = run.communicate(timeout=60)
    assert "answered with more than" in line
    assert int(told.splitlines()[-1]) * 1024 < MOST


def counted(asked, answers):
    def made(name, make):
        def answered():
            asked[name] += 1
            return make()

        return answered

    return {name: made(name, make) for name, make in answers.items()}


def limited(*arguments, addresses=ADDRESSES, **options):
    """The command with no more addresses than it may have."""
    shell = f'ulimit -v {addresses // 1024}; exec "$@"'
    command = ["sh", "-c", shell, "sh", sys.executable, "-m", "connector", *arguments]
    return subprocess.Popen(command, env=environment(None), stderr=subprocess.PIPE, text=True, **options)


def memory_of(process, what):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) * 1024


def fill(topic, body):
    """Put one record into a topic that is far larger than it may be, compressed as far as it must be."""
    kafka = Producer({"bootstrap.servers": shared().servers, "compression.type": "gzip", "message.max.bytes": 20 * MB})
    failed = []
    kafka.produce(topic, body, on_delivery=lambda error, _: failed.append(error))
    assert kafka.flush(30) == 0
    assert failed == [None]


def hostile_to_everything():
    zipped_json = "Content-Encoding: gzip"
    failures = b"[" + b'{"":0},' * (7 * MB // 7) + b"0]}"
    return {
        "bomb": bomb(lambda: ITEM + b"[]," * (20 * MB) + ITEM_END),
        "deep": bomb(lambda: b'{"data":' + b"[" * (7 * MB)),
        "wide": answer(lambda: fullest(b"a" * 999, ITEM + '"\U0001f600'.encode(), b'",' + ITEM_END)),
        "full": answer(lambda: zipped(fattest_page(b'{"":0},', 40, b"other")), zipped_json),
        "tags": answer(lambda: zipped(fattest_page(b'"a.example",', 1, b"tags")), zipped_json),
        "taxii": answer(lambda: COLLECTION, f"Content-Length: {len(COLLECTION)}"),
        "POST taxii": answer(lambda: zipped(b'{"successes":' + failures), zipped_json),
        "POST http": answer(lambda: zipped(b'{"errors":' + failures), zipped_json),
    }


@pytest.mark.parametrize("with_kafka", [False, pytest.param(True, marks=TOGETHER)], ids=["without Kafka", "with Kafka"])
def test_all_parties_at_once_cost_a_run_little_memory_and_few_addresses(tmp_path, with_kafka):
    asked = Counter()
    kafka = ""
    if with_kafka:
        needs_kafka()
        topic = shared().topic("hostile")
        fill(topic, fattest_page(b'{"":0},', 1, b"other", 8 * MB)[9:-2])
        kafka = f"  kafka: {{type: kafka, bootstrap_servers: '{shared().servers}', topic: {topic}, tls: false}}\n"
    with hostile_server(counted(asked, hostile_to_everything())) as url:
        names = ("bomb", "deep", "wide", "full", "tags")
        sources = "".join(
            f"  {each}: {{type: virustotal, api_key: {each}-key, api_url: '{url}/{each}', poll_seconds: 1}}\n"
            for each in names
        )
        taxii = f"type: taxii, collection_url: '{url}/taxii/collections/one/', token: token-0000"
        (tmp_path / "iocstream.yaml").write_text(
            f"sources:\n{sources}{kafka}routes:\n"
            f"  taxii: {{mapping: stix21, sink: {{{taxii}}}}}\n"
            f"  http: {{mapping: stix21, sink: {{type: http, url: '{url}/http/in'}}}}\n"
            "  stix: {mapping: stix21, sink: {type: file, path: stix.out}}\n"
            "  cef: {mapping: cef, sink: {type: file, path: cef.out}}\n"
        )
        with limited("run", cwd=tmp_path) as run:
            said = []
            reader = threading.Thread(target=lambda: said.extend(run.stderr))
            reader.start()
            ends = time.monotonic() + 90
            wanted = {*names, "POST taxii", "POST http"}
            lines = tmp_path / "cef.out"
            while time.monotonic() < ends and run.poll() is None:
                delivered = len(lines.read_text().splitlines()) if lines.exists() else 0
                if delivered >= 41 + with_kafka and all(asked[each] > 2 for each in wanted):
                    break
                time.sleep(0.2)
            most, addresses = memory_of(run, "VmHWM"), memory_of(run, "VmPeak")
            run.terminate()
            assert run.wait(60) == 0
            reader.join()
    assert not [line for line in said if "Traceback" in line or "MemoryError" in line]
    assert delivered >= 41 + with_kafka
    assert {each: asked[each] for each in wanted if asked[each] <= 2} == {}
    assert most < MOST_AT_ONCE
    assert addresses < ADDRESSES
    print(f"{most // MB} MiB, {addresses // MB} MiB of addresses")


@pytest.mark.parametrize("kinds", [("wide",), ("bomb", "deep", "wide", "full", "tags")], ids=["wide", "all"])
def test_tens_of_parties_cost_a_run_no_more_memory_than_a_few(tmp_path, kinds):
    """The rest waits, and what is small does not. Of addresses, each thread that waits for a server takes 8 MiB."""
    count = 20
    asked = Counter()
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(item) + b"\n" for item in notifications(100, seed=2)))
    with hostile_server(counted(asked, hostile_to_everything())) as url:
        sources = "".join(
            f"  s{each}: {{type: virustotal, api_key: key-{each}, api_url: '{url}/{kinds[each % len(kinds)]}', "
            "poll_seconds: 1}\n"
            for each in range(count)
        )
        sinks = (
            f"stix21, sink: {{type: taxii, collection_url: '{url}/taxii/collections/one/', token: token-0000}}",
            f"stix21, sink: {{type: http, url: '{url}/http/in%d'}}",
            "stix21, sink: {type: file, path: out%d}",
            "cef, sink: {type: file, path: out%d}",
        )
        routes = "".join(
            f"  r{each}: {{mapping: {sinks[each % 4].replace('%d', str(each))}}}\n" for each in range(count)
        )
        (tmp_path / "iocstream.yaml").write_text(
            f"sources:\n{sources}  usual: {{type: file, path: in.jsonl}}\nroutes:\n{routes}"
            "  plain: {sources: [usual], mapping: cef, sink: {type: file, path: usual.out}}\n"
        )
        with limited("run", addresses=2 * ADDRESSES, cwd=tmp_path) as run:
            said = []
            reader = threading.Thread(target=lambda: said.extend(run.stderr))
            reader.start()
            ends = time.monotonic() + 45
            usual = tmp_path / "usual.out"
            while time.monotonic() < ends and run.poll() is None:
                delivered = len(usual.read_text().splitlines()) if usual.exists() else 0
                time.sleep(0.5)
            most, addresses = memory_of(run, "VmHWM"), memory_of(run, "VmPeak")
            run.terminate()
            assert run.wait(100) == 0
            reader.join()
    assert not [line for line in said if "Traceback" in line or "MemoryError" in line]
    assert delivered == 100
    assert all(asked[each] >= count // len(kinds) for each in kinds)
    assert most < MOST_AT_ONCE
    print(f"{most // MB} MiB, {addresses // MB} MiB of addresses")


_GUARDS = """
import json, resource, sys
from pathlib import Path
from connector.guards.guards import GuardBook
from connector.settings.guards import GuardSettings, ListSettings

def peak():
    (kilobytes,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(kilobytes) * 1024

before = peak()
book = GuardBook(GuardSettings(lists=[ListSettings(path=Path(each)) for each in sys.argv[1:]]))
print(json.dumps([sum(map(len, book.read())), peak() - before]))
"""


@pytest.mark.parametrize("kind", ["hosts.txt", "hosts.json", "networks.txt", "urls.txt"])
def test_a_large_list_costs_little_memory_also_while_it_is_read(tmp_path, kind):
    entries = 400_000
    made = {
        "hosts": (f"www{number}.host-{number}.example" for number in range(entries)),
        "networks": (f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::/64" for number in range(entries)),
        "urls": (f"https://www.example.com/{number}" for number in range(entries)),
    }[kind.partition(".")[0]]
    path = tmp_path / kind
    path.write_text(json.dumps({"list": list(made)}) if kind.endswith(".json") else "\n".join(made))
    command = [sys.executable, "-c", _GUARDS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    number, memory = json.loads(done.stdout)
    assert number == entries
    assert memory - path.stat().st_size < 80 * entries
