"""Where a request comes from: for the log, the audit, and to slow down whoever guesses."""

from starlette.requests import HTTPConnection

from connector.values.addresses import parse


def client_of(request: HTTPConnection, *, behind_proxy: bool) -> str:
    """The address of the client; empty when it is not known.

    Behind a proxy it is the last one in X-Forwarded-For, which the proxy itself has added; those before it are what the
    client says.
    """
    if behind_proxy:
        last = ",".join(request.headers.getlist("x-forwarded-for")).rpartition(",")[2].strip()
        if parse(last) is not None and "/" not in last:
            return last
    return request.client.host if request.client else ""
