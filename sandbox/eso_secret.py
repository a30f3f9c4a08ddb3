"""What ESO makes of a target Secret: owner, labels, annotations, data, template, data-hash.

Pure: a Secret goes in as it is (or empty, when it is new), and comes out as the operator would write it.
"""

import base64
import re
from collections.abc import Callable

from sandbox.eso_model import (
    ANNOTATION_HASH,
    LABEL_MANAGED,
    LABEL_OWNER,
    Version,
    data_hash,
    field_manager,
    owner_hash,
    secret_data,
)
from sandbox.kubernetes_fields import managed_keys
from sandbox.kubernetes_kinds import ESO_GROUP, Object, clone


class NotRetried(Exception):
    """A failure that trying again cannot mend: the operator says so once and waits for a change."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition


class TemplateError(Exception):
    """A template that does not parse or that names a key which is not there."""


def built(secret: Object, external_secret: Object, data: dict[str, bytes], version: Version) -> Object:
    """The Secret with what the provider gave in it; `secret` is left alone.

    Raises NotRetried when another owns it, TemplateError when the template fails.
    """
    secret = clone(secret)
    metadata, target = secret["metadata"], external_secret["spec"]["target"]
    owned = target["creationPolicy"] == "Owner"
    _set_owner(secret, external_secret, owned=owned)
    exists = bool(metadata.get("uid"))
    if target.get("immutable"):
        secret["immutable"] = True
    # An immutable target that exists keeps data and annotations, and all the same counts as synced.
    if not exists or not target.get("immutable") or version.immutable_fails:
        _fill(secret, external_secret, data)
    labels = metadata.setdefault("labels", {})
    labels.pop(LABEL_OWNER, None)
    if owned:
        origin = external_secret["metadata"]
        labels[LABEL_OWNER] = owner_hash(origin["namespace"], origin["name"], version)
    labels[LABEL_MANAGED] = "true"
    metadata.setdefault("annotations", {})[ANNOTATION_HASH] = data_hash(secret_data(secret), version)
    return secret


def _set_owner(secret: Object, external_secret: Object, *, owned: bool) -> None:
    metadata, origin = secret["metadata"], external_secret["metadata"]
    references = metadata.get("ownerReferences") or []
    controller = next((reference for reference in references if reference.get("controller")), None)
    if controller is not None:
        ours = controller["kind"] == "ExternalSecret" and controller["apiVersion"].startswith(ESO_GROUP + "/")
        if ours and controller["name"] != origin["name"]:
            raise NotRetried(
                "target is owned by another ExternalSecret",
                f"secret is owned by another ExternalSecret: {controller['name']}",
            )
        if not ours and owned:
            raise NotRetried(
                "failed to take ownership of target secret",
                "could not set controller reference on secret: "
                f"Object {metadata['namespace']}/{metadata['name']} is already owned by another "
                f"{controller['kind']} controller {controller['name']}",
            )
        references = [reference for reference in references if not (ours and reference is controller)]
    if owned:
        references = [
            *references,
            {
                "apiVersion": f"{ESO_GROUP}/v1",
                "kind": "ExternalSecret",
                "name": origin["name"],
                "uid": origin["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            },
        ]
    metadata["ownerReferences"] = references


def _fill(secret: Object, external_secret: Object, values: dict[str, bytes]) -> None:
    """Data, labels and annotations: of the ExternalSecret itself without a template, else of the template."""
    target, origin, metadata = (
        external_secret["spec"]["target"],
        external_secret["metadata"],
        secret["metadata"],
    )
    manager = field_manager(origin["name"])
    data = secret_data(secret)
    for key in managed_keys(secret, manager, "data"):
        data.pop(key, None)
    if target["creationPolicy"] != "Merge":
        data = {}
    template = target.get("template")
    given = (template or {}).get("metadata", {}) if template is not None else origin
    for field in ("labels", "annotations"):
        entries = metadata.setdefault(field, {})
        for key in managed_keys(secret, manager, "metadata", field):
            entries.pop(key, None)
        entries.update(given.get(field) or {})
    if template is None:
        data |= values
    else:
        data |= _templated(secret, template, values)
    secret["data"] = {key: base64.b64encode(value).decode() for key, value in data.items()}


def _templated(secret: Object, template: Object, values: dict[str, bytes]) -> dict[str, bytes]:
    if template.get("type"):
        secret["type"] = template["type"]
    templates = template.get("data") or {}
    data = dict(values) if template["mergePolicy"] == "Merge" or not templates else {}
    data |= {key: rendered(key, text, values).encode() for key, text in templates.items()}
    for field in ("labels", "annotations"):
        for key, text in (template.get("metadata", {}).get(field) or {}).items():
            secret["metadata"][field][key] = rendered(key, text, values)
    return data


def rendered(name: str, template: str, values: dict[str, bytes]) -> str:
    """A template with `{{ .key }}`, alone or piped to `toString`, `b64enc`, `upper` or `fail`, filled in.

    Raises TemplateError in the words of Go's text/template; other actions are not imitated.
    """
    functions: dict[str, Callable[[str], str]] = {
        "toString": str,
        "upper": str.upper,
        "b64enc": lambda text: base64.b64encode(text.encode()).decode(),
    }

    def fail(position: int, text: str, *, parsing: bool = False) -> TemplateError:
        line = template.count("\n", 0, position) + 1
        column = "" if parsing else f":{position - template.rfind(chr(10), 0, position) - 1}"
        step = "parse" if parsing else "execute"
        return TemplateError(
            "could not execute template: could not execute template: "
            f"unable to execute template at key {name}: unable to {step} template at key {name}: "
            f"template: {name}:{line}{column}: {text}"
        )

    def fill(found: re.Match[str]) -> str:
        reference, *pipes = [part.strip() for part in found[1].split("|")]
        key = reference.removeprefix(".")
        position = found.start(1) + found[1].index(reference)
        for pipe in pipes:
            if pipe not in (*functions, "fail"):
                raise fail(found.start(), f'function "{pipe}" not defined', parsing=True)
        if not re.fullmatch(r"\.\w+", reference):
            raise fail(found.start(), f"the sandbox's operator does not know {reference}", parsing=True)
        if key not in values:
            raise fail(position, f'executing "{name}" at <{reference}>: map has no entry for key "{key}"')
        text = values[key].decode(errors="surrogateescape")
        for pipe in pipes:
            if pipe == "fail":  # says what it is given, as do many that cannot work with it
                position = found.start() + found[0].index("fail")
                raise fail(position, f'executing "{name}" at <fail>: error calling fail: {text}')
            text = functions[pipe](text)
        return text

    filled = re.sub(r"\{\{-?(.*?)-?\}\}", fill, template, flags=re.DOTALL)
    if "{{" in re.sub(r"\{\{.*?\}\}", "", template, flags=re.DOTALL):
        raise fail(template.rindex("{{"), "unclosed action", parsing=True)
    return filled
