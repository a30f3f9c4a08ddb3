"""Credentials that run out: tokens of exec plug-ins and of EKS, renewed while a run waits."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from secret_action.cluster.errors import clean
from secret_action.errors import ClusterError, InputError
from secret_action.model import Problem
from secret_action.ports import Clock, Log

# What a credential plug-in may need. All else stays out of its environment: the step's holds secret values.
_PLUGIN_NAMES = {"PATH", "HOME", "USER", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}
_PLUGIN_PREFIXES = ("AWS_", "AZURE_", "AAD_", "ARM_", "GOOGLE_", "CLOUDSDK_", "KUBE", "USE_GKE_")
_PLUGIN_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"}

_EARLY = 60.0  # seconds before its end that a token is renewed


@dataclass(frozen=True)
class Token:
    """A bearer token. seconds: how long it is good for from now; None where it does not say."""

    text: str = field(repr=False)
    seconds: float | None


class BearerToken:
    """The value of the Authorization header, renewed before the token in it runs out. Masks each token it gets."""

    def __init__(self, fetch: Callable[[], Token], log: Log, clock: Clock) -> None:
        self._fetch = fetch
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._header = ""
        self._renew_at: float | None = None

    def __call__(self) -> str:
        """The header's value. Raises what fetching raises."""
        with self._lock:
            if not self._header or (self._renew_at is not None and self._clock.now() >= self._renew_at):
                token = self._fetch()
                self._log.mask(token.text)
                self._header = f"Bearer {token.text}"
                lasting = token.seconds
                self._renew_at = None if lasting is None else self._clock.now() + max(lasting - _EARLY, lasting / 2)
            return self._header

    def renew(self, refused: str) -> bool:
        """Forgets a header that the cluster did not accept, unless it has been renewed since. Always worth a try."""
        with self._lock:
            if self._header == refused:
                self._header = ""
        return True


class FixedHeader:
    """A header that this program cannot renew by itself."""

    def __init__(self, read: Callable[[], str | None]) -> None:
        self._read = read

    def __call__(self) -> str | None:
        """The header's value, None without one."""
        return self._read()

    def renew(self, refused: str) -> bool:
        """Whether it reads another one now: a service account's token is a file that the kubelet renews."""
        return self._read() != refused


def run_plugin(plugin: Any, cluster: Mapping[str, Any], folder: str, source: str) -> Mapping[str, Any]:
    """Runs a kubeconfig's exec plug-in; returns the `status` of the ExecCredential that it prints.

    Raises InputError where its program is not there, ClusterError where it fails.
    """
    from kubernetes.config import ConfigException, exec_provider, kube_config

    command = str(plugin.get("command") or "") if isinstance(plugin, Mapping) else ""
    if not command or shutil.which(os.path.join(folder, command) if "/" in command else command) is None:
        raise InputError(_plugin_missing(command, plugin, source))
    node: Any = kube_config.ConfigNode
    new_provider: Any = exec_provider.ExecProvider
    try:
        provider = new_provider(node("exec", plugin), folder, node("cluster", cluster))
        provider.env = plugin_environment(os.environ) | _own_environment(plugin)
        status = provider.run()
    except (ConfigException, OSError, KeyError, TypeError, ValueError) as error:
        raise ClusterError(
            Problem(
                f"{source}: its credential plug-in “{command}” failed: {clean(str(error))}",
                "Run the same command by hand with the same credentials; or set eks-cluster, or use a token.",
            )
        ) from None
    return status if isinstance(status, Mapping) else {}


def plugin_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of this process's environment that a credential plug-in may see."""
    return {
        name: value
        for name, value in environment.items()
        if name in _PLUGIN_NAMES or name.startswith(_PLUGIN_PREFIXES) or name.upper() in _PLUGIN_PROXIES
    }


def _own_environment(plugin: Mapping[str, Any]) -> dict[str, str]:
    return {str(item["name"]): str(item["value"]) for item in plugin.get("env") or []}


def token_of(status: Mapping[str, Any], source: str) -> Token:
    """The token in an ExecCredential's status. Raises ClusterError where there is none."""
    token = status.get("token")
    if not isinstance(token, str) or not token:
        raise ClusterError(
            Problem(
                f"{source}: its credential plug-in gave neither a token nor a client certificate.",
                "Run the same command by hand; or set eks-cluster, or use a token.",
            )
        )
    return Token(usable_token(token, source), _seconds_left(status.get("expirationTimestamp")))


def usable_token(token: str, source: str) -> str:
    """A token as a header takes it: without the line break that a file or a YAML block ends with.

    Raises InputError where another character is left that no token has.
    """
    stripped = token.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", stripped):
        raise InputError(
            Problem(
                f"{source}: its token has a line break or another character in it that no token has, or is empty.",
                "Put the token in one line, exactly as it was issued.",
            )
        )
    return stripped


def _seconds_left(expires: object) -> float | None:
    try:
        end = datetime.fromisoformat(str(expires))
    except ValueError:
        return None
    return (end - datetime.now(UTC)).total_seconds() if end.tzinfo else None


def _plugin_missing(command: str, plugin: Any, source: str) -> Problem:
    arguments = plugin.get("args") or [] if isinstance(plugin, Mapping) else []
    remedy = "Use a kubeconfig with a token or a client certificate in it."
    for flag in ("--cluster-name", "--cluster-id", "-i"):
        if flag in arguments[:-1]:
            name = arguments[arguments.index(flag) + 1]
            remedy = f"Set eks-cluster: {name} and leave the kubeconfig out: that needs no program. Or use a token."
    return Problem(
        f"{source} gets its credentials from the program “{command}”, which is not in this action's image.",
        remedy,
    )
