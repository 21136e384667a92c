"""What a source could not read, and what the disk has changed, asked for again: on command, or by whoever serves it."""

import random
from collections.abc import Iterator, Sequence

from connector import telemetry
from connector.model import (
    DeadLetter,
    Entry,
    Misconfigured,
    Notification,
    Page,
    Redelivery,
    Refused,
    Unavailable,
)
from connector.pipeline.convert import CHANGED
from connector.pipeline.send import BatchOutcome
from connector.ports import Journal, SearchableSource

RETRIED_AT_ONCE = 100


def reread(name: str, source: SearchableSource, journal: Journal, entry: Entry) -> BatchOutcome:
    """Ask for an entry that is damaged, or for what an entry of `connector.model.UNREADABLE` stands for.

    What comes is stored, for all routes; those that refused the damaged entry deliver it by themselves. Requires the
    lease on the source.

    Raises:
        Unavailable: the source cannot answer now; nothing has changed.
    """
    letters = []
    try:
        if entry.is_unreadable:
            found = _found(source, entry.notification)
            journal.append(name, Page(found, journal.checkpoint(name)))
        else:
            refetch(name, source, journal, entry)
    except (Refused, Misconfigured) as refusal:
        letters.append(DeadLetter(entry.seq, "source", str(refusal), notification_id=entry.notification.id))
    refused = len(letters)
    journal.record_redelivery(name, Redelivery([entry.seq], 1 - refused, 0, refused, letters))
    return BatchOutcome(1 - refused, 0, letters, refused, 0)


def refetch(name: str, source: SearchableSource, journal: Journal, entry: Entry) -> None:
    """Ask for a notification whose entry is damaged, and mend the entry with it.

    Raises:
        Refused: the source has it no longer, may not read it, or has another.
        Unavailable: the source cannot answer now.
    """
    if not entry.damaged:  # mended before, by a run that was cut off then
        return
    try:
        found = source.get(entry.notification.id)
    except (Refused, Misconfigured) as refusal:
        raise Refused(f"{CHANGED}, and it could not be fetched again: {refusal}", by="source") from refusal
    if not journal.mend(name, entry.seq, found):
        raise Refused(f"{CHANGED}, and what the source has under its id is another one", by="source")


def reread_asked(name: str, source: object, journal: Journal) -> Iterator[int]:
    """Ask for each of which a retry was asked (`Journal.ask_retry`); yield 1 where it was read, else 0.

    An outage leaves the rest for the next poll. They are asked for in another order each time, so that one at which the
    source always fails does not hold up the others.
    """
    asked = list(journal.to_retry(name, RETRIED_AT_ONCE))
    if isinstance(source, SearchableSource):
        random.shuffle(asked)
        for entry in asked:
            try:
                read = reread(name, source, journal, entry).delivered
            except Unavailable as error:
                telemetry.logger().warning("not_reread", part=name, reason=str(error))
                return
            yield read
    elif given_up := [entry.seq for entry in asked if not entry.is_unreadable]:
        # It cannot be asked for one notification: what the routes' dead letters say is all there is to say.
        journal.record_redelivery(name, Redelivery(given_up, 0, 0, 0))


def _found(source: SearchableSource, notification: Notification) -> Sequence[Notification]:
    """The notification itself by its id, or all of its second."""
    said = notification.body.get("unreadable") or {}
    if said.get("notification_id"):
        return [source.get(said["notification_id"])]
    if notification.date is None:
        raise Refused("nothing is known by which to ask for it again", by="source")
    found: list[Notification] = []
    cursor = None
    while True:
        more, cursor = source.search(f"date:{notification.date}-", notification.date, cursor=cursor)
        found += more
        if cursor is None or not more:
            return found
