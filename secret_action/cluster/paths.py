"""Where objects live in the Kubernetes API: groups, resources, and the URLs of them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

ESO_GROUP = "external-secrets.io"


@dataclass(frozen=True)
class Resource:
    """One kind of object, as the API names it: `Resource("external-secrets.io/v1", "externalsecrets")`."""

    group_version: str
    """`v1` for the core group."""
    plural: str

    @property
    def group(self) -> str:
        """Its API group, as RBAC rules name it; empty for the core group."""
        return self.group_version.rpartition("/")[0]

    def at(self, namespace: str = "", name: str = "", subresource: str = "") -> Place:
        """One object, or without a name all objects of this kind; without a namespace across the cluster."""
        return Place(self, namespace, name, subresource)


@dataclass(frozen=True)
class Place:
    """Something that a request is about; errors and RBAC rules are told from it."""

    resource: Resource
    namespace: str
    name: str
    subresource: str

    @property
    def path(self) -> str:
        """The URL's path."""
        root = "apis" if "/" in self.resource.group_version else "api"
        parts = [root, *self.resource.group_version.split("/")]
        if self.namespace:
            parts += ["namespaces", self.namespace]
        parts += [self.resource.plural, *filter(None, [self.name, self.subresource])]
        return "/" + "/".join(quote(part, safe="") for part in parts)

    @property
    def resource_name(self) -> str:
        """The resource as RBAC rules name it: `pods/log`."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural

    def __str__(self) -> str:
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.resource_name}{f'/{self.name}' if self.name else ''}{where}"


SECRETS = Resource("v1", "secrets")
EVENTS = Resource("v1", "events")
PODS = Resource("v1", "pods")
NAMESPACES = Resource("v1", "namespaces")
SERVICE_ACCOUNTS = Resource("v1", "serviceaccounts")


def external_secrets(group_version: str) -> Resource:
    """ExternalSecrets in the API version that the cluster serves."""
    return Resource(group_version, "externalsecrets")


def store_resource(group_version: str, kind: str) -> Resource:
    """SecretStores or ClusterSecretStores; ESO takes an absent kind for a SecretStore."""
    return Resource(group_version, "clustersecretstores" if kind == "ClusterSecretStore" else "secretstores")
