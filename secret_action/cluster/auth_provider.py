"""A kubeconfig's auth-provider: `oidc`, as kubectl has it, and the token that an older kubectl left for `gcp`.

The Kubernetes client's own reading is not used: it asks an issuer without a time limit and without a look at its
certificate, and it runs what a `gcp` entry names with all of this process's environment. No token is in a message.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from secret_action.cluster.addresses import is_http_url, is_loopback, without_userinfo
from secret_action.cluster.credentials import Token, usable_token
from secret_action.cluster.kubeconfig import Access
from secret_action.cluster.live import section, text
from secret_action.errors import ClusterError, InputError
from secret_action.model import Problem

_TIMEOUT = 10.0  # seconds for the issuer to connect, and for each part of its answer
_EARLY = 60.0  # seconds before its end that a token is renewed
_LASTING = "put the token of a service account into the kubeconfig."


def provider_tokens(access: Access, source: str, mask: Callable[[str], None]) -> Callable[[], Token] | None:
    """What fetches the tokens of a context's auth-provider; None without one that is known here.

    source: the input that the kubeconfig is from. What it returns raises InputError where the entry is no good, and
    ClusterError where the issuer does not renew its token.
    """
    provider = section(access.user, "auth-provider")
    config = section(provider, "config")
    whose = f"{source}: the user “{access.user_name}” of context “{access.context}”"
    match text(provider, "name"):
        case "oidc":
            return _Oidc(config, whose, mask)
        case "gcp":
            return lambda: _left_by_gcloud(config, whose)
    return None


def _left_by_gcloud(config: Mapping[str, Any], whose: str) -> Token:
    token, expiry = text(config, "access-token"), str(config.get("expiry") or "")
    try:
        end = datetime.fromisoformat(expiry)
    except ValueError:
        end = None
    left = (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp() - time.time() if end else None
    if not token or (left is not None and left <= 0):
        raise InputError(
            Problem(
                f"{whose} has the auth-provider `gcp`, whose token {'has expired' if token else 'is missing'}; kubectl "
                "has not known that provider either since 1.26.",
                "Make the kubeconfig anew (`gcloud container clusters get-credentials`) where its program "
                f"gke-gcloud-auth-plugin is installed; or {_LASTING}",
            )
        )
    return Token(usable_token(token, whose), left)


class _Oidc:
    """An id-token, renewed by its issuer where there is a refresh-token."""

    def __init__(self, config: Mapping[str, Any], whose: str, mask: Callable[[str], None]) -> None:
        self._config = config
        self._whose = whose
        self._mask = mask
        self._token = text(config, "id-token")
        self._refresh_token = text(config, "refresh-token")

    def __call__(self) -> Token:
        left = self._seconds_left() if self._token else 0.0
        if left is not None and left <= (_EARLY if self._refresh_token else 0.0):
            self._renew()
            left = self._seconds_left()
        return Token(usable_token(self._token, self._whose), left)

    def _seconds_left(self) -> float | None:
        """None where the token does not say."""
        import jwt

        try:
            claims = jwt.decode(self._token.strip(), options={"verify_signature": False})
        except jwt.PyJWTError:
            raise InputError(
                Problem(
                    f"{self._whose} has the auth-provider `oidc`, whose `id-token` is not a JWT.",
                    f"Log in anew and pass the kubeconfig of that; or {_LASTING}",
                )
            ) from None
        end = claims.get("exp")
        return end - time.time() if isinstance(end, int | float) else None

    def _renew(self) -> None:
        import requests

        issuer = text(self._config, "idp-issuer-url").rstrip("/")
        if not self._refresh_token:
            raise InputError(self._expired("and there is no `refresh-token` to renew it with"))
        if not _safe(issuer):
            raise InputError(self._expired("and `idp-issuer-url` is not a URL of https:// to renew it at"))
        host = urlsplit(without_userinfo(issuer)).netloc
        client, secret = text(self._config, "client-id"), text(self._config, "client-secret")
        asked = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        try:
            with self._authority() as verify, requests.Session() as session:
                about = session.get(
                    f"{issuer}/.well-known/openid-configuration",
                    auth=lambda request: request,  # else requests sends what ~/.netrc has for the host
                    timeout=_TIMEOUT,
                    verify=verify,
                )
                if not _safe(endpoint := text(_fields(about), "token_endpoint")):
                    raise ClusterError(self._expired(f"and what answers at {host} is no OIDC issuer"))
                answer = session.post(
                    endpoint,
                    data=asked if secret else asked | {"client_id": client},
                    auth=(client, secret) if secret else (lambda request: request),
                    timeout=_TIMEOUT,
                    verify=verify,
                    allow_redirects=False,
                )
        except (requests.RequestException, OSError, ValueError) as error:  # the CA is a file
            why = f"its issuer {host} cannot be reached to renew it: {_words(error)}"
            raise ClusterError(self._expired(f"and {why}")) from None
        found = _fields(answer)
        if not answer.ok or not text(found, "id_token"):
            said = text(found, "error")
            code = said if re.fullmatch(r"[a-z_]{1,40}", said) else f"HTTP {answer.status_code}"
            raise ClusterError(self._expired(f"and its issuer {host} does not renew it ({code})"))
        self._token = text(found, "id_token")
        self._refresh_token = text(found, "refresh_token") or self._refresh_token
        self._mask(self._token)
        self._mask(self._refresh_token)

    def _expired(self, why: str) -> Problem:
        state = "has expired" if self._token else "is missing"
        if self._token and (self._seconds_left() or 0.0) > 0:
            state = "is about to expire"
        return Problem(
            f"{self._whose} has the auth-provider `oidc`, whose token {state}, {why}.",
            "Let this job reach the issuer (a proxy is taken from HTTPS_PROXY, a private CA from "
            f"`idp-certificate-authority-data`), or log in anew; a pipeline had better {_LASTING}",
        )

    @contextmanager
    def _authority(self) -> Iterator[str | bool]:
        """The CA that the issuer is verified with, as requests takes it. requests wants a file; it holds no secret."""
        if not (data := text(self._config, "idp-certificate-authority-data")):
            path = text(self._config, "idp-certificate-authority")
            yield path or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True
            return
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            try:
                file.write(base64.b64decode("".join(data.split()), validate=True))
            except binascii.Error:
                raise InputError(self._expired("and its `idp-certificate-authority-data` is not base64")) from None
            file.flush()
            yield file.name


def _safe(url: str) -> bool:
    return is_http_url(url) and (urlsplit(url).scheme == "https" or is_loopback(url))


def _fields(answer: Any) -> Mapping[str, Any]:
    """The members of an answer in JSON; none where it is something else."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _words(error: Exception) -> str:
    """Why there is no answer. requests' own words hold whole URLs."""
    import requests

    match error:
        case requests.exceptions.ProxyError():
            return "the proxy does not let it through"
        case requests.exceptions.SSLError():
            return "its certificate is not trusted"
        case requests.exceptions.Timeout():
            return f"it does not answer within {_TIMEOUT:.0f} seconds"
        case requests.exceptions.ConnectionError():
            return "there is no connection"
    return type(error).__name__ if isinstance(error, requests.RequestException) else "its CA cannot be read"
