"""Which Secrets a pod reads, and when: once, as it starts, or as files that the kubelet keeps up to date.

Pure. The environment of a container and a mount with `subPath` are made when the container starts and never again.
A volume that is mounted whole gets new content within about a minute; Kubernetes does not know whether the process
looks at it again, so such a workload is told of and not rolled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from secret_action.cluster.live import Object, entries, section, text

_RELOADER = "reloader.stakater.com"
_VARIABLE = re.compile(r"STAKATER_.*_SECRET")
_CONTAINERS = ("initContainers", "containers")


@dataclass(frozen=True)
class Use:
    """How a pod reads one Secret."""

    secret: str
    at_start: bool
    """Only when it starts: new data needs a new pod. False: as files that are renewed."""
    required: bool
    """None of those who read it starts without the Secret."""
    containers: frozenset[str] = frozenset()
    """Those that read it as they start; none where they are not known, which counts as all."""


def uses(pod_spec: Object) -> tuple[Use, ...]:
    """Each Secret that a pod (`spec`, or a template's `spec.template.spec`) reads, once."""
    return merged(_all(pod_spec))


def merged(several: Iterable[Use]) -> tuple[Use, ...]:
    """One for each Secret."""
    found: dict[str, Use] = {}
    for use in several:
        before = found.get(use.secret, use)
        found[use.secret] = Use(
            use.secret,
            use.at_start or before.at_start,
            use.required and before.required,
            use.containers | before.containers,
        )
    return tuple(found.values())


def _all(spec: Object) -> Iterator[Use]:
    volumes = {text(volume, "name"): tuple(_of_volume(volume)) for volume in entries(spec, "volumes")}
    for container in (each for kind in _CONTAINERS for each in entries(spec, kind)):
        reader = frozenset({text(container, "name")})
        references = [section(source, "secretRef") for source in entries(container, "envFrom")]
        references += [section(variable, "valueFrom", "secretKeyRef") for variable in entries(container, "env")]
        for reference in references:
            if name := text(reference, "name"):
                yield Use(name, True, reference.get("optional") is not True, reader)
        for mount in entries(container, "volumeMounts"):
            at_start = bool(text(mount, "subPath") or text(mount, "subPathExpr"))
            for name, required in volumes.get(text(mount, "name"), ()):
                yield Use(name, at_start, required, reader if at_start else frozenset())


def _of_volume(volume: Object) -> Iterator[tuple[str, bool]]:
    """The Secrets that a volume is made of, and whether it needs them."""
    sources = [(section(volume, "secret"), "secretName")]
    sources += [(section(source, "secret"), "name") for source in entries(section(volume, "projected"), "sources")]
    for source, field in sources:
        if name := text(source, field):
            yield name, source.get("optional") is not True


def reloader_rolls(annotations: Mapping[str, object], secret: str, marks: Mapping[str, object]) -> bool:
    """Whether Stakater's Reloader is told to roll a workload when this Secret changes.

    annotations: the workload's, its pod template's beneath them. marks: the Secret's annotations.
    """

    def says(name: str) -> bool:
        return annotations.get(name) == "true"

    def lists(name: str) -> list[str]:
        return [part.strip() for part in str(annotations.get(name, "")).split(",") if part.strip()]

    if marks.get(f"{_RELOADER}/ignore") == "true":
        return False
    if any(_matches(pattern, secret) for pattern in lists(f"secret.{_RELOADER}/reload")):
        return True
    if says(f"{_RELOADER}/search") and marks.get(f"{_RELOADER}/match") == "true":
        return True
    automatic = says(f"{_RELOADER}/auto") or says(f"secret.{_RELOADER}/auto")
    return automatic and secret not in lists(f"secrets.exclude.{_RELOADER}/reload")


def reloader_marks(made: Object) -> dict[str, str]:
    """What Reloader has written into a pod, or a template, as it rolled it for Secrets: each time something else.

    A variable for each Secret (`STAKATER_DB_SECRET`), or one annotation that tells of the last, here under its name.
    """
    variables = (
        variable
        for kind in _CONTAINERS
        for container in entries(section(made, "spec"), kind)
        for variable in entries(container, "env")
    )
    marks = {name: text(one, "value") for one in variables if _VARIABLE.fullmatch(name := text(one, "name"))}
    if told := text(made, "metadata", "annotations", f"{_RELOADER}/last-reloaded-from"):
        marks[_reloaded_from(told)] = told
    return marks


def reloader_marks_of(secret: str) -> tuple[str, str]:
    """Under which names Reloader leaves its marks for this Secret."""
    return f"STAKATER_{re.sub('[^A-Z0-9]+', '_', secret.upper())}_SECRET", secret


def _reloaded_from(annotation: str) -> str:
    """The name of the Secret that it tells of; empty where it is of something else."""
    try:
        told = json.loads(annotation)
    except ValueError:
        return ""
    if not isinstance(told, dict) or (text(told, "type") or text(told, "kind")).lower() != "secret":
        return ""
    return text(told, "name")


def _matches(pattern: str, name: str) -> bool:
    """Reloader takes each entry of its list for a regular expression; of these only `.*` is honoured here, since
    others could keep a run busy for ever."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split(".*"))), name) is not None
