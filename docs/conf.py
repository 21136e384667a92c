"""The site of this folder, for `make docs`: it loads nothing from elsewhere, and its search needs no server."""

import re
from pathlib import PurePosixPath
from typing import Any

project = "IoC-Stream Connector"
copyright = "its authors"  # noqa: A001 -- Sphinx's own name
extensions = ["myst_parser"]
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
exclude_patterns = ["*.py"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure", "myst.header"]  # examples have … where more would stand

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)(?:#[^)]*)?\)")


def _named(app: Any, name: str, source: list[str]) -> None:
    """Links that leave this folder name the file: it is in the repository, and no page of the site."""
    del app
    depth = len(PurePosixPath(name).parts) - 1

    def named(match: re.Match[str]) -> str:
        text, target = match.groups()
        leaves = target.count("../") > depth
        return f"{text} (`{target.replace('../', '')}` of the repository)" if leaves else match[0]

    source[0] = _OUTSIDE.sub(named, source[0])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _named)
