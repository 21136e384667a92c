"""The client that every package has: text becomes what an action takes, and every trouble a sentence."""

import types

import pytest

from connector.packages import parameters, rendering


@pytest.fixture(scope="module")
def client():
    module = types.ModuleType("iocstream_client")
    exec(compile(rendering.client(), "iocstream_client.py", "exec"), vars(module))
    return module


def test_it_knows_what_every_action_takes(client):
    assert parameters.kinds() == client.KINDS
    assert client.KINDS["retry_rejected"] == {"route": "string", "ids": "array:integer", "reason": "string"}


@pytest.mark.parametrize(
    ("action", "name", "given", "typed"),
    [
        ("list_notifications", "limit", "5", 5),
        ("list_notifications", "limit", 5.0, 5),
        ("list_notifications", "next", 17, "17"),
        ("list_notifications", "bodies", "True", True),
        ("list_notifications", "bodies", "no", False),
        ("list_notifications", "bodies", False, False),
        ("retry_rejected", "ids", "1, 2", [1, 2]),
        ("list_notifications", "verdicts", "malicious, suspicious,", ["malicious", "suspicious"]),
        ("retry_rejected", "ids", "[1, 2]", [1, 2]),
        ("retry_rejected", "ids", [1, "2"], [1, 2]),
        ("retry_rejected", "ids", 7, [7]),
        ("convert_notification", "notification", '{"a": 1}', {"a": 1}),
        ("convert_notification", "notification", {"a": 1}, {"a": 1}),
        ("get_notification", "id", "0017", "0017"),
    ],
)
def test_text_becomes_what_the_action_takes(client, action, name, given, typed):
    asked = client.parameters(action, {name: given})
    assert asked == {name: typed}
    assert type(asked[name]) is type(typed)


@pytest.mark.parametrize(
    ("name", "given"),
    [("limit", "five"), ("limit", True), ("limit", 1.5), ("limit", "inf"), ("limit", [1]), ("bodies", "perhaps")],
)
def test_what_is_none_is_refused_before_it_is_sent(client, name, given):
    with pytest.raises(client.ActionError, match=f"^{name} is no ") as refused:
        client.parameters("list_notifications", {name: given})
    assert refused.value.code == "invalid_parameters"


@pytest.mark.parametrize("given", ["[1", "1,x", '["a"]'])
def test_a_list_that_is_none_is_refused(client, given):
    with pytest.raises(client.ActionError, match=r"^ids is no array of integer$"):
        client.parameters("retry_rejected", {"ids": given})


def test_what_is_empty_is_left_out_and_what_is_unknown_refused(client):
    assert client.parameters("list_notifications", {"limit": "", "next": None}) == {}
    with pytest.raises(client.ActionError, match="takes no colour"):
        client.parameters("list_notifications", {"colour": "red"})
    with pytest.raises(client.ActionError, match="no action 'destroy'"):
        client.parameters("destroy", {})


@pytest.mark.parametrize("url", ["", None, "iocstream.example", "ftp://iocstream.example"])
def test_an_address_without_a_scheme_is_told(client, url):
    with pytest.raises(client.ActionError, match=r"must begin with https"):
        client.Client(url, "t")


URL = "https://iocstream.example/actions/poll"


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({"status_code": 200, "text": "<html>"}, "unavailable", "answered no JSON"),
        ({"status_code": 502, "text": "<html>"}, "unavailable", "answered HTTP 502"),
        ({"status_code": 500, "json": []}, "unavailable", "answered HTTP 500"),
        ({"status_code": 401, "json": {"title": "Unauthorized"}}, "http_401", "Unauthorized"),
        (
            {"status_code": 409, "json": {"code": "served_elsewhere", "detail": "D", "remedy": "R."}},
            "served_elsewhere",
            "D. R.",
        ),
        (
            {"status_code": 422, "json": {"code": "c", "detail": "a", "errors": [{"cause": "a"}, {"cause": "b"}]}},
            "c",
            "a; b",
        ),
    ],
)
def test_every_answer_that_is_no_result_is_an_error_with_a_code(client, requests_mock, answer, code, said):
    requests_mock.post(URL, **answer)
    with pytest.raises(client.ActionError) as failed:
        client.Client("https://iocstream.example/", "secret-token").call("poll")
    assert failed.value.code == code
    assert said in str(failed.value)
    assert "secret-token" not in str(failed.value)


def test_a_redirect_is_not_followed_with_the_token(client, requests_mock):
    requests_mock.post(URL, status_code=307, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(client.ActionError, match="HTTP 307"):
        client.Client("https://iocstream.example", "t").call("poll")
    assert requests_mock.call_count == 1
