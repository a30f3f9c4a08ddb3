"""A kubeconfig is taken in every form people hand it over in, and a wrong one is told in words."""

import base64
import contextlib
import json
from typing import ClassVar

import pytest
import yaml
from cluster_samples import Log, settings
from hypothesis import given
from hypothesis import strategies as st

from sandbox.http import make_certificate
from sandbox.kubernetes import KubernetesServer
from secret_action.cluster import connect
from secret_action.cluster.credentials import BearerToken, FixedHeader, Token
from secret_action.cluster.kubeconfig import read_kubeconfig
from secret_action.cluster.plugin import plugin_environment, token_of
from secret_action.cluster.transport import HttpTransport
from secret_action.errors import ClusterError, InputError
from tests.unit.cluster_samples import Time

SECRET = "s3cr3t-token-of-the-test"


def config(user=None, cluster=None, current="dev", **more):
    """A kubeconfig with two contexts."""
    found = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": {"token": SECRET} if user is None else user}],
        "contexts": [
            {"name": "dev", "context": {"cluster": "c", "user": "u"}},
            {"name": "prod", "context": {"cluster": "c", "user": "u"}},
        ],
    }
    return found | more


def text(**changes):
    return yaml.safe_dump(config(**changes))


def problem(error):
    assert len(error.value.problems) == 1
    found = error.value.problems[0]
    assert found.remedy
    assert SECRET not in found.what + found.remedy + "".join(found.causes)
    return f"{found.what} {found.remedy}"


@pytest.mark.parametrize(
    "form",
    [
        text(),
        json.dumps(config()),
        base64.b64encode(text().encode()).decode(),
        base64.encodebytes(text().encode()).decode(),
        f"\n{text()}\n",
        f"---\n{text()}---\n",
        f"{text()}---\n# nothing more\n",
    ],
    ids=["yaml", "json", "base64", "base64 in lines", "with blank lines", "in marks", "with an empty document"],
)
def test_every_form_of_the_content_is_read(form):
    """As it is, or encoded for the trip through a secret."""
    access = read_kubeconfig(form, "kubeconfig", "")
    assert (access.context, access.cluster["server"]) == ("dev", "https://10.0.0.1:6443")
    assert access.user["token"] == SECRET
    assert SECRET not in repr(access)


def test_a_path_is_read_and_its_own_paths_start_there(tmp_path):
    """Relative paths mean the kubeconfig's folder."""
    file = tmp_path / "config"
    (tmp_path / "pki").mkdir()
    for name in ("t", "pki/ca.crt"):
        (tmp_path / name).touch()
    file.write_text(text(user={"tokenFile": "t"}, cluster={"certificate-authority": "pki/ca.crt"}))
    access = read_kubeconfig(str(file), "KUBECONFIG", "")
    assert access.user["tokenFile"] == str(tmp_path / "t")
    assert access.cluster["certificate-authority"] == str(tmp_path / "pki/ca.crt")


def test_several_paths_are_merged_as_kubectl_merges_them(tmp_path):
    """The first that names a thing has its say, and a file that is not there is passed over."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(yaml.safe_dump({"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}))
    two.write_text(text(current="x"))
    access = read_kubeconfig(f"{one}:{tmp_path / 'absent'}:{two}", "KUBECONFIG", "")
    assert (access.context, access.contexts) == ("x", ("x", "dev", "prod"))


def test_the_only_context_needs_no_naming():
    """Where there is no choice, none is asked for."""
    only = config(current="", contexts=[{"name": "one", "context": {"cluster": "c", "user": "u"}}])
    assert read_kubeconfig(yaml.safe_dump(only), "kubeconfig", "").context == "one"


@pytest.mark.parametrize(
    ("given_text", "context", "words"),
    [
        (text(), "prd", ["kubeconfig has no context “prd”", "“prod”, “dev”", "kube-context"]),
        (text(current=""), "", ["several contexts", "“dev”"]),
        (text(current="gone"), "", ["no context “gone”"]),
        (text(clusters=[]), "", ["the cluster “c”, which is not in it", "none"]),
        (text(users=[{"name": "v", "user": {}}]), "", ["the user “u”, which is not in it", "“v”"]),
        (text(clusters=[{"name": "c", "cluster": {}}]), "", ["names no `server`"]),
        (text(contexts=[]), "", ["it has no contexts"]),
        ("a: b\n  c: d: e\n" + SECRET, "", ["not a kubeconfig in YAML", "line 2"]),
        ("- a\n- b\n", "", ["not a kubeconfig in YAML"]),
        (f"{text()}---\n{text()}", "", ["not a kubeconfig in YAML (it holds several documents)"]),
        ("---\n---\n", "", ["not a kubeconfig in YAML"]),
        ("hello\nworld ?\n", "", ["not a kubeconfig"]),
        ("/home/runner/.kube/config", "", ["the path that it names is not there", "GITHUB_WORKSPACE"]),
        (base64.b64encode(b"a text").decode(), "", ["not a kubeconfig"]),
        ("***{}***", "", ["neither YAML, nor base64 of it, nor a path"]),
        ("{", "", ["not a kubeconfig in YAML"]),
        ("x" * 3000 + "!", "", ["nor a path"]),
    ],
)
def test_a_wrong_one_is_told_in_words(given_text, context, words):
    """Which input, what is wrong, what to do; nothing of the content."""
    with pytest.raises(InputError) as error:
        read_kubeconfig(given_text, "kubeconfig", context)
    said = problem(error)
    assert all(word in said for word in words), said


@given(st.text(max_size=200))
def test_no_text_ends_in_a_traceback(given_text):
    """Whatever is handed over, it is read or refused."""
    with contextlib.suppress(InputError):
        read_kubeconfig(given_text, "kubeconfig", "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cluster": {"certificate-authority-data": "bm8gUEVN"}}, ["certificate-authority-data is not a certificate"]),
        ({"cluster": {"certificate-authority-data": "%%%"}}, ["certificate-authority-data is not", "--flatten"]),
        ({"cluster": {"certificate-authority": "/no/such/ca"}}, ["File does not exist: /no/such/ca"]),
        (
            {"user": {"client-certificate-data": "bm8gUEVN", "client-key-data": "bm8gUEVN"}},
            ["client-certificate-data or client-key-data"],
        ),
        ({"user": {"tokenFile": "/no/such/token"}}, ["`tokenFile`", "must be the path of a file"]),
        ({"user": {"tokenFile": SECRET}}, ["`tokenFile`", "stands in `token`"]),
        ({"user": {"client-certificate-data": "x", "client-key": SECRET}}, ["`client-key`", "`client-key-data`"]),
        ({"user": {"client-key": f"-----BEGIN\n{SECRET}\n"}}, ["`client-key`", "--flatten"]),
        (
            {"cluster": {"certificate-authority": f"-----BEGIN\n{SECRET}"}},
            ["`certificate-authority`", "path of a file"],
        ),
        ({"user": {"token": SECRET, "as": "system:admin"}}, ["acts as another one", "account of its own"]),
        ({"user": {"auth-provider": {"name": "azure", "config": {}}}}, ["only auth-provider", "token"]),
        (
            {
                "user": {
                    "exec": {"apiVersion": "v1", "command": "no-such-aws", "args": ["eks", "--cluster-name", "shop"]}
                }
            },
            ["the program “no-such-aws”, which is not in this action's image", "eks-cluster: shop"],
        ),
        (
            {"user": {"exec": {"apiVersion": "v1", "command": "no-such-plugin"}}},
            ["“no-such-plugin”", "a token or a client certificate"],
        ),
        ({"user": {"exec": {}}}, ["which is not in this action's image"]),
        ({"cluster": {"insecure-skip-tls-verify": "false"}}, ["`insecure-skip-tls-verify`", "neither true nor false"]),
        ({"cluster": {"proxy-url": 3128}}, ["`proxy-url` of context “dev” is not a text", "quotes"]),
        ({"user": {"token": 12345}}, ["`token` of context “dev” is not a text"]),
        ({"cluster": {"server": "ftp://10.0.0.1"}}, ["`server` of context “dev” is not a URL", "https://HOST:PORT"]),
        ({"cluster": {"server": "https://[fd00::1:6443"}}, ["is not a URL"]),
        ({"cluster": {"server": "https://10.0.0.1:99999"}}, ["is not a URL"]),
        ({"cluster": {"server": "http://10.0.0.1:8080"}}, ["over http://", "Write https://"]),
        ({"cluster": {"server": "HTTP://10.0.0.1:8080"}}, ["over http://", "Write https://"]),
    ],
)
def test_unusable_credentials_are_told_in_words(changes, words):
    """Before anything is sent."""
    with pytest.raises(InputError) as error:
        connect(settings(text(**changes)), Log(), eks=None)
    said = problem(error)
    assert all(word in said for word in words), said


def test_a_plugin_that_fails_is_quoted(tmp_path):
    """Its own last words, and which one it was."""
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", "echo not today >&2; exit 3"],
    }
    with pytest.raises(ClusterError, match=r"“sh” failed: exec: process returned 3\. not today"):
        connect(settings(text(user={"exec": plugin})), Log(), eks=None)


def test_a_plugin_does_not_see_the_steps_values(monkeypatch, tmp_path):
    """It gets what credential programs need, and what the kubeconfig gives it; its token is masked."""
    monkeypatch.setenv("PROD_DATABASE_URL", SECRET)
    monkeypatch.setenv("INPUT_SECRETS", SECRET)
    seen = tmp_path / "seen"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "plug-in-token"},
    }
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", f"env > {seen}; echo '{json.dumps(credential)}'"],
        "env": [{"name": "EXTRA", "value": "yes"}],
    }
    log = Log()
    api = connect(settings(text(user={"exec": plugin})), log, eks=None)
    api.close()
    environment = seen.read_text()
    assert SECRET not in environment
    assert "EXTRA=yes" in environment


def test_a_plugins_environment_is_chosen_by_name():
    """Cloud credentials, proxies and PATH; nothing else."""
    given_environment = {"PATH": "/bin", "AWS_REGION": "x", "https_proxy": "p", "INPUT_KUBECONFIG": "k", "PROD_A": "v"}
    assert set(plugin_environment(given_environment)) == {"PATH", "AWS_REGION", "https_proxy"}


def test_the_context_is_named_where_there_are_several():
    """And the server it leads to."""
    log = Log()
    connect(settings(text(), context="prod"), log, eks=None).close()
    assert log.lines == ["Cluster: https://10.0.0.1:6443, context “prod” (others in kubeconfig: “dev”)"]
    assert set(log.masked) == {SECRET}


@pytest.mark.parametrize(
    "given_text",
    [
        SECRET,
        "hunter2hunter2",
        f"{base64.b64encode(SECRET.encode()).decode()[:30]}.{'QWxhZGRpbg' * 9}.c2ln",
        base64.b64encode(text().encode()).decode().rstrip("=")[:-2] + "x",
    ],
    ids=["token", "password", "JWT", "base64 that lost its end"],
)
def test_a_text_that_is_no_path_is_not_quoted(given_text):
    """It may be a credential."""
    with pytest.raises(InputError) as error:
        read_kubeconfig(given_text, "kubeconfig", "")
    assert given_text not in problem(error)


@pytest.mark.parametrize("url", ["https://admin:pa55-in-url@10.0.0.1:6443", "https://pa55-in-url@10.0.0.1:6443"])
def test_a_password_in_the_url_is_neither_logged_nor_kept(url):
    """It is masked too, since somebody else may print the kubeconfig."""
    log = Log()
    api = connect(settings(text(cluster={"server": url})), log, eks=None)
    assert log.lines[0].startswith("Cluster: https://10.0.0.1:6443, context")
    assert api.server == "https://10.0.0.1:6443"
    assert "pa55-in-url" in log.masked


def test_every_token_is_masked(tmp_path):
    """That of a file, and those of an auth-provider."""
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    log = Log()
    connect(settings(text(user={"tokenFile": str(file)})), log, eks=None).close()
    assert SECRET in {masked.strip() for masked in log.masked}
    log = Log()
    provider = {"name": "oidc", "config": {"id-token": SECRET, "refresh-token": f"{SECRET}-2"}}
    with pytest.raises(InputError):
        connect(settings(text(user={"auth-provider": provider})), log, eks=None)
    assert set(log.masked) == {SECRET, f"{SECRET}-2"}


def test_a_token_loses_the_line_break_at_its_end():
    """As a YAML block leaves it; each request has it without."""
    with KubernetesServer("") as server:
        given_config = yaml.safe_load(server.kubeconfig())
        given_config["users"][0]["user"]["token"] += "\n"
        api = connect(settings(yaml.safe_dump(given_config)), Log(), eks=None)
        assert api.served_versions("external-secrets.io")
        api.close()


def test_a_plugins_token_loses_the_line_break_at_its_end():
    """As `echo` leaves it."""
    assert token_of({"token": "abc\n"}, "kubeconfig").text == "abc"


def test_a_token_with_a_line_break_inside_is_refused():
    """Before anything is sent, and without quoting it."""
    with pytest.raises(InputError) as error:
        connect(settings(text(user={"token": f"{SECRET}\n{SECRET}"})), Log(), eks=None)
    assert "a line break" in problem(error)


def test_skipping_verification_is_warned_about():
    """It works, as with kubectl, and is not silent: neither in the log nor in the report."""
    log = Log()
    api = connect(settings(text(cluster={"insecure-skip-tls-verify": True})), log, eks=None)
    assert log.lines[0].endswith("its certificate is not verified")
    assert api.warnings[0].startswith("The kubeconfig sets insecure-skip-tls-verify")
    api.close()


def test_a_verified_connection_has_no_warning():
    """Nor has one where skipping is switched off."""
    api = connect(settings(text(cluster={"insecure-skip-tls-verify": False})), log := Log(), eks=None)
    assert api.warnings == ()
    assert "not verified" not in log.lines[0]
    api.close()


def test_a_client_key_is_masked_and_leaves_no_file(tmp_path, monkeypatch):
    """OpenSSL wants it as a file; it is gone before the first request."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = make_certificate()
    pair = {"client-certificate-data": _encoded(made.certificate_pem), "client-key-data": _encoded(made.key_pem)}
    log = Log()
    api = connect(settings(text(user=pair)), log, eks=None)
    assert list(tmp_path.iterdir()) == []
    assert {_encoded(made.key_pem), made.key_pem} == set(log.masked)
    api.close()


def _encoded(pem):
    return base64.b64encode(pem.encode()).decode()


def test_outside_of_a_cluster_there_is_no_way_in(monkeypatch):
    """No kubeconfig, no service account: the error names the inputs."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InputError) as error:
        connect(settings(None), Log(), eks=None)
    assert "Set kubeconfig" in problem(error)
    assert "eks-cluster" in problem(error)


def test_a_token_is_renewed_before_it_runs_out():
    """Asked for at each request, fetched anew a minute before its end, masked each time."""
    tokens = iter([Token("one", 840.0), Token("two", None)])
    clock, log = Time(), Log()
    header = BearerToken(lambda: next(tokens), log, clock)
    assert header() == header() == "Bearer one"
    clock.at = 779.0
    assert header() == "Bearer one"
    clock.at = 780.0
    assert header() == "Bearer two"
    clock.at = 10**6
    assert header() == "Bearer two"
    assert log.masked == ["one", "two"]
    assert "one" not in repr(Token("one", 1.0))


def test_a_token_that_is_refused_before_its_time_is_renewed_once():
    """The cluster has the last word; of several requests that were refused one renews."""
    tokens = iter([Token("one", 840.0), Token("two", 840.0)])
    header = BearerToken(lambda: next(tokens), Log(), Time())
    first = header()
    assert header.renew(first)
    assert header() == "Bearer two"
    assert header.renew(first)
    assert header() == "Bearer two"


@pytest.mark.parametrize(("later", "sent"), [("Bearer new", 2), ("Bearer old", 1)])
def test_a_request_that_is_refused_is_sent_again_with_another_token(later, sent):
    """Where there is another one; else the refusal stands."""
    found, tried = iter(["Bearer old", later, later]), []

    class Rest:
        def request(self, method, url, *, headers, **rest):
            tried.append(headers["Authorization"])
            status = 200 if headers["Authorization"] == "Bearer new" else 401

            class Answer:
                class response:
                    headers: ClassVar = {}

                    @staticmethod
                    def read():
                        return b""

                    @staticmethod
                    def release_conn():
                        pass

            Answer.response.status = status
            return Answer

    transport = HttpTransport("https://c", Rest(), FixedHeader(lambda: next(found)))
    answer = transport.send("GET", "/x", body=None, headers={}, read_timeout=1.0)
    assert (answer.status, len(tried)) == (200 if sent == 2 else 401, sent)
