import contextlib
import errno
import io
import json
import os
import stat
import sys
import uuid

import pytest

from connector.model import Message, Misconfigured, Unavailable
from connector.sinks.file import sink as file_module
from connector.sinks.file.sink import FileSink, FileSinkSettings

LAYOUTS = ["lines", "stix-bundle"]


def message(number, dependency_level=1, length=0):
    document = {"type": "indicator", "id": f"indicator--{number}", "description": "é]}\\n" * length}
    return Message(
        number, document["id"], json.dumps(document, ensure_ascii=False).encode(), 0, dependency_level=dependency_level
    )


def sink_to(path, layout="lines"):
    return contextlib.closing(FileSink(FileSinkSettings(type="file", path=str(path), layout=layout)))


def objects(path, layout):
    """What an independent reader finds; the file must be whole."""
    content = path.read_bytes()
    if layout == "lines":
        assert content == b"" or content.endswith(b"\n")
        return [json.loads(line) for line in content.splitlines()]
    bundle = json.loads(content)
    assert bundle["type"] == "bundle"
    assert bundle["id"] == f"bundle--{uuid.UUID(bundle['id'].removeprefix('bundle--'))}"
    assert set(bundle) == {"type", "id", "objects"}
    return bundle["objects"]


def ids(path, layout):
    return [int(each["id"].removeprefix("indicator--")) for each in objects(path, layout)]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_file_is_whole_after_each_batch_and_goes_on_after_a_restart(tmp_path, layout):
    path = tmp_path / "a" / "b" / "out"
    with sink_to(path, layout) as sink:
        sink.send([message(1), message(2)])
        assert ids(path, layout) == [1, 2]
        sink.send([message(3)])
        assert ids(path, layout) == [1, 2, 3]
    with sink_to(path, layout) as sink:
        sink.send([message(4, length=50), message(5)])
        assert ids(path, layout) == [1, 2, 3, 4, 5]


def test_a_bundle_has_an_object_a_line_and_is_extended_in_place(tmp_path):
    path = tmp_path / "bundle.json"
    with sink_to(path, "stix-bundle") as sink:
        sink.send([message(1), message(2)])
        before, inode = path.read_bytes(), path.stat().st_ino
        sink.send([message(3)])
    after = path.read_bytes()
    assert path.stat().st_ino == inode
    assert after.startswith(before.removesuffix(b"\n]}\n"))
    assert after.count(b"\n") == 5
    assert before.splitlines()[1:] == [message(1).body + b",", message(2).body, b"]}"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_only_the_owner_may_read_it(tmp_path, layout):
    path = tmp_path / "out"
    with sink_to(path, layout) as sink:
        sink.send([message(1)])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_reported_as_delivered_is_on_the_disk(tmp_path, layout, monkeypatch):
    path = tmp_path / "out"
    synced = []
    fsync = os.fsync

    def watched(descriptor):
        fsync(descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            synced.append(path.read_bytes())

    monkeypatch.setattr(os, "fsync", watched)
    with sink_to(path, layout) as sink:
        for number in range(3):
            sink.send([message(number)])
            assert synced[-1] == path.read_bytes()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_wherever_a_write_was_torn_nothing_acknowledged_is_lost_and_nothing_torn_stays(tmp_path, layout):
    path = tmp_path / "out"
    with sink_to(path, layout) as sink:
        sink.send([message(1), message(2)])
        whole = path.read_bytes()
        sink.send([message(3), message(4, length=1)])
        extended = path.read_bytes()
    begins = len(whole.removesuffix(b"\n]}\n"))
    for written in range(begins, len(extended) + 1):
        path.write_bytes(extended[:written] + whole[written:])
        with sink_to(path, layout) as sink:
            sink.send([message(5)])
        found = ids(path, layout)
        assert found[:2] == [1, 2]
        assert found[2:-1] in ([], [3], [3, 4])
        assert found[-1] == 5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_wherever_the_first_write_was_torn_the_file_is_begun_anew(tmp_path, layout):
    path = tmp_path / "out"
    with sink_to(path, layout) as sink:
        sink.send([message(1), message(2)])
    extended = path.read_bytes()
    for written in range(len(extended)):
        path.write_bytes(extended[:written])
        with sink_to(path, layout) as sink:
            sink.send([message(5)])
        assert ids(path, layout) in ([5], [1, 5], [1, 2, 5])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_mending_that_was_itself_interrupted_is_mended(tmp_path, layout, monkeypatch):
    path = tmp_path / "out"
    with sink_to(path, layout) as sink:
        sink.send([message(1), message(2)])
        whole = path.read_bytes()
        sink.send([message(3), message(4, length=1)])
        extended = path.read_bytes()
    for written in range(len(whole), len(extended)):
        path.write_bytes(extended[:written])
        with monkeypatch.context() as patch, sink_to(path, layout) as sink:
            patch.setattr(file_module, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                sink.send([message(9)])
        with sink_to(path, layout) as sink:
            sink.send([message(5)])
        found = ids(path, layout)
        assert found[:2] == [1, 2]
        assert found[2:-1] in ([], [3], [3, 4])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("step", ["ftruncate", "pwrite"])
def test_a_batch_whose_taking_back_was_interrupted_leaves_a_whole_file(tmp_path, layout, step, monkeypatch):
    path = tmp_path / "out"

    def unsynced(_):
        patch.setattr(os, step, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with sink_to(path, layout) as sink:
        sink.send([message(1)])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", unsynced)
            with pytest.raises((KeyboardInterrupt, Unavailable)):
                sink.send([message(2, length=5), message(3)])
    with sink_to(path, layout) as sink:
        sink.send([message(4)])
    assert ids(path, layout) in ([1, 4], [1, 2, 3, 4])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_an_outage_that_leaves_the_file_as_it_was(tmp_path, layout, code, monkeypatch):
    path = tmp_path / "out"
    pwrite = os.pwrite

    def full(descriptor, data, position):
        if len(data) > 100:
            return pwrite(descriptor, data[:100], position)
        raise OSError(code, os.strerror(code))

    with sink_to(path, layout) as sink:
        sink.send([message(1)])
        before = path.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full if layout == "lines" else once(full, pwrite))
            with pytest.raises(Unavailable, match=os.strerror(code)):
                sink.send([message(2, length=100), message(3)])
        assert path.read_bytes() == before
        sink.send([message(2, length=100), message(3)])
    assert ids(path, layout) == [1, 2, 3]


def once(failing, working):
    """`failing` until it has raised."""
    state = [failing]

    def call(*arguments):
        try:
            return state[0](*arguments)
        except OSError:
            state[0] = working
            raise

    return call


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_disk_that_does_not_sync_is_an_outage(tmp_path, layout, monkeypatch):
    path = tmp_path / "out"
    with sink_to(path, layout) as sink:
        sink.send([message(1)])
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
            with pytest.raises(Unavailable, match="Input/output error"):
                sink.send([message(2)])
        sink.send([message(2)])
    assert ids(path, layout) == [1, 2]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_writers_of_one_file_are_refused(tmp_path, layout):
    path = tmp_path / "out"
    with sink_to(path, layout) as one, sink_to(path, layout) as other:
        one.send([message(1)])
        with pytest.raises(Misconfigured, match=f"{path} is being written"):
            other.send([message(2)])
        assert str(path) in other.check()
        one.send([message(2)])
        one.close()
        other.send([message(3)])
    assert ids(path, layout) == [1, 2, 3]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_was_rotated_away_is_begun_anew(tmp_path, layout):
    path, old = tmp_path / "out", tmp_path / "out.1"
    with sink_to(path, layout) as sink:
        sink.send([message(1)])
        path.rename(old)
        sink.send([message(2)])
        path.unlink()
        path.touch()
        sink.send([message(3)])
    assert ids(old, layout) == [1]
    assert ids(path, layout) == [3]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_was_emptied_is_begun_anew(tmp_path, layout):
    path = tmp_path / "out"
    with sink_to(path, layout) as sink:
        sink.send([message(1)])
        os.truncate(path, 0)  # logrotate's copytruncate
        sink.send([message(2)])
    assert ids(path, layout) == [2]


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b'{"type":"bundle","id":"bundle--x","objects":[]}',
        b'{"type":"bundle","objects":[\n]}\n',
        b"CEF:0|a|b|1|c|d|5|\n" * 10,
    ],
)
def test_a_file_that_is_not_our_bundle_is_left_alone(tmp_path, content):
    path = tmp_path / "out"
    path.write_bytes(content)
    with sink_to(path, "stix-bundle") as sink:
        for attempt in (sink.check, lambda: sink.send([message(1)])):
            with pytest.raises(Misconfigured, match="not a bundle that this program began"):
                attempt()
    assert path.read_bytes() == content


def test_a_bundle_that_was_edited_is_left_alone(tmp_path):
    path = tmp_path / "out"
    with sink_to(path, "stix-bundle") as sink:
        sink.send([message(1)])
        with path.open("ab") as editor:
            editor.write(b"see you later\n" * 2)
        edited = path.read_bytes()
        with pytest.raises(Misconfigured, match="something else has changed"):
            sink.send([message(2)])
    assert path.read_bytes() == edited


def test_a_huge_file_without_lines_is_left_alone(tmp_path):
    path = tmp_path / "out"
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    with sink_to(path) as sink, pytest.raises(Misconfigured, match="does not consist of lines"):
        sink.send([message(1)])
    assert path.stat().st_size == 64 * 1024 * 1024


def test_an_event_cannot_stand_in_a_bundle(tmp_path):
    with sink_to(tmp_path / "out", "stix-bundle") as sink:
        with pytest.raises(Misconfigured, match="set layout: lines"):
            sink.send([Message(1, "n", b"CEF:0|", 0)])
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["a file/out", "a folder", "a pipe", "x" * 300])
def test_a_path_that_cannot_be_a_file_is_a_matter_for_a_person(tmp_path, where):
    (tmp_path / "a file").touch()
    (tmp_path / "a folder").mkdir()
    os.mkfifo(tmp_path / "a pipe")
    with sink_to(tmp_path / where) as sink:
        for attempt in (sink.check, lambda: sink.send([message(1)])):
            with pytest.raises(Misconfigured, match=str(tmp_path)):
                attempt()


@pytest.mark.parametrize("attempt", [lambda sink: sink.send([message(1)]), lambda sink: sink.check()])
def test_a_missing_permission_is_a_matter_for_a_person(tmp_path, attempt, monkeypatch):
    def denied(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    with sink_to(tmp_path / "out") as sink:
        monkeypatch.setattr(os, "open", denied)
        with pytest.raises(Misconfigured, match="Permission denied"):
            attempt(sink)


@pytest.mark.parametrize("folder", ["/proc", "/proc/self", "/sys", "/proc/a", "/sys/a/b"])
def test_a_check_tries_whether_a_file_could_be_made(folder):
    """Permissions alone would allow it to root."""
    with sink_to(f"{folder}/out") as sink:
        for attempt in (sink.check, lambda: sink.send([message(1)])):
            with pytest.raises(Misconfigured, match="out cannot be written"):
                attempt()


def test_a_check_finds_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", full)
    with sink_to(tmp_path / "out") as sink, pytest.raises(Unavailable, match="No space left"):
        sink.check()


@pytest.mark.parametrize("where", ["out", "a/out", "a/b/out"])
def test_checking_makes_nothing(tmp_path, where):
    with sink_to(tmp_path / where) as sink:
        assert "will be made" in sink.check()
    assert list(tmp_path.iterdir()) == []


def test_lines_go_to_stdout_at_once(capsysbinary):
    with sink_to("-") as sink:
        sink.send([message(1), message(2)])
        assert capsysbinary.readouterr().out == message(1).body + b"\n" + message(2).body + b"\n"
        assert "stdout" in sink.check()


def test_a_bundle_on_stdout_ends_when_the_sink_is_closed(capsysbinary):
    with sink_to("-", "stix-bundle") as sink:
        sink.send([message(1)])
        sink.send([message(2)])
    assert [each["id"] for each in json.loads(capsysbinary.readouterr().out)["objects"]] == [
        "indicator--1",
        "indicator--2",
    ]


def test_a_bundle_of_nothing_is_not_begun(capsysbinary):
    with sink_to("-", "stix-bundle") as sink:
        sink.send([])
    assert capsysbinary.readouterr().out == b""


def test_a_reader_of_stdout_that_has_had_enough_ends_the_program(monkeypatch):
    class Gone(io.BytesIO):
        def write(self, _):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    class Stdout:
        buffer = Gone()

    monkeypatch.setattr(sys, "stdout", Stdout)
    with sink_to("-", "stix-bundle") as sink, pytest.raises(BrokenPipeError):
        sink.send([message(1)])
