"""The API server's error answers: `Status` objects with the texts of the real one."""

from typing import Any

from sandbox.kubernetes_kinds import Kind, Object


class ApiError(Exception):
    """A request that the API server refuses; `status` is the body of its answer."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        kind: Kind | None = None,
        name: str = "",
        details: Object | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        about: dict[str, Any] = {}
        if kind is not None:
            about = {"name": name, "group": kind.group, "kind": kind.plural}
            about = {key: value for key, value in about.items() if value}
        self.status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code,
        }
        if about or details:
            self.status["details"] = about | (details or {})


def not_found(kind: Kind, name: str) -> ApiError:
    """404 for an object that is not there."""
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', kind=kind, name=name)


def already_exists(kind: Kind, name: str) -> ApiError:
    """409 for a create of what is there."""
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', kind=kind, name=name)


def conflict(kind: Kind, name: str) -> ApiError:
    """409 for a write with another resourceVersion than the object's."""
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {kind.resource} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again",
        kind=kind,
        name=name,
    )


def invalid(kind: Kind, name: str, field: str, message: str, cause: str = "FieldValueInvalid") -> ApiError:
    """422 for an object that breaks a rule of its kind; `message` follows the field's name."""
    causes = [{"reason": cause, "message": message, "field": field}]
    return ApiError(
        422,
        "Invalid",
        f'{kind.name}{"." + kind.group if kind.group else ""} "{name}" is invalid: {field}: {message}',
        details={"name": name, "group": kind.group, "kind": kind.name, "causes": causes},
    )


def bad_request(message: str) -> ApiError:
    """400 for what cannot be read."""
    return ApiError(400, "BadRequest", message)


def forbidden(
    user: str, verb: str, kind: Kind, name: str, namespace: str | None, subresource: str = ""
) -> ApiError:
    """403 as RBAC words it."""
    about = f'{kind.resource} "{name}"' if name else kind.resource
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return ApiError(
        403,
        "Forbidden",
        f'{about} is forbidden: User "{user}" cannot {verb} resource "{resource}" '
        f'in API group "{kind.group}" {where}',
        kind=kind,
        name=name,
    )


def forbidden_path(user: str, verb: str, path: str) -> ApiError:
    """403 for a path that is no resource."""
    return ApiError(403, "Forbidden", f'forbidden: User "{user}" cannot {verb} path "{path}"', details={})


def unauthorized() -> ApiError:
    """401 for a token that nobody has."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> ApiError:
    """410 for a resourceVersion whose changes are no longer known."""
    return ApiError(410, "Expired", message)
