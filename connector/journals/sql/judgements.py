"""What analysts say of notifications, observables and rules, as entries are read with it.

A notification is found by its *traits*: numbers made of its observable and of its rule. (`judging` is how a judgement
comes in.)
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from connector import notification
from connector.journals.sql.dialect import Transaction
from connector.journals.sql.rows import columns_checksum, json_list
from connector.model import TAKEN_BACK, Entry, JsonObject, Judged, Judgement, StoredJudgement, Subject
from connector.values import uri

NO_TRAIT = 0
_LEVEL = {"rule": 0, "observable": 1, "notification": 2}
"""What decides: the highest of those that are in force."""


def trait(kind: str, value: str) -> int:
    """A number for a value: 64 bits of BLAKE2b; `NO_TRAIT` for an empty one."""
    if not value:
        return NO_TRAIT
    said = f"{kind} {_canonical(kind, value)}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big", signed=True) or 1


def traits(body: JsonObject) -> Mapping[str, int]:
    """The columns `observable` and `rule` of a notification."""
    about = notification.observables(body)
    return {
        "observable": trait("observable", about[0] if about else ""),
        "rule": trait("rule", notification.rule_name(body)),
    }


def with_judgements(db: Transaction, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries, each with the judgement that decides; they have their context already."""
    if not entries or db.run("decides_any").fetchone() is None:
        return entries
    named = [_named(entry) for entry in entries]
    wanted = sorted({trait(kind, value) for each in named for kind, values in each.items() for value in values})
    found: defaultdict[tuple[str, str], list[StoredJudgement]] = defaultdict(list)
    for row in db.run("deciding_judgements", {"traits": json_list(wanted)}):
        stored = stored_judgement(row)
        if stored.state in ("in force", "over"):
            judged = stored.judgement.judged
            found[judged.kind, _canonical(judged.kind, judged.value)].append(stored)
    if not found:
        return entries
    return [replace(entry, judgement=_deciding(entry, each, found)) for entry, each in zip(entries, named, strict=True)]


def is_damaged(row: Any) -> bool:
    """Whether a row of the statement `judgements` is not what was stored."""
    return bool(row[10] != columns_checksum("judgement", *row[1:10]))


def _canonical(kind: str, value: str) -> str:
    """What all ways to write a value have in common; VirusTotal names a URL by its SHA-256, too."""
    if kind != "observable":
        return value
    written = uri.one_spelling(value)
    if "://" in written:
        return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()
    return written


def _named(entry: Entry) -> Mapping[str, Sequence[str]]:
    """By kind of what may be judged, the values that an entry has."""
    body = entry.notification.body
    about = notification.observables(body)
    learned = (entry.context.get(Subject("url", each), {}).get("url") for each in about)
    return {
        "notification": [entry.notification.id],
        "observable": [*about, *(url for url in learned if isinstance(url, str))],
        "rule": [notification.rule_name(body)],
    }


def _deciding(
    entry: Entry,
    named: Mapping[str, Sequence[str]],
    found: Mapping[tuple[str, str], Sequence[StoredJudgement]],
) -> Judgement | None:
    candidates = [
        each
        for kind, values in named.items()
        for value in values
        for each in found.get((kind, _canonical(kind, value)), ())
        if each.judgement.judged.source in ("", entry.source) and _is_of_ruleset(entry, each.judgement.judged)
    ]
    in_force = [each for each in candidates if each.state == "in force"]
    if in_force:
        return max(in_force, key=lambda each: (_LEVEL[each.judgement.judged.kind], each.id)).judgement
    last = max(candidates, key=lambda each: each.id, default=None)
    return None if last is None else replace(last.judgement, verdict=TAKEN_BACK)


def _is_of_ruleset(entry: Entry, judged: Judged) -> bool:
    return not judged.ruleset or judged.ruleset in notification.rulesets(entry.notification.body)


def stored_judgement(row: Any) -> StoredJudgement:
    """From the columns of the statements `judgements` and `judgements_in_force`."""
    number, kind, value, ruleset, source, verdict, by, note, at, until, _, is_over, decides = row
    judgement = Judgement(Judged(kind, value, ruleset, source), verdict, by, note, until, at)
    if is_damaged(row):
        return StoredJudgement(number, judgement, "damaged")
    return StoredJudgement(number, judgement, "over" if is_over else "in force" if decides else "superseded")
