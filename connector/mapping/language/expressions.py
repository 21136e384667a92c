"""JMESPath expressions, parsed: what is no expression is refused in one sentence, with the place in it."""

import warnings

from jmespath.exceptions import (
    EmptyExpressionError,
    IncompleteExpressionError,
    JMESPathError,
    LexerError,
    ParseError,
)
from jmespath.parser import Parser

from connector.mapping.language.interpreter import Node
from connector.values.display import one_line, shortened

MAX_LENGTH = 10_000
"""Characters in one expression."""
MAX_DEPTH = 100
"""Levels of its syntax tree: evaluating one takes a few Python frames a level."""


class ExpressionError(Exception):
    """What is wrong with an expression.

    Attributes:
        position: the index of the character where it shows; None when it is the whole.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position

    def __str__(self) -> str:
        message = str(self.args[0])
        return message if self.position is None else f"{message} (at character {self.position + 1} of the expression)"


def parse(expression: str) -> Node:
    """The syntax tree of an expression.

    Raises:
        ExpressionError: it is no JMESPath, or larger than anything written by hand.
    """
    if len(expression) > MAX_LENGTH:
        raise ExpressionError(f"an expression of more than {MAX_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # text in backticks without quotes, which the library still reads
            node: Node = Parser().parse(expression).parsed
    except EmptyExpressionError:
        raise ExpressionError("an expression is missing here") from None
    except IncompleteExpressionError:
        raise ExpressionError("the expression ends too early", len(expression)) from None
    except LexerError as error:
        hint = "; compare with ==" if str(error.token_value) == "=" else ""
        raise ExpressionError(f"{_sentence(error.message)}{hint}", error.lexer_position) from None
    except ParseError as error:
        raise ExpressionError(_syntax_message(error), error.lex_position) from None
    except JMESPathError as error:
        raise ExpressionError(str(error)) from None
    except ValueError:
        raise ExpressionError("a number of more digits than any reader takes") from None
    except RecursionError:
        raise ExpressionError("an expression nested too deeply") from None
    _check_tree(node)
    return node


def shown(expression: str, limit: int) -> str:
    """An expression as a message shows it: in one line, of at most `limit` characters."""
    return shortened(one_line(expression), limit)


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:200]


_OPERATORS = {"and": "&&", "or": "||", "not": "!"}


def _syntax_message(error: ParseError) -> str:
    if error.token_type in ("EOF", None):
        return "the expression ends too early"
    value = str(error.token_value)[:40]
    hint = f"; write {_OPERATORS[value]}" if value in _OPERATORS else ""
    if value.lstrip("-").isdigit():
        hint = f"; write numbers in backticks: `{value}`"
    return f"unexpected {value!r}{hint}"


def _check_tree(root: Node) -> None:
    level = [root]
    for _ in range(MAX_DEPTH):
        if any(node["type"] == "slice" and node["children"][2] == 0 for node in level):
            raise ExpressionError("a slice cannot step by 0")
        level = [child for node in level for child in node["children"] if isinstance(child, dict)]
        if not level:
            return
    raise ExpressionError(f"an expression of more than {MAX_DEPTH} levels")
