"""Who may do what on the stand-in: bearer tokens, and the (Cluster)RoleBindings that the store holds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sandbox.kubernetes_errors import forbidden, forbidden_path, unauthorized
from sandbox.kubernetes_kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    RBAC_GROUP,
    ROLE,
    ROLE_BINDING,
    Kind,
    Object,
)
from sandbox.kubernetes_store import Store, Writer

_ADMINISTRATORS = "system:masters"
_PUBLIC_PATHS = ("/healthz", "/livez", "/readyz", "/version")
_DISCOVERY_PATHS = ("/api", "/apis", "/openapi")


@dataclass(frozen=True)
class User:
    """Whoever makes a request."""

    name: str
    groups: tuple[str, ...] = ("system:authenticated",)


_ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True)
class Access:
    """What a request wants to do, as RBAC sees it."""

    verb: str
    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""


class Rbac:
    """Knows the users and asks the store's bindings."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._users: dict[str, User] = {}
        self._grants = 0

    def add(self, token: str, user: User) -> None:
        """Let `token` stand for `user`."""
        self._users[token] = user

    def add_administrator(self, token: str) -> None:
        """Let `token` stand for a user who may do everything."""
        self.add(token, User("admin", (_ADMINISTRATORS, "system:authenticated")))

    def bind(self, user: str, rules: list[Object], namespaces: Sequence[str] | None) -> None:
        """Grant `rules` to `user` in these namespaces, or in the whole cluster where that is None."""
        writer = Writer("sandbox")
        subjects = [{"kind": "User", "name": user, "apiGroup": RBAC_GROUP}]
        for namespace in [""] if namespaces is None else namespaces:
            self._grants += 1
            grant = f"{user}-{self._grants}"
            role, binding = (ROLE, ROLE_BINDING) if namespace else (CLUSTER_ROLE, CLUSTER_ROLE_BINDING)
            metadata = {"name": grant, **({"namespace": namespace} if namespace else {})}
            self._store.create(role, {"metadata": dict(metadata), "rules": rules}, writer)
            reference = {"apiGroup": RBAC_GROUP, "kind": role.name, "name": grant}
            self._store.create(
                binding, {"metadata": dict(metadata), "roleRef": reference, "subjects": subjects}, writer
            )

    def user(self, authorization: str) -> User:
        """The user of an Authorization header; nobody in particular without one. Raises 401 for a wrong token."""
        if not authorization:
            return _ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        user = self._users.get(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise unauthorized()
        return user

    def require(self, user: User, access: Access) -> None:
        """Raise the API server's 403 unless a rule allows the access."""
        if _ADMINISTRATORS in user.groups:
            return
        if not any(_allows(rule, access) for rule in self._rules(user, access.namespace)):
            raise forbidden(user.name, access.verb, access.kind, access.name, access.namespace, access.subresource)

    def require_path(self, user: User, verb: str, path: str) -> None:
        """The same for a path that is no resource: discovery is open to all who have a token."""
        first = "/" + path.split("/")[1]
        if first in _PUBLIC_PATHS or (first in _DISCOVERY_PATHS and user is not _ANONYMOUS):
            return
        if _ADMINISTRATORS not in user.groups:
            raise forbidden_path(user.name, verb, path)

    def _rules(self, user: User, namespace: str) -> Iterator[Object]:
        bindings = self._store.listed(CLUSTER_ROLE_BINDING)[0]
        if namespace:
            bindings += self._store.listed(ROLE_BINDING, namespace)[0]
        for binding in bindings:
            if any(_is(subject, user) for subject in binding.get("subjects") or []):
                reference = binding["roleRef"]
                kind = CLUSTER_ROLE if reference["kind"] == CLUSTER_ROLE.name else ROLE
                role = self._store.find(kind, "" if kind is CLUSTER_ROLE else namespace, reference["name"])
                yield from (role or {}).get("rules") or []


def _is(subject: Object, user: User) -> bool:
    if subject["kind"] == "User":
        return bool(subject["name"] == user.name)
    if subject["kind"] == "Group":
        return subject["name"] in user.groups
    return user.name == f"system:serviceaccount:{subject.get('namespace', '')}:{subject['name']}"


def _allows(rule: Object, access: Access) -> bool:
    resource = access.kind.plural + (f"/{access.subresource}" if access.subresource else "")
    names = rule.get("resourceNames") or []
    return (
        _has(rule.get("verbs"), access.verb)
        and _has(rule.get("apiGroups"), access.kind.group)
        and (
            _has(rule.get("resources"), resource)
            or bool(access.subresource and f"*/{access.subresource}" in (rule.get("resources") or []))
        )
        and (not names or access.name in names)
    )


def _has(allowed: list[str] | None, wanted: str) -> bool:
    return wanted in (allowed or []) or "*" in (allowed or [])
