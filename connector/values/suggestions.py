"""What a name that is not known may have been meant to be."""

import difflib
from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean x?` when something known is close."""
    spelt = {each.lower(): each for each in sorted(known)}
    close = difflib.get_close_matches(name[:100].lower(), spelt, n=1)
    return f"; did you mean {spelt[close[0]]}?" if close else ""


def instead(name: str, known: Iterable[str]) -> str:
    """What there is instead of a name: `; did you mean cef? There is cef, stix21`, or `; there is cef, stix21`."""
    names = [*known]
    hint = suggestion(name, names)
    return f"{hint} There is {', '.join(names)}" if hint else f"; there is {', '.join(names)}"
