"""The public contract, defined once: inputs, outputs, modes, exit codes.

`action.yml`, the README's tables and the command line's help are generated from this module
(`python tools/generate.py`), and a test fails when they differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from secret_action.naming import MANAGED_LABEL


@dataclass(frozen=True)
class Input:
    """One input of the action, which is also a flag of the command line.

    default: as users see it; empty where there is none.
    variable: the environment variable that stands in where the input is empty.
    choices: the words that are allowed, where only some are.
    """

    name: str
    meaning: str
    default: str = ""
    variable: str = ""
    choices: tuple[str, ...] = ()
    shown_default: str = ""
    """What the tables say where the default is not a fixed text."""


@dataclass(frozen=True)
class Output:
    """One output of the action."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Mode:
    """How far a run goes."""

    name: str
    meaning: str
    reads_cloud: bool
    """Reads SSM."""
    writes_store: bool
    refreshes: bool


MODES = (
    Mode("validate", "manifests and rules; needs no cloud", False, False, False),
    Mode("plan", "adds values and SSM reads; writes nothing", True, False, False),
    Mode("push", "writes SSM", True, True, False),
    Mode("refresh", "the cluster only", False, False, True),
    Mode("release", "all of it", True, True, True),
    Mode("cleanup", "removes a preview environment's parameters", True, True, False),
)

INPUTS = (
    Input(
        "mode",
        "How far the run goes: " + ", ".join(f"`{mode.name}` ({mode.meaning})" for mode in MODES) + ".",
        default="release",
        choices=tuple(mode.name for mode in MODES),
    ),
    Input(
        "environment",
        "`dev`, `pr`, `staging`, `production`, … Required; in `validate`, empty means every overlay.",
    ),
    Input(
        "service",
        "Tenant folder and SSM path segment. In `validate` in the tenants repository, empty means every tenant.",
        shown_default="the repository's name",
    ),
    Input("app-id", "GitHub App ID or client ID.", variable="APP_ID"),
    Input(
        "app-private-key",
        "The App's private key: PEM, PEM with literal `\\n`, or base64 of the PEM.",
        variable="APP_PRIVATE_KEY",
    ),
    Input(
        "tenants-repository",
        "Repository of the manifests: a name, or owner/name. Without an owner, the workflow's own.",
        default="zerotouch-tenants",
    ),
    Input("tenants-ref", "Branch, tag or commit of it.", shown_default="its default branch"),
    Input(
        "tenants-directory",
        "A checkout that is already there. With it no token is minted and GitHub is not called.",
        shown_default="the workspace, when the workflow runs in the tenants repository and has it checked out",
    ),
    Input(
        "tenant-path",
        "Folder of the service in it; of one overlay, where the environment has several.",
        default="tenants/{service}",
    ),
    Input(
        "secrets",
        "JSON object of values, as from `toJSON(secrets)`. Values in the step's `env:` need no input.",
    ),
    Input(
        "unprefixed-secrets",
        "`true`: plain names in `secrets` belong to this environment (a GitHub environment's own secrets).",
        default="false",
        choices=("true", "false"),
    ),
    Input(
        "parameter-path",
        "Template of a parameter's path; names all three and ends in `/{key}`.",
        default="/zerotouch/{env}/{service}/{key}",
    ),
    Input("store", "Name of the platform's secret store.", default="aws-parameter-store"),
    Input("aws-region", "Region of SSM, STS and EKS.", shown_default="`AWS_REGION`, then `AWS_DEFAULT_REGION`"),
    Input("aws-role-to-assume", "ARN of a role; assumed with the job's OIDC token."),
    Input(
        "aws-kms-key-id",
        "KMS key, sent on every write when given.",
        shown_default="the key that a parameter has; for a new one the account's default",
    ),
    Input("tags", "`key=value` lines, put on parameters beside our own."),
    Input(
        "kubeconfig",
        "Content (YAML or base64 of it) or a path.",
        shown_default="`KUBECONFIG`, then in-cluster",
    ),
    Input("kube-context", "Context of the kubeconfig.", shown_default="its current one"),
    Input(
        "eks-cluster",
        "Name of an EKS cluster: connects with the AWS credentials, without a kubeconfig.",
    ),
    Input("namespace", "Namespace for manifests that name none; needed only then."),
    Input(
        "label-selector",
        "Narrows what may be refreshed; never widens it.",
        default=f"{MANAGED_LABEL}=true",
    ),
    Input(
        "refresh",
        "`always`, `changed` (only where the cluster's Secret is not shown to hold the wanted bytes), "
        "`force` (also rebuilds those that an annotation cannot refresh), `never`.",
        default="always",
        choices=("always", "changed", "force", "never"),
    ),
    Input(
        "timeout",
        "Seconds for the cluster: to take over manifests and to prove the refresh.",
        default="300",
    ),
    Input(
        "restart",
        "`changed`: roll workloads whose pods are older than their Secret's data, and wait for them.",
        default="never",
        choices=("never", "changed"),
    ),
    Input(
        "prune",
        "In `release` and `push`, at the very end: delete owned parameters that carry our tag and that no "
        "manifest asks for. `true` (at most 10 a run), or the most that a run may delete. In `cleanup`, such a number "
        "takes the place of its own limit of 100.",
        default="false",
    ),
    Input(
        "dry-run",
        "Any mode up to its first write, then stop.",
        default="false",
        choices=("true", "false"),
    ),
)

OUTPUTS = (
    Output("result", "`success` or `failure`"),
    Output("changed", "`true` when a parameter was created, updated or pruned"),
    Output("created", "parameters created"),
    Output("updated", "parameters updated"),
    Output("unchanged", "parameters that already held the wanted value"),
    Output("kept", "parameters that exist and were given no value"),
    Output("pruned", "parameters deleted"),
    Output("refreshed", "ExternalSecrets that were proven to be refreshed"),
    Output("restarted", "workloads rolled"),
    Output("failed", "parameters and ExternalSecrets that failed"),
    Output("tenants-sha", "the commit of the tenants repository that was judged"),
    Output(
        "report",
        "the JSON report's path, relative to `runner.temp`; names, states and findings, never values",
    ),
)

EXIT_CODES = {
    0: "done and proven",
    1: "something failed, and the summary says what",
    2: "inputs or manifests are wrong, and nothing was written",
}


def mode(name: str) -> Mode:
    """The mode of this name. Raises KeyError for a name that is none; settings check that first."""
    return {mode.name: mode for mode in MODES}[name]
