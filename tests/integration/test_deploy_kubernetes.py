"""What lies in deploy/kubernetes: judged by Kubernetes' schemas, and what a pod runs is run, as processes."""

import re
import subprocess
import time
from contextlib import closing

import pytest
import requests
from free_ports import reserve
from integration.command import ROOT, started
from integration.validators import found
from peers import postgresql
from ruamel.yaml import YAML

from connector import configuration
from connector.settings.server import new_token
from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.wsgi_server import serving

MANIFESTS = sorted(set((ROOT / "deploy/kubernetes").glob("*.yaml")) - {ROOT / "deploy/kubernetes/kustomization.yaml"})
VERSIONS = ("1.29", "1.37")
"""The oldest and the newest that they are judged by."""
KEY = "canary-api-key"
SECRETS = "/run/secrets/iocstream"


def documents():
    """Every object that is made, by kind and name."""
    made = {}
    for path in MANIFESTS:
        for document in YAML(typ="safe").load_all(path):
            made[document["kind"], document["metadata"]["name"]] = document
    return made


def pod(component):
    return documents()["Deployment", f"iocstream-{component}"]["spec"]["template"]["spec"]


def container(component):
    (only,) = pod(component)["containers"]
    return only


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_schemas_take_them_and_know_every_field(version):
    program = found("kubernetes/bin/kubernetes-validate")
    judged = subprocess.run(
        [program, "--strict", "-k", version, *MANIFESTS], capture_output=True, text=True, check=False
    )
    said = judged.stdout + judged.stderr
    assert judged.returncode == 0, said
    assert said.count(" passed for resource ") == len(documents())


def test_the_schemas_refuse_a_field_that_there_is_not(tmp_path):
    program = found("kubernetes/bin/kubernetes-validate")
    path = tmp_path / "run.yaml"
    path.write_text((ROOT / "deploy/kubernetes/run.yaml").read_text().replace("livenessProbe:", "aliveProbe:"))
    assert subprocess.run([program, "--strict", path], capture_output=True, check=False).returncode


def test_kustomization_names_every_file():
    named = YAML(typ="safe").load(ROOT / "deploy/kubernetes/kustomization.yaml")["resources"]
    assert sorted(named) == [path.name for path in MANIFESTS]


@pytest.mark.parametrize("component", ["run", "serve"])
def test_a_pod_has_few_rights_and_what_selects_it_does(component):
    made = documents()
    labels = made["Deployment", f"iocstream-{component}"]["spec"]["template"]["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert made[kind, f"iocstream-{component}"]["spec"]["selector"]["matchLabels"] == labels
    assert made["Service", "iocstream"]["spec"]["selector"] | {"app.kubernetes.io/component": component} == labels
    assert made["Deployment", f"iocstream-{component}"]["spec"]["replicas"] > 1
    assert pod(component)["securityContext"]["runAsNonRoot"]
    assert not pod(component)["automountServiceAccountToken"]
    rights = container(component)["securityContext"]
    assert rights["readOnlyRootFilesystem"]
    assert not rights["allowPrivilegeEscalation"]
    assert rights["capabilities"] == {"drop": ["ALL"]}
    assert (
        pod(component)["terminationGracePeriodSeconds"] > configuration.Config.model_fields["shutdown_seconds"].default
    )
    mounts = {mount["name"]: mount["mountPath"] for mount in container(component)["volumeMounts"]}
    assert mounts["secrets"] == SECRETS
    assert mounts["configuration"] == "/etc/iocstream"


def test_every_secret_that_the_configuration_names_is_in_the_secret():
    text = documents()["ConfigMap", "iocstream"]["data"]["iocstream.yaml"]
    assert set(re.findall(rf"{SECRETS}/([\w.]+)", text)) == set(documents()["Secret", "iocstream"]["stringData"])


def configured(folder, url, ports):
    """The configuration of the ConfigMap, with what stands here for the servers that it names."""
    text = documents()["ConfigMap", "iocstream"]["data"]["iocstream.yaml"]
    schema = postgresql.shared().empty_schema()
    _, hashed = new_token()
    secrets = {"vt_api_key": KEY, "journal_password": postgresql.PASSWORD, "ca.pem": "", "soar_token_hash": hashed}
    for name, secret in secrets.items():
        (folder / name).write_text(secret)
    for pattern, instead in (
        (r"dsn: .*", f"dsn: {postgresql.shared().network_dsn}\n  schema_name: {schema}"),
        (re.escape(SECRETS), str(folder)),
        (r"( +)type: virustotal\n", rf"\g<0>\g<1>api_url: {url}/api/v3\n"),
        (r"sink: .*", f"sink: {{type: file, path: {folder}/events.cef}}"),
        (r"0\.0\.0\.0:9464", f"127.0.0.1:{ports['metrics']}"),
        (r"0\.0\.0\.0:8640", f"127.0.0.1:{ports['http']}"),
    ):
        text, count = re.subn(pattern, instead, text)
        assert count, pattern
    (folder / "iocstream.yaml").write_text(text)


def test_what_the_pods_run_starts_delivers_and_answers_the_probes(tmp_path):
    postgresql.needs_postgresql()
    ports = {"metrics": reserve(), "http": reserve()}
    with serving(Api(notifications(40), key=KEY)) as url:
        configured(tmp_path, url, ports)
        processes = [
            started(*container(component)["args"], cwd=tmp_path, stderr=subprocess.DEVNULL)
            for component in ("run", "serve")
        ]
        try:
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                asked = container("run")[probe]["httpGet"]
                page = f"http://127.0.0.1:{ports[asked['port']]}{asked['path']}"
                eventually(lambda page=page: answers(page))
                asked = container("serve")[probe]["tcpSocket"]
                eventually(lambda asked=asked: answers(f"http://127.0.0.1:{ports[asked['port']]}/", 0))
            eventually(lambda: (tmp_path / "events.cef").exists() and (tmp_path / "events.cef").stat().st_size > 0)
        finally:
            for process in processes:
                process.terminate()
            codes = [process.wait(60) for process in processes]
    assert codes == [0, 0]


def answers(page, status=200):
    """Whether a page answers with this status; 0: with any."""
    try:
        with closing(requests.get(page, timeout=10)) as answer:
            return status in (0, answer.status_code)
    except requests.ConnectionError:
        return False


def eventually(holds, seconds=60):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)
