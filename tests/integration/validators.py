"""Other people's software checks our events: Tenzir, py-ocsf-models, Elastic's types, UDM's fields, Splunk's client.

`make validators` installs them. Name this module in `pytest_plugins` to have its fixtures.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

PEERS = Path(__file__).parents[2] / ".peers"
SECONDS = 60


def found(pattern):
    """A file of a validator; without it the test is skipped, and fails where it should be there."""
    path = next(PEERS.glob(pattern), None)
    if path is None:
        assert not os.environ.get("CI"), f"CI runs `make validators`, and there is no .peers/{pattern}"
        pytest.skip("needs a validator: make validators")
    return path


@pytest.fixture(scope="session")
def tenzir():
    """A function from a pipeline and events to the events that come out of it, and what it warns of."""
    program = found("validators/lib/python3*/site-packages/tenzir/bundled/bin/tenzir")

    def run(pipeline, events):
        done = subprocess.run(
            [
                program,
                "--bare-mode",
                f"from_stdin {{ read_ndjson raw=true }}\n{pipeline}\nto_stdout {{ write_ndjson }}",
            ],
            input="".join(json.dumps(event) + "\n" for event in events).encode("utf-8", "replace"),
            capture_output=True,
            check=True,
            timeout=SECONDS,
        )
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()

    return run


@pytest.fixture(scope="session")
def node_modules():
    """Where the packages of Node.js are."""
    return found("npm/node_modules")


@pytest.fixture(scope="session")
def node(node_modules):
    """A function from a script of this folder, arguments and standard input to what it prints."""
    program = shutil.which("node")
    assert program or not os.environ.get("CI"), "CI has Node.js"
    if program is None:
        pytest.skip("needs Node.js")

    def run(script, *arguments, stdin=b""):
        return subprocess.run(
            [program, Path(__file__).parent / script, *arguments],
            input=stdin,
            capture_output=True,
            check=True,
            timeout=SECONDS,
            env={**os.environ, "NODE_PATH": str(node_modules)},
        ).stdout

    return run


@pytest.fixture(scope="session")
def ocsf_models():
    """A function from findings to what py-ocsf-models has against them."""
    python = found("ocsf/bin/python")

    def run(findings):
        done = subprocess.run(
            [python, Path(__file__).parent / "ocsf_models.py"],
            input=b"\n".join(findings),
            capture_output=True,
            check=True,
            timeout=SECONDS,
        )
        return done.stdout.decode().splitlines()

    return run


@pytest.fixture(scope="session")
def ocsf_schema():
    """A function from a version of OCSF to its records, by name: attribute → type and notes, as Tenzir lists them."""
    folder = found("validators/lib/python3*/site-packages/tenzir/bundled/share/tenzir/schema/types/ocsf")

    def read(version):
        text = (folder / f"v{version.replace('.', '_')}.schema").read_text()
        records = re.findall(r"^type _ocsf\.\w+?\.([\w.]+) = record\{\n(.*?)^\}", text, re.DOTALL | re.MULTILINE)
        return {name: dict(re.findall(r"^  (\w+): (.*),$", body, re.MULTILINE)) for name, body in records}

    return read


@pytest.fixture(scope="session")
def udm_fields():
    """The fields and enumerations of UDM, as pySigma's backend for Google SecOps lists them."""
    return json.loads(
        found("validators/lib/python3*/site-packages/sigma/pipelines/secops/udm_field_schema.json").read_bytes()
    )
