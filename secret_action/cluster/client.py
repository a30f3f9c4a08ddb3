"""The Kubernetes client's own parts, set up for this program: its configuration, TLS, proxies."""

from __future__ import annotations

import os
import ssl
from typing import Any

from secret_action.cluster.addresses import password_in, read_proxy
from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.no_proxy import is_direct, no_proxy_of
from secret_action.cluster.transport import Authorization, HttpTransport
from secret_action.errors import InputError
from secret_action.model import Problem
from secret_action.ports import Log

_CONNECTIONS = 16  # kept open per host; more are made when needed


def new_configuration() -> Any:
    """The client's configuration, with the proxy of the environment."""
    from kubernetes.client.configuration import Configuration

    configuration = Configuration()
    configuration.retries = False
    configuration.connection_pool_maxsize = _CONNECTIONS
    return configuration


def new_tls(*, verify: bool) -> ssl.SSLContext:
    """TLS as kubectl speaks it, without a CA yet."""
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
    # Python ≥ 3.13 refuses a CA without Authority Key Identifier, as EKS clusters of 1.16 or earlier have it
    # (kubernetes-client/python#2394). kubectl accepts it: chain, expiry and host name are checked all the same.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def load_certificates(context: ssl.SSLContext, configuration: Any, source: str) -> None:
    """Reads CA and client certificate into memory, so that their files can go at once. Raises InputError."""
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


def open_api(
    configuration: Any,
    context: ssl.SSLContext,
    authorization: Authorization,
    log: Log,
    *,
    proxy_url_of: str = "",
    warnings: tuple[str, ...] = (),
) -> KubernetesApi:
    """The API over the client's pool of connections.

    proxy_url_of: the kubeconfig that the proxy is from; empty for that of the environment. Raises InputError for a
    proxy that cannot be used.
    """
    from kubernetes.client.rest import RESTClientObject

    _choose_proxy(configuration, proxy_url_of, log)
    configuration.ssl_ca_cert = configuration.cert_file = configuration.key_file = None  # are in the context
    rest = RESTClientObject(configuration)
    rest.pool_manager.connection_pool_kw["ssl_context"] = context
    return KubernetesApi(HttpTransport(configuration.host, rest, authorization), warnings=warnings)


def _choose_proxy(configuration: Any, proxy_url_of: str, log: Log) -> None:
    if not proxy_url_of and is_direct(configuration.host, no_proxy_of(os.environ)):
        configuration.proxy = None  # as kubectl: NO_PROXY is about the proxy of the environment
    configuration.no_proxy = ""  # which the client reads otherwise
    if not configuration.proxy:
        return
    if password := password_in(configuration.proxy):
        log.mask(password)
    source = f"`proxy-url` of {proxy_url_of}" if proxy_url_of else "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"
    proxy = read_proxy(configuration.proxy, source)
    configuration.proxy, configuration.proxy_headers = proxy.url, dict(proxy.headers)


def _bad_certificate(source: str, where: str) -> Problem:
    return Problem(
        f"{source}: {where} is not a certificate in PEM, or does not fit.",
        "Pass the kubeconfig as `kubectl config view --raw --minify --flatten` prints it.",
    )
