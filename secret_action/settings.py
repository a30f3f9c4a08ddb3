"""One run, fully described, as frozen values. `inputs.py` makes them from what users write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secret_action.contract import Mode
from secret_action.naming import ParameterPath
from secret_action.selector import Selector
from secret_action.values import SecretValue


@dataclass(frozen=True)
class AppCredentials:
    """The GitHub App's id (or client ID) and its private key as PEM text."""

    app_id: str
    private_key: SecretValue


@dataclass(frozen=True)
class GitHubSettings:
    """How to get the tenants repository.

    repository: owner/name. ref: empty for the default branch. directory: a checkout that is there already; with it
    `credentials` are not needed and GitHub is not called. workspace: the runner's workspace, empty outside of one.
    """

    api_url: str
    repository: str
    ref: str
    directory: str
    tenant_path: str
    credentials: AppCredentials | None
    workspace: str


@dataclass(frozen=True)
class OidcSettings:
    """Where the runner hands out the job's OIDC token; both empty without `id-token: write`."""

    request_url: str
    request_token: SecretValue


@dataclass(frozen=True)
class AwsSettings:
    """region: empty where neither input nor environment names one. role, kms_key_id: empty where not given."""

    region: str
    role: str
    kms_key_id: str
    oidc: OidcSettings | None
    session_name: str
    """Role session name, ≤ 64 characters of `[\\w+=,.@-]`: names service and run, for CloudTrail."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """The user's own, beside ours."""


@dataclass(frozen=True)
class ClusterSettings:
    """How to reach the cluster, and what to do there.

    kubeconfig: YAML, base64 of YAML, or a path (from the input, then the variable KUBECONFIG); None for in-cluster.
    kubeconfig_from: the name of what it came from, for messages. timeout: seconds.
    refresh: `always`, `changed`, `force` or `never`. restart: `never` or `changed`.
    """

    kubeconfig: SecretValue | None
    kubeconfig_from: str
    context: str
    eks_cluster: str
    namespace: str
    selector: Selector
    store: str
    refresh: str
    timeout: float
    restart: str = "never"


@dataclass(frozen=True)
class ValueSettings:
    """What the pipeline handed over: the step's environment and the `secrets` object, still by source name."""

    environment: Mapping[str, SecretValue]
    secrets: Mapping[str, SecretValue]
    unprefixed: bool
    forbidden: tuple[SecretValue, ...] = ()
    """The pipeline's own credentials: never a parameter's value, under whatever name they are handed over."""


@dataclass(frozen=True)
class Settings:
    """One run, fully described. `environment` is in the caller's spelling; empty means every overlay."""

    mode: Mode
    environment: str
    service: str
    """Empty: every tenant (`validate` in the tenants repository)."""
    dry_run: bool
    prune: int
    """The most left-over parameters that the run may delete; 0: none."""
    parameter_path: ParameterPath
    store: str
    github: GitHubSettings
    aws: AwsSettings
    cluster: ClusterSettings
    values: ValueSettings
    paths: tuple[str, ...] = ()
    """`validate PATH…`: tenant folders, or files in them."""
