"""Verdicts that turn, guards that are edited and judgements, while the connector is killed again and again.

What a receiver must end up with follows from the last match of each domain, the guards and the judgements of then, and
from nothing that the connector says. Two routes send to one collection: what either claims stays there.
"""

import itertools
import random
import re
import sqlite3
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import TAKEN_BACK, Judged, Judgement
from prove import canaries, parties
from prove.canaries import Sweep
from prove.defects import noticed
from prove.figures import Figure, must
from prove.kills import Noticed
from prove.nursery import Child, nursery
from prove.parties import Api, Item

CONFIGURATION = """
sources:
  virustotal:
    type: virustotal
    api_key: "${{VT_API_KEY}}"
    api_url: "{url}/api/v3"
    since_hours: 168
    poll_seconds: 1
    look_ups_per_day: 0
routes:
  everything:
    mapping: stix21
    sink: &both {{type: taxii, collection_url: "{both}", username: {username}, password: "${{TAXII_PASSWORD}}"}}
  malicious:
    mapping: stix21
    when: entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'
    sink: *both
  guarded:
    mapping: stix21
    guards: {{lists: [own.txt]}}
    sink: {{type: taxii, collection_url: "{guarded}", username: {username}, password: "${{TAXII_PASSWORD}}"}}
  events:
    mapping: cef
    when: entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'
    guards: {{lists: [own.txt]}}
    sink: {{type: syslog, host: 127.0.0.1, port: {port}, transport: relp, hostname: vt-1}}
"""
MALICIOUS, UNDETECTED, BENIGN = "VERDICT_MALICIOUS", "VERDICT_UNDETECTED", "VERDICT_BENIGN"
VERDICTS = (MALICIOUS, MALICIOUS, UNDETECTED, BENIGN)
RECEIVERS = {"everything": "both", "malicious": "both", "guarded": "guarded", "events": "events"}
"""Route → where what it sends arrives."""
ON_ITS_WAY = """
SELECT routes.name, claims.seq FROM claims
JOIN ledgers ON ledgers.id = claims.ledger JOIN routes ON routes.id = ledgers.route
WHERE claims.stands & 3 = 3  -- claimed, and in doubt
"""
DEFECTS = ("others_forgotten", "doubt_forgotten", "unclaimed_taken_back")
DOMAINS = 24
MATCHES_PER_KILL = 6
ENOUGH_KILLS = 30
"""So many that, at some, something has arrived of which this is not written down yet, and which is then judged."""
LATEST_KILL_SECONDS = 0.6
WITHDRAWN = b"|withdrawn:domain|"


@dataclass(slots=True)
class World:
    """What was raised, listed and judged: all that decides what must stand at the end.

    Attributes:
        last: the verdict of the last match, by domain.
        recent: the domains of the last matches.
        listed: the domains on the known-good list.
        judged: those that are judged wrong.
        counts: how often each kind of thing has happened.
    """

    chance: random.Random
    folder: Path
    domains: Sequence[str] = tuple(f"d{number}.turns.example" for number in range(DOMAINS))
    begun: int = field(default_factory=lambda: int(time.time()) - 86_400)
    last: dict[str, str] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    judged: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    numbers: Any = field(default_factory=itertools.count)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=MATCHES_PER_KILL))

    def matched(self, domain: str, verdicts: Sequence[str]) -> Item:
        """Another match of a domain, with one of these verdicts."""
        number, verdict = next(self.numbers), self.chance.choice(verdicts)
        self.recent.append(domain)
        self.counts["matches"] += 1
        self.counts["verdicts turned"] += self.last.get(domain, verdict) != verdict
        self.last[domain] = verdict
        said = {"notification_id": str(9_000_000 + number), "notification_date": self.begun + 20 * number}
        said |= {"origin": "hunting", "sources": [], "tags": [], "hunting_info": {"rule_name": "turns"}}
        attributes = {"gti_assessment": {"verdict": {"value": verdict}}, "attribution": {"threat_actors": ["APT9"]}}
        return {"type": "domain", "id": domain, "attributes": attributes, "context_attributes": said}

    def matches(self, count: int) -> list[Item]:
        """Some."""
        return [self.matched(domain, VERDICTS) for domain in self.chance.choices(self.domains, k=count)]

    def edit_guards(self) -> None:
        """Add a domain to the known-good list, or take one off; the next start reads it."""
        self.listed ^= {self.chance.choice(self.domains)}
        self.counts["guards edited"] += 1
        self.write_guards()

    def write_guards(self) -> None:
        """Write the list down."""
        (self.folder / "own.txt").write_text("\n".join(["nothing.example", *sorted(self.listed)]) + "\n")

    def judge(self) -> None:
        """Judge a domain wrong, or take that back, beside whatever runs."""
        domain = self.chance.choice(self.recent)  # of which most may be on its way
        verdict = TAKEN_BACK if domain in self.judged else "false_positive"
        with closing(SqliteJournal(SqliteSettings(path=self.folder / "iocstream.db"))) as journal:
            journal.judge(Judgement(Judged("observable", domain), verdict, "ana"))  # type: ignore[arg-type]
        self.judged ^= {domain}
        self.counts["judgements"] += 1

    def standing(self, *verdicts: str, guarded: bool = False) -> set[str]:
        """What must stand at a receiver of these verdicts."""
        return {
            domain
            for domain in self.domains
            if self.last[domain] in verdicts and domain not in self.judged and not (guarded and domain in self.listed)
        }


@dataclass(slots=True)
class Tally:
    """What a campaign came to; sets of domains, or counts by receiver.

    Attributes:
        not_withdrawn: what stands at a receiver, and should not.
        lost: what should stand, and does not.
        renamed: what one of two routes has claimed all the time, and stands under another id: it was revoked meanwhile.
        undelivered: how often something was withdrawn without having arrived before, by receiver and domain.
        on_its_way: what was on its way at a kill, by receiver, domain and entry: whether it arrived, nobody knows. Of
            each route that is as much as a batch, and several routes send at once.
        contradictions: objects with a version after a revocation, two contents of a version, two valid Indicators of a
            domain, or a valid relationship of a revoked one.
    """

    kills: int = 0
    world: Counter[str] = field(default_factory=Counter)
    withdrawn: Counter[str] = field(default_factory=Counter)
    not_withdrawn: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)
    undelivered: Counter[tuple[str, str]] = field(default_factory=Counter)
    on_its_way: set[tuple[str, str, int]] = field(default_factory=set)
    renamed: int = 0
    contradictions: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def compare(self, receiver: str, found: set[str], true: set[str], withdrawn: int) -> None:
        """Note what stands at a receiver against what must."""
        self.not_withdrawn[receiver] += len(found - true)
        self.lost[receiver] += len(true - found)
        self.expected[receiver] += len(true)
        self.withdrawn[receiver] += withdrawn


def campaign(folder: Path, kills: int, seed: int, conduct: Mapping[str, float] | None = None) -> Tally:
    """One journal, killed so many times; then every domain is matched once more, and the connector may finish."""
    home = folder / "home"
    home.mkdir(parents=True)
    world, tally = World(random.Random(seed), home), Tally()
    world.write_guards()
    with ExitStack() as stack:
        children = stack.enter_context(nursery())
        peer = stack.enter_context(parties.medallion(folder / "medallion", ["both", "guarded"]))
        rsyslog = stack.enter_context(parties.rsyslog(folder / "rsyslog"))
        api = Api([], key=canaries.API_KEY)
        url = stack.enter_context(parties.serving(api))
        urls = {name: peer.collection_url(name) for name in ("both", "guarded")}
        text = CONFIGURATION.format(url=url, username=canaries.USERNAME, port=rsyslog.ports["relp"], **urls)
        (home / "iocstream.yaml").write_text(text)
        asked = threading.Event()
        api.requests = Noticed(asked)
        options = {"conduct": {"small_steps": 3, **(conduct or {})}, "environment": canaries.ENVIRONMENT}
        while tally.kills < kills:
            api.add(world.matches(MATCHES_PER_KILL // 2))
            asked.clear()
            if not _killed(children.start(home, "run", **options), asked, api, world, tally):
                break
            tally.on_its_way |= _on_its_way(home)
            if world.chance.random() < 0.5:
                world.edit_guards()
            for _ in range(world.chance.choice((0, 1, 2))):
                world.judge()
        standing: dict[str, str] = {}
        turned = world.chance.sample(VERDICTS * (DOMAINS // len(VERDICTS)), DOMAINS)
        for verdicts in ([MALICIOUS] * DOMAINS, turned):
            api.add([world.matched(domain, [each]) for domain, each in zip(world.domains, verdicts, strict=True)])
            ended = children.run(home, "run", "--once", conduct=conduct or {}, environment=canaries.ENVIRONMENT)
            before, standing = standing, _standing(peer.objects(urls["both"]))
        still = world.standing(MALICIOUS, UNDETECTED) & before.keys()
        tally.renamed = sum(standing.get(domain) != before[domain] for domain in still)
        if ended.code != 0 or "Traceback" in (home / "err.log").read_text():
            tally.complaints.append(f"the last run: {ended!r}"[-600:])
        tally.world = world.counts
        for name, guarded in (("both", False), ("guarded", True)):
            _see_collection(
                tally, name, peer.objects(urls[name]), world.standing(MALICIOUS, UNDETECTED, guarded=guarded)
            )
        _see_events(tally, parties.messages(rsyslog.stored("relp")), world.standing(MALICIOUS, guarded=True))
    return tally


def _killed(child: Child, asked: threading.Event, api: Api, world: World, tally: Tally) -> bool:
    """Let it work for a moment, in which more happens, and kill it; whether it was alive."""
    moment = world.chance.uniform(0, LATEST_KILL_SECONDS)
    asked.wait(30)
    time.sleep(moment / 2)
    api.add(world.matches(MATCHES_PER_KILL // 2))
    meanwhile = threading.Timer(moment / 4, world.judge)
    if is_judged := world.chance.random() < 0.5:
        meanwhile.start()
    time.sleep(moment / 2)
    if child.kill():
        tally.kills += 1
    code = child.wait()
    if is_judged:
        meanwhile.join()
    if code != -9:
        tally.complaints.append(f"it had ended by itself with {code} before it was killed")
    return code == -9


def _on_its_way(home: Path) -> set[tuple[str, str, int]]:
    """What a connector that is killed now was about to claim, or had claimed without hearing that it arrived."""
    path = home / "iocstream.db"
    with closing(SqliteJournal(SqliteSettings(path=path))) as journal:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
            claimed = db.execute(ON_ITS_WAY).fetchall()
        domains = {entry.seq: entry.notification.body["id"] for entry in journal.entries([seq for _, seq in claimed])}
    return {(RECEIVERS[route], domains[seq], seq) for route, seq in claimed}


def _see_collection(tally: Tally, name: str, objects: Sequence[Item], true: set[str]) -> None:
    versions: dict[str, dict[str, Item]] = defaultdict(dict)
    for each in objects:
        before = versions[each["id"]].setdefault(each.get("modified", ""), each)
        if before != each:
            tally.contradictions.append(f"{name}: two contents for one version of {each['id']}")
    newest = {object_id: found[max(found)] for object_id, found in versions.items()}
    for object_id, found in versions.items():
        revoked = [modified for modified, each in found.items() if each.get("revoked")]
        if len(revoked) > 1 or (revoked and max(found) != revoked[0]):
            tally.contradictions.append(f"{name}: {object_id} goes on after its revocation")
        if len({each.get("created") for each in found.values()}) > 1:
            tally.contradictions.append(f"{name}: {object_id} was created twice")
    indicators = {each: found for each, found in newest.items() if found["type"] == "indicator"}
    # What was benign from the start is an Indicator that claims nothing.
    claimed = {
        object_id: found
        for object_id, found in indicators.items()
        if any(each["indicator_types"] != ["benign"] for each in versions[object_id].values())
    }
    valid = Counter(each["name"] for each in claimed.values() if not each.get("revoked"))
    tally.contradictions += [
        f"{name}: {count} valid Indicators of {each}" for each, count in valid.items() if count > 1
    ]
    revoked_ids = {object_id for object_id, each in indicators.items() if each.get("revoked")}
    tally.compare(name, set(valid), true, len(revoked_ids))
    tally.undelivered.update((name, indicators[each]["name"]) for each in revoked_ids if len(versions[each]) == 1)
    tally.contradictions += [
        f"{name}: {each['id']} is valid, and its Indicator revoked"
        for each in newest.values()
        if each.get("relationship_type") == "indicates"
        and not each.get("revoked")
        and each["source_ref"] in revoked_ids
    ]


def _standing(objects: Sequence[Item]) -> Mapping[str, str]:
    """The id of the valid Indicator of each domain."""
    newest: dict[str, Item] = {}
    for each in sorted(objects, key=lambda each: str(each.get("modified", ""))):
        newest[each["id"]] = each
    valid = [each for each in newest.values() if each["type"] == "indicator" and not each.get("revoked")]
    return {each["name"]: each["id"] for each in valid if each["indicator_types"] != ["benign"]}


def _see_events(tally: Tally, lines: Sequence[bytes], true: set[str]) -> None:
    last: dict[str, bool] = {}
    withdrawn = 0
    for line in lines:
        (domain,) = _domains_in(line)
        if WITHDRAWN in line:
            withdrawn += 1
            tally.undelivered["events", domain] += domain not in last
        last[domain] = WITHDRAWN not in line
    tally.compare("events", {domain for domain, stands in last.items() if stands}, true, withdrawn)


def _domains_in(line: bytes) -> set[str]:
    return set(re.findall(r"(?<![/\w.])d[0-9]+\.turns\.example", line.decode()))


def figures(tally: Tally, kills: int) -> list[Figure]:
    """What a campaign with so many kills has shown."""
    besides = tally.undelivered - Counter((receiver, domain) for receiver, domain, _ in tally.on_its_way)
    counts = ", ".join(f"{count:,} {name}" for name, count in sorted(tally.world.items()))
    where = {
        "both": "in a collection that two routes fill",
        "guarded": "in a collection behind a known-good list",
        "events": "over RELP (rsyslog)",
    }
    return [
        must(
            "SIGKILL at random moments while verdicts turn",
            f"{tally.kills} kills; {counts}",
            f"{kills} kills",
            kept=tally.kills >= kills and not tally.complaints,
        ),
        *(
            must(
                f"… {label}",
                f"{tally.withdrawn[name]} withdrawn; {tally.not_withdrawn[name]} not withdrawn that should be, "
                f"{tally.lost[name]} of {tally.expected[name]} lost that should stand",
                "0, 0",
                kept=not tally.not_withdrawn[name] and not tally.lost[name] and tally.withdrawn[name] > 0,
            )
            for name, label in where.items()
        ),
        must(
            "… revoked by one route while the other claimed it",
            f"{tally.renamed}",
            "0",
            kept=not tally.renamed,
        ),
        must(
            "… withdrawn without having arrived",
            f"{(tally.undelivered - besides).total()} of what was on its way at a kill, {besides.total()} besides",
            "none but what was on its way at a kill",
            kept=not besides,
        ),
        must(
            "… contradictions",
            "; ".join([str(len(tally.contradictions)), *tally.contradictions[:3]]),
            "0",
            kept=not tally.contradictions,
        ),
        *(must("… complaint", text[-300:], "none", kept=False) for text in tally.complaints[:3]),
    ]


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:
    """The figures of withdrawals, and of the same harness with defects."""
    kills = 6 if quick else ENOUGH_KILLS
    found = figures(campaign(folder / "withdrawals", kills, seed), kills)
    sweep.folder(folder / "withdrawals" / "home")
    for number, defect in enumerate(DEFECTS, start=1):
        other = campaign(folder / f"withdrawals-{defect}", ENOUGH_KILLS, seed + number, {defect: 1})
        found.append(noticed(defect, figures(replace(other, complaints=[]), other.kills)))
    return found
