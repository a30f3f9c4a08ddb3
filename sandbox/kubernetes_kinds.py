"""What the stand-in's Kubernetes API serves: kinds, their groups and versions, and the CRDs' defaults.

The defaults are those of the External Secrets Operator's own CRDs (v0.20.4).
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

ESO_GROUP = "external-secrets.io"
RBAC_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Kind:
    """One kind of object: how it is named, where it lives, and how the API server counts its changes."""

    name: str
    plural: str
    group: str = ""
    versions: tuple[str, ...] = ("v1",)
    """Storage version first."""
    namespaced: bool = True
    counted: bool = False
    """Whether `metadata.generation` exists and grows with the spec: custom resources and workloads."""
    custom: bool = False
    """Defined by a CRD: no strategic merge patch, PUT demands a resourceVersion."""
    has_status: bool = False

    @property
    def resource(self) -> str:
        """As error messages name it: `externalsecrets.external-secrets.io`, `secrets`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def api_version(self, version: str | None = None) -> str:
        """`apiVersion` of an object of this kind, of the storage version when none is given."""
        version = version or self.versions[0]
        return f"{self.group}/{version}" if self.group else version


def _custom(name: str, plural: str, *, namespaced: bool = True) -> Kind:
    return Kind(name, plural, ESO_GROUP, ("v1", "v1beta1"), namespaced, counted=True, custom=True, has_status=True)


def _workload(name: str, plural: str) -> Kind:
    return Kind(name, plural, "apps", counted=True, has_status=True)


NAMESPACE = Kind("Namespace", "namespaces", namespaced=False, has_status=True)
DEFINITION = Kind(
    "CustomResourceDefinition", "customresourcedefinitions", "apiextensions.k8s.io", namespaced=False, counted=True
)
SECRET = Kind("Secret", "secrets")
EVENT = Kind("Event", "events")
POD = Kind("Pod", "pods", counted=True, has_status=True)
SERVICE_ACCOUNT = Kind("ServiceAccount", "serviceaccounts")
EXTERNAL_SECRET = _custom("ExternalSecret", "externalsecrets")
SECRET_STORE = _custom("SecretStore", "secretstores")
CLUSTER_SECRET_STORE = _custom("ClusterSecretStore", "clustersecretstores", namespaced=False)
CLUSTER_EXTERNAL_SECRET = _custom("ClusterExternalSecret", "clusterexternalsecrets", namespaced=False)
ROLE = Kind("Role", "roles", RBAC_GROUP)
ROLE_BINDING = Kind("RoleBinding", "rolebindings", RBAC_GROUP)
CLUSTER_ROLE = Kind("ClusterRole", "clusterroles", RBAC_GROUP, namespaced=False)
CLUSTER_ROLE_BINDING = Kind("ClusterRoleBinding", "clusterrolebindings", RBAC_GROUP, namespaced=False)

KINDS: tuple[Kind, ...] = (
    NAMESPACE,
    DEFINITION,
    SECRET,
    Kind("ConfigMap", "configmaps"),
    EVENT,
    POD,
    SERVICE_ACCOUNT,
    _workload("Deployment", "deployments"),
    _workload("StatefulSet", "statefulsets"),
    _workload("DaemonSet", "daemonsets"),
    _workload("ReplicaSet", "replicasets"),
    Kind("CronJob", "cronjobs", "batch", counted=True, has_status=True),
    Kind("Rollout", "rollouts", "argoproj.io", ("v1alpha1",), counted=True, custom=True, has_status=True),
    EXTERNAL_SECRET,
    SECRET_STORE,
    CLUSTER_SECRET_STORE,
    CLUSTER_EXTERNAL_SECRET,
    ROLE,
    ROLE_BINDING,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    Kind("Application", "applications", "argoproj.io", ("v1alpha1",), counted=True, custom=True),
    Kind("Kustomization", "kustomizations", "kustomize.toolkit.fluxcd.io", counted=True, custom=True),
)


def clone(obj: Object) -> Object:
    """A deep copy of JSON, several times as fast as `copy.deepcopy`: most of what the stand-in does is copying."""
    return {key: _clone(value) for key, value in obj.items()}


def _clone(value: Any) -> Any:
    if isinstance(value, dict):
        return clone(value)
    if isinstance(value, list):
        return [_clone(inner) for inner in value]
    return value


def with_defaults(kind: Kind, obj: Object) -> Object:
    """`obj` with the values that the API server fills in when it is written; `obj` itself is left alone."""
    obj = clone(obj)
    if kind is EXTERNAL_SECRET:
        _external_secret_defaults(obj.setdefault("spec", {}))
    elif kind is SECRET:
        obj.setdefault("type", "Opaque")
        for key, text in obj.pop("stringData", {}).items():
            obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()
    elif kind.group == "apps":
        obj.setdefault("status", {})
    elif kind is POD:
        obj.setdefault("status", {"phase": "Pending"})
    elif kind is NAMESPACE:
        name = obj["metadata"]["name"]
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
        obj.setdefault("spec", {"finalizers": ["kubernetes"]})
        obj.setdefault("status", {"phase": "Active"})
    return obj


def _external_secret_defaults(spec: Object) -> None:
    # The CRD says "1h"; the operator's first write turns it into "1h0m0s" (see eso_model.normalised).
    spec.setdefault("refreshInterval", "1h")
    target = spec.setdefault("target", {})
    _set_defaults([target], creationPolicy="Owner", deletionPolicy="Retain")
    if "template" in target:
        _set_defaults([target["template"]], engineVersion="v2", mergePolicy="Replace")
    sources = spec.get("dataFrom") or []
    reads = [entry["remoteRef"] for entry in spec.get("data") or [] if "remoteRef" in entry]
    reads += [source["extract"] for source in sources if "extract" in source]
    _set_defaults(reads, metadataPolicy="None")
    finds = [source["find"] for source in sources if "find" in source]
    _set_defaults(reads + finds, conversionStrategy="Default", decodingStrategy="None")


def _set_defaults(objects: Iterable[Object], **defaults: str) -> None:
    for obj in objects:
        for name, value in defaults.items():
            obj.setdefault(name, value)
