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
            **({"reason": reason} if reason else {}),
            "code": code,
        }
        if about or details is not None:
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


def other_uid(kind: Kind, namespace: str, name: str, given: str, stored: str) -> ApiError:
    """409 for a PUT of an object that was replaced by another of its name."""
    key = "/".join(filter(None, ("/registry", kind.group, kind.plural, namespace, name)))
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {kind.resource} "{name}": StorageError: invalid object, Code: 4, '
        f"Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: "
        f"UID in precondition: {given}, UID in object meta: {stored}",
        kind=kind,
        name=name,
    )


def precondition_failed(kind: Kind, name: str, field: str, given: str, stored: str) -> ApiError:
    """409 for a DELETE of another object (or of another state of it) than the one that is there."""
    word = {"uid": "UID", "resourceVersion": "ResourceVersion"}.get(field, field)
    hint = "The object might have been deleted and then recreated"
    if field == "resourceVersion":
        hint = "The object might have been modified"
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {_qualified(kind)} "{name}": the {word} in the precondition ({given}) '
        f"does not match the {word} in record ({stored}). {hint}",
        details=_details(kind, name),
    )


def invalid(kind: Kind, name: str, field: str, message: str, cause: str = "FieldValueInvalid") -> ApiError:
    """422 for an object that breaks a rule of its kind; `message` follows the field's name."""
    causes = [{"reason": cause, "message": message, "field": field}]
    return ApiError(
        422,
        "Invalid",
        f'{_qualified(kind)} "{name}" is invalid: {field}: {message}',
        details=_details(kind, name) | {"causes": causes},
    )


def version_missing(kind: Kind, name: str) -> ApiError:
    """422 for a PUT of a custom resource that says nothing of the version it replaces."""
    field, message = "metadata.resourceVersion", "Invalid value: 0: must be specified for an update"
    causes = [{"reason": "FieldValueInvalid", "message": message, "field": field}]
    text = f'{kind.resource} "{name}" is invalid: {field}: {message}'
    return ApiError(422, "Invalid", text, kind=kind, name=name, details={"causes": causes})


def _qualified(kind: Kind) -> str:
    return f"{kind.name}.{kind.group}" if kind.group else kind.name


def _details(kind: Kind, name: str) -> Object:
    details = {"name": name, "group": kind.group, "kind": kind.name}
    return {key: value for key, value in details.items() if value}


def bad_request(message: str) -> ApiError:
    """400 for what cannot be read."""
    return ApiError(400, "BadRequest", message)


def forbidden(user: str, verb: str, kind: Kind, name: str, namespace: str | None, subresource: str = "") -> ApiError:
    """403 as RBAC words it."""
    about = f'{kind.resource} "{name}"' if name else kind.resource
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    return ApiError(
        403,
        "Forbidden",
        f'{about} is forbidden: User "{user}" cannot {verb} resource "{resource}" in API group "{kind.group}" {where}',
        kind=kind,
        name=name,
    )


def going_namespace(kind: Kind, name: str, namespace: str) -> ApiError:
    """403 for a new object in a namespace that is being deleted."""
    message = f"namespace {namespace} is being terminated"
    causes = [{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]
    return ApiError(
        403,
        "Forbidden",
        f'{kind.resource} "{name}" is forbidden: unable to create new content in namespace {namespace} because it is '
        "being terminated",
        kind=kind,
        name=name,
        details={"causes": causes},
    )


def going_kind(kind: Kind, name: str) -> ApiError:
    """403 for a new object of a kind whose definition is being deleted."""
    return ApiError(
        403,
        "Forbidden",
        f'{kind.resource} "{name}" is forbidden: create not allowed while custom resource definition is terminating',
        kind=kind,
        name=name,
    )


def forbidden_path(user: str, verb: str, path: str) -> ApiError:
    """403 for a path that is no resource."""
    return ApiError(403, "Forbidden", f'forbidden: User "{user}" cannot {verb} path "{path}"', details={})


def unknown_resource() -> ApiError:
    """404 for a plural that a built-in API group does not have."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def unauthorized() -> ApiError:
    """401 for a token that nobody has."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> ApiError:
    """410 for a resourceVersion whose changes are no longer known."""
    return ApiError(410, "Expired", message)
