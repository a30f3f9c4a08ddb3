"""Tokens that are renewed while a run waits, the programs that hand them out, and files of well-known clusters."""

import base64
import json

import pytest
import yaml
from cluster_samples import Log, settings

from sandbox.http import make_certificate
from sandbox.kubernetes import KubernetesServer
from secret_action.cluster import connect
from secret_action.cluster.credentials import BearerToken, Token, token_in_file
from secret_action.cluster.kubeconfig import read_kubeconfig
from secret_action.errors import ClusterError, InputError, StoreError
from secret_action.model import Problem
from tests.unit.cluster_samples import Time

API = "client.authentication.k8s.io/v1"


def config(user, server="https://10.0.0.1:6443", **cluster):
    """A kubeconfig with one context."""
    return yaml.safe_dump(
        {
            "current-context": "x",
            "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }
    )


def printing(status, **plugin):
    """A user whose plug-in prints this."""
    credential = json.dumps({"apiVersion": API, "kind": "ExecCredential", "status": status})
    return {"exec": {"apiVersion": API, "command": "echo", "args": [credential], **plugin}}


# --- tokens ---


def failing_after(*tokens):
    """Gives these, then fails."""
    left = list(tokens)

    def fetch():
        if not left:
            raise StoreError(Problem("AWS does not answer."))
        return left.pop(0)

    return fetch


def test_an_early_renewal_that_fails_keeps_the_token():
    """As long as it is good, and no attempt follows the other at each request."""
    clock, log = Time(), Log()
    header = BearerToken(failing_after(Token("one", 840.0)), log, clock)
    header()
    clock.at = 785.0
    assert header() == header() == "Bearer one"
    (line,) = log.lines
    assert "AWS does not answer." in line
    clock.at = 796.0
    assert header() == "Bearer one"
    assert len(log.lines) == 2
    clock.at = 840.0
    with pytest.raises(ClusterError, match=r"AWS does not answer\."):
        header()


def test_a_token_that_was_refused_is_not_kept():
    """Whatever it says of its end."""
    header = BearerToken(failing_after(Token("one", 840.0)), Log(), Time())
    with pytest.raises(ClusterError, match=r"AWS does not answer\."):
        header.renew(header())


def test_a_token_that_has_ended_by_our_clock_is_not_fetched_at_each_request():
    """A clock that is an hour off would run the plug-in a thousand times."""
    clock = Time()
    header = BearerToken(failing_after(Token("one", -3600.0), Token("two", -3600.0)), Log(), clock)
    assert header() == header() == "Bearer one"
    clock.at = 10.0
    assert header() == "Bearer two"


def test_a_tokens_file_is_read_again_once_a_minute_and_when_refused(tmp_path):
    """As client-go does: somebody else renews it."""
    file, clock = tmp_path / "token", Time()
    file.write_text("one\n")
    header = BearerToken(token_in_file(str(file), "kubeconfig"), Log(), clock)
    assert header() == "Bearer one"
    file.write_text("two\n")
    clock.at = 59.0
    assert header() == "Bearer one"
    clock.at = 60.0
    assert header() == "Bearer two"
    assert not header.renew("Bearer two")  # the same once more is no use
    file.write_text("three\n")
    assert header.renew("Bearer two")
    assert header() == "Bearer three"
    file.unlink()
    clock.at = 600.0
    assert header() == "Bearer three"
    with pytest.raises(ClusterError, match=r"kubeconfig: the file of its token cannot be read \(No such file"):
        header.renew("Bearer three")


def test_a_rotated_token_of_a_file_is_used_after_a_401(tmp_path):
    """In the middle of a run, and before a token beside it."""
    file = tmp_path / "token"
    with KubernetesServer("", eso=False) as server:
        given = yaml.safe_load(server.kubeconfig())
        file.write_text(f"{server.admin_token}\n")
        given["users"][0]["user"] = {"tokenFile": str(file), "token": "stale"}
        log = Log()
        api = connect(settings(yaml.safe_dump(given)), log, eks=None)
        assert api.served_versions("external-secrets.io")
        file.write_text("wrong-token")
        api.close()
        api = connect(settings(yaml.safe_dump(given)), log, eks=None)
        file.write_text(server.admin_token)
        assert api.served_versions("external-secrets.io")
        api.close()
    assert {server.admin_token, "wrong-token", "stale"} == set(log.masked)


# --- exec plug-ins ---


def test_a_plugin_that_hangs_is_ended(monkeypatch):
    """It would hold a release for ever."""
    monkeypatch.setattr("secret_action.cluster.plugin._SECONDS", 0.05)
    hanging = {"exec": {"apiVersion": API, "command": "sleep", "args": ["30"]}}
    with pytest.raises(ClusterError, match=r"“sleep” failed: it did not end within 0\.05 seconds"):
        connect(settings(config(hanging)), Log(), eks=None)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"clientCertificateData": "bad", "clientKeyData": 3}, "its `clientKeyData` is not a text"),
        ({"clientCertificateData": ["bad"]}, "its `clientCertificateData` is not a text"),
        ({"token": 12345678}, "its `token` is not a text"),
        ("token", "no ExecCredential"),
    ],
)
def test_a_plugins_answer_of_another_kind_is_told_in_words(status, words):
    """And not quoted."""
    with pytest.raises(ClusterError) as error:
        connect(settings(config(printing(status))), Log(), eks=None)
    assert words in error.value.problems[0].what
    assert "12345678" not in error.value.problems[0].what


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        ({"args": "eks"}, "`args` of its credential plug-in is not a list of texts"),
        ({"args": ["--port", 80]}, "`args` of its credential plug-in is not a list of texts"),
        ({"env": ["a"]}, "`env` of its credential plug-in is not a list of names and values"),
        ({"env": "a"}, "`env` of its credential plug-in is not a list of names and values"),
        ({"env": [{"name": "A", "value": 1}]}, "each of them a text"),
    ],
)
def test_a_plugins_entry_of_another_kind_is_told_in_words(plugin, words):
    """Before it runs."""
    with pytest.raises(InputError) as error:
        connect(settings(config(printing({"token": "t"}, **plugin))), Log(), eks=None)
    assert words in error.value.problems[0].what


def test_what_a_plugin_prints_is_never_quoted():
    """It may be a credential."""
    with pytest.raises(ClusterError, match="what it prints is not JSON") as error:
        connect(
            settings(config({"exec": {"apiVersion": API, "command": "echo", "args": ["t0ken-t0ken"]}})), Log(), eks=None
        )
    assert "t0ken" not in str(error.value)


def test_a_plugin_of_another_version_is_refused():
    """As kubectl does."""
    with pytest.raises(
        ClusterError, match=r"it speaks client\.authentication\.k8s\.io/v1, and the kubeconfig asks for v9"
    ):
        connect(settings(config(printing({"token": "t"}, apiVersion="v9"))), Log(), eks=None)


def test_a_plugin_is_told_of_its_cluster(tmp_path):
    """Where it asks for it, with the settings that the kubeconfig has for it."""
    seen = tmp_path / "seen"
    credential = json.dumps({"apiVersion": API, "kind": "ExecCredential", "status": {"token": "t"}})
    extensions = [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}}]
    plugin = {
        "apiVersion": API,
        "command": "sh",
        "args": ["-c", f"printenv KUBERNETES_EXEC_INFO > {seen}; echo '{credential}'"],
        "provideClusterInfo": True,
    }
    connect(settings(config({"exec": plugin}, extensions=extensions)), Log(), eks=None).close()
    told = json.loads(seen.read_text())
    assert told["apiVersion"] == API
    assert told["spec"]["cluster"]["server"] == "https://10.0.0.1:6443"
    assert told["spec"]["cluster"]["config"] == {"audience": "a"}


def test_a_plugins_certificate_is_used_and_masked(tmp_path, monkeypatch):
    """Its key is a file for no longer than OpenSSL needs it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made, log = make_certificate(), Log()
    status = {"clientCertificateData": made.certificate_pem, "clientKeyData": made.key_pem}
    connect(settings(config(printing(status))), log, eks=None).close()
    assert made.key_pem in log.masked
    assert list(tmp_path.iterdir()) == []


# --- addresses without a scheme ---


@pytest.mark.parametrize(
    ("given", "user", "cluster", "server"),
    [
        ("10.0.0.1:6443", {"token": "t"}, {}, "https://10.0.0.1:6443"),
        ("localhost:6443", {}, {"certificate-authority-data": "x"}, "https://localhost:6443"),
        ("k8s.example", {}, {"insecure-skip-tls-verify": True}, "https://k8s.example"),
        ("[fd00::1]:6443", {"token": "t"}, {}, "https://[fd00::1]:6443"),
        ("localhost:8080", {}, {}, "http://localhost:8080"),
        ("http://127.0.0.1:8001", {"token": "t"}, {}, "http://127.0.0.1:8001"),
        ("http://k8s.example:8001", {}, {}, "http://k8s.example:8001"),
        (" HTTPS://K8s.example:6443", {"token": "t"}, {}, "https://K8s.example:6443"),
    ],
)
def test_a_server_without_a_scheme_is_spoken_to_over_tls(given, user, cluster, server):
    """Wherever there is a credential, or TLS is spoken of; else as kubectl."""
    assert read_kubeconfig(config(user, given, **cluster), "kubeconfig", "").cluster["server"] == server


@pytest.mark.parametrize("scheme", ["", "HTTPS://"])
def test_a_token_never_leaves_in_clear_for_want_of_a_scheme(scheme):
    """The server speaks TLS, and gets it, and is known by its CA."""
    with KubernetesServer("", eso=False) as server:
        given = yaml.safe_load(server.kubeconfig())
        given["clusters"][0]["cluster"]["server"] = scheme + server.url.removeprefix("https://")
        api = connect(settings(yaml.safe_dump(given)), Log(), eks=None)
        assert api.server == server.url
        assert api.served_versions("external-secrets.io")
        api.close()


# --- files of well-known clusters, and none ---


def _encoded(pem):
    return base64.b64encode(pem.encode()).decode()


def test_the_file_of_k3s_is_taken():
    """One cluster, context and user, all `default`; certificates inside; an address of the machine itself."""
    made, log = make_certificate(), Log()
    with KubernetesServer("", eso=False) as server:
        text = f"""\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {_encoded(server.ca_pem)}
    server: {server.url}
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {{}}
users:
- name: default
  user:
    client-certificate-data: {_encoded(made.certificate_pem)}
    client-key-data: {_encoded(made.key_pem)}
"""
        connect(settings(text), log, eks=None).close()
    assert log.lines == [f"Cluster: {server.url}, context “default”"]


def test_the_file_of_talos_is_taken():
    """`user@cluster` names, a namespace in the context, an endpoint that is often IPv6."""
    made, log = make_certificate(), Log()
    text = f"""\
apiVersion: v1
kind: Config
clusters:
    - name: homelab
      cluster:
        server: https://[fd00::10]:6443
        certificate-authority-data: {_encoded(made.certificate_pem)}
users:
    - name: admin@homelab
      user:
        client-certificate-data: {_encoded(made.certificate_pem)}
        client-key-data: {_encoded(made.key_pem)}
contexts:
    - name: admin@homelab
      context:
        cluster: homelab
        namespace: default
        user: admin@homelab
current-context: admin@homelab
"""
    api = connect(settings(text), log, eks=None)
    assert api.server == "https://[fd00::10]:6443"
    assert log.lines == ["Cluster: https://[fd00::10]:6443, context “admin@homelab”"]
    api.close()


def test_a_pod_uses_its_service_account(tmp_path, monkeypatch):
    """Its CA, and its token as the kubelet renews it."""
    with KubernetesServer("", eso=False) as server:
        host, _, port = server.url.removeprefix("https://").rpartition(":")
        (tmp_path / "token").write_text("before-the-kubelet-renewed-it")
        (tmp_path / "ca.crt").write_text(server.ca_pem)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
        log = Log()
        api = connect(settings(None), log, eks=None)
        (tmp_path / "token").write_text(server.admin_token)
        assert api.served_versions("external-secrets.io")
        api.close()
    assert log.lines == [f"Cluster: {server.url}, as this pod's service account"]
    assert log.masked == ["before-the-kubelet-renewed-it", server.admin_token]


def test_a_context_without_a_kubeconfig_does_not_lead_to_the_runners_own_cluster(monkeypatch):
    """A secret that is not there is an empty text: another cluster would be released to."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(InputError, match=r"kube-context asks for “prod”, and there is no kubeconfig\."):
        connect(settings(None, context="prod"), Log(), eks=None)
