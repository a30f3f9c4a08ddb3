"""The definitions of ESO's kinds: while there is one its kind is served, and when it goes its objects go."""

from sandbox import kubernetes_errors as errors
from sandbox.kubernetes_kinds import DEFINITION, ESO_GROUP, KINDS, Kind, Object
from sandbox.kubernetes_store import Store, Writer

_WRITER = Writer("sandbox")
_DEFINED = tuple(kind for kind in KINDS if kind.group == ESO_GROUP)


class Definitions:
    """Those of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(self) -> None:
        """As an installation of ESO does."""
        for kind in _DEFINED:
            names = {"kind": kind.name, "plural": kind.plural}
            metadata = {"name": kind.resource, "finalizers": ["customresourcecleanup.apiextensions.k8s.io"]}
            self._store.create(
                DEFINITION, {"metadata": metadata, "spec": {"group": kind.group, "names": names}}, _WRITER
            )

    def serve(self, kind: Kind) -> bool:
        """Whether a kind is defined."""
        for each in _DEFINED:
            if self._is_going(each) and not self._store.listed(each)[0]:
                self._store.modify(DEFINITION, "", each.resource, _without_finalizers, _WRITER)
        return kind not in _DEFINED or self._store.find(DEFINITION, "", kind.resource) is not None

    def empty(self, name: str) -> None:
        """Delete the objects of a definition that is going; those with finalizers hold it up."""
        for kind in _DEFINED:
            for obj in self._store.listed(kind)[0] if kind.resource == name else ():
                self._store.delete(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])

    def admit(self, kind: Kind, name: str) -> None:
        """Raises 403 for a new object of a kind that is going."""
        if kind in _DEFINED and self._is_going(kind):
            raise errors.going_kind(kind, name)

    def _is_going(self, kind: Kind) -> bool:
        found = self._store.find(DEFINITION, "", kind.resource)
        return found is not None and "deletionTimestamp" in found["metadata"]


def _without_finalizers(obj: Object) -> Object:
    obj["metadata"].pop("finalizers", None)
    return obj
