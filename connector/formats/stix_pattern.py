"""STIX patterns (STIX 2.1 section 9): values quoted into them, and whether a pattern is one.

The grammar is that of the OASIS library stix2-patterns, which takes a millisecond for each pattern. A mapping makes the
same few patterns over and over with other values, so the grammar is asked once for each *skeleton*, the pattern with
its literals emptied; the literals themselves are checked here.
"""

import functools
import math
import re
from decimal import Decimal

from connector.formats.stix_values import HASHES, Fault
from connector.model import Json, Rejected

# A quoted piece, with what makes it no plain text literal: a step of a path (.'SHA-256'), or a typed literal (t'…').
_QUOTED = re.compile(r"(\.\s*|[thb]|)'((?:[^'\\]|\\['\\])*+)'")
_ESCAPED = re.compile(r"\\(['\\])")
_HASH_STEP = re.compile(r"\bhashes\s*\.\s*(?:'([^']*)'|([\w-]+))(?:\s*(?:NOT\s+)?(!?=|IN\s*\())?")
_EMPTY = "''"


def literal(value: Json) -> str:
    r"""A value as a pattern literal: `'it\'s'`, `42`, `1.5`, `true` (section 9.2).

    Raises:
        Rejected: no literal can say it.
    """
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)), "f")  # the grammar knows no exponents
    raise Rejected(f"{type(value).__name__} {value!r:.80} cannot stand inside text", by="format")


def pattern_fault(pattern: str) -> Fault | None:
    """What is wrong with a pattern; None when nothing is."""
    literals: list[str] = []

    def empty(match: re.Match[str]) -> str:
        if match[1]:
            return match[0]
        literals.append(match[2])
        return _EMPTY

    skeleton = _QUOTED.sub(empty, pattern)
    if "/*" in skeleton or "//" in skeleton:
        # In a comment a quote quotes nothing, so that the literals may not be what they seem.
        return Fault("must be a pattern without comments", pattern)
    reason, algorithms = _grammar(skeleton)
    if reason is not None:
        return Fault(f"must be a STIX pattern: {reason}", pattern)
    for algorithm, value in zip(algorithms, literals, strict=True):
        if algorithm is not None:
            fault = HASHES[algorithm](_ESCAPED.sub(r"\1", value))
            if fault is not None:
                return fault
    return None


@functools.lru_cache(maxsize=1024)
def _grammar(skeleton: str) -> tuple[str | None, tuple[str | None, ...]]:
    """Why a skeleton is no pattern; for each of its literals, the hash algorithm whose value it must be."""
    import stix2patterns.validator  # noqa: PLC0415 -- takes 0.1 s, which only a conversion should pay for

    algorithms: list[str | None] = [None] * skeleton.count(_EMPTY)
    for step in _HASH_STEP.finditer(skeleton):
        algorithm = step[1] or step[2]
        if algorithm not in HASHES:
            return f"hashes.{algorithm} can never match: the algorithm is one of {', '.join(HASHES)}", ()
        if step[3] is not None:
            first = skeleton.count(_EMPTY, 0, step.end())
            end = skeleton.find(")", step.end()) if step[3].endswith("(") else step.end() + len(_EMPTY) + 1
            count = skeleton.count(_EMPTY, step.end(), end if end >= 0 else len(skeleton))
            algorithms[first : first + count] = [algorithm] * count
    # The library would refuse an empty hash; a hash of another kind than text is none, so nothing is lost by asking
    # with the step renamed.
    neutral = _HASH_STEP.sub(lambda step: step[0].replace("hashes", "digest", 1), skeleton)
    faults = stix2patterns.validator.run_validator(neutral, "2.1")
    return (" ".join(str(faults[0]).removeprefix("FAIL: ").split()) if faults else None), tuple(algorithms)
