"""Failures whose cause a refresh knows by itself, each with its remedy. For all others ESO's traces are read."""

from __future__ import annotations

from collections.abc import Sequence

from secret_action.cluster.live import Object, cluster_owner, entries, section, text
from secret_action.cluster.proof import ANNOTATION, without_secret
from secret_action.errors import SecretSyncError
from secret_action.model import Diagnosis


def told(error: SecretSyncError) -> Diagnosis:
    """The API server said it."""
    problem = error.problems[0]
    return Diagnosis(problem.what, problem.remedy, problem.causes)


def not_deployed(words: str, tool: str) -> Diagnosis:
    """The timeout passed before the cluster had taken over the manifest.

    words: what differs. tool: what the GitOps tool that deploys it says; empty where none is known.
    """
    return Diagnosis(
        f"{words} {tool}." if tool else words,
        "Mend what it says, or raise timeout where it only takes longer. If its commit is later than this run's, "
        "release from that."
        if tool
        else "Look whether the GitOps tool has synced this commit, or deploy the manifests before the refresh; raise "
        "timeout where it only takes longer.",
        (tool,) if tool else (),
    )


def never(reason: str, changed: Sequence[str], live: Object, held: str) -> Diagnosis:
    """changed: the parameters that it reads and that this run wrote. live: the ExternalSecret. held: what its Secret
    shows, one sentence."""
    reads = f"It reads {', '.join(changed)}, which this run changed" if changed else held.rstrip(".")
    return Diagnosis(f"{reads}, and it never refreshes: {reason}.", remedy_for_never(live))


def remedy_for_never(live: Object) -> str:
    """What makes an ExternalSecret refresh that an annotation does not."""
    if without_secret(section(live, "spec")):
        return "Give it another `target.creationPolicy`, or let an ExternalSecret that makes a Secret read the value."
    if owner := cluster_owner(live):
        return (
            "Take it out of the tenant's manifests, or out of the ClusterExternalSecret. Annotating that is left to "
            f"its owners, since it refreshes every namespace: `kubectl annotate clusterexternalsecret {owner} "
            'external-secrets.io/force-sync="$(date +%s)" --overwrite`.'
        )
    return (
        "Give it `refreshPolicy: OnChange` (and neither a pinned version nor an immutable target) and let that be "
        "deployed, or delete its Secret so that ESO makes it anew."
    )


def left_alone(reason: str, words: str) -> str:
    """One that never refreshes. words: what is known of its content."""
    return f"An annotation does not refresh it: {reason}. {words}".strip()


def unknown_content(secret_name: str, owner: str) -> str:
    """What that means where the content is not known. owner: the ClusterExternalSecret that made it, or empty."""
    if owner:
        return f" It is not known whether the Secret {secret_name} holds the current value already."
    return (
        f" It is not known whether the Secret {secret_name} holds the current value: it takes a new one only when that "
        "is changed or, where no version is pinned, when the Secret is deleted so that ESO makes it anew."
    )


def unmarked() -> Diagnosis:
    """Our annotation does not stay."""
    return Diagnosis(
        f"Something in the cluster removes the annotation `{ANNOTATION}` before ESO can read it.",
        f"Let the GitOps tool or admission policy leave the annotation `{ANNOTATION}` alone (Argo CD: "
        f"`ignoreDifferences` with the JSON pointer /metadata/annotations/{ANNOTATION}).",
    )


def lacks(secret_name: str, keys: Sequence[str], spec: Object) -> Diagnosis:
    """Proven, and the Secret does not have all the keys that an ExternalSecret with this spec asks for."""
    named = ", ".join(keys)
    paths = [text(item, "remoteRef", "key") for item in entries(spec, "data") if text(item, "secretKey") in keys]
    policy = text(spec, "target", "deletionPolicy")
    if policy in ("Delete", "Merge"):
        return Diagnosis(
            f"The Secret {secret_name} lacks {named}: with `deletionPolicy: {policy}` ESO leaves out what it does not "
            "find in SSM, and calls that synced.",
            f"Give {', '.join(paths) or 'what they are made of'} a value and release again, say `optional: true` of it "
            "in secrets.yaml, or take it out of the ExternalSecret.",
        )
    return Diagnosis(
        f"The Secret {secret_name} lacks {named}, which its ExternalSecret asks for: somebody else takes it out again.",
        f"Look who writes the Secret: `kubectl get secret {secret_name} --show-managed-fields -o yaml`.",
    )


def differs(secret_name: str) -> Diagnosis:
    """Proven, and the Secret still holds other bytes."""
    return Diagnosis(
        "ESO read after this run's write, and the Secret holds other bytes: another region or account is read, "
        "somebody else writes the Secret, or a parameter was changed meanwhile.",
        "Compare the store's region and role with those of this run, see that it has no `prefix`, and look who writes "
        "the Secret: `kubectl get "
        f"secret {secret_name} -o jsonpath='{{.metadata.managedFields[*].manager}}' --show-managed-fields`.",
    )
