"""`not-consumed`: a Secret that no deployment of the overlay references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from secret_action.manifest import yaml_edit
from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.patches import change_at, is_own, loaded, prove, target_of_resource, write_patch
from secret_action.manifest.rules.rule import Fix, Flaw, Rule
from secret_action.manifest.rules.unknown_secret import meant
from secret_action.manifest.secrets_in_use import (
    Resource,
    Use,
    could_consume,
    made,
    mentioned,
    name_of,
    serves_a_controller,
    uses,
)
from secret_action.manifest.yaml_edit import EditError
from secret_action.model import ExternalSecret, Location, Severity
from secret_action.naming import CLAIM_FIELD


def _check(overlay: Overlay) -> Iterator[Flaw]:
    for external_secret in _unread(overlay):
        yield Flaw(
            f"ExternalSecret {external_secret.name} makes the Secret {external_secret.secret_name}, and nothing in "
            f"{overlay.folder} reads it.",
            f"Name {external_secret.secret_name} in the deployment (the next secretNName of its claim, or envFrom), or "
            "take the ExternalSecret out.",
            external_secret.where,
            _about(external_secret),
        )


def _compare(tenant: Tenant) -> Iterator[Flaw]:
    readers: dict[str, tuple[Overlay, Use]] = {}
    for overlay in tenant.overlays:
        for use in uses(overlay.resources):
            readers.setdefault(use.secret, (overlay, use))
    for overlay in tenant.overlays:
        for external_secret in _unread(overlay):
            if found := readers.get(external_secret.secret_name):
                yield _forgotten(overlay, external_secret, *found)


def _forgotten(overlay: Overlay, external_secret: ExternalSecret, other: Overlay, use: Use) -> Flaw:
    secret = external_secret.secret_name
    twin = _twin(overlay, use)
    remedy = f"Name it there too, as {other.folder} does ({use.field})."
    if twin and CLAIM_FIELD.fullmatch(use.field):
        remedy = f"Write under spec of {twin.get('kind')} {name_of(twin)}: {_next_field(twin)}: {secret}"
    return Flaw(
        f"{use.who} reads the Secret {secret} in {other.folder}, and nothing in {overlay.folder} does, though "
        f"ExternalSecret {external_secret.name} makes it there as well.",
        remedy,
        _place(overlay, twin) if twin else overlay.where,
        _about(external_secret),
        Severity.ERROR,
        overlay=overlay,
        fix=_fix(overlay, twin, use) if twin else None,
    )


def _place(overlay: Overlay, twin: Resource) -> Location:
    """Where the overlay says what its deployment is like: it, or its patch. A base is right for the other overlay."""
    where = overlay.sources.definition(twin)
    if not is_own(overlay, where):
        where = overlay.sources.place(twin, "name", name_of(twin))
    return where if where.file.startswith(f"{overlay.folder}/") else overlay.where


def _about(external_secret: ExternalSecret) -> tuple[str, ...]:
    return tuple(dict.fromkeys((external_secret.name, external_secret.secret_name)))


def _unread(overlay: Overlay) -> Iterator[ExternalSecret]:
    if not could_consume(overlay.resources):
        return
    read, names = mentioned(overlay.resources), made(overlay.resources)
    misspelt = {meant(overlay, use.secret, names) for use in uses(overlay.resources) if use.secret not in names}
    for external_secret in overlay.external_secrets:
        secret = external_secret.secret_name
        makes_none = mapping(external_secret.spec.get("target")).get("creationPolicy") == "None"
        # A misspelt reference to it is `unknown-secret`, which says it better.
        if secret in read | misspelt or makes_none or serves_a_controller(external_secret):
            continue
        resource = overlay.resource(external_secret)
        if not any(other.mentions(secret, resource) for other in overlay.beside):
            yield external_secret


def _twin(overlay: Overlay, use: Use) -> Resource | None:
    """The deployment of this overlay that is the other one's: of its kind, and of its name where there are several."""
    same = [resource for resource in overlay.resources if resource.get("kind") == use.resource.get("kind")]
    named = [resource for resource in same if name_of(resource) == name_of(use.resource)]
    return next(iter(named or (same if len(same) == 1 else [])), None)


def _next_field(claim: Resource) -> str:
    used = [match[1] for field in mapping(claim.get("spec")) if (match := CLAIM_FIELD.fullmatch(str(field)))]
    return f"secret{max(map(int, used), default=0) + 1}Name"


def _fix(overlay: Overlay, twin: Resource, use: Use) -> Fix:
    if CLAIM_FIELD.fullmatch(use.field):
        return lambda draft: _name_in_claim(draft, overlay, twin, use.secret)
    return lambda draft: _name_in_environment(draft, overlay, twin, use)


def _name_in_claim(draft: Draft, overlay: Overlay, claim: Resource, secret: str) -> None:
    where, field = overlay.sources.definition(claim), _next_field(claim)
    if is_own(overlay, where):
        change_at(
            draft,
            where,
            str(claim.get("kind")),
            lambda text, document: yaml_edit.set_value(text, document, ("spec", field), secret),
        )
    else:
        write_patch(draft, overlay, target_of_resource(overlay, claim), {field: secret})
    prove(draft, overlay, claim, {field: secret})


def _name_in_environment(draft: Draft, overlay: Overlay, twin: Resource, use: Use) -> None:
    """Adds to `envFrom` of the container that reads the Secret in the other overlay."""
    where, entry = overlay.sources.definition(twin), {"secretRef": {"name": use.secret}}
    readers = [each.get("name") for each in _containers(use.resource) if entry in each.get("envFrom", ())]
    if use.field != "secretRef" or not readers or not is_own(overlay, where):
        raise EditError("How the pods are to read the Secret is not known, or not for this overlay alone.")

    def change(text: str, document: int) -> str:
        for index, container in enumerate(_containers(loaded(text, document))):
            if container.get("name") in readers:
                text = yaml_edit.append(text, document, (*_CONTAINERS, index, "envFrom"), entry)
        return text

    change_at(draft, where, str(twin.get("kind")), change)


_CONTAINERS = ("spec", "template", "spec", "containers")


def _containers(workload: Resource) -> list[Resource]:
    node: Any = workload
    for key in _CONTAINERS:
        node = mapping(node).get(key)
    return [mapping(each) for each in node] if isinstance(node, list) else []


RULE = Rule(
    "not-consumed",
    Severity.WARNING,
    "a Secret that no deployment references (`secretNName`, `envFrom`, volumes, or any controller); an error in a pull "
    "request where another environment's deployment has it",
    "The value is in the cluster, and no pod ever sees it. Where the other environments' deployments name the Secret, "
    "this one was forgotten, and its pods run without it.",
    """# overlays/dev/deployment.yaml has secret2Name: platform-global-config as well; overlays/prod/deployment.yaml:
spec:
  secret1Name: my-service-db
""",
    """# overlays/prod/deployment.yaml
spec:
  secret1Name: my-service-db
  secret2Name: platform-global-config
""",
    check=_check,
    compare=_compare,
    in_release=Severity.WARNING,
)
