"""Distributions that a test installs: a module and its metadata, where Python looks for them."""

import importlib
import sys
import textwrap
from contextlib import contextmanager

from connector import entry_points, kinds
from connector.mapping.language import plugin_functions
from connector.mapping.language.functions import FUNCTIONS
from connector.mapping.language.interpreter import CALLED_DIRECTLY


def install(folder, name, offered, *, version="1.0", **modules):
    """A distribution in a folder.

    Args:
        folder: where Python is to look for it.
        name: of the distribution.
        offered: by group, name → `module:attribute`.
        version: of the distribution.
        modules: by name, the text of each.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    sections = [
        f"[iocstream.{group}]\n" + "".join(f"{each} = {value}\n" for each, value in names.items())
        for group, names in offered.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(sections))
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(textwrap.dedent(text))


@contextmanager
def looked_for_in(folder):
    """Have Python look in a folder; afterwards nothing is known of what was there."""
    registries = [kinds.SOURCES, kinds.SINKS, kinds.FORMATS, kinds.JOURNALS]
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    entry_points._read.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        entry_points._read.cache_clear()
        for registry in registries:
            registry._found.clear()
        for name in plugin_functions._OF_PLUGINS:
            del FUNCTIONS[name], CALLED_DIRECTLY[name]
        plugin_functions._OF_PLUGINS.clear()
        for module in set(sys.modules) - before:
            if getattr(sys.modules[module], "__file__", None) and str(folder) in str(sys.modules[module].__file__):
                del sys.modules[module]
