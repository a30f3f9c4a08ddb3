"""The stand-in's discovery: what the API server says of itself, its groups, its kinds."""

from collections.abc import Callable

from sandbox.http import Response, json_response
from sandbox.kubernetes_kinds import KINDS, POD, Kind, Object

VERSION = "v1.34.4"


class Discovery:
    """Answers `/version`, `/api`, `/apis` and what is below them; `served` is asked for each kind's version."""

    def __init__(self, served: Callable[[Kind, str], bool]) -> None:
        self._served = served

    def answer(self, path: str) -> Response | None:
        """The answer to a path that is no resource's, None where there is nothing."""
        if path in ("/readyz", "/livez", "/healthz"):
            return Response(200, {"Content-Type": "text/plain; charset=utf-8"}, b"ok")
        if path == "/version":
            major, minor, _ = VERSION.removeprefix("v").split(".")
            return json_response({"major": major, "minor": minor, "gitVersion": VERSION, "platform": "linux/amd64"})
        if path == "/api":
            return json_response({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
        groups = {kind.group: group for kind in KINDS if kind.group and (group := self._group(kind.group))}
        if path == "/apis":
            return json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": list(groups.values())})
        parts = path.strip("/").split("/")
        if parts[0] == "api" and parts[1:] == ["v1"]:
            return self._resources("", "v1")
        if parts[0] == "apis" and len(parts) == 2 and parts[1] in groups:
            return json_response({"kind": "APIGroup", "apiVersion": "v1", **groups[parts[1]]})
        if parts[0] == "apis" and len(parts) == 3:
            return self._resources(parts[1], parts[2])
        return None

    def _group(self, group: str) -> Object | None:
        kinds = [kind for kind in KINDS if kind.group == group]
        versions = [v for v in kinds[0].versions if any(self._served(kind, v) for kind in kinds)]
        entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
        return {"name": group, "versions": entries, "preferredVersion": entries[0]} if entries else None

    def _resources(self, group: str, version: str) -> Response | None:
        verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        resources: list[Object] = []
        for kind in KINDS:
            if kind.group != group or version not in kind.versions or not self._served(kind, version):
                continue
            entry = {"kind": kind.name, "namespaced": kind.namespaced}
            resources.append({"name": kind.plural, "singularName": kind.name.lower(), **entry, "verbs": verbs})
            if kind is POD:
                resources.append({"name": "pods/log", "singularName": "", **entry, "verbs": ["get"]})
            if kind.has_status:
                status = {"name": f"{kind.plural}/status", "singularName": "", **entry}
                resources.append({**status, "verbs": ["get", "patch", "update"]})
        if not resources:
            return None
        name = f"{group}/{version}" if group else version
        return json_response(
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources}
        )
