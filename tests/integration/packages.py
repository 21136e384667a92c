"""Packages for platforms, made by the command, and the real server that they call, whose source is the simulator."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.command import iocstream_here
from integration.servers import serving_actions
from integration.test_server import KEY

from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "tests" / "peers"
RAISED = notifications(60)
CONFIGURATION = """
sources:
  virustotal: {{type: virustotal, api_key: {key}, api_url: "{api}/api/v3", since_hours: 168}}
journal: {{path: "{folder}/iocstream.db"}}
routes:
  published: {{mapping: stix21, sink: {{type: collection, name: indicators}}}}
"""


@contextmanager
def packaged(target, folder):
    """Make a package in `folder/package`, and serve what it calls."""
    made = iocstream_here("manifest", "--for", target, "--out", folder / "package", cwd=folder)
    assert made.returncode == 0, made.stderr
    configuration = folder / "iocstream.yaml"
    with serving(Api(RAISED, key=KEY)) as url:
        configuration.write_text(CONFIGURATION.format(key=KEY, api=url, folder=folder))
        with serving_actions(configuration) as server:
            server.post("poll").raise_for_status()
            yield folder / "package", server


def entities():
    """An entity of each type of which VirusTotal knows everything that the vendor's feed has a field for."""
    assessment = {
        "gti_assessment": {
            "verdict": {"value": "VERDICT_MALICIOUS"},
            "threat_score": {"value": 90},
            "severity": {"value": "SEVERITY_HIGH"},
            "contributing_factors": {"gti_confidence_score": 80},
        },
        "attribution": {"malware_families": [{"family": "lantern"}], "threat_actors": ["Paper Badger"]},
        "last_analysis_stats": {"malicious": 40, "suspicious": 0, "undetected": 30, "harmless": 0},
        "tags": ["signed"],
        "last_modification_date": 1_760_000_000,
    }
    submitted = {"first_submission_date": 1_750_000_000, "last_submission_date": 1_760_000_000}
    seen = {"first_seen_itw_date": 1_750_000_000, "last_seen_itw_date": 1_760_000_000}
    contacts = [f"{role} {part}: {role}-{part}" for role in ("Admin", "Registrant") for part in ("Country", "Email")]
    contacts += [f"{role} {part}: {role}-{part}" for role in ("Admin", "Registrant") for part in ("Name", "Phone")]
    contacts += ["Registrar Abuse Contact Email: a@r.example", "Registrar Abuse Contact Phone: +34 600"]
    sha256 = "7" * 64
    return {
        "file": (sha256, {
            "md5": "a" * 32, "sha1": "b" * 40, "sha256": sha256, "ssdeep": "3:a:b", "pe_info": {"imphash": "c" * 32},
            "type_extension": "exe", "type_tag": "peexe", "meaningful_name": "a.exe", "size": 7,
            "creation_date": 1_740_000_000, **submitted,
        }),
        "url": ("https://a.example/x", {"url": "https://a.example/x", **submitted}),
        "domain": ("a.example", {
            "creation_date": 1_740_000_000, "whois": "\n".join(contacts), "registrar": "R", **seen,
        }),
        "ip_address": ("198.51.100.7", {"country": "NO", "asn": 64_496, "as_owner": "O", **seen}),
    }, assessment  # fmt: skip


@contextmanager
def vendor_world(folder, package, *, rule="lantern", url="https://a.example/x"):
    """A package, and a server whose journal has one notification of each of these entities."""
    known, assessment = entities()
    known["url"] = (url, {**known["url"][1], "url": url})
    date = RAISED[-1]["context_attributes"]["notification_date"]
    source = {"type": "hunting_ruleset", "id": "1", "label": "Lanterns"}
    items = [
        {
            "type": kind,
            "id": identifier,
            "attributes": {**attributes, **assessment},
            "context_attributes": {
                "notification_id": str(number),
                "notification_date": date,
                "origin": "hunting",
                "hunting_info": {"rule_name": rule},
                "sources": [source],
                "tags": ["lanterns"],
            },
        }
        for number, (kind, (identifier, attributes)) in enumerate(known.items(), start=1)
    ]
    configuration = folder / "iocstream.yaml"
    api = Api(items, key=KEY)

    def raises_benign():
        """Have the domain match once more, which is benign now."""
        (domain,) = [item for item in items if item["type"] == "domain"]
        said = {**domain["attributes"], "gti_assessment": {"verdict": {"value": "VERDICT_BENIGN"}}}
        context = {**domain["context_attributes"], "notification_id": "99"}
        api.add([{**domain, "attributes": said, "context_attributes": context}])
        server.post("poll").raise_for_status()

    with serving(api) as api_url:
        configuration.write_text(CONFIGURATION.format(key=KEY, api=api_url, folder=folder))
        with serving_actions(configuration) as server:
            server.post("poll").raise_for_status()
            server.raises_benign = raises_benign
            yield package, server


def raised():
    """The ids of what the simulator raised."""
    return {item["context_attributes"]["notification_id"] for item in RAISED}


def on_platform(script, *arguments, peer="platforms", given=None):
    """Run a script of tests/peers with what the platforms publish; the JSON that it prints last."""
    done = subprocess.run(
        [published(peer, "python"), PEERS / script, *map(str, arguments)],
        input=json.dumps(given),
        env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def published(peer, program):
    """A program that the makers of platforms publish."""
    path = ROOT / ".peers" / peer / "bin" / program
    if not path.is_file():
        message = f"what the platforms publish is not installed; `make .peers/{peer}/ready` does it"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return path
