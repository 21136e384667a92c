"""Plugins: found by name, imported when named, refused in one sentence, and no danger to what does not name them."""

import inspect
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import installed_plugins
import orjson
import pytest
from click.testing import CliRunner
from installed_plugins import install

from connector import app, configuration, entry_points, kinds, mapping
from connector.cli.main import iocstream
from connector.configuration import Config
from connector.kinds import SINKS, SOURCES
from connector.model import ConnectorError, Message, Misconfigured, Page, Refused, Unavailable
from connector.operations import journal as journals
from connector.operations import plugins
from connector.settings import config, yamldoc
from connector.settings.producer import Producer

SINK = '''
    from typing import Literal

    from pydantic import Field, SecretStr

    from connector.plugin import Misconfigured, Refusal, Refused, SinkKind, SinkSettings, Unavailable

    SENT = []

    class Settings(SinkSettings):
        """Messages into a list."""

        type: Literal["acme"] = Field("acme", description="The kind of sink: a list.")
        password: SecretStr = Field(SecretStr("hush-hush"), description="A secret of the list that nobody may see.")
        limit: int = Field(5, ge=1, description="How many messages the list takes at most.")

    class ListSink:
        def __init__(self, settings):
            self.settings = settings

        def send(self, messages):
            for each in messages:
                if each.body == b"bug":
                    raise KeyError(f"no {self.settings.password.get_secret_value()} here")
                if each.body == b"later":
                    raise Unavailable("the list is away")
            SENT.extend(messages)
            return []

        def check(self):
            return "the list is there"

        def close(self):
            pass

        def unconfirmed(self):
            return 0

        def finish(self):
            pass

    KIND = SinkKind(contract=1, settings=Settings, make=lambda settings, around: ListSink(settings))
    '''
BUG_IN_SETTINGS = """
from typing import Literal
from connector.plugin import *
class S(SinkSettings):
    type: Literal["acme"] = "acme"
    def receiver(self):
        return {}["where"]
KIND = SinkKind(contract=1, settings=S, make=lambda *_: 1)
"""
CONFIG = """
sources: {{in: {{type: file, path: in.jsonl}}}}
routes:
  out: {{mapping: {mapping}, sink: {sink}}}
"""


@pytest.fixture
def folder(tmp_path):
    with installed_plugins.looked_for_in(tmp_path / "installed"):
        yield tmp_path / "installed"


@pytest.fixture
def load(tmp_path):
    def load(sink="{type: acme}", mapping="json"):
        path = tmp_path / "iocstream.yaml"
        path.write_text(CONFIG.format(sink=sink, mapping=mapping))
        return configuration.load(path, {})

    return load


def fails(load, *arguments, **named):
    with pytest.raises(Misconfigured) as caught:
        load(*arguments, **named)
    return str(caught.value)


def test_a_sink_of_a_plugin_is_validated_made_and_used_like_one_of_ours(folder, load):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=SINK)
    plan = load("{type: acme, limit: 7}")
    settings = plan.settings.routes["out"].sink
    assert (settings.limit, settings.receiver()) == (7, "acme")
    message = Message(1, "1", b"{}", 0)
    with closing(kinds.make_sink(settings, None)) as sink:
        assert sink.check() == "the list is there"
        assert sink.send([message]) == []
    assert [message] == sys.modules["acme"].SENT


def test_options_of_a_plugin_are_told_apart_in_one_line_with_their_place(folder, load, tmp_path):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=SINK)
    assert fails(load, "{type: acme, limit: 0}") == (
        f"{tmp_path}/iocstream.yaml:4:50: routes.out.sink.limit: must be at least 1"
    )
    assert "did you mean limit?" in fails(load, "{type: acme, limits: 3}")


def test_an_unused_plugin_that_is_broken_is_not_imported_and_does_no_harm(folder, load):
    broken = "raise RuntimeError('imported')"
    offered = {group: {"broken": "broken:KIND"} for group in ("sinks", "sources", "formats", "functions", "journals")}
    install(folder, "broken", offered, broken=broken)
    load("{type: file, path: out}", "cef")
    assert "broken" not in sys.modules


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise RuntimeError('no\\n  such thing')", "cannot be imported from acme:KIND: RuntimeError: no such thing"),
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("KINDS = 5", "cannot be imported"),
        ("KIND = 5", "is no SinkKind of connector.plugin: acme:KIND is a int"),
        (
            "from connector.plugin import *\nKIND = SinkKind(contract=2, settings=SinkSettings, make=lambda *_: 1)",
            "was written for version 2 of the contract with plugins, and this version of the connector,",
        ),
        (
            "from connector.plugin import *\nKIND = SinkKind(contract=1, settings=Settings, make=lambda *_: 1)",
            "its settings are no SinkSettings of connector.plugin",
        ),
        (
            "from connector.plugin import *\nKIND = SinkKind(contract=1, settings=SinkSettings, make=lambda *_: 1)",
            'the `type` of its settings must be Literal["acme"]',
        ),
        (
            BUG_IN_SETTINGS,
            "failed: KeyError: 'where' (acme.py:7, in receiver). That is a fault of the plugin",
        ),
    ],
)
def test_a_plugin_that_cannot_be_used_is_one_error_that_names_it_and_the_place_that_names_it(folder, load, text, says):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, version="0.3", acme=text)
    error = fails(load)
    assert says in error
    assert "iocstream.yaml:4:37: " in error
    assert "routes.out.sink.type: the sink 'acme' of acme-sink 0.3" in error
    assert len(error.splitlines()) == 1


def test_what_fails_when_it_is_made_is_one_error_without_its_secrets(folder, load):
    text = SINK.replace("self.settings = settings", "raise OSError(settings.password.get_secret_value() + ' is wrong')")
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=text)
    settings = load().settings.routes["out"].sink
    error = fails(kinds.make_sink, settings, None)
    assert "the sink 'acme' of acme-sink 1.0 failed: OSError: *** is wrong (acme.py:" in error


def test_a_bug_of_a_plugin_blocks_what_uses_it_and_the_three_errors_mean_what_they_do(folder, load):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=SINK)
    sink = kinds.make_sink(load().settings.routes["out"].sink, None)
    with pytest.raises(Misconfigured, match=r"failed: KeyError: 'no \*\*\* here' \(acme.py:\d+, in send\)"):
        sink.send([Message(1, "1", b"bug", 0)])
    with pytest.raises(Unavailable, match="the list is away"):
        sink.send([Message(1, "1", b"later", 0)])


@pytest.mark.parametrize("error", ["Unavailable({})", "Misconfigured({})", "Refused({}, by='sink')"])
def test_the_words_of_the_three_errors_have_no_secrets_and_can_be_written(folder, load, error):
    words = "'no\\n\\udcff ' + self.settings.password.get_secret_value()"
    install(
        folder, "acme", {"sinks": {"acme": "acme:KIND"}}, acme=SINK.replace("return []", "raise " + error.format(words))
    )
    sink = kinds.make_sink(load().settings.routes["out"].sink, None)
    with pytest.raises(ConnectorError, match=r"^no\\n\\udcff \*\*\*$"):
        sink.send([])


def test_why_a_message_was_refused_has_no_secrets_and_can_be_written(folder, load):
    words = "'no\\udcff ' + self.settings.password.get_secret_value()"
    refusals = f"[Refusal(each, {words}) for each in messages]"
    install(folder, "acme", {"sinks": {"acme": "acme:KIND"}}, acme=SINK.replace("return []", "return " + refusals))
    sink = kinds.make_sink(load().settings.routes["out"].sink, None)
    assert [refusal.reason for refusal in sink.send([Message(1, "1", b"x", 0)])] == [r"no\udcff ***"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("return []", "return None", r"TypeError: send\(\) gave something else than it must: NoneType"),
        ("return []", "return ['no']", r"TypeError: send\(\) gave something else than it must: list"),
        ("def close", "def shut", "TypeError: it is a ListSink, which has no close"),
    ],
)
def test_a_sink_that_is_none_is_an_error_that_names_it(folder, load, old, new, says):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=SINK.replace(old, new))
    settings = load().settings.routes["out"].sink
    with pytest.raises(Misconfigured, match=f"the sink 'acme' of acme-sink 1.0 failed: {says}"):
        kinds.make_sink(settings, None).send([])


def test_no_part_of_a_secret_is_left_where_a_long_message_is_cut(folder, load):
    text = SINK.replace('f"no {self.settings', '"x" * 296 + f"{self.settings')
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=text)
    sink = kinds.make_sink(load().settings.routes["out"].sink, None)
    error = fails(sink.send, [Message(1, "1", b"bug", 0)])
    assert "xxx" in error
    assert "hu" not in error.replace("that", "").partition(" (acme.py")[0].rpartition("xx")[2]


def test_a_bug_blocks_its_route_alone_and_loses_nothing(folder, tmp_path):
    text = SINK.replace("SENT.extend(messages)", "SENT.extend(messages if not BROKEN else {}['x'])")
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme="BROKEN = [True]\n" + textwrap.dedent(text))
    path = tmp_path / "iocstream.yaml"
    path.write_text(
        CONFIG.format(mapping="json", sink="{type: acme}") + "  beside: {mapping: json, sink: {type: file, path: out}}"
    )
    body = {"type": "domain", "id": "a", "context_attributes": {"notification_id": "1", "notification_date": 1}}
    (tmp_path / "in.jsonl").write_bytes(orjson.dumps(body))
    plan = configuration.load(path, {})
    _, broken, beside = app.run(plan, once=True)
    assert (broken.name, broken.state, broken.refused, beside.state, beside.delivered) == (
        "out",
        "blocked",
        0,
        "done",
        1,
    )
    assert "the sink 'acme' of acme-sink 1.0 failed: KeyError: 'x'" in broken.message
    sys.modules["acme"].BROKEN.clear()
    _, mended, beside = app.run(plan, once=True)
    assert (mended.state, mended.delivered, beside.delivered) == ("done", 1, 0)


def test_a_held_sink_has_those_ports_that_the_plugin_has(folder, load):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=SINK)
    sink = kinds.make_sink(load().settings.routes["out"].sink, None)
    assert isinstance(sink, kinds.ports.Confirmation)
    assert not isinstance(sink, kinds.ports.Resumable | kinds.ports.Emptiable)


def test_a_name_of_ours_is_an_error_that_names_both(folder, load):
    install(folder, "acme-sink", {"sinks": {"file": "acme:KIND"}}, acme=SINK)
    assert "the sink 'file' of acme-sink 1.0 has the name of one that the connector has itself" in fails(
        load, "{type: file, path: out}"
    )
    assert "acme" not in sys.modules


def test_a_name_that_two_offer_is_an_error_that_names_both(folder, load):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=SINK)
    install(folder, "other", {"sinks": {"acme": "other:KIND"}}, version="2")
    assert "the sink 'acme' is offered by acme-sink 1.0 and other 2: uninstall one of them" in fails(load)


def test_a_type_that_nobody_has_is_told_with_those_that_plugins_offer(folder, load):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=SINK)
    error = fails(load, "{type: acmee}")
    assert "there is no such type; choose one of 'taxii'" in error
    assert "'acme', or install the plugin that has it" in error


def test_the_schema_has_a_plugin_that_was_named_with_its_secret_marked(folder, load):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=SINK)
    assert '"acme"' not in orjson.dumps(config.json_schema(Config, "x")).decode()
    load()
    schema = config.json_schema(Config, "x")
    kinds_of_sink = schema["$defs"]["RouteSettings"]["properties"]["sink"]["discriminator"]["mapping"]
    assert {*kinds_of_sink} == {*SINKS, "acme"}
    options = schema["$defs"][kinds_of_sink["acme"].rpartition("/")[2]]["properties"]
    assert options["limit"]["anyOf"][0]["minimum"] == 1  # or `${…}`
    assert options["password"]["format"] == "password"


SOURCE = '''
    from typing import Literal

    from connector.plugin import Page, SourceKind, SourceSettings, read_notification

    class Settings(SourceSettings):
        """Two pages, the second of which never comes."""

        type: Literal["acme"] = "acme"
        poll_seconds: int = 60

    class Pages:
        def __init__(self, settings):
            pass

        def pages(self, checkpoint):
            yield Page([read_notification({"type": "file", "id": "1"})], 1)
            yield 1 / 0

        def look_up(self, subject): ...
        def check(self):
            return "here"

        def quota(self): ...
        def close(self): ...

    KIND = SourceKind(contract=1, settings=Settings, make=Pages)
    '''


def test_a_bug_in_the_middle_of_a_source_leaves_what_it_has_given(folder, tmp_path):
    install(folder, "acme-source", {"sources": {"acme": "acme:KIND"}}, acme=SOURCE)
    found = SOURCES.find("acme")
    source = kinds.make_source(found.declared.settings())
    pages = source.pages(None)
    assert next(pages).checkpoint == 1
    with pytest.raises(Misconfigured, match=r"the source 'acme' of acme-source 1.0 failed: ZeroDivisionError"):
        next(pages)
    assert not isinstance(source, kinds.SearchableSource)


FORMAT = """
    from connector.plugin import FormatKind, Refused

    class Lines:
        names = {}

        def quote(self, key, value):
            return str(value)

        def encode(self, document):
            if document["text"] == "refused":
                raise Refused("it is refused", by="format")
            return (document["text"] + "!").encode()

    KIND = FormatKind(contract=1, make=lambda producer: Lines())
    """


def compiled(text, formats=None):
    return mapping.compile_mapping(yamldoc.parse(text, "m.yaml"), formats or kinds.make_formats(Producer()))


def test_a_format_of_a_plugin_encodes_and_its_bug_refuses_the_document(folder):
    install(folder, "acme-format", {"formats": {"lines": "acme:KIND"}}, acme=FORMAT)
    made = compiled("{format: lines, emit: {a: {text: '${{ entity_value }}'}}}")
    assert made.format.encode({"text": "a"}) == b"a!"
    with pytest.raises(Refused, match="it is refused"):
        made.format.encode({"text": "refused"})
    with pytest.raises(Refused, match=r"the format 'lines' of acme-format 1.0 failed: KeyError: 'text'") as caught:
        made.format.encode({})
    assert caught.value.by == "format"


def test_a_format_that_cannot_be_used_is_told_with_the_place_that_names_it(folder):
    install(folder, "acme-format", {"formats": {"lines": "acme:KIND"}}, acme="raise ValueError('no')")
    with pytest.raises(Misconfigured, match=r"m.yaml:1:10: format: the format 'lines' of acme-format 1.0 cannot be"):
        compiled("{format: lines, emit: {a: {text: a}}}")


FUNCTION = '''
    import time

    from connector.plugin import NUMBER, STRING, ARRAY, MappingFunction, Parameter

    def shout(text):
        """The text, louder.

        shout('a') → "A!"
        """
        if text == "silent":
            raise ValueError("nobody may shout this")
        return {"bug": lambda: {}["x"], "number": lambda: 5, "set": lambda: {1}}.get(text, lambda: text.upper() + "!")()

    def spread(text):
        return [text] * 20_000_000 if text == "much" else [text, {1: 2}]

    SHOUT = MappingFunction(contract=1, call=shout, parameters=(Parameter("text", STRING),), returns=STRING)
    SPREAD = MappingFunction(contract=1, call=spread, parameters=(Parameter("text", STRING),), returns=ARRAY)
    FUTURE = MappingFunction(contract=7, call=shout, parameters=(Parameter("text", STRING),), returns=STRING)
    '''
OFFERED = {"shout": "acme:SHOUT", "spread": "acme:SPREAD", "future": "acme:FUTURE"}


def rendered(expression, value):
    made = compiled(f"{{format: json, emit: {{a: {{text: '${{{{ {expression} }}}}', more: 1}}}}}}")
    view = {"notification": {}, "entity": {"v": value}, "entity_value": value, "source": {}}
    return made.render(view)[0].get("text")


def test_a_function_of_a_plugin_is_called_checked_and_folded_like_one_of_ours(folder):
    install(folder, "acme-functions", {"functions": OFFERED}, acme=FUNCTION)
    assert rendered("shout(entity.v)", "a") == "A!"
    assert rendered('shout(`"b"`)', "a") == "B!"
    assert rendered("shout(entity.v)", None) is None
    with pytest.raises(Misconfigured, match=r"shout\(\) takes 1 argument, not 2"):
        rendered("shout(entity.v, entity.v)", "a")
    with pytest.raises(Misconfigured, match=r"shout\(\) takes string as argument 1, not number"):
        rendered("shout(`1`)", "a")


@pytest.mark.parametrize(
    ("expression", "value", "says"),
    [
        ("shout(entity.v)", "silent", r"shout\(\): nobody may shout this"),
        ("shout(entity.v)", "bug", r"shout\(\) of acme-functions 1.0 failed, which is a fault of it: KeyError: 'x'"),
        ("shout(entity.v)", "number", r"shout\(\) of acme-functions 1.0 gave something else than string"),
        ("shout(entity.v)", "set", r"shout\(\) of acme-functions 1.0 gave something else than string"),
        ("spread(entity.v)", "a", r"spread\(\) of acme-functions 1.0 gave something else than array"),
        ("spread(entity.v)", "much", "this takes more than the 10,000,000 steps"),
    ],
)
def test_what_a_function_of_a_plugin_does_wrong_refuses_the_notification(folder, expression, value, says):
    install(folder, "acme-functions", {"functions": OFFERED}, acme=FUNCTION)
    with pytest.raises(Refused, match=says) as caught:
        rendered(expression, value)
    assert caught.value.by == "mapping"


def test_a_function_that_nobody_has_is_told_with_what_may_be_missing(folder):
    with pytest.raises(Misconfigured, match=r"there is no function shout\(\).* is its plugin not installed\?"):
        rendered("shout(entity.v)", "a")


def test_a_function_that_cannot_be_used_is_told_with_the_place_that_names_it(folder):
    install(folder, "acme-functions", {"functions": OFFERED}, acme=FUNCTION)
    with pytest.raises(
        Misconfigured, match=r"m.yaml:1:\d+: .*the function 'future' of acme-functions 1.0 was written for"
    ):
        rendered("future(entity.v)", "a")


@pytest.mark.parametrize("name", ["lower", "contains"])
def test_a_function_with_the_name_of_one_of_ours_or_of_jmespath_is_an_error_that_names_both(folder, name):
    install(folder, "acme-functions", {"functions": {name: "acme:SHOUT"}}, acme=FUNCTION)
    with pytest.raises(Misconfigured, match=f"the function '{name}' of acme-functions 1.0 has the name of one that"):
        rendered("lower(entity.v) && contains(entity.v, entity.v)", "a")


JOURNAL = '''
    from pathlib import Path
    from typing import Literal

    from pydantic import Field

    from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
    from connector.plugin import JournalKind, JournalSettings, PlacedPath

    class Settings(JournalSettings):
        """A journal that lies in a file of another name."""

        type: Literal["acme"] = "acme"
        file: PlacedPath

        def place(self):
            return f"acme {self.file}"

        def beside(self, suffix):
            return Path(f"{self.file}.{suffix}")

    class Journal(SqliteJournal):
        def __init__(self, settings):
            super().__init__(SqliteSettings(path=settings.file))

        def news(self):
            raise LookupError("no news")

    KIND = JournalKind(
        contract=1, settings=Settings, make=Journal, check=lambda settings: "all is well",
        exists=lambda settings: settings.file.exists(), is_of_this_version=lambda settings: True,
    )
    '''


def test_a_journal_of_a_plugin_keeps_what_ours_would_and_its_bug_names_it(folder, tmp_path):
    install(folder, "acme-journal", {"journals": {"acme": "acme:KIND"}}, acme=JOURNAL)
    path = tmp_path / "iocstream.yaml"
    path.write_text(
        "journal: {type: acme, file: here.db}\n" + CONFIG.format(mapping="json", sink="{type: file, path: out}")
    )
    body = {"type": "domain", "id": "a", "context_attributes": {"notification_id": "1", "notification_date": 1}}
    (tmp_path / "in.jsonl").write_bytes(orjson.dumps(body))
    plan = configuration.load(path, {})
    source, route = app.run(plan, once=True)
    assert (source.new, route.delivered) == (1, 1)
    with app.open_journal(plan) as journal:
        assert app.status_report(plan, journal).journal.path == f"acme {tmp_path}/here.db"
        with journal.lease("in"):
            assert journal.append("in", Page([], 5)).new == 0
        assert journal.checkpoint("in") == 5
        with pytest.raises(ValueError, match="of the caller"), journal.lease("in"):
            raise ValueError("of the caller")
        assert list(journal.collections.store("iocs", [])) == []
        with pytest.raises(Misconfigured, match=r"the journal 'acme' of acme-journal 1.0 failed: LookupError: no news"):
            journal.news()


def test_commands_for_journals_of_ours_say_so_of_a_journal_of_a_plugin(folder, tmp_path):
    install(folder, "acme-journal", {"journals": {"acme": "acme:KIND"}}, acme=JOURNAL)
    path = tmp_path / "iocstream.yaml"
    path.write_text(
        "journal: {type: acme, file: here.db}\n" + CONFIG.format(mapping="json", sink="{type: file, path: out}")
    )
    plan = configuration.load(path, {})
    (tmp_path / "here.db").touch()
    for ask in (journals.leases, journals.compact, lambda plan: journals.check(plan, print)):
        assert f"this is for the journals of the connector; acme {tmp_path}/here.db is kept by a plugin" in fails(
            ask, plan
        )


def test_plugins_are_listed_though_the_configuration_names_one_that_is_broken(folder, load, tmp_path):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme="raise RuntimeError('broken')")
    install(folder, "acme-functions", {"functions": {"shout": "functions:SHOUT"}}, functions=FUNCTION)
    listed, wrong = plugins.installed(load)
    assert "RuntimeError: broken" in wrong
    assert [(each.offer.name, each.named, each.contract) for each in listed] == [
        ("shout", None, None),
        ("acme", None, None),
    ]
    assert [each.named for each in plugins.installed(None)[0]] == [None, None]
    assert "functions" not in sys.modules


def test_a_broken_plugin_is_left_out_of_the_schema_and_named(folder):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=SINK)
    install(folder, "broken", {"sources": {"broken": "broken:KIND"}}, broken="raise RuntimeError('broken')")
    (wrong,) = plugins.import_all()
    assert "the source 'broken' of broken 1.0 cannot be imported" in wrong
    assert '"acme"' in orjson.dumps(config.json_schema(Config, "x")).decode()


EXITS = """
from connector.plugin import *
from typing import Literal
class Wordless(Exception):
    def __str__(self):
        return {}["words"]
class Bare(BaseException):
    pass
def fail(*arguments, **named):
    raise RAISED
class Part:
    def __getattr__(self, name):
        return fail
class Pages(Part):
    def pages(self, checkpoint):
        yield fail()
class S(SinkSettings):
    type: Literal["acme"] = "acme"
class Asked(S):
    type: Literal["asked"] = "asked"
    receiver = fail
class Validated(S):
    type: Literal["validated"] = "validated"
    def model_post_init(self, context):
        fail()
class In(SourceSettings):
    type: Literal["acme"] = "acme"
    poll_seconds: int = 60
SINK = SinkKind(contract=1, settings=S, make=lambda *_: Part())
ASKED = SinkKind(contract=1, settings=Asked, make=fail)
VALIDATED = SinkKind(contract=1, settings=Validated, make=fail)
SOURCE = SourceKind(contract=1, settings=In, make=lambda *_: Pages())
FORMAT = FormatKind(contract=1, make=lambda *_: Part())
SHOUT = MappingFunction(contract=1, call=fail, parameters=(Parameter("text", STRING),), returns=STRING)
"""


RAISED = ["SystemExit(3)", "GeneratorExit()", "Bare()", "Wordless()", "type('Value', (Wordless, ValueError), {})()"]


@pytest.mark.parametrize("raised", [*RAISED, "type('Away', (Wordless, Unavailable), {})('')"])
def test_whatever_a_plugin_raises_in_any_verb_is_an_error_that_names_it(folder, load, raised):
    sinks = {"acme": "acme:SINK", "asked": "acme:ASKED", "validated": "acme:VALIDATED"}
    offered = {
        "sinks": sinks,
        "sources": {"acme": "acme:SOURCE"},
        "formats": {"lines": "acme:FORMAT"},
        "functions": {"shout": "acme:SHOUT"},
    }
    install(folder, "acme", offered, acme=EXITS.replace("RAISED", raised))
    sink = kinds.make_sink(load().settings.routes["out"].sink, None)
    source = kinds.make_source(SOURCES.find("acme").declared.settings())
    lines = kinds.make_formats(Producer())["lines"]
    verbs = [
        *(getattr(sink, verb) for verb in ("check", "close", "finish", "unconfirmed")),
        lambda: sink.send([]),
        lambda: next(source.pages(None)),
        *(getattr(source, verb) for verb in ("check", "quota", "close")),
        lambda: source.look_up(None),
        lambda: load("{type: asked}"),
        lambda: load("{type: validated}"),
    ]
    for verb in verbs:
        with pytest.raises(Misconfigured, match=r"of acme 1\.0 failed: ") as caught:
            verb()
        assert len(str(caught.value).splitlines()) == 1
    for verb in (lambda: lines.encode({}), lambda: lines.quote("a", "b"), lambda: rendered("shout(entity.v)", "a")):
        with pytest.raises(Refused, match=r"acme 1\.0 failed: |shout\(\)(: Value$| of acme 1\.0 failed, )"):
            verb()


def test_a_plugin_that_raises_what_ctrl_c_does_ends_nothing_in_the_thread_of_its_part(folder, load):
    install(folder, "acme", {"sinks": {"acme": "acme:SINK"}}, acme=EXITS.replace("RAISED", "KeyboardInterrupt()"))
    sink = kinds.make_sink(load().settings.routes["out"].sink, None)
    with pytest.raises(KeyboardInterrupt):
        sink.send([])
    with ThreadPoolExecutor(1) as pool, pytest.raises(Misconfigured, match=r"of acme 1\.0 failed: KeyboardInterrupt"):
        pool.submit(sink.send, []).result()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("def at_once(self): return {}['x']", "KeyError: 'x' (acme.py:6, in at_once)"),
        ("def at_once(self): return 0", "ValueError: at_once() gave 0, which must be at least 1"),
        ("def at_once(self): return 2.5", "TypeError: at_once() gave something else than it must: float"),
        ("def misfit(self, name): return {}[name]", "KeyError: 'stix'"),
        ("def misfit(self, name): return 'no' if name == 'stix' else None", "TypeError: misfit() gave"),
        ("def published(self): return 'iocs'", "TypeError: published() gave something else than it must: str"),
    ],
)
def test_settings_of_a_plugin_that_answer_a_question_wrongly_are_refused_with_the_configuration(
    folder, load, answer, says
):
    text = BUG_IN_SETTINGS.replace('def receiver(self):\n        return {}["where"]', answer)
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=text)
    error = fails(load)
    assert "routes.out.sink.type: the sink 'acme' of acme-sink 1.0 failed: " in error
    assert says in error


@pytest.mark.parametrize("base", [kinds.SourceSettings, kinds.SinkSettings, kinds.JournalSettings])
def test_settings_are_asked_all_that_their_class_can_be_asked(base):
    questions = {name: arguments for name, arguments, _ in kinds._questions(base)}
    methods = {name for name, it in vars(base).items() if inspect.isfunction(it) and not name.startswith("_")}
    assert questions.keys() == methods
    for name, arguments in questions.items():
        for each in arguments:
            inspect.signature(getattr(base, name)).bind(None, *each)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"[iocstream.sinks]\nno such line\n", "TypeError"),
        (b"[console_scripts]\ncaf\xe9 = a:b\n", "UnicodeDecodeError"),
    ],
)
def test_a_distribution_with_an_unreadable_list_harms_nobody_and_is_named_where_a_name_is_missed(
    folder, load, text, says
):
    install(folder, "acme-sink", {"sinks": {"acme": "acme:KIND"}}, acme=SINK)
    install(folder, "odd", {})
    (folder / "odd-1.0.dist-info" / "entry_points.txt").write_bytes(text)
    load()
    (fault,) = entry_points.unread()
    assert fault.startswith(f"the entry points of odd 1.0 cannot be read: {says}: ")
    assert fault in fails(load, "{type: nobody}")
    assert fault in fails(compiled, "{format: nobody, emit: {a: {text: a}}}")
    assert fault in fails(rendered, "nobody(entity.v)", "a")
    listed = CliRunner().invoke(iocstream, ["plugin", "list", "--config", str(folder / "none.yaml")])
    assert (listed.exit_code, listed.stderr) == (0, f"warning: {fault}\n")
    assert "acme-sink" in listed.stdout
