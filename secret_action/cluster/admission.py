"""What admission says where it refuses a request that RBAC allows: no Role helps against it.

RBAC's own no is `… is forbidden: User "…" cannot VERB …`. These texts are of Kubernetes' own making too
(`pkg/admission` of k8s.io/apiserver), and come with whatever status the webhook or the policy chooses.
"""

from __future__ import annotations

import re

from secret_action.model import Problem

_FORBIDDEN = r'\S+ (?:"[^"]*" )?is forbidden: '
_SAYS = r"(?:: (?P<says>.+))?"
_REFUSING = {
    "admission webhook {who}": rf'admission webhook "(?P<who>[^"]+)" denied the request{_SAYS}',
    "{kind} {who}": rf"(?:{_FORBIDDEN})?(?P<kind>\w*[Pp]olicy) (?P<quote>['\"])(?P<who>.+?)(?P=quote) .*?denied request"
    + _SAYS,
    "ResourceQuota {who}": rf"{_FORBIDDEN}exceeded quota: (?P<who>[^,\s]+), (?P<says>.+)",
    "PodSecurity level {who}": rf'{_FORBIDDEN}violates PodSecurity "(?P<who>[^"]+)"{_SAYS}',
    "cluster's admission control": rf'{_FORBIDDEN}(?!User ")(?P<says>.+)',
}
_AWAY = rf'failed calling webhook "(?P<who>[^"]+)"{_SAYS}'


def told(request: str, said: str) -> Problem | None:
    """The problem where admission has refused a request, or does not answer; None where it was somebody else.

    request: `patch externalsecrets/a …`. said: the API server's words, cleaned.
    """
    for who, pattern in _REFUSING.items():
        if found := re.match(pattern, said):
            return Problem(
                f"The {who.format(**found.groupdict())} does not let this account {request}{_why(found)}",
                "No right helps here: do what it says, or let whoever owns it admit this change of this account's. "
                "Then run again.",
            )
    if found := re.search(_AWAY, said):
        return Problem(
            f"The admission webhook {found['who']} does not answer, so the API server does not {request}{_why(found)}",
            "Mend what serves that webhook (its pods, its Service, its certificate), then run again.",
        )
    return None


def _why(found: re.Match[str]) -> str:
    return f": {found['says'].rstrip('.')}." if found["says"] else ", and does not say why."
