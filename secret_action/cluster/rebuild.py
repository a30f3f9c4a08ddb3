"""How ExternalSecrets that no annotation refreshes are refreshed all the same (`refresh: force`).

External Secrets Operator (ESO) compares a Secret's data with the hash that it left on it. Without that annotation it
reads its provider and writes the Secret in place, whatever the refresh policy; the Secret is there all the while.
"""

from __future__ import annotations

from secret_action.cluster import templates
from secret_action.cluster.live import Object, entries, section, text
from secret_action.cluster.proof import pinned, taken_away, without_secret

DATA_HASH = "reconcile.external-secrets.io/data-hash"
"""The annotation of a Secret with ESO's hash of its data."""


def barred(thing: Object) -> str:
    """Why an ExternalSecret cannot be rebuilt, or must not be; empty where it can."""
    spec = section(thing, "spec")
    target = section(spec, "target")
    if why := without_secret(spec) or pinned(spec) or taken_away(thing):
        return why
    if target.get("immutable") is True:
        return "its target Secret is immutable"
    if target.get("manifest"):
        return "its target is not a Secret"
    if text(target, "creationPolicy") == "Orphan":
        return "with `creationPolicy: Orphan` ESO does not look after its Secret"
    if any("generatorRef" in section(item, "sourceRef") for item in entries(spec, "dataFrom")):
        return "a generator would make new values"
    if templates.makes_anew(target):
        return "its template may make other secrets each time (a random function, or `templateFrom`)"
    return ""
