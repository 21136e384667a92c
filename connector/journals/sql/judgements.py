"""What analysts say of notifications, observables and rules, as entries are read with it.

A notification is found by its *traits*: numbers made of its observable and of its rule. (`judging` is how a judgement
comes in.)
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from connector import notification
from connector.journals.sql.dialect import Database, Transaction
from connector.journals.sql.rows import columns_checksum, json_list
from connector.model import TAKEN_BACK, Entry, JsonObject, Judged, Judgement, StoredJudgement, Subject
from connector.values import observables

NO_TRAIT = 0
_LEVEL = {"rule": 0, "observable": 1, "notification": 2}
"""What decides: the highest of those that are in force."""


_Name = tuple[str, str]
"""What may be judged: its kind, and what all ways to write it have in common."""


def trait(kind: str, value: str) -> int:
    """A number for a value: 64 bits of BLAKE2b; `NO_TRAIT` for an empty one."""
    return _trait(_name(kind, value)) if value else NO_TRAIT


def trait_of_name(kind: str, name: str) -> int:
    """The same for what has its one spelling already (`observables.name`)."""
    return _trait((kind, name)) if name else NO_TRAIT


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
    named = [_names(entry) for entry in entries]
    wanted = sorted({_trait(name) for names in named for name in names})
    found: defaultdict[_Name, list[StoredJudgement]] = defaultdict(list)
    for row in db.run("deciding_judgements", {"traits": json_list(wanted)}):
        stored = stored_judgement(row)
        if stored.state in ("in force", "over"):
            found[_name(stored.judgement.judged.kind, stored.judgement.judged.value)].append(stored)
    if not found:
        return entries
    return [
        entry if found.keys().isdisjoint(names) else replace(entry, judgement=_deciding(entry, names, found))
        for entry, names in zip(entries, named, strict=True)
    ]


class JudgedObservables:
    """Which observables are judged: most that notifications name are not, which is told without asking the store.

    What is kept are the traits of all that is judged. They are read anew when the mark is another: judgements have been
    added, or are of other values (`file_hashes`), by whichever process. One that has ended keeps its trait, and is
    asked for in vain.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: tuple[int, AbstractSet[int]] = 0, frozenset()

    def of(self, source: str) -> Callable[[str], Judgement | None]:
        """As `connector.ports.Outbox.judged_observables`."""
        traits = self._traits()
        return lambda value: self._judgement(source, value, traits) if traits else None

    def _traits(self) -> AbstractSet[int]:
        mark, traits = self._known
        with self._database.read() as db:
            row = db.run("judged_mark").fetchone()
            now = 0 if row is None else int(row[0])
            if now != mark:
                traits = frozenset(each for (each,) in db.run("judged_traits"))
                self._known = now, traits
        return traits

    def _judgement(self, source: str, value: str, traits: AbstractSet[int]) -> Judgement | None:
        name = _name("observable", value)
        number = _trait(name)
        if number not in traits:
            return None
        with self._database.read() as db:
            found = [stored_judgement(row) for row in db.run("deciding_judgements", {"traits": json_list([number])})]
        in_force = [
            each
            for each in found
            if each.state == "in force"
            and each.judgement.judged.source in ("", source)
            and _name(each.judgement.judged.kind, each.judgement.judged.value) == name
        ]
        last = max(in_force, key=lambda each: each.id, default=None)
        return None if last is None else last.judgement


def is_damaged(row: Any) -> bool:
    """Whether a row of the statement `judgements` is not what was stored."""
    return bool(row[10] != columns_checksum("judgement", *row[1:10]))


def _name(kind: str, value: str) -> _Name:
    return kind, observables.name(value) if kind == "observable" else value


def _trait(name: _Name) -> int:
    said = " ".join(name).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest(), "big", signed=True) or 1


def _names(entry: Entry) -> Sequence[_Name]:
    """What of an entry may be judged."""
    body = entry.notification.body
    about = notification.observables(body)
    learned = (entry.context.get(Subject("url", each), {}).get("url") for each in about) if entry.context else ()
    return [
        ("notification", entry.notification.id),
        ("rule", notification.rule_name(body)),
        *(_name("observable", each) for each in (*about, *learned) if isinstance(each, str)),
    ]


def _deciding(
    entry: Entry, names: Sequence[_Name], found: Mapping[_Name, Sequence[StoredJudgement]]
) -> Judgement | None:
    candidates = [
        each
        for name in names
        for each in found.get(name, ())
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
