"""What was refused is in no memory once it is dealt with, be it as large as it may."""

import gc
import weakref

from pipeline_receivers import deliver

from connector.model import Refused

UNDATED = {"type": "domain", "id": "bad.example", "attributes": {}, "context_attributes": {"notification_id": "1"}}


def test_what_was_refused_is_not_kept_in_memory(journal, stix, monkeypatch):
    """Python looks for circles of objects only when there are very many, however large the few are."""
    refused = []
    made = Refused.__init__

    def noted(self, *arguments, **options):
        made(self, *arguments, **options)
        refused.append(weakref.ref(self))

    monkeypatch.setattr(Refused, "__init__", noted)
    gc.disable()
    try:
        assert deliver(stix, journal, UNDATED).refused == 1
        assert refused
        assert [each() for each in refused] == [None] * len(refused)
    finally:
        gc.enable()
