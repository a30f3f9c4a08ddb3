"""What the API server can answer instead of what was asked, each told so that the reader can mend it.

Nothing of a request but its place is ever in a message. The server's own words may be: they are redacted and
escaped where they are printed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from secret_action.cluster import admission
from secret_action.cluster.paths import Place
from secret_action.errors import ClusterError, SecretSyncError
from secret_action.masking import hidden
from secret_action.model import Problem

_LONGEST = 300  # characters of outside text that a message quotes
_PASSING = (409, 429, 500, 502, 503, 504)


class ApiError(ClusterError):
    """A request to the API server failed."""

    passing = False
    """True where the same request may succeed a moment later."""


class NotFound(ApiError):
    """There is no such object, or no such resource (404)."""


class Gone(ApiError):
    """The resourceVersion is too old to watch from (410): list again."""


class Forbidden(ApiError):
    """RBAC does not allow it (403)."""


class Unauthorized(ApiError):
    """The credentials are not accepted (401)."""


class Refused(ApiError):
    """The API server or an admission webhook refuses what was sent (other 4xx)."""


class Unavailable(ApiError):
    """Overloaded, failing, or too busy with the same object (429, 5xx, 409), still so after some retries."""

    passing = True


class Unreachable(ApiError):
    """No answer at all, still so after some retries."""

    passing = True


class NotTrusted(ApiError):
    """TLS failed: waiting does not mend it."""


def may_pass(error: SecretSyncError) -> bool:
    """Whether the same request may succeed a moment later."""
    return isinstance(error, ApiError) and error.passing


def understood(error: Exception) -> SecretSyncError:
    """The error itself, or what it means: a thread that died of one that nobody foresaw would leave the run waiting."""
    if isinstance(error, SecretSyncError):
        return error
    return ClusterError(
        Problem(
            f"An answer of the cluster's API server could not be understood ({type(error).__name__}).",
            "Check that no proxy answers in its place, then run again; if it stays so, report it as a defect.",
        )
    )


def not_ok(verb: str, place: Place | str, status: int, body: bytes) -> ApiError:
    """The error for an answer that is not 2xx. verb: as RBAC names it. place: a raw path for what is no resource."""
    said = clean(_message(body))
    quoted = (f"The API server says: {said}",) if said else ()
    if by_admission := admission.told(f"{verb} {place} ({status})", said):
        return (Unavailable if status in _PASSING else Refused)(by_admission)
    match status:
        case 401:
            return Unauthorized(
                Problem(
                    "The cluster does not accept the credentials (401).",
                    "Put a valid token or certificate of this very cluster into the kubeconfig. With eks-cluster, give "
                    "the IAM role an access entry: `aws eks create-access-entry --cluster-name … --principal-arn …`.",
                    (
                        "The token or certificate has expired, has been revoked, or is of another cluster.",
                        "On EKS, the IAM role has neither an access entry nor a line in `aws-auth`.",
                        *quoted,
                    ),
                )
            )
        case 403:
            return Forbidden(replace(denied(verb, place), causes=quoted))
        case 404:
            return NotFound(Problem(f"There is no {place} in the cluster (404).", causes=quoted))
        case 410:
            return Gone(Problem(f"The list of {place} is too old to go on from (410)."))
        case _ if status in _PASSING:
            return Unavailable(
                Problem(
                    f"The API server could not {verb} {place} ({status}), and went on so.",
                    "Look at the API server's health, then run again.",
                    quoted,
                )
            )
    return Refused(
        Problem(
            f"The API server refuses to {verb} {place} ({status}).",
            "Mend what it names, then run again.",
            quoted,
        )
    )


def late(server: str) -> ApiError:
    """The error for a request that is not sent any more."""
    return Unreachable(Problem(f"The cluster's API server {server} was not asked: there was no time left."))


def starting() -> ApiError:
    """The error instead of a 403 from an API server that has only just started."""
    return Unavailable(
        Problem(
            "The API server has just started, and allows this account nothing yet (403).",
            "Look at the API server's health, then run again.",
        )
    )


def not_served(place: Place) -> ApiError:
    """The error for a kind that the API server does not know: the list of one that it knows is at most empty."""
    resource = place.resource
    return NotFound(
        Problem(
            f"The cluster does not serve {resource.plural} of {resource.group_version} any more (404).",
            "Look whether the custom resource definition was removed, or this version of it: `kubectl get crd "
            f"{resource.plural}.{resource.group}`. Install it again, with the ExternalSecrets that went with it.",
        )
    )


def not_kubernetes(server: str) -> ApiError:
    """The error for a good status with a body that no API server sends: a log-in page, another service."""
    return Refused(
        Problem(
            f"What answers at {server} is not a Kubernetes API server.",
            "Check the address of the cluster in the kubeconfig, and whether a proxy answers in its place.",
        )
    )


def denied(verb: str, place: Place | str) -> Problem:
    """The problem of a right that the account lacks, with the line of RBAC that grants it."""
    what = f"The cluster does not allow this account to {verb} {place} (403)."
    if isinstance(place, str):
        return Problem(what, f"Allow it to `get` the URL {place}, as the ClusterRole system:discovery does.")
    kind = f"a Role in namespace {place.namespace}" if place.namespace else "a ClusterRole"
    rule = f'{{apiGroups: ["{place.resource.group}"], resources: ["{place.resource_name}"], verbs: ["{verb}"]}}'
    return Problem(what, f"Add to {kind} that is bound to it: {rule}")


def _message(body: bytes) -> str:
    """What a `Status` object says, or the start of any other body."""
    try:
        found = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    message = found.get("message") if isinstance(found, Mapping) else None
    return message if isinstance(message, str) else ""


def clean(outside: str) -> str:
    """A text from outside, fit to be quoted: one line, no control characters, no request ids, ≤ 300 characters."""
    return shortened(one_line(outside))


def one_line(outside: str) -> str:
    """The same in full, for whoever looks for something in it before it is quoted.

    Known values are hidden first: one that is cut or folded is found no more.
    """
    ids = r",?\s*\b(request ?id|host ?id)\b:?\s*[-0-9a-z+/=]+"
    without_ids = re.sub(ids, "", hidden(outside), flags=re.IGNORECASE)
    return " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", without_ids).split())


def shortened(line: str) -> str:
    """At most 300 characters of it."""
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
