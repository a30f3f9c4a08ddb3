"""A kubeconfig's exec plug-in: the program that hands out a token or a client certificate.

Its output is a credential and is never in a message; what it writes to stderr may be, cleaned.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from secret_action.cluster.credentials import Token, usable_token
from secret_action.cluster.errors import clean
from secret_action.cluster.kubeconfig import Access
from secret_action.cluster.live import entries, section, text
from secret_action.errors import ClusterError, InputError
from secret_action.model import Problem

_SECONDS = 60.0  # that it may take, where nobody sits in front of it
_EXTENSION = "client.authentication.k8s.io/exec"
_CREDENTIALS = ("token", "clientCertificateData", "clientKeyData")

# What a credential plug-in may need. All else stays out of its environment: the step's holds secret values.
_NAMES = {"PATH", "HOME", "USER", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}
_PREFIXES = ("AWS_", "AZURE_", "AAD_", "ARM_", "GOOGLE_", "CLOUDSDK_", "KUBE", "USE_GKE_")
_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"}


def run_plugin(access: Access, source: str) -> Mapping[str, Any]:
    """Runs the plug-in of a context; returns the `status` of the ExecCredential that it prints.

    Raises InputError where its program is not there or its entry is wrong, ClusterError where it fails.
    """
    found = section(access.user, "exec")
    command = text(found, "command")
    if not command or shutil.which(os.path.join(access.folder, command) if "/" in command else command) is None:
        raise InputError(_missing(command, found, source))
    interactive = sys.stdout.isatty()  # somebody may have to log in
    environment = plugin_environment(os.environ) | _own_environment(found, source)
    environment["KUBERNETES_EXEC_INFO"] = _request(access, interactive)
    try:
        done = subprocess.run(  # noqa: S603  # the kubeconfig's own command, without a shell
            [command, *_arguments(found, source)],
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if interactive else subprocess.PIPE,
            cwd=access.folder or None,
            env=environment,
            encoding="utf-8",
            errors="replace",
            timeout=None if interactive else _SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _failed(command, source, f"it did not end within {_SECONDS:g} seconds") from None
    except (OSError, ValueError) as error:
        raise _failed(command, source, clean(str(error))) from None
    if done.returncode:
        said = clean(done.stderr or "")
        raise _failed(command, source, f"exec: process returned {done.returncode}. {said}".rstrip(". "))
    return _status(done.stdout, text(found, "apiVersion"), command, source)


def plugin_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of this process's environment that a credential plug-in may see."""
    return {
        name: value
        for name, value in environment.items()
        if name in _NAMES or name.startswith(_PREFIXES) or name.upper() in _PROXIES
    }


def token_of(status: Mapping[str, Any], source: str) -> Token:
    """The token in an ExecCredential's status. Raises ClusterError where there is none."""
    if not (token := text(status, "token")):
        raise ClusterError(
            Problem(
                f"{source}: its credential plug-in gave neither a token nor a client certificate.",
                "Run the same command by hand; or set eks-cluster, or use a token.",
            )
        )
    return Token(usable_token(token, source), _seconds_left(status.get("expirationTimestamp")))


def _request(access: Access, interactive: bool) -> str:
    """The ExecCredential that a plug-in is given."""
    plugin = section(access.user, "exec")
    spec: dict[str, Any] = {"interactive": interactive}
    if plugin.get("provideClusterInfo") is True:
        configs = [each.get("extension") for each in entries(access.cluster, "extensions") if _is_config(each)]
        spec["cluster"] = {**access.cluster, **({"config": configs[0]} if configs else {})}
    request = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    return json.dumps(request, default=str)


def _is_config(extension: Mapping[str, Any]) -> bool:
    return text(extension, "name") == _EXTENSION


def _status(printed: str, version: str, command: str, source: str) -> Mapping[str, Any]:
    try:
        found = json.loads(printed)
    except (ValueError, RecursionError):
        raise _failed(command, source, "what it prints is not JSON") from None
    if not isinstance(found, Mapping) or not isinstance(found.get("status"), Mapping):
        raise _failed(command, source, "what it prints is no ExecCredential with a `status`")
    if (given := text(found, "apiVersion")) != version:
        raise _failed(command, source, f"it speaks {clean(given)}, and the kubeconfig asks for {clean(version)}")
    status: Mapping[str, Any] = found["status"]
    for name in _CREDENTIALS:
        if not isinstance(status.get(name, ""), str | None):
            raise _failed(command, source, f"its `{name}` is not a text")
    return status


def _arguments(plugin: Mapping[str, Any], source: str) -> list[str]:
    found = plugin.get("args") or []
    if not isinstance(found, list) or not all(isinstance(argument, str) for argument in found):
        raise InputError(_wrong("args", "a list of texts", source))
    return found


def _own_environment(plugin: Mapping[str, Any], source: str) -> dict[str, str]:
    found = plugin.get("env") or []
    variables = {text(item, "name"): item.get("value") for item in entries(plugin, "env")}
    if not isinstance(found, list) or len(found) != len(entries(plugin, "env")) or "" in variables:
        raise InputError(_wrong("env", "a list of names and values", source))
    own = {name: value for name, value in variables.items() if isinstance(value, str)}
    if len(own) != len(variables):
        raise InputError(_wrong("env", "a list of names and values, each of them a text", source))
    return own


def _wrong(name: str, what: str, source: str) -> Problem:
    return Problem(
        f"{source}: `{name}` of its credential plug-in is not {what}.",
        "Put each number, true and false in quotes.",
    )


def _failed(command: str, source: str, why: str) -> ClusterError:
    return ClusterError(
        Problem(
            f"{source}: its credential plug-in “{command}” failed: {why}",
            "Run the same command by hand with the same credentials; or set eks-cluster, or use a token.",
        )
    )


def _seconds_left(expires: object) -> float | None:
    try:
        end = datetime.fromisoformat(str(expires))
    except ValueError:
        return None
    return (end - datetime.now(UTC)).total_seconds() if end.tzinfo else None


def _missing(command: str, plugin: Mapping[str, Any], source: str) -> Problem:
    arguments = plugin.get("args")
    remedy = "Use a kubeconfig with a token or a client certificate in it."
    if isinstance(arguments, list):
        for flag in ("--cluster-name", "--cluster-id", "-i"):
            if flag in arguments[:-1]:
                name = arguments[arguments.index(flag) + 1]
                remedy = f"Set eks-cluster: {name} and leave the kubeconfig out: that needs no program. Or use a token."
    return Problem(
        f"{source} gets its credentials from the program “{command}”, which is not in this action's image.",
        remedy,
    )
