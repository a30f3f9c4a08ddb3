"""How the product speaks HTTP to GitHub: who it says it is, how long it waits, which certificates it trusts.

Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY`), which requests reads by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from secret_action import __version__

if TYPE_CHECKING:
    import requests
    from github import Github
    from github.Auth import Auth

USER_AGENT = f"secret-sync/{__version__}"
API_VERSION = "2022-11-28"
"""GitHub's REST API version: without it GitHub picks one, and may pick another one day."""
JSON = "application/vnd.github+json"
TIMEOUT = 15
"""Seconds to connect, and seconds between two pieces of an answer."""


def certificates(environment: Mapping[str, str]) -> bool | str:
    """What requests takes as `verify`: True, or the file that `SSL_CERT_FILE` names.

    requests reads `REQUESTS_CA_BUNDLE` and `CURL_CA_BUNDLE` itself, and does not know `SSL_CERT_FILE`, which
    most other programs of a job follow.
    """
    if environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE"):
        return True
    return environment.get("SSL_CERT_FILE") or True


def github_client(auth: Auth, api_url: str, timeout: int = TIMEOUT) -> Github:
    """PyGithub's client with its own retries and pauses off: `Patience` does that, and says so in the log."""
    from github import Github

    return Github(
        auth=auth,
        base_url=api_url,
        timeout=timeout,
        user_agent=USER_AGENT,
        verify=certificates(os.environ),
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
        api_version=API_VERSION,
    )


def http_session() -> requests.Session:
    """A requests session that sends no credentials of its own accord."""
    import requests

    session = requests.Session()
    # Any `auth` keeps requests from sending what ~/.netrc has for the host.
    session.auth = lambda request: request
    session.headers["User-Agent"] = USER_AGENT
    session.verify = certificates(os.environ)
    return session
