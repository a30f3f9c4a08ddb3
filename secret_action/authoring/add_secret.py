"""`add-secret`: all that the platform lists under "Adding New Secrets to Services", in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from secret_action.authoring import manifests
from secret_action.authoring.consumers import by_hand, consume
from secret_action.authoring.request import Request
from secret_action.authoring.tenant import Document, Side, Tenant, text
from secret_action.authoring.work import Work, next_steps
from secret_action.errors import InputError
from secret_action.manifest import yaml_edit
from secret_action.manifest.draft import Draft
from secret_action.manifest.kustomize import kustomization_file
from secret_action.manifest.own_patches import Target
from secret_action.manifest.patches import append_operations, has_operations, list_in, write_patch
from secret_action.model import ExternalSecret, Problem
from secret_action.naming import PLACEHOLDER


def add_secret(request: Request, tenant: Tenant, draft: Draft) -> Work:
    """Adds keys to an ExternalSecret, which is made where the base has none of that name.

    Raises InputError for what is there already, EditError where a file cannot be edited safely.
    """
    found = tenant.definitions(request, request.secret)
    if len(found) > 1:
        files = ", ".join(each.file for each in found)
        raise InputError(Problem(f"The base defines {request.secret} more than once: {files}.", "Keep one."))
    existing = found[0] if found else None
    done = list(_extend(request, tenant, draft, existing) if existing else _define(request, tenant, draft))
    secret = (text(existing.spec, "target", "name") if existing else "") or request.secret
    added = consume(draft, tenant.sides, secret, request)
    done += [f"{each.file}: {each.who} reads it by {each.field}" for each in added]
    read = added or any(each.secret_name == secret for side in tenant.sides for each in side.manifest.consumers)
    steps = next_steps(request, [side.overlay.environment for side in tenant.sides])
    steps[:0] = by_hand(draft, tenant.sides, secret, added)
    return Work(draft, tuple(done), tuple(steps), unread=not read)


# --- a new ExternalSecret ---


def _define(request: Request, tenant: Tenant, draft: Draft) -> Iterator[str]:
    _refuse_taken_names(request, tenant)
    habits = tenant.habits(request)
    base = PurePosixPath(tenant.base).parent
    file = base / (request.file or f"external-secrets/{manifests.file_name(request.service, request.secret)}")
    if draft.exists(str(file)):
        raise InputError(Problem(f"{file} is there already.", "Choose another name with --file."))
    newline = "\r\n" if "\r\n" in draft.text(tenant.base) else "\n"
    definition = yaml_edit.dump(manifests.external_secret(request, habits))
    draft.put(str(file), definition.replace("\n", newline))
    yield f"{file}: ExternalSecret {request.secret}, with {PLACEHOLDER} in the place of the environment"
    kustomization = _kustomization_for(request, file, tenant)
    list_in(draft, str(kustomization), "resources", file.relative_to(kustomization.parent).as_posix())
    yield f"{kustomization}: lists it"
    target = Target(habits.api_version, "ExternalSecret", request.secret, habits.namespace)
    for side in tenant.sides:
        write_patch(draft, side.overlay, target, {"data": request.items(side.overlay.environment)})
        yield f"{side.overlay.folder}: a patch with {side.overlay.environment}"


def _refuse_taken_names(request: Request, tenant: Tenant) -> None:
    for side in tenant.sides:
        for each in side.manifest.external_secrets:
            if request.secret in (each.name, each.secret_name):
                raise InputError(
                    Problem(
                        f"{side.overlay.folder} has an ExternalSecret {each.name} that makes the Secret "
                        f"{each.secret_name}, and not from the base ({each.where}).",
                        "Choose another name with --secret, or add the key there by hand.",
                    )
                )


def _kustomization_for(request: Request, file: PurePosixPath, tenant: Tenant) -> PurePosixPath:
    """The nearest kustomization above a new file that is part of the base; that of the base itself at last."""
    base = PurePosixPath(tenant.base)
    for folder in file.parents:
        if folder == base.parent:
            break
        place = request.root / folder
        if place.resolve() in tenant.folders and (found := kustomization_file(place)):
            return folder / found.name
    return base


# --- an ExternalSecret that is there ---


def _extend(request: Request, tenant: Tenant, draft: Draft, existing: Document) -> Iterator[str]:
    if request.file:
        raise InputError(
            Problem(f"{request.secret} is defined in {existing.file} already.", "Leave --file out to add to it.")
        )
    rendered = {side.overlay.folder: _rendered(side, request.secret) for side in tenant.sides}
    specs = [existing.spec, *(each.spec for each in rendered.values() if each)]
    taken = {text(item, "secretKey") for spec in specs for item in _data(spec)}
    for entry in request.entries:
        if entry.name in taken:
            raise InputError(
                Problem(
                    f"{request.secret} has the key {entry.name} already ({existing.file}).",
                    "Choose another key, or change that entry by hand.",
                )
            )
    for item in request.items(PLACEHOLDER):
        content = draft.text(existing.file)
        draft.put(existing.file, yaml_edit.append(content, existing.index, ("spec", "data"), item))
    yield f"{existing.file}: {', '.join(entry.name for entry in request.entries)} in ExternalSecret {request.secret}"
    for side in tenant.sides:
        external_secret = rendered[side.overlay.folder]
        if external_secret is None:
            yield f"{side.overlay.folder}: left alone, since it does not render {request.secret}"
            continue
        _extend_overlay(request, draft, side, existing, external_secret)
        yield f"{side.overlay.folder}: the same with {side.overlay.environment}"


def _data(spec: Mapping[str, Any]) -> list[Any]:
    data = spec.get("data")
    return data if isinstance(data, list) else []


def _rendered(side: Side, name: str) -> ExternalSecret | None:
    names = (name, side.overlay.sources.renamed(name))
    return next((each for each in side.manifest.external_secrets if each.name in names), None)


def _extend_overlay(
    request: Request, draft: Draft, side: Side, existing: Document, external_secret: ExternalSecret
) -> None:
    overlay, spec = side.overlay, external_secret.spec
    target = Target(existing.api_version, "ExternalSecret", existing.name, existing.namespace)
    there = _data(spec)
    if not has_operations(draft, overlay, target):
        write_patch(draft, overlay, target, {"data": [*there, *request.items(overlay.environment)]})
        return
    # Operations name entries by their place, and the new ones come last: one operation more for each.
    waiting = [
        (item["remoteRef"]["key"], wanted["remoteRef"]["key"])
        for item, wanted in zip(request.items(PLACEHOLDER), request.items(overlay.environment), strict=True)
    ]
    grown = {**spec, "data": [*there, *request.items(PLACEHOLDER)]}
    append_operations(draft, overlay, target, grown, dict(waiting))
