"""Names and how one follows from another: environments, parameter paths, keys, source names. Pure functions."""

from __future__ import annotations

import re
from dataclasses import dataclass

KEY_PATTERN = re.compile(r"[a-z0-9_]+")
ENVIRONMENT_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
SERVICE_PATTERN = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
PLACEHOLDER = "_ENV_"
MANAGED_LABEL = "zerotouch.io/managed"
"""The platform's mark: only ExternalSecrets that carry it with the value `true` are refreshed."""
CLAIM_FIELD = re.compile(r"secret([0-9]+)Name")
"""How a claim of the platform names the Secrets of the pods that it makes."""
OWN_TAGS = ("managed-by", "service", "environment", "repository")
"""Keys of the tags that every parameter of ours carries."""

_SPELLINGS = {"production": "prod"}

_RESERVED_PREFIXES = ("GITHUB_", "ACTIONS_", "RUNNER_", "INPUT_", "AWS_")
_RESERVED_NAMES = frozenset({"GITHUB_TOKEN", "APP_ID", "APP_PRIVATE_KEY", "KUBECONFIG"})


def is_preview_environment(environment: str) -> bool:
    """Whether `mode: cleanup` may touch this environment: `pr`, or one of a single pull request, `pr-…`."""
    return environment == "pr" or environment.startswith("pr-")


def canonical_environment(name: str) -> str:
    """The environment as SSM paths say it: `production` is another spelling of `prod`."""
    return _SPELLINGS.get(name, name)


def environment_spellings(environment: str) -> tuple[str, ...]:
    """All names that one environment's overlay folder or source names may bear, the canonical one first."""
    canonical = canonical_environment(environment)
    return (canonical, *(spelling for spelling, name in _SPELLINGS.items() if name == canonical))


def normalised_key(name: str) -> str:
    """`DATABASE-URL` → `database_url`: how the platform writes keys."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def is_reserved_source(name: str) -> bool:
    """True for names that hold the pipeline's own credentials or the runner's own variables.

    They are never a source: whoever edits a tenant must not be able to carry them into a parameter.
    """
    upper = name.upper()
    return upper in _RESERVED_NAMES or upper.startswith(_RESERVED_PREFIXES)


def _constant(text: str) -> str:
    return text.upper().replace("-", "_")


def source_prefixes(environment: str) -> tuple[str, ...]:
    """`prod` → (`PROD_`, `PRODUCTION_`)."""
    return tuple(f"{_constant(spelling)}_" for spelling in environment_spellings(environment))


@dataclass(frozen=True)
class ParameterPath:
    """The template of parameter paths, e.g. `/zerotouch/{env}/{service}/{key}`."""

    template: str

    def render(self, environment: str, service: str, key: str) -> str:
        """The path of one parameter; `environment` in any spelling."""
        return (
            self.template.replace("{env}", canonical_environment(environment))
            .replace("{service}", service)
            .replace("{key}", key)
        )

    def folder(self, environment: str, service: str) -> str:
        """What the paths of all parameters of a service begin with, without a slash at its end."""
        return self.render(environment, service, "").rstrip("/")

    def parse(self, path: str) -> PathParts | None:
        """What the path says of itself, or None where it does not follow the template."""
        pattern = re.escape(self.template)
        for name in ("env", "service", "key"):
            pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>[^/]+)")
        match = re.fullmatch(pattern, path)
        if match is None:
            return None
        said = match.groupdict()
        return PathParts(said.get("env", ""), said.get("service", ""), said.get("key", ""))

    def at(self, path: str) -> ParameterPath:
        """The template of the folders that are as deep as this path; of a parameter's path it is the same.

        `/zerotouch/dev` → `/zerotouch/{env}`, and what such a folder does not say is empty when it is parsed.
        """
        folder = path.rstrip("/")
        steps = self.template.split("/")[: folder.count("/") + 1]
        return ParameterPath("/".join(steps) + path[len(folder) :])

    def owned(self, path: str, environment: str, service: str) -> bool:
        """True where the path belongs to this environment and service, so that this run may write it."""
        parts = self.parse(path)
        return parts is not None and (parts.environment, parts.service) == (
            canonical_environment(environment),
            service,
        )


@dataclass(frozen=True)
class PathParts:
    """A parameter path taken apart by the template."""

    environment: str
    service: str
    key: str


def source_names(environment: str, service: str, key: str) -> tuple[tuple[str, ...], ...]:
    """The names that a value may come under, step by step; the first step that is present wins.

    `prod`, `my-service`, `database_url` → ((PROD_MY_SERVICE_DATABASE_URL, PRODUCTION_MY_SERVICE_DATABASE_URL),
    (PROD_DATABASE_URL, PRODUCTION_DATABASE_URL)). The plain name, which comes last, is the caller's affair.
    """
    prefixes = source_prefixes(environment)
    tail = _constant(key)
    return (
        tuple(f"{prefix}{_constant(service)}_{tail}" for prefix in prefixes),
        tuple(f"{prefix}{tail}" for prefix in prefixes),
    )
