"""What a route has told its receiver of observables: that they are bad, or that this is taken back.

A mapping with `withdraw` makes claims (`claim`). The journal keeps where each of them began and ended, so a replay
finds at each entry what held there, and takes the same things back.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from connector.model import Claim, JsonObject
from connector.notification import ENTITIES
from connector.values import observables, uri

_DIGEST_BYTES = 8


def observable(view: JsonObject, author: str = "") -> int:
    """64 bits that tell what a notification is about from all else: its type and name, and who says so.

    All spellings of a value have one name (`connector.values.observables`), as they have for guards and judgements. Two
    names that share the bits are harmless: what is taken back is of the notification that takes it back.
    """
    said = view["notification"]
    value = view["entity_value"] or said["entity_id"]
    return _digest(author, said["entity_type"], observables.name(value) if said["entity_type"] in ENTITIES else value)


def as_spelled(view: JsonObject, author: str = "") -> int:
    """As `observable`, but with each spelling by itself: so claims were kept before."""
    said = view["notification"]
    value = view["entity_value"] or said["entity_id"]
    return _digest(
        author, said["entity_type"], uri.canonical(value) or value if said["entity_type"] == "url" else value
    )


def _digest(*named: str) -> int:
    digest = hashlib.blake2b("\0".join(named).encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest, "big", signed=True)


class Claims:
    """What the receiver has been told of the observables of a batch, and what the batch tells it.

    Attributes:
        told_now: the observables of which this batch has told something so far.

    Args:
        known: what the journal knows.
        held: what was told since, and is not in the journal yet.
        beside: observables that another route into the same receiver claims.
    """

    def __init__(
        self, known: Mapping[int, Sequence[Claim]], held: Iterable[Claim] = (), beside: Collection[int] = ()
    ) -> None:
        self._beside = beside
        self._told = {each: {claim.seq: claim for claim in claims} for each, claims in known.items()}
        self.told_now: set[int] = set()
        for claim in held:
            self._told.setdefault(claim.observable, {})[claim.seq] = claim

    def at(self, observable: int, seq: int) -> Claim | None:
        """What was told last, by this entry or one before it."""
        claims = self._told.get(observable)
        if not claims:
            return None
        told = [each for each in claims if each <= seq]
        return claims[max(told)] if told else None

    def claimed_by(self, observable: int, seq: int) -> int | None:
        """The last entry, up to this one, that said that it is bad."""
        told = [claim for claim in self._told.get(observable, {}).values() if claim.stands and claim.seq <= seq]
        if not told:
            return None
        last = max(told, key=lambda claim: claim.seq)
        return last.last_seq if last.seq < last.last_seq <= seq else last.seq

    def claimed_since(self, observable: int, seq: int) -> int:
        """The entry that began the last of what was said, up to this one, of its being bad; 0: none did."""
        told = self._told.get(observable, {}).values()
        return max((claim.seq for claim in told if claim.stands and claim.seq <= seq), default=0)

    def claimed_until(self, observable: int) -> int | None:
        """The last entry that said that it is bad, while that stands, or may stand."""
        claims = self._told.get(observable)
        last = claims[max(claims)] if claims else None
        return max(last.seq, last.last_seq) if last is not None and (last.stands or last.in_doubt) else None

    def told_until(self, observable: int) -> int:
        """The last entry that told anything of it; 0 when none did."""
        return max((max(claim.seq, claim.last_seq) for claim in self._told.get(observable, {}).values()), default=0)

    def is_claimed_beside(self, observable: int) -> bool:
        """Whether another route into the same receiver says that it is bad."""
        return observable in self._beside

    def recall(self, observable: int, seq: int) -> None:
        """It is found now that an entry claimed it, before claims were kept."""
        self._told.setdefault(observable, {})[seq] = Claim(observable, seq, stands=True)

    def is_known(self, observable: int, seq: int, *, stands: bool) -> bool:
        """Whether it was told before that an entry claims it, or takes it back: it does so again."""
        told = self.at(observable, seq)
        if told is None or told.stands != stands or told.in_doubt:
            return False
        return seq <= max(told.seq, told.last_seq) if stands else told.seq == seq

    def taken_back_later(self, observable: int, seq: int) -> int | None:
        """The entry after this one that is the last to have told anything of it, if that took it back."""
        told = self._told.get(observable)
        last = told[max(told)] if told else None
        return last.seq if last is not None and not last.stands and last.seq > seq else None

    def is_told_later(self, observable: int, seq: int) -> bool:
        """Whether a later entry has told something of it."""
        return self.told_until(observable) > seq

    def in_doubt_from(self, observable: int, seq: int) -> int:
        """The entry that claims it in doubt, up to this one; 0 when that is in no doubt."""
        told = self.at(observable, seq)
        return told.seq if told is not None and told.in_doubt else 0

    def may_be_withdrawn_by(self, observable: int, seq: int) -> bool:
        """Whether it is in doubt whether the receiver has accepted that an entry takes it back."""
        told = self.at(observable, seq)
        return told is not None and not told.stands and told.in_doubt and told.seq == seq

    def claim(self, observable: int, seq: int) -> Claim:
        """An entry says that it is bad; in doubt, unless that is known to stand, until the receiver has accepted it."""
        told = self.at(observable, seq)
        if told is None or (told.seq < seq and not told.stands):
            return self._tell(Claim(observable, seq, stands=True, in_doubt=True))
        if told.seq == seq:
            return self._tell(told._replace(stands=True, in_doubt=told.in_doubt or not told.stands))
        return self._tell(told._replace(last_seq=max(seq, told.last_seq)))

    def restore(self, observable: int, seq: int) -> Claim:
        """What an entry took back is said again, in doubt until the receiver has accepted it."""
        return self._tell(Claim(observable, seq, stands=True, in_doubt=True))

    def withdraw(self, observable: int, seq: int) -> Claim:
        """An entry takes back what was said before; in doubt until the receiver has accepted it."""
        return self._tell(Claim(observable, seq, stands=False, in_doubt=True))

    def _tell(self, claim: Claim) -> Claim:
        self._told.setdefault(claim.observable, {})[claim.seq] = claim
        self.told_now.add(claim.observable)
        return claim
