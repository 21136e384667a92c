"""Regular expressions of lists, in an engine whose time grows with the length of the text alone (decision 23).

That engine is RE2, which the extra `regex` of the package installs; Python's own takes exponential time for some
expressions, and a list is somebody else's file.
"""

import re

MAX_REGEX = 1000
"""Characters of an expression."""
_MAX_MEMORY = 1024 * 1024
"""Bytes that RE2 may use for one expression, compiled."""
_DELIMITED = re.compile(r"/(.*)/([a-zA-Z]*)\Z", re.DOTALL)
"""As MISP writes them, for PHP: `/…/i`."""


class Regex:
    """An expression, compiled; safe for use from several threads.

    Args:
        text: as RE2 reads it, or between slashes, with the flag i after them.

    Attributes:
        text: as it was given.

    Raises:
        ValueError: it cannot be used, and why.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_REGEX:
            raise ValueError(f"the expression is longer than {MAX_REGEX} characters")
        try:
            import re2  # noqa: PLC0415 -- of an extra, and few lists need it
        except ModuleNotFoundError:
            raise ValueError(
                "a list of regular expressions needs RE2, which is not installed: "
                "pip install 'iocstream-connector[regex]'"
            ) from None
        options = re2.Options()
        options.max_mem = _MAX_MEMORY
        options.log_errors = False
        pattern = text
        if delimited := _DELIMITED.match(text):
            pattern, flags = delimited.groups()
            options.case_sensitive = "i" not in flags
        try:
            self._compiled = re2.compile(pattern, options=options)
        except re2.error as error:
            reason = error.args[0] if error.args else b""
            said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise ValueError(f"RE2 does not take the expression: {said[:200]}") from None

    def is_in(self, value: str) -> bool:
        """Whether it matches anywhere in a value."""
        return self._compiled.search(value) is not None
