"""The job's OIDC token, from the runner's token service.

GitHub's "OpenID Connect reference": the runner hands every job with `id-token: write` a URL and a bearer token.
"""

from __future__ import annotations

from urllib.parse import quote

from secret_action.errors import InputError
from secret_action.github import failures
from secret_action.github.answers import Answer
from secret_action.github.patience import Patience
from secret_action.github.transport import TIMEOUT, http_session
from secret_action.model import Problem
from secret_action.ports import Clock, Log
from secret_action.settings import OidcSettings


def fetch_token(settings: OidcSettings, audience: str, log: Log, clock: Clock) -> str:
    """A fresh OIDC token for `audience` (`sts.amazonaws.com`), masked before it is returned.

    Ask for a new one before each try of what it is for: it lives for minutes only.
    Raises InputError where the job may not have one, GitHubError where it is refused or cannot be reached.
    """
    if not settings.request_url or not settings.request_token.reveal():
        raise InputError(
            Problem(
                "aws-role-to-assume needs the job's OIDC token, and this job has none.",
                "Give the job `permissions: id-token: write`. A called workflow needs it from its caller as well.",
                (
                    "The permission is missing.",
                    "The run belongs to a fork's or Dependabot's pull request, which never gets one.",
                    "This is not a GitHub Actions job: then leave aws-role-to-assume empty.",
                ),
            )
        )
    separator = "&" if "?" in settings.request_url else "?"
    url = f"{settings.request_url}{separator}audience={quote(audience, safe='')}"
    answer = Patience(log, clock).ask(lambda: _send(settings, url), url)
    token = answer.fields.get("value")
    if answer.ok and isinstance(token, str) and token:
        log.mask(token)
        return token
    raise failures.oidc_refused(answer, audience)


def _send(settings: OidcSettings, url: str) -> Answer:
    headers = {"Authorization": f"Bearer {settings.request_token.reveal()}", "Accept": "application/json"}
    with http_session() as session:
        response = session.get(url, headers=headers, timeout=TIMEOUT, allow_redirects=False)
    return Answer(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.text
    )
