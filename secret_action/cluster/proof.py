"""Did External Secrets Operator (ESO) read SSM after our annotation? Decided from objects alone, without clocks.

`Ready=True` proves nothing: it is what the last sync left, and a new one does not clear it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from secret_action.cluster import durations
from secret_action.cluster.hashes import synced_version
from secret_action.cluster.live import (
    Object,
    cluster_owner,
    entries,
    is_going,
    ready,
    resource_version,
    section,
    synced_version_of,
    text,
    uid_of,
)

ANNOTATION = "force-sync"
"""The annotation that holds a run's token. ESO asks only that some annotation changes; its own docs use this one."""

# Reasons of `Ready=True` that tell of a sync which left the Secret as it was, or without data.
_WITHOUT_DATA = {"SecretMissing", "SecretDeleted", "ResourceMissing", "ResourceDeleted"}
_SHA3_DIGITS = 56
_WEAKLY = "ESO writes a hash of an unknown form: that it synced after our annotation is shown by its status alone."


class Outcome(Enum):
    """What one observation of an ExternalSecret shows of the sync that we asked for."""

    SYNCED = "synced"
    """A sync that read our token has finished."""
    SYNCED_WEAKLY = "synced, by its status alone"
    """Its hash is of an unknown form; the status moved while our token was there."""
    SYNCED_WITHOUT_DATA = "synced without new data"
    """A sync that read our token has finished, and gave the Secret nothing."""
    SYNCED_THEN_FAILED = "synced, then failed"
    """A sync that read our token has finished, and a later one failed."""
    FAILED = "attempted and failed"
    """ESO tried after our annotation and could not; it goes on trying."""
    UNMARKED = "annotation removed"
    """Somebody took our token away before a sync is shown to have read it."""
    WAITING = "not yet attempted"
    RECREATED = "recreated"
    """Another object of the same name: what was known of the old one counts for nothing."""
    GOING = "being deleted"


@dataclass(frozen=True)
class Verdict:
    """An outcome and, where the outcome alone does not tell, why."""

    outcome: Outcome
    words: str = ""


def judge(patched: Object, observed: Object, token: str) -> Verdict:
    """What `observed` shows, `patched` being the object as the API server returned it for our patch.

    It must hold our token: an admission webhook may have taken it out again, and then nothing asks ESO to read.
    Causal: a `syncedResourceVersion` that equals the hash of metadata which held the token comes from a reconcile
    that read the token, and it asked the provider after that. The one weaker ground, a status that differs from the
    patched one, rests on ESO ≥ 0.11 writing its status with the resourceVersion that it read.
    """
    if uid_of(observed) != uid_of(patched):
        # Seen late, it may be the one that ours replaced.
        return Verdict(Outcome.RECREATED if is_later(observed, patched) else Outcome.WAITING)
    if is_going(observed):
        return Verdict(Outcome.GOING)
    if not is_marked(patched, token):
        return Verdict(Outcome.UNMARKED, "The API server stored our change without the annotation.")
    synced = synced_version_of(observed)
    before = synced_version_of(patched)
    token_there = is_marked(observed, token)
    expected = synced_version(section(observed, "metadata"), like=synced)

    if synced and synced == synced_version(section(patched, "metadata"), like=synced):
        return _synced(observed)
    if token_there and synced and synced == expected:
        return _synced(observed)
    # From here on only what the API server stored after our patch counts.
    if not is_later(observed, patched):
        return Verdict(Outcome.WAITING)
    if not token_there:
        # Equal to the patched status and to the present metadata means that the metadata went back to what it was.
        # MD5 hashes are of releases whose status writes take no lock: a sync from before our patch may land after it.
        moved = synced != before and synced == expected
        if moved and len(synced.partition("-")[2]) == _SHA3_DIGITS and ready(observed)[0] == "True":
            return _synced(observed, words="Another actor removed the annotation after ESO had read it.")
        return Verdict(Outcome.UNMARKED, "Another actor removed our annotation before ESO was seen to read it.")
    if synced and expected is None and synced != before and ready(observed)[0] == "True":
        return _synced(observed, _WEAKLY, Outcome.SYNCED_WEAKLY)
    if ready(observed)[0] == "False" and ready(observed) != ready(patched):
        return Verdict(Outcome.FAILED)
    return Verdict(Outcome.WAITING)


def _synced(observed: Object, words: str = "", outcome: Outcome = Outcome.SYNCED) -> Verdict:
    status, reason, message = ready(observed)
    if status != "True":
        return Verdict(Outcome.SYNCED_THEN_FAILED, "ESO synced after our annotation, and a later attempt failed.")
    if reason in _WITHOUT_DATA or "retained" in message:
        return Verdict(
            Outcome.SYNCED_WITHOUT_DATA, f"ESO synced, and gave the Secret no new data ({message or reason})."
        )
    return Verdict(outcome, words)


def first_synced(observed: Object, never: str) -> Verdict:
    """What it shows where, after this run's write, it was stored as one that ESO had never synced, and now has.

    Causal as well: ESO writes its status with the resourceVersion that it read, so what it read was stored after our
    write, and it asked the provider after that. It must have read this very spec; and an immutable target may have been
    there before. never: why our annotation makes it sync no more.
    """
    metadata = section(observed, "metadata")
    read = synced_version_of(observed).partition("-")[0] == str(metadata.get("generation"))
    if not read or section(observed, "spec", "target").get("immutable") is True:
        return Verdict(Outcome.WAITING)
    return _synced(observed, f"Its first sync came after this run's write; an annotation does not refresh it: {never}.")


def is_marked(thing: Object, token: str) -> bool:
    """Whether an ExternalSecret carries this token."""
    return section(thing, "metadata", "annotations").get(ANNOTATION) == token


def is_later(observed: Object, patched: Object) -> bool:
    """Whether the API server stored the first after the second; False where it does not tell."""
    mine, theirs = resource_version(patched), resource_version(observed)
    return mine is not None and theirs is not None and theirs > mine


def failed_attempts(before: tuple[Object, ...], now: tuple[Object, ...]) -> int:
    """How many failed attempts ESO's events tell of, between two readings of one ExternalSecret's events.

    Where it had failed with the same words before our annotation its status does not change at all, and only this
    tells an attempt from none. Repeated words bump the count of the same Event. Absence proves nothing: events are
    rate limited.
    """
    counts = {uid_of(event): _count(event) for event in before}
    return sum(
        max(0, _count(event) - counts.get(uid_of(event), 0))
        for event in now
        if event.get("type") == "Warning" and event.get("reason") == "UpdateFailed"
    )


def _count(event: Object) -> int:
    found = event.get("count")
    return found if isinstance(found, int) else 1


def never_refreshes(live: Object) -> str | None:
    """Why an annotation will never make ESO read newer values into this one's Secret; None where it will.

    One that has never synced yet will. Whose controller class serves its store does not tell: several ESOs may run.
    """
    spec = section(live, "spec")
    if why := without_secret(spec) or pinned(spec) or taken_away(live):
        return why
    return settled(live) if synced_version_of(live) else None


def settled(live: Object) -> str | None:
    """Why it would not refresh any more once it has synced; None where it would. `{"spec": …}` does."""
    spec = section(live, "spec")
    policy = text(spec, "refreshPolicy")
    if policy == "CreatedOnce":
        return "`refreshPolicy: CreatedOnce`, and it was created already"
    if policy in ("", "Periodic") and _interval_is_off(spec) and not _obeys_without_interval(live):
        return f"`refreshInterval: {text(spec, 'refreshInterval')}`, and it has synced once already"
    if section(spec, "target").get("immutable") is True:
        return "its target Secret is immutable"
    return None


def _interval_is_off(spec: Object) -> bool:
    interval = durations.seconds(spec.get("refreshInterval"))
    return interval is not None and interval <= 0


def _obeys_without_interval(live: Object) -> bool:
    # ESO ≤ 0.10.7 looks at the annotation before the interval; its condition's words differ from newer ones'.
    return ready(live)[2] == "Secret was synced"


def without_secret(spec: Object) -> str:
    """Says so where ESO reads its provider and makes no Secret of it; else empty."""
    no_secret = text(spec, "target", "creationPolicy") == "None"
    return "with `creationPolicy: None` ESO makes no Secret" if no_secret else ""


def taken_away(live: Object) -> str:
    """Says so where a ClusterExternalSecret made it: its controller overwrites all annotations; else empty."""
    owner = cluster_owner(live)
    return f"the ClusterExternalSecret {owner}, which owns it, takes annotations away" if owner else ""


def pinned(spec: Object) -> str:
    """Says so where every entry pins a version, so that there is nothing that a refresh could bring; else empty."""
    data = [(f"`spec.data[{at}]`", section(item, "remoteRef")) for at, item in enumerate(entries(spec, "data"))]
    whole = entries(spec, "dataFrom")
    extracts = [(f"`spec.dataFrom[{at}]`", section(item, "extract")) for at, item in enumerate(whole)]
    references: list[tuple[str, Mapping[str, Any]]] = data + extracts
    found = [where for where, reference in references if text(reference, "version")]
    if not references or len(found) != len(references):
        return ""
    return f"{found[0] if len(found) == 1 else 'every entry of `spec.data`'} pins a version"
