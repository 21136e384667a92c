import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.sinks.syslog import relp_frame
from connector.sinks.syslog.relp_frame import Answer, BrokenFrame, Frame, FrameReader

FRAMES = st.builds(
    Frame,
    st.integers(0, relp_frame.LAST_TRANSACTION),
    st.sampled_from([b"rsp", b"serverclose", b"syslog", b"x" * 32]),
    st.binary(max_size=300),
)


def test_a_frame_gives_the_length_of_its_data_in_bytes():
    assert relp_frame.encoded(7, b"syslog", "é\n".encode()) == b"7 syslog 3 \xc3\xa9\n\n"


def test_a_frame_without_data_has_no_blank_after_its_length():
    assert relp_frame.encoded(8, b"close") == b"8 close 0\n"


@given(st.lists(FRAMES, max_size=6), st.randoms(use_true_random=False))
def test_frames_are_put_together_from_any_pieces(frames, random):
    stream = b"".join(relp_frame.encoded(each.transaction, each.command, each.data) for each in frames)
    reader, found, at = FrameReader(), [], 0
    while at < len(stream):
        piece = stream[at : at + random.randint(1, 50)]
        found += reader.feed(piece)
        at += len(piece)
    assert found == frames


@given(st.binary(max_size=100))
def test_no_bytes_are_more_than_broken(noise):
    try:
        frames = list(FrameReader().feed(noise))
    except BrokenFrame:
        return
    for each in frames:
        assert relp_frame.encoded(each.transaction, each.command, each.data) in noise or not each.data


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request",
        b"220 mail.example.com",
        b"\x15\x03\x01\x00\x02",
        b" rsp 0\n",
        b"1 rsp 3\n",
        b"1 rsp 3 abcd",
        b"1234567890 rsp 0\n",
        b"1 rsp 65537 ",
        b"1 " + b"r" * 33,
        b"1 rsp 0 x",
        b"1 rsp -1\n",
    ],
)
def test_what_is_no_relp_is_known_at_once(said):
    with pytest.raises(BrokenFrame):
        list(FrameReader().feed(said))


def test_an_answer_is_a_code_and_words_and_offers():
    said = Frame(1, b"rsp", b"200 OK\nrelp_version=0\ncommands=syslog\n")
    assert relp_frame.answer(said) == Answer(200, b"OK", b"relp_version=0\ncommands=syslog\n")
    assert relp_frame.answer(Frame(1, b"rsp", b"500 queue full")) == Answer(500, b"queue full", b"")
    assert relp_frame.answer(Frame(1, b"rsp", b"200")) == Answer(200, b"", b"")


@pytest.mark.parametrize("frame", [Frame(1, b"rsp", b"OK"), Frame(1, b"rsp", b""), Frame(1, b"syslog", b"200 OK")])
def test_what_has_no_code_is_no_answer(frame):
    assert relp_frame.answer(frame) is None


def test_a_frame_holds_64_kibibytes_at_most():
    longest = b"x" * 65_536
    assert list(FrameReader().feed(relp_frame.encoded(1, b"rsp", longest))) == [Frame(1, b"rsp", longest)]
    with pytest.raises(BrokenFrame):
        list(FrameReader().feed(b"1 rsp 65537 "))
