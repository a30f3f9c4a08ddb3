"""The runner's OIDC endpoint: gives a job with `id-token: write` a JWT that says who it is.

The tokens are signed with a key of the server's own, whose public part `AwsServer.trust` takes.
"""

import secrets
import time
import uuid
from collections.abc import Callable
from re import Match
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.http import HttpError, HttpServer, Request, Response, json_response

ISSUER = "https://token.actions.githubusercontent.com"

_LIFETIME = 300  # seconds that a token is valid


class OidcServer(HttpServer):
    """Answers `request_url` for whoever brings `request_token`; `claims` may be changed while it runs."""

    def __init__(
        self,
        *,
        repository: str = "zerotouch/my-service",
        environment: str = "production",
        claims: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock=clock)
        owner = repository.partition("/")[0]
        self.claims: dict[str, Any] = {
            "sub": f"repo:{repository}:environment:{environment}",
            "repository": repository,
            "repository_owner": owner,
            "environment": environment,
            "ref": "refs/heads/main",
            "job_workflow_ref": f"{repository}/.github/workflows/release.yml@refs/heads/main",
            **(claims or {}),
        }
        self.request_token = secrets.token_urlsafe(32)
        # What the runner's URL has in its query, to which a client must append `&audience=`.
        self.request_path = "/actions/idtoken?api-version=2.0"
        self._default_audience = f"https://github.com/{owner}"
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.route("GET", "/actions/idtoken", self._token)

    @property
    def public_key_pem(self) -> str:
        """The key that verifies this server's tokens."""
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(encoding, form).decode()

    def environment(self) -> dict[str, str]:
        """The variables that a runner sets for a job with `id-token: write`."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": self.url + self.request_path,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.request_token,
        }

    def token(self, audience: str) -> str:
        """A token for this audience, as the endpoint would issue it now."""
        now = int(self.clock())
        times = {"iat": now, "nbf": now - 300, "exp": now + _LIFETIME}
        claims = {"iss": ISSUER, "aud": audience, "jti": str(uuid.uuid4()), **times, **self.claims}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "sandbox"})

    def _token(self, request: Request, _: Match[str]) -> Response:
        if request.headers.get("authorization", "").lower() != f"bearer {self.request_token}".lower():
            raise HttpError(json_response({"message": "Not authorized"}, 401))
        audience = request.query.get("audience") or self._default_audience
        return json_response({"value": self.token(audience)})
