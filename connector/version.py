"""Which version of the product this is, and how it introduces itself to servers."""

import importlib.metadata

VERSION = importlib.metadata.version("iocstream-connector")
USER_AGENT = f"iocstream-connector/{VERSION}"

CONTRACT = 1
"""The version of the contract with plugins (`connector.plugin`)."""
SUPPORTED = frozenset({1})
"""The versions of the contract for which a plugin may have been written."""
