"""A tenant as its files say it, and as `validate` judges it now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from secret_action.authoring.manifests import Habits
from secret_action.authoring.request import Request
from secret_action.errors import InputError
from secret_action.manifest.draft import Draft
from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.kustomize import KUSTOMIZATION_NAMES, kustomization_file
from secret_action.manifest.layers import layers_of
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.read import Judged, read_tenant
from secret_action.manifest.sources import Sources
from secret_action.manifest.yaml_edit import EditError
from secret_action.manifest.yaml_files import compose_documents, load_documents
from secret_action.model import Manifest, Problem


@dataclass(frozen=True)
class Document:
    """One document of a source file; `index` as `yaml_edit` counts them."""

    file: str
    index: int
    value: Any

    @property
    def kind(self) -> str:
        """Its `kind`, or an empty text."""
        return text(self.value, "kind")

    @property
    def name(self) -> str:
        """Its `metadata.name`, or an empty text."""
        return text(self.value, "metadata", "name")

    @property
    def api_version(self) -> str:
        """Its `apiVersion`, or an empty text."""
        return text(self.value, "apiVersion")

    @property
    def namespace(self) -> str:
        """Its `metadata.namespace`, or an empty text."""
        return text(self.value, "metadata", "namespace")

    @property
    def spec(self) -> Any:
        """Its `spec`, or an empty mapping."""
        return mapping(mapping(self.value).get("spec"))

    @property
    def is_external_secret(self) -> bool:
        """An ExternalSecret of the operator's group, whole or a patch of one."""
        return self.kind == "ExternalSecret" and self.api_version.startswith("external-secrets.io/")


def text(node: Any, *keys: str) -> str:
    """The text at a path of keys; empty for anything else, which may be huge when it is shown: aliases."""
    for key in keys:
        node = mapping(node).get(key)
    return node if isinstance(node, str) else ""


@dataclass(frozen=True)
class Side:
    """One overlay: how it renders now, and the documents that it is made of, the nearest first."""

    overlay: Overlay
    manifest: Manifest
    documents: tuple[Document, ...]


@dataclass(frozen=True)
class Tenant:
    """base: the kustomization file that all overlays build on, relative to the root. folders: all of its parts'."""

    judged: Judged
    sides: tuple[Side, ...]
    base: str
    base_documents: tuple[Document, ...]
    folders: tuple[Path, ...]

    def definitions(self, request: Request, secret: str = "") -> list[Document]:
        """The ExternalSecrets of this name, or all, that every overlay has: the base's, else those of components."""
        own = tuple(f"{side.overlay.folder}/" for side in self.sides)
        shared = set.intersection(*({document.file for document in side.documents} for side in self.sides))
        components = [
            document
            for document in self.sides[0].documents
            # One outside of the tenant is others' too, and what lies in an overlay is that overlay's.
            if document.file in shared and document.file.startswith(f"{request.folder}/")
            if not document.file.startswith(own)
        ]
        return _named(self.base_documents, secret) or _named(components, secret)

    def habits(self, request: Request) -> Habits:
        """How its ExternalSecrets are written; the platform's way where it has none. Raises InputError."""
        siblings = self.definitions(request)
        namespaces = [document.namespace for document in siblings] or [
            document.namespace for side in self.sides for document in side.documents if document.spec
        ]
        usual = Habits()
        namespace = _commonest(namespaces, "") or request.namespace
        if request.namespace and request.namespace != namespace:
            raise InputError(
                Problem(
                    f"The tenant's ExternalSecrets are in the namespace {namespace}, and --namespace says "
                    f"{request.namespace}.",
                    "Leave --namespace out: it is for manifests that name none.",
                )
            )
        intervals = [text(document.spec, "refreshInterval") or "0" for document in siblings]
        kinds = [
            text(document.spec, "secretStoreRef", "kind") or "SecretStore"
            for document in siblings
            if text(document.spec, "secretStoreRef", "name") == request.store
        ]
        return Habits(
            api_version=_commonest([document.api_version for document in siblings], usual.api_version),
            namespace=namespace,
            # One of 0 never refreshes, and is nobody's habit.
            refresh_interval=_commonest([each for each in intervals if each[0] != "0"], usual.refresh_interval),
            store_kind=_commonest(kinds, usual.store_kind),
        )


def _named(documents: Iterable[Document], secret: str) -> list[Document]:
    return [each for each in documents if each.is_external_secret and secret in ("", each.name)]


def _commonest(texts: Sequence[str], otherwise: str) -> str:
    return Counter(texts).most_common(1)[0][0] if texts else otherwise


def read(request: Request, draft: Draft) -> Tenant:
    """Reads the tenant of a request. Raises ManifestError, or InputError where it is not laid out as one can edit."""
    root = request.root
    judged = read_tenant(root, request.scope)
    if broken := next((finding for finding in judged.findings if finding.rule == "does-not-render"), None):
        raise InputError(Problem(broken.message, "Mend that first: what does not render cannot be proven right."))
    if not all(manifest.overlay for manifest in judged.manifests):
        raise InputError(
            Problem(f"{request.folder} has no overlays.", "There is nothing to add to: its secrets.yaml says it all.")
        )
    sides = tuple(_side(root, manifest, request, draft) for manifest in judged.manifests)
    base = _base(request, draft, [root / manifest.overlay for manifest in judged.manifests])
    files = Sources(root, base.parent).files
    all_files = {file for side in sides for file in side.overlay.sources.files}
    return Tenant(
        judged=judged,
        sides=sides,
        base=base.relative_to(root).as_posix(),
        base_documents=tuple(_documents(draft, _names(root, files))),
        folders=tuple({file.parent.resolve() for file in all_files if file.name in KUSTOMIZATION_NAMES}),
    )


def _side(root: Path, manifest: Manifest, request: Request, draft: Draft) -> Side:
    sources = Sources(root, root / manifest.overlay)
    overlay = Overlay(
        service=request.service,
        environment=manifest.environment,
        folder=manifest.overlay,
        where=sources.fallback,
        parameter_path=request.parameter_path,
        store=request.store,
        sources=sources,
        external_secrets=manifest.external_secrets,
        consumers=manifest.consumers,
    )
    return Side(overlay, manifest, tuple(_documents(draft, _names(root, sources.files))))


def _base(request: Request, draft: Draft, overlays: Sequence[Path]) -> Path:
    """The kustomization file of the one folder of the tenant that all overlays build on.

    Of several, the one that has the ExternalSecret, or any.
    """
    root = request.root
    tenant = (root / request.folder).resolve()
    shared = [_bases(root, overlay) - {each.resolve() for each in overlays} for overlay in overlays]
    common = {folder for folder in set.intersection(*shared) if folder.is_relative_to(tenant)}
    # A base may itself be made of parts; the one that all else is part of is the base.
    parts = {part for folder in common for part in _bases(root, folder)}
    tops = [folder for folder in common if folder not in parts]
    if len(tops) > 1:
        documents = {top: list(_documents(draft, _names(root, Sources(root, top).files))) for top in tops}
        for secret in (request.secret, ""):
            tops = [top for top in tops if _named(documents[top], secret)] or tops
    file = kustomization_file(tops[0]) if len(tops) == 1 else None
    if file is None:
        raise InputError(
            Problem(
                f"{request.folder} has {'more than one base' if tops else 'no base'} that all its overlays build on.",
                "Add the secret by hand: docs/adding-a-secret.md says what belongs where.",
            )
        )
    return file


def _bases(root: Path, folder: Path) -> set[Path]:
    return {layer.folder for layer in layers_of(root, folder, components=False)}


def _names(root: Path, files: Iterable[Path]) -> Iterator[str]:
    for file in files:
        resolved = file.resolve()
        if resolved.is_relative_to(root) and file.name not in KUSTOMIZATION_NAMES:
            yield resolved.relative_to(root).as_posix()


def _documents(draft: Draft, files: Iterable[str]) -> Iterator[Document]:
    """What cannot be read is passed over: kustomize has judged it already, and no edit will be made there."""
    for file in files:
        try:
            content = draft.text(file).removeprefix("\ufeff")
            values = iter(load_documents(content))
        except (EditError, yaml.YAMLError, ValueError):
            continue
        for index, node in enumerate(compose_documents(content)):
            if not node.tag.endswith(":null"):
                yield Document(file, index, next(values, None))
