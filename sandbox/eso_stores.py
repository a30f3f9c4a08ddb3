"""SecretStores and ClusterSecretStores of the stand-in's ESO: validated, looked up, refused."""

import re
from collections.abc import Callable

from sandbox.eso_events import Events
from sandbox.eso_model import is_ready, with_ready
from sandbox.eso_provider import GetParameter, ProviderError
from sandbox.eso_sign_in import SignIn
from sandbox.kubernetes_errors import ApiError
from sandbox.kubernetes_kinds import (
    CLUSTER_SECRET_STORE,
    NAMESPACE,
    SECRET,
    SECRET_STORE,
    SERVICE_ACCOUNT,
    Kind,
    Object,
)
from sandbox.kubernetes_select import label_selector
from sandbox.kubernetes_store import Store, Writer

_CONTROLLER_CLASS = "default"
_ROLE = "eks.amazonaws.com/role-arn"

ReaderOf = Callable[[str], GetParameter]
"""Gives the reader of the parameters of one AWS region."""


class Stores:
    """What the operator knows of stores."""

    def __init__(self, store: Store, events: Events, readers: ReaderOf, sign_in: SignIn | None) -> None:
        self._store = store
        self._events = events
        self._readers = readers
        self._sign_in = sign_in
        self._told: dict[str, tuple[bool, str, str]] = {}

    def tell(self, name: str, ready: bool, reason: str, message: str) -> None:
        """Let the next validation of the stores of this name end so, whatever their specs say."""
        self._told[name] = (ready, reason, message)

    def validate(self, kind: Kind, namespace: str, name: str) -> str | None:
        """Write a store's Ready condition; returns what was wrong with it, None when nothing was."""
        found = self._store.find(kind, namespace, name)
        if found is None or found["spec"].get("controller", _CONTROLLER_CLASS) != _CONTROLLER_CLASS:
            return None
        wrong, message = self._wrong(kind, found), "unable to create client"
        if wrong is None:
            wrong, message = self._refused(found), "unable to validate store"
        ready, reason, message = self._told.get(name) or (
            (True, "Valid", "store validated") if wrong is None else (False, "InvalidProviderConfig", message)
        )
        component = "cluster-secret-store" if kind is CLUSTER_SECRET_STORE else "secret-store"
        text = message if wrong is None else wrong
        self._events.emit(found, "Normal" if ready else "Warning", reason, text, component)
        status = with_ready(found.get("status", {}), ready, reason, message)
        if ready:
            status = status | {"capabilities": "ReadWrite"}
        if status != found.get("status"):
            writer = Writer("external-secrets", subresource="status")
            self._store.modify(kind, namespace, name, lambda obj: obj | {"status": status}, writer)
        return None if ready else f"could not get provider client: {text}"

    def _wrong(self, kind: Kind, store: Object) -> str | None:
        """Why no client can be made, or None. Credentials are looked up, and never tried on AWS."""
        auth = store["spec"]["provider"].get("aws", {}).get("auth", {})
        own = store["metadata"].get("namespace", "")
        # Such a store takes the namespace of whoever uses it, so it cannot be judged by itself.
        references = [auth.get("jwt", {}).get("serviceAccountRef"), *auth.get("secretRef", {}).values()]
        if kind is CLUSTER_SECRET_STORE and any(ref and not ref.get("namespace") for ref in references):
            return None
        for what, field in (
            ("SecretAccessKey", "secretAccessKeySecretRef"),
            ("accessKeyID", "accessKeyIDSecretRef"),
        ):
            reference = auth.get("secretRef", {}).get(field)
            if reference is None:
                continue
            namespace = own or reference["namespace"]
            secret = self._store.find(SECRET, namespace, reference["name"])
            if secret is None:
                return (
                    f"unable to create session: could not fetch {what} secret: cannot get Kubernetes secret "
                    f'"{reference["name"]}" from namespace "{namespace}": '
                    f'secrets "{reference["name"]}" not found'
                )
            if reference["key"] not in secret.get("data", {}):
                return (
                    f"unable to create session: could not fetch {what} secret: "
                    f'cannot find secret data for key: "{reference["key"]}"'
                )
        account = auth.get("jwt", {}).get("serviceAccountRef")
        if account:
            namespace = own or account["namespace"]
            found = self._store.find(SERVICE_ACCOUNT, namespace, account["name"])
            if found is None:
                return f'unable to create session: ServiceAccount "{account["name"]}" not found'
            if not found["metadata"].get("annotations", {}).get(_ROLE):
                return (
                    "unable to create session: an IAM role must be associated with service account "
                    f"{account['name']} (namespace: {namespace})"
                )
        return None

    def _refused(self, store: Object) -> str | None:
        """What AWS says of a role that the store would assume, or None."""
        aws = store["spec"]["provider"].get("aws", {})
        account = aws.get("auth", {}).get("jwt", {}).get("serviceAccountRef") or {}
        namespace = store["metadata"].get("namespace") or account.get("namespace")
        if self._sign_in is None:
            return None
        if account and namespace:
            role = self._store.get(SERVICE_ACCOUNT, namespace, account["name"])["metadata"]["annotations"][_ROLE]
            if refused := self._sign_in("AssumeRoleWithWebIdentity", role):
                return refused
        return self._sign_in("AssumeRole", aws["role"]) if "role" in aws else None

    def unmanaged(self, external_secret: Object) -> bool:
        """Whether any of its stores is left to another controller class: then it is passed over in silence."""
        spec = external_secret["spec"]
        references = [
            spec.get("secretStoreRef"),
            *map(_own_store, [*spec.get("data", []), *spec.get("dataFrom", [])]),
        ]
        stores = [self._find(external_secret, ref) for ref in references if ref and ref.get("name")]
        return any(store and not _ours(store) for store in stores)

    def provider(self, external_secret: Object, entry: Object) -> tuple[GetParameter, str]:
        """The reader and the prefix of the store that one entry names. Raises ProviderError for what forbids it."""
        reference = _own_store(entry) or external_secret["spec"].get("secretStoreRef") or {}
        kind, name = _kind(reference), reference.get("name", "")
        store = self._find(external_secret, reference)
        if store is None:
            # The operator reads through a cache, whose texts name the kind and not the resource.
            raise ProviderError(f'could not get {kind.name} "{name}", {kind.name}.{kind.group} "{name}" not found')
        if not _ours(store):
            raise ProviderError("can not reference unmanaged store")
        namespace = external_secret["metadata"]["namespace"]
        if kind is CLUSTER_SECRET_STORE and not self._admits(store, namespace):
            raise ProviderError(
                f'using cluster store "{name}" is not allowed from namespace "{namespace}": denied by spec.condition'
            )
        if not is_ready(store):
            raise ProviderError(f'{kind.name} "{name}" is not ready')
        aws = store["spec"]["provider"]["aws"]
        return self._readers(aws["region"]), aws.get("prefix", "")

    def _find(self, external_secret: Object, reference: Object) -> Object | None:
        kind = _kind(reference)
        namespace = external_secret["metadata"]["namespace"] if kind.namespaced else ""
        return self._store.find(kind, namespace, reference.get("name", ""))

    def _admits(self, store: Object, namespace: str) -> bool:
        conditions = store["spec"].get("conditions") or []
        if not conditions:
            return True
        try:
            labels = self._store.get(NAMESPACE, "", namespace)
        except ApiError:
            return False
        return any(
            namespace in (condition.get("namespaces") or [])
            or any(re.search(regex, namespace) for regex in condition.get("namespaceRegexes") or [])
            or ("namespaceSelector" in condition and selects(condition["namespaceSelector"], labels))
            for condition in conditions
        )


def selects(selector: Object, obj: Object) -> bool:
    """Whether a LabelSelector object (`matchLabels` alone is imitated) matches; an empty one matches all."""
    labels = selector.get("matchLabels") or {}
    return label_selector(",".join(f"{key}={value}" for key, value in labels.items()))(obj)


def _own_store(entry: Object) -> Object | None:
    return (entry.get("sourceRef") or {}).get("storeRef")


def _kind(reference: Object) -> Kind:
    return CLUSTER_SECRET_STORE if reference.get("kind") == CLUSTER_SECRET_STORE.name else SECRET_STORE


def _ours(store: Object) -> bool:
    return bool(store["spec"].get("controller", "") in ("", _CONTROLLER_CLASS))
