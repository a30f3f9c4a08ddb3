"""What a GitOps tool says of the objects that it deploys: Argo CD by its Applications, Flux by its Kustomizations.

Pure: objects go in as the API server has them. With neither tool nothing is assumed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from secret_action.cluster.errors import clean
from secret_action.cluster.live import Key, Object, entries, name_of, section, text
from secret_action.cluster.paths import ESO_GROUP, Place, Resource
from secret_action.model import Tenants

APPLICATIONS = Resource("argoproj.io/v1alpha1", "applications")
KUSTOMIZATIONS = Resource("kustomize.toolkit.fluxcd.io/v1", "kustomizations")
HOMES = {APPLICATIONS: "argocd", KUSTOMIZATIONS: "flux-system"}
"""Where these objects usually are; they are looked for there where we may not list them across the cluster."""

REFRESH = "argocd.argoproj.io/refresh"
"""Argo CD compares with the branch's newest commit when this annotation appears, and then takes it away."""

_TRACKING = "argocd.argoproj.io/tracking-id"
# By its default way of tracking Argo CD sets the second; Helm charts set it too.
_INSTANCES = ("argocd.argoproj.io/instance", "app.kubernetes.io/instance")
_FLUX_NAME = "kustomize.toolkit.fluxcd.io/name"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHOWN = 7  # characters of a commit that a text shows


@dataclass(frozen=True)
class Mark:
    """What an object says of who deploys it."""

    resource: Resource
    name: str
    sure: bool
    """False where others set the same label."""


@dataclass(frozen=True)
class Tool:
    """One Application or Kustomization."""

    place: Place
    title: str
    commit: str
    """That the cluster holds by its account; empty where it does not tell, or is at work."""
    deployed: tuple[str, ...]
    """The commits that it tells to have deployed, each where it came first, the oldest first."""
    follows: frozenset[tuple[str, str]]
    """Repositories (`owner/name`, lower case) and what it follows there: a branch, or empty for the default one."""
    owned: frozenset[Key]
    """The ExternalSecrets that it says it deploys."""
    asked: bool
    """Our request to look again is still there."""
    words: str
    """Its state, one sentence without a full stop."""

    def owns(self, key: Key, mark: Mark | None) -> bool:
        """Whether it deploys this ExternalSecret, by its own account or by the object's mark."""
        return key in self.owned or (mark is not None and mark == Mark(self.place.resource, self.place.name, sure=True))


def mark_of(live: Object) -> Mark | None:
    """Who deploys this object, by its annotations and labels; None where they do not say."""
    labels = section(live, "metadata", "labels")
    if name := text(live, "metadata", "annotations", _TRACKING).partition(":")[0]:
        return Mark(APPLICATIONS, name.rpartition("_")[2], sure=True)  # `<namespace>_<name>` outside Argo's own one
    if name := text(labels, _FLUX_NAME):
        return Mark(KUSTOMIZATIONS, name, sure=True)
    for label in _INSTANCES:
        if name := text(labels, label):
            return Mark(APPLICATIONS, name.rpartition("_")[2], sure=label == _INSTANCES[0])
    return None


def tool_of(resource: Resource, found: Object, wanted: str) -> Tool:
    """An Application or a Kustomization. wanted: the commit that this run judged, or empty."""
    return _application(found, wanted) if resource == APPLICATIONS else _kustomization(found)


def superseded(tool: Tool, ours: Tenants, *, looked_again: bool, held_before: bool) -> bool:
    """Whether the tool has deployed a commit that came after ours.

    Commits have no order of their own. That one is later is known where the tool had ours before it, or has looked
    at our branch after we asked it to, which was after ours was the newest there. Flux tells of no past, and its own
    times would have to be held against our clock: of it only the first is known, where this run has seen it.
    """
    if not tool.commit or not ours.sha or tool.commit == ours.sha:
        return False
    order = list(tool.deployed)
    if ours.sha in order:  # … and if the other came before, it is what the tool has gone back to
        return tool.commit not in order or order.index(ours.sha) < order.index(tool.commit)
    return held_before or (looked_again and bool(_followed(ours) & tool.follows))


def _followed(ours: Tenants) -> set[tuple[str, str]]:
    """What a tool says that it follows where it follows our branch."""
    if not ours.repository or not ours.ref:
        return set()
    branch = ours.ref.removeprefix("refs/").removeprefix("heads/")
    return {(ours.repository.lower(), name) for name in [branch, *([""] if ours.default_branch else [])]}


def _application(found: Object, wanted: str) -> Tool:
    status = section(found, "status")
    sync, operation = section(status, "sync"), section(status, "operationState")
    health = text(status, "health", "status") or "of unknown health"
    revisions = _revisions(sync)
    commit = wanted if wanted in revisions else (revisions[0] if len(revisions) == 1 else "")
    deployed = [past for entry in entries(status, "history") for past in _revisions(entry)]
    spec = section(found, "spec")
    sources = [section(spec, "source"), *entries(spec, "sources")]
    state = text(sync, "status") or "Unknown"
    title = f"Argo CD Application {_title(found)}"
    return Tool(
        APPLICATIONS.at(text(found, "metadata", "namespace"), name_of(found)),
        title,
        commit if state == "Synced" else "",
        tuple(dict.fromkeys(deployed)),
        frozenset((repository_of(text(each, "repoURL")), _branch(text(each, "targetRevision"))) for each in sources),
        frozenset(
            (text(each, "namespace"), text(each, "name"))
            for each in entries(status, "resources")
            if (text(each, "group"), text(each, "kind")) == (ESO_GROUP, "ExternalSecret")
        ),
        REFRESH in section(found, "metadata", "annotations"),
        _sentence(
            f"{title} is {state}{_at(commit)}, {health}",
            text(status, "health", "message"),
            " ".join(filter(None, [text(operation, "phase"), text(operation, "message")])),
            *(f"{text(each, 'type')}: {text(each, 'message')}" for each in entries(status, "conditions")),
        ),
    )


def _kustomization(found: Object) -> Tool:
    status = section(found, "status")
    applied, attempted = (_commit(text(status, f"last{which}Revision")) for which in ("Applied", "Attempted"))
    ready = next((each for each in entries(status, "conditions") if each.get("type") == "Ready"), {})
    state = {"True": "ready", "False": "not ready"}.get(text(ready, "status"), "at work")
    title = f"Flux Kustomization {_title(found)}"
    return Tool(
        KUSTOMIZATIONS.at(text(found, "metadata", "namespace"), name_of(found)),
        title,
        applied if state == "ready" and attempted in ("", applied) else "",
        (),
        frozenset(),
        frozenset(_inventory(status)),
        False,
        _sentence(f"{title} is {state}{_at(applied)}", text(ready, "reason"), text(ready, "message")),
    )


def repository_of(url: str) -> str:
    """`owner/name` of a repository's URL, over HTTPS or SSH; lower case, as GitHub does not tell them apart."""
    return "/".join(re.split(r"[/:]", url.rstrip("/").removesuffix(".git"))[-2:]).lower()


def _branch(revision: str) -> str:
    """What Argo CD follows; empty for the repository's default branch."""
    return "" if revision == "HEAD" else revision.removeprefix("refs/heads/")


def _inventory(status: Object) -> Iterator[Key]:
    for entry in entries(section(status, "inventory"), "entries"):
        namespace, _, rest = text(entry, "id").partition("_")
        name, _, kind = rest.partition("_")
        if kind == f"{ESO_GROUP}_ExternalSecret":
            yield namespace, name


def _revisions(thing: Object) -> tuple[str, ...]:
    several = thing.get("revisions")
    given = [text(thing, "revision"), *(several if isinstance(several, list) else ())]
    return tuple(dict.fromkeys(commit for each in given if isinstance(each, str) and (commit := _commit(each))))


def _commit(revision: str) -> str:
    """Flux: `main@sha1:<commit>`, older `main/<commit>`. A chart's version is no commit."""
    last = re.split(r"[:/]", revision)[-1]
    return last if _COMMIT.fullmatch(last) else ""


def _at(commit: str) -> str:
    return f" at commit {commit[:_SHOWN]}" if commit else ""


def _title(found: Object) -> str:
    return f"{text(found, 'metadata', 'namespace')}/{name_of(found)}"


def _sentence(state: str, *said: str) -> str:
    words = [clean(each).rstrip(".") for each in said if each.strip(": ")]
    return f"{state} ({'; '.join(words)})" if words else state
