"""`store-unknown`: an ExternalSecret that reads no store, or another than the platform's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from secret_action.manifest import yaml_edit
from secret_action.manifest.external_secrets import is_external_secret, mapping
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.patches import change_at
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.model import Location, Severity

_KIND = "ClusterSecretStore"


def _check(overlay: Overlay) -> Iterator[Flaw]:
    resources = [resource for resource in overlay.resources if is_external_secret(resource)]
    named = {store for resource in resources for store in _stores(mapping(resource.get("spec"))) if store}
    if named and overlay.store not in named:
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
        exact = not store or _follows(overlay, spec)
        yield Flaw(
            f"ExternalSecret {name} reads the store {store}, not the platform's {overlay.store}."
            if store
            else f"ExternalSecret {name} names no store, so External Secrets Operator has nowhere to read.",
            f"Write under spec: secretStoreRef: {{name: {overlay.store}, kind: {_KIND}}}",
            where,
            (name, store) if store else (name,),
            fix=_fix(where, overlay.store, store) if exact else None,
        )


def _stores(spec: Mapping[str, Any]) -> Iterator[str]:
    """The stores that the entries read; empty for entries that have none. A generator needs none."""
    default = mapping(spec.get("secretStoreRef")).get("name")
    default = default if isinstance(default, str) else ""
    entries = [
        mapping(item)
        for field in ("data", "dataFrom")
        for item in (spec[field] if isinstance(spec.get(field), list) else ())
    ]
    for entry in entries:
        source = mapping(entry.get("sourceRef"))
        if not source.get("generatorRef"):
            own = mapping(source.get("storeRef")).get("name")
            yield own if isinstance(own, str) and own else default
    if not entries:
        yield default


def _follows(overlay: Overlay, spec: Mapping[str, Any]) -> bool:
    """True where all keys are parameter paths: then it is the store's name alone that is wrong."""
    data, whole = (spec[field] if isinstance(spec.get(field), list) else [] for field in ("data", "dataFrom"))
    keys = [mapping(mapping(item).get("remoteRef")).get("key") for item in data]
    keys += [mapping(mapping(item).get("extract")).get("key") for item in whole]
    return bool(keys) and all(isinstance(key, str) and overlay.parameter_path.parse(key) for key in keys)


def _fix(where: Location, store: str, wrong: str) -> Fix:
    def change(text: str, document: int) -> str:
        if not wrong:
            reference = {"name": store, "kind": _KIND}
            return yaml_edit.set_value(text, document, ("spec", "secretStoreRef"), reference)
        return yaml_edit.set_value(text, document, ("spec", "secretStoreRef", "name"), store)

    return lambda draft: change_at(draft, where, "ExternalSecret", change)


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
