"""`store-unknown`: an ExternalSecret that reads no store, or another than the platform's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from secret_action.manifest import yaml_edit
from secret_action.manifest.external_secrets import is_external_secret, mapping
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.patches import change_at, replace_in_line
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.model import Location, Severity

_KIND = "ClusterSecretStore"


def _check(overlay: Overlay) -> Iterator[Flaw]:
    resources = [resource for resource in overlay.resources if is_external_secret(resource)]
    specs = [mapping(resource.get("spec")) for resource in resources]
    named = {store for spec in specs for store in _stores(spec) if store}
    if named and overlay.store not in {*named, *(_name(spec.get("secretStoreRef")) for spec in specs)}:
        # Another platform's tree: said once, and not of every ExternalSecret.
        listed = ", ".join(sorted(named))
        yield Flaw(
            f"No ExternalSecret of {overlay.folder} reads the store {overlay.store}; they read {listed}.",
            f"If that is your platform's store, give the input `store: {listed}`."
            if len(named) == 1
            else "If one of these is your platform's store, give it as the input `store`.",
            overlay.where,
            (overlay.environment,),
        )
        return
    for resource in resources:
        yield from _flaws(overlay, resource)


def _flaws(overlay: Overlay, resource: Mapping[str, Any]) -> Iterator[Flaw]:
    name, spec = str(mapping(resource.get("metadata")).get("name", "")), mapping(resource.get("spec"))
    for store in dict.fromkeys(_stores(spec)):
        if store == overlay.store:
            continue
        where = overlay.sources.place(resource, "name", store) if store else overlay.sources.definition(resource)
        of_entries = bool(store) and store != _name(spec.get("secretStoreRef"))
        exact = not store or _follows(overlay, spec, store)
        yield Flaw(
            f"ExternalSecret {name} reads the store {store}, not the platform's {overlay.store}."
            if store
            else f"ExternalSecret {name} names no store, so External Secrets Operator has nowhere to read.",
            f"Write in the entry, under sourceRef: storeRef: {{name: {overlay.store}, kind: {_KIND}}}"
            if of_entries
            else f"Write under spec: secretStoreRef: {{name: {overlay.store}, kind: {_KIND}}}",
            where,
            (name, store) if store else (name,),
            fix=_fix(where, overlay.store, store) if exact else None,
        )


def _stores(spec: Mapping[str, Any]) -> Iterator[str]:
    """The stores that the entries read; empty for entries that have none. A generator needs none."""
    yield from (store for store, _ in _entries(spec))
    if not spec.get("data") and not spec.get("dataFrom"):
        yield _name(spec.get("secretStoreRef"))


def _entries(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each entry that reads a store, and the name of that; empty where there is none."""
    for field in ("data", "dataFrom"):
        for entry in map(mapping, spec[field] if isinstance(spec.get(field), list) else ()):
            source = mapping(entry.get("sourceRef"))
            if not source.get("generatorRef"):
                yield _name(source.get("storeRef")) or _name(spec.get("secretStoreRef")), entry


def _name(store: Any) -> str:
    name = mapping(store).get("name")
    return name if isinstance(name, str) else ""


def _follows(overlay: Overlay, spec: Mapping[str, Any], store: str) -> bool:
    """True where all keys of a store are parameter paths: then it is the store's name alone that is wrong."""
    said = [mapping(entry.get("remoteRef") or entry.get("extract")) for name, entry in _entries(spec) if name == store]
    keys = [each.get("key") for each in said]
    return bool(keys) and all(isinstance(key, str) and overlay.parameter_path.parse(key) for key in keys)


def _fix(where: Location, store: str, wrong: str) -> Fix:
    if wrong:
        return lambda draft: replace_in_line(draft, where, wrong, store)
    reference = {"name": store, "kind": _KIND}
    return lambda draft: change_at(
        draft,
        where,
        "ExternalSecret",
        lambda text, document: yaml_edit.set_value(text, document, ("spec", "secretStoreRef"), reference),
    )


RULE = Rule(
    "store-unknown",
    Severity.ERROR,
    "an ExternalSecret without `secretStoreRef`, or of another store than the platform's; one finding where no "
    "ExternalSecret of the overlay reads the platform's",
    "The release writes to one store. What reads another never sees the new value, and what reads none never syncs.",
    """spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/_ENV_/my-service/database_url
""",
    """spec:
  secretStoreRef:
    name: aws-parameter-store
    kind: ClusterSecretStore
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/_ENV_/my-service/database_url
""",
    check=_check,
)
