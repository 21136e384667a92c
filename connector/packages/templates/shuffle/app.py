"""The app: a method for each action of `iocstream serve`."""

import json

from iocstream_client import ActionError, Client
from shuffle_sdk import AppBase


class IocStream(AppBase):
    """Shuffle calls the method that an action of the workflow names."""

    __version__ = "VERSION"
    app_name = "IoC-Stream Connector"

    def _called(self, action, url, token, verify, given):
        try:
            client = Client(url, token, str(verify).strip().lower() not in ("false", "0", "no"))
            envelope = client.call(action, given)
        except ActionError as error:
            return json.dumps({"success": False, "reason": str(error), "code": error.code})
        return json.dumps({"success": envelope["status"] == "success", **envelope})

    # methods


if __name__ == "__main__":
    IocStream.run()
