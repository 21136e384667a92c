"""The versions of objects that each route has sent to each of its receivers, or is about to send, and its claims.

Two routes into one receiver have a ledger each: neither waits for the other, whose mapping may be another.
"""

from collections.abc import Iterator, Mapping, Sequence

from connector.journals.sql.dialect import Transaction
from connector.journals.sql.rows import checksum, columns_checksum, is_damaged, json_list
from connector.model import Claim, Reconsidered, Version

_IN_DOUBT = 2
"""A bit in the column `stands` of claims, of which the lowest says whether it stands."""
_TO_SEND_AGAIN = -1
_SENT = {0: False, 1: True, _TO_SEND_AGAIN: None}
"""`Version.sent` by the column of that name."""


def versions(db: Transaction, route: str, object_ids: Sequence[str], receiver: str) -> Mapping[str, Sequence[Version]]:
    """As `connector.ports.Outbox.versions`."""
    found: dict[str, list[Version]] = {}
    ledger = db.run("ledger", {"route": route, "receiver": receiver}).fetchone()
    if ledger is None:
        return found
    for version, check in _rows(db, ledger[0], object_ids):
        if not _is_damaged(version, check):
            found.setdefault(version.object_id, []).append(version)
    return found


def ledger_id(db: Transaction, route: str, route_number: int, receiver: str) -> int:
    """The number of a route's ledger for a receiver, which gets one if it has none.

    The one of before ledgers were kept for each receiver becomes that of the first that is asked for.
    """
    row = db.run("ledger", {"route": route, "receiver": receiver}).fetchone()
    if row is None:
        return db.insert("add_ledger", {"route": route_number, "receiver": receiver})
    ledger, of = row
    if of != receiver:
        db.run("adopt_ledger", {"ledger": ledger, "receiver": receiver})
    return int(ledger)


def record(db: Transaction, ledger: int, versions: Sequence[Version]) -> None:
    """Write versions down, or that one written down has been sent.

    Raises:
        RuntimeError: one is written down with another content, which only a bug brings about.
    """
    if _record(db, ledger, versions) == len(versions):
        return
    ids = sorted({version.object_id for version in versions})
    damaged = [version for version, check in _rows(db, ledger, ids) if _is_damaged(version, check)]
    db.run_many("delete_version", [{**_key(version), "ledger": ledger} for version in damaged])
    if _record(db, ledger, versions) < len(versions):
        raise RuntimeError("two contents for one version of an object")


def mark_unsent(db: Transaction, ledger: int, versions: Sequence[Version]) -> None:
    """Have these versions sent again, as far as the sink has accepted them."""
    db.run_many("mark_unsent", [{**_key(version), "ledger": ledger} for version in versions])


def forget(db: Transaction, ledger: int, versions: Sequence[Version]) -> None:
    """Forget that these versions were ever made."""
    db.run_many("delete_version", [{**_key(version), "ledger": ledger} for version in versions])


def reached(db: Transaction, route: str, receiver: str, statement: str) -> int:
    """The entry up to which a statement says that something is so of a ledger; 0: it is of none."""
    ledger = db.run("ledger", {"route": route, "receiver": receiver}).fetchone()
    return 0 if ledger is None else int(db.run(statement, {"ledger": ledger[0]}).fetchone()[0])


def claims(db: Transaction, route: str, observables: Sequence[int], receiver: str) -> Mapping[int, Sequence[Claim]]:
    """As `connector.ports.Outbox.claims`. What the disk has changed is unknown."""
    found: dict[int, list[Claim]] = {}
    ledger = db.run("ledger", {"route": route, "receiver": receiver}).fetchone()
    if ledger is None:
        return found
    for *said, check in db.run("claims", {"ledger": ledger[0], "observables": json_list(observables)}):
        observable, seq, stands, last_seq = said
        if check == columns_checksum("claim", *said):
            claim = Claim(observable, seq, stands & 1 == 1, last_seq, in_doubt=stands & _IN_DOUBT > 0)
            found.setdefault(observable, []).append(claim)
    return found


def standing(
    db: Transaction, route: str, receiver: str, *, terms: str, limit: int, since: Reconsidered | None
) -> tuple[Sequence[Claim], Reconsidered] | None:
    """The claims that stand, of the next observables that are to be looked at, and what is then to be noted.

    None: no more are.
    """
    ledger = db.run("ledger", {"route": route, "receiver": receiver}).fetchone()
    if ledger is None:
        return [], Reconsidered(terms, None)
    reached = since or Reconsidered(*db.run("terms", {"ledger": ledger[0]}).fetchone())
    if reached == Reconsidered(terms, None):
        return None
    after = reached.to if reached.terms == terms else None
    rows = db.run("claimed_after", {"ledger": ledger[0], "after": after, "limit": limit}).fetchall()
    told = claims(db, route, [observable for (observable,) in rows], receiver).values()
    last = [max(each, key=lambda claim: claim.seq) for each in told]
    until = Reconsidered(terms, rows[-1][0] if len(rows) == limit else None)
    return [claim for claim in last if claim.stands or claim.in_doubt], until


def note_reconsidered(db: Transaction, ledger: int, reached: Reconsidered) -> None:
    """Note up to which observable, and for what, a route has looked through what its receiver was told."""
    db.run("set_terms", {"ledger": ledger, **reached._asdict()})


def record_claims(db: Transaction, ledger: int, told: Sequence[Claim]) -> None:
    """Write down what the receiver was told of observables; of one at one entry, the last is what holds."""
    rows = [
        (each.observable, each.seq, int(each.stands) | (_IN_DOUBT if each.in_doubt else 0), each.last_seq)
        for each in told
    ]
    names = ("observable", "seq", "stands", "last_seq")
    db.run_many(
        "record_claim",
        [
            {"ledger": ledger, "checksum": columns_checksum("claim", *row), **dict(zip(names, row, strict=True))}
            for row in rows
        ],
    )


def forget_claims(db: Transaction, ledger: int, claims: Sequence[Claim]) -> None:
    """Forget claims that were never made."""
    db.run_many("delete_claim", [{"ledger": ledger, "observable": each.observable, "seq": each.seq} for each in claims])


def _record(db: Transaction, ledger: int, versions: Sequence[Version]) -> int:
    rows = [
        {
            **version._asdict(),
            "sent": _TO_SEND_AGAIN if version.sent is None else version.sent,
            "ledger": ledger,
            "checksum": _checksum(version),
        }
        for version in versions
    ]
    return db.run_many("record_version", rows)


def _rows(db: Transaction, ledger: int, object_ids: Sequence[str]) -> Iterator[tuple[Version, int | None]]:
    """The versions of these objects in order, each with its checksum."""
    rows = db.run("versions", {"ledger": ledger, "object_ids": json_list(object_ids)})
    for object_id, seq, digest, created, modified, sent, last_seq, valid_until, revoked, check in rows:
        said = (object_id, seq, digest, created, modified, _SENT[sent], last_seq, valid_until, bool(revoked))
        yield Version._make(said), check


def _key(version: Version) -> dict[str, str]:
    return {"object_id": version.object_id, "modified": version.modified}


def _is_damaged(version: Version, check: int | None) -> bool:
    """Whether a version is not what was recorded. It is then unknown, as one whose id was garbled: it is sent again."""
    return is_damaged(check, None, version.digest, *_checked(version))


def _checksum(version: Version) -> int:
    return checksum(None, version.digest, *_checked(version))


def _checked(version: Version) -> tuple[object, ...]:
    """Of a version, what never changes."""
    said = (version.object_id, version.modified, version.created, version.seq)
    if version.valid_until or version.revoked:
        return (*said, version.valid_until, version.revoked)
    return said  # as when these two were not written down yet
