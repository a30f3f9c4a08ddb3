"""`not-in-kustomization`: an ExternalSecret file that no kustomization lists."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import yaml

from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import is_external_secret, mapping, read_external_secrets
from secret_action.manifest.kustomize import KUSTOMIZATION_NAMES
from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.own_patches import unlisted_patches
from secret_action.manifest.patches import as_target, list_in, resolved_lists, write_patch
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.manifest.written import is_yaml, named_in, nearest_kustomization, tenant_files
from secret_action.manifest.yaml_edit import EditError
from secret_action.manifest.yaml_files import get, line_of, load_documents, source_nodes, text
from secret_action.model import Location, Severity
from secret_action.naming import PLACEHOLDER


def _compare(tenant: Tenant) -> Iterator[Flaw]:
    files = list(tenant_files(tenant.root / tenant.folder))
    reached = {file.resolve() for overlay in tenant.overlays for file in overlay.sources.files}
    for file in files:
        if file.name in KUSTOMIZATION_NAMES:
            reached.update(named_in(file))
    unreached = (file for file in files if is_yaml(file) and Path(os.path.realpath(file)) not in reached)
    if found := [(file, names) for file in unreached if (names := list(_names(file)))]:
        patches = {f"{overlay.folder}/{name}" for overlay in tenant.overlays for name in unlisted_patches(overlay)}
        for file, names in found:
            yield _flaw(tenant, file, names, patches)


def _names(file: Path) -> Iterator[yaml.Node]:
    """Those of the ExternalSecrets in a file."""
    for node in source_nodes(file):
        if _is_external_secret(node) and (name := get(node, "metadata", "name")) is not None:
            yield name


def _is_external_secret(node: yaml.Node) -> bool:
    return is_external_secret({"kind": text(get(node, "kind")), "apiVersion": text(get(node, "apiVersion"))})


def _flaw(tenant: Tenant, file: Path, names: list[yaml.Node], patches: Collection[str]) -> Flaw:
    """patches: the files that overlays have to list as such."""
    shown, said = file.relative_to(tenant.root).as_posix(), ", ".join(text(name) for name in names)
    nearest = nearest_kustomization(file, tenant.root / tenant.folder)
    message = f"{shown} defines ExternalSecret {said}, and no kustomization lists it: it reaches no environment."
    where, about = Location(shown, line_of(names[0])), (*(text(name) for name in names), shown)
    if nearest is None:
        return Flaw(message, "List it in a kustomization, or remove it.", where, about)
    listed = nearest.relative_to(tenant.root).as_posix()
    built = [overlay for overlay in tenant.overlays if nearest in overlay.sources.files]
    name = file.relative_to(nearest.parent).as_posix()
    if built and all(overlay.error for overlay in built):
        # Whether something of that name is there already, for a patch to change, is not known.
        where_to = "under resources, or under patches where it changes what is there already"
        return Flaw(message, f"Add {name} to {listed}, {where_to}.", where, about)
    rendered = {str(mapping(each.get("metadata")).get("name")) for overlay in built for each in overlay.resources}
    is_patch = shown in patches or text(names[0]) in rendered
    # Another document of it, or its version, would keep the overlay from rendering.
    misfits = is_patch and shown not in patches and any(f"{overlay.folder}/{name}" == shown for overlay in built)
    fix = _listing(listed, name) if is_patch else _adding(tenant, listed, name, built)
    return Flaw(
        message,
        f"Add to {listed}, under {'patches' if is_patch else 'resources'}: - {'path: ' if is_patch else ''}{name}",
        where,
        about,
        fix=None if misfits else fix,
    )


def _listing(kustomization: str, name: str) -> Fix:
    return lambda draft: list_in(draft, kustomization, "patches", {"path": name})


def _adding(tenant: Tenant, kustomization: str, name: str, overlays: list[Overlay]) -> Fix:
    """With the patches that overlays need, once the placeholder in it reaches them."""

    def fix(draft: Draft) -> None:
        list_in(draft, kustomization, "resources", name)
        folder = kustomization.rpartition("/")[0]
        node = next(iter(source_nodes(tenant.root / kustomization)), None)
        if text(get(node, "namePrefix")) or text(get(node, "nameSuffix")):
            raise EditError("The kustomization changes the names of what it lists.")
        documents = load_documents(draft.text(f"{folder}/{name}").removeprefix("\ufeff"))
        resources = [each for each in documents if isinstance(each, dict)]
        added = read_external_secrets(resources, tenant.overlays[0].store, lambda *_: tenant.where)
        waiting = [each for each in added if any(PLACEHOLDER in entry.path for entry in each.entries)]
        for overlay in overlays:
            for each in waiting if folder != overlay.folder else ():
                named = replace(each, namespace=text(get(node, "namespace")) or each.namespace)
                write_patch(draft, overlay, as_target(named), resolved_lists(overlay, each.spec, {}))

    return fix


RULE = Rule(
    "not-in-kustomization",
    Severity.WARNING,
    "an ExternalSecret file, whole or a patch, that no kustomization lists",
    "kustomize reads only what is listed: the file looks as if it were deployed, and the Secret is never made.",
    """# base/external-secrets/llm-keys-es.yaml is there; base/kustomization.yaml:
resources:
  - external-secrets/db-es.yaml
""",
    """# base/kustomization.yaml
resources:
  - external-secrets/db-es.yaml
  - external-secrets/llm-keys-es.yaml
""",
    compare=_compare,
    annotated=False,
)
