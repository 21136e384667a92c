import io
import json
import os
import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples

from connector import notification
from connector.model import ANEW, ConnectorError, Misconfigured, Unavailable
from connector.sources.file import json_values
from connector.sources.file import source as file_module
from connector.sources.file.source import FileSource, FileSourceSettings, read_bodies


def body(number, **more):
    return {"type": "domain", "id": "a.example", "context_attributes": {"notification_id": str(number), **more}}


def bodies(*numbers):
    return [body(number) for number in numbers]


def lines(*numbers):
    return "".join(json.dumps(body(number)) + "\n" for number in numbers)


def source(path):
    return FileSource(FileSourceSettings(type="file", path=str(path)))


def drained(some_source, checkpoint=None):
    """The ids of all that is new, and the checkpoint after it."""
    ids = []
    for page in some_source.pages(checkpoint):
        assert orjson.loads(orjson.dumps(page.checkpoint)) == page.checkpoint
        ids += [each.id for each in page.notifications]
        checkpoint = page.checkpoint
    return ids, checkpoint


def drained_to_an_error(some_source):
    """The same for a source that ends in an error, and the error."""
    pages, ids, checkpoint = some_source.pages(None), [], None
    try:
        for page in pages:
            ids += [each.id for each in page.notifications]
            checkpoint = page.checkpoint
    except ConnectorError as error:
        return ids, checkpoint, error
    raise AssertionError("it ended without an error")


def read_all(text):
    return list(read_bodies(io.BytesIO(text.encode() if isinstance(text, str) else text), "in.json"))


@pytest.mark.parametrize(
    "text",
    [
        lines(1, 2, 3),
        lines(1, 2, 3).rstrip("\n"),
        lines(1, 2, 3).replace("\n", "\r\n"),
        "\n\n" + lines(1) + "   \n\t\n" + lines(2, 3),
        "\ufeff" + lines(1, 2, 3),
        json.dumps(bodies(1, 2, 3)),
        json.dumps(bodies(1, 2, 3), indent=2),
        "\ufeff\n" + json.dumps({"data": bodies(1, 2, 3), "meta": {"cursor": "x"}}, indent=1) + "\n\n",
        json.dumps({"data": bodies(1, 2)}) + "\n" + json.dumps(body(3)),
        json.dumps([{"data": body(1)}, {"data": bodies(2)}, body(3)]),
        '{"data":\n' + json.dumps(bodies(1, 2, 3)) + "}",
    ],
)
def test_every_way_to_save_notifications_is_read(text):
    assert read_all(text) == bodies(1, 2, 3)


@pytest.mark.parametrize("text", ["", "\n \n", "[]", '{"data": []}'])
def test_nothing_is_read_from_nothing(text):
    assert read_all(text) == []


def test_half_a_surrogate_pair_does_not_cost_a_notification():
    assert read_all(rb'{"id": "\ud83d", "type": "x"}')[0]["id"] == "\ufffd"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hello", "in.json:1:1: unexpected character"),
        (lines(1) + "{,}\n", "in.json:2:2: "),
        (
            lines(1, 2) + '{"a": 1}{"b": 2}\n',
            "in.json:3:9: more follows after the value; JSON Lines have each value on",
        ),
        (lines(1) + '{"a":\n', "in.json:2:6: the JSON value ends before it is complete; expected a notification"),
        ('{"a":\n\n  1,\n', "in.json:4:1: the JSON value ends before it is complete"),
        ('{\n"a": 1\n}\n{\n"a": 1\n}', "in.json:4:1: more follows after the value"),
        ("[\n1,\n]", "in.json:2:2: trailing comma"),
        ("\n\n[\n1,\n]", "in.json:4:2: trailing comma"),
        ("7\n", "in.json:1:1: expected a notification (a JSON object), a list of them or an API page, found a number"),
        (
            lines(1) + "null",
            "in.json:2:1: expected a notification (a JSON object), a list of them or an API page, found",
        ),
        ('"x"', "found text"),
        ("true", "found true or false"),
        (lines(1).encode() + b'{"a": "\xe4"}\n', "in.json:2:8: this is not UTF-8 text"),
        ("{}".encode("utf-16"), "in.json:1:1: this is UTF-16; save it as UTF-8"),
        ("NaN", "in.json:1:1: unexpected character"),
        ("[" * 3000 + "]" * 3000, "in.json:1:1026: "),
    ],
)
def test_what_is_no_json_is_named_by_line_and_column(text, complaint):
    with pytest.raises(Misconfigured) as caught:
        read_all(text)
    assert complaint in str(caught.value)


def test_what_stands_before_a_bad_line_is_read():
    reader = read_bodies(io.BytesIO((lines(1, 2) + "nonsense\n").encode()), "x")
    assert [next(reader), next(reader)] == bodies(1, 2)
    with pytest.raises(Misconfigured, match=r"^x:3:1"):
        next(reader)


def test_a_line_or_value_without_end_is_refused_instead_of_filling_the_memory(monkeypatch):
    monkeypatch.setattr(json_values, "MAX_VALUE_BYTES", 300)
    with pytest.raises(Misconfigured, match="x:2: a line of more than 300 bytes"):
        list(read_bodies(io.BytesIO(b'{"a":1}\n"' + b"x" * 500), "x"))
    with pytest.raises(Misconfigured, match="one JSON value of more than 300 bytes; write each notification on a line"):
        list(read_bodies(io.BytesIO(b"[\n" + b"1,\n" * 500), "x"))


@given(st.data())
def test_no_beginning_of_a_value_is_taken_for_something_wrong(data):
    text = json.dumps([*bodies(1, 2), [True, False, None, -1.5e3, "é\n\u20ac\U0001f600"]], ensure_ascii=False).encode()
    cut = data.draw(st.integers(1, len(text) - 1))
    with pytest.raises(json_values.Unfinished):
        list(json_values.values(io.BytesIO(text[:cut]), "x", json_values.START))
    # While another process is writing the first line, its rest is waited for.
    assert not list(json_values.values(io.BytesIO(text[:cut]), "x", json_values.START, growing=True))


def test_a_file_that_has_been_read_is_not_read_again(tmp_path, monkeypatch):
    path = tmp_path / "in.jsonl"
    path.write_text(lines(1, 2, 3))
    ids, checkpoint = drained(source(path))
    assert ids == ["1", "2", "3"]
    monkeypatch.setattr(json_values, "values", None)
    assert drained(source(path), checkpoint) == ([], checkpoint)
    assert list(source(path).pages(checkpoint)) == []


def test_what_is_appended_is_read_from_there_on(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text(lines(1, 2))
    _, checkpoint = drained(source(path))
    with path.open("a") as file:
        file.write(lines(3, 4))
    ids, checkpoint = drained(source(path), checkpoint)
    assert ids == ["3", "4"]
    with path.open("a") as file:
        file.write("nonsense\n")
    with pytest.raises(Misconfigured, match=r"in.jsonl:5:1"):
        drained(source(path), checkpoint)


def test_an_incomplete_last_line_waits_for_its_rest(tmp_path):
    path = tmp_path / "in.jsonl"
    half, rest = lines(2)[:30], lines(2)[30:]
    path.write_text(lines(1) + half)
    ids, checkpoint = drained(source(path))
    assert ids == ["1"]
    with path.open("a") as file:
        file.write(rest + lines(3))
    assert drained(source(path), checkpoint)[0] == ["2", "3"]


def test_a_last_line_without_line_feed_is_read_when_it_is_complete(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text(lines(1, 2).rstrip("\n"))
    ids, checkpoint = drained(source(path))
    assert ids == ["1", "2"]
    with path.open("a") as file:
        file.write("\n" + lines(3))
    assert drained(source(path), checkpoint)[0] == ["3"]


@pytest.mark.parametrize("replaced", [lines(7, 8, 9, 10), lines(7), lines(3, 4)])
def test_a_replaced_file_is_read_anew(tmp_path, replaced):
    path = tmp_path / "in.jsonl"
    path.write_text(lines(1, 2))
    _, checkpoint = drained(source(path))
    path.write_text(replaced)
    os.utime(path, ns=(1, 1))
    assert len(drained(source(path), checkpoint)[0]) == replaced.count("\n")


def test_a_file_that_is_one_value_is_read_anew_when_it_changes(tmp_path):
    path = tmp_path / "in.json"
    path.write_text(json.dumps(bodies(1, 2), indent=1))
    _, checkpoint = drained(source(path))
    path.write_text(json.dumps(bodies(1, 2, 3), indent=1))
    assert drained(source(path), checkpoint)[0] == ["1", "2", "3"]


def test_a_value_that_changes_within_and_grows_is_not_taken_for_a_longer_one(tmp_path):
    path = tmp_path / "in.json"
    text = json.dumps(bodies(*range(1000, 1500)), indent=1)
    path.write_text(text)
    _, checkpoint = drained(source(path))
    path.write_text(text.replace('"1250"', '"9999"') + "\n")
    assert "9999" in drained(source(path), checkpoint)[0]


def test_a_file_that_went_away_is_forgotten(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text(lines(1))
    _, checkpoint = drained(source(tmp_path))
    path.unlink()
    (page,) = source(tmp_path).pages(checkpoint)
    assert (page.notifications, page.checkpoint) == ([], {"files": {}})


def test_a_value_half_written_is_an_outage_until_it_is_complete(tmp_path):
    path = tmp_path / "in.json"
    text = json.dumps(bodies(1, 2), indent=1)
    path.write_text(text[:50])
    with pytest.raises(
        Unavailable, match=r"in.json:\d+:\d+: the JSON value ends before it is complete.*should the file"
    ):
        drained(source(path))
    path.write_text(text)
    assert drained(source(path))[0] == ["1", "2"]


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    (tmp_path / "b.jsonl").write_text(lines(2, 3))
    (tmp_path / "a.json").write_text(json.dumps({"data": bodies(1)}, indent=1))
    (tmp_path / "c.NDJSON").write_text(lines(4))
    for ignored in (".half.json", "notes.txt"):
        (tmp_path / ignored).write_text("no json")
    (tmp_path / "folder.json").mkdir()
    ids, checkpoint = drained(source(tmp_path))
    assert ids == ["1", "2", "3", "4"]
    (tmp_path / "aa.json").write_text(lines(5))
    (tmp_path / "b.jsonl").unlink()
    ids, checkpoint = drained(source(tmp_path), checkpoint)
    assert ids == ["5"]
    assert set(checkpoint["files"]) == {"a.json", "aa.json", "c.NDJSON"}


def test_a_broken_file_holds_up_no_other(tmp_path):
    (tmp_path / "a.jsonl").write_text(lines(1) + "nonsense\n")
    (tmp_path / "b.jsonl").write_text(lines(2))
    ids, checkpoint, error = drained_to_an_error(source(tmp_path))
    assert isinstance(error, Misconfigured)
    assert "a.jsonl:2:1" in str(error)
    assert ids == ["1", "2"]
    (tmp_path / "a.jsonl").write_text(lines(1, 3))
    assert drained(source(tmp_path), checkpoint)[0] == ["1", "3"]


@pytest.mark.parametrize("whole", [False, True])
def test_pages_are_small_and_any_of_their_checkpoints_goes_on(tmp_path, whole):
    path = tmp_path / "in.json"
    path.write_text(json.dumps(bodies(*range(1200)), indent=1) if whole else lines(*range(1200)))
    pages = list(source(path).pages(None))
    assert [len(page.notifications) for page in pages] == [500, 500, 200]
    for index, page in enumerate(pages):
        ids, _ = drained(source(path), page.checkpoint)
        assert ids == [str(number) for number in range(min(1200, 500 * (index + 1)), 1200)]


def test_large_notifications_make_smaller_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(file_module, "PAGE_BYTES", 15_000)
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(body(number, text="x" * 3000)) + "\n" for number in range(10)))
    assert [len(page.notifications) for page in source(path).pages(None)] == [4, 4, 2]


def test_memory_stays_flat_however_long_the_file(tmp_path):
    def peak(count):
        path = tmp_path / f"{count}.jsonl"
        with path.open("w") as file:
            file.writelines(json.dumps(body(number, text="x" * 500)) + "\n" for number in range(count))
        tracemalloc.start()
        for _ in source(path).pages(None):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(6000) < 1.3 * peak(1500)


@given(
    st.lists(st.sampled_from(["append", "append half", "replace", "read", "break off", "touch", "remove"]), max_size=14)
)
@examples(80)
def test_whatever_happens_to_a_file_nothing_it_had_when_read_is_lost(tmp_path_factory, steps):  # noqa: C901 -- a story
    folder = tmp_path_factory.mktemp("in")
    path = folder / "in.jsonl"
    number, text, checkpoint, seen, half, tick = 0, "", None, set(), "", 1

    def read(*, most=None):
        nonlocal checkpoint
        for index, page in enumerate(source(folder).pages(checkpoint)):
            seen.update(each.id for each in page.notifications)
            if index == most:
                break  # before this page and its checkpoint are stored
            checkpoint = page.checkpoint

    for step in steps:
        tick += 1
        if step in ("append", "append half", "replace"):
            if step == "replace":
                text = half = ""
            number += 1
            text += half + lines(number)
            half = ""
            if step == "append half":
                number += 1
                text, half = text + lines(number)[:20], lines(number)[20:]
            path.write_text(text)
        elif step == "read":
            read()
            complete = text.count("\n")
            assert seen >= {str(n) for n in range(number - complete + 1 - bool(half), number + 1 - bool(half))}
        elif step == "break off":
            read(most=0)
        elif step == "remove":
            path.unlink(missing_ok=True)
            text = half = ""
        if path.exists():
            os.utime(path, ns=(tick, tick))


def test_standard_input_is_read_once(monkeypatch):
    class Stdin:
        buffer = io.BytesIO(lines(*range(700)).encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    some = source("-")
    assert [len(page.notifications) for page in some.pages(None)] == [500, 200]
    assert list(some.pages({"files": {}})) == []
    assert some.check() == "notifications come from standard input"


def test_when_the_checkpoint_is_lost_everything_is_read_anew(tmp_path, monkeypatch):
    (tmp_path / "a.jsonl").write_text(lines(1, 2))
    (page,) = source(tmp_path).pages(ANEW)
    assert [each.id for each in page.notifications] == ["1", "2"]
    assert list(source(tmp_path).pages(page.checkpoint)) == []
    monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": io.BytesIO(lines(3).encode())}))
    (page,) = source("-").pages(ANEW)
    assert page.checkpoint == {"files": {}}


def test_the_probe_says_what_there_is(tmp_path):
    assert "there is no *.json, *.jsonl, *.ndjson in" in source(tmp_path).check()
    (tmp_path / "a.json").write_text(lines(1))
    assert source(tmp_path).check() == f"1 file to read, {len(lines(1))} bytes"
    assert source(tmp_path / "a.json").check() == f"1 file to read, {len(lines(1))} bytes"


def test_a_path_that_is_not_there_is_for_a_person_to_correct(tmp_path):
    with pytest.raises(Misconfigured, match=r"no file or folder .*: correct the source's path"):
        drained(source(tmp_path / "absent"))
    with pytest.raises(Misconfigured, match="no file or folder"):
        source("/dev/null").check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_for_a_person_to_correct(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(lines(1))
    path.chmod(0)
    with pytest.raises(Misconfigured, match="may not be read by this user"):
        drained(source(path))


def test_a_file_that_goes_away_while_it_is_read_is_an_outage(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text(lines(1))
    some = source(tmp_path)
    monkeypatch.setattr(some, "_files", lambda: {"b.json": tmp_path / "b.json", "a.json": tmp_path / "a.json"})
    ids, _, error = drained_to_an_error(some)
    assert isinstance(error, Unavailable)
    assert str(error).endswith("b.json cannot be opened: No such file or directory")
    assert ids == ["1"]


def test_a_checkpoint_of_another_kind_of_source_is_refused(tmp_path):
    with pytest.raises(Misconfigured, match="give the source a name"):
        drained(source(tmp_path), {"filter": "", "watermark": 5})


def test_a_file_of_api_answers_gives_the_notifications_themselves(tmp_path):
    path = tmp_path / "n.json"
    path.write_text(json.dumps({"data": {"type": "ioc_stream_notification", "id": "9", "attributes": {"date": 5}}}))
    (page,) = source(path).pages(None)
    assert page.notifications == [notification.read(json.loads(path.read_text())["data"])]
    assert page.notifications[0].date == 5
