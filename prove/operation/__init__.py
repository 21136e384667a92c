"""What operation brings: refusals, things that one party cannot take, and changes that people make.

Each case runs the connector as a process against servers on sockets, brings the trouble about at the wire or on the
disk, and counts for itself what must arrive. `scene` is what all cases share; they are in `refusals`, `poison` and
`changes`.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from prove.canaries import Sweep
from prove.defects import noticed
from prove.figures import Figure
from prove.nursery import Nursery, nursery
from prove.operation import changes, poison, refusals
from prove.operation.scene import Bench

Case = Callable[[Bench], Figure]
CASES: Sequence[Case] = (*refusals.CASES, *poison.CASES, *changes.CASES)
DEFECTS: Mapping[str, Case] = {
    "once_blocked_for_good": refusals.api_refuses,
    "refused_one_by_one": refusals.receiver_refuses_everything,
    "statuses_believed": refusals.receiver_says_that_it_failed,
    "no_search": poison.object_that_fails,
    "no_halving": poison.item_that_cannot_be_read,
    "cursors_alone": poison.cursors_that_stay_refused,
    "overlap_forgotten": changes.late_items_and_kills,
    "ledger_of_the_route": changes.other_receivers,
    "prunes_for_its_own": changes.another_configuration,
    "unchecked_bodies": changes.flipped_bits,
    "any_upstream": changes.another_upstream,
}
"""Which case must notice each of these."""


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:
    """The figures of operation, and of the defects that they must notice."""
    with nursery() as children:
        bench = Bench(folder / "operation", children, seed, is_short=quick)
        figures = [case(bench) for case in CASES]
        sweep.folder(folder / "operation")
        return figures + [
            noticed(defect, [case(with_defect(folder, children, defect))]) for defect, case in DEFECTS.items()
        ]


def with_defect(folder: Path, children: Nursery, defect: str) -> Bench:
    """Where the connector has this defect; in the short form, which is enough to notice it."""
    return Bench(folder / defect, children, 1, is_short=True, conduct={defect: 1})
