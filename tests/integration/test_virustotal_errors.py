"""What goes wrong at VirusTotal, or on the way there: which error it is, what it says, and that it tells no secret."""

import datetime
import threading
import traceback
from pathlib import Path

import orjson
import pydantic
import pytest
from integration.simulated_virustotal import KEY, NOW, Clock, items, settings, simulated, source
from werkzeug.http import http_date

from connector.model import Misconfigured, Refused, Unavailable
from connector.settings import config, yamldoc
from connector.simulator.api import Fault
from connector.sources.virustotal.source import VirusTotalSettings, VirusTotalSource


def failing(error, fault, **options):
    """The error that a walk ends in when the API answers so; it must not tell the key."""
    with simulated(items([NOW - 9])) as (api, url):
        if fault is not None:
            api.faults.append(fault)
        with pytest.raises(error) as caught:
            list(source(url, **options).pages(None))
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert KEY not in told
    return caught.value


def said(code, message):
    return orjson.dumps({"error": {"code": code, "message": message}})


def test_a_wrong_key_is_for_a_person_to_correct():
    with simulated() as (_, url):
        some = VirusTotalSource(settings(url, api_key="another-key"), user_agent="x")
        with pytest.raises(Misconfigured) as caught:
            list(some.pages(None))
    assert str(caught.value) == (
        "VirusTotal does not accept the API key (HTTP 401, WrongCredentialsError: Wrong API key): "
        "set the source's option api_key to a valid key"
    )


def test_a_key_without_the_licence_is_for_a_person_to_correct():
    fault = Fault(status=403, body=said("ForbiddenError", "You are not authorized"))
    assert "needs a licence that includes it" in str(failing(Misconfigured, fault))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 407, 410, 451])
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_refusal_by_something_in_between_is_told_apart_from_one_by_virustotal(status, kind):
    fault = Fault(status=status, body=b"<html>Blocked by policy</html>", headers={"Content-Type": kind})
    told = str(failing(Unavailable, fault))
    if status == 407:
        assert "the source's proxy option" in told
    else:
        assert "not by VirusTotal's API" in told
        assert "Blocked by policy" in told


def test_an_answer_of_another_type_is_none_of_the_apis():
    fault = Fault(body=b'{"data": []}', headers={"Content-Type": "text/plain"})
    assert "what is not JSON" in str(failing(Unavailable, fault))


def test_a_refused_filter_is_for_a_person_to_correct_in_virustotals_words():
    told = str(failing(Misconfigured, None, filter="origin:notHunting"))
    assert 'origin "notHunting" is not valid. Valid origins are: hunting,subscriptions' in told
    assert told.endswith("correct the source's filter")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, body=said("TooManyRequestsError", "slow down")),
        Fault(status=429, body=said("TooManyRequests", "slow down")),
        Fault(status=429, body=b""),
        Fault(status=400, body=said("NotAvailableYet", "later")),
        Fault(status=424, body=said("FailedDependencyError", "later")),
        Fault(status=500, body=b"<html><h1>Error</h1></html>"),
        Fault(status=502, body=b"\x00\xff\xfe"),
        Fault(status=503, body=said("TransientError", "try again")),
        Fault(status=504, body=said("DeadlineExceededError", "too long")),
        Fault(status=204, body=b""),
        Fault(body=b""),
        Fault(body=b"<html>log in, please</html>"),
        Fault(body=b'{"data": null}'),
        Fault(body=b'{"data": {}}'),
        Fault(body=b'{"data": [], "meta": {"cursor": 7}}'),
        Fault(body=b'{"data": [], "meta": "x"}'),
        Fault(body=b"[]"),
        Fault(body=b"null"),
        Fault(body=said("TransientError", "with a status of 200")),
        Fault(body=b"[" * 5000),
        Fault(cut_at=20),
        Fault(headers={"Content-Encoding": "gzip"}, body=b"not gzip", cut_at=8),
    ],
    ids=lambda fault: f"{fault.status} {(fault.body or b'cut')[:40]!r}",
)
def test_an_outage_is_waited_out(fault):
    with simulated(items([NOW - 9])) as (api, url):
        api.faults.append(fault)
        some = source(url)
        with pytest.raises(Unavailable) as caught:
            list(some.pages(None))
        assert KEY not in "".join(traceback.format_exception(caught.value))
        (page,) = some.pages(None)
        assert len(page.notifications) == 1


def test_an_outage_is_shown_by_the_start_of_what_came_as_one_line():
    told = str(failing(Unavailable, Fault(status=502, body=b"<html>\n<b>Bad\x1b[31m Gateway</b>" + b"x" * 10_000)))
    assert "HTTP 502: <html> <b>Bad [31m Gateway</b>xxx" in told
    assert len(told) < 400


@pytest.mark.parametrize("said_so", ["90", "date"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_handed_on_in_both_its_forms(status, said_so):
    retry_after = http_date(NOW + 90) if said_so == "date" else said_so
    fault = Fault(status=status, headers={"Retry-After": retry_after}, body=b"{}")
    assert failing(Unavailable, fault).retry_after == 90


def test_without_retry_after_the_caller_decides_how_long_to_wait():
    assert failing(Unavailable, Fault(status=429, body=b"{}")).retry_after is None


def at(text):
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp())


def used_up(clock, quotas, *, me=b'{"data": {"id": "someone"}}', headers=None, **options):
    """The error when the quota is used up; `quotas` is what the quota endpoint answers, as a fault or an object."""
    with simulated(clock=Clock(clock)) as (api, url):
        quota_answer = quotas if isinstance(quotas, Fault) else Fault(body=orjson.dumps({"data": quotas}))
        quota_answer.path, quota_answer.times = "overall_quotas", 9
        api.faults += [
            Fault("/ioc_stream$", status=429, body=said("QuotaExceededError", "Quota exceeded"), headers=headers or {}),
            Fault("/me$", body=me, times=9),
            quota_answer,
        ]
        with pytest.raises(Unavailable, match="quota is used up") as caught:
            list(source(url, **options).pages(None))
        assert KEY not in "".join(traceback.format_exception(caught.value))
        assert all(KEY not in asked.path for asked in api.requests)
        return caught.value, [asked.path for asked in api.requests]


def test_a_daily_quota_that_is_used_up_is_named_with_its_renewal():
    spans = {"api_requests_daily": {"user": {"used": 500, "allowed": 500}}, "api_requests_hourly": {"user": {}}}
    error, asked = used_up(at("2026-11-23T22:30:00"), spans)
    assert str(error).endswith("daily 500 of 500 requests used by the user, renewed at 2026-11-24T00:00:00Z")
    assert error.retry_after == 3600
    assert asked == ["/ioc_stream", "/me", "/users/someone/overall_quotas"]


def test_shortly_before_the_renewal_the_wait_is_no_longer_than_that():
    spans = {"api_requests_daily": {"user": {"used": 501, "allowed": 500}}}
    assert used_up(at("2026-11-23T23:50:00"), spans)[0].retry_after == 600


def test_a_monthly_quota_of_the_group_is_renewed_on_the_first():
    spans = {
        "api_requests_daily": {"user": {"used": 5, "allowed": 500}},
        "api_requests_monthly": {"group": {"used": 15500, "allowed": 15500}, "user": None},
        "api_requests_odd": "text",
    }
    error, _ = used_up(at("2026-12-31T12:00:00"), spans)
    assert "monthly 15,500 of 15,500 requests used by the group, renewed at 2027-01-01T00:00:00Z" in str(error)
    assert error.retry_after == 3600


def test_a_quota_with_something_left_must_be_the_one_per_minute():
    error, _ = used_up(NOW, {"api_requests_hourly": {"user": {"used": 5, "allowed": 500}}})
    assert "the one per minute" in str(error)
    assert error.retry_after == 60


def test_a_hint_how_long_to_wait_comes_before_the_renewal():
    spans = {"api_requests_daily": {"user": {"used": 500, "allowed": 500}}}
    assert used_up(at("2026-11-23T00:00:01"), spans, headers={"Retry-After": "30"})[0].retry_after == 30


@pytest.mark.parametrize(
    "quotas",
    [
        Fault(status=429, body=said("QuotaExceededError", "Quota exceeded")),
        Fault(status=401, body=said("WrongCredentialsError", "no")),
        Fault(status=500, body=b"<html>"),
        Fault(status=404, body=said("NotFoundError", "no")),
        Fault(body=b"not json"),
        Fault(body=b'{"data": []}'),
        Fault(cut_at=3),
    ],
)
def test_a_quota_endpoint_that_fails_does_not_hide_that_the_quota_is_used_up(quotas):
    error, _ = used_up(NOW, quotas)
    assert "VirusTotal does not say" in str(error)


@pytest.mark.parametrize("me", [b"{}", b'{"data": {"id": 5}}', b'{"data": {"id": "%s"}}' % KEY.encode(), b"<html>"])
def test_a_user_that_cannot_be_told_leaves_the_quota_unknown(me):
    error, asked = used_up(NOW, {}, me=me)
    assert "VirusTotal does not say" in str(error)
    assert asked == ["/ioc_stream", "/me"]


def test_a_configured_user_is_asked_for_by_name():
    _, asked = used_up(NOW, {}, user="a b/c")
    assert asked == ["/ioc_stream", "/users/a b/c/overall_quotas"]


def test_the_quota_can_be_asked_for():
    with simulated(items([NOW - 5]), allowed=10) as (api, url):
        some = source(url)
        list(some.pages(None))
        assert some.quota()["api_requests_daily"] == {"user": {"allowed": 10, "used": 1}}
        api.faults.append(Fault("overall_quotas", status=403, body=said("ForbiddenError", "no")))
        assert some.quota() is None


def test_the_quota_of_the_simulated_api_runs_out_as_the_real_one_does():
    with simulated(items(range(NOW - 200, NOW - 100)), allowed=2) as (_, url):
        pages = []
        with pytest.raises(Unavailable, match="daily 2 of 2 requests used by the user"):
            pages.extend(source(url).pages(None))


def test_an_address_without_an_api_is_for_a_person_to_correct():
    with simulated() as (_, url):
        some = VirusTotalSource(
            VirusTotalSettings(type="virustotal", api_key=KEY, api_url=f"{url}/api/v4"), user_agent="x"
        )
        with pytest.raises(Misconfigured, match="there is no IoC Stream at the source's api_url"):
            list(some.pages(None))


def test_a_redirect_is_not_followed_and_names_where_it_leads():
    fault = Fault(status=302, headers={"Location": "https://portal.example/login?token=1"}, body=b"")
    told = str(failing(Misconfigured, fault))
    assert "127.0.0.1 redirects to portal.example" in told
    assert "token" not in told


def test_other_refusals_stop_with_virustotals_words():
    fault = Fault(status=451, body=said("Odd", "for legal reasons"))
    assert "HTTP 451, Odd: for legal reasons" in str(failing(Misconfigured, fault))


def test_an_answer_that_echoes_the_key_does_not_bring_it_into_the_log():
    told = failing(Misconfigured, Fault(status=401, body=said("WrongCredentialsError", f"Wrong key {KEY}")))
    assert "Wrong key ***" in str(told)
    failing(Unavailable, Fault(status=500, body=b"GET /x?x-apikey=" + KEY.encode()))


def test_a_server_that_does_not_answer_is_an_outage():
    held = threading.Event()
    try:
        assert "did not answer within 0.2 s" in str(failing(Unavailable, Fault(hold=held), timeout_seconds=0.2))
    finally:
        held.set()


def test_a_server_that_is_not_there_is_an_outage():
    with simulated() as (_, url):
        some = source(url)
    with pytest.raises(Unavailable, match="no complete answer from"):
        list(some.pages(None))


def test_a_key_with_a_line_feed_is_named_without_being_shown():
    with pytest.raises(pydantic.ValidationError, match="api_key") as caught:
        source("http://127.0.0.1:1", api_key=KEY + "\n")
    assert KEY not in str(caught.value)


def test_no_part_of_a_source_shows_the_key():
    some = source("http://127.0.0.1:1", proxy="http://user:proxypassword@127.0.0.1:1")
    told = repr(some) + repr(some.__dict__) + repr(some._api.__dict__) + repr(some._api._client.__dict__)
    assert KEY not in told
    assert KEY not in str(some._settings)
    with pytest.raises(Unavailable) as caught:
        list(some.pages(None))
    assert "proxypassword" not in "".join(traceback.format_exception(caught.value))


def test_an_error_for_one_notification_names_the_licence_or_the_notification():
    with simulated() as (api, url):
        api.faults += [
            Fault("notifications", status=403, body=said("ForbiddenError", "no")),
            Fault("notifications", body=b'{"data": []}'),
            Fault("notifications", status=400, body=said("BadRequestError", "bad id")),
        ]
        some = source(url)
        with pytest.raises(Misconfigured, match="licence"):
            some.get("1")
        with pytest.raises(Unavailable, match="without the notification"):
            some.get("1")
        with pytest.raises(Refused):
            some.get("1")


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("filter", "origin:hunting date:2026-01-01+", "must not have a date: term"),
        ("filter", "DATE:1d+", "must not have a date: term"),
        ("filter", "origin:hunting\n\nentity_type:url", "one line of printable characters"),
        ("api_url", "www.virustotal.com", "must begin with https://"),
        ("api_url", "https://u:p@www.virustotal.com/api/v3", "must have no user"),
        ("api_url", "https://www.virustotal.com/api/v3?x=1", "must have no user, no [?]"),
        ("api_key", "", "at least 1"),
        ("since_hours", 169, "less than or equal to 168"),
        ("tool", "two words\n", "pattern"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_asked(option, value, complaint):
    with pytest.raises(pydantic.ValidationError, match=complaint):
        VirusTotalSettings(**{"type": "virustotal", "api_key": "k", option: value})


def test_a_bad_filter_in_a_file_is_refused_with_its_line():
    with pytest.raises(Misconfigured, match=r"^c.yaml:3:9: filter: it must not have a date: term"):
        config.validate(
            yamldoc.parse("type: virustotal\napi_key: k\nfilter: date:1+", "c.yaml"),
            VirusTotalSettings,
            config.Placeholders(Path("/nowhere")),
        )


def test_space_around_a_filter_is_no_part_of_it():
    assert settings("https://h", filter="  origin:hunting\n").filter == "origin:hunting"


def test_a_page_of_more_than_anyone_asked_for_is_an_outage():
    page = b'{"data": [' + b",".join([b"{}"] * 2000) + b"]}"
    with simulated() as (api, url):
        api.faults.append(Fault(body=page))
        with pytest.raises(Unavailable, match="2000 notifications where 40 were asked for"):
            list(source(url).pages(None))
