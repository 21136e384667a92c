"""How judgements come in, are listed and end, and which delivered entries that makes outdated.

What is judged becomes a subject (`look_ups`) that the entries concerned name, so that whoever has delivered them learns
of each judgement as of anything else that is learned.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connector import notification
from connector.journals.sql import entries, file_hashes, look_ups
from connector.journals.sql.bodies import Bodies
from connector.journals.sql.dialect import Database, Transaction
from connector.journals.sql.judgements import stored_judgement, trait, traits
from connector.journals.sql.positions import AFTER_ALL
from connector.journals.sql.rows import columns_checksum, json_list
from connector.model import TAKEN_BACK, Judged, Judgement, JudgementFilter, Rule, RuleRecord, StoredJudgement

ROWS = 1000
"""Entries that one transaction marks, so that others wait only shortly."""
SAMPLED = 100
"""Of the entries that a judgement concerns, how many of the newest are read to see which rules matched."""
RULES = 20
"""Of these rules, how many are written down at most."""
_CONCERNED = {"notification": "of_notification", "observable": "of_observable", "rule": "of_rule"}
"""The statement that finds the entries concerned."""


def judge(database: Database, bodies: Bodies, judgement: Judgement, now: int) -> tuple[StoredJudgement, int]:
    """As `connector.ports.Journal.judge`."""
    find_traits(database, bodies)
    judged = judgement.judged
    after, count, newest = _mark(database, judged)
    with database.write() as db:
        while more := _mark_some(db, judged, after):  # what was stored meanwhile
            after = more[-1]
            count += len(more)
            newest.extend(more)
        rules = _rules(db, bodies, judged, newest)
        db.run("end_judgements" if judgement.verdict == TAKEN_BACK else "supersede_judgement", _key(judged))
        number = db.insert("add_judgement", _row(replace(judgement, at=now)))
        rows = [
            {"judgement": number, "source": each.source, "ruleset": each.ruleset, "rule": each.name} for each in rules
        ]
        db.run_many("add_judged_rule", rows)
        _outdate(db, judged)
        (stored,) = listed(db, JudgementFilter(before=number + 1), 1)
    return stored, count


def recognise(db: Transaction, files: Iterable[file_hashes.File]) -> None:
    """Take what was judged by the MD5 or SHA-1 of files for what is judged of these, now that they are known."""
    for judged in file_hashes.rename(db, files):
        after = 0
        while more := _mark_some(db, judged, after):
            after = more[-1]
        _outdate(db, judged)


def end_due(database: Database, bodies: Bodies, now: int) -> int:
    """As `connector.ports.Journal.end_judgements`."""
    count = 0
    while True:
        with database.read() as db:
            due = db.run("due_judgement", {"now": now}).fetchone()
        if due is None:
            return count
        number, *said, decides = due
        judged = Judged(*said)
        if decides:
            find_traits(database, bodies)
            _mark(database, judged)
        with database.write() as db:
            if db.run("end_judgement", {"id": number}).rowcount and decides:
                db.run("supersede_judgement", _key(judged))
                db.run("decide_anew", {**_key(judged), "id": number})
                _outdate(db, judged)
        count += 1


def listed(db: Transaction, wanted: JudgementFilter, limit: int) -> Sequence[StoredJudgement]:
    """As `connector.ports.Journal.judgements`."""
    asked = {
        "kind": wanted.kind,
        "value": wanted.value,
        "verdict": wanted.verdict,
        "source": wanted.source,
        "by": wanted.by,
        "before": AFTER_ALL if wanted.before is None else wanted.before,
        "in_force": 1 if wanted.in_force else None,
        "limit": limit,
    }
    found = [stored_judgement(row) for row in db.run("judgements", asked).fetchall()]
    return [replace(each, rules=[Rule(*row[1:]) for row in _rules_of(db, each.id)]) for each in found]


def rule_records(db: Transaction, limit: int) -> Sequence[RuleRecord]:
    """As `connector.ports.Journal.rule_records`."""
    return [RuleRecord(Rule(*row[:3]), *row[3:]) for row in db.run("rule_records", {"limit": limit})]


def find_traits(database: Database, bodies: Bodies) -> None:
    """Write down the traits of what was stored before they were."""
    while True:
        with database.write() as db:
            rows = db.run("notifications_without_traits", {"limit": ROWS}).fetchall()
            found = [{**traits(entries.body(db, bodies, row)), "seq": row[0]} for row in rows]
            db.run_many("set_traits", found)
        if len(rows) < ROWS:
            return


def _mark(database: Database, judged: Judged) -> tuple[int, int, deque[int]]:
    """Have the entries concerned name what is judged; the last one, how many there are, and the newest of them."""
    after = count = 0
    newest: deque[int] = deque(maxlen=SAMPLED)
    while True:
        with database.write() as db:
            seqs = _mark_some(db, judged, after)
        count += len(seqs)
        newest.extend(seqs)
        after = seqs[-1] if seqs else after
        if len(seqs) < ROWS:
            return after, count, newest


def _mark_some(db: Transaction, judged: Judged, after: int) -> Sequence[int]:
    asked = {
        "trait": trait(judged.kind, judged.value),
        "value": judged.value,
        "ruleset": judged.ruleset,
        "source": _source(db, judged),
        "after": after,
        "limit": ROWS,
    }
    seqs = [seq for (seq,) in db.run(_CONCERNED[judged.kind], asked).fetchall()]
    rows = [{**_subject(judged), "seq": seq} for seq in seqs]
    db.run_many("add_judged_subject", [{**row, "due": AFTER_ALL} for row in rows])
    db.run_many("add_judged_mention", rows)
    return seqs


def _source(db: Transaction, judged: Judged) -> int | None:
    """The number of the source that is judged; None: any."""
    if not judged.source:
        return None
    row = db.run("source_id", {"source": judged.source}).fetchone()
    return -1 if row is None else int(row[0])


def _outdate(db: Transaction, judged: Judged) -> None:
    """Have the routes that have delivered what is judged learn that something is said of it."""
    named = db.run("judged_subjects", {**_subject(judged), "source": _source(db, judged)}).fetchall()
    for subject, source in named:
        look_ups.outdate(db, source, subject, always=True)


def _subject(judged: Judged) -> Mapping[str, str]:
    return {"type": f"judged_{judged.kind}", "subject_id": f"{trait(judged.kind, judged.value):x}"}


def _rules(db: Transaction, bodies: Bodies, judged: Judged, seqs: Iterable[int]) -> Sequence[Rule]:
    """The rules that matched these entries, the newest first; what is judged itself, if it is a rule that never did."""
    rows = db.run("numbered_entries", {"seqs": json_list([*seqs])}).fetchall()
    found: dict[Rule, None] = {}
    for row in reversed(rows):
        body = entries.body(db, bodies, row)
        if name := notification.rule_name(body):
            ruleset = judged.ruleset or next(iter(notification.rulesets(body)), "")
            found[Rule(name, ruleset, row[1])] = None
    if judged.kind == "rule" and not found:
        return [Rule(judged.value, judged.ruleset, judged.source)]
    return [*found][:RULES]


def _rules_of(db: Transaction, number: int) -> Sequence[Any]:
    return db.run("rules_of_judgements", {"id": number}).fetchall()


def _key(judged: Judged) -> Mapping[str, Any]:
    return {**judged._asdict(), "trait": trait(judged.kind, judged.value)}


def _row(judgement: Judgement) -> Mapping[str, Any]:
    said = {
        **judgement.judged._asdict(),
        "verdict": judgement.verdict,
        "by": judgement.by,
        "note": judgement.note,
        "at": judgement.at,
        "until": judgement.until,
    }
    is_over = judgement.verdict == TAKEN_BACK
    more = {"trait": trait(judgement.judged.kind, judgement.judged.value), "is_over": is_over, "decides": True}
    return {**said, **more, "checksum": columns_checksum("judgement", *said.values())}
