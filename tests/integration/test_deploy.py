"""What lies in deploy/: the systemd unit, the container file, the configuration for both."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from http import HTTPStatus
from pathlib import Path

import pytest
import requests
from free_ports import reserve
from integration.command import ROOT

from connector import configuration
from connector.monitoring import server
from connector.server import acceptor

DEPLOY = ROOT / "deploy"
UNITS = {name: (DEPLOY / f"{name}.service").read_text() for name in ("iocstream", "iocstream-serve")}
UNIT = UNITS["iocstream"]
CONTAINER = (DEPLOY / "Containerfile").read_text()


def analyze(*arguments):
    if shutil.which("systemd-analyze") is None:
        assert "CI" not in os.environ, "systemd-analyze is missing: .ci/install-servers"
        pytest.skip("systemd is not installed")
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(params=UNITS)
def unit(request, tmp_path):
    """A unit, with /bin/true as its command, so that it can be verified on any machine."""
    path = tmp_path / f"{request.param}.service"
    text = UNITS[request.param]
    assert "\nExecStart=/opt/iocstream/bin/iocstream " in text
    path.write_text(text.replace("ExecStart=/opt/iocstream/bin/iocstream", "ExecStart=/bin/true"))
    return path


def setting(name, unit="iocstream"):
    return re.findall(rf"^{name}=(.*)$", UNITS[unit], re.MULTILINE)


def test_systemd_takes_the_unit_without_complaint(unit):
    assert analyze("verify", "--man=no", str(unit)) == (0, "")


def test_the_unit_gives_the_service_little(unit):
    code, said = analyze("security", "--offline=true", "--threshold=20", str(unit))
    assert code == 0, said
    (exposure,) = re.findall(r"Overall exposure level for \S+ ([\d.]+)", said)
    assert float(exposure) <= 2.0


def test_the_server_s_unit_is_as_hardened_and_shares_the_journal_and_the_credentials():
    own = re.compile(r"^(Description|Type|ExecStart|ExecReload|WatchdogSec|TasksMax|LimitNOFILE)=")
    both = [
        [line for line in text.splitlines() if line and not line.startswith("#") and not own.match(line)]
        for text in UNITS.values()
    ]
    assert both[0] == both[1]
    for name in UNITS:
        assert setting("User", name) == setting("StateDirectory", name) == ["iocstream"]
        assert setting("LimitCORE", name) == ["0"]
        needed = acceptor.MAX_STRANGERS + acceptor.MAX_KNOWN + acceptor.RESERVED_FILES
        assert int(*setting("LimitNOFILE", name)) > needed


def test_the_unit_starts_again_unless_a_person_must_act_and_gives_time_to_stop():
    assert setting("Restart") == ["on-failure"]
    assert setting("RestartPreventExitStatus") == ["2"]
    (seconds,) = setting("TimeoutStopSec")
    assert int(seconds) > configuration.Config.model_fields["shutdown_seconds"].default


def test_the_unit_is_told_when_it_is_ready_at_work_or_to_read_its_configuration_again():
    assert setting("Type") == ["notify"]
    assert setting("WatchdogSec") == ["60"]
    assert setting("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert "AF_UNIX" in setting("RestrictAddressFamilies")[0].split()


def test_the_configuration_is_one_that_can_run_with_secrets_from_where_the_unit_puts_them(tmp_path):
    text = (DEPLOY / "iocstream.yaml").read_text()
    credentials = re.findall(r"\$\{credential:(\w+)\}", text)
    assert credentials == [loaded.split(":")[0] for loaded in setting("LoadCredential")]
    assert re.search(r"^ {2}path: /var/lib/iocstream/", text, re.MULTILINE)
    assert setting("StateDirectory") == ["iocstream"]
    for name in credentials:
        (tmp_path / name).write_text("secret\n")
    path = tmp_path / "iocstream.yaml"
    path.write_text(text)
    plan = configuration.load(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert plan.settings.telemetry.address() == ("127.0.0.1", 9464)


def test_the_image_holds_what_the_locks_say_runs_as_nobody_special_and_tells_its_health():
    build, final = CONTAINER.split("\nFROM ")[1:]
    images = [stage.splitlines()[0].split()[0] for stage in (build, final)]
    assert images == ["${BASE}"] * 2
    assert re.findall(r"^ARG (.*)", CONTAINER, re.MULTILINE) == ["BASE=python:3.12-slim"]
    assert build.count("--require-hashes") == 2
    assert "--no-build-isolation" in build
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*\\\n +CMD .*127\.0\.0\.1:9464/healthz", final, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["iocstream"\]\nCMD \["run"\]$', final, re.MULTILINE)
    assert "pip" not in final, "what installs does not belong into the image"
    assert not re.search(r"^(ADD|ENV .*(KEY|PASSWORD|TOKEN))", CONTAINER, re.MULTILINE)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_of_the_image_believes_what_the_connector_says(status, healthy):
    (words,) = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", CONTAINER, re.MULTILINE)
    python, option, program = json.loads(words)
    page = (HTTPStatus(status), "text/plain", b"")
    with server.serving("127.0.0.1", 0, {"/healthz": lambda: page}) as url:
        program = program.replace("http://127.0.0.1:9464", url)
        done = subprocess.run([sys.executable, option, program], capture_output=True, timeout=60, check=False)
    assert python == "python"
    assert (done.returncode == 0) == healthy


def test_the_image_is_made_of_files_that_are_there_and_reach_the_builder():
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    assert "*" in ignored, "all but what is named stays outside"
    for line in re.findall(r"^COPY (?!--from)(.*)$", CONTAINER, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


def pinned(name):
    """Package → its version and hashes, of a lock, wherever it is needed."""
    text = re.sub(r" ; .*(?= \\\n)", "", (ROOT / f"requirements/{name}.txt").read_text())
    return dict(re.findall(r"^([\w.-]+)==((?:.*\\\n)*.*)", text, re.MULTILINE))


def test_the_build_back_end_is_locked_in_the_version_that_the_tests_use():
    assert "hatchling" in pinned("build")
    assert pinned("build").items() <= pinned("dev").items()


def test_each_extra_has_a_lock_and_all_of_them_go_together():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra, wanted in project["optional-dependencies"].items():
        lock = pinned(extra)
        assert pinned("runtime").items() <= lock.items() <= pinned("dev").items()
        assert {re.split(r"[\[>=<]", package)[0] for package in wanted} <= lock.keys()


@pytest.mark.parametrize("lock", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.stem)
def test_a_lock_has_a_hash_of_each_package_and_names_no_address(lock):
    packages = pinned(lock.stem)
    assert packages
    assert [name for name, rest in packages.items() if "--hash=sha256:" not in rest] == []
    assert "://" not in lock.read_text()
    assert "index-url" not in lock.read_text()


def steps():
    """What the Containerfile runs to build, as shell commands."""
    build = CONTAINER.split("\nFROM ")[1]
    return [step.replace("\\\n", " ") for step in re.findall(r"^RUN ((?:.*\\\n)*.*)", build, re.MULTILINE)]


def serving_answers(program, folder):
    """Make a token, serve with it and with a regular expression, and ask with it; the status of the answer."""
    made = json.loads(
        subprocess.run(
            [program, "token", "new", "t", "--print", "--scope", "read", "--json"], capture_output=True, check=True
        ).stdout
    )
    port = reserve()
    (folder / "good.txt").write_text("/^a[.]example$/\n")
    (folder / "iocstream.yaml").write_text(
        "sources: {f: {type: file, path: in}}\n"
        "routes: {r: {mapping: json, sink: {type: file, path: out}}}\n"
        "guards: {lists: [good.txt]}\n"
        f"server: {{listen: '127.0.0.1:{port}', tokens: [{{name: t, scopes: [read], hash: '{made['hash']}'}}]}}\n"
    )
    (folder / "in").mkdir()
    with subprocess.Popen([program, "serve"], cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                if '"serving"' in line or "serving " in line:
                    break
            else:
                pytest.fail("it ended before it served")
            url = f"http://127.0.0.1:{port}/actions/get_status"
            answer = requests.post(url, json={}, headers={"Authorization": f"Bearer {made['token']}"}, timeout=30)
        finally:
            process.terminate()
            process.communicate(timeout=60)
    return answer.status_code


def test_what_the_containerfile_runs_installs_from_the_locks_alone_and_can_serve(tmp_path):
    """Its steps, in a virtual environment in the place of the image."""
    copied = re.findall(r"^COPY (?!--from)(.*)$", CONTAINER.split("\nFROM ")[1], re.MULTILINE)
    for line in copied:
        *sources, target = line.split()
        for source in sources:
            to = tmp_path / "build" / (target if target == source else f"{target}/{Path(source).name}")
            to.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, to)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "image"], check=True)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}/image/bin:{os.environ['PATH']}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    environment.pop("PYTHONPATH", None)
    for step in steps():
        command = step.replace("/opt/iocstream", f"{tmp_path}/opt/iocstream")
        done = subprocess.run(
            ["sh", "-ec", command], cwd=tmp_path / "build", env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    (tmp_path / "work").mkdir()
    assert serving_answers(tmp_path / "opt/iocstream/bin/iocstream", tmp_path / "work") == HTTPStatus.OK


def works(command):
    return subprocess.run(command, capture_output=True, timeout=300, check=False).returncode == 0


def engine():
    """A container engine that works and can have the base image."""
    for name in ("docker", "podman"):
        if shutil.which(name) and works([name, "info"]):
            if not works([name, "pull", "python:3.12-slim"]):
                pytest.skip(f"{name} cannot have the base image")
            return name
    pytest.skip("no container engine answers")


@pytest.mark.timeout(600)
def test_the_image_is_built_and_can_serve():
    name = engine()
    build = [name, "build", "--quiet", "-f", "deploy/Containerfile", "."]
    image = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    run = [name, "run", "--rm", "--read-only", "--cap-drop", "ALL", image]
    assert "iocstream" in subprocess.run([*run, "--version"], capture_output=True, text=True, check=True).stdout
    # Without a configuration it says so; without the packages of the server it would say that instead.
    done = subprocess.run([*run, "serve"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "/etc/iocstream/iocstream.yaml" in done.stderr


def test_the_instructions_name_files_that_are_there():
    commands = re.findall(r"```sh\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    for path in re.findall(r"\b((?:deploy|requirements)/[\w./-]+)", "".join(commands)):
        assert (ROOT / path).exists(), path
