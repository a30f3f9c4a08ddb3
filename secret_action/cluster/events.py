"""Events, which tell more of a failure than the object that failed. They only help: what may not be read is absent."""

from __future__ import annotations

from collections.abc import Iterable

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.live import Object, text
from secret_action.cluster.parallel import each
from secret_action.cluster.paths import EVENTS
from secret_action.errors import SecretSyncError


def events_of(api: KubernetesApi, namespace: str, uid: str) -> tuple[Object, ...]:
    """The events about one object. Raises ApiError."""
    return api.list(EVENTS.at(namespace), fieldSelector=f"involvedObject.uid={uid}")[0]


class Warnings:
    """The warnings about ExternalSecrets: one list for each namespace, however many of them failed."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._by_uid: dict[str, list[Object]] = {}

    def read(self, namespaces: Iterable[str]) -> None:
        """Reads those of these namespaces, several at a time."""
        for found in each(self._of, sorted(set(namespaces))):
            for event in found:
                self._by_uid.setdefault(text(event, "involvedObject", "uid"), []).append(event)

    def about(self, uid: str) -> tuple[Object, ...]:
        """Those of one ExternalSecret, as far as they were read."""
        return tuple(self._by_uid.get(uid, ()))

    def _of(self, namespace: str) -> tuple[Object, ...]:
        try:
            return self._api.list(
                EVENTS.at(namespace), fieldSelector="involvedObject.kind=ExternalSecret,type=Warning"
            )[0]
        except SecretSyncError:
            return ()
