"""What a part counts of its batches."""

from connector.model import DeadLetter
from connector.pipeline.part import MAX_REASONS, REFUSERS, Part
from connector.pipeline.send import BatchOutcome


def letters(*reasons, by="sink"):
    return [DeadLetter(seq, by, reason) for seq, reason in enumerate(reasons)]


def test_it_begins_with_nothing_and_runs():
    part = Part("out", "route")
    assert (part.state, part.message, part.dealt_with, part.reasons) == ("running", "", 0, {})
    assert part.refused_by == dict.fromkeys(REFUSERS, 0)


def test_batches_add_up():
    part = Part("out", "route")
    for _ in range(2):
        part.count(BatchOutcome(1, 2, letters("no", "no"), 3, 4, revised=5, made_nothing=6, withdrawn=7))
    assert (part.delivered, part.filtered, part.refused, part.messages) == (2, 4, 6, 8)
    assert (part.revised, part.made_nothing, part.made_nothing_ever) == (10, 12, 12)
    assert part.withdrawn == 14
    assert part.dealt_with == 2 + 4 + 6 + 12
    assert (part.refused_by["sink"], part.reasons) == (4, {"sink: no": 4})


def test_what_did_not_pass_is_counted_in_a_row_until_something_does():
    part = Part("out", "route", nothing_passed=5)
    part.count(BatchOutcome(0, 2, [], 0, 0, made_nothing=3))
    assert part.nothing_passed == 10
    for passed in (BatchOutcome(1, 9, [], 0, 0), BatchOutcome(0, 9, [], 1, 0), BatchOutcome(0, 9, [], 0, 1)):
        part.nothing_passed = 10
        part.count(passed)
        assert part.nothing_passed == 0


def test_reasons_are_kept_apart_by_who_refused_and_so_many_at_most():
    part = Part("out", "route")
    part.count(BatchOutcome(0, 0, [*letters("no"), *letters("no", by="mapping")], 2, 0))
    assert part.reasons == {"sink: no": 1, "mapping: no": 1}
    part.count(BatchOutcome(0, 0, letters(*map(str, range(MAX_REASONS))), MAX_REASONS, 0))
    assert len(part.reasons) == MAX_REASONS
    part.count(BatchOutcome(0, 0, letters("0", "another"), 2, 0))
    assert (part.reasons["sink: 0"], "sink: another" in part.reasons) == (2, False)
    assert part.refused_by["sink"] == 1 + MAX_REASONS + 2
