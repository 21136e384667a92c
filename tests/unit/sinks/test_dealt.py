from connector.model import Message, Refusal
from connector.sinks.dealt import Dealt, itself


def message(number):
    return Message(number, f"n-{number}", b"{}", 0)


M = [message(n) for n in range(6)]


def test_what_is_dealt_with_is_counted_up_to_the_first_that_is_not():
    dealt = Dealt(itself)
    assert dealt.count(M) == 0
    dealt.take([M[0], M[3]])
    dealt.refuse(M[1], "no")
    assert dealt.count(M) == 2
    assert dealt.left(M) == [M[2], M[4], M[5]]
    dealt.take([M[2], M[4], M[5]])
    assert dealt.count(M) == 6


def test_what_was_dealt_with_out_of_turn_is_answered_when_its_turn_comes():
    dealt = Dealt(itself)
    dealt.take([M[0]])
    dealt.refuse(M[4], "no")
    assert dealt.settled(M[:1], keeps_others=True) == []
    assert dealt.left(M) == [M[0], M[1], M[2], M[3], M[5]]
    dealt.take([M[1], M[2], M[3], M[5]])
    assert dealt.settled(M[1:], keeps_others=True) == [Refusal(M[4], "no")]
    assert dealt.left(M) == M


def test_what_never_has_its_turn_is_not_kept_for_ever():
    dealt = Dealt(itself, most=3)
    dealt.take(M[1:])
    assert dealt.settled(M[:1], keeps_others=True) == []
    assert dealt.left(M) == M


def test_messages_are_known_by_their_key():
    dealt = Dealt(lambda each: each.seq % 2)
    dealt.refuse(1, "odd")
    assert [refusal.message.seq for refusal in dealt.settled([M[1], M[3]], keeps_others=True)] == [1, 3]


def test_what_is_left_over_when_a_batch_was_sent_is_not_answered_for_another_reason():
    dealt = Dealt(itself)
    dealt.take(M[:2])
    dealt.refuse(M[2], "no")
    assert dealt.settled(M[:1], keeps_others=False) == []
    assert dealt.left(M) == M


def test_another_receiver_has_taken_nothing_and_refuses_what_it_refused():
    dealt = Dealt(itself)
    dealt.take(M[:2])
    dealt.refuse(M[2], "no")
    dealt.forget_taken()
    assert dealt.left(M[:3]) == M[:2]
    assert not dealt.has_taken(M[2])
