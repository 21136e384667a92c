"""An explained conversion on a terminal: the output as a tree, and at each value where it came from."""

import sys
from collections.abc import Iterator
from pathlib import PurePath

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from connector.authoring.explain import ExplainedConversion, sources
from connector.mapping.explanation import Evaluation, ExplainedValue
from connector.settings.yamldoc import dotted
from connector.values.display import printable, value_text

_VALUE, _READ = 100, 60
"""How many characters of a value are shown, and of a value that was read."""
_UNBROKEN = 100_000
"""Width of a line, in characters, where the output is no terminal."""


def show(explained: ExplainedConversion) -> None:
    """Print it to stdout."""
    console = Console(width=None if sys.stdout.isatty() else _UNBROKEN, highlight=False)
    for line in _lines(explained):
        console.print(line)


def _lines(explained: ExplainedConversion) -> Iterator[Text | Tree]:
    explanation = explained.explanation
    heading = Text.assemble(
        (" with ".join([explained.mapping, *explained.overlays]), "bold"),
        f" makes this of the notification {printable(explained.notification_id)}:",
    )
    if explanation.match is not None:
        yield from _evaluations([explanation.match])
    if not explanation.wanted:
        yield Text("nothing: it is not for this mapping, whose `match` is false", "yellow")
        return
    if explained.refused:
        yield Text(f"refused by {printable(explained.refused)}", "bold red")
    yield heading
    for part in explanation.emitted:
        yield _tree(part)
    if explanation.claim is not None:
        yield from _evaluations([explanation.claim])
    if explanation.withdrawn:
        yield Text("if it were to be taken back, from withdraw:", "bold")
        for part in explanation.withdrawn:
            yield _tree(part)
    if explanation.names:
        yield Text("the names that it uses, from let:", "bold")
        for part in explanation.names:
            yield _tree(part)


def _tree(part: ExplainedValue) -> Tree:
    tree = Tree(_label(part), guide_style="dim")
    for line in _evaluations(part.evaluations):
        tree.add(line)
    for each in part.parts:
        tree.children.append(_tree(each))
    return tree


def _label(part: ExplainedValue) -> Text:
    key = Text(f"[{part.key}]" if isinstance(part.key, int) else printable(part.key), "bold")
    if part.left_out:
        key = Text(key.plain, "dim strike")
        return Text.assemble(key, "  ", (f"left out: {printable(part.left_out)}", "yellow"), _place(part.place))
    value = Text("") if part.parts else Text(f": {value_text(part.value, _VALUE)}", "green")
    if part.by_format:
        return Text.assemble(key, value, ("  added by the format", "dim"))
    return Text.assemble(key, value, _place(part.place))


def _evaluations(evaluations: list[Evaluation]) -> Iterator[Text]:
    for each in evaluations:
        role = "" if each.role in ("value", "text") else f"{each.role} "
        expression = printable(" ".join(each.expression.split()))
        line = Text.assemble(("← ", "dim"), (role, "magenta"), (expression, "cyan"))
        for place, found in sources(each).items():
            line.append(f"\n    {printable(dotted(place))} = ", "dim")
            line.append("not given" if found is None else value_text(found, _READ), "dim" if found is None else "")
        yield line


def _place(place: str) -> tuple[str, str]:
    """`  mine.yaml:12`; nothing for what no line says."""
    line = PurePath(place.rpartition(":")[0]).name
    return (f"  {line}" if line else "", "dim")
