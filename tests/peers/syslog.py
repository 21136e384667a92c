"""rsyslog and syslog-ng on loopback, each with a configuration of ours in a temporary folder, on free ports, under a
file-size limit (rsyslog's imptcp can be made to write without end), ended by its own process id.

`.ci/install-servers` installs both.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import string
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import certificates as certificate_files
import free_ports
import psutil
from missing_software import Missing

SYSLOG_NG = Path(__file__).parents[2] / ".peers" / "syslog-ng"
START_SECONDS = 30
FILE_BLOCKS = 128 * 1024  # of 512 bytes

RSYSLOG_CONF = string.Template("""
global(workDirectory="$folder" maxMessageSize="64k"
       defaultNetstreamDriverCAFile="$certificates/ca.pem"
       defaultNetstreamDriverCertFile="$certificates/server.pem"
       defaultNetstreamDriverKeyFile="$certificates/server_key.pem")
module(load="imudp") module(load="imptcp") module(load="imtcp") module(load="imrelp" tls.tlslib="$relp_library")
template(name="json" type="list" option.jsonf="on") {
  property(outname="raw"  name="rawmsg" format="jsonf")
  property(outname="pri"  name="pri" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="tag"  name="syslogtag" format="jsonf")
  property(outname="msg"  name="msg" format="jsonf")
}
template(name="stored" type="string" string="$folder/%inputname%.json")
ruleset(name="store") { action(type="omfile" dynaFile="stored" template="json" flushOnTXEnd="on") }
input(type="imudp"  address="127.0.0.1" port="$udp"  name="udp"  ruleset="store" rcvbufSize="4m")
input(type="imptcp" address="127.0.0.1" port="$ptcp" name="ptcp" ruleset="store")
input(type="imtcp"  address="127.0.0.1" port="$tcp"  name="tcp"  ruleset="store")
input(type="imtcp"  address="127.0.0.1" port="$gtls" name="gtls" ruleset="store"
      streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer=["sender.test"])
input(type="imtcp"  address="127.0.0.1" port="$ossl" name="ossl" ruleset="store"
      streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
# Without a queue between input and file, rsyslog acknowledges an event when it is written, not when it is in memory.
ruleset(name="keep" queue.type="Direct") { action(type="omfile" dynaFile="stored" template="json" flushOnTXEnd="on") }
input(type="imrelp" address="127.0.0.1" port="$relp" name="relp" ruleset="keep" maxDataSize="64k")
input(type="imrelp" address="127.0.0.1" port="$relptls" name="relptls" ruleset="keep" maxDataSize="64k" tls="on"
      tls.caCert="$certificates/ca.pem" tls.myCert="$certificates/server.pem"
      tls.myPrivKey="$certificates/server_key.pem" tls.authMode="name" tls.permittedPeer=["sender.test"])
action(type="omfile" file="$folder/internal.log")
""")

SYSLOG_NG_CONF = string.Template("""
@version: 3.38
options { keep-hostname(yes); chain-hostnames(no); use-dns(no); stats-freq(0); flush-lines(1); };
source udp    { network(ip("127.0.0.1") port($udp) transport("udp") so-rcvbuf(4194304)); };
source lf     { network(ip("127.0.0.1") port($lf)  transport("tcp")); };
source octet  { syslog (ip("127.0.0.1") port($octet) transport("tcp")); };
source tls    { syslog (ip("127.0.0.1") port($tls) transport("tls") tls(
    key-file("$certificates/server_key.pem") cert-file("$certificates/server.pem")
    ca-file("$certificates/ca.pem") peer-verify(required-trusted) trusted-dn("*CN=sender.test*"))); };
template json { template("$$(format-json
    time='$$S_UNIXTIME' pri='$$PRI' host='$$HOST' tag='$$PROGRAM' msg='$$MESSAGE' head='$$MSGHDR')\n"); };
destination stored { file("$folder/$$SOURCE.json" template(json)); };
log { source(udp); source(lf); source(octet); source(tls); destination(stored); };
""")


@dataclass
class SyslogServer:
    """A real server: its inputs by name, what each has stored."""

    command: list[str]
    folder: Path
    ports: dict[str, int]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None

    def start(self):
        log = (self.folder / "server.log").open("ab")
        limited = ["sh", "-c", f'ulimit -f {FILE_BLOCKS}; exec "$@"', "sh", *self.command]
        with log:
            self.process = subprocess.Popen(
                limited, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.environment}
            )
        try:
            self._until(lambda: set(self.ports.values()) <= self._bound(), f"listens at {self.ports}")
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def kill(self):
        """Kill it, as a crash would: what it holds in memory is lost."""
        self.process.kill()
        self.process.wait()

    def pause(self):
        """Stop the process (SIGSTOP); the kernel goes on receiving for it."""
        self.process.send_signal(signal.SIGSTOP)

    def stored(self, source):
        """What it wrote down of an input, in order, one dict for each message that is complete on the disk."""
        path = self.folder / f"{source}.json"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def found(self, source, pattern):
        """What the pattern's group matches in the complete messages; one that is written in part is left out."""
        path = self.folder / f"{source}.json"
        messages = re.compile(rb'"msg": ?"((?:[^"\\\n]|\\.)*)"}\n')
        return [
            match[1]
            for message in messages.finditer(path.read_bytes() if path.exists() else b"")
            for match in re.finditer(pattern, message[1])
        ]

    def wait_for_all(self, source, pattern, wanted):
        """What `found` returns, as soon as nothing wanted is missing from it."""
        self._until(lambda: wanted <= set(self.found(source, pattern)), f"has all messages from {source}")
        return self.found(source, pattern)

    def wait_for(self, source, marker, count):
        """Those of its messages that contain the marker, as soon as there are so many."""

        def found():
            return [each for each in self.stored(source) if marker in each["msg"]]

        self._until(lambda: len(found()) >= count, f"has {count} messages from {source}")
        return found()

    def wait_until(self, holds):
        """Return as soon as something holds that the server is to bring about."""
        self._until(holds, "does what the test waits for")

    def _bound(self):
        # Asked of the system: a probing connection might reach another process, or itself.
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            sockets = psutil.Process(self.process.pid).net_connections("inet")
            return {each.laddr.port for each in sockets if not each.raddr}
        return set()

    def _until(self, holds, what):
        # A server tells nobody that it is ready or that it has written: there is no event to wait for.
        deadline = time.monotonic() + START_SECONDS
        while not holds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "server.log").read_text(errors="replace")[-2000:]
                raise TimeoutError(f"{self.command[0]}: not seen within {START_SECONDS} s: it {what}\n{said}")
            time.sleep(0.01)


@contextlib.contextmanager
def running(server):
    server.start()
    try:
        yield server
    finally:
        server.stop()


def rsyslog(folder: Path, certificates: certificate_files.Certificates, relp_library="openssl"):
    """One to be run: `udp`, `tcp` (imtcp), `ptcp` (imptcp), `gtls` (permits sender.test), `ossl`, `relp`, `relptls`
    (permits sender.test).

    Raises:
        Missing: it is not installed.
    """
    program = shutil.which("rsyslogd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    drivers = {"lmnsd_gtls.so", "lmnsd_ossl.so", "imrelp.so"}
    if program is None or not drivers <= {path.name for path in Path("/usr/lib").glob("*/rsyslog/*.so")}:
        raise _missing("rsyslog with RELP and its gnutls and openssl drivers")
    inputs = {name: free_ports.reserve() for name in ("udp", "ptcp", "tcp", "gtls", "ossl", "relp", "relptls")}
    conf = folder / "rsyslog.conf"
    names = {"folder": folder, "certificates": certificates.folder, "relp_library": relp_library}
    conf.write_text(RSYSLOG_CONF.substitute(inputs, **names))
    command = [program, "-n", "-C", "-f", str(conf), "-i", str(folder / "pid")]
    return SyslogServer(command, folder, inputs, {"TZ": "UTC"})


def syslog_ng(folder: Path, certificates: certificate_files.Certificates):
    """One to be run: `udp` and `lf` (network()), `octet` and `tls` (syslog(), the latter permits sender.test).

    Raises:
        Missing: it is not installed.
    """
    inputs = {name: free_ports.reserve() for name in ("udp", "lf", "octet", "tls")}
    configuration = SYSLOG_NG_CONF.substitute(inputs, folder=folder, certificates=certificates.folder)
    return syslog_ng_with(configuration, folder, inputs)


def syslog_ng_with(configuration: str, folder: Path, inputs: dict[str, int]):
    """One to be run with a configuration of one's own; raises as `syslog_ng`."""
    program = SYSLOG_NG / "usr" / "sbin" / "syslog-ng"
    if not program.exists():
        raise _missing("syslog-ng")
    conf = folder / "syslog-ng.conf"
    conf.write_text(configuration)
    home = SYSLOG_NG / "usr" / "lib" / "syslog-ng"
    libraries = {str(path.parent) for path in SYSLOG_NG.rglob("lib*.so.*")}
    modules = next(path for path in home.iterdir() if path.is_dir())
    options = ["-F", "--no-caps", "-f", conf, "-R", folder / "persist", "-c", folder / "ctl", "-p", folder / "pid"]
    command = [str(each) for each in (program, *options, f"--module-path={modules}")]
    environment = {"LD_LIBRARY_PATH": ":".join(sorted(libraries)), "TZ": "UTC"}
    return SyslogServer(command, folder, inputs, environment)


def _missing(what):
    return Missing(f"{what} is not here; .ci/install-servers installs it")
