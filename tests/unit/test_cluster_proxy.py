"""Proxies are taken as curl and kubectl take them; what is no proxy is told in words."""

import socket
import threading

import pytest
import yaml
from cluster_samples import Log, settings

from sandbox.kubernetes import KubernetesServer
from secret_action.cluster import connect
from secret_action.cluster.addresses import is_http_url, password_in, read_proxy, without_userinfo
from secret_action.errors import InputError

PASSWORD = "pa55/w@rd"
ENCODED = "pa55%2Fw%40rd"


class ProxyServer:
    """Lets CONNECT through to this machine, whatever name it asks for, and keeps the requests' headers."""

    def __enter__(self):
        self.heads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.heads.append(head.decode())
        port = int(head.split()[1].rpartition(b":")[2])
        server = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=_copy, args=(client, server), daemon=True).start()
        _copy(server, client)


def _copy(source, target):
    try:
        while some := source.recv(65536):
            target.sendall(some)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """Whatever the machine's own are."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def server():
    with KubernetesServer("", eso=False) as running:
        yield running


def config(server, /, **cluster):
    """The server under a name that only the proxy knows."""
    found = yaml.safe_load(server.kubeconfig())
    port = server.url.rpartition(":")[2]
    given = {"server": f"https://k8s.example:{port}", "tls-server-name": "localhost"}
    found["clusters"][0]["cluster"].update(given | cluster)
    return yaml.safe_dump(found)


def reach(kubeconfig):
    log = Log()
    api = connect(settings(kubeconfig), log, eks=None)
    assert api.served_versions("external-secrets.io")
    api.close()
    return log


def test_a_proxy_of_the_environment_needs_no_scheme(server, monkeypatch):
    """As for Go and curl."""
    with ProxyServer() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        reach(config(server))
    assert proxy.heads[0].startswith("CONNECT k8s.example:")
    assert "Proxy-Authorization" not in proxy.heads[0]


@pytest.mark.parametrize("place", ["environment", "kubeconfig"])
def test_a_proxy_is_given_its_account_and_nobody_else(place, server, monkeypatch):
    """The password is masked, and stands in no line."""
    with ProxyServer() as proxy:
        url = f"http://ci:{ENCODED}@{proxy.address}"
        if place == "environment":
            monkeypatch.setenv("HTTPS_PROXY", url)
            log = reach(config(server))
        else:
            log = reach(config(server, **{"proxy-url": url}))
    assert "Proxy-Authorization: Basic Y2k6cGE1NS93QHJk\r\n" in proxy.heads[0]  # ci:pa55/w@rd
    assert ENCODED in log.masked
    assert not any("pa55" in line for line in log.lines)


def test_no_proxy_is_about_the_environments_proxy_only(server, monkeypatch):
    """One in the kubeconfig is meant for this cluster."""
    with ProxyServer() as proxy:
        monkeypatch.setenv("NO_PROXY", "*")
        reach(config(server, **{"proxy-url": f"http://{proxy.address}"}))
    assert proxy.heads


@pytest.mark.parametrize("no_proxy", [".k8s.example", "k8s.example:443"])
def test_a_cluster_that_no_proxy_does_not_name_is_reached_by_the_proxy(no_proxy, server, monkeypatch):
    """By our reading, whatever the client's would be."""
    with ProxyServer() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        reach(config(server))
    assert proxy.heads


@pytest.mark.parametrize(
    ("no_proxy", "given"),
    [("k8s.example", {}), ("*.example", {}), ("k8s.example:443", {"server": "https://k8s.example"})],
)
def test_a_cluster_in_no_proxy_does_not_care_for_the_proxy(no_proxy, given, server, monkeypatch):
    """Not even for one that could not be used."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example:1080")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    connect(settings(config(server, **given)), Log(), eks=None).close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("socks5://ci:pa55@proxy.example:1080", "socks5://, which is not supported"),
        ("ftp://ci:pa55@proxy.example", "ftp://, which is not supported"),
        ("http://ci:pa55@[bad", "is not a URL"),
        ("http://ci:pa55#x@proxy.example:3128", "is not a URL"),
        ("http://", "names no host"),
    ],
)
@pytest.mark.parametrize("place", ["environment", "kubeconfig"])
def test_what_is_no_proxy_is_told_in_words(url, words, place, server, monkeypatch):
    """Where it is from and what to write; never its password."""
    if place == "environment":
        monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(InputError) as error:
        connect(settings(config(server, **({"proxy-url": url} if place == "kubeconfig" else {}))), Log(), eks=None)
    (problem,) = error.value.problems
    assert words in problem.what
    assert ("HTTPS_PROXY" if place == "environment" else "`proxy-url` of kubeconfig") in problem.what
    assert "pa55" not in problem.what + problem.remedy


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("ci:x@proxy:3128", "http://proxy:3128"),
        ("http://proxy.example", "http://proxy.example"),
        ("HTTPS://ci:x@Proxy.example:443/", "https://proxy.example:443"),
        ("[fd00::1]:3128", "http://[fd00::1]:3128"),
    ],
)
def test_a_proxy_is_brought_into_one_form(given, url):
    """Scheme, host, port; IPv6 too."""
    assert read_proxy(given, "HTTPS_PROXY").url == url
    assert "Basic" not in repr(read_proxy(given, "HTTPS_PROXY"))


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://10.0.0.1:6443", True),
        ("https://[fd00::1]:6443", True),
        ("https://rancher.example/k8s/clusters/c-1", True),
        ("https://", False),
        ("https://h:port", False),
        ("h:6443", False),
    ],
)
def test_a_url_is_known(url, whole):
    """Of HTTP, with a host and a port that there can be."""
    assert is_http_url(url) is whole


@pytest.mark.parametrize(
    ("url", "bare", "password"),
    [
        ("https://u:p@h:1/x", "https://h:1/x", "p"),
        ("https://p@h", "https://h", "p"),
        ("u:p@h:1", "h:1", "p"),
        ("https://h/x", "https://h/x", ""),
    ],
)
def test_the_account_in_a_url_is_found(url, bare, password):
    """It goes, and is masked."""
    assert (without_userinfo(url), password_in(url)) == (bare, password)
