"""rsyslog and syslog-ng that write as they do out of the box: each event once in each template that comes with rsyslog,
and once more as rsyslog relays it with each of its forwarding templates and writes it there."""

import os
import shutil
import string
from pathlib import Path

import free_ports
from missing_software import Missing
from peers import syslog

WRITTEN = ("RSYSLOG_TraditionalFileFormat", "RSYSLOG_FileFormat", "RSYSLOG_SyslogProtocol23Format")
FORWARDED = ("RSYSLOG_TraditionalForwardFormat", "RSYSLOG_ForwardFormat")

RSYSLOG_CONF = string.Template("""
global(workDirectory="$folder")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="$tcp" ruleset="write")
input(type="imtcp" address="127.0.0.1" port="$relayed" ruleset="relayed")
ruleset(name="write") { $actions }
ruleset(name="relayed") {
  action(type="omfile" file="$folder/relayed.log" template="RSYSLOG_TraditionalFileFormat" flushOnTXEnd="on")
}
""")

SYSLOG_NG_CONF = string.Template("""
@version: 3.38
options { keep-hostname(yes); chain-hostnames(no); use-dns(no); stats-freq(0); flush-lines(1); };
source legacy { network(ip("127.0.0.1") port($legacy) transport("tcp")); };
source current { syslog(ip("127.0.0.1") port($current) transport("tcp")); };
destination written { file("$folder/written.log"); };
log { source(legacy); source(current); destination(written); };
""")


def rsyslog(folder: Path) -> syslog.SyslogServer:
    """One to be run, with the input `tcp`: it writes `NAME.log` for each template, and `relayed.log`.

    Raises:
        Missing: it is not installed.
    """
    program = shutil.which("rsyslogd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        raise Missing("rsyslog is not here; .ci/install-servers installs it")
    inputs = {name: free_ports.reserve() for name in ("tcp", "relayed")}
    files = [
        f'action(type="omfile" file="{folder}/{name}.log" template="{name}" flushOnTXEnd="on")' for name in WRITTEN
    ]
    relays = [
        f'action(type="omfwd" target="127.0.0.1" port="{inputs["relayed"]}" protocol="tcp" template="{name}")'
        for name in FORWARDED
    ]
    conf = folder / "rsyslog.conf"
    conf.write_text(RSYSLOG_CONF.substitute(inputs, folder=folder, actions="\n".join([*files, *relays])))
    command = [program, "-n", "-C", "-f", str(conf), "-i", str(folder / "pid")]
    return syslog.SyslogServer(command, folder, inputs, {"TZ": "UTC"})


def syslog_ng(folder: Path) -> syslog.SyslogServer:
    """One to be run, with the inputs `legacy` (network()) and `current` (syslog()): it writes `written.log`.

    Raises:
        Missing: it is not installed.
    """
    inputs = {name: free_ports.reserve() for name in ("legacy", "current")}
    return syslog.syslog_ng_with(SYSLOG_NG_CONF.substitute(inputs, folder=folder), folder, inputs)
