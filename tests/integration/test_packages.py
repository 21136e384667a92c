"""What all packages have in common, and the OpenAPI document, which the server's own must be."""

import json
import tarfile
import zipfile

import pytest
import requests
from integration.command import iocstream_here
from integration.packages import ROOT, packaged

from connector.actions import ACTIONS
from connector.cli.main import iocstream
from connector.packages.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_a_package_is_the_same_each_time_and_has_every_action(target, tmp_path):
    packages = [TARGETS[target].package() for _ in range(2)]
    assert packages[0] == packages[1]
    text = b"".join(packages[0].files.values()).decode("utf-8", "replace")
    assert all(name in text for name in ACTIONS)
    assert not any(place in text for place in ("$title", "$version", "$summary", "$actions", "# filled in"))


@pytest.mark.parametrize("target", TARGETS)
def test_the_command_says_what_it_wrote(target, tmp_path):
    made = iocstream_here("manifest", "--for", target, "--out", "made", cwd=tmp_path)
    assert made.returncode == 0
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert set(made.stdout.split()) == written
    for name in written:
        if name.endswith(".zip"):
            assert zipfile.ZipFile(tmp_path / name).testzip() is None
        if name.endswith(".tgz"):
            with tarfile.open(tmp_path / name) as archive:
                assert all(each.mtime == 0 for each in archive)


def test_nothing_is_written_over_and_a_mistake_is_a_sentence(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine").write_text("mine")
    over = iocstream_here("manifest", "--for", "xsoar", "--out", "made", cwd=tmp_path)
    assert (over.returncode, over.stderr.splitlines()[0]) == (
        2,
        "error: made is not an empty folder; name another with --out, or move it away",
    )
    unknown = iocstream_here("manifest", "--for", "phantom", "--out", "x", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "there is xsoar, splunk-soar" in unknown.stderr
    assert iocstream_here("manifest", "--for", "xsoar", cwd=tmp_path).returncode == 2
    for platform in ("tines", "n8n"):
        said = iocstream_here("manifest", "--for", platform, "--out", "x", cwd=tmp_path)
        assert (said.returncode, "manifest --for openapi" in said.stderr) == (2, True)


def test_the_help_names_every_platform():
    (option,) = [each for each in iocstream.commands["manifest"].params if each.name == "target"]
    named = option.help.removeprefix("Make the package for a platform: ").rstrip(".").replace(" or ", ", ")
    assert named.split(", ") == list(TARGETS)


def test_the_openapi_document_is_that_of_the_server_with_a_place_for_its_address(tmp_path):
    with packaged("openapi", tmp_path) as (folder, server):
        document = json.loads((folder / "openapi.json").read_text())
        assert document.pop("servers")[0]["url"] == "https://{host}"
        assert document == requests.get(f"{server.url}/openapi.json", timeout=10).json()
        operation = document["paths"]["/actions/list_notifications"]["post"]["operationId"]
        answer = server.post(operation, {"limit": 1}, token="reader").json()
        assert answer["summary"] == {"listed": 1}


def test_every_platform_has_a_page_that_the_index_names():
    index = (ROOT / "docs" / "platforms" / "README.md").read_text()
    for target in TARGETS:
        page = (ROOT / "docs" / "platforms" / f"{target}.md").read_text()
        assert f"({target}.md) | `{target}` |" in index
        assert f"iocstream manifest --for {target} --out package" in page
        assert all(f"\n## {part}\n" in page for part in ("Install", "Configure", "First playbook"))
