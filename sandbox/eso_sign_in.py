"""How the stand-in's ESO signs in to AWS: STS is asked as its AWS SDK asks it, and what STS refuses is told alike.

Nobody checks what the operator signs, so a success gives it nothing.
"""

import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

SignIn = Callable[[str, str], "str | None"]
"""Assumes a role by an operation of STS; returns what ESO says of a refusal, None where STS lets it in."""


def signs_in_at(endpoint: str) -> SignIn:
    """Asks this STS."""

    def sign_in(operation: str, role: str) -> str | None:
        asked = {"Action": operation, "Version": "2011-06-15", "RoleArn": role, "RoleSessionName": "external-secrets"}
        token = {"WebIdentityToken": "a.token.of-the-stand-in"} if operation == "AssumeRoleWithWebIdentity" else {}
        request = urllib.request.Request(
            endpoint,
            data=urllib.parse.urlencode(asked | token).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "external-secrets"},
        )
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as error:
            body = error.read().decode()
            code, message = (_element(name, body) for name in ("Code", "Message"))
            refused = f"https response error StatusCode: {error.code}, RequestID: , api error {code}: {message}"
        else:
            return None
        cached = "failed to refresh cached credentials, failed to retrieve credentials, " if token else ""
        return f"{cached}operation error STS: {operation}, {refused}"

    return sign_in


def _element(name: str, xml: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", xml)
    return found[1] if found else "UnknownError"
