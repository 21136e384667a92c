"""Dispatches a trigger for each new notification, and for what changes of one.

The place is kept in the datastore once a page is dispatched.
"""

import os
import sys

from st2reactor.sensor.base import PollingSensor

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "actions"))  # noqa: PTH118, PTH120
from iocstream_client import Client

TRIGGER = "iocstream.notification"
PAGE = 100
WANTED = ("filter", "since", "minimum_score", "verdicts", "entity_types", "rules", "tags")
"""The settings of the pack that say what is dispatched."""


class NotificationSensor(PollingSensor):
    """Reads the connector's journal, from where it was."""

    def setup(self):
        """Make the client."""
        config = self.config
        self._client = Client(config.get("url"), config.get("token"), config.get("verify", True))

    def poll(self):
        """Dispatch what is new; what the server cannot answer now is asked again by the next poll."""
        while True:
            asked = {name: self.config.get(name) for name in WANTED}
            asked.update(muted=False, changes=True, limit=PAGE, next=self.sensor_service.get_value("next"))
            page = self._client.call("list_notifications", asked)["data"]
            for notification in page["notifications"]:
                self.sensor_service.dispatch(trigger=TRIGGER, payload=notification, trace_tag=notification["id"])
            self.sensor_service.set_value("next", page["next"])
            if not page["more"]:
                return

    def cleanup(self):
        """Nothing is held."""

    def add_trigger(self, trigger):
        """One trigger type, known beforehand."""

    def update_trigger(self, trigger):
        """Likewise."""

    def remove_trigger(self, trigger):
        """Likewise."""
