"""Events of two tenants have ids of their own, though VirusTotal may give both notifications one id."""

import re

import pytest
from mapping_examples import bundled

from connector import notification
from connector.pipeline.convert import convert

BODY = {
    "type": "domain",
    "id": "bad.example",
    "attributes": {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}}},
    "context_attributes": {"notification_id": "23423199401", "notification_date": 1_760_000_000, "origin": "hunting"},
}
KEYS = {
    ("cef", None): ("externalId", "VirusTotalIoCStreamNotificationId"),
    ("cef", "qradar"): ("externalId", "VirusTotalIoCStreamNotificationId"),
    ("leef", None): ("notificationId", "vtNotificationId"),
}


def ids(using, tenant):
    """The id of the event, and VirusTotal's where that is beside it."""
    labels = {"tenant": tenant} if tenant else {}
    ((conversion,),) = [
        convert([notification.read({**BODY, "source": {"name": "a", "labels": labels}})], bundled(*using))
    ]
    (message,) = conversion.messages
    found = [re.search(rf"[ ^|]{key}=([^ ^]*)", message.body.decode()) for key in KEYS[using]]
    return [each and each[1] for each in found]


@pytest.mark.parametrize("using", KEYS)
def test_the_tenant_is_part_of_the_id(using):
    assert ids(using, "") == ["23423199401", None]
    assert ids(using, "acme") == ["acme:23423199401", "23423199401"]


def test_an_id_that_cef_has_no_room_for_is_one_of_its_own():
    longest = "a" * 28
    assert ids(("cef", None), longest)[0] == f"{longest}:23423199401"
    found = {ids(("cef", None), longest + more)[0] for more in ("b", "c")}
    assert {len(each) for each in found} == {36}
    assert len(found) == 2
