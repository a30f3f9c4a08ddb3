"""From the inputs to a connection: kubeconfig, in-cluster or EKS by name. Only here is the Kubernetes client loaded.

A client key is a file for as long as OpenSSL needs to read it: in a private folder that is gone before the first
request is sent.
"""

from __future__ import annotations

import base64
import binascii
import functools
import ipaddress
import os
import re
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlsplit

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.credentials import BearerToken, FixedHeader, Token, run_plugin, token_of, usable_token
from secret_action.cluster.kubeconfig import Access, read_kubeconfig
from secret_action.cluster.live import section
from secret_action.cluster.transport import Authorization, HttpTransport
from secret_action.errors import InputError
from secret_action.model import Problem
from secret_action.ports import Clock, Log, SystemClock
from secret_action.settings import ClusterSettings

_CONNECTIONS = 16  # kept open per host; more are made when needed
_EKS_TOKEN_SECONDS = 14 * 60.0  # EKS takes a token for 15 minutes from the time that it was signed
_SECRETS_OF_USER = ("token", "password", "client-key-data")
_SECRETS_OF_PROVIDER = ("id-token", "refresh-token", "access-token", "client-secret")


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
    for a credential plug-in that fails, StoreError where EKS does not answer.
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
    return _in_cluster(log)


def _to_eks(name: str, eks: Eks, log: Log, clock: Clock) -> KubernetesApi:
    endpoint, authority = eks.describe_cluster(name)
    log.line(f"Cluster: EKS {name} at {endpoint}")
    token = BearerToken(lambda: Token(eks.token(name), _EKS_TOKEN_SECONDS), log, clock)
    configuration = _configuration()
    configuration.host = endpoint
    context = _tls(verify=True)
    context.load_verify_locations(cadata=base64.b64decode(authority).decode())
    return _api(configuration, context, token)


def _to_kubeconfig(access: Access, source: str, log: Log, clock: Clock) -> KubernetesApi:
    for url in (access.cluster["server"], access.cluster.get("proxy-url")):
        _mask_userinfo(url, log)
    access = replace(access, cluster={**access.cluster, "server": _without_userinfo(access.cluster["server"])})
    others = [f"“{name}”" for name in access.contexts if name != access.context]
    log.line(
        f"Cluster: {access.cluster['server']}, context “{access.context}”"
        + (f" (others in {source}: {', '.join(others)})" if others else "")
    )
    verify = not access.cluster.get("insecure-skip-tls-verify")
    if not verify:
        log.line(
            "Warning: the kubeconfig sets insecure-skip-tls-verify, so anyone on the way can read what this run sends. "
            "Put the cluster's CA into certificate-authority-data instead."
        )
    user = dict(access.user)
    authorization: Authorization | None = None
    if "exec" in user:
        status = run_plugin(user["exec"], access.cluster, access.folder, source)
        if "clientCertificateData" in status and "token" not in status:
            user = {
                "client-certificate-data": _base64(status["clientCertificateData"]),
                "client-key-data": _base64(status.get("clientKeyData", "")),
            }
        else:
            user = {}
            authorization = BearerToken(_plugin_tokens(status, access, source), log, clock)
    _mask(user, log)
    with tempfile.TemporaryDirectory(prefix="secret-sync-") as folder:  # mode 0700
        configuration = _loaded(access, user, folder, source)
        if user and not configuration.api_key and not configuration.cert_file:
            raise InputError(_no_credentials(access, source))
        context = _tls(verify=verify)
        _load_certificates(context, configuration, source)
    if access.cluster.get("proxy-url"):
        configuration.no_proxy = ""  # as kubectl: NO_PROXY is about the proxy of the environment
    elif _is_loopback(configuration.host):
        configuration.proxy = None  # as kubectl: Go never sends a loopback address through the environment's proxy
    return _api(configuration, context, authorization or _own_header(configuration, source, log))


def _plugin_tokens(first: Mapping[str, Any], access: Access, source: str) -> Callable[[], Token]:
    """The token of the run that has been made already, then of new ones."""
    runs = [first]

    def fetch() -> Token:
        status = runs.pop() if runs else run_plugin(access.user["exec"], access.cluster, access.folder, source)
        return token_of(status, source)

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
    configuration = _configuration()
    loader: Any = kube_config.KubeConfigLoader
    try:
        loader(config, temp_file_path=folder).load_and_set(configuration)
    except (ConfigException, OSError, binascii.Error, ValueError, TypeError, KeyError, AttributeError) as error:
        # Only the client's own words: others may quote a key.
        why = f": {error}" if isinstance(error, ConfigException) else ""
        raise InputError(
            Problem(
                f"{source}: the cluster or user of context “{access.context}” cannot be used{why}.",
                "Pass a kubeconfig with its certificates inside: `kubectl config view --raw --minify --flatten`.",
            )
        ) from None
    return configuration


def _load_certificates(context: ssl.SSLContext, configuration: Any, source: str) -> None:
    """Reads CA and client certificate into memory, so that their files can go at once."""
    try:
        if configuration.ssl_ca_cert:
            context.load_verify_locations(configuration.ssl_ca_cert)
        else:
            context.load_default_certs()
    except (ssl.SSLError, OSError):
        raise InputError(_bad_certificate(source, "certificate-authority-data")) from None
    try:
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
    except (ssl.SSLError, OSError):
        raise InputError(_bad_certificate(source, "client-certificate-data or client-key-data")) from None


def _bad_certificate(source: str, where: str) -> Problem:
    return Problem(
        f"{source}: {where} is not a certificate in PEM, or does not fit.",
        "Pass the kubeconfig as `kubectl config view --raw --minify --flatten` prints it.",
    )


def _no_credentials(access: Access, source: str) -> Problem:
    how = f"only {', '.join(sorted(access.user))}" if access.user else "nothing"
    return Problem(
        f"{source}: the user of context “{access.context}” has {how}, which cannot be used here.",
        "Use a token or a client certificate, or set eks-cluster.",
    )


def _in_cluster(log: Log) -> KubernetesApi:
    from kubernetes.config import ConfigException, incluster_config

    configuration = _configuration()
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
    context = _tls(verify=True)
    _load_certificates(context, configuration, "the service account's CA")
    return _api(configuration, context, _own_header(configuration, "the service account", log))


def _configuration() -> Any:
    from kubernetes.client.configuration import Configuration

    configuration = Configuration()
    configuration.retries = False
    configuration.connection_pool_maxsize = _CONNECTIONS
    return configuration


def _tls(*, verify: bool) -> ssl.SSLContext:
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
    # Python ≥ 3.13 refuses a CA without Authority Key Identifier, as EKS clusters of 1.16 or earlier have it
    # (kubernetes-client/python#2394). kubectl accepts it: chain, expiry and host name are checked all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _api(configuration: Any, context: ssl.SSLContext, authorization: Authorization) -> KubernetesApi:
    from kubernetes.client.rest import RESTClientObject

    configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None  # are in the context
    rest = RESTClientObject(configuration)
    rest.pool_manager.connection_pool_kw["ssl_context"] = context
    return KubernetesApi(HttpTransport(configuration.host, rest, authorization))


def _own_header(configuration: Any, source: str, log: Log) -> Authorization:
    """The client's own reading, which renews a service account's token from its file. Masks what it reads."""

    @functools.lru_cache(maxsize=1)
    def tidy(found: str) -> str:
        kind, _, token = found.partition(" ")
        log.mask(token)
        return f"{kind} {usable_token(token, source)}"

    def header() -> str | None:
        found = configuration.get_api_key_with_prefix("BearerToken")
        return tidy(found) if found else None

    header()  # a token that no header takes is told now
    return FixedHeader(header)


def _is_loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _without_userinfo(url: str) -> str:
    return re.sub(r"^(\w+://)?[^/?#]*@", r"\1", url)


def _mask_userinfo(url: Any, log: Log) -> None:
    """Up to the last `@`: a password may hold what a URL may not."""
    if isinstance(url, str) and (match := re.match(r"(?:\w+://)?([^:/@]*:)?(.+)@", url, re.DOTALL)):
        log.mask(match[2])


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
