"""The archive of one commit, from GitHub to a file.

Not by PyGithub: its `getStream` reads the whole archive into memory, and it follows GHES's redirect to
`/_codeload` not at all. The token goes to the API's own host and nowhere else.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from secret_action.errors import GitHubError
from secret_action.github.answers import Answer
from secret_action.github.failures import not_github
from secret_action.github.transport import API_VERSION, JSON, TIMEOUT, http_session
from secret_action.model import Problem
from secret_action.ports import Clock

if TYPE_CHECKING:
    import requests

MOST_BYTES = 256 * 1024 * 1024
"""Bytes of a compressed archive."""
MOST_SECONDS = 180.0
"""Seconds for one archive: a server that sends a byte now and then must not hold up a release."""
MOST_REDIRECTS = 5
_CHUNK = 256 * 1024


def download(url: str, token: str, sink: IO[bytes], clock: Clock) -> Answer:
    """Writes what `url` leads to into `sink`, from its beginning; the answer's body is empty when it is ok.

    Raises GitHubError where the redirects or the size are not GitHub's, and OSError (requests' exceptions) where
    the connection fails: the caller retries, and `sink` is then written anew.
    """
    sink.seek(0)
    sink.truncate()
    with http_session() as session:
        response = _follow(session, url, token)
        with response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if response.status_code != 200:
                return Answer(response.status_code, headers, _beginning(response))
            _copy(response, sink, clock)
    sink.seek(0)
    return Answer(200, headers)


def _follow(session: requests.Session, url: str, token: str) -> requests.Response:
    """The first answer that is no redirect, not yet read."""
    origin = _origin(url)
    for _ in range(MOST_REDIRECTS + 1):
        headers = {"Accept": JSON, "X-GitHub-Api-Version": API_VERSION, "Accept-Encoding": "identity"}
        if _origin(url) == origin:
            headers["Authorization"] = f"Bearer {token}"
        response = session.get(url, headers=headers, timeout=TIMEOUT, stream=True, allow_redirects=False)
        if not response.is_redirect:
            return response
        response.close()
        url = urljoin(url, response.headers["location"])
        scheme = urlsplit(url).scheme
        if scheme != "https" and scheme != origin[0]:
            raise not_github(url, "an archive's redirect leaves HTTPS")
    raise not_github(url, f"an archive is behind more than {MOST_REDIRECTS} redirects")


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _beginning(response: requests.Response) -> str:
    """Enough of a refusal's text for its message."""
    return next(response.iter_content(_CHUNK), b"").decode("utf-8", "replace")


def _copy(response: requests.Response, sink: IO[bytes], clock: Clock) -> None:
    size, until = 0, clock.now() + MOST_SECONDS
    for chunk in response.iter_content(_CHUNK):
        size += len(chunk)
        if size > MOST_BYTES:
            raise GitHubError(
                Problem(
                    f"The tenants repository's archive is larger than {MOST_BYTES // 1024 // 1024} MiB.",
                    "Keep large files out of it, or hand over a checkout by tenants-directory "
                    "(actions/checkout with sparse-checkout).",
                )
            )
        if clock.now() > until:
            raise GitHubError(
                Problem(
                    f"The tenants repository's archive did not arrive within {MOST_SECONDS:.0f} s.",
                    "Run it again; if it stays so slow, hand over a checkout by tenants-directory.",
                )
            )
        try:
            sink.write(chunk)
        except OSError as error:
            # Told apart from a lost connection, which is an OSError too and would be retried.
            raise GitHubError(
                Problem(
                    f"The tenants repository's archive could not be stored: {error.strerror}.",
                    "Make room where temporary files live (TMPDIR), and run it again.",
                )
            ) from None
