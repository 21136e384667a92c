"""Which version of the product this is, and how it introduces itself to servers."""

import importlib.metadata

VERSION = importlib.metadata.version("iocstream-connector")
USER_AGENT = f"iocstream-connector/{VERSION}"
