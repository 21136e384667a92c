"""What a source could not read, asked for again: on command, or by whoever serves the source."""

from collections.abc import Sequence
from contextlib import suppress

from connector.model import DeadLetter, Entry, Misconfigured, Notification, Page, Redelivery, Refused, Unavailable
from connector.pipeline.send import BatchOutcome
from connector.ports import Journal, SearchableSource

RETRIED_AT_ONCE = 100


def reread(name: str, source: SearchableSource, journal: Journal, entry: Entry) -> BatchOutcome:
    """Ask for what an entry of `connector.model.UNREADABLE` stands for; what comes is stored, for all routes.

    Requires the lease on the source.

    Raises:
        Unavailable: the source cannot answer now; nothing has changed.
    """
    letters = []
    try:
        found = _found(source, entry.notification)
        journal.append(name, Page(found, journal.checkpoint(name)))
    except (Refused, Misconfigured) as refusal:
        letters.append(DeadLetter(entry.seq, "source", str(refusal), notification_id=entry.notification.id))
    refused = len(letters)
    journal.record_redelivery(name, Redelivery([entry.seq], 1 - refused, 0, refused, letters))
    return BatchOutcome(1 - refused, 0, letters, refused, 0)


def reread_asked(name: str, source: object, journal: Journal) -> int:
    """Ask for all of which a retry was asked (`Journal.ask_retry`); return how many were read.

    An outage leaves the rest for the next poll.
    """
    count = 0
    if isinstance(source, SearchableSource):
        with suppress(Unavailable):
            for entry in journal.to_retry(name, RETRIED_AT_ONCE):
                count += reread(name, source, journal, entry).delivered
    return count


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
