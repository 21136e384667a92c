"""What another mapping would change, on notifications of a file and of a journal."""

import json

import orjson
import pytest
from integration.command import iocstream_here

from connector.authoring.comparison import compare, last
from connector.formats.json import JsonFormat
from connector.formats.stix.format import StixFormat
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.mapping import compile_mapping
from connector.model import Misconfigured, Notification, Page
from connector.settings import yamldoc
from connector.settings.producer import Producer

FORMATS = {"json": JsonFormat(), "stix": StixFormat(Producer())}


def notification(number, **entity):
    context = {"notification_id": str(number), "notification_date": 1_760_000_000 + number}
    body = {"id": f"{number}.example", "type": "domain", "attributes": entity, "context_attributes": context}
    return Notification(str(number), 1_760_000_000 + number, body)


def lines(body):
    return compile_mapping(yamldoc.parse(f"format: json\nemit:\n  line: {{{body}}}\n", "own.yaml"), FORMATS)


def test_the_same_mapping_changes_nothing():
    mapping = lines("a: '${{ entity_value }}'")
    found = compare(mapping, mapping, [notification(1), notification(2)])
    assert (found.notifications, found.unchanged, found.differences) == (2, 2, [])


def test_a_change_is_counted_where_it_is_and_told_once():
    old, new = lines("a: x, b: ['${{ entity.n }}']"), lines("a: y, b: ['${{ entity.n }}', z]")
    found = compare(old, new, [notification(1, n=1), notification(2, n=2)])
    assert (found.changed, found.unchanged) == (2, 0)
    assert found.places == {"a": 2, "b": 2}
    (difference,) = found.differences
    assert [(each.path, each.old, each.new) for each in difference.changes] == [("a", "x", "y"), ("b", [1], [1, "z"])]


def test_documents_are_compared_by_their_ids_and_the_others_added_or_removed():
    text = "format: stix\nemit:\n  one: {type: domain-name, value: '${{ entity_value }}'}\n"
    more = text + "  two: {type: domain-name, value: other.example}\n"
    one, two = (compile_mapping(yamldoc.parse(each, "own.yaml"), FORMATS) for each in (text, more))
    found = compare(one, two, [notification(1)])
    assert (found.unchanged, found.added, found.removed) == (1, 1, 0)
    assert [each.what for each in found.differences] == ["added"]
    assert compare(two, one, [notification(1)]).removed == 1


def test_refusals_are_told_apart_by_which_mapping_refuses():
    old, new = lines("a: 'x ${{ entity.a }}'"), lines("a: 'x ${{ entity.b }}'")
    items = [notification(1, a=1), notification(2, b=1), notification(3), notification(4, a=1, b=1)]
    found = compare(old, new, items)
    assert (found.refused, found.accepted, found.refused_by_both) == (1, 1, 1)
    assert (found.removed, found.added, found.unchanged) == (1, 1, 1)


def test_mappings_of_two_formats_are_not_compared():
    stix = compile_mapping(yamldoc.parse("format: stix\nemit: {one: {type: x}}\n", "s.yaml"), FORMATS)
    with pytest.raises(Misconfigured, match=r"own\.yaml makes json and s\.yaml makes stix"):
        compare(lines("a: x"), stix, [])


@pytest.mark.parametrize("count", [1, 3, 7, 8, 100])
def test_the_last_of_a_journal_are_its_newest_of_these_sources(tmp_path, count):
    journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    assert list(last(journal, ["a", "b"], count)) == []
    for source, numbers in (("a", range(4)), ("other", range(40)), ("b", range(4))):
        with journal.lease(source):
            journal.append(source, Page([notification(number) for number in numbers], None))
    expected = [*(("a", str(n)) for n in range(4)), *(("b", str(n)) for n in range(4))][-count:]
    assert [(each.source, each.notification.id) for each in last(journal, ["a", "b"], count)] == expected
    journal.close()


def test_the_command_compares_what_the_journal_has_and_sends_nothing(tmp_path):
    (tmp_path / "saved.jsonl").write_text("".join(json.dumps(notification(n).body) + "\n" for n in range(5)))
    (tmp_path / "old.yaml").write_text("format: json\nemit:\n  line: {a: x}\n")
    (tmp_path / "new.yaml").write_text("format: json\nemit:\n  line: {a: '${{ entity_value }}'}\n")
    (tmp_path / "iocstream.yaml").write_text(
        "sources: {saved: {type: file, path: saved.jsonl}}\n"
        "routes: {out: {mapping: ./old.yaml, sink: {type: file, path: out.jsonl}}}\n"
    )
    assert iocstream_here("run", "--once", cwd=tmp_path).returncode == 0
    before = (tmp_path / "out.jsonl").read_bytes()
    done = iocstream_here("mapping", "diff", "./old.yaml", "./new.yaml", "--last", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 notifications: 0 documents unchanged, 3 changed, 0 added, 0 removed\n")
    assert '  - a: "x"\n  + a: "2.example"\n' in done.stdout
    done = iocstream_here(
        "mapping", "diff", "./old.yaml", "./new.yaml", "--notifications", "saved.jsonl", "--json", cwd=tmp_path
    )
    assert orjson.loads(done.stdout)["places"] == {"a": 5}
    assert (tmp_path / "out.jsonl").read_bytes() == before
    ours = ("--notifications", "saved.jsonl", "--old-overlay", "ours.yaml", "--overlay", "ours.yaml")
    (tmp_path / "ours.yaml").write_text("extends: old\nadd: {emit: {line: {b: y}}}\n")
    done = iocstream_here("mapping", "diff", "./old.yaml", "./old.yaml", *ours, cwd=tmp_path)
    assert done.stdout.startswith("5 notifications: 5 documents unchanged, 0 changed")
    both = ("--last", "3", "--notifications", "saved.jsonl")
    assert iocstream_here("mapping", "diff", "./old.yaml", "./new.yaml", *both, cwd=tmp_path).returncode == 2
