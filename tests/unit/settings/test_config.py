from pathlib import Path
from typing import Annotated, Literal, Self

import pytest
from pydantic import Field, SecretStr, model_validator

from connector import configuration
from connector.model import Misconfigured
from connector.settings import config, yamldoc
from connector.settings.config import Placeholders, Settings


class Left(Settings):
    type: Literal["left"]
    port: int = 1
    secret: SecretStr | None = None
    side: Literal["near", "far"] = "near"
    is_open: bool = False

    @model_validator(mode="after")
    def _lucky(self) -> Self:
        if self.port == 13:
            raise ValueError("that one is unlucky")
        return self


class Right(Settings):
    type: Literal["right"]
    tags: tuple[str, ...] = Field(("x",), min_length=1)
    name: str = Field("x", min_length=1)


class Whole(Settings):
    parts: dict[Annotated[str, Field(pattern="^[^ ]+$")], Annotated[Left | Right, Field(discriminator="type")]]
    limit: int = Field(10, ge=1)


def read(text, environ=None):
    return config.validate(yamldoc.parse(text, "c.yaml"), Whole, Placeholders(Path("/nowhere"), environ or {}))


def complaint(text, environ=None):
    with pytest.raises(Misconfigured) as caught:
        read(text, environ)
    return str(caught.value)


def test_variables_and_files_fill_string_leaves_once(tmp_path):
    (tmp_path / "secret").write_text("from-file ${B}\n")
    whole = read(
        f"parts: {{a: {{type: left, port: '${{P}}', secret: 'x${{A}}$${{C}}${{file:{tmp_path}/secret}}'}}}}",
        {"A": "${B}", "P": "514"},
    )
    assert whole.parts["a"].port == 514
    # What a variable holds is not looked into again: a secret may hold any characters.
    assert whole.parts["a"].secret.get_secret_value() == "x${B}${C}from-file ${B}"


def test_a_file_full_of_faults_shows_the_first_of_them():
    shown = complaint("parts: {}\n" + "".join(f"k{n}: 1\n" for n in range(5000))).splitlines()
    assert len(shown) == 21
    assert shown[-1] == "and 4980 faults more"


def test_keys_are_not_filled_in():
    assert complaint("parts: {'${A}': {type: nothing}}", {"A": "b"}).startswith("c.yaml:1:24: parts.${A}.type")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("parts:\n  a:\n    type: left\n    port: many", "c.yaml:4:11: parts.a.port: must be a whole number"),
        (
            "parts:\n  a:\n    type: left\n    prot: 1",
            "c.yaml:4:11: parts.a.prot: there is no such option; did you mean port?",
        ),
        ("parts:\n  a: {type: up}", "c.yaml:2:13: parts.a.type: there is no such type; choose one of 'left', 'right'"),
        ("parts:\n  a: {port: 1}", "c.yaml:2:6: parts.a: needs a type"),
        (
            "parts:\n  a:\n    type: right\n    tags: [x, [y]]",
            "c.yaml:4:15: parts.a.tags[1]: must be text",
        ),
        ("limit: 3", "c.yaml:1:1: parts: is required"),
        ("parts: {}\nlimit: 0", "c.yaml:2:8: limit: must be at least 1"),
        ("parts:\n  a: {type: left, secret: '${NOPE}'}", "parts.a.secret: the environment variable NOPE is not set"),
        (
            "parts:\n  a: {type: left, secret: '${file:/nope}'}",
            "the file /nope cannot be read: No such file or directory",
        ),
        (
            "parts:\n  a: {type: left, secret: '${a b}'}",
            "${a b} is neither ${VARIABLE} nor ${file:/path} nor ${credential:NAME}",
        ),
        ("parts:\n  a: {type: left, secret: '${credential:key}'}", "set CREDENTIALS_DIRECTORY to their folder"),
        ("parts:\n  a: {type: left, secret: '${credential:../key}'}", "does not name a credential"),
        ("- a list", "c.yaml:1:1: must be a section with options"),
        ("parts:\n  a", "c.yaml:2:3: parts: must be a section with options"),
        ("parts:\n  a: left", "c.yaml:2:6: parts.a: must be a section with options"),
        ("parts: {a: {type: right, tags: []}}", "c.yaml:1:32: parts.a.tags: must not be empty"),
        ("parts: {a: {type: right, tags: [x], name: ''}}", "c.yaml:1:43: parts.a.name: must not be empty"),
        ("parts: {a: {type: right, tags: x}}", "c.yaml:1:32: parts.a.tags: must be a list"),
        ("parts: {a: {type: left, port: 13}}", "c.yaml:1:12: parts.a: that one is unlucky"),
        ("parts: {a b: {type: left}}", "c.yaml:1:14: parts.a b: this name must match ^[^ ]+$"),
        ("parts: {a: {type: left, side: up}}", "c.yaml:1:31: parts.a.side: must be 'near' or 'far'"),
        ("parts: {a: {type: left, is_open: 7}}", "c.yaml:1:34: parts.a.is_open: must be true or false"),
        ("", "c.yaml: there is nothing in this file"),
    ],
)
def test_every_fault_names_line_path_and_what_was_expected(text, said):
    assert said in complaint(text)


def test_all_faults_are_told_at_once():
    assert complaint("parts: {a: {type: left, port: x}}\nlimit: y").count("\n") == 1


def test_all_that_cannot_be_filled_in_is_told_at_once():
    said = complaint("parts:\n  a: {type: left, secret: '${A}${file:/nope}'}\n  b: {type: left, secret: '${B}'}")
    assert "c.yaml:2:27: parts.a.secret: the environment variable A is not set" in said
    assert "c.yaml:2:27: parts.a.secret: the file /nope cannot be read" in said
    assert "c.yaml:3:27: parts.b.secret: the environment variable B is not set" in said


def test_what_cannot_be_filled_in_a_thousand_times_is_told_in_a_page():
    some = "".join(f"  a{n}: {{type: left, secret: '${{file:/nope/{n}}}'}}\n" for n in range(1000))
    shown = complaint(f"parts:\n{some}").splitlines()
    assert len(shown) == 21
    assert shown[-1] == "and 980 faults more"
    assert len(complaint(f"parts: {{a: {{type: left, secret: '${{file:/{'x' * 200_000}}}'}}}}")) < 3000


def test_no_value_ever_appears_in_an_error():
    said = complaint("parts: {a: {type: left, secret: [hush], port: '${P}'}}", {"P": "canary-hush"})
    assert "hush" not in said


@pytest.mark.parametrize("secret", ["canary-hush", "hush\\\t'", "cefcef"])
@pytest.mark.parametrize(
    "option",
    ["mapping: '${S}'", "mapping: cef, sources: ['x${S}']", "mapping: cef, when: '[${S}'", "mapping: './${S}'"],
)
def test_an_error_shows_a_placeholder_and_not_what_it_stands_for(tmp_path, option, secret):
    path = tmp_path / "c.yaml"
    path.write_text(
        f"sources: {{v: {{type: file, path: x}}}}\nroutes: {{r: {{{option}, sink: {{type: file, path: '-'}}}}}}"
    )
    with pytest.raises(Misconfigured) as caught:
        configuration.load(path, {"S": secret})
    assert secret not in str(caught.value)
    assert repr(secret)[1:-1] not in str(caught.value)
    assert "${S}" in str(caught.value)


def test_the_schema_for_editors_admits_placeholders_for_any_option():
    import jsonschema_rs

    schema = config.json_schema(Whole, "whole")
    jsonschema_rs.meta.validate(schema)
    valid = jsonschema_rs.Draft202012Validator(schema).is_valid
    assert valid({"parts": {"a": {"type": "left", "port": "${PORT}"}}})
    assert valid({"parts": {"a": {"type": "left", "port": 7}}})
    assert not valid({"parts": {"a": {"type": "left", "port": "many"}}})
    assert not valid({"parts": {"a": {"type": "left", "prot": 7}}})
