"""Right before the first write: what stands against it, and what must be noted to compare with afterwards.

It only reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace

from secret_action.cluster import explanations
from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.comparison import measure
from secret_action.cluster.deployed import differences
from secret_action.cluster.errors import NotFound, clean
from secret_action.cluster.inspection import Found, Inspection, prefix_of, require, store_key
from secret_action.cluster.live import Object, cluster_owner, entries, section, text
from secret_action.cluster.parallel import each
from secret_action.cluster.paths import ESO_GROUP, SECRETS, Place
from secret_action.cluster.proof import without_secret
from secret_action.cluster.rebuild import DATA_HASH
from secret_action.errors import ManifestError, SecretSyncError
from secret_action.model import Problem
from secret_action.settings import ClusterSettings
from secret_action.values import SecretValue

_ON_CHANGE = (
    "Write refreshPolicy: OnChange (without a pinned version or an immutable target), deploy that, and run again."
)


def prepare(
    api: KubernetesApi,
    inspection: Inspection,
    values: Mapping[str, SecretValue],
    changed_paths: Set[str],
    settings: ClusterSettings,
) -> Inspection:
    """The inspection with the hashes that the refresh compares with.

    values: by parameter path, those that SSM will hold. changed_paths: the parameters that this run would give another
    value. Raises ManifestError for values that would not arrive and for manifests that the cluster does not take,
    ClusterError for a right that a rebuild lacks.
    """
    if problems := (
        *_retired(inspection),
        *_misread(inspection, changed_paths),
        *_undelivered(inspection, changed_paths, settings),
    ):
        raise ManifestError(*problems)
    if settings.refresh == "force":
        rebuilt = [found for found in _managed(inspection) if found.never_refreshes and not found.barred]
        require(api, [("patch", _secret(found)) for found in rebuilt if _reads(found) & changed_paths])
    return replace(inspection, hashes=_hashes(api, inspection, values, changed_paths))


def _retired(inspection: Inspection) -> Iterator[Problem]:
    """Manifests in an API version that the cluster does not serve: whoever applies them is refused.

    Not those that it holds all the same: somebody rewrites them on their way.
    """
    for found in _managed(inspection):
        rendered = found.external_secret
        group, _, version = rendered.api_version.partition("/")
        if group != ESO_GROUP or version in inspection.served:
            continue
        if found.live is None or differences(rendered, found.live, inspection.defaults):
            yield Problem(
                f"ExternalSecret {rendered.name} is written as {rendered.api_version}, which the cluster does not "
                f"serve (it serves {', '.join(inspection.served)}), so it cannot be deployed. Nothing was written.",
                f"Write `apiVersion: {inspection.resource.group_version}`; its fields are the same (rule "
                "api-version-retired).",
                where=rendered.where,
            )


def _misread(inspection: Inspection, changed: Set[str]) -> Iterator[Problem]:
    """Values that change and that ESO would look for in another place, since the store has a prefix."""
    for found in inspection.found:
        rendered = found.external_secret
        kind, _, name = key = store_key({"spec": rendered.spec}, found.target.namespace)
        prefix = clean(prefix_of(inspection.stores.get(key, {})))
        for reference in rendered.references if prefix and not _has_other_stores(rendered.spec) else ():
            if reference.path in changed:
                yield Problem(
                    f"ExternalSecret {rendered.name} would never deliver the new value of {reference.path}: ESO reads "
                    f"{prefix}{reference.path}, since the {kind} {name} puts the prefix `{prefix}` before each key.",
                    "Take `spec.provider.aws.prefix` off the store, or name a store that has none. Nothing was "
                    "written.",
                    where=reference.where,
                )


def _has_other_stores(spec: Object) -> bool:
    """Whether entries of it name stores of their own."""
    return any("storeRef" in section(one, "sourceRef") for part in ("data", "dataFrom") for one in entries(spec, part))


def _undelivered(inspection: Inspection, changed: Set[str], settings: ClusterSettings) -> Iterator[Problem]:
    """Values that change and that only never refreshing ExternalSecrets deliver."""
    force = settings.refresh == "force"
    deliveries = [
        (found, reference, found.stale(reference))
        for found in inspection.found
        for reference in found.external_secret.references
        if reference.path in changed
    ]
    delivered = {
        reference.path
        for found, reference, stale in deliveries
        if not stale or (force and found.managed and not reference.version and not found.barred)
    }
    for found, reference, stale in deliveries:
        if stale and reference.path not in delivered:
            why = f"{stale}; and a rebuild is out of the question: {found.barred}" if force and found.barred else stale
            can = not force and found.managed and not reference.version and not found.barred
            special = cluster_owner(found.live or {}) or without_secret(found.spec)
            deployed = {**(found.live or {}), "spec": found.spec}
            or_force = " Or set `refresh: force`, which makes ESO rebuild its Secret in place." if can else ""
            yield Problem(
                f"ExternalSecret {found.external_secret.name} would never deliver the new value of {reference.path}: "
                f"{why}.",
                f"{explanations.remedy_for_never(deployed) if special else _ON_CHANGE}{or_force} Nothing was written.",
                where=reference.where,
            )


def _hashes(
    api: KubernetesApi, inspection: Inspection, values: Mapping[str, SecretValue], changed: Set[str]
) -> dict[tuple[str, str], str]:
    """Of the Secrets whose content cannot be computed and must change with what this run writes."""
    wanted = []
    for found in _managed(inspection):
        if found.live is not None and (read := _reads(found) & changed):
            secret = measure(found.secret_name, found.spec, values, read, changed, None)
            if secret.expectation.reason:
                wanted.append(_secret(found))
    noted = each(lambda place: _hash(api, place), wanted)
    return {
        (place.namespace, place.name): hash_ for place, hash_ in zip(wanted, noted, strict=True) if hash_ is not None
    }


def _hash(api: KubernetesApi, place: Place) -> str | None:
    try:
        return text(api.get(place, metadata_only=True), "metadata", "annotations", DATA_HASH)
    except NotFound:
        return ""
    except SecretSyncError:
        return None  # without the right the content is not checked, before or after


def _managed(inspection: Inspection) -> list[Found]:
    return [found for found in inspection.found if found.target.managed]


def _reads(found: Found) -> set[str]:
    return {reference.path for reference in found.external_secret.references}


def _secret(found: Found) -> Place:
    return SECRETS.at(found.target.namespace, found.secret_name)
