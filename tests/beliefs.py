"""Small histories of matches, judgements, known-good lists and conditions, and what receivers make of them."""

import re
from dataclasses import dataclass, field, replace

import orjson
from mapping_examples import bundled
from pipeline_receivers import START, Sink, deliver, route_into

from connector.guards.guards import GuardBook
from connector.model import Judged, Judgement
from connector.pipeline.route import Tenant
from connector.settings.guards import GuardSettings

MALICIOUS, SUSPICIOUS, UNDETECTED, BENIGN = (
    f"VERDICT_{verdict}" for verdict in ("MALICIOUS", "SUSPICIOUS", "UNDETECTED", "BENIGN")
)
SCORES = {MALICIOUS: 90, SUSPICIOUS: 50, UNDETECTED: 5, BENIGN: 0}
MINUTES = 900


@dataclass(frozen=True)
class Match:
    """A notification: of a domain, or of a file (one letter), whose configuration may name a host."""

    at: int
    about: str
    verdict: str
    rule: str = "r1"
    origin: str = "hunting"
    names: str = ""

    @property
    def is_of_file(self):
        return len(self.about) == 1

    @property
    def value(self):
        return self.about * 64 if self.is_of_file else self.about

    def body(self):
        said = {"notification_id": str(self.at), "notification_date": START + self.at * MINUTES, "origin": self.origin}
        said |= {"hunting_info": {"rule_name": self.rule}, "sources": []}
        assessed = {"verdict": {"value": self.verdict}, "threat_score": {"value": SCORES[self.verdict]}}
        attributes = {"gti_assessment": assessed}
        if self.names:
            connections = [{"host": self.names, "categories": ["C2"]}]
            net_info = {"net_info": {"connections": connections}}
            attributes["malware_config"] = {"families": [{"family": "sedge", "configs": [net_info]}]}
        kind = "file" if self.is_of_file else "domain"
        return {"type": kind, "id": self.value, "attributes": attributes, "context_attributes": said}


CONDITIONS = {
    "`true`": lambda match, known: True,
    "notification.origin == 'hunting'": lambda match, known: match.origin == "hunting",
    "notification.hunting_info.rule_name != 'r1'": lambda match, known: match.rule != "r1",
    "entity.gti_assessment.threat_score.value >= `40`": lambda match, known: SCORES[known] >= 40,
    "entity.gti_assessment.verdict.value == 'VERDICT_MALICIOUS'": lambda match, known: known == MALICIOUS,
}


@dataclass
class World:
    """What there is now: from this alone, in whatever order it came, follows what receivers should believe."""

    matches: list = field(default_factory=list)
    judged: dict = field(default_factory=dict)
    guarded: set = field(default_factory=set)
    wants: str = "`true`"
    is_widened: bool = False

    def is_wrong(self, kind, value):
        """Whether the last word of analysts on this is that it is wrong; None when there is none."""
        verdict = self.judged.get((kind, value), "none")
        return None if verdict == "none" else verdict in ("false_positive", "benign")

    def is_muted(self, match):
        said = (("notification", str(match.at)), ("observable", match.value), ("rule", match.rule))
        return next((wrong for each in said if (wrong := self.is_wrong(*each)) is not None), False)

    def known(self, about):
        """What is known of an observable: by the newest match that is not judged wrong, or is benign."""
        counting = [each for each in self.matches if each.about == about]
        counting = [each for each in counting if each.verdict == BENIGN or not self.is_muted(each)]
        return max(counting, key=lambda each: each.at).verdict if counting else None

    def lets_through(self, match):
        known = self.known(match.about)
        is_withheld = self.is_muted(match) or match.value in self.guarded
        about = [each for each in self.matches if each.about == match.about]
        is_over = any(each.verdict == BENIGN and each.at >= match.at for each in about)
        return not is_withheld and not is_over and CONDITIONS[self.wants](match, known)

    def own(self):
        """What is believed of each observable itself."""
        return {each.value: self.known(each.about) for each in self.matches if self.lets_through(each)}

    def named(self):
        """What is believed of hosts that files name: what the worst of the files is."""
        found = {}
        for each in self.matches:
            if not each.names or not self.lets_through(each):
                continue
            is_good = each.names in self.guarded or self.known(each.names) == BENIGN
            if not is_good and not self.is_wrong("observable", each.names):
                found.setdefault(each.names, set()).add(self.known(each.about))
        return {host: max(verdicts, key=SCORES.__getitem__) for host, verdicts in found.items()}


TYPES = {"malicious-activity": MALICIOUS, "anomalous-activity": SUSPICIOUS, "unknown": UNDETECTED, "benign": BENIGN}
SEVERITIES = {"8": MALICIOUS, "9": MALICIOUS, "10": MALICIOUS, "5": SUSPICIOUS, "3": UNDETECTED, "1": BENIGN}


class Receiver:
    """What a receiver was told, and a route into it."""

    def __init__(self, using, folder, sources=("vt",)):
        self.sink = Sink()
        self.using = using
        self._folder = folder
        self._sources = sources
        self.wants = "`true`"
        self.guarded = ()

    def route(self):
        route = route_into(self.sink, bundled(self.using), self._sources, self.wants)
        listed = self._folder / "own.txt"
        listed.write_text("\n".join(self.guarded) or "else.example")
        book = GuardBook(GuardSettings(lists=[{"path": str(listed)}]))
        tenants = {
            name: Tenant({"name": name, "labels": {}}, route.mapping, book.of("out", name)) for name in route.sources
        }
        return replace(route, tenants=tenants, terms=f"{self.wants} {sorted(self.guarded)}")

    def run(self, journal, *matches):
        deliver(self.route(), journal, *(each.body() for each in matches))

    def indicators(self):
        """What Indicators say that are valid: of observables themselves, and of hosts that are named."""
        newest = {}
        for message in self.sink.sent:
            document = orjson.loads(message.body)
            if document["type"] == "indicator":
                known = newest.get(document["id"])
                if known is None or document["modified"] >= known["modified"]:
                    newest[document["id"]] = document
        own, named = {}, {}
        for each in newest.values():
            if each.get("revoked"):
                continue
            of = named if {"c2", "malware-config"} & {*each.get("labels", ())} else own
            value = each["pattern"].split("'")[-2]
            assert value not in of, "two Indicators of one observable stand"
            of[value] = TYPES[each["indicator_types"][0]]
        return {value: verdict for value, verdict in own.items() if verdict != BENIGN}, named

    def events(self, matches):
        """What the last event about each observable says of which no other has said that it is taken back."""
        about = {str(each.at): each.value for each in matches}
        told = {}
        for message in self.sink.sent:
            _, _, _, _, kind, _, severity, extension = message.body.decode().split("|", 7)
            name = re.search(r"externalId=(\S+)", extension)[1]
            said = told.setdefault(about[name], {})
            kind = kind.partition(":")[0]
            if kind == "withdrawn":
                said.clear()
            else:
                said.pop(name, None)
                if kind != "withdrawn-match":
                    said[name] = SEVERITIES[severity]
        last = {value: [*said.values()][-1] for value, said in told.items() if said}
        return {value: verdict for value, verdict in last.items() if verdict != BENIGN}


def judge(journal, kind, value, verdict="false_positive"):
    journal.judge(Judgement(Judged(kind, value), verdict, "ana"))
