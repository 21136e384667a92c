"""`iocstream check`: every part is looked at, and what is wrong with one keeps none of the others from it."""

import json

import pytest
from integration.command import iocstream_here


@pytest.fixture
def check(tmp_path):
    """Checks a configuration in a folder of its own; the level and message of each finding, and the exit code."""

    def run(text, **environ):
        (tmp_path / "iocstream.yaml").write_text(text)
        done = iocstream_here("check", "--json", cwd=tmp_path, env=environ)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


@pytest.fixture
def refused(tmp_path):
    """Checks a configuration that cannot be loaded; what is said, which `run` says likewise."""

    def run(text, **environ):
        (tmp_path / "iocstream.yaml").write_text(text)
        said = set()
        for command in (("check", "--json"), ("run", "--once")):
            done = iocstream_here(*command, cwd=tmp_path, env=environ)
            assert done.returncode == 2
            said.add(done.stderr)
        (only,) = said
        return only

    return run


def configuration(routes, sources="a: {type: file, path: .}"):
    return f"sources:\n  {sources}\nroutes:\n{routes}"


def route(name, mapping="json", sink="{type: file, path: out.jsonl}", when=None):
    condition = "" if when is None else f", when: {json.dumps(when)}"
    return f"  {name}: {{mapping: {mapping}, sink: {sink}{condition}}}\n"


class TestCredentials:
    @pytest.mark.parametrize("secret", ["canary\nx", "canary ", "canaryé", "\x1bcanary"])
    def test_one_that_no_header_can_carry_is_named_with_its_line_and_not_shown(self, refused, secret):
        taxii = "{type: taxii, collection_url: 'https://x.example/r/collections/c/', token: '${SECRET}'}"
        said = refused(
            configuration(route("r", sink=taxii), "vt: {type: virustotal, api_key: '${SECRET}'}"), SECRET=secret
        )
        assert "iocstream.yaml:2:35: sources.vt.api_key: holds characters that no HTTP header can carry" in said
        assert "routes.r.sink.token: holds characters" in said
        assert "canary" not in said
