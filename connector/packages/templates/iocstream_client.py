"""Calls the actions of `iocstream serve` over HTTP. Every package for a platform has this module, or its text."""

import json

import requests

KINDS = {}  # filled in
SECONDS = 330  # a little longer than the server waits for an action


class ActionError(Exception):
    """An action that gave no result.

    Attributes:
        code: what kind of thing went wrong, in one word.
        remedy: what to do about it.
    """

    def __init__(self, code, cause, remedy=""):
        super().__init__(f"{cause}. {remedy}".strip() if remedy else cause)
        self.code = code
        self.remedy = remedy


class Client:
    """One server, with the token that it is asked with."""

    def __init__(self, url, token, verify=True, use_proxy=True):  # noqa: FBT002
        self._url = str(url or "").strip().rstrip("/")
        if not self._url.startswith(("https://", "http://")):
            raise ActionError("misconfigured", "the server's address must begin with https:// or http://")
        self._session = requests.Session()
        self._session.trust_env = use_proxy
        self._session.verify = verify
        self._token = str(token or "").strip()

    def call(self, action, given=None):
        """Call an action; its answer: action, status, message, summary, data, errors.

        Values may be text, as forms have them; those that are empty are left out.
        """
        asked = parameters(action, given or {})
        answer = self._sent("POST", f"/actions/{action}", json=asked)
        if answer.status_code == requests.codes.ok:
            return _decoded(answer)
        raise _error(answer)

    def objects(self, collection, added_after=None, following=None):
        """A page of a TAXII 2.1 collection, and when the last of its objects was added (None: there is none)."""
        query = {"added_after": added_after, "next": following}
        path = f"/taxii2/root/collections/{collection}/objects/"
        headers = {"Accept": "application/taxii+json;version=2.1"}
        answer = self._sent("GET", path, params={k: v for k, v in query.items() if v}, headers=headers)
        if answer.status_code == requests.codes.ok:
            return _decoded(answer), answer.headers.get("X-TAXII-Date-Added-Last")
        raise _error(answer)

    def _sent(self, method, path, headers=None, **options):
        headers = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        try:
            return self._session.request(
                method, self._url + path, headers=headers, timeout=(15, SECONDS), allow_redirects=False, **options
            )
        except requests.exceptions.SSLError as error:
            raise ActionError("unavailable", f"the certificate of {self._url} is not trusted: {error}") from None
        except requests.exceptions.RequestException as error:
            raise ActionError("unavailable", f"{self._url} cannot be reached: {error}") from None


def parameters(action, given):
    """What is given, in the types that the action takes."""
    kinds = KINDS.get(action)
    if kinds is None:
        raise ActionError("not_found", f"there is no action {action!r}")
    asked = {}
    for name, value in given.items():
        if value is None or value == "":
            continue
        if name not in kinds:
            raise ActionError("invalid_parameters", f"{action} takes no {name}")
        try:
            asked[name] = _typed(kinds[name], value)
        except (TypeError, ValueError, OverflowError):
            raise ActionError("invalid_parameters", f"{name} is no {kinds[name].replace(':', ' of ')}") from None
    return asked


def _typed(kind, value):
    outer, _, inner = kind.partition(":")
    if outer == "array":
        if isinstance(value, str):
            is_json = value.strip().startswith("[")
            value = json.loads(value) if is_json else [each.strip() for each in value.split(",") if each.strip()]
        if not isinstance(value, (list, tuple)):
            value = [value]
        return [_typed(inner, item) for item in value]
    if outer == "object":
        value = json.loads(value) if isinstance(value, str) else value
        if not isinstance(value, dict):
            raise ValueError
        return value
    if outer == "integer":
        number = float(value)
        if isinstance(value, bool) or number != int(number):
            raise ValueError
        return int(number)
    if outer == "boolean":
        if isinstance(value, bool):
            return value
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[_word(value)]
    return value if isinstance(value, str) else str(value)


def _word(value):
    word = str(value).strip().lower()
    if word not in ("true", "yes", "1", "false", "no", "0"):
        raise ValueError
    return word


def _decoded(answer):
    try:
        return answer.json()
    except ValueError:
        raise ActionError("unavailable", f"{answer.url} answered no JSON: is it `iocstream serve`?") from None


def _error(answer):
    """An answer that is no result, as an error: problem details (RFC 9457), or an error message of TAXII 2.1."""
    try:
        details = answer.json()
        causes = [fault["cause"] for fault in details.get("errors", ())]
        cause = "; ".join(causes) or details.get("detail") or details.get("description") or details["title"]
        return ActionError(details.get("code") or f"http_{answer.status_code}", cause, details.get("remedy", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ActionError("unavailable", f"{answer.url} answered HTTP {answer.status_code}, and not as it should")
