"""docs/plugins.md is true: its configuration can be loaded, its function called, its names are there."""

import re
from types import ModuleType

import click
import installed_plugins
from integration.command import ROOT

import connector.contract
import connector.plugin
from connector import configuration
from connector.authoring import plugins
from connector.cli.main import iocstream
from connector.cli.plugin import _KINDS
from connector.contract import FunctionContract
from connector.entry_points import GROUPS
from connector.mapping.language import plugin_functions

PAGE = (ROOT / "docs" / "plugins.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_its_configuration_can_be_loaded_where_the_example_is_installed(tmp_path):
    (route,) = blocks("yaml")
    (tmp_path / "iocstream.yaml").write_text(f"sources:\n  in: {{type: file, path: in.jsonl}}\n{route}")
    offered = {"sinks": {"sqlite": "iocstream_sqlite.sink:KIND"}}
    installed_plugins.install(tmp_path / "installed", "iocstream-sqlite", offered)
    (tmp_path / "installed" / "iocstream_sqlite").symlink_to(ROOT / "examples/plugin-sqlite/src/iocstream_sqlite")
    with installed_plugins.looked_for_in(tmp_path / "installed"):
        plan = configuration.load(tmp_path / "iocstream.yaml")
    assert plan.settings.routes["table"].sink.receiver() == f"sqlite {tmp_path}/iocs.db"


def test_its_function_is_what_its_example_says(tmp_path):
    function, test = blocks("python")
    installed_plugins.install(tmp_path, "acme", {"functions": {"shout": "acme:FUNCTION"}}, acme=function)

    class Contract(FunctionContract):
        name = "shout"

    with installed_plugins.looked_for_in(tmp_path):
        assert plugin_functions.find("shout").call("a") == "A!"
        Contract().test_it_is_what_its_example_says()
        Contract().test_it_says_in_a_sentence_what_it_gives()
    scope = {"Receiver": None}
    exec(compile(test, "plugins.md", "exec"), scope)
    assert issubclass(scope["TestSink"], connector.contract.SinkContract)


def test_the_names_it_gives_are_there():
    modules: tuple[ModuleType, ...] = (connector.plugin, connector.contract)
    known = {name for module in modules for name in module.__all__}
    named = set(re.findall(r"`([A-Z]\w+)`", PAGE)) - {"SecretStr", "Field", "Literal"}
    assert named - known == set()
    for module in modules:
        assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_it_has_every_group_that_can_be_loaded_and_every_template():
    in_table = set(re.findall(r"^\| `iocstream\.(\w+)` \|", PAGE, re.MULTILINE))
    assert in_table == {*GROUPS}
    assert set(_KINDS) == {*plugins.KINDS}
    new = re.search(r"iocstream plugin new (\w+) my_own +# or: (.*)", PAGE)
    assert {new[1], *new[2].split(", ")} == {*plugins.KINDS}


def test_its_commands_are_there():
    for line in re.findall(r"^iocstream (.*)$", "\n".join(blocks("sh")), re.MULTILINE):
        command: click.Command = iocstream
        for word in line.split():
            if not isinstance(command, click.Group):
                break
            command = command.commands[word]
