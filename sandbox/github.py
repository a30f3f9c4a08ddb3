"""A GitHub App's REST API in small: App JWTs, installations, narrowed tokens, commits and archives.

It checks what GitHub checks and refuses in GitHub's own words; rate limits and outages come by `faults`.
"""

import hashlib
import secrets
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from re import Match
from typing import Any

import jwt

from sandbox.faults import Fault
from sandbox.faults import Match as RequestMatch
from sandbox.github_model import App, Installation, IssuedToken, Repository, packed
from sandbox.http import Certificate, HttpError, HttpServer, Request, Response, json_response

TOKEN_LIFETIME = 3600
"""Seconds that an installation token is valid."""

_MAX_JWT_AHEAD = 600  # seconds that `exp` may be ahead: "no more than 10 minutes into the future"
_LEVELS = ("", "read", "write", "admin")
_NAME = r"[^/]+"


class GitHubServer(HttpServer):
    """The API under `base_path` (`/api/v3` makes it a GitHub Enterprise Server): `api_url` is its address.

    `tokens` are all tokens that it issued. Repositories and installations may be changed while it runs.
    """

    def __init__(
        self,
        apps: list[App],
        installations: list[Installation],
        repositories: list[Repository],
        *,
        base_path: str = "",
        tls: bool | Certificate = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(tls=tls, clock=clock)
        self.apps = apps
        self.installations = installations
        self.repositories = repositories
        self.base_path = base_path
        self.tokens: list[IssuedToken] = []
        self._downloads: dict[str, bytes] = {}
        self._archives: dict[tuple[str, str], bytes] = {}
        self._used = 0
        for method, pattern, handler in (
            ("GET", "/app", self._app),
            ("GET", f"/repos/(?P<owner>{_NAME})/(?P<repo>{_NAME})/installation", self._installation),
            ("GET", f"/orgs/(?P<owner>{_NAME})/installation", self._installation),
            # GitHub answers this one for organizations, too.
            ("GET", f"/users/(?P<owner>{_NAME})/installation", self._installation),
            ("POST", r"/app/installations/(?P<id>\d+)/access_tokens", self._issue_token),
            ("DELETE", "/installation/token", self._revoke_token),
            ("GET", "/installation/repositories", self._installation_repositories),
            ("GET", f"/repos/(?P<owner>{_NAME})/(?P<repo>{_NAME})", self._repository),
            ("GET", f"/repos/(?P<owner>{_NAME})/(?P<repo>{_NAME})/commits/(?P<ref>.+)", self._commit),
            ("GET", f"/repos/(?P<owner>{_NAME})/(?P<repo>{_NAME})/tarball(?:/(?P<ref>.*))?", self._tarball),
        ):
            self.route(method, base_path + pattern, handler)
        self.route("GET", f"/codeload/{_NAME}/{_NAME}/legacy.tar.gz/.+", self._download)

    @property
    def api_url(self) -> str:
        """What a workflow finds in GITHUB_API_URL."""
        return self.url + self.base_path

    def limit_rate(
        self, match: RequestMatch, *, secondary: bool = False, wait: int = 1, times: int | None = 1
    ) -> Fault:
        """Orders a rate limit: the primary tells when it resets, the secondary how many seconds to wait."""
        if secondary:
            message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
            headers = {"Retry-After": str(wait)}
        else:
            message = "API rate limit exceeded for installation ID 50001."
            reset = str(int(self.clock()) + wait)
            headers = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
        body = _error_body(403, message)
        return self.faults.add(match, status=403, body=body, headers=headers, times=times)

    def handle(self, request: Request) -> Response:
        """Adds to every answer what GitHub adds: the request's id and the state of the rate limit."""
        try:
            response = super().handle(request)
        except HttpError as error:
            response = error.response
        self._used += 1
        headers = {
            "X-GitHub-Request-Id": secrets.token_hex(12).upper(),
            "X-RateLimit-Limit": "5000",
            "X-RateLimit-Remaining": str(5000 - self._used),
            "X-RateLimit-Used": str(self._used),
            "X-RateLimit-Reset": str(int(self.clock()) + 3600),
            "X-RateLimit-Resource": "core",
        }
        return replace(response, headers={**headers, **response.headers})

    def not_found(self, request: Request) -> Response:
        """GitHub's answer to an unknown path and to whatever the caller may not know of."""
        return _error(404, "Not Found").response

    # --- as the App, with its JWT

    def _app(self, request: Request, _: Match[str]) -> Response:
        app = self._authenticated_app(request)
        granted = [i.permissions for i in self.installations if i.app_id == app.id]
        return json_response(
            {
                "id": app.id,
                "client_id": app.client_id,
                "slug": app.slug,
                "name": app.slug,
                "permissions": granted[0] if granted else {},
                "installations_count": len(granted),
            }
        )

    def _installation(self, request: Request, match: Match[str]) -> Response:
        app = self._authenticated_app(request)
        repository = match.groupdict().get("repo")
        for installation in self.installations:
            if installation.app_id != app.id or installation.owner.lower() != match["owner"].lower():
                continue
            if repository is None or repository.lower() in map(str.lower, self._granted(installation)):
                return json_response(self._installation_object(installation))
        raise _error(404, "Not Found")

    def _issue_token(self, request: Request, match: Match[str]) -> Response:
        app = self._authenticated_app(request)
        installation = next((i for i in self.installations if i.id == int(match["id"]) and i.app_id == app.id), None)
        if not installation:
            raise _error(404, "Not Found")
        if installation.suspended:
            raise _error(403, "This installation has been suspended")
        asked = request.json() or {}
        token = IssuedToken(
            value="ghs_" + secrets.token_urlsafe(27).replace("-", "A").replace("_", "B"),
            installation=installation,
            repositories=self._narrowed_repositories(installation, asked.get("repositories")),
            permissions=_narrowed_permissions(installation, asked.get("permissions")),
            expires_at=self.clock() + TOKEN_LIFETIME,
        )
        self.tokens.append(token)
        answer: dict[str, Any] = {
            "token": token.value,
            "expires_at": _time(token.expires_at),
            "permissions": token.permissions,
            "repository_selection": "selected"
            if asked.get("repositories") or installation.repositories is not None
            else "all",
        }
        if asked.get("repositories"):
            answer["repositories"] = [
                self._repository_object(r)
                for r in self.repositories
                if r.owner == installation.owner and r.name in token.repositories
            ]
        return json_response(answer, 201)

    # --- as the installation, with its token

    def _revoke_token(self, request: Request, _: Match[str]) -> Response:
        self._authenticated_token(request).revoked = True
        return Response(204)

    def _installation_repositories(self, request: Request, _: Match[str]) -> Response:
        token = self._authenticated_token(request)
        found = [
            self._repository_object(r)
            for r in self.repositories
            if r.owner == token.installation.owner and r.name in token.repositories
        ]
        size, page = int(request.query.get("per_page", 30)), int(request.query.get("page", 1))
        return json_response({"total_count": len(found), "repositories": found[size * (page - 1) : size * page]})

    def _repository(self, request: Request, match: Match[str]) -> Response:
        return json_response(self._repository_object(self._readable(request, match, "metadata")))

    def _commit(self, request: Request, match: Match[str]) -> Response:
        repository = self._readable(request, match, "contents")
        commit = repository.find(match["ref"])
        if not commit:
            raise _error(422, f"No commit found for SHA: {match['ref']}")
        if "vnd.github.sha" in request.headers.get("accept", ""):
            headers = {"Content-Type": "application/vnd.github.sha; charset=utf-8"}
            return Response(200, headers, commit.sha.encode())
        url = f"{self.api_url}/repos/{repository.full_name}"
        return json_response(
            {
                "sha": commit.sha,
                "url": f"{url}/commits/{commit.sha}",
                "html_url": f"{self.url}/{repository.full_name}/commit/{commit.sha}",
                "commit": {"message": "A commit of the sandbox", "url": f"{url}/git/commits/{commit.sha}"},
                "parents": [],
            }
        )

    def _tarball(self, request: Request, match: Match[str]) -> Response:
        repository = self._readable(request, match, "contents")
        ref = match["ref"] or repository.default_branch
        commit = repository.find(ref)
        if not commit:
            raise _error(404, "Not Found")
        key = (repository.full_name, commit.sha)
        if key not in self._archives:
            self._archives[key] = commit.archive or packed(repository, commit)
        ticket = secrets.token_hex(16)
        self._downloads[ticket] = self._archives[key]
        path = f"/codeload/{repository.full_name}/legacy.tar.gz/{urllib.parse.quote(ref)}"
        return Response(302, {"Location": f"{self.url}{path}?token={ticket}"})

    def _download(self, request: Request, _: Match[str]) -> Response:
        archive = self._downloads.pop(request.query.get("token", ""), None)
        if archive is None:
            return Response(404, {"Content-Type": "text/plain; charset=utf-8"}, b"404: Not Found")
        return Response(200, {"Content-Type": "application/x-gzip"}, archive)

    # --- who asks, and what they may see

    def _authenticated_app(self, request: Request) -> App:
        credential = _credential(request)
        try:
            claims = jwt.decode(credential, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            raise _error(401, "A JSON web token could not be decoded") from None
        issuer = claims.get("iss")
        if not isinstance(issuer, str | int) or issuer == "":
            raise _error(401, "'Issuer' claim ('iss') must be an Integer")
        app = next((a for a in self.apps if str(issuer) in (str(a.id), a.client_id)), None)
        if not app:
            raise _error(404, "Integration not found")
        try:
            # The times are judged below, by the server's clock and in GitHub's words.
            options: jwt.types.Options = {"verify_exp": False, "verify_iat": False, "verify_iss": False}
            jwt.decode(credential, app.public_key_pem, algorithms=["RS256"], options=options)
        except jwt.InvalidTokenError:
            raise _error(401, "A JSON web token could not be decoded") from None
        now, expires, issued = self.clock(), claims.get("exp"), claims.get("iat")
        if not isinstance(expires, int | float) or expires <= now:
            raise _error(
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future time "
                "at which the assertion expires",
            )
        if expires > now + _MAX_JWT_AHEAD:
            raise _error(401, "'Expiration time' claim ('exp') is too far in the future")
        if not isinstance(issued, int) or issued > now:
            raise _error(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            )
        return app

    def _authenticated_token(self, request: Request) -> IssuedToken:
        credential = _credential(request)
        for token in self.tokens:
            if token.value == credential and not token.revoked and token.expires_at > self.clock():
                return token
        raise _error(401, "Bad credentials")

    def _readable(self, request: Request, match: Match[str], permission: str) -> Repository:
        """The repository of the path, if the request's token reaches it and may read that much of it."""
        token = self._authenticated_token(request)
        full_name = f"{match['owner']}/{match['repo']}".lower()
        repository = next((r for r in self.repositories if r.full_name.lower() == full_name), None)
        covered = repository and repository.owner == token.installation.owner and repository.name in token.repositories
        if not repository or not covered:
            raise _error(404, "Not Found")
        if repository.saml:
            sso = f"https://github.com/orgs/{repository.owner}/sso?authorization_request={secrets.token_hex(16)}"
            raise _error(
                403,
                "Resource protected by organization SAML enforcement. You must grant your OAuth token "
                "access to this organization.",
                {"X-GitHub-SSO": f"required; url={sso}"},
            )
        if permission not in token.permissions:
            accepted = {"X-Accepted-GitHub-Permissions": f"{permission}=read"}
            raise _error(403, "Resource not accessible by integration", accepted)
        return repository

    def _granted(self, installation: Installation) -> list[str]:
        names = [r.name for r in self.repositories if r.owner == installation.owner]
        return [n for n in names if installation.repositories is None or n in installation.repositories]

    def _narrowed_repositories(self, installation: Installation, asked: list[str] | None) -> list[str]:
        granted = self._granted(installation)
        if not asked:
            return granted
        found = [name for name in granted if name.lower() in map(str.lower, asked)]
        if len(found) < len(set(map(str.lower, asked))):
            raise _error(
                422,
                "There is at least one repository that does not exist or is not accessible to the parent installation.",
            )
        return found

    # --- objects as GitHub shows them, as far as clients look at them

    def _installation_object(self, installation: Installation) -> dict[str, Any]:
        url = f"{self.api_url}/app/installations/{installation.id}"
        return {
            "id": installation.id,
            "app_id": installation.app_id,
            "account": {"login": installation.owner, "type": "Organization"},
            "target_type": "Organization",
            "repository_selection": "all" if installation.repositories is None else "selected",
            "access_tokens_url": f"{url}/access_tokens",
            "permissions": installation.permissions,
            "suspended_at": _time(self.clock()) if installation.suspended else None,
        }

    def _repository_object(self, repository: Repository) -> dict[str, Any]:
        return {
            "id": int(hashlib.sha1(repository.full_name.encode()).hexdigest()[:7], 16),
            "name": repository.name,
            "full_name": repository.full_name,
            "private": True,
            "owner": {"login": repository.owner, "type": "Organization"},
            "url": f"{self.api_url}/repos/{repository.full_name}",
            "html_url": f"{self.url}/{repository.full_name}",
            "default_branch": repository.default_branch,
        }


def _credential(request: Request) -> str:
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() not in ("bearer", "token"):
        raise _error(401, "Requires authentication")
    return credential.strip()


def _narrowed_permissions(installation: Installation, asked: dict[str, str] | None) -> dict[str, str]:
    granted = {"metadata": "read", **installation.permissions}
    if not asked:  # PyGithub sends an empty object where it asks for nothing less
        return granted
    for name, level in asked.items():
        if level not in _LEVELS or _LEVELS.index(level) > _LEVELS.index(granted.get(name, "")):
            raise _error(422, "The permissions requested are not granted to this installation.")
    return {"metadata": "read", **asked}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _error_body(status: int, message: str) -> dict[str, str]:
    return {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> HttpError:
    return HttpError(json_response(_error_body(status, message), status, headers))
