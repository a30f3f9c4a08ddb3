"""How the External Secrets Operator decides, as pure functions: hashes, refresh gate, conditions.

Every rule here is that of ESO v0.20.4's `externalsecret_controller.go`; `Version` tells others apart.
"""

import base64
import calendar
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.kubernetes_kinds import Object, clone
from sandbox.kubernetes_store import timestamp

FINALIZER = "externalsecrets.external-secrets.io/externalsecret-cleanup"
LABEL_MANAGED = "reconcile.external-secrets.io/managed"
LABEL_OWNER = "reconcile.external-secrets.io/created-by"
ANNOTATION_HASH = "reconcile.external-secrets.io/data-hash"


@dataclass(frozen=True)
class Version:
    """What differs between releases of the operator, as far as a client can see it."""

    hash: str = "sha3_224"
    """`hashlib`'s name of the algorithm; md5 up to v0.16.1, anything else is an operator unknown today."""
    finalizer: bool = True
    """Puts its finalizer on ExternalSecrets, since v0.20.0."""
    immutable_fails: bool = False
    """Changed data for an immutable target is `Ready=False` (v0.11.0 to v0.19.0) and not a silent success."""


V0_20_4 = Version()
V0_16_1 = Version(hash="md5", finalizer=False, immutable_fails=True)
UNKNOWN = Version(hash="blake2s")


def object_hash(text: str, version: Version = V0_20_4) -> str:
    """ESO's `ObjectHash` of something that Go's `%+v` prints as `text`."""
    return hashlib.new(version.hash, text.encode()).hexdigest()


def synced_version(metadata: Object, version: Version = V0_20_4) -> str:
    """`status.syncedResourceVersion` after a sync that read this metadata: generation and hash."""
    text = f"{{annotations:{_go_map(metadata.get('annotations'))} labels:{_go_map(metadata.get('labels'))}}}"
    return f"{metadata.get('generation', 0)}-{object_hash(text, version)}"


def data_hash(data: Mapping[str, bytes], version: Version = V0_20_4) -> str:
    """The `data-hash` annotation of a Secret with this data."""
    return object_hash(_go_map({key: f"[{' '.join(map(str, value))}]" for key, value in data.items()}), version)


def owner_hash(namespace: str, name: str, version: Version = V0_20_4) -> str:
    """The `created-by` label of a Secret that this ExternalSecret owns."""
    return object_hash(f"{namespace}/{name}", version)


def _go_map(entries: Mapping[str, str] | None) -> str:
    """A map as Go prints it: sorted by the keys' bytes, nothing quoted, nil like empty."""
    entries = entries or {}
    return "map[" + " ".join(f"{key}:{entries[key]}" for key in sorted(entries, key=str.encode)) + "]"


def field_manager(name: str) -> str:
    """The field manager of an ExternalSecret's writes to its Secret; 63 characters is what fits."""
    manager = f"externalsecrets.external-secrets.io/{name}"
    if len(manager) > 63:
        manager = f"externalsecrets.external-secrets.io/sha3/{hashlib.sha3_224(name.encode()).hexdigest()}"
    return manager


def target_name(external_secret: Object) -> str:
    """The Secret that an ExternalSecret fills."""
    name: str = external_secret["spec"]["target"].get("name") or external_secret["metadata"]["name"]
    return name


def secret_data(secret: Object | None) -> dict[str, bytes]:
    """A Secret's data, decoded."""
    return {key: base64.b64decode(value) for key, value in ((secret or {}).get("data") or {}).items()}


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str) -> float:
    """A Go duration (`1h30m`, `0`, `-5s`) in seconds."""
    parts = re.findall(r"([0-9.]+)(ns|us|µs|ms|s|m|h)", duration)
    return sum(float(number) * _UNITS[unit] for number, unit in parts) * (-1 if duration.startswith("-") else 1)


def go_duration(duration: str) -> str:
    """A Go duration as Go writes it: `1h` becomes `1h0m0s`, `0` becomes `0s`. Whole seconds only."""
    total = int(seconds(duration))
    if total != seconds(duration):
        return duration
    hours, rest = divmod(abs(total), 3600)
    minutes, left = divmod(rest, 60)
    text = f"{hours}h{minutes}m{left}s" if hours else f"{minutes}m{left}s" if minutes else f"{left}s"
    return "-" + text if total < 0 else text


def normalised(spec: Object) -> Object:
    """The spec after a round through ESO's Go types, which its first write (the finalizer) stores.

    This can raise the ExternalSecret's generation, without anybody's having changed the manifest.
    """
    spec = clone(spec)
    spec["refreshInterval"] = go_duration(str(spec["refreshInterval"]))
    spec.setdefault("secretStoreRef", {})
    if not spec["target"].get("immutable"):
        spec["target"].pop("immutable", None)
    if "template" in spec["target"]:
        spec["target"]["template"].setdefault("metadata", {})
    for name in ("data", "dataFrom"):
        if not spec.get(name):
            spec.pop(name, None)
    return spec


def should_refresh(external_secret: Object, now: float, version: Version = V0_20_4) -> bool:
    """Whether the operator reads the provider, the state of the Secret apart. `now` in epoch seconds."""
    spec, status = external_secret["spec"], external_secret.get("status", {})
    synced, refreshed = status.get("syncedResourceVersion", ""), status.get("refreshTime")
    current = synced_version(external_secret["metadata"], version)
    policy = spec.get("refreshPolicy", "Periodic")
    if policy == "CreatedOnce":
        return not synced or not refreshed
    if policy == "OnChange":
        return not synced or not refreshed or synced != current
    interval = seconds(spec["refreshInterval"])
    # The order matters: with interval 0 neither annotation nor spec is looked at any more (since v0.11.0).
    if interval <= 0 and synced:
        return False
    if synced != current or not refreshed:
        return True
    last = epoch(refreshed)
    return last > now or last + interval < now


def secret_valid(secret: Object | None, external_secret: Object, version: Version = V0_20_4) -> bool:
    """Whether the target Secret is as the operator left it; if not, it reads the provider whatever the policy."""
    if external_secret["spec"]["target"]["creationPolicy"] == "Orphan":
        return True
    if secret is None or secret["metadata"].get("labels", {}).get(LABEL_MANAGED) != "true":
        return False
    stored = secret["metadata"].get("annotations", {}).get(ANNOTATION_HASH)
    return bool(stored == data_hash(secret_data(secret), version))


def epoch(rfc3339: str) -> float:
    """Epoch seconds of a Kubernetes timestamp."""
    return float(calendar.timegm(time.strptime(rfc3339, "%Y-%m-%dT%H:%M:%SZ")))


def with_ready(status: Object, ready: bool, reason: str, message: str) -> Object:
    """`status` with this Ready condition; the very same status when the condition says this already.

    `lastTransitionTime` moves only when Ready flips.
    """
    conditions = status.get("conditions") or []
    old = next((condition for condition in conditions if condition["type"] == "Ready"), None)
    new = {"type": "Ready", "status": str(ready), "reason": reason, "message": message}
    if old is not None and all(old.get(key) == value for key, value in new.items()):
        return status
    same = old is not None and old["status"] == new["status"]
    new["lastTransitionTime"] = old["lastTransitionTime"] if old is not None and same else timestamp()
    others = [condition for condition in conditions if condition["type"] != "Ready"]
    return status | {"conditions": [*others, new]}


def is_ready(obj: Object) -> bool:
    """Whether a store's Ready condition is there and True."""
    conditions = obj.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
