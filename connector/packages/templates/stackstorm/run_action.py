"""Runs every action of the pack: each one's metadata says which of the server's it is."""

from iocstream_client import ActionError, Client
from st2common.runners.base_action import Action


class RunAction(Action):
    """Calls one action of `iocstream serve`."""

    def run(self, iocstream_action, **given):
        """Give success and the answer, or what went wrong."""
        config = self.config
        try:
            client = Client(config.get("url"), config.get("token"), config.get("verify", True))
            envelope = client.call(iocstream_action, given)
        except ActionError as error:
            return False, {"code": error.code, "cause": str(error), "remedy": error.remedy}
        return envelope["status"] == "success", envelope
