"""From the App's key to an installation token that can read one repository, and back to no token.

GitHub's "Authenticating as a GitHub App installation". The token is masked before anything else happens, is
narrowed to the repository and to `contents: read`, and is revoked when the run is over, whatever became of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from secret_action.errors import GitHubError, SecretSyncError
from secret_action.github import failures
from secret_action.github.answers import Answer, clean
from secret_action.github.download import download
from secret_action.github.patience import Patience, never
from secret_action.github.transport import JSON, github_client
from secret_action.model import Problem
from secret_action.ports import Clock, Log
from secret_action.settings import AppCredentials

if TYPE_CHECKING:
    from github import Github

SETTLING = 5.0
"""Seconds in which GitHub may still refuse a token that it has just minted; octokit's auth-app waits as long."""
REVOKE_TIMEOUT = 3
"""Seconds: a cancelled run has ten in all."""


class AppSession:
    """One App's access to one repository, for one run. Safe to share between threads."""

    def __init__(self, credentials: AppCredentials, repository: str, api_url: str, log: Log, clock: Clock) -> None:
        """repository: owner/name. api_url: `https://api.github.com`, or `https://HOST/api/v3` (GHES)."""
        self.subject = failures.Subject(api_url.rstrip("/"), repository, credentials.app_id)
        self._patience = Patience(log, clock)
        self._credentials = credentials
        self._log = log
        self._clock = clock
        self._token = ""
        self._client: Github | None = None
        self._minted_at = 0.0
        self._over = False
        self._minting = threading.Lock()

    def token(self) -> str:
        """The installation token; minted by the first call.

        Raises InputError where app-id, app-private-key or tenants-repository is wrong, GitHubError otherwise.
        """
        with self._minting:
            if not self._token:
                self._mint()
            return self._token

    def client(self) -> Github:
        """PyGithub's client with the installation token. Raises as `token` does."""
        from github.Auth import Token

        token = self.token()
        if self._client is None:
            self._client = github_client(Token(token), self.subject.api_url)
        return self._client

    def get(self, path: str, accept: str = JSON) -> Answer:
        """The answer to a GET with the installation token, retried as `Patience` says. Raises as `token` does."""
        return self._ask(self.client(), "GET", path, accept=accept, again=self._settling)

    def download(self, url: str, sink: IO[bytes]) -> Answer:
        """Writes an archive into `sink`, retried as a whole; the token goes to the API's host alone.

        Raises as `token` does, and GitHubError where the archive is too large or too slow.
        """
        token = self.token()
        return self._patience.ask(lambda: download(url, token, sink, self._clock), url, self._settling)

    def _settling(self, answer: Answer) -> bool:
        """True for a 401 that only means that the new token has not reached every server of GitHub yet."""
        return answer.status == 401 and self._clock.now() - self._minted_at < SETTLING

    def revoke(self) -> None:
        """Ends the session: the token is revoked, and none is minted any more. Never raises; may be called twice."""
        self._over = True
        # A thread that mints in this very moment sees `_over` and revokes what it gets.
        if not self._minting.acquire(timeout=REVOKE_TIMEOUT):
            return
        try:
            token, self._token = self._token, ""
            if self._client is not None:
                self._client.close()
        finally:
            self._minting.release()
        if token:
            self._delete(token)

    def _mint(self) -> None:
        from github.Auth import AppAuth

        self._stop_if_over()
        # PyGithub makes a new JWT for every request, so a retry never sends an expired one.
        app = AppAuth(self._credentials.app_id, self._credentials.private_key.reveal())
        with closing(github_client(app, self.subject.api_url)) as client:
            installation = self._installation(client)
            self._stop_if_over()
            # Not by PyGithub's get_access_token: it has no argument for the repositories (its pull request 3539).
            name = self.subject.repository.partition("/")[2]
            answer = self._ask(
                client,
                "POST",
                f"/app/installations/{installation}/access_tokens",
                body={"repositories": [name], "permissions": {"contents": "read"}},
            )
        token = answer.fields.get("token")
        if isinstance(token, str) and token:
            self._log.mask(token)
        elif answer.ok:
            raise failures.not_github(self.subject.api_url, "its answer holds no installation token")
        else:
            raise failures.token_refused(answer, self.subject, time.time())
        self._minted_at = self._clock.now()
        if self._over:
            self._delete(token)
            self._stop_if_over()
        self._token = token
        self._log.line(f"Installation token minted: {self.subject.repository}, contents: read.")

    def _installation(self, client: Github) -> int:
        """The id of the installation that reaches the repository."""
        answer = self._ask(client, "GET", f"/repos/{quote(self.subject.repository)}/installation")
        if answer.status == 404 and not failures.unknown_app(answer):
            raise self._no_installation(client)
        if not answer.ok:
            raise failures.app_refused(answer, self.subject, time.time())
        if answer.fields.get("suspended_at"):
            raise failures.suspended(self.subject)
        number = answer.fields.get("id")
        if not isinstance(number, int):
            raise failures.not_github(self.subject.api_url, "its answer holds no installation")
        return number

    def _no_installation(self, client: Github) -> SecretSyncError:
        """Tells apart why there is none: GitHub answers 404 for each of the reasons.

        `/users/{username}/installation` answers for organisations too.
        """
        answer = self._ask(client, "GET", f"/users/{quote(self.subject.owner)}/installation")
        owner_has = True if answer.ok else False if answer.status == 404 else None
        return failures.no_installation(
            self.subject, owner_has, all_repositories=answer.fields.get("repository_selection") == "all"
        )

    def _ask(
        self,
        client: Github,
        verb: str,
        path: str,
        *,
        body: dict[str, object] | None = None,
        accept: str = JSON,
        again: Callable[[Answer], bool] = never,
    ) -> Answer:
        return self._patience.ask(lambda: _send(client, verb, path, accept, body), self.subject.api_url, again)

    def _stop_if_over(self) -> None:
        if self._over:
            raise GitHubError(Problem("The run is over, so no installation token is minted.", "Run it again."))

    def _delete(self, token: str) -> None:
        from github.Auth import Token

        try:
            with closing(github_client(Token(token), self.subject.api_url, REVOKE_TIMEOUT)) as client:
                answer = _send(client, "DELETE", "/installation/token", JSON, None)
        except Exception as error:
            self._left(type(error).__name__)
            return
        # 401 and 404: the token is gone already, which is what was wanted.
        if answer.ok or answer.status in (401, 404):
            self._log.line("Installation token revoked.")
        else:
            self._left(f"GitHub answered {answer.status}")

    def _left(self, why: str) -> None:
        self._log.line(f"The installation token could not be revoked ({why}); it expires within the hour.")


def _send(client: Github, verb: str, path: str, accept: str, body: dict[str, object] | None) -> Answer:
    """One request through PyGithub's requester, which is told to leave the judgement of the status to us."""
    try:
        status, headers, text = client.requester.requestJson(verb, path, headers={"Accept": accept}, input=body)
    except RuntimeError as error:
        # PyGithub's words for a redirect to another host or protocol.
        raise failures.not_github(client.requester.base_url, clean(str(error))) from None
    return Answer(status, headers, text)
