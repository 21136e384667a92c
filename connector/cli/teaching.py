"""What `--help` teaches beside the options: the commands in groups, and examples of each."""

from collections.abc import Iterator, Mapping, Sequence

import click

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Begin": {
        "demo": "See everything work on this machine, without a key.",
        "init": "Write a configuration to start from.",
        "check": "Say what is wrong with the configuration; moves nothing.",
    },
    "Run": {
        "run": "Fetch and deliver, until SIGTERM or --once.",
        "serve": "Serve the page, the actions and TAXII over HTTP.",
        "token": "Make, list and revoke the tokens of the server.",
    },
    "Look": {
        "status": "Show where every source and route is.",
        "top": "Watch sources and routes live.",
        "tail": "Follow what comes in, and what a route makes of it.",
        "find": "Show everything known of a hash, URL, domain or address.",
    },
    "Put right": {
        "rejected": "List, retry, export or drop what was refused.",
        "replay": "Deliver again what a route has delivered.",
        "judge": "Say what is wrong: it is taken back, and muted.",
        "guarded": "See what known-good lists hold back.",
        "journal": "Check, back up, compact or copy the journal.",
        "forget": "Give up what is held for a former route or source.",
        "explain": "Explain an error: why, and what to do.",
    },
    "Say what is sent": {
        "mapping": "Start, check, test, explain and compare mappings.",
        "convert": "Convert a file of notifications, without a journal.",
        "receivers": "Show what a sink of `type: http` can send to.",
        "plugin": "List plugins, and start one of your own.",
        "schema": "Print a JSON Schema, for editors.",
    },
    "Playbooks and platforms": {
        "action": "Call an action as playbooks do; JSON out.",
        "manifest": "Make the package for XSOAR, OpenCTI and others.",
    },
    "Try out": {
        "simulate": "Serve a simulated VirusTotal on this machine.",
    },
}
"""The commands by what somebody is about to do, each in one group, with the line that stands beside it."""

EXAMPLES: Mapping[str, Sequence[str]] = {
    "init": ("iocstream init", "iocstream init --template splunk --to https://splunk.example.com:8088"),
    "check": ("iocstream check", "iocstream check --config /etc/iocstream/iocstream.yaml --json"),
    "run": ("iocstream run", "iocstream run --once --json"),
    "status": ("iocstream status", "iocstream status --json"),
    "top": ("iocstream top", "iocstream top --once"),
    "tail": ("iocstream tail", "iocstream tail events --last 20 --json"),
    "find": ("iocstream find evil.example.com", "iocstream find 44d88612fea8a8f36de82e1278abb02f --json"),
    "rejected list": ("iocstream rejected list", "iocstream rejected list --route events --reason 'no observable'"),
    "rejected show": ("iocstream rejected show 17",),
    "rejected retry": ("iocstream rejected retry --route events", "iocstream rejected retry 17 18"),
    "rejected skip": ("iocstream rejected skip events 23423199401",),
    "rejected export": ("iocstream rejected export refused.jsonl", "iocstream rejected export - --route events"),
    "rejected drop": ("iocstream rejected drop 17", "iocstream rejected drop --all --route events --yes"),
    "guarded list": ("iocstream guarded list", "iocstream guarded list --route events --limit 20"),
    "guarded check": ("iocstream guarded check www.google.com",),
    "replay": (
        "iocstream replay events --since 2026-01-31 --dry-run",
        "iocstream replay events --since 2026-01-31T08:00:00Z",
    ),
    "judge true_positive": ("iocstream judge true_positive --observable evil.example.com",),
    "judge false_positive": (
        "iocstream judge false_positive --observable www.example.com --note 'our own page'",
        "iocstream judge false_positive --rule noisy_rule --until 2126-01-31",
    ),
    "judge benign": ("iocstream judge benign --notification 23423199401 --note 'a test of ours'",),
    "judge none": ("iocstream judge none --observable www.example.com",),
    "judge list": ("iocstream judge list --in-force", "iocstream judge list --verdict false_positive --json"),
    "judge rules": ("iocstream judge rules",),
    "mapping new": ("iocstream mapping new --format cef mine.yaml",),
    "mapping check": ("iocstream mapping check mine.yaml", "iocstream mapping check stix21 --profile opencti"),
    "mapping test": ("iocstream mapping test mine.yaml", "iocstream mapping test mine.yaml --update"),
    "mapping explain": (
        "iocstream mapping explain stix21 --notification notification.json",
        "iocstream mapping explain mine.yaml --notification notification.json --html explained.html",
    ),
    "mapping diff": ("iocstream mapping diff stix21 mine.yaml --last 500",),
    "receivers list": ("iocstream receivers list",),
    "receivers show": ("iocstream receivers show splunk-hec",),
    "plugin list": ("iocstream plugin list",),
    "plugin new": ("iocstream plugin new sink pigeon",),
    "action": (
        "iocstream action --list",
        "iocstream action list_notifications --param limit=5",
    ),
    "serve": ("iocstream serve",),
    "token new": (
        "iocstream token new playbooks --scope act --expires 90d",
        "iocstream token new reader --scope taxii:iocs --print",
    ),
    "token list": ("iocstream token list",),
    "token revoke": ("iocstream token revoke playbooks",),
    "forget route": ("iocstream forget route old-siem",),
    "forget source": ("iocstream forget source old-key",),
    "journal check": ("iocstream journal check",),
    "journal backup": ("iocstream journal backup backup.db",),
    "journal copy": ("iocstream journal copy postgresql.yaml",),
    "journal compact": ("iocstream journal compact",),
    "journal leases": ("iocstream journal leases", "iocstream journal leases --release events"),
    "journal workers": ("iocstream journal workers", "iocstream journal workers --drain db-1.example/4711"),
    "explain": ("iocstream explain", "iocstream explain secret.unset", "iocstream explain 'HTTP 401: Invalid token'"),
    "convert": (
        "iocstream convert notification.json",
        "iocstream convert --mapping cef notification.json",
        "curl -s … | iocstream convert -",
    ),
    "simulate": ("iocstream simulate", "iocstream simulate --scenario quota --scenario poisoned"),
    "schema": ("iocstream schema config > iocstream.schema.json",),
    "demo": ("iocstream demo", "iocstream demo --no-serve --dir /tmp/demo"),
    "manifest": ("iocstream manifest", "iocstream manifest --for xsoar --out package"),
}
"""By the name of the command: what a reader copies. Words stand where their own names go."""


class Commands(click.Group):
    """The group of all commands, which lists them in groups."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, those of one purpose below one heading."""
        del ctx
        width = max(map(len, self.commands))
        for title, lines in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), line) for name, line in lines.items()])
        formatter.write_paragraph()
        formatter.write_text("`iocstream COMMAND --help` has the options and examples of each.")


def each_command(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that can be called below this one, by what is typed for it."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    for inner, subcommand in command.commands.items():
        yield from each_command(subcommand, f"{name} {inner}".strip())


def teach(group: click.Group) -> None:
    """Have `--help` of every command end with its examples."""
    for name, command in each_command(group):
        examples = EXAMPLES.get(name)
        if examples:
            command.epilog = "\b\nExamples:\n" + "\n".join(f"  {each}" for each in examples)
