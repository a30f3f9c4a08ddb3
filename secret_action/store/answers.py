"""What kind of answer an error of AWS's client is: worth another try, of unknown outcome, a lack of rights.

Nothing here reads an error's free text, which may echo a value.
"""

from __future__ import annotations

from typing import Any

_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})

# The service model marks none of SSM's errors as retryable, and botocore does not retry TooManyUpdates:
# "concurrent updates for a resource that supports one update at a time".
_TRANSIENT = frozenset(
    {
        "TooManyUpdates",
        "InternalServerError",
        "InternalFailure",
        "ServiceUnavailable",
        "RequestTimeout",
        "RequestTimeoutException",
        "ResponseParserError",  # botocore: an answer that is none, as a proxy gives
    }
)
_NOT_TAKEN = frozenset({"TooManyUpdates"})


def code(error: BaseException) -> str:
    """AWS's error code, or the name of the client's own error class."""
    return str(_response(error).get("Error", {}).get("Code", "")) or type(error).__name__


def answered(error: BaseException) -> bool:
    """AWS itself said no; else the error is the client's own."""
    return bool(_response(error))


def request_id(error: BaseException) -> str:
    """The id under which AWS support finds the request; empty where there was no answer."""
    return str(_response(error).get("ResponseMetadata", {}).get("RequestId", ""))


def status(error: BaseException) -> int:
    """The HTTP status of the answer; 0 where there was none."""
    return int(_response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_throttled(error: BaseException) -> bool:
    """SSM refused because of the rate. The same request will be taken later."""
    return code(error) in _THROTTLED


def is_denied(error: BaseException) -> bool:
    """The caller lacks a permission."""
    return code(error) in _DENIED


def is_transient(error: BaseException) -> bool:
    """The same request may succeed at another try."""
    return is_throttled(error) or code(error) in _TRANSIENT or status(error) >= 500 or _lost(error)


def may_have_landed(error: BaseException) -> bool:
    """AWS may have done what was asked although it did not say so: only a look can tell."""
    if not is_transient(error) or is_throttled(error) or code(error) in _NOT_TAKEN:
        return False
    from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError

    return not isinstance(error, (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError))


def is_untrusted_certificate(error: BaseException) -> bool:
    """The server's certificate was refused: no other try will change that."""
    from botocore.exceptions import SSLError

    return isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def _lost(error: BaseException) -> bool:
    """No whole answer came, or no connection."""
    from botocore.exceptions import ConnectionError as NotConnected
    from botocore.exceptions import HTTPClientError, IncompleteReadError

    lost = isinstance(error, (NotConnected, HTTPClientError, IncompleteReadError))
    return lost and not is_untrusted_certificate(error)


def _response(error: BaseException) -> dict[str, Any]:
    response = getattr(error, "response", None)
    return response if isinstance(response, dict) else {}
