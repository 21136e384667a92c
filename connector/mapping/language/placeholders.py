"""Text with `${{ … }}` in it, taken apart."""

import re
from dataclasses import dataclass

from connector.mapping.language.expressions import ExpressionError

_OPEN = "${{"
# A placeholder ends at the first }} outside of quotes and of the braces that JMESPath itself uses.
_STEP = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`(?:\\.|[^`\\])*`|[{}]|[^'\"`{}]+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The expression of one `${{ … }}`, without the blanks around it."""

    expression: str


def parts(text: str) -> list[str | Placeholder]:
    """Literal text and placeholders in turn; `$${{` is a literal `${{`. Empty literals are left out.

    Raises:
        ExpressionError: a placeholder does not end.
    """
    found: list[str | Placeholder] = []
    literal = ""
    position = 0
    while (start := text.find(_OPEN, position)) >= 0:
        if text[position:start].endswith("$"):
            literal += text[position : start - 1] + _OPEN
            position = start + len(_OPEN)
            continue
        literal += text[position:start]
        if literal:
            found.append(literal)
            literal = ""
        end = _end(text, start + len(_OPEN))
        found.append(Placeholder(text[start + len(_OPEN) : end].strip()))
        position = end + len("}}")
    literal += text[position:]
    return [*found, literal] if literal else found


def _end(text: str, position: int) -> int:
    depth = 0
    while position < len(text):
        if depth == 0 and text.startswith("}}", position):
            return position
        step = _STEP.match(text, position)
        if step is None:
            raise ExpressionError(f"a quote {text[position]} is opened in ${{{{ … }}}} and never closed")
        depth += {"{": 1, "}": -1}.get(step[0], 0)
        position = step.end()
    raise ExpressionError("${{ is opened and never closed with }}; write $${{ for a literal ${{")
