"""Where a plain HTTP server would send a Git client, asked without credentials, since libgit2 takes them along to any host.

Over HTTPS no such question is needed: there the certificate check sees every host before anything is sent to it.
"""

import http.client
from urllib.parse import urljoin, urlsplit

from hub.sources.failure import FailureKind, FetchFailure

ADVERTISEMENT = "/info/refs?service=git-upload-pack"
MOST = 5


def refuse_foreign_redirect(url: str, *, timeout_s: float) -> None:
    """Follow the redirects that a client of `url` would meet; raise FetchFailure when they lead to another host."""
    host = _host(url)
    at = url.rstrip("/") + ADVERTISEMENT
    for _ in range(MOST):
        # Anything that is not plain HTTP is watched elsewhere.
        if urlsplit(at).scheme != "http":
            return
        location = _location(at, timeout_s)
        if location is None:
            return
        at = urljoin(at, location)
        upgraded = urlsplit(at).scheme == "https" and urlsplit(at).hostname == urlsplit(url).hostname
        if _host(at) != host and not upgraded:
            raise foreign_redirect(urlsplit(at).netloc)
    raise FetchFailure(FailureKind.PROTOCOL, "the server redirects too often")


def _host(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port


def foreign_redirect(host: str) -> FetchFailure:
    """Return the failure for a server that sends us elsewhere although we carry credentials."""
    message = (
        f"the server redirects to another host ({host}), which is not followed with credentials; "
        "set spec.url to the address that it redirects to"
    )
    return FetchFailure(FailureKind.PROTOCOL, message)


def _location(url: str, timeout_s: float) -> str | None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return answer.getheader("Location") if 300 <= answer.status < 400 else None
    except (OSError, http.client.HTTPException) as problem:
        raise FetchFailure(FailureKind.NETWORK, str(problem) or type(problem).__name__) from problem
    finally:
        connection.close()
