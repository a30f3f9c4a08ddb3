"""What a render says of parameters beyond what this product reads of it: asked before something is deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from secret_action.manifest.external_secrets import mapping


def mentioned(resources: Sequence[Mapping[str, Any]], folder: str) -> frozenset[str]:
    """Every path directly in a folder of SSM that stands in any text of a render, whoever reads it and how.

    Another store's ExternalSecret, a PushSecret or a variable of a container may name a parameter as well as ours do.
    """
    path = re.compile(re.escape(folder) + r"/[A-Za-z0-9_.-]+(?![A-Za-z0-9_.-]*/)")
    return frozenset(found for text in _texts(resources) for found in path.findall(text))


def finders(resources: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """`ExternalSecret app`, … for those that read whatever matches a pattern (`dataFrom.find`)."""
    return tuple(dict.fromkeys(_named(resource) for resource in resources if _finds(mapping(resource.get("spec")))))


def _finds(spec: Mapping[str, Any]) -> bool:
    spec = mapping(spec.get("externalSecretSpec")) or spec
    entries = spec.get("dataFrom")
    return isinstance(entries, list) and any("find" in mapping(entry) for entry in entries)


def _named(resource: Mapping[str, Any]) -> str:
    return f"{resource.get('kind', '')} {mapping(resource.get('metadata')).get('name', '')}"


def _texts(node: Any) -> Iterator[str]:
    pending, seen = [node], set[int]()
    while pending:
        current = pending.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, (Mapping, list, tuple)) and id(current) not in seen:  # aliases: once each
            seen.add(id(current))
            pending.extend(current.values() if isinstance(current, Mapping) else current)
