"""The hashes that External Secrets Operator (ESO) writes, computed from what is known outside of it.

They are the ground of both proofs. A data hash is unsalted: who reads it can try values, so it is never printed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

# Hex digits → algorithm. ESO ≥ 0.16.2 hashes with SHA3-224, older ones with MD5.
_ALGORITHMS = {56: "sha3_224", 32: "md5"}


def object_hash(rendered: str, hex_digits: int) -> str | None:
    """ESO's `ObjectHash` of something that Go's `%+v` prints as `rendered`.

    hex_digits: the length of the hash that it is compared with, which tells the algorithm. None for an unknown one.
    """
    algorithm = _ALGORITHMS.get(hex_digits)
    if algorithm is None:
        return None
    return hashlib.new(algorithm, rendered.encode(), usedforsecurity=False).hexdigest()


def synced_version(metadata: Mapping[str, Any], like: str) -> str | None:
    """The `status.syncedResourceVersion` that a sync leaves which read an ExternalSecret with this metadata.

    ESO: `GetResourceVersion`, `<generation>-<ObjectHash of all annotations and labels>`. `like` is the version to
    compare with: its form tells the algorithm. None where the form is unknown.
    """
    _, _, found = like.partition("-")
    rendered = f"{{annotations:{_go_map(metadata.get('annotations'))} labels:{_go_map(metadata.get('labels'))}}}"
    digest = object_hash(rendered, len(found))
    return None if digest is None else f"{metadata.get('generation', 0)}-{digest}"


def data_hash(data: Mapping[str, bytes], like: str) -> str | None:
    """The `reconcile.external-secrets.io/data-hash` of a Secret that holds exactly this data.

    None where the form of `like`, the hash to compare with, is unknown.
    """
    rendered = _go_map({key: f"[{' '.join(map(str, value))}]" for key, value in data.items()})
    return object_hash(rendered, len(like))


def _go_map(entries: Mapping[str, str] | None) -> str:
    """A map as Go prints it: sorted by the keys' bytes, nothing quoted, an absent one like an empty one."""
    entries = entries or {}
    return "map[" + " ".join(f"{key}:{entries[key]}" for key in sorted(entries, key=str.encode)) + "]"
