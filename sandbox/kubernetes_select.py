"""Selectors and views: which objects a request means, and how much of each it gets to see."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.kubernetes_errors import ApiError, bad_request
from sandbox.kubernetes_kinds import EVENT, EXTERNAL_SECRET, POD, SECRET, Kind, Object

Matches = Callable[[Object], bool]

_FIELDS: dict[Kind, tuple[str, ...]] = {
    EVENT: (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
        "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
        "reason", "reportingComponent", "source", "type",
    ),
    POD: ("spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"),
    SECRET: ("type",),
    EXTERNAL_SECRET: (
        "spec.secretStoreRef.name", "spec.secretStoreRef.kind", "spec.target.name", "spec.refreshInterval",
    ),
}  # fmt: skip


def label_selector(text: str) -> Matches:
    """Matches objects by labels: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`. Raises 400."""
    requirements = [_label_requirement(part.strip()) for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    return lambda obj: all(holds(obj["metadata"].get("labels") or {}) for holds in requirements)


def _label_requirement(text: str) -> Callable[[dict[str, str]], bool]:
    key = r"[A-Za-z0-9./_-]+"
    if found := re.fullmatch(rf"({key})\s+(in|notin)\s+\(([^)]*)\)", text):
        name, operator, values = found[1], found[2], [value.strip() for value in found[3].split(",")]
        return lambda labels: (labels.get(name) in values) == (operator == "in")
    if found := re.fullmatch(rf"({key})\s*(==|=|!=)\s*([A-Za-z0-9._-]*)", text):
        name, operator, value = found[1], found[2], found[3]
        return lambda labels: (labels.get(name) == value) == (operator != "!=")
    if found := re.fullmatch(rf"(!?)\s*({key})", text):
        return lambda labels: (found[2] in labels) == (not found[1])
    words = [*text.split(), ""]
    raise bad_request(f"unable to parse requirement: found '{words[1]}', expected: in, notin, =, ==, !=, gt, lt")


def field_terms(text: str) -> list[tuple[str, str, str]]:
    """A field selector as (field, operator, value)."""
    terms = []
    for part in filter(None, text.split(",")):
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
        if not found:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        terms.append((found[1], "!=" if found[2] == "!=" else "=", found[3]))
    return terms


def field_selector(kind: Kind, text: str) -> Matches:
    """Matches objects by the few fields that the API server indexes for their kind. Raises 400 for others."""
    terms = field_terms(text)
    allowed = ("metadata.name", "metadata.namespace", *_FIELDS.get(kind, ()))
    for field, _, _ in terms:
        if field not in allowed:
            raise ApiError(400, "BadRequest", f"field label not supported: {field}")
    return lambda obj: all((_field(obj, field) == value) == (operator == "=") for field, operator, value in terms)


def _field(obj: Object, path: str) -> str:
    if path == "source":
        path = "source.component"
    value: object = obj
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


@dataclass(frozen=True)
class View:
    """How objects look in an answer: in which API version, whole or their metadata alone."""

    kind: Kind
    version: str
    metadata_only: bool = False

    @staticmethod
    def of(accept: str, kind: Kind, version: str, *, listing: bool) -> "View":
        """The view that an Accept header asks for. Raises 406 for one that is not to be had."""
        for media_type in accept.split(",") if accept else ["*/*"]:
            name, *parameters = [part.strip() for part in media_type.split(";")]
            options = dict(parameter.partition("=")[::2] for parameter in parameters)
            if name not in ("application/json", "application/*", "*/*"):
                continue
            shape = options.get("as", "")
            if not shape:
                return View(kind, version)
            if (options.get("g"), options.get("v")) != ("meta.k8s.io", "v1"):
                continue
            if shape == ("PartialObjectMetadataList" if listing else "PartialObjectMetadata"):
                return View(kind, version, metadata_only=True)
            if shape == "PartialObjectMetadata":
                text = "you requested PartialObjectMetadata, but the requested object is a list"
                raise ApiError(406, "NotAcceptable", f"{text} (*core.{kind.name}List)")
        raise ApiError(
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf",
        )

    def show(self, obj: Object) -> Object:
        """One object as this view has it."""
        if self.metadata_only:
            return {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": obj["metadata"],
            }
        shown = {"apiVersion": self.kind.api_version(self.version), "kind": self.kind.name}
        return shown | {key: value for key, value in obj.items() if key not in shown}

    def show_list(self, objects: list[Object], metadata: Object) -> Object:
        """A list as this view has it; items of built-in kinds do not name their kind."""
        items = [self.show(obj) for obj in objects]
        if self.metadata_only:
            return {
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": items,
            }
        if not self.kind.custom:
            items = [{k: v for k, v in item.items() if k not in ("apiVersion", "kind")} for item in items]
        return {
            "kind": f"{self.kind.name}List",
            "apiVersion": self.kind.api_version(self.version),
            "metadata": metadata,
            "items": items,
        }
