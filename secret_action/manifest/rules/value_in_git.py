"""`value-in-git`: a secret value in the tenant's files. It is never repeated: not in a message, nor in a remedy."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from secret_action.manifest.credentials import is_value, looks_like, names_credential
from secret_action.manifest.external_secrets import mapping
from secret_action.manifest.kustomize import KUSTOMIZATION_NAMES
from secret_action.manifest.overlay import Overlay, Tenant
from secret_action.manifest.paths import unresolved
from secret_action.manifest.rules.rule import Flaw, Rule
from secret_action.manifest.secrets_in_use import made, name_of
from secret_action.manifest.written import is_yaml, judged_files, read_text
from secret_action.manifest.yaml_files import get, items, line_of, pairs_below, source_nodes, text
from secret_action.model import Location, Severity

_ENCRYPTED = ("ENC[", "vault:", "ref+")
_REMEDY = (
    "Replace the value where it is issued, since Git keeps it for good; hand the new one to the pipeline, and let an "
    "ExternalSecret read it from the platform's store."
)


def _check(overlay: Overlay) -> Iterator[Flaw]:
    """Secrets that are rendered: written as such, or made by a generator."""
    for resource in overlay.resources:
        if resource.get("kind") == "Secret" and (keys := _valued(resource)):
            where = overlay.sources.definition(resource)
            name = name_of(resource)
            generated = where.file.rpartition("/")[2] in KUSTOMIZATION_NAMES
            name = re.sub(r"-[a-z0-9]{10}$", "", name) if generated else name
            yield Flaw(
                f"Secret {name} has its values in Git ({', '.join(keys)})"
                + (", by a secretGenerator." if generated else "."),
                _REMEDY,
                where,
                (name, *keys),
            )


def _valued(resource: Mapping[str, Any]) -> list[str]:
    """The keys of a Secret that have a value: no placeholder, and not encrypted."""
    if "sops" in resource:
        return []
    pairs = [(key, _decoded(value)) for key, value in mapping(resource.get("data")).items()]
    pairs += [(key, str(value or "")) for key, value in mapping(resource.get("stringData")).items()]
    return [str(key) for key, value in pairs if value and not unresolved(value) and not value.startswith(_ENCRYPTED)]


def _decoded(value: Any) -> str:
    try:
        return base64.b64decode(value or "", validate=True).decode("utf-8")
    except (ValueError, TypeError):
        return str(value)


def _compare(tenant: Tenant) -> Iterator[Flaw]:
    """Whatever lies in the tenant's folder, rendered or not."""
    rendered = {
        overlay.sources.definition(resource)
        for overlay in tenant.overlays
        for resource in overlay.resources
        if resource.get("kind") == "Secret"
    }
    names = {name for overlay in tenant.overlays for name in made(overlay.resources)}
    for file in judged_files(tenant.root / tenant.folder):
        content = read_text(file)
        if content is None or "sops_version=" in content:  # which is encrypted as a whole
            continue
        shown = file.relative_to(tenant.root).as_posix()
        documents = source_nodes(file) if is_yaml(file) else ()
        hidden: set[int] = set()
        for node in documents:
            hidden.update(_hidden(node))
            where = Location(shown, line_of(get(node, "metadata", "name") or node))
            if text(get(node, "kind")) == "Secret" and where not in rendered and (keys := _written(node)):
                name = text(get(node, "metadata", "name"))
                message = f"Secret {name} has its values in Git ({', '.join(keys)}), though nothing deploys it."
                yield Flaw(message, _REMEDY, where, (name, *keys))
        told: dict[int, str] = {}
        for number, line in enumerate(content.split("\n"), 1):
            if kind := looks_like(line):
                told[number] = f"what looks like {kind}"
        for number, name, value in [*_lines(content, documents), *_pairs(documents)]:
            if names_credential(name) and value not in names and is_value(name, value):
                told.setdefault(number, f"what looks like the value of {name}")
        for number in sorted(set(told) - hidden):
            message = f"{shown} has {told[number]} in line {number}."
            yield Flaw(message, _REMEDY, Location(shown, number), (shown,), Severity.WARNING)


def _hidden(document: yaml.Node) -> Iterator[int]:
    """The lines of what is encrypted, or told of as a Secret."""
    parts = [get(document, "secretGenerator")]
    if text(get(document, "kind")) in ("Secret", "SealedSecret") or get(document, "sops") is not None:
        parts = [document]
    for part in parts:
        if part is not None:
            yield from range(line_of(part), part.end_mark.line + 2)


def _written(document: yaml.Node) -> list[str]:
    """As `_valued`, of a Secret as it is written."""
    fields: dict[str, dict[str, str]] = {}
    for field in ("data", "stringData"):
        node = get(document, field)
        fields[field] = (
            {text(key): text(value) for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}
        )
    return _valued(fields | ({"sops": {}} if get(document, "sops") is not None else {}))


def _lines(content: str, documents: Sequence[yaml.Node]) -> Iterator[tuple[int, str, str]]:
    """Line, name and value of each `NAME=value` of a file that is no YAML."""
    for number, line in enumerate(() if documents else content.split("\n"), 1):
        if match := re.match(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*)", line):
            yield number, match[1], match[2].strip().strip("'\"")


def _pairs(documents: Sequence[yaml.Node]) -> Iterator[tuple[int, str, str]]:
    """Line, name and value of variables of containers, of what a ConfigMap or a template of an ExternalSecret holds,
    and of a generator's literals."""
    for document in documents:
        kind = text(get(document, "kind"))
        for key, value in pairs_below(document):
            if text(key) == "env":
                for item in items(value):
                    if (said := get(item, "value")) is not None:
                        yield line_of(said), text(get(item, "name")), text(said)
            elif text(key) == "literals":
                for item in items(value):
                    name, _, said_there = text(item).partition("=")
                    yield line_of(item), name, said_there
            elif kind == "ConfigMap" and text(key) == "data":
                yield from _data(value)
            elif kind.endswith("ExternalSecret") and text(key) == "template":
                yield from _data(get(value, "data"))


def _data(node: yaml.Node | None) -> Iterator[tuple[int, str, str]]:
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        yield line_of(value), text(name), text(value)


RULE = Rule(
    "value-in-git",
    Severity.ERROR,
    "a `Secret` with values, written or generated, in the tenant's folder; a warning for what only looks like a "
    "credential: well-known tokens, private keys, URLs with a password, literal values of variables such as "
    "`DB_PASSWORD`",
    "Whoever can read the repository has the value, today and in every clone and backup. Only replacing it helps; "
    "deleting the line does not. Encrypted values (SealedSecret, SOPS) are none of this.",
    """apiVersion: v1
kind: Secret
metadata:
  name: my-service-db
stringData:
  DATABASE_URL: the value itself
""",
    """apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: my-service-db
spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/_ENV_/my-service/database_url
""",
    check=_check,
    compare=_compare,
    annotated=False,
)
