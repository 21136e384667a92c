"""How judgements come in, are listed and end, and which delivered entries that makes outdated.

What is judged becomes a subject (`look_ups`) that the entries concerned name, so that whoever has delivered them learns
of each judgement as of anything else that is learned.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connector import notification
from connector.journals.sql import entries, file_hashes, look_ups, naming
from connector.journals.sql.bodies import Bodies
from connector.journals.sql.dialect import Database, Transaction
from connector.journals.sql.judgements import stored_judgement, trait, traits
from connector.journals.sql.positions import AFTER_ALL
from connector.journals.sql.rows import columns_checksum, decoded_object, json_list, json_names
from connector.model import TAKEN_BACK, Concerned, Judged, Judgement, JudgementFilter, Rule, RuleRecord, StoredJudgement

ROWS = 1000
"""Entries that one transaction marks, so that others wait only shortly."""
SAMPLED = 100
"""Of the entries that a judgement concerns, how many of the newest are read to see which rules matched."""
RULES = 20
"""Of these rules, how many are written down at most."""
_CONCERNED = {"notification": "of_notification", "observable": "of_observable", "rule": "of_rule"}
"""The statement that finds the entries concerned."""


def judge(database: Database, bodies: Bodies, judgement: Judgement, now: int) -> tuple[StoredJudgement, Concerned]:
    """As `connector.ports.Journal.judge`."""
    find_traits(database, bodies)
    judged = judgement.judged
    after, count, newest = _mark(database, judged)
    named_by = _mark_naming(database, bodies, judged)
    with database.write() as db:
        while more := _mark_some(db, judged, after):  # what was stored meanwhile
            after = more[-1]
            count += len(more)
            newest.extend(more)
        named_by |= _mark_late(db, judged)
        rules = _rules(db, bodies, judged, newest)
        db.run("end_judgements" if judgement.verdict == TAKEN_BACK else "supersede_judgement", _key(judged))
        number = db.insert("add_judgement", _row(replace(judgement, at=now)))
        rows = [
            {"judgement": number, "source": each.source, "ruleset": each.ruleset, "rule": each.name} for each in rules
        ]
        db.run_many("add_judged_rule", rows)
        _outdate(db, judged)
        (stored,) = listed(db, JudgementFilter(before=number + 1), 1)
    return stored, Concerned(count, [named_by[seq] for seq in sorted(named_by)])


def recognise(db: Transaction, files: Iterable[file_hashes.File]) -> None:
    """Take what was judged by the MD5 or SHA-1 of files for what is judged of these, now that they are known."""
    for judged in file_hashes.rename(db, files):
        after = 0
        while more := _mark_some(db, judged, after):
            after = more[-1]
        _outdate(db, judged)


def end_due(database: Database, bodies: Bodies, now: int) -> int:
    """As `connector.ports.Journal.end_judgements`."""
    find_spellings(database, bodies)
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
            _mark_naming(database, bodies, judged)
        with database.write() as db:
            if db.run("end_judgement", {"id": number}).rowcount and decides:
                _mark_late(db, judged)
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


def rule_records(db: Transaction, limit: int, sources: Collection[str] | None) -> Sequence[RuleRecord]:
    """As `connector.ports.Journal.rule_records`."""
    rows = db.run("rule_records", {"limit": limit, "sources": json_names(sources)})
    return [RuleRecord(Rule(*row[:3]), *row[3:]) for row in rows]


def find_spellings(database: Database, bodies: Bodies) -> None:
    """Have what was judged when each spelling was by itself concern all that it does now, and outdate that."""
    while True:
        with database.read() as db:
            row = db.run("judgement_to_find").fetchone()
        if row is None:
            return
        find_traits(database, bodies)
        number, *said = row
        with database.write() as db:
            is_there = said[0] is not None  # it may be forgotten
            if db.run("judgement_is_found", {"id": number}).rowcount and is_there and _mark_all(db, Judged(*said)):
                _outdate(db, Judged(*said))


def _mark_all(db: Transaction, judged: Judged) -> int:
    """Have all entries concerned name what is judged; how many did not yet."""
    after = count = 0
    while seqs := _concerned(db, judged, after):
        count += _name(db, judged, seqs)
        after = seqs[-1]
    return count


def find_traits(database: Database, bodies: Bodies) -> None:
    """Write down the traits of what was stored before they were, or before they were made of what spellings share."""
    while True:
        with database.write() as db:
            row = db.run("traits_outdated").fetchone()
            if row is None:
                break
            rows = db.run("notifications_before", {"until": row[0], "limit": ROWS}).fetchall()
            read = ((seq, entries.text(db, bodies, (seq, *stored))) for _, seq, *stored in rows)
            found = [{**traits(decoded_object(text)), "seq": seq} for seq, text in read if text is not None]
            db.run_many("set_other_traits", found)
            if len(rows) < ROWS:
                db.run("traits_are_found")
            else:
                db.run("traits_are_found_from", {"until": rows[-1][1] - 1})
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
    seqs = _concerned(db, judged, after)
    _name(db, judged, seqs)
    return seqs


def _concerned(db: Transaction, judged: Judged, after: int) -> Sequence[int]:
    """The next entries that are concerned."""
    asked = {
        "trait": trait(judged.kind, judged.value),
        "value": judged.value,
        "ruleset": judged.ruleset,
        "source": _source(db, judged),
        "after": after,
        "limit": ROWS,
    }
    return [seq for (seq,) in db.run(_CONCERNED[judged.kind], asked).fetchall()]


def _name(db: Transaction, judged: Judged, seqs: Sequence[int]) -> int:
    """Have entries name what is judged; how many did not yet."""
    rows = [{**_subject(judged), "seq": seq} for seq in seqs]
    db.run_many("add_judged_subject", [{**row, "due": AFTER_ALL} for row in rows])
    return db.run_many("add_judged_mention", rows)


def _mark_naming(database: Database, bodies: Bodies, judged: Judged) -> dict[int, str]:
    """Have the entries that merely name a host name it as what is judged, too; their notification ids, by seq.

    Each is rendered again then, and takes back what it said of the host.
    """
    host = naming.host(judged)
    if host is None:
        return {}
    naming.find_hosts(database, bodies)
    found: dict[int, str] = {}
    with database.read() as db:
        subjects = naming.subjects_of(db, host, _source(db, judged))
    for subject, _ in subjects:
        after = 0
        while True:
            with database.write() as db:
                some = dict(naming.entries_of(db, subject, after))
                _name(db, judged, [*some])
            found |= some
            if len(some) < naming.ROWS:
                break
            after = max(some)
    return found


def _mark_late(db: Transaction, judged: Judged) -> dict[int, str]:
    """The same of those that have come to name it meanwhile."""
    host = naming.host(judged)
    found: dict[int, str] = {}
    for subject, source in () if host is None else naming.subjects_of(db, host, _source(db, judged)):
        found |= dict(naming.entries_unmarked(db, subject, source, _subject(judged)))
    _name(db, judged, [*found])
    return found


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
