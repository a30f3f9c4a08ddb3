"""`api-version-retired`: an API version that External Secrets Operator no longer serves by default."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import yaml

from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import is_external_secret, mapping
from secret_action.manifest.overlay import Tenant
from secret_action.manifest.patches import replace_in_line
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.manifest.sources import Sources
from secret_action.manifest.yaml_edit import EditError
from secret_action.manifest.yaml_files import get, pairs_below, source_nodes, text
from secret_action.model import Location, Severity

_GROUP, _SERVED = "external-secrets.io", "external-secrets.io/v1"
_RETIRED = (f"{_GROUP}/v1beta1", f"{_GROUP}/v1alpha1")
_KINDS = frozenset({"ExternalSecret", "ClusterExternalSecret", "SecretStore", "ClusterSecretStore"})

Place = tuple[Location, str]
"""A place, and the text that stands there."""


def _compare(tenant: Tenant) -> Iterator[Flaw]:
    found = {
        (str(mapping(resource.get("metadata")).get("name", "")), str(resource["apiVersion"])): None
        for overlay in tenant.overlays
        for resource in overlay.resources
        if is_external_secret(resource) and resource.get("apiVersion") in _RETIRED
    }
    if not found:
        return
    places = _places(tenant)
    versions = sorted({version for _, version in found})
    first = next((where for where, _ in places if where.line), tenant.overlays[0].where)
    yield Flaw(
        f"{tenant.folder} uses {' and '.join(versions)} for {', '.join(dict.fromkeys(name for name, _ in found))}; "
        f"External Secrets Operator 0.17 and later serves only {_SERVED}, unless told otherwise.",
        f"Write apiVersion: {_SERVED} in all of them at once: a patch must have the version of what it patches.",
        first,
        tuple(dict.fromkeys(name for name, _ in found)),
        # v1alpha1 has other fields as well.
        fix=_fix(tenant, places) if versions == [_RETIRED[0]] else None,
    )


def _places(tenant: Tenant) -> Collection[Place]:
    """Where a retired version is written in resources and patches.

    Without a line where it is not certain: so there is no fix, which would have to mend all of them.
    """
    places: dict[Place, None] = {}
    seen: set[Path] = set()
    for overlay in tenant.overlays:
        for file in overlay.sources.files:
            if file not in seen:
                seen.add(file)
                places |= dict.fromkeys(_places_in(file, overlay.sources))
    return places


def _places_in(file: Path, sources: Sources) -> Iterator[Place]:
    for document in source_nodes(file):
        yield from ((sources.location(file, node), text(node)) for node in _versions(document))
    for patch in sources.inline_patches(file):
        for node in _versions(patch.node):
            lines = patch.lines(node)
            yield sources.location(file, lines[0] if len(lines) == 1 else None), text(node)


def _versions(document: yaml.Node) -> Iterator[yaml.Node]:
    if text(get(document, "kind")) in _KINDS and text(get(document, "apiVersion")) in _RETIRED:
        yield from filter(None, [get(document, "apiVersion")])
    # What the target of a patch or the selection of a replacement says.
    for _, value in pairs_below(document):
        version = get(value, "version")
        if text(get(value, "kind")) in _KINDS and f"{_GROUP}/{text(version)}" in _RETIRED and version is not None:
            yield version


def _fix(tenant: Tenant, places: Collection[Place]) -> Fix:
    def fix(draft: Draft) -> None:
        for where, written in places:
            if not where.file.startswith(f"{tenant.folder}/"):
                raise EditError(f"{where.file} is shared with other tenants.")
            replace_in_line(draft, where, written, written.replace("v1beta1", "v1"))

    return fix


RULE = Rule(
    "api-version-retired",
    Severity.NOTICE,
    "`external-secrets.io/v1beta1` or older; one finding for the whole tenant",
    "External Secrets Operator 0.17 and later does not serve it by default: after an upgrade of the cluster such an "
    "ExternalSecret can no longer be applied.",
    """apiVersion: external-secrets.io/v1beta1
kind: ExternalSecret
""",
    """apiVersion: external-secrets.io/v1
kind: ExternalSecret
""",
    compare=_compare,
    annotated=False,
)
