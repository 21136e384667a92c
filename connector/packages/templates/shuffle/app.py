"""The app: a method for each action of `iocstream serve`."""

import json

from iocstream_client import ActionError, Client
from shuffle_sdk import AppBase


class IocStream(AppBase):
    """Shuffle calls the method that an action of the workflow names."""

    __version__ = "VERSION"
    app_name = "IoC-Stream Connector"

    def _called(self, action, url, token, verify, given):
        if action == "keep_place":
            return json.dumps({"success": self._keep(given["next"]), "next": given["next"]})
        if action == "new_notifications":
            action, given = "list_notifications", {**given, "muted": False, "changes": True, "next": self._kept()}
        try:
            client = Client(url, token, str(verify).strip().lower() not in ("false", "0", "no"))
            envelope = client.call(action, given)
        except ActionError as error:
            return json.dumps({"success": False, "reason": str(error), "code": error.code})
        return json.dumps({"success": envelope["status"] == "success", **envelope})

    def _place(self):
        """Where the platform's datastore has the place: each workflow has its own."""
        return f"iocstream_next_{self.full_execution['workflow']['id']}"

    def _kept(self):
        """The place; empty before there is one. A number comes back as one, though it was text."""
        value = (self.get_cache(self._place()) or {}).get("value")
        return "" if value in (None, "") else str(value)

    def _keep(self, place):
        return bool((self.set_cache(self._place(), place) or {}).get("success"))

    # methods


if __name__ == "__main__":
    IocStream.run()
