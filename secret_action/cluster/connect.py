"""From the inputs to a connection: kubeconfig, in-cluster or EKS by name. Only here is the Kubernetes client loaded.

A client key is a file for as long as OpenSSL needs to read it: in a private folder that is gone before the first
request is sent.
"""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from secret_action.cluster.addresses import password_in, without_userinfo
from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.auth_provider import provider_tokens
from secret_action.cluster.client import load_certificates, new_configuration, new_tls, open_api
from secret_action.cluster.credentials import BearerToken, FixedHeader, Token, token_in_file, usable_token
from secret_action.cluster.errors import clean
from secret_action.cluster.kubeconfig import Access, read_kubeconfig
from secret_action.cluster.live import section, text
from secret_action.cluster.plugin import run_plugin, token_of
from secret_action.cluster.transport import Authorization
from secret_action.errors import InputError
from secret_action.model import Problem
from secret_action.ports import Clock, Log, SystemClock
from secret_action.settings import ClusterSettings

_EKS_TOKEN_SECONDS = 14 * 60.0  # EKS takes a token for 15 minutes from the time that it was signed
_SECRETS_OF_USER = ("token", "password", "client-key-data")
_SECRETS_OF_PROVIDER = ("id-token", "refresh-token", "access-token", "client-secret")
_UNVERIFIED = (
    "The kubeconfig sets insecure-skip-tls-verify, so anyone on the way can read and change what this run sends and "
    "is told. Put the cluster's CA into certificate-authority-data instead."
)


class Eks(Protocol):
    """What an EKS cluster is asked for, with the run's AWS credentials."""

    def describe_cluster(self, name: str) -> tuple[str, str]:
        """The API server's URL and its CA as base64 of PEM. Raises StoreError."""

    def token(self, name: str) -> str:
        """A bearer token for the cluster, good for 15 minutes. Raises StoreError."""


def connect(
    settings: ClusterSettings, log: Log, *, eks: Callable[[], Eks] | None, clock: Clock | None = None
) -> KubernetesApi:
    """A connection as the inputs ask for; nothing is sent to the cluster yet.

    eks: makes the AWS side, called only with `eks-cluster`. Raises InputError for a wrong kubeconfig, ClusterError
    for a credential plug-in or an OIDC issuer that fails, StoreError where EKS does not answer.
    """
    clock = clock or SystemClock()
    if settings.eks_cluster:
        if eks is None:
            raise InputError(Problem("eks-cluster needs AWS credentials.", "Give the step AWS credentials."))
        return _to_eks(settings.eks_cluster, eks(), log, clock)
    if settings.kubeconfig is not None:
        source = settings.kubeconfig_from or "kubeconfig"
        return _to_kubeconfig(
            read_kubeconfig(settings.kubeconfig.reveal(), source, settings.context), source, log, clock
        )
    if settings.context:  # a kubeconfig that came empty: another cluster than the one that is meant
        raise InputError(
            Problem(
                f"kube-context asks for “{settings.context}”, and there is no kubeconfig.",
                "Set kubeconfig; a secret that is not there, or not for this job, is an empty text.",
            )
        )
    return _in_cluster(log, clock)


def _to_eks(name: str, eks: Eks, log: Log, clock: Clock) -> KubernetesApi:
    endpoint, authority = eks.describe_cluster(name)
    log.line(f"Cluster: EKS {name} at {endpoint}")
    token = BearerToken(lambda: Token(eks.token(name), _EKS_TOKEN_SECONDS), log, clock)
    configuration = new_configuration()
    configuration.host = endpoint
    context = new_tls(verify=True)
    context.load_verify_locations(cadata=base64.b64decode(authority).decode())
    return open_api(configuration, context, token, log)


def _to_kubeconfig(access: Access, source: str, log: Log, clock: Clock) -> KubernetesApi:
    for url in (access.cluster["server"], access.cluster.get("proxy-url", "")):
        if password := password_in(url):
            log.mask(password)
    access = replace(access, cluster={**access.cluster, "server": without_userinfo(access.cluster["server"])})
    verify = not access.cluster.get("insecure-skip-tls-verify")
    others = [f"“{name}”" for name in access.contexts if name != access.context]
    log.line(
        f"Cluster: {access.cluster['server']}, context “{access.context}”"
        + (f" (others in {source}: {', '.join(others)})" if others else "")
        + ("" if verify else "; its certificate is not verified")
    )
    _mask(access.user, log)
    user, token = _account(access, source, log, clock)
    with tempfile.TemporaryDirectory(prefix="secret-sync-") as folder:  # mode 0700
        configuration = _loaded(access, user, folder, source)
        if access.user and token is None and not configuration.api_key and not configuration.cert_file:
            raise InputError(_no_credentials(access, source))
        context = new_tls(verify=verify)
        load_certificates(context, configuration, source)
    return open_api(
        configuration,
        context,
        token or _own_header(configuration, source, log),
        log,
        proxy_url_of=source if access.cluster.get("proxy-url") else "",
        warnings=() if verify else (_UNVERIFIED,),
    )


def _account(access: Access, source: str, log: Log, clock: Clock) -> tuple[Mapping[str, Any], BearerToken | None]:
    """What the Kubernetes client reads of the user, and the token that we keep fresh ourselves."""
    user = dict(access.user)
    user.pop("auth-provider", None)
    if path := user.pop("tokenFile", ""):
        user.pop("token", None)  # as kubectl: the file has precedence
        return user, _token_in(path, source, log, clock)
    if "token" not in user and (tokens := provider_tokens(access, source, log.mask)):
        return user, _begun(BearerToken(tokens, log, clock))
    if user.pop("exec", None) is None or "token" in user:
        return user, None
    status = run_plugin(access, source)
    if certificate := text(status, "clientCertificateData"):
        user["client-certificate-data"] = _base64(certificate)
        user["client-key-data"] = _base64(text(status, "clientKeyData"))
        _mask(user, log)
        if not text(status, "token"):
            return user, None
    return user, BearerToken(_plugin_tokens(status, access, source), log, clock)


def _token_in(path: str, source: str, log: Log, clock: Clock) -> BearerToken:
    return _begun(BearerToken(token_in_file(path, source), log, clock))


def _begun(token: BearerToken) -> BearerToken:
    token()  # one that no header takes is told now
    return token


def _plugin_tokens(first: Mapping[str, Any], access: Access, source: str) -> Callable[[], Token]:
    """The token of the run that has been made already, then of new ones."""
    runs = [first]

    def fetch() -> Token:
        return token_of(runs.pop() if runs else run_plugin(access, source), source)

    return fetch


def _loaded(access: Access, user: Mapping[str, Any], folder: str, source: str) -> Any:
    """The Kubernetes client's own reading of one context."""
    from kubernetes.config import ConfigException, kube_config

    config = {
        "current-context": "chosen",
        "contexts": [{"name": "chosen", "context": {"cluster": "chosen", "user": "chosen"}}],
        "clusters": [{"name": "chosen", "cluster": dict(access.cluster)}],
        "users": [{"name": "chosen", "user": dict(user)}],
    }
    configuration = new_configuration()
    loader: Any = kube_config.KubeConfigLoader
    try:
        loader(config, temp_file_path=folder).load_and_set(configuration)
    except Exception as error:  # what it trips over in a file of any shape; nothing of ours is in there
        # Only the client's own words: others may quote a key.
        why = f": {clean(str(error))}" if isinstance(error, ConfigException) else ""
        raise InputError(
            Problem(
                f"{source}: the cluster or user of context “{access.context}” cannot be used{why}.",
                "Pass a kubeconfig with its certificates inside: `kubectl config view --raw --minify --flatten`.",
            )
        ) from None
    return configuration


def _no_credentials(access: Access, source: str) -> Problem:
    how = f"only {', '.join(sorted(access.user))}" if access.user else "nothing"
    return Problem(
        f"{source}: the user of context “{access.context}” has {how}, which cannot be used here.",
        "Use a token or a client certificate, or set eks-cluster.",
    )


def _in_cluster(log: Log, clock: Clock) -> KubernetesApi:
    from kubernetes.config import ConfigException, incluster_config

    configuration = new_configuration()
    load: Any = incluster_config.load_incluster_config
    try:
        load(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        why = "" if "KUBERNETES_SERVICE_HOST" not in os.environ else f" ({error})"
        raise InputError(
            Problem(
                f"There is no way to the cluster: no kubeconfig was given, and this is not a pod with a service "
                f"account{why}.",
                "Set kubeconfig (its content, base64 of it, or a path) or eks-cluster (the cluster's name).",
            )
        ) from None
    log.line(f"Cluster: {configuration.host}, as this pod's service account")
    context = new_tls(verify=True)
    load_certificates(context, configuration, "the service account's CA")
    token = _token_in(incluster_config.SERVICE_TOKEN_FILENAME, "the service account", log, clock)
    return open_api(configuration, context, token, log)


def _own_header(configuration: Any, source: str, log: Log) -> Authorization:
    """The token or password that stands in the kubeconfig, masked. Raises InputError for one that no header takes."""
    found = configuration.get_api_key_with_prefix("BearerToken")
    if not found:
        return FixedHeader(lambda: None)
    kind, _, token = found.partition(" ")
    log.mask(token)
    header = f"{kind} {usable_token(token, source)}"
    return FixedHeader(lambda: header)


def _mask(user: Mapping[str, Any], log: Log) -> None:
    provider = section(user, "auth-provider", "config")
    secrets = [(name, user.get(name)) for name in _SECRETS_OF_USER]
    for name, secret in (*secrets, *((name, provider.get(name)) for name in _SECRETS_OF_PROVIDER)):
        if isinstance(secret, str) and secret:
            log.mask(secret)
            if name.endswith("-data"):
                try:
                    log.mask(base64.b64decode(secret).decode())
                except (binascii.Error, UnicodeDecodeError):
                    continue  # what is no PEM is refused soon


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
