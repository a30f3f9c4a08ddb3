"""What the cluster shows before the first write: can it be reached, may we, what is there, what would never refresh.

It only reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field

from secret_action.cluster import errors
from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.defaults import ESO, Defaults, of_crd
from secret_action.cluster.deployed import as_deployed, differences
from secret_action.cluster.live import (
    Key,
    Object,
    entries,
    is_managed,
    key_of,
    ready,
    section,
    synced_version_of,
    text,
)
from secret_action.cluster.parallel import each
from secret_action.cluster.paths import ESO_GROUP, Place, Resource, external_secrets, store_resource
from secret_action.cluster.proof import never_refreshes
from secret_action.cluster.quoting import short
from secret_action.cluster.rebuild import barred
from secret_action.cluster.targets import Target, left_out, targets
from secret_action.errors import ClusterError, SecretSyncError
from secret_action.model import ExternalSecret, Problem, Reference
from secret_action.ports import Log
from secret_action.settings import ClusterSettings

# Those that this code knows, the preferred one first. Hashes and fields that matter are the same in both.
_VERSIONS = ("v1", "v1beta1")

# Namespaces from which on the whole cluster is listed and watched at once, where that is allowed and it does not hold
# many times what is wanted.
_MANY = 5
_MANY_TIMES = 4

StoreKey = tuple[str, str, str]
"""Kind, namespace (empty for a ClusterSecretStore) and name."""


@dataclass(frozen=True)
class Found:
    """One ExternalSecret of the manifests, as the cluster has it now."""

    target: Target
    live: Object | None
    """None where it is not there yet."""
    never_refreshes: str | None
    """Why, once the manifest is deployed, an annotation would not bring a new value into its Secret; None where it
    would, and where it is new."""
    spec: Object
    """By which ESO makes its Secret once the manifest is deployed: that, or the live one where others add to it."""
    barred: str = ""
    """Why even a rebuild (`refresh: force`) would not bring it, or must not be; empty where it would."""

    @property
    def external_secret(self) -> ExternalSecret:
        """As rendered."""
        return self.target.rendered

    @property
    def secret_name(self) -> str:
        """The Secret that it fills then."""
        return text(self.spec, "target", "name") or self.target.name

    @property
    def managed(self) -> bool:
        """Whether the live one carries the platform's mark; False where it is not there."""
        return self.live is not None and is_managed(section(self.live, "metadata", "labels"))

    def stale(self, reference: Reference) -> str:
        """Why one of its entries would not take a new value; empty where it would."""
        if self.never_refreshes:
            return self.never_refreshes
        synced = self.live is not None and bool(synced_version_of(self.live))
        return f"it pins version {reference.version}" if synced and reference.version else ""


@dataclass(frozen=True)
class Listing:
    """ExternalSecrets as they were listed."""

    live: Mapping[Key, Object]
    versions: Mapping[str, str]
    """By namespace (empty for the whole cluster at once) the resourceVersion to watch on from."""


@dataclass(frozen=True)
class Inspection:
    """The cluster as far as a run is concerned."""

    resource: Resource
    """ExternalSecrets, in the API version to use."""
    served: tuple[str, ...]
    """All API versions of ESO's that the cluster serves (`v1`, `v1beta1`)."""
    found: tuple[Found, ...]
    stores: Mapping[StoreKey, Object]
    """The stores that they read, as far as they are there and we may read them."""
    warnings: tuple[str, ...]
    defaults: Defaults = field(default_factory=lambda: ESO)
    """What a field means that an ExternalSecret does not have."""
    listing: Listing = field(default_factory=lambda: Listing({}, {}), repr=False)
    hashes: Mapping[tuple[str, str], str] = field(default_factory=dict, repr=False)
    """By namespace and name of a Secret, the hash that ESO left on it before this run's write, where it was noted."""


def store_key(thing: Object, namespace: str) -> StoreKey:
    """The store that an ExternalSecret names, live or rendered (`{"spec": …}`)."""
    reference = section(thing, "spec", "secretStoreRef")
    kind = text(reference, "kind") or "SecretStore"
    return kind, "" if kind == "ClusterSecretStore" else namespace, text(reference, "name")


def prefix_of(store: Object) -> str:
    """What a store puts before each key: with one, ESO reads other parameters than the manifests name."""
    return text(store, "spec", "provider", "aws", "prefix")


def inspect(
    api: KubernetesApi, external_secrets_: tuple[ExternalSecret, ...], settings: ClusterSettings, log: Log
) -> Inspection:
    """Reads what is there.

    Raises InputError where a manifest has no namespace or `label-selector` leaves nothing in, ClusterError where the
    cluster or RBAC says no.
    """
    unselected = left_out(external_secrets_, settings)
    wanted = targets(external_secrets_, settings)
    served, resource = _resource(api)
    listing = _listing(api, resource, {target.key for target in wanted})
    _check_rights(api, resource, {target.namespace: target.name for target in wanted if target.managed}, listing)
    stores, unready = _stores(api, resource, wanted)
    warnings = (*api.warnings, *unselected, *unready)
    found = tuple(_found(target, listing.live.get(target.key)) for target in wanted)
    there = sum(1 for one in found if one.live is not None)
    log.line(f"Cluster: {there} of {len(found)} ExternalSecrets are there ({resource.group_version})")
    defaults = _defaults(api, resource, found)
    return Inspection(resource, served, found, stores, warnings, defaults, listing)


def _found(target: Target, live: Object | None) -> Found:
    if live is None:
        return Found(target, None, None, target.rendered.spec)
    # Judged as it will be: by the manifest that the refresh waits for, which may mend what the cluster still has.
    spec = as_deployed(target.rendered, live)
    deployed = {**live, "spec": spec}
    return Found(target, live, never_refreshes(deployed), spec, barred(deployed))


def _defaults(api: KubernetesApi, resource: Resource, found: tuple[Found, ...]) -> Defaults:
    """The CRD is asked only where something differs from its manifest: it may be a default that is not known here."""
    if not any(one.live is None or differences(one.external_secret, one.live) for one in found):
        return ESO
    try:
        return of_crd(api.schema(resource))
    except SecretSyncError:
        return ESO  # its documentation may be barred or switched off


def _resource(api: KubernetesApi) -> tuple[tuple[str, ...], Resource]:
    served = api.served_versions(ESO_GROUP)
    for version in _VERSIONS:
        if version in served:
            return served, external_secrets(f"{ESO_GROUP}/{version}")
    known = f"only {', '.join(served)}" if served else "nothing"
    raise ClusterError(
        Problem(
            f"The cluster at {api.server} serves {known} of {ESO_GROUP}: External Secrets Operator is not there, or "
            "too old.",
            "Install External Secrets Operator 0.9 or later, or check that this is the right cluster.",
        )
    )


def _listing(api: KubernetesApi, resource: Resource, wanted: Set[Key]) -> Listing:
    """One list for the cluster where that is allowed and worth it, else one for each namespace."""
    namespaces = sorted({namespace for namespace, _ in wanted})
    if len(namespaces) >= _MANY:
        with suppress(errors.Forbidden):
            if api.may("watch", resource.at()) and api.size(resource.at()) <= _MANY_TIMES * len(wanted):
                return _listed(api, resource, [""], wanted)
    return _listed(api, resource, namespaces, wanted)


def _listed(api: KubernetesApi, resource: Resource, namespaces: Sequence[str], wanted: Set[Key]) -> Listing:
    lists = each(lambda namespace: api.list(resource.at(namespace)), namespaces)
    live = {key_of(one): one for found, _ in lists for one in found}
    versions = dict(zip(namespaces, (version for _, version in lists), strict=True))
    return Listing({key: live[key] for key in wanted if key in live}, versions)


def _check_rights(api: KubernetesApi, resource: Resource, samples: Mapping[str, str], listing: Listing) -> None:
    """The rights that a refresh needs besides `list`, which the listing has shown.

    samples: by namespace the name of one ExternalSecret there, since `patch` may be granted by name.
    """
    needed = [("patch", resource.at(namespace, name)) for namespace, name in sorted(samples.items())]
    if len(needed) >= _MANY and api.may("patch", resource.at()):
        needed = []
    if "" not in listing.versions:
        needed += [("watch", resource.at(namespace)) for namespace in sorted(samples)]
    require(api, needed)


def require(api: KubernetesApi, needed: Sequence[tuple[str, Place]]) -> None:
    """Raises ClusterError with the missing line of RBAC for each of these rights (verb and place) that we lack."""
    allowed = each(lambda right: api.may(*right), needed)
    if problems := [errors.denied(*right) for right, granted in zip(needed, allowed, strict=True) if not granted]:
        raise ClusterError(*problems)


def _stores(
    api: KubernetesApi, resource: Resource, wanted: tuple[Target, ...]
) -> tuple[dict[StoreKey, Object], tuple[str, ...]]:
    stores: dict[StoreKey, Object] = {}
    warnings = []
    for key in sorted({store_key({"spec": target.rendered.spec}, target.namespace) for target in wanted}):
        kind, namespace, name = key
        try:
            store = api.get(store_resource(resource.group_version, kind).at(namespace, name))
        except errors.NotFound:
            warnings.append(f"There is no {kind} {name} in the cluster{f' in {namespace}' if namespace else ''}.")
            continue
        except errors.Forbidden:
            continue  # it helps to know, and nothing depends on it
        stores[key] = store
        if (controller := text(store, "spec", "controller")) not in ("", "default"):
            warnings.append(
                f"{kind} {name} is for the controller class `{controller}`: only an ESO that runs with "
                f"`--controller-class={controller}` reads through it."
            )
        if prefix := prefix_of(store):
            warnings.append(
                f"{kind} {name} puts the prefix `{errors.clean(prefix)}` before each key, so ESO reads other "
                "parameters than this run."
            )
        status, _, message = ready(store)
        if status != "True" and entries(section(store, "status"), "conditions"):
            said = short(message) or "it does not say why"
            warnings.append(f"{kind} {name} is not ready, so ESO cannot read through it now: {said}.")
    return stores, tuple(warnings)
