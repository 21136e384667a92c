"""A mapping with overlays, from the configuration, the command line and the library."""

import json

import orjson
import pytest
from integration.command import iocstream_here
from mapping_examples import MAPPINGS

from connector import Misconfigured, convert

BODY = (MAPPINGS / "examples" / "inputs" / "domain_hunting.json").read_bytes()
OURS = "extends: json\nadd:\n  emit:\n    line: {site: ours}\n"
MORE = "extends: json\nchange:\n  emit:\n    line: {site: theirs}\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ours.yaml").write_text(OURS)
    (tmp_path / "more.yaml").write_text(MORE)
    (tmp_path / "one.json").write_bytes(BODY)
    return tmp_path


def configure(folder, mapping):
    (folder / "iocstream.yaml").write_text(
        f"sources: {{a: {{type: file, path: one.json}}}}\nroutes:\n  r:\n    mapping: {mapping}\n"
        "    sink: {type: file, path: out.jsonl}\n"
    )


def sites(text):
    return [json.loads(line).get("site") for line in text.splitlines()]


@pytest.mark.parametrize(
    ("mapping", "site"),
    [
        ("json", None),
        ("{use: json}", None),
        ("{use: json, overlay: ours.yaml}", "ours"),
        ("{use: json, overlay: [./ours.yaml, more.yaml]}", "theirs"),
    ],
)
def test_a_route_sends_what_the_overlays_make_of_its_mapping(folder, mapping, site):
    configure(folder, mapping)
    assert iocstream_here("run", "--once", cwd=folder).returncode == 0
    assert sites((folder / "out.jsonl").read_text()) == [site]


def test_check_tries_the_mapping_with_its_overlays(folder):
    (folder / "ours.yaml").write_text("extends: json\nadd: {emit: {line: {site: '${{ entity.misspelt }}'}}}\n")
    configure(folder, "{use: json, overlay: ours.yaml}")
    findings = json.loads(iocstream_here("check", "--json", cwd=folder).stdout)
    ok, warning = (finding for finding in findings if finding["part"] == f"json with {folder}/ours.yaml")
    assert ok["level"] == "ok"
    assert warning["message"].startswith(
        f"{folder}/ours.yaml:2:27: emit.line.site: in `entity.misspelt`: found nothing"
    )


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ("{use: jsn}", "iocstream.yaml:4:20: routes.r.mapping.use: there is no mapping 'jsn'; did you mean json? "),
        ("jsn", "iocstream.yaml:4:14: routes.r.mapping: there is no mapping 'jsn'"),
        ("{use: gone.yaml}", "routes.r.mapping.use: there is no file {folder}/gone.yaml"),
        ("{use: json, profile: opencti}", "mapping.profile: the mapping json has no profile 'opencti'; it has none"),
        (
            "{use: stix21, profile: openCTI}",
            "the mapping stix21 has no profile 'openCTI'; did you mean opencti? There is misp, opencti",
        ),
        ("{use: json, overlay: gone.yaml}", "mapping.overlay: there is no file {folder}/gone.yaml"),
        ("{profile: opencti}", "routes.r.mapping.use: is required"),
        ("{use: json, overlays: x}", "routes.r.mapping.overlays: there is no such option; did you mean overlay?"),
        ("[json]", "iocstream.yaml:4:14: routes.r.mapping: must be a section with options"),
        ("{use: cef, overlay: ours.yaml}", "extends: this is an overlay of 'json', and the mapping is 'cef'"),
        ("{use: ours.yaml}", "ours.yaml:1:10: extends: this is an overlay: name the mapping it extends"),
        ("{use: json, overlay: more.yaml}", "more.yaml:4:18: change.emit.line.site: this line does not fit"),
    ],
)  # fmt: skip
def test_what_is_not_there_or_does_not_fit_is_one_clear_error(folder, mapping, said):
    configure(folder, mapping)
    done = iocstream_here("check", cwd=folder)
    assert said.replace("{folder}", str(folder)) in done.stderr
    assert done.returncode == 2


def test_convert_takes_overlays(folder):
    done = iocstream_here("convert", "-m", "json", "-o", "ours.yaml", "--overlay", "more.yaml", "one.json", cwd=folder)
    assert (sites(done.stdout), done.returncode) == (["theirs"], 0)
    done = iocstream_here("convert", "-m", "json", "--overlay", "gone.yaml", "one.json", cwd=folder)
    said = "error: gone.yaml: cannot be read: No such file or directory"
    assert (done.stderr.splitlines()[0], done.returncode) == (said, 2)
    done = iocstream_here("convert", "-m", "json", "--profile", "x", "one.json", cwd=folder)
    said = "error: the mapping json has no profile 'x'; it has none"
    assert (done.stderr.splitlines()[0], done.returncode) == (said, 2)


def test_the_library_takes_overlays(folder):
    (made,) = convert([orjson.loads(BODY)], "json", overlays=[folder / "ours.yaml"])
    assert sites(made.messages[0].body.decode()) == ["ours"]
    with pytest.raises(Misconfigured, match="has no profile 'x'"):
        convert([orjson.loads(BODY)], "json", profile="x")


def test_a_mapping_of_ones_own_has_profiles_beside_it(folder):
    (folder / "profiles" / "json").mkdir(parents=True)
    (folder / "profiles" / "json" / "here.yaml").write_text(OURS)
    (folder / "json.yaml").write_bytes((MAPPINGS / "json.yaml").read_bytes())
    done = iocstream_here("convert", "-m", "json.yaml", "-p", "here", "-o", "more.yaml", "one.json", cwd=folder)
    assert (sites(done.stdout), done.stderr) == (["theirs"], "")
