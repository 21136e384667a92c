"""What lies in deploy/: the systemd unit, the container file, the configuration for both."""

import json
import os
import re
import shutil
import subprocess
import sys
from http import HTTPStatus

import pytest
from integration.command import ROOT

from connector import configuration
from connector.monitoring import server

DEPLOY = ROOT / "deploy"
UNIT = (DEPLOY / "iocstream.service").read_text()
CONTAINER = (DEPLOY / "Containerfile").read_text()


def analyze(*arguments):
    if shutil.which("systemd-analyze") is None:
        assert "CI" not in os.environ, "systemd-analyze is missing: .ci/install-servers"
        pytest.skip("systemd is not installed")
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def unit(tmp_path):
    """The unit, with /bin/true as its command, so that it can be verified on any machine."""
    path = tmp_path / "iocstream.service"
    assert "\nExecStart=/opt/iocstream/bin/iocstream run " in UNIT
    path.write_text(UNIT.replace("ExecStart=/opt/iocstream/bin/iocstream", "ExecStart=/bin/true"))
    return path


def setting(name):
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def test_systemd_takes_the_unit_without_complaint(unit):
    assert analyze("verify", "--man=no", str(unit)) == (0, "")


def test_the_unit_gives_the_service_little(unit):
    code, said = analyze("security", "--offline=true", "--threshold=20", str(unit))
    assert code == 0, said
    (exposure,) = re.findall(r"Overall exposure level for \S+ ([\d.]+)", said)
    assert float(exposure) <= 2.0


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
    credentials = re.findall(r"\$\{file:/run/credentials/iocstream\.service/(\w+)\}", text)
    assert credentials == [loaded.split(":")[0] for loaded in setting("LoadCredential")]
    assert re.search(r"^ {2}path: /var/lib/iocstream/", text, re.MULTILINE)
    assert setting("StateDirectory") == ["iocstream"]
    for name in credentials:
        (tmp_path / name).write_text("secret\n")
    path = tmp_path / "iocstream.yaml"
    path.write_text(text.replace("/run/credentials/iocstream.service", str(tmp_path)))
    plan = configuration.load(path, {})
    assert plan.settings.telemetry.address() == ("127.0.0.1", 9464)


def test_the_image_holds_what_the_locks_say_runs_as_nobody_special_and_tells_its_health():
    build, final = CONTAINER.split("\nFROM ")[1:]
    images = [stage.splitlines()[0].split()[0] for stage in (build, final)]
    assert images == ["python:3.12-slim"] * 2
    assert build.count("--require-hashes") == 2
    assert "--no-build-isolation" in build
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*\\\n +CMD .*127\.0\.0\.1:9464/healthz", final, re.MULTILINE)
    assert re.search(r'^ENTRYPOINT \["iocstream"\]\nCMD \["run"\]$', final, re.MULTILINE)
    assert "pip" not in final, "what installs does not belong into the image"
    assert not re.search(r"^(ADD|ARG|ENV .*(KEY|PASSWORD|TOKEN))", CONTAINER, re.MULTILINE)


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


def test_the_build_back_end_is_locked_in_the_version_that_the_tests_use():
    pinned = {
        name: set(re.findall(r"^([\w.-]+==[\w.]+)", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE))
        for name in ("build", "dev")
    }
    assert any(package.startswith("hatchling==") for package in pinned["build"])
    assert pinned["build"] <= pinned["dev"]


def test_the_instructions_name_files_that_are_there():
    commands = re.findall(r"```sh\n(.*?)```", (DEPLOY / "README.md").read_text(), re.DOTALL)
    for path in re.findall(r"\b((?:deploy|requirements)/[\w./-]+)", "".join(commands)):
        assert (ROOT / path).exists(), path
