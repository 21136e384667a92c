"""The connector: what a collection of `iocstream serve` has gained goes to OpenCTI, page by page."""

# ruff: noqa: PLE1205, TRY400 -- the logger is that of OpenCTI, which takes a mapping

import os
import sys

from iocstream_client import ActionError, Client
from pycti import OpenCTIConnectorHelper


class IocStreamImport:
    """Reads one collection; its state in OpenCTI is when the last object that was sent had been added."""

    def __init__(self, helper, client, collection):
        self._helper = helper
        self._client = client
        self._collection = collection

    def process_message(self):
        """Send what is new. An outage is told to OpenCTI, and the next run goes on from the last page sent."""
        helper = self._helper
        state = helper.get_state() or {}
        work_id, sent = None, 0
        try:
            while True:
                page, last = self._client.objects(self._collection, state.get("added_after"))
                objects = page.get("objects") or []
                if not objects or last is None:
                    break
                if work_id is None:
                    work_id = helper.api.work.initiate_work(helper.connect_id, helper.connect_name, is_multipart=True)
                helper.send_stix2_bundle(helper.stix2_create_bundle(objects), work_id=work_id)
                sent += len(objects)
                state["added_after"] = last
                helper.set_state(state)
                if not page.get("more"):
                    break
        except ActionError as error:
            helper.connector_logger.error("IoC-Stream", {"reason": str(error), "code": error.code})
            self._end(work_id, f"{sent} objects sent, then: {error}", in_error=True)
        else:
            self._end(work_id, f"{sent} objects sent", in_error=False)

    def _end(self, work_id, message, in_error):
        self._helper.connector_logger.info("IoC-Stream", {"done": message})
        if work_id is not None:
            self._helper.api.work.to_processed(work_id, message, in_error)


def main():
    """Run every CONNECTOR_DURATION_PERIOD."""
    environment = os.environ
    verify = environment.get("IOCSTREAM_VERIFY", "true").strip().lower() not in ("false", "0", "no")
    try:
        client = Client(environment.get("IOCSTREAM_URL"), environment.get("IOCSTREAM_TOKEN"), verify)
    except ActionError as error:
        sys.exit(f"IOCSTREAM_URL: {error}")
    helper = OpenCTIConnectorHelper({})
    connector = IocStreamImport(helper, client, environment.get("IOCSTREAM_COLLECTION", "opencti"))
    helper.schedule_iso(connector.process_message, environment.get("CONNECTOR_DURATION_PERIOD", "PT5M"))


if __name__ == "__main__":
    main()
