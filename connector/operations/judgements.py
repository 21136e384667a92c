"""What analysts judge: a notification, an observable or a rule; taken back, listed, and counted by rule."""

import getpass
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from connector import app
from connector.configuration import NotFound, Plan
from connector.model import (
    TAKEN_BACK,
    Judged,
    Judgement,
    JudgementFilter,
    Misconfigured,
    Rule,
    RuleRecord,
    StoredJudgement,
)
from connector.ports import Journal
from connector.values import observables
from connector.values.display import printable, shortened
from connector.values.suggestions import instead
from connector.values.timestamps import timestamp

MAX_VALUE, MAX_NOTE, MAX_NAME = 8192, 2000, 200
"""Characters, at most: of what is judged, of a note, and of who judges or of a source or ruleset."""
_SHA256_DIGITS = 64
SHOWN = 20
"""Of the notifications that name the host that is judged, how many of the newest are shown."""
LIMIT = 1000
"""Judgements or rules that are listed at once, at most."""


class Unsound(Misconfigured):
    """What somebody says cannot be written down as it is."""


def judge(plan: Plan, judgement: Judgement) -> dict[str, Any]:
    """Write down what somebody judges, as JSON, with how many notifications it `concerns`, and how many `named_by`.

    The latter are of other things, and merely name the host that is judged; `naming` has the ids of the newest.

    A process that serves the routes takes it up within seconds; otherwise the next run does.

    Raises:
        NotFound: the journal has no such notification or source, or there is nothing to take back.
        Unsound: a text is too long or missing, or names no observable; or the time is over already.
        Misconfigured: there is no journal.
    """
    _must_be_sound(judgement)
    judgement = replace(judgement, judged=written_alike(judgement.judged))
    if judgement.judged.kind == "observable" and judgement.verdict != TAKEN_BACK:
        _must_be_observable(judgement.judged.value)
    with app.open_journal(plan) as journal:
        judgement = replace(judgement, judged=_by_sha256(journal, judgement.judged))
        _must_be_there(plan, journal, judgement)
        stored, concerned = journal.judge(judgement)
    named_by, newest = len(concerned.naming), [*reversed(concerned.naming[-SHOWN:])]
    return {**_summary(stored), "concerns": concerned.matches, "named_by": named_by, "naming": newest}


def find(plan: Plan, wanted: JudgementFilter, limit: int) -> list[dict[str, Any]]:
    """The judgements that are wanted, as JSON, the newest first."""
    with app.open_journal(plan) as journal:
        if wanted.kind == "observable" and wanted.value is not None:
            asked = _by_sha256(journal, written_alike(Judged("observable", wanted.value)))
            wanted = replace(wanted, value=asked.value)
        return [_summary(stored) for stored in journal.judgements(wanted, limit)]


def rules(plan: Plan, limit: int, sources: Collection[str] | None = None) -> list[dict[str, Any]]:
    """What the matches of each rule were judged, as JSON, those with the most false positives first.

    Of the rules that matched in these sources; None: in any.
    """
    with app.open_journal(plan) as journal:
        return [_record(each) for each in journal.rule_records(limit, sources)]


def written_alike(judged: Judged) -> Judged:
    """What is judged as it is written down, so that it is found whichever way it was written.

    A host in A-labels, without a port or a slash behind it; an IPv4 address in the form of IPv6 as what it is.
    """
    return judged._replace(value=observables.written(judged.value)) if judged.kind == "observable" else judged


def _by_sha256(journal: Journal, judged: Judged) -> Judged:
    """A file by its SHA-256, where the journal knows it; else by the MD5 or SHA-1, until such a file comes."""
    found = observables.read(judged.value) if judged.kind == "observable" else None
    if found is None or found.kind != "hash" or len(judged.value) == _SHA256_DIGITS:
        return judged
    return judged._replace(value=journal.sha256_of(judged.value) or judged.value)


def _must_be_observable(value: str) -> None:
    found = observables.read(value)
    shown = printable(shortened(value, 100))
    if found is None and observables.has_zeros_before_a_number(value):
        raise Unsound(
            f"{shown!r} has zeros before a number, which some programs read as octal: write the address without them"
        )
    if found is None or (found.kind == "address" and "/" in value):
        raise Unsound(f"{shown!r} is no hash, URL (with its scheme), domain or address, so nothing can be about it")
    if len(value) > MAX_VALUE:
        raise Unsound(f"what is judged has {len(value)} characters as it is written down; {MAX_VALUE} are allowed")


def user_name() -> str:
    """Who runs this program; empty when that cannot be told."""
    try:
        return getpass.getuser()[:MAX_NAME]
    except (KeyError, OSError):  # a container may run it as a number without a name
        return ""


def _must_be_sound(judgement: Judgement) -> None:
    judged = judgement.judged
    texts = (
        ("what is judged", judged.value, MAX_VALUE),
        ("the note", judgement.note, MAX_NOTE),
        ("who judges", judgement.by, MAX_NAME),
        ("the ruleset", judged.ruleset, MAX_NAME),
        ("the source", judged.source, MAX_NAME),
    )
    for name, text, limit in texts:
        if len(text) > limit:
            raise Unsound(f"{name} has {len(text)} characters; {limit} are allowed")
        if any("\ud800" <= each <= "\udfff" for each in text):
            raise Unsound(f"{name} is no Unicode text: {printable(shortened(text, 100))}")
    if not judged.value.strip():
        raise Unsound("what is judged is empty")
    if not judgement.by.strip():
        raise Unsound("it is not said who judges")
    if judgement.until is not None and judgement.until <= time.time():
        raise Unsound(f"{timestamp(judgement.until)} is over already: name a later time, or none")
    if judgement.until is not None and judgement.verdict == TAKEN_BACK:
        raise Unsound("what is taken back is so for good: leave out until")


def _must_be_there(plan: Plan, journal: Journal, judgement: Judgement) -> None:
    judged = judgement.judged
    known = {*plan.settings.sources, *(source.name for source in journal.status({}).sources)}
    if judged.source and judged.source not in known:
        raise NotFound(f"there is no source {judged.source!r}{instead(judged.source, sorted(known))}")
    if judgement.verdict == TAKEN_BACK:
        if not _in_force(journal, judged):
            raise NotFound(f"nothing is judged of {name_of(judged)}, so there is nothing to take back")
        return
    if judged.kind == "notification" and not journal.find([judged.source] if judged.source else [*known], judged.value):
        raise NotFound(
            f"the journal has no notification {judged.value!r}: `iocstream action list_notifications` shows what there"
            " is, and what is said of an observable or a rule holds for what comes later, too"
        )


def _in_force(journal: Journal, judged: Judged) -> Sequence[StoredJudgement]:
    wanted = JudgementFilter(kind=judged.kind, value=judged.value, source=judged.source, in_force=True)
    return [each for each in journal.judgements(wanted, LIMIT) if each.judgement.judged == judged]


def concerned_text(stored: dict[str, Any]) -> str:
    """What of the journal a judgement concerns, as `judge` gives it, for people."""
    count, named_by = stored["concerns"], stored["named_by"]
    about = f"it concerns {count:,} notification{'' if count == 1 else 's'} in the journal"
    if not named_by:
        return about
    more = ", …" if named_by > len(stored["naming"]) else ""
    return f"{about}, and {named_by:,} whose malware configuration names it: {', '.join(stored['naming'])}{more}"


def name_of(judged: Judged) -> str:
    """What is judged, for people."""
    ruleset = f" of the ruleset {judged.ruleset}" if judged.ruleset else ""
    source = f" of the source {judged.source}" if judged.source else ""
    return f"the {judged.kind} {judged.value}{ruleset}{source}"


def _summary(stored: StoredJudgement) -> dict[str, Any]:
    said = stored.judgement
    return {
        "id": stored.id,
        "verdict": said.verdict,
        "of": said.judged.kind,
        "value": said.judged.value,
        "ruleset": said.judged.ruleset or None,
        "source": said.judged.source or None,
        "note": said.note,
        "by": said.by,
        "at": timestamp(said.at),
        "until": None if said.until is None else timestamp(said.until),
        "state": stored.state,
        "rules": [_rule(each) for each in stored.rules],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {"name": rule.name, "ruleset": rule.ruleset or None, "source": rule.source or None}


def _record(record: RuleRecord) -> dict[str, Any]:
    return {
        **_rule(record.rule),
        "judged": record.judged,
        "true_positive": record.true_positive,
        "false_positive": record.false_positive,
        "benign": record.benign,
        "precision": record.precision,
    }
