"""Fills a fresh OpenTAXII with an account, an API root and a collection for each title.

Runs in that server's own environment.

Arguments: user name, password, titles. OPENTAXII_CONFIG names the configuration. Prints the root's id.
"""

import sys

from opentaxii.cli import app  # type: ignore[import-not-found]

username, password, *titles = sys.argv[1:]
with app.app_context():
    account = app.taxii_server.auth.api.create_account(username=username, password=password, is_admin=True)
    account.is_admin = True  # 0.9.3 forgets it when it creates the account
    app.taxii_server.auth.update_account(account, None)
    store = app.taxii_server.servers.taxii2.persistence.api
    store.add_api_root(title="Default", description="", default=True)
    (root,) = store.get_api_roots()
    for title in titles:
        store.add_collection(api_root_id=root.id, title=title, description="", alias=title)
    sys.stdout.write(f"{root.id}\n")
