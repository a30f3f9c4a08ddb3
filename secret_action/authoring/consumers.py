"""Makes a workload read one more Secret: a claim by `secretNName`, a pod template by `envFrom`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from secret_action.authoring.tenant import Document, Side
from secret_action.errors import InputError
from secret_action.manifest import yaml_edit
from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.secrets_in_use import CLAIM_FIELD, is_claim
from secret_action.model import Problem

_POD_SPECS: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_POD_SPEC = ("spec", "template", "spec")


@dataclass(frozen=True)
class Added:
    """One place that now names the Secret."""

    file: str
    who: str
    field: str


def consume(draft: Draft, sides: Sequence[Side], secret: str, service: str, consumer: str) -> list[Added]:
    """Names the Secret in each overlay's workload, or once in the base where that is written there.

    consumer: the workload's name; empty takes the one that is named as the service, or the only one. Returns nothing
    where no workload reads Secrets in a way that can be continued. Raises InputError where it is not clear which.
    """
    done: dict[tuple[str, int], list[Added]] = {}
    for side in sides:
        if any(each.secret_name == secret for each in side.manifest.consumers):
            continue
        document = _chosen(side, service, consumer)
        if document and (document.file, document.index) not in done:
            shared = not document.file.startswith(f"{side.overlay.folder}/")
            done[document.file, document.index] = _name_it(draft, document, sides if shared else [side], secret)
    return [added for each in done.values() for added in each]


def _chosen(side: Side, service: str, consumer: str) -> Document | None:
    """The document to change in an overlay: of the workload's, the nearest that names Secrets, else the definition."""
    workloads = _workloads(side, _names_secrets) or _workloads(side, lambda document: is_claim(mapping(document.value)))
    wanted = [each for each in workloads if each[1] == consumer] if consumer else list(workloads)
    if len(wanted) > 1:
        wanted = [each for each in wanted if each[1] == service] or wanted
    if len(wanted) > 1 or (consumer and not wanted):
        names = ", ".join(f"{kind} {name}" for kind, name in workloads) or "none"
        what = (
            f"has no “{consumer}” that reads Secrets" if consumer else "has more than one workload that reads Secrets"
        )
        raise InputError(
            Problem(
                f"{side.overlay.folder} {what}; there is: {names}.",
                "Name with --consumer the one that is to read this one.",
            )
        )
    if not wanted:
        return None
    documents = [
        document for document in side.documents if (document.kind, document.name) == wanted[0] and document.spec
    ]
    return next((document for document in documents if _names_secrets(document)), documents[-1])


def _workloads(side: Side, wanted: Callable[[Document], bool]) -> dict[tuple[str, str], None]:
    return dict.fromkeys((each.kind, each.name) for each in side.documents if wanted(each))


def _names_secrets(document: Document) -> bool:
    return bool(_numbers(document)) or any(True for _ in _lists(document))


def _numbers(document: Document) -> list[int]:
    return [int(match[1]) for field in document.spec if (match := CLAIM_FIELD.fullmatch(str(field)))]


def _lists(document: Document) -> Iterator[tuple[str | int, ...]]:
    """The `envFrom` lists of its containers that name a Secret already."""
    path = _POD_SPECS.get(document.kind, _POD_SPEC)
    node: Any = document.value
    for step in path:
        node = mapping(node).get(step)
    containers = mapping(node).get("containers")
    for at, container in enumerate(containers if isinstance(containers, list) else ()):
        sources = mapping(container).get("envFrom")
        if isinstance(sources, list) and any("secretRef" in mapping(source) for source in sources):
            yield (*path, "containers", at, "envFrom")


def _name_it(draft: Draft, document: Document, sides: Sequence[Side], secret: str) -> list[Added]:
    who = f"{document.kind} {document.name}"
    if lists := list(_lists(document)):
        for path in lists:
            entry = {"secretRef": {"name": secret}}
            draft.put(document.file, yaml_edit.append(draft.text(document.file), document.index, path, entry))
        return [Added(document.file, who, "envFrom")]
    # The numbers that are taken may stand in the base, in the overlay, or in another overlay's patch of the base.
    same = [
        each for side in sides for each in side.documents if (each.kind, each.name) == (document.kind, document.name)
    ]
    field = f"secret{max([0, *(number for each in same for number in _numbers(each))]) + 1}Name"
    draft.put(document.file, yaml_edit.set_value(draft.text(document.file), document.index, ("spec", field), secret))
    return [Added(document.file, who, field)]
