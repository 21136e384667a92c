"""Plugins as their authors and users have them: built, installed beside a built connector, tested and run."""

import json
import os
import subprocess
import sys
import sysconfig
import venv

import pytest
from integration.command import ROOT

EXAMPLE = ROOT / "examples" / "plugin-sqlite"
KINDS = ("sink", "source", "format", "journal", "function")
CONFIG = """
sources: {inbox: {type: file, path: in.jsonl}}
routes: {table: {mapping: mine.yaml, sink: {type: sqlite, path: iocs.db}}}
"""
MAPPING = """
format: json
emit:
  event:
    shown: ${{ defang(entity_value) }}
"""


def done(*command, cwd, code=0, **env):
    env = {name: str(value) for name, value in env.items()} | {
        "PATH": os.environ["PATH"]
    }  # and no path to the checkout
    run = subprocess.run(
        [*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == code, f"{command}: {run.returncode}\n{run.stdout}\n{run.stderr}"
    assert "Traceback" not in run.stderr, run.stderr
    return run.stdout, run.stderr


def built(project, into):
    """The wheel of a project, built by what builds ours."""
    into.mkdir(exist_ok=True)
    before = {*into.iterdir()}
    done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", into, cwd=project)
    (wheel,) = {*into.iterdir()} - before
    return wheel


class Environment:
    """A virtual environment with wheels of ours; what these need comes from the one that runs the tests."""

    def __init__(self, folder):
        self.folder = folder
        venv.create(folder, with_pip=False)
        self.site = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
        # Paths in a file of paths are looked through after the environment's own packages, and the files of paths that
        # are there, of which one makes the checkout importable, are not read.
        (self.site / "needed.pth").write_text(sysconfig.get_path("purelib"))
        self.python = folder / "bin" / "python"

    def install(self, *wheels):
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", self.python]
        done(*pip, "install", "--no-deps", "--no-index", *wheels, cwd=self.folder)

    def iocstream(self, *arguments, cwd, code=0):
        return done(self.python, "-P", "-m", "connector", *arguments, cwd=cwd, code=code, PYTHONWARNINGS="error")

    def pytest(self, *arguments, cwd, code=0):
        return done(self.python, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, cwd=cwd, code=code)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    return tmp_path_factory.mktemp("wheels")


@pytest.fixture(scope="module")
def connector(wheels):
    return built(ROOT, wheels)


@pytest.fixture(scope="module")
def installed(connector, wheels, tmp_path_factory):
    """With the example plugin."""
    made = Environment(tmp_path_factory.mktemp("plugins") / "env")
    made.install(connector, built(EXAMPLE, wheels))
    return made


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "iocstream.yaml").write_text(CONFIG)
    (tmp_path / "mine.yaml").write_text(MAPPING)
    body = {"type": "domain", "id": "evil.example", "context_attributes": {"notification_id": "1"}}
    body["context_attributes"]["notification_date"] = 1_767_225_600
    (tmp_path / "in.jsonl").write_text(json.dumps(body) + "\n")
    return tmp_path


def test_the_example_passes_its_tests_and_the_contract(installed):
    said, _ = installed.pytest("-p", "no:schemathesis", cwd=EXAMPLE)
    assert " passed" in said
    assert "failed" not in said


def test_the_example_is_listed_checked_and_delivered_through(installed, folder):
    said, _ = installed.iocstream("plugin", "list", "--json", cwd=folder)
    about = {"distribution": "iocstream-sqlite", "version": "0.1.0", "contract": 1, "named": True}
    assert json.loads(said) == [
        {"group": "functions", "name": "defang", "object": "iocstream_sqlite.defang:FUNCTION", **about},
        {"group": "sinks", "name": "sqlite", "object": "iocstream_sqlite.sink:KIND", **about},
    ]
    said, _ = installed.iocstream("check", cwd=folder)
    assert "iocs.db will be made" in said
    installed.iocstream("run", "--once", cwd=folder)
    code = "import sqlite3; print(sqlite3.connect('iocs.db').execute('SELECT id, body FROM messages').fetchall())"
    said, _ = done(sys.executable, "-c", code, cwd=folder)
    assert said == "[('1', b'{\"shown\":\"evil[.]example\"}')]\n"


def test_what_the_configuration_does_not_name_is_listed_and_not_imported(installed, folder):
    config = CONFIG.replace("type: sqlite, path: iocs.db", "type: file, path: out").replace("mine.yaml", "json")
    (folder / "iocstream.yaml").write_text(config)
    said, _ = installed.iocstream("plugin", "list", "--json", cwd=folder)
    assert [(each["named"], each["contract"]) for each in json.loads(said)] == [(False, None)] * 2
    said, _ = installed.iocstream("plugin", "list", cwd=folder)
    assert "iocstream-sqlite" in said


def test_the_schema_has_a_plugin_when_it_is_asked_for(installed, folder):
    for arguments, has in (((), False), (("--plugins",), True)):
        said, _ = installed.iocstream("schema", "config", *arguments, cwd=folder)
        sink = json.loads(said)["$defs"]["RouteSettings"]["properties"]["sink"]
        assert ("sqlite" in sink["discriminator"]["mapping"]) is has


def test_without_its_plugin_a_configuration_is_one_error(connector, folder, tmp_path):
    bare = Environment(tmp_path / "env")
    bare.install(connector)
    _, error = bare.iocstream("run", "--once", cwd=folder, code=2)
    assert "routes.table.sink.type: there is no such type; choose one of" in error
    assert "or install the plugin that has it" in error
    (folder / "iocstream.yaml").write_text(CONFIG.replace("type: sqlite, path: iocs.db", "type: file, path: out"))
    _, error = bare.iocstream("run", "--once", cwd=folder, code=2)
    assert "there is no function defang(); is its plugin not installed?" in error
    said, _ = bare.iocstream("plugin", "list", cwd=folder)
    assert said == "no plugins are installed\n"


@pytest.mark.timeout(400)  # the tests of a journal are many
@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_from_a_template_is_built_installed_and_passes_its_tests(connector, wheels, kind, tmp_path):
    made = Environment(tmp_path / "env")
    made.install(connector)
    said, _ = made.iocstream("plugin", "new", kind, "my_own", "--into", tmp_path, cwd=tmp_path)
    assert "wrote " in said
    project = tmp_path / "iocstream-my-own"
    made.install(built(project, tmp_path / "dist"))
    said, _ = made.pytest("-p", "no:schemathesis", cwd=project)
    assert " passed" in said
    assert "failed" not in said
    remaining = [
        path for path in project.rglob("*") if path.is_file() and "new_name" in path.read_text("utf-8", "replace")
    ]
    assert remaining == []
    _, error = made.iocstream("plugin", "new", kind, "my_own", "--into", tmp_path, cwd=tmp_path, code=2)
    assert "iocstream-my-own is there already" in error


def test_what_is_started_and_the_example_have_strict_types(tmp_path):
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    for kind in KINDS:
        done(
            sys.executable, "-P", "-m", "connector", "plugin", "new", kind, f"new_{kind}", cwd=tmp_path, PYTHONPATH=ROOT
        )
    sources = [*tmp_path.glob("*/src/*"), EXAMPLE / "src" / "iocstream_sqlite"]
    done(sys.executable, "-m", "mypy", "--config-file", "mypy.ini", *sources, cwd=tmp_path, MYPYPATH=ROOT)


def test_pytest_loads_nothing_of_the_connector_for_tests_that_do_not_ask(installed, tmp_path):
    (tmp_path / "test_x.py").write_text(
        "import sys\n\n\ndef test_x():\n"
        "    ours = sorted(name for name in sys.modules if name.startswith('connector'))\n"
        "    assert ours == ['connector', 'connector.contract', 'connector.contract.pytest_plugin']\n"
        "    assert 'pydantic' not in sys.modules\n"
    )
    installed.pytest("-p", "no:schemathesis", "-p", "no:hypothesispytest", cwd=tmp_path)


WRONG = """
from connector.contract import FormatContract


class Wrong:
    names = {}

    def quote(self, key, value):
        return "wrong"

    def encode(self, document):
        return b"x"


class TestWrong(FormatContract):
    def make(self):
        return Wrong()
"""


def test_a_failure_of_the_suite_shows_what_it_compared(installed, tmp_path):
    (tmp_path / "test_x.py").write_text(WRONG)
    said, _ = installed.pytest("-p", "no:schemathesis", "-k", "written_plainly", cwd=tmp_path, code=1)
    assert "assert 'wrong' == 'text'" in said
