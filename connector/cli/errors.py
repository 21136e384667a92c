"""The codes of errors: what each means and what to do, for `iocstream explain` and docs/troubleshooting.md.

A code stays as it is when the words of the message change.
"""
# ruff: noqa: E501 -- a table of texts, one to a line

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.values.suggestions import suggestion


@dataclass(frozen=True, slots=True)
class Known:
    """One kind of error.

    Attributes:
        pattern: what its messages have in them and no message of an earlier kind; a regular expression.
        says: a message, as a user would see it.
        why: what has happened.
        remedy: what to do.
    """

    code: str
    pattern: str
    says: str
    why: str
    remedy: str


TITLES: Mapping[str, str] = {
    "command": "The command line",
    "config": "The configuration",
    "secret": "Keys and other secrets",
    "mapping": "Mappings",
    "virustotal": "VirusTotal",
    "receiver": "Receivers",
    "tls": "TLS and certificates",
    "network": "The network",
    "journal": "The journal",
    "server": "The server",
    "other": "Everything else",
}
"""What the code of an error begins with, and the heading that it stands below."""

KNOWN: Sequence[Known] = (
    Known("command.file-missing", r"^there is no \S.*; `iocstream init` writes one",
          "there is no iocstream.yaml; `iocstream init` writes one, --config names another",
          "The command needs a configuration file and found none in this folder.",
          "Run `iocstream init`, or name the file with `--config` or in the environment variable IOCSTREAM_CONFIG."),
    Known("command.extra-missing", r"which is not installed: pip install",
          "the page needs fastapi, which is not installed: pip install 'iocstream-connector[server]'",
          "This part of the product comes with an extra of the package, so that nobody installs what he does not use.",
          "Install the extra with the command in the message, into the same environment."),
    Known("command.port-taken", r"cannot be listened on",
          "the port 8765 cannot be listened on: Address already in use; choose another with --port, or 0",
          "Another process listens there, or the port is below 1024 and this user may not take it.",
          "Choose another port (0 takes a free one), or end the other process: `ss -ltnp` shows which it is."),
    Known("command.needs-yes", r"say --yes if that is meant",
          "3 dead letters would be dropped for good; say --yes if that is meant",
          "The command gives something up for good, and there is no terminal to ask at.",
          "Read what the message says would be lost, and repeat the command with `--yes`."),
    Known("command.exists", r"exists already|is not an empty folder|is a journal at .* already|in the way",
          "iocstream.yaml exists already; move it away or name another with --config",
          "The command overwrites no file.",
          "Move the file away, or name another place."),
    Known("command.value", r"is no hash \(MD5|is no hash, URL",
          "'evil' is no hash (MD5, SHA-1, SHA-256), URL (with its scheme), domain or address",
          "The value names nothing that a notification could be about.",
          "Give a URL with its scheme (https://…), a domain with its dot, an address without leading zeros, or a hash."),
    Known("command.option-first", r"options such as --config go after the command",
          "options such as --config go after the command: `iocstream status --config FILE`",
          "The options of a command were given before its name.",
          "Write the command first: `iocstream status --config FILE`, not `iocstream --config FILE status`."),
    Known("command.usage", r"^no such (command|option)|^missing (argument|option)|invalid value for|unexpected extra|requires an argument",
          "no such command 'statsu'. Did you mean 'status'?",
          "The command line was not understood.",
          "`iocstream --help` lists the commands; `iocstream COMMAND --help` has the options and examples of one."),
    Known("secret.unset", r"\$?\{?\w+\}? is not set|environment variable",
          "iocstream.yaml:7:14: sources.virustotal.api_key: the environment variable VT_API_KEY is not set",
          "The configuration takes a secret from the environment (`${NAME}`), and the variable is empty or missing.",
          "Set it in the environment of this very process: `export NAME=…` in the shell, `EnvironmentFile=` in a systemd "
          "unit. Or keep the secret in a file and write `${file:/path}`."),
    Known("secret.unquoted", r"in quotation marks",
          "iocstream.yaml:4:36: is not YAML: between braces or brackets put ${VT_API_KEY} in quotation marks",
          "Inside braces (`{…}`) YAML reads the braces of `${NAME}` as its own.",
          'Put quotation marks around it: `{api_key: "${VT_API_KEY}"}`.'),
    Known("config.option", r"there is no such option|there is no such key",
          "iocstream.yaml:9:5: sources.virustotal.api_kee: there is no such option; did you mean api_key?",
          "The configuration has an option that this section does not know: it is misspelt, or belongs elsewhere.",
          "Correct the name. docs/configuration.md lists the options; `iocstream schema config` gives your editor a schema."),
    Known("config.required", r"is required\b",
          "iocstream.yaml:12:3: routes.events.sink: is required",
          "The section lacks an option that has no default.",
          "Add it; docs/configuration.md says what it means."),
    Known("config.route-unknown", r"there is no route\b|there is no such route",
          "there is no route 'evnts'; did you mean events? There is indicators, events",
          "No route of this name is in the configuration.",
          "Correct the name; `iocstream status` lists the routes."),
    Known("config.source-unknown", r"there is no source\b",
          "there is no source 'virustotl'; did you mean virustotal?",
          "No source of this name is in the configuration.",
          "Correct the name; `iocstream status` lists the sources."),
    Known("config.destination-taken", r"give each a .* of its own",
          "the route events writes to out.cef already: give each a path of its own",
          "Two routes write to one place, where each would spoil what the other has written.",
          "Give each route a place of its own."),
    Known("config.stdout", r"both write to stdout|writes to stdout",
          "--json and a sink with `path: -` both write to stdout; leave one of them out",
          "The result of the command and the output of a sink would be mixed.",
          "Leave `--json` out, or have the sink write to a file."),
    Known("config.yaml", r"nested too deeply|is not closed|closed nowhere|a colon is missing|not YAML|there is nothing in this file|indent",
          "iocstream.yaml:8:1: a bracket or brace is not closed, or a comma is missing",
          "The file cannot be read as YAML.",
          "Look at the line and column in the message, and at the line before it. Blanks count in YAML, tabs are refused."),
    Known("mapping.unknown", r"there is no mapping|there is no receiver\b",
          "there is no mapping 'stix22'; did you mean stix21?",
          "Neither is it a mapping that comes along, nor the path of a file.",
          "Correct the name, or give the path of a file with a folder in it (`./mine.yaml`)."),
    Known("mapping.profile", r"has no profile|has a profile",
          "the mapping json has no profile 'x'; it has none",
          "A profile adapts a mapping to one kind of receiver, and this mapping has none of that name.",
          "docs/profiles.md lists them; leave the profile out for the mapping as it is."),
    Known("mapping.expression", r": in `",
          "mine.yaml:9:11: in `entity.score >`: the expression ends too early",
          "An expression of the mapping, or a route's `when`, cannot be compiled.",
          "Correct it at the line in the message; `iocstream mapping explain` shows what expressions give."),
    Known("virustotal.key", r"does not accept the API key",
          "VirusTotal does not accept the API key (HTTP 401, WrongCredentialsError): set the source's option api_key",
          "The key is misspelt, was renewed, or belongs to no account with access to the API.",
          "Copy the key from your VirusTotal account into the variable or file that the configuration names. Look for a "
          "blank or line break at its end."),
    Known("virustotal.forbidden", r"ForbiddenError|may not be read|not authorized",
          "VirusTotal refuses the question (HTTP 403, ForbiddenError: You are not authorized)",
          "The key is valid and its account lacks the right to read the IoC Stream.",
          "The IoC Stream needs VirusTotal Enterprise or Google Threat Intelligence; ask whoever administers your account."),
    Known("virustotal.quota", r"QuotaExceeded|[Qq]uota (is )?exceeded|TooManyRequests|HTTP 429",
          "VirusTotal cannot answer now (HTTP 429, QuotaExceededError: Quota exceeded)",
          "The account has used up its requests for the hour, day or month. Others may use the same key.",
          "Nothing is lost: the source waits and goes on by itself. If it happens every day, raise `poll_seconds`, lower "
          "`look_ups_per_day`, or give the connector a key of its own. `iocstream status` shows what is left."),
    Known("virustotal.outage", r"VirusTotal cannot answer now",
          "VirusTotal cannot answer now (HTTP 503: Service Unavailable)",
          "VirusTotal, or a proxy before it, has a fault of its own.",
          "Wait: the source tries again by itself. VirusTotal keeps notifications for 7 days."),
    Known("virustotal.not-the-api", r"is no page of the IoC Stream|what is not JSON|JSON that is no object|something else answers",
          "www.virustotal.com answered with what is not JSON, or no object (HTTP 200: <html>…)",
          "Something other than VirusTotal answered: a proxy, a log-in page of the network, or a wrong `api_url`.",
          "Leave `api_url` out, see the source's option `proxy`, or let the proxy pass the host www.virustotal.com."),
    Known("receiver.login", r"HTTP 40[13]\b|does not accept (the|this) (login|password|token)|Unauthorized|wants a user and a password",
          "the receiver answers: HTTP 401: Invalid token",
          "The receiver does not accept the user, password or token, or these may not write there.",
          "Set the secret that the sink names, and see at the receiver that it may write."),
    Known("receiver.cannot-write", r"can_write is false|takes nothing from this login",
          "the collection 'iocs' at https://taxii.example.com/… takes nothing from this login (can_write is false)",
          "The login may read the TAXII collection and not write into it.",
          "Ask the server's administrator for the right to write, or choose another collection."),
    Known("receiver.plain-http", r"plain http://",
          "the API root http://taxii.example.com/ is plain http://: login and content could be read on the way",
          "Over plain HTTP, anybody on the way could read the login and alter what is sent.",
          "Use https://. Where the way is safe, such as on one machine, set `allow_http: true`."),
    Known("receiver.relp", r"no RELP session",
          "no RELP session: siem.example.com:2514 opens none",
          "Something listens there and does not speak RELP: a port for plain syslog, or for TLS.",
          "Set `transport` to what the port speaks: relp, relp-tls, tls, tcp or udp."),
    Known("tls.against-plain", r"speaks? no TLS|WRONG_VERSION_NUMBER|wrong version number|no TLS (there|here)",
          "siem.example.com:514 speaks no TLS",
          "The sink wants TLS and the port answers without it.",
          "Set the port that speaks TLS (6514 is usual for syslog), or `transport: tcp` where the way is safe."),
    Known("tls.certificate", r"certificate .*is not accepted|CERTIFICATE_VERIFY_FAILED|self.signed",
          "the certificate of siem.example.com:6514 is not accepted: self-signed certificate",
          "The server's certificate is signed by nobody this machine trusts, has expired, or is for another name.",
          "Give the certificate of your own authority as `ca_bundle`; correct the name with `server_name`."),
    Known("tls.files", r"client_certificate|ca_bundle .*cannot be used|server\.tls",
          "client_certificate client.pem cannot be used: No such file or directory; it must be PEM",
          "A file for TLS is missing, unreadable, not PEM, or key and certificate do not belong together.",
          "Look at the file with `openssl x509 -in FILE -noout -text`; its key must have no passphrase."),
    Known("tls.handshake", r"TLS handshake",
          "siem.example.com:6514 closed the connection during the TLS handshake",
          "The other side ended the handshake: it may want a client's certificate, or speak no TLS at all.",
          "Set `client_certificate` if the server asks for one; look whether the port is the one for TLS."),
    Known("network.name", r"cannot be resolved|not the name of a host",
          "the name taxii.exmaple.com cannot be resolved: Name or service not known",
          "The name is misspelt, or this machine's DNS does not know it.",
          "Correct the name, and try it here: `getent hosts NAME`. In a container, look at its DNS settings."),
    Known("network.refused", r"[Cc]onnection refused",
          "127.0.0.1:5514 cannot be reached: Connection refused",
          "The machine is there, and nothing listens on that port.",
          "Start the receiver, correct the port, or open it in a firewall that rejects. Routes wait and go on by themselves."),
    Known("network.timeout", r"did not answer within|timed out",
          "siem.example.com:6514 did not answer within 30 s",
          "Nothing came back: a firewall drops the packets, the machine is off, or the receiver is overloaded.",
          "Try it from here: `nc -vz HOST PORT`. A slow receiver may need a longer `timeout_seconds`."),
    Known("network.unreachable", r"cannot be reached|no route to host|broke the connection|connection to .* broke|no complete answer",
          "siem.example.com:514 cannot be reached: No route to host",
          "The network does not lead there, or the connection broke on its way.",
          "Look at routes, VPN and firewall. Nothing is lost: the part waits, and tries again."),
    Known("journal.none", r"there is no journal at",
          "there is no journal at iocstream.db yet: `iocstream run` makes it",
          "Nothing has run with this configuration, or `journal: path` names another file than the one that ran.",
          "Run `iocstream run --once`, or go to the folder where it runs: a relative path is taken from there."),
    Known("journal.newer", r"was written by a newer version",
          "the journal iocstream.db was written by a newer version of this program (its schema is 31)",
          "The program was set back to an older version, and its journal was brought up to date before.",
          "Upgrade the program again, or restore the backup that you made before the upgrade."),
    Known("journal.served", r"is served by|end that one first|another process|still serves",
          "the route events is served by process 4711 on siem1: end that one first",
          "Another process has the route, source or journal, and two at once would deliver twice.",
          "End the other one (SIGTERM loses nothing). `iocstream journal leases` shows who it is."),
    Known("journal.moved", r"was deleted, moved or replaced|was deleted or moved",
          "the journal iocstream.db was deleted, moved or replaced while this process had it open: put it back",
          "Somebody moved or restored the file under a running process.",
          "End the process, put the file back with its -wal and -shm files, and start again."),
    Known("journal.disk", r"file system has no locks|No space left|database or disk is full",
          "No space left on device",
          "The disk is full, or of a kind that cannot lock files, such as some network file systems.",
          "Make room, or have the journal on a local disk. `iocstream journal compact` gives free space back."),
    Known("journal.permission", r"the journal .* cannot be (made|read|written)|must be writable|is a folder|not a regular file",
          "the journal iocstream.db cannot be written to: the file and its folder must be writable for this user",
          "The user who runs this may not use the journal's file or folder.",
          "Correct the owner of file and folder, or run the command as the user of the service: `sudo -u iocstream …`."),
    Known("journal.unknown-id", r"the journal has no notification|there is no dead letter|holds nothing for a",
          "the journal has no notification '23423199401'",
          "There is nothing of this number or id; it may have been delivered, dropped or pruned since.",
          "`iocstream rejected list` and `iocstream tail --once` show what there is."),
    Known("server.no-token", r"there is no token, so nobody could ask",
          "server.tokens: there is no token, so nobody could ask anything",
          "The server lets in only who has a token.",
          "Make one: `iocstream token new NAME --scope read`. It is shown once."),
    Known("server.token", r"the file of tokens|there is a token|the token .* is revoked|iocstream token",
          "there is a token playbooks already: `iocstream token revoke playbooks` ends it",
          "The tokens are kept in a file beside the journal.",
          "`iocstream token list` shows them."),
    Known("command.file", r"cannot be read|cannot be written|cannot be made",
          "nope.json cannot be read: No such file or directory",
          "A file that the command or the configuration names is not there, or this user may not use it.",
          "Look at the path: one without a slash in front is taken from the folder of the command, in a configuration from the folder of that."),
)  # fmt: skip

GENERIC: Mapping[str, Known] = {
    each.code: each
    for each in (
        Known("command.other", "", "say which action; `iocstream action --list` shows them",
              "The command cannot be carried out as it was given.",
              "The message says what to change; `iocstream COMMAND --help` has options and examples."),
        Known("config.other", "", "iocstream.yaml:9:5: sources.saved.path: must be text",
              "Something must be put right before this can work; it tries again now and then by itself.",
              "The message names the place and the remedy. `iocstream check` finds all such errors at once."),
        Known("other.unavailable", "", "the receiver answers: HTTP 503: overloaded",
              "The other side cannot do it now.",
              "Wait: the part tries again by itself, and nothing is lost. `iocstream status` says when."),
        Known("other.refused", "", "the notification holds a number that is not finite",
              "This one notification or document cannot be handled as it is; the rest goes on.",
              "`iocstream rejected list` shows it with the reason; once that is put right, `iocstream rejected retry`."),
        Known("other.failed", "", "out.json cannot be written: Read-only file system",
              "The system did not let the command finish.",
              "The message has the system's own words; look at the file, folder or device that it names."),
    )
}  # fmt: skip
"""For messages that no kind fits."""

_COMPILED = [(re.compile(each.pattern), each) for each in KNOWN]
_LONGEST = 2000


def known(message: str) -> Known | None:
    """The kind of a message; None: no kind fits."""
    first = message.strip().split("\n", 1)[0][:_LONGEST]
    return next((each for pattern, each in _COMPILED if pattern.search(first)), None)


def code_of(message: str, generic: str) -> str:
    """The code of a message; `generic` when no kind fits."""
    found = known(message)
    return generic if found is None else found.code


def by_code(code: str) -> Known | None:
    """The kind that has a code."""
    return next((each for each in (*KNOWN, *GENERIC.values()) if each.code == code), None)


def close_to(code: str) -> str:
    """`; did you mean …?`, where a code is close."""
    return suggestion(code, [each.code for each in (*KNOWN, *GENERIC.values())])
