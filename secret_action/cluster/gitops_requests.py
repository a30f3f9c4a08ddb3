"""Asks the GitOps tools of a cluster what they have deployed. What may not be read is left out, in silence."""

from __future__ import annotations

from collections.abc import Callable, Set

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.gitops import HOMES, REFRESH, Mark, Tool, tool_of
from secret_action.cluster.live import Key, Object
from secret_action.cluster.paths import Place, Resource
from secret_action.errors import SecretSyncError


def look(api: KubernetesApi, keys: Set[Key], marks: Set[Mark], wanted: str) -> tuple[Tool, ...]:
    """The Applications and Kustomizations that deploy any of these ExternalSecrets, as they are now.

    marks: what the objects say themselves of who deploys them. wanted: the commit that this run judged.
    """
    resources = {mark.resource for mark in marks if mark.sure} or HOMES.keys()
    return tuple(
        tool for resource in HOMES if resource in resources for tool in _tools(api, resource, keys, marks, wanted)
    )


def _tools(api: KubernetesApi, resource: Resource, keys: Set[Key], marks: Set[Mark], wanted: str) -> list[Tool]:
    """Those that the marks name, where they usually live; else they are looked for among all that we may list."""
    home = HOMES[resource]
    names = sorted({mark.name for mark in marks if mark.resource == resource})
    requests: list[Callable[[], list[Object]]] = [
        lambda: [api.get(resource.at(home, name)) for name in names],
        lambda: [*api.list(resource.at())[0]],
        lambda: [*api.list(resource.at(home))[0]],
    ]
    for request in requests:
        try:
            found = [tool_of(resource, one, wanted) for one in request()]
        except SecretSyncError:
            continue
        if owning := [tool for tool in found if tool.owned & keys or any(tool.owns(("", ""), mark) for mark in marks)]:
            return owning
    return []


def ask_to_refresh(api: KubernetesApi, place: Place) -> None:
    """Asks Argo CD to compare with the newest commit, as its own button does. Raises ClusterError where we may not."""
    api.merge_patch(place, {"metadata": {"annotations": {REFRESH: "normal"}}})
