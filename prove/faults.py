"""A proxy between the connector and every other party causes each network fault for a while, then none.

What was raised meanwhile must have arrived: in the journal, in a TAXII collection, over RELP; and what syslog over TCP
and TLS lost in spite of their replay window is told.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from connector import configuration
from connector.operations.status import status
from prove import canaries, parties
from prove.canaries import Sweep
from prove.defects import noticed
from prove.figures import Figure, lost, must
from prove.nursery import nursery
from prove.parties import Api, Item
from prove.proxy import FAULTS, HEALTHY, FaultProxy, proxy

CONFIGURATION = """
sources:
  virustotal:
    type: virustotal
    api_key: "${{VT_API_KEY}}"
    api_url: "https://{api}/api/v3"
    ca_bundle: {ca}
    since_hours: 168
    poll_seconds: 1
    timeout_seconds: 2
    look_ups_per_day: 0  # what is learned makes versions, which the run compared with does not have
routes:
  taxii:
    mapping: stix21
    sink:
      type: taxii
      collection_url: "https://{taxii}{path}"
      username: {username}
      password: "${{TAXII_PASSWORD}}"
      ca_bundle: {ca}
      timeout_seconds: 2
"""
SYSLOG = """
  {name}:
    mapping: cef
    sink:
      type: syslog
      host: 127.0.0.1
      port: {port}
      transport: {transport}
      hostname: vt-1
      connect_timeout_seconds: 2
      send_timeout_seconds: 2
"""
TLS = """
      ca_bundle: {ca}
      client_certificate: {client}
      client_key: {key}
"""
INPUTS = {"relp": "relp", "relptls": "relp-tls", "tcp": "tcp", "ossl": "tls"}
"""rsyslog's inputs, and the transport of ours that each takes."""
ACKNOWLEDGED = ("relp", "relptls")
WINDOW = """
      replay_window_seconds: {seconds}
"""
STARTS = ("garbage", "handshake")
"""Faults that some transports meet only when a connection begins."""
UNHEARD = {("tcp", "garbage")}
"""Combinations that do not exist: a plain syslog receiver gives no answers."""
MORE_STARTS = 10
DRAIN_SECONDS = 60
PIECE = 2


class Scene:
    """The connector with a proxy before every party, all of which do the same at the same time.

    Attributes:
        proxies: by the party behind each.
        recovered: fault → the seconds from health to everything delivered.
        complaints: what should not have happened.
    """

    def __init__(
        self, folder: Path, seed: int, inputs: Sequence[str], conduct: Mapping[str, float], *, window_seconds: float = 3
    ) -> None:
        self.window_seconds = window_seconds
        self.folder = folder
        self.home = folder / "connector"
        self.home.mkdir(parents=True)
        self.inputs = inputs
        self.conduct = {"small_steps": 3, "quick_waits": 0.5, **conduct}
        self.proxies: dict[str, FaultProxy] = {}
        self.recovered: dict[str, float] = {}
        self.complaints: list[str] = []
        self.raised: list[Item] = []
        self._coming = parties.chunks(parties.notifications(4000, seed=seed), PIECE)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.nursery = stack.enter_context(nursery())
            self.rsyslog = stack.enter_context(parties.rsyslog(self.folder / "rsyslog"))
            self.peer = stack.enter_context(parties.medallion(self.folder / "medallion"))
            made = self.rsyslog.certificates
            shutil.copy(made.client_key, self.folder / "secret_key.pem")
            self.api = Api([], key=canaries.API_KEY)
            api_port = int(stack.enter_context(parties.serving(self.api)).rpartition(":")[2])
            self.collection = self.peer.collection_url("rw")
            taxii_port = int(self.collection.split("/")[2].rpartition(":")[2])
            self.context = made.server_context()
            self.proxies["api"] = stack.enter_context(proxy(api_port, tls=self.context))
            self.proxies["taxii"] = stack.enter_context(proxy(taxii_port, tls=self.context))
            text = CONFIGURATION.format(
                api=self.proxies["api"].address,
                taxii=self.proxies["taxii"].address,
                path="/" + self.collection.split("/", 3)[3],
                username=canaries.USERNAME,
                ca=made.ca,
            )
            for name in self.inputs:
                transport = INPUTS[name]
                lossy = name not in ACKNOWLEDGED
                stands = stack.enter_context(proxy(self.rsyslog.ports[name], resets_half_open=lossy))
                self.proxies[name] = stands
                text += SYSLOG.format(name=name, port=stands.port, transport=transport)
                if lossy:
                    text += WINDOW.format(seconds=self.window_seconds)
                if transport.endswith("tls"):
                    text += TLS.format(ca=made.ca, client=made.client, key=self.folder / "secret_key.pem")
            (self.home / "iocstream.yaml").write_text(text)
            self.plan = configuration.load(self.home / "iocstream.yaml", canaries.ENVIRONMENT)
            # The journal's path is taken from the folder that a command runs in.
            self.journal = self.plan.settings.journal.model_copy(update={"path": self.home / "iocstream.db"})
            self.plan = configuration.Plan(
                self.plan.settings.model_copy(update={"journal": self.journal}),
                self.plan.mappings,
                self.plan.conditions,
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(self) -> None:
        """Start the connector."""
        self.child = self.nursery.start(self.home, "run", conduct=self.conduct, environment=canaries.ENVIRONMENT)

    def raise_for(self, seconds: float) -> None:
        """Raise notifications for so long, two or more each half second."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            more = self._coming.pop(0)
            self.api.add(more)
            self.raised += more
            time.sleep(0.5)

    def inflict(self, fault: str, seconds: float) -> None:
        """Have the receivers' proxies do this for a while, then the API's; wait until everything is delivered."""
        receivers = {name: each for name, each in self.proxies.items() if name != "api"}
        for faulty, share in ((receivers, 2 / 3), ({"api": self.proxies["api"]}, 1 / 3)):
            for each in faulty.values():
                each.fault = fault
                if fault in STARTS:
                    each.cut()
            self.raise_for(seconds * share)
            for _ in range(MORE_STARTS):  # a transport may have few moments for a fault, and chance let them pass
                unmet = [
                    each for name, each in faulty.items() if not each.inflicted[fault] and (name, fault) not in UNHEARD
                ]
                if not unmet:
                    break
                for each in unmet:
                    each.cut()
                self.raise_for(1)
            for each in faulty.values():
                each.fault = HEALTHY
        self.recovered[fault] = self.drained()

    def drained(self) -> float:
        """Wait until the journal has everything and no route has a backlog."""
        ids = {parties.identifier(item) for item in self.raised}

        def is_drained() -> bool:
            if (code := self.child.poll()) is not None:
                raise RuntimeError(f"the connector ended by itself with {code}: {self.said()[-2000:]}")
            return parties.stored(self.home) >= ids and not any(
                route["backlog"] for route in status(self.plan).as_json()["routes"]
            )

        try:
            return parties.until(is_drained, DRAIN_SECONDS, "everything delivered")
        except TimeoutError:
            found = status(self.plan).as_json()
            missing = len(ids - parties.stored(self.home))
            behind = {route["name"]: (route["backlog"], route["message"]) for route in found["routes"]}
            self.complaints.append(f"not drained: {missing} not stored; {found['sources'][0]['message']}; {behind}")
            return float(DRAIN_SECONDS)

    def stop(self) -> None:
        """SIGTERM, and see it end well."""
        self.child.kill(15)
        code = self.child.wait()
        if code != 0:
            self.complaints.append(f"exit code {code} after SIGTERM")
        if "Traceback" in self.said():
            self.complaints.append(self.said()[self.said().index("Traceback") :][:2000])

    def said(self) -> str:
        """The log so far."""
        return (self.home / "err.log").read_text()

    def blocked(self) -> dict[str, str]:
        """Which parts are blocked until a person acts, and what they say."""
        found = status(self.plan).as_json()
        parts = [*found["sources"], *found["routes"]]
        return {part["name"]: part["message"] for part in parts if part["state"] == "blocked"}

    def outcome(self) -> list[Figure]:
        """What arrived."""
        true_events = parties.events_of(self.raised)
        true_objects = self._expected_objects()
        found = parties.objects(self.peer.objects(self.collection))
        letters = sum(route["dead_letters"] for route in status(self.plan).as_json()["routes"])
        unconvertible = parties.unconvertible(self.raised, "stix21")
        unconvertible += parties.unconvertible(self.raised, "cef") * len(self.inputs)
        figures = [
            lost(
                "… stored in the journal",
                len({parties.identifier(item) for item in self.raised} - parties.stored(self.home)),
                len(self.raised),
            ),
            lost(
                "… delivered to TAXII (medallion over TLS)",
                len(true_objects - found.keys()),
                len(true_objects),
                "objects",
            ),
        ]
        for name in self.inputs:
            arrived = parties.messages(self.rsyslog.stored(name))
            missing = len(true_events - set(arrived))
            alien = len(set(arrived) - true_events)
            repeats = len(arrived) - len(set(arrived))
            what = f"… delivered over {INPUTS[name]}"
            measured = f"{missing} of {len(true_events):,} events lost, {repeats} repeats, {alien} torn"
            if name in ACKNOWLEDGED:
                figures.append(must(what, measured, "0 lost", kept=missing == 0))
            else:
                figures.append(Figure(what, measured))
        surplus = letters - unconvertible
        figures.append(must("… dead letters made by faults", str(surplus), "0", kept=surplus == 0))
        return figures

    def _expected_objects(self) -> set[tuple[str, str]]:
        """The objects of an undisturbed run over the same notifications."""
        home = self.folder / "undisturbed"
        home.mkdir()
        (home / "stream.json").write_text(json.dumps(parties.looked_up(sorted(self.raised, key=parties.position))))
        (home / "iocstream.yaml").write_text(
            "sources: {file: {type: file, path: stream.json}}\n"
            "routes: {out: {mapping: stix21, sink: {type: file, path: out.json, layout: stix-bundle}}}\n"
        )
        self.nursery.run(home, "run", "--once")
        return set(parties.objects(json.loads((home / "out.json").read_bytes())["objects"]))


def faults(
    folder: Path,
    seed: int,
    seconds: float,
    *,
    kinds: Sequence[str] = FAULTS,
    conduct: Mapping[str, float] | None = None,
) -> tuple[Scene, list[Figure]]:
    """Each fault for so many seconds, then a stranger's certificate; what came of it."""
    with Scene(folder, seed, list(INPUTS), conduct or {}, window_seconds=min(seconds, 3)) as scene:
        scene.start()
        scene.raise_for(1)
        scene.recovered[HEALTHY] = scene.drained()
        for fault in kinds:
            scene.inflict(fault, seconds)
        if blocked := scene.blocked():
            scene.complaints.append(f"an outage blocked a part: {blocked}")
        figures = [] if scene.complaints else [_impostor(scene)]
        scene.stop()
        figures += scene.outcome()
        unmet = [
            f"{fault} at {name}"
            for name, each in scene.proxies.items()
            for fault in kinds
            if not each.inflicted[fault] and (name, fault) not in UNHEARD
        ]
        inflicted = sum(sum(each.inflicted[fault] for fault in kinds) for each in scene.proxies.values())
        summary = [
            must(
                "Faults between every two parties, each for a while",
                f"{len(kinds)} kinds, {len(scene.proxies)} parties, {inflicted:,} inflicted"
                + (f"; not met: {', '.join(unmet)}" if unmet else ""),
                "each met by each",
                kept=not unmet,
            ),
            must(
                "… from health to everything delivered",
                f"{max(scene.recovered.values()):.1f} s at most",
                f"< {DRAIN_SECONDS} s",
                kept=not scene.complaints,
            ),
        ]
        figures = summary + figures
        figures += [must("… complaint", text[:300], "none", kept=False) for text in scene.complaints]
        return scene, figures


def _impostor(scene: Scene) -> Figure:
    """A server with a stranger's certificate answers for the API and the TAXII server: it gets no data or secret."""
    made = scene.rsyslog.certificates
    impostor = made.server_context(made.stranger)
    for name, part in (("taxii", "taxii"), ("api", "virustotal")):
        scene.proxies[name].tls = impostor
        scene.proxies[name].cut()
        scene.raise_for(1)
        parties.until(partial(_is_blocked, scene, part), 20, f"{part} is blocked")
    said = scene.blocked()
    for name in ("api", "taxii"):
        scene.proxies[name].tls = scene.context
    scene.child.kill(15)
    scene.child.wait()
    scene.start()
    scene.recovered["impostor"] = scene.drained()
    named = said.keys() == {"taxii", "virustotal"} and all("certificate" in text for text in said.values())
    return must(
        "An impostor's certificate, at the API and at TAXII",
        "both are blocked and name it; all delivered after a restart" if named else str(said),
        "is blocked and says so",
        kept=named and not scene.complaints,
    )


def _is_blocked(scene: Scene, part: str) -> bool:
    return part in scene.blocked()


def prove(folder: Path, seed: int, *, quick: bool, sweep: Sweep) -> list[Figure]:
    """The figures of the faults, and of the same with a defect."""
    scene, figures = faults(folder / "faults", seed, 0.9 if quick else 8)
    sweep.folder(scene.home, [scene.folder / "secret_key.pem"])
    some = ("reset", "half-open", "truncation")
    _, defect = faults(folder / "faults-defect", seed, 0.9, kinds=some, conduct={"forget_outages": 1})
    figures.append(noticed("forget_outages", defect))
    return figures
