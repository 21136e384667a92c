"""STIX patterns (STIX 2.1 section 9): values quoted into them, and whether a pattern is one.

The grammar is that of the OASIS library stix2-patterns, which takes a millisecond for each pattern. A mapping makes the
same few patterns over and over with other values, so the grammar is asked once for each *skeleton*, the pattern with
its literals emptied; the literals themselves are checked here.
"""

import functools
import math
import re
from decimal import Decimal

from connector.formats.stix.values import HASHES, Check, Fault, text
from connector.model import Json, Refused

_QUOTED = re.compile(r"'((?:[^'\\]++|\\['\\])*+)'")
_RULE = "must be a STIX pattern"
_EMPTIED = "\0"  # stands for a literal's content: no document carries U+0000
_EMPTY = f"'{_EMPTIED}'"
_ONE_PATH = re.compile(r"\[[a-z0-9-]+:\w+(?:\.(?:\w+|'[\w-]+'))*", re.ASCII)
_HASH_STEP = re.compile(rf"\bhashes\s*\.\s*(?:'([^']*)'|([\w-]+))(?:\s*(?:NOT\s*)?!?=\s*({_EMPTY}))?")


def literal(value: Json) -> str:
    r"""A value as a pattern literal: `'it\'s'`, `42`, `1.5`, `true` (section 9.2).

    Raises:
        Refused: no literal can say it.
    """
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return format(Decimal(repr(value)), "f")  # the grammar knows no exponents
    raise Refused(f"{type(value).__name__} {value!r:.80} cannot stand inside text", by="format")


def pattern_fault(pattern: str) -> Fault | None:
    """What is wrong with a pattern; None when nothing is."""
    # What a mapping mostly makes, and of what this is asked for each indicator: one comparison with a plain literal.
    left, _, right = pattern.partition(" = '")
    check = _comparison(left) if right.endswith("']") else None
    if check is not None:
        compared = right[:-2]
        if "'" not in compared and "\\" not in compared and _EMPTIED not in compared:
            return check(compared)
    return _fault(pattern)


@functools.lru_cache(maxsize=64)
def _comparison(left: str) -> Check | None:
    """The check of a literal that stands to the right of this; None when it is more than one path, or none."""
    if not _ONE_PATH.fullmatch(left):
        return None
    rule, algorithms = _grammar(f"{left} = {_EMPTY}]")
    if rule is not None:
        return None
    (algorithm,) = algorithms
    return text if algorithm is None else HASHES[algorithm]


def _fault(pattern: str) -> Fault | None:
    if _EMPTIED in pattern:
        return Fault("must not hold U+0000", pattern)
    literals = []
    pieces = pattern.split("'")  # what is outside quotes and what is inside, in turn
    if "\\" in pattern or len(pieces) % 2 == 0:  # an escaped quote, or one that is never closed
        pieces = _QUOTED.split(pattern)
    for inside in range(1, len(pieces), 2):
        if pieces[inside - 1].rstrip()[-1:] in ".thb":
            continue  # a step of a path (.'SHA-256') or a typed literal (t'…'): part of the skeleton
        literals.append(pieces[inside])
        pieces[inside] = _EMPTIED
    rule, algorithms = _grammar("'".join(pieces))
    if rule is not None:
        return Fault(rule, pattern)
    for algorithm, value in zip(algorithms, literals, strict=True):
        if algorithm is not None:
            fault = HASHES[algorithm](value)  # no hash holds what would be escaped
            if fault is not None:
                return fault
    return None


@functools.lru_cache(maxsize=1024)
def _grammar(skeleton: str) -> tuple[str | None, tuple[str | None, ...]]:
    """The rule that a skeleton breaks; for each of its literals, the hash algorithm whose value it must be."""
    if "/*" in skeleton or "//" in skeleton:
        # In a comment a quote quotes nothing, so that the literals may not be what they seem.
        return "must be a pattern without comments", ()
    import stix2patterns.validator  # noqa: PLC0415 -- takes 0.1 s, which only a conversion should pay for

    algorithms: list[str | None] = [None] * skeleton.count(_EMPTY)
    for step in _HASH_STEP.finditer(skeleton):
        algorithm = step[1] or step[2]
        if algorithm not in HASHES:
            return f"{_RULE}: hashes.{algorithm} can never match: the algorithm is one of {', '.join(HASHES)}", ()
        if step[3] is None:
            return (
                f"{_RULE}: hashes.{algorithm} must be compared with text by = or !=, as consumers take nothing else",
                (),
            )
        algorithms[skeleton.count(_EMPTY, 0, step.start(3))] = algorithm
    # Under its own name the library would look at the hash, which the caller does with the literal itself.
    neutral = _HASH_STEP.sub(lambda step: step[0].replace("hashes", "digest", 1), skeleton)
    faults = stix2patterns.validator.run_validator(neutral, "2.1")
    if faults:
        return f"{_RULE}: {' '.join(str(faults[0]).removeprefix('FAIL: ').split())}", ()
    return None, tuple(algorithms)
