"""What a source or route does while it runs: its state and its counts."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from connector.model import PERSON, Gap, JsonObject
from connector.pipeline.send import BatchOutcome

State = Literal["running", "done", "waiting", "blocked", "elsewhere"]
"""`waiting`: for an outage to end; `blocked`: for a person to act. Both ask again by themselves. `elsewhere`: another
process that shares the journal is to serve it."""
REFUSERS = ("notification", "mapping", "format", "sink", PERSON)
"""Who makes dead letters of routes; see `DeadLetter.by`."""
MAX_REASONS = 20


@dataclass(slots=True)
class Part:
    """What one source or route did in this run, and its state.

    Attributes:
        messages: documents that the sink accepted; the other counts are of notifications.
        made_nothing: notifications that the mapping wanted, and made no document of; not among the delivered.
        made_nothing_ever: the same, with those of earlier runs.
        nothing_passed: how many notifications in a row, until now and over runs, the route's filter or its mapping did
            not want or the mapping made nothing of.
        withdrawn: notifications that took back what was delivered; they are among those delivered or filtered.
        guarded: notifications that are withheld because of a known-good list; they are among those filtered.
        muted: notifications that are withheld because of what an analyst judged; they are among those filtered.
        revised: rendered again for what was learned after they were delivered; not among the delivered.
        judged: those of them of which an analyst has judged something since.
        reconsidered: those of them that were delivered on other terms (`connector.pipeline.route.Route`) than now.
        retry_at: while it waits or is blocked, when it tries again, in Unix seconds; None while all goes well.
        reasons: why dead letters were refused, and how often; at most `MAX_REASONS` different ones.
        refused_by: how many dead letters each of those that can refuse has made.
        succeeded_at: when a page was last stored or all was found read, a batch accepted or all was found delivered,
            in Unix seconds; before the first time, when the run began.
        quota: as the source last said.
        upkept_at: when quota and retention were last seen to, by the clock, in Unix seconds.
        unreadable: dead letters that the source made of what it could not read; earlier ones are not counted again.
        looked_up, learned: how many look-ups were answered, and how many of the answers said something new.
        look_up_trouble: why nothing is looked up at the moment; empty while it is.
    """

    name: str
    kind: Literal["source", "route"]
    state: State = "running"
    message: str = ""
    retry_at: float | None = None
    fetched: int = 0
    new: int = 0
    delivered: int = 0
    filtered: int = 0
    refused: int = 0
    messages: int = 0
    made_nothing: int = 0
    made_nothing_ever: int = 0
    nothing_passed: int = 0
    withdrawn: int = 0
    muted: int = 0
    guarded: int = 0
    revised: int = 0
    judged: int = 0
    reconsidered: int = 0
    gaps: list[Gap] = field(default_factory=list)
    unreadable: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refused_by: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(REFUSERS, 0)))
    succeeded_at: float = field(default_factory=time.time)
    quota: JsonObject | None = None
    upkept_at: int = 0
    looked_up: int = 0
    learned: int = 0
    look_up_trouble: str = ""

    @property
    def dealt_with(self) -> int:
        """How many notifications a route has dealt with, whatever became of them."""
        return self.delivered + self.filtered + self.made_nothing + self.refused

    def count(self, batch: BatchOutcome) -> None:
        """Add a batch that the route has dealt with."""
        self.delivered += batch.delivered
        self.filtered += batch.filtered
        self.refused += batch.refused
        self.messages += batch.messages
        self.made_nothing += batch.made_nothing
        self.made_nothing_ever += batch.made_nothing
        passed = batch.delivered or batch.refused or batch.messages
        self.nothing_passed = 0 if passed else self.nothing_passed + batch.filtered + batch.made_nothing
        self.withdrawn += batch.withdrawn
        self.muted += batch.muted
        self.guarded += batch.guarded
        self.revised += batch.revised
        self.judged += batch.judged
        self.reconsidered += batch.reconsidered
        for letter in batch.dead_letters:
            self.refused_by[letter.by] += 1
            self._note(f"{letter.by}: {letter.reason}")

    def count_unreadable(self, reason: str) -> None:
        """Add what the source could not read, and met for the first time."""
        self.unreadable += 1
        self._note(f"source: {reason}")

    def _note(self, reason: str) -> None:
        if reason in self.reasons or len(self.reasons) < MAX_REASONS:
            self.reasons[reason] += 1
