"""Makes a workload read one more Secret: a claim by `secretNName`, a pod template by `envFrom` or key by key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from secret_action.authoring.request import Request
from secret_action.authoring.tenant import Document, Side, text
from secret_action.errors import InputError
from secret_action.manifest import yaml_edit
from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.secrets_in_use import could_consume, is_claim
from secret_action.manifest.yaml_places import Path
from secret_action.model import Problem
from secret_action.naming import CLAIM_FIELD
from secret_action.report.words import listed

_POD_SPECS: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_POD_SPEC = ("spec", "template", "spec")
_BY_KEY = "secretKeyRef"

Workload = tuple[str, str]
"""Kind and name."""
Way = Callable[[Document], object]
"""True of a document whose workload reads Secrets in this way."""


@dataclass(frozen=True)
class Added:
    """One place that now names the Secret."""

    file: str
    who: str
    field: str


def consume(draft: Draft, sides: Sequence[Side], secret: str, request: Request) -> list[Added]:
    """Names the Secret in each overlay's workload, or once in the base where that is written there.

    The workload is the one that was asked for, the one that is named as the service, or the only one. Nothing is done
    where none reads Secrets in a way that can be continued. Raises InputError where it is not clear which.
    """
    done: dict[tuple[str, int], list[Added]] = {}
    for side in sides:
        if _reads_whole(side, secret):
            continue
        document = _chosen(side, secret, request)
        if document and (document.file, document.index) not in done:
            shared = not document.file.startswith(f"{side.overlay.folder}/")
            done[document.file, document.index] = _name_it(
                draft, document, sides if shared else [side], secret, [entry.name for entry in request.entries]
            )
    return [added for each in done.values() for added in each]


def by_hand(draft: Draft, sides: Sequence[Side], secret: str, added: Sequence[Added]) -> list[str]:
    """What is left to a person: where the Secret, or its new keys, reach no pod yet, and why that was not done here."""
    files = {each.file for each in added}
    left = [side for side in sides if not _reads_whole(side, secret) and files.isdisjoint(_files(side))]
    steps = []
    for side in left:
        definitions = {
            f"{each.kind} {each.name}": each.file for each in side.documents if could_consume([mapping(each.value)])
        }
        unlisted = f"{side.overlay.folder}/deployment.yaml"
        if definitions:
            who = listed([f"{workload} ({file})" for workload, file in definitions.items()])
            steps.append(f"Name {secret} in {who}: no container there takes a Secret by envFrom or env.")
        elif draft.exists(unlisted) and unlisted not in _files(side):
            steps.append(f"Name {secret} in {unlisted}: no kustomization lists that file, so it was left alone.")
        else:
            where = "the tenant" if len(left) == len(sides) else side.overlay.folder
            steps.append(f"Nothing in {where} reads Secrets yet: name {secret} where it is needed.")
    return list(dict.fromkeys(steps))


def _files(side: Side) -> set[str]:
    return {document.file for document in side.documents}


def _reads_whole(side: Side, secret: str) -> bool:
    """A new key needs no edit then."""
    return any(each.secret_name == secret and each.field != _BY_KEY for each in side.manifest.consumers)


# --- which workload ---


def _chosen(side: Side, secret: str, request: Request) -> Document | None:
    """The document to change in an overlay: of the workload's, the nearest that names Secrets, else the definition."""
    ways: Sequence[Way] = (_names_secrets, _is_claim, _by_key)
    read = "Secrets"
    if any(each.secret_name == secret for each in side.manifest.consumers):  # key by key
        ways, read = [lambda document: _by_key(document, secret)], secret
    ranks = [_workloads(side.documents, way) for way in ways]
    known = list(dict.fromkeys(chain(*ranks)))
    consumer = request.consumer
    wanted = [each for each in known if each[1] == consumer] if consumer else next((rank for rank in ranks if rank), [])
    if len(wanted) > 1:
        wanted = [each for each in wanted if each[1] == request.service] or wanted
    if len(wanted) > 1 or (consumer and not wanted):
        names = ", ".join(f"{kind} {name}" for kind, name in known) or "none"
        what = f"has no “{consumer}” that reads {read}" if consumer else f"has more than one workload that reads {read}"
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
    naming = (document for way in ways if way is not _is_claim for document in documents if way(document))
    return next(naming, documents[-1])


def _workloads(documents: Iterable[Document], way: Way) -> list[Workload]:
    return list(dict.fromkeys((each.kind, each.name) for each in documents if way(each)))


# --- how it names Secrets ---


def _is_claim(document: Document) -> bool:
    return is_claim(mapping(document.value))


def _names_secrets(document: Document) -> bool:
    return bool(_numbers(document) or _lists(document))


def _numbers(document: Document) -> list[int]:
    return [int(match[1]) for field in document.spec if (match := CLAIM_FIELD.fullmatch(str(field)))]


def _lists(document: Document) -> list[Path]:
    """The `envFrom` lists of its containers that name a Secret already."""
    return [path for path, source in _items(document, "envFrom") if "secretRef" in source]


def _by_key(document: Document, secret: str = "") -> list[Path]:
    """The `env` lists of its containers that take single keys of a Secret: of this one, or of any."""
    return [
        path
        for path, variable in _items(document, "env")
        if (name := text(variable, "valueFrom", _BY_KEY, "name")) and secret in ("", name)
    ]


def _items(document: Document, field: str) -> Iterator[tuple[Path, Any]]:
    """The items of a list that each container may have, with the list's path."""
    path = _POD_SPECS.get(document.kind, _POD_SPEC)
    node: Any = document.value
    for step in path:
        node = mapping(node).get(step)
    containers = mapping(node).get("containers")
    for at, container in enumerate(containers if isinstance(containers, list) else ()):
        items = mapping(container).get(field)
        for item in items if isinstance(items, list) else ():
            yield (*path, "containers", at, field), mapping(item)


# --- the edit ---


def _name_it(draft: Draft, document: Document, sides: Sequence[Side], secret: str, keys: Sequence[str]) -> list[Added]:
    who = f"{document.kind} {document.name}"
    mine, lists = _by_key(document, secret), _lists(document)
    if lists and not mine:
        for path in dict.fromkeys(lists):
            _append(draft, document, path, {"secretRef": {"name": secret}})
        return [Added(document.file, who, "envFrom")]
    if by_key := dict.fromkeys(mine or _by_key(document)):
        _refuse_taken_variables(document, by_key, keys)
        for path in by_key:
            for key in keys:
                source = {"valueFrom": {_BY_KEY: {"name": secret, "key": key}}}
                _append(draft, document, path, {"name": key, **source})
        return [Added(document.file, who, "env")]
    # The numbers that are taken may stand in the base, in the overlay, or in another overlay's patch of the base.
    same = [
        each for side in sides for each in side.documents if (each.kind, each.name) == (document.kind, document.name)
    ]
    field = f"secret{max([0, *(number for each in same for number in _numbers(each))]) + 1}Name"
    draft.put(document.file, yaml_edit.set_value(draft.text(document.file), document.index, ("spec", field), secret))
    return [Added(document.file, who, field)]


def _append(draft: Draft, document: Document, path: Path, item: Any) -> None:
    draft.put(document.file, yaml_edit.append(draft.text(document.file), document.index, path, item))


def _refuse_taken_variables(document: Document, paths: Iterable[Path], keys: Iterable[str]) -> None:
    places = set(paths)
    taken = {text(variable, "name") for path, variable in _items(document, "env") if path in places}
    for key in keys:
        if key in taken:
            raise InputError(
                Problem(
                    f"{document.kind} {document.name} has a variable {key} already ({document.file}).",
                    "Choose another key, or take that variable out.",
                )
            )
