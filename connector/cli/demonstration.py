"""The whole job on this machine only: simulated VirusTotal → journal → STIX and CEF → files, TAXII and syslog.

In the end the server shows where everything stands, until it is told to end.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import click

from connector import app, configuration, telemetry
from connector.cli import terminal
from connector.cli.command import extra, part_json, print_json
from connector.model import Misconfigured
from connector.pipeline.part import Part
from connector.settings.server import ServerSettings, TokenSettings, new_token
from connector.simulator.api import Api
from connector.simulator.notifications import notifications
from connector.simulator.syslog import SyslogReceiver
from connector.simulator.taxii import TaxiiReceiver
from connector.simulator.wsgi_server import serving

CONFIGURATION = """\
# What `iocstream demo` ran. The servers it names were simulated and are gone.
sources:
  virustotal: {{type: virustotal, api_key: "${{VT_API_KEY}}", api_url: "{api_url}/api/v3", since_hours: 168}}
journal:
  path: iocstream.db
producer: {{name: Demonstration, tlp: green}}
routes:
  stix-file:
    mapping: stix21
    sink: {{type: file, path: indicators.json, layout: stix-bundle}}
  stix-taxii:
    mapping: stix21
    sink: {{type: taxii, collection_url: "{collection_url}", username: demo, password: "${{TAXII_PASSWORD}}"}}
  stix-collection:
    mapping: stix21
    sink: {{type: collection, name: iocs, title: Demonstration}}
  cef-file:
    mapping: cef
    sink: {{type: file, path: events.cef}}
  cef-syslog:
    mapping: cef
    sink: {{type: syslog, host: 127.0.0.1, port: {syslog_port}, transport: tcp}}
"""
_CONFIGURATION_FILE = "iocstream.yaml"
_MARKER = ".iocstream-demo"
"""Holds the hash of the configuration that the demo wrote: one that somebody has changed since is theirs."""
_JOURNAL_FILES = [f"iocstream.db{end}" for end in ("", "-wal", "-shm", "-id")]
_FILES = (*_JOURNAL_FILES, "indicators.json", "events.cef", _CONFIGURATION_FILE)
"""What the demo writes; the configuration goes last, for with it goes the proof that the others are the demo's."""
_PASSWORD = "demo-password"  # noqa: S105 -- of a receiver that lives as long as the demonstration


def demonstrate(
    folder: Path, count: int, until_stopped: Callable[[], threading.Event] | None, *, as_json: bool = False
) -> None:
    """Run it, with `count` notifications, and show what came of it; files go to `folder`, replacing the last run's.

    Args:
        folder: made if missing.
        count: how many notifications.
        until_stopped: called before the page is served, for the event that ends it; None to serve nothing.
        as_json: whether what came of it is printed as JSON.

    Raises:
        Misconfigured: the folder holds such files, and not from a demonstration.
    """
    _make_room(folder)
    started = time.monotonic()
    with _simulated(count) as (api_url, taxii_url, taxii, syslog):
        path = folder / _CONFIGURATION_FILE
        text = CONFIGURATION.format(api_url=api_url, collection_url=taxii_url + taxii.path, syslog_port=syslog.port)
        (folder / _MARKER).write_text(_hashed(text.encode()))
        path.touch(0o600)  # as `iocstream init` makes it
        path.write_text(text)
        plan = configuration.load(path, {"VT_API_KEY": "demo-key", "TAXII_PASSWORD": _PASSWORD})
        routes = dict.fromkeys(plan.settings.routes, count)
        with terminal.PartProgress({"virustotal": count, **routes}) as progress:
            telemetry.configure(level="CRITICAL")  # the table below says it all
            parts = app.run(plan, once=True, stop=threading.Event(), on_progress=progress)
        syslog.wait_for(sum(part.messages for part in parts if part.name == "cef-syslog"), seconds=5)
        arrived: dict[str, int | str] = {
            "stix-taxii": len(taxii.objects()),
            "stix-collection": "(the journal)",
            "cef-syslog": len(syslog.lines()),
        }
        if as_json:
            print_json([{**part_json(part), "arrived": arrived.get(part.name)} for part in parts])
        else:
            _show(folder, parts, arrived, time.monotonic() - started)
        if until_stopped is not None:
            _serve(plan, until_stopped)


def _make_room(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    there = [name for name in _FILES if (folder / name).exists()]
    if there and not _is_of_a_demonstration(folder):
        raise Misconfigured(
            f"{folder} holds {', '.join(there)}, and not as a demonstration left it: name another folder with --dir"
        )
    for name in there:
        (folder / name).unlink()


def _is_of_a_demonstration(folder: Path) -> bool:
    try:
        return (folder / _MARKER).read_text() == _hashed((folder / _CONFIGURATION_FILE).read_bytes())
    except OSError:
        return False


def _hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _serve(plan: configuration.Plan, until_stopped: Callable[[], threading.Event]) -> None:
    """Serve the page and the collection on loopback, with a token that is valid for this run only."""
    try:
        with extra("server", "the page"):
            from connector.server import listener as server  # noqa: PLC0415 -- an extra of the package
    except click.UsageError as error:
        terminal.print_line(error.message)
        return
    token, hashed = new_token()
    login = TokenSettings(name="demo", hash=hashed, scopes=["act", "taxii"])
    settings = plan.settings.model_copy(update={"server": ServerSettings(listen="127.0.0.1:0", tokens=[login])})

    def tell(url: str) -> None:
        terminal.print_line(
            f"\nThe page   {url}/   where everything stands, until Ctrl-C\n"
            f"           user      {login.name}\n"
            f"           password  {token}\n\n"
            f"TAXII      curl -s -u {login.name}:{token} -H 'Accept: application/taxii+json;version=2.1' \\\n"
            f"           '{url}/taxii2/root/collections/iocs/objects/?match%5Btype%5D=indicator&limit=1'"
        )

    server.serve(replace(plan, settings=settings), until_stopped(), tell)


@contextmanager
def _simulated(count: int) -> Iterator[tuple[str, str, TaxiiReceiver, SyslogReceiver]]:
    with ExitStack() as stack:
        taxii = TaxiiReceiver(username="demo", password=_PASSWORD)
        yield (
            stack.enter_context(serving(Api(notifications(count), key="demo-key"))),
            stack.enter_context(serving(taxii)),
            taxii,
            stack.enter_context(SyslogReceiver()),
        )


def _show(folder: Path, parts: Sequence[Part], arrived: dict[str, int | str], seconds: float) -> None:
    terminal.print_line("")
    fetched = sum(part.new for part in parts)
    terminal.print_line(f"fetched {fetched:,} notifications from a simulated VirusTotal in {seconds:.1f} s in all")
    routes = [part for part in parts if part.kind == "route"]
    terminal.table(
        "",
        ("route", "delivered", "refused", "objects or events sent", "counted at the receiver"),
        [(p.name, p.delivered, p.refused, p.messages, arrived.get(p.name, "(a file)")) for p in routes],
    )
    reasons = sorted({(reason, times) for part in routes for reason, times in part.reasons.items()})
    for reason, times in reasons:
        terminal.print_line(f"refused {times} times by {reason}")
    terminal.print_line(
        f"\nLook at    {folder}/indicators.json   the STIX bundle\n"
        f"           {folder}/events.cef        the CEF events\n"
        f"           {folder}/iocstream.yaml    the configuration that made them\n"
        "Next       your own key: `iocstream init`, then `VT_API_KEY=… iocstream check`"
    )
