"""What a person asked for, checked: nothing of it reaches a file before it is known to be well-formed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from secret_action.errors import InputError
from secret_action.inputs import parse
from secret_action.manifest.kustomize import KUSTOMIZATION_NAMES
from secret_action.manifest.read import Scope
from secret_action.model import Problem
from secret_action.naming import (
    ENVIRONMENT_PATTERN,
    KEY_PATTERN,
    PLACEHOLDER,
    SERVICE_PATTERN,
    ParameterPath,
    canonical_environment,
    normalised_key,
)

SHARED_INPUTS = ("tenants-directory", "tenant-path", "parameter-path", "store", "namespace")
"""Inputs of the contract that mean the same here."""

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""What Kubernetes takes for a namespace, and for what runs in it."""
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True)
class Entry:
    """One key of a Secret, and the parameter that it comes from.

    service, key: of the parameter's path; another service's parameter is foreign. property: of the JSON object that
    the parameter holds; empty where the whole value is wanted.
    """

    name: str
    service: str
    key: str
    property: str = ""

    def item(self, template: ParameterPath, environment: str) -> dict[str, Any]:
        """The entry of an ExternalSecret's `spec.data`, for an environment or the placeholder."""
        remote = {"key": template.render(environment, self.service, self.key)}
        return {"secretKey": self.name, "remoteRef": remote | ({"property": self.property} if self.property else {})}


@dataclass(frozen=True)
class Request:
    """One command.

    root: the tenants repository, absolute. secret: name of the ExternalSecret and of its Secret; empty for our choice
    in a new service. file: of a new ExternalSecret, below the base; empty for our choice. consumer: the workload that
    is to read the Secret; empty where there is one to choose. environments: of a new service.
    """

    root: Path
    service: str
    secret: str
    entries: tuple[Entry, ...]
    tenant_path: str
    parameter_path: ParameterPath
    store: str
    namespace: str = ""
    file: str = ""
    consumer: str = ""
    environments: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The tenant's, relative to the root."""
        return PurePosixPath(self.tenant_path.replace("{service}", self.service)).as_posix()

    @property
    def scope(self) -> Scope:
        """The tenant, with all that it has, as `validate` takes it."""
        return Scope(self.service, "", self.tenant_path, self.parameter_path, self.store)

    def items(self, environment: str) -> list[dict[str, Any]]:
        """The entries of `spec.data`, for an environment or the placeholder."""
        return [entry.item(self.parameter_path, environment) for entry in self.entries]


def read_request(given: Mapping[str, Any]) -> Request:
    """Arguments by name, as from the command line → what is asked for. Raises InputError with all that is wrong."""
    shared = {name: given.get(name.replace("-", "_")) or "" for name in SHARED_INPUTS}
    settings = parse({"mode": "validate", "service": given["service"], **shared}, {})
    root = Path(settings.github.directory or ".").resolve()
    request = Request(
        root=root,
        service=settings.service,
        secret=given.get("secret") or "",
        entries=tuple(_entries(given, settings.service, settings.parameter_path)),
        tenant_path=settings.github.tenant_path,
        parameter_path=settings.parameter_path,
        store=settings.store,
        namespace=settings.cluster.namespace,
        file=given.get("file") or "",
        consumer=given.get("consumer") or "",
        environments=tuple(name for name in (given.get("environments") or "").split(",") if name),
    )
    if problems := list(_problems(request)):
        raise InputError(*problems)
    return request


def _entries(given: Mapping[str, Any], service: str, template: ParameterPath) -> Iterator[Entry]:
    names: Sequence[str] = given["keys"]
    parameter, part = given.get("parameter") or "", given.get("property") or ""
    if (parameter or part) and len(names) != 1:
        raise InputError(
            Problem("--parameter and --property are about one key.", "Run the command once for each such key.")
        )
    for name in names:
        if not _ENV_NAME.fullmatch(name):
            raise InputError(
                Problem(
                    f"“{name}” cannot be a key: pods read it as the name of an environment variable.",
                    "Use letters, digits and underscores, such as DATABASE_URL.",
                )
            )
        owner, key = _parameter(parameter, service, template) if parameter else (service, normalised_key(name))
        if not KEY_PATTERN.fullmatch(key):
            raise InputError(Problem(f"“{name}” has no letter or digit.", "Give it a name that says what it is."))
        yield Entry(name, owner, key, part)


def _parameter(given: str, service: str, template: ParameterPath) -> tuple[str, str]:
    """Service and key of the parameter that `--parameter` names."""
    if given.startswith("/"):
        parts = template.parse(given)
        right = parts is not None and parts.environment == PLACEHOLDER
        owner, key = (parts.service, parts.key) if parts else ("", "")
    else:
        owner, _, key = given.rpartition("/")
        owner = owner or service
        right = True
    if not (right and SERVICE_PATTERN.fullmatch(owner) and KEY_PATTERN.fullmatch(key)):
        raise InputError(
            Problem(
                f"--parameter “{given}” is no parameter.",
                f"Write {template.render(PLACEHOLDER, 'SERVICE', 'key')}, SERVICE/key or key; a key is of lower-case "
                "letters, digits and underscores.",
            )
        )
    return owner, key


def _problems(request: Request) -> Iterator[Problem]:
    if not request.root.is_dir():
        yield Problem("--tenants-directory is no folder.", "Name a checkout of the tenants repository.")
    names = [entry.name for entry in request.entries]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(f"The key {name} is there twice.", "Name each key once.")
    if request.secret and not _SUBDOMAIN.fullmatch(request.secret):
        yield Problem(
            f"--secret “{request.secret}” is no name that Kubernetes takes.",
            "Use lower-case letters, digits, hyphens and dots.",
        )
    if request.namespace and not LABEL.fullmatch(request.namespace):
        yield Problem(
            f"--namespace “{request.namespace}” is no name that Kubernetes takes.",
            "Use at most 63 lower-case letters, digits and hyphens.",
        )
    path = PurePosixPath(request.file)
    if request.file and (
        path.is_absolute()
        or ".." in path.parts
        or path.suffix not in (".yaml", ".yml")
        or path.name in KUSTOMIZATION_NAMES
        or not request.file.isprintable()
    ):
        yield Problem(
            f"--file “{request.file}” is no name for an ExternalSecret's file.",
            "Write a path relative to the base, such as external-secrets/db-es.yaml; a kustomization is none.",
        )
    for name in request.environments:
        if not ENVIRONMENT_PATTERN.fullmatch(name):
            yield Problem(
                f"--environments: “{name}” is no environment's name.", "Use lower-case letters, digits and hyphens."
            )
    if len({canonical_environment(name) for name in request.environments}) < len(request.environments):
        yield Problem("--environments names one environment twice.", "`production` is another spelling of `prod`.")
