"""Tokens of a kubeconfig's auth-provider: used while they last, renewed where an issuer does it, else told in words."""

import base64
import socket
import time
from urllib.parse import parse_qsl

import jwt
import pytest
import yaml
from cluster_samples import Log, settings

from sandbox.http import HttpServer, Response, json_response
from sandbox.kubernetes import KubernetesServer
from secret_action.cluster import connect
from secret_action.cluster.auth_provider import provider_tokens
from secret_action.cluster.kubeconfig import read_kubeconfig
from secret_action.errors import ClusterError, InputError, SecretSyncError

REFRESH = "r3fresh-token-of-the-test"


def token(seconds, **claims):
    """A JWT that is good for so long; None for one that does not say."""
    ends = {} if seconds is None else {"exp": int(time.time() + seconds)}
    return jwt.encode(ends | claims, "k" * 32)


class Issuer(HttpServer):
    """Renews tokens; keeps what it was asked."""

    def __init__(self, **given):
        super().__init__(tls=True)
        self.asked, self.given = [], given
        self.new = token(3600, n=2)

    @property
    def authority(self):
        return base64.b64encode(self.ca_pem.encode()).decode()

    def handle(self, request):
        if request.method == "GET":
            about = {"token_endpoint": self.given.get("endpoint", f"{self.url}/token")}
            return self.given.get("about") or json_response(about)
        self.asked.append((dict(parse_qsl(request.body.decode())), request.headers.get("authorization")))
        return self.given.get("answer") or json_response({"id_token": self.new, "refresh_token": f"{REFRESH}-2"})


def kubeconfig(name, server="https://10.0.0.1:6443", more=None, **config):
    user = {"auth-provider": {"name": name, "config": config}, **(more or {})}
    return yaml.safe_dump(
        {
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "ann", "user": user}],
            "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "ann"}}],
        }
    )


def tokens(name, log=None, **config):
    access = read_kubeconfig(kubeconfig(name, **config), "kubeconfig", "")
    return provider_tokens(access, "kubeconfig", (log or Log()).mask)


def expired(issuer, **config):
    """An OIDC user whose token has ended, and what it is renewed with."""
    given = {"idp-issuer-url": issuer, "client-id": "c1", "client-secret": "s3", "refresh-token": REFRESH}
    return {"id-token": token(-60), **given, **config}


def told(fetch, kind=SecretSyncError):
    with pytest.raises(kind) as error:
        fetch()
    (problem,) = error.value.problems
    said = f"{problem.what} {problem.remedy}"
    assert said.startswith("kubeconfig: the user “ann” of context “prod” has the auth-provider")
    assert problem.remedy
    assert not any(secret in said for secret in (REFRESH, "s3", "eyJ"))
    return said


@pytest.fixture
def nobody():
    """An address that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("seconds", [600, None])
def test_an_id_token_that_is_good_is_used(seconds):
    """Nobody is asked, and the run knows when it ends."""
    good = token(seconds)
    found = tokens("oidc", **{"id-token": f"{good}\n"})()
    assert found.text == good
    assert found.seconds is None if seconds is None else 590 < found.seconds <= 600


@pytest.mark.parametrize("secret", ["s3", ""])
def test_an_id_token_that_has_expired_is_renewed(secret):
    """With the client's secret, or as a public client; both new tokens are masked, and the next renewal has the new."""
    log = Log()
    with Issuer() as issuer:
        given = expired(f"{issuer.url}/", **{"idp-certificate-authority-data": issuer.authority})
        fetch = tokens("oidc", log, **given | {"client-secret": secret})
        assert fetch().text == issuer.new
        assert fetch().text == issuer.new
    asked = {"grant_type": "refresh_token", "refresh_token": REFRESH}
    basic = f"Basic {base64.b64encode(b'c1:s3').decode()}"
    assert issuer.asked == [(asked, basic) if secret else (asked | {"client_id": "c1"}, None)]
    assert {issuer.new, f"{REFRESH}-2"} <= set(log.masked)


def test_a_token_that_is_about_to_end_is_renewed_with_the_newest_refresh_token():
    """An issuer takes each once."""
    with Issuer() as issuer:
        issuer.new = token(30)
        fetch = tokens("oidc", **expired(issuer.url, **{"idp-certificate-authority-data": issuer.authority}))
        fetch()
        fetch()
    assert [fields["refresh_token"] for fields, _ in issuer.asked] == [REFRESH, f"{REFRESH}-2"]


def test_an_issuer_that_is_not_reached_is_named(nobody):
    """In one clear error."""
    said = told(tokens("oidc", **expired(f"https://{nobody}")), ClusterError)
    assert f"whose token has expired, and its issuer {nobody} cannot be reached to renew it: there is no conn" in said
    soon = expired(f"https://{nobody}", **{"id-token": token(30)})
    assert "whose token is about to expire, and its issuer" in told(tokens("oidc", **soon), ClusterError)


def test_an_issuer_is_not_believed_without_its_certificate():
    """Whoever answers in its place would get the refresh token."""
    with Issuer() as issuer:
        assert "its certificate is not trusted" in told(tokens("oidc", **expired(issuer.url)), ClusterError)
    assert issuer.asked == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"answer": json_response({"error": "invalid_grant", "error_description": REFRESH}, 400)}, "(invalid_grant)"),
        ({"answer": json_response({"error": f"{REFRESH} is bad"}, 400)}, "(HTTP 400)"),
        ({"answer": Response(503, body=b"<html>")}, "(HTTP 503)"),
        ({"answer": json_response({"access_token": "x"})}, "does not renew it (HTTP 200)"),
        ({"answer": Response(307, {"Location": "https://elsewhere.example/"})}, "(HTTP 307)"),
        ({"about": Response(404, body=b"[]")}, "is no OIDC issuer"),
        ({"endpoint": "http://10.0.0.1/token"}, "is no OIDC issuer"),
    ],
)
def test_an_issuer_that_does_not_renew_is_told_in_words(given, words):
    """Its code, never its sentences."""
    with Issuer(**given) as issuer:
        config = expired(issuer.url, **{"idp-certificate-authority-data": issuer.authority})
        assert words in told(tokens("oidc", **config), ClusterError)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"id-token": REFRESH}, "whose `id-token` is not a JWT"),
        ({"id-token": "eyJ.eyJ.x"}, "whose `id-token` is not a JWT"),
        ({"id-token": token(-9)}, "whose token has expired, and there is no `refresh-token`"),
        ({}, "whose token is missing, and there is no `refresh-token`"),
        (expired(""), "`idp-issuer-url` is not a URL of https://"),
        (expired("http://idp.example"), "`idp-issuer-url` is not a URL of https://"),
        (expired("https://idp.example", **{"idp-certificate-authority-data": "%"}), "is not base64"),
    ],
)
def test_an_oidc_entry_that_is_no_good_is_told_in_words(config, words):
    """Before anybody is asked."""
    assert words in told(tokens("oidc", **config), InputError)


def test_a_ca_that_is_not_there_is_told_in_words():
    """Its path is the machine's own."""
    given = expired("https://idp.example", **{"idp-certificate-authority": "/no/such/ca"})
    assert "its CA cannot be read" in told(tokens("oidc", **given), ClusterError)


def test_a_token_that_gcloud_left_is_used_until_it_ends(tmp_path):
    """What the entry names to renew it is not run: it would see the step's values."""
    ran = tmp_path / "ran"
    command = {"cmd-path": "/usr/bin/touch", "cmd-args": str(ran)}
    found = tokens("gcp", **{"access-token": "ya29", "expiry": "2099-01-01T00:00:00Z"}, **command)()
    assert (found.text, found.seconds > 1e9) == ("ya29", True)
    assert tokens("gcp", **{"access-token": "ya29"})().seconds is None
    for config, words in (
        ({"access-token": "ya29", "expiry": "2009-01-01T00:00:00Z"}, "has expired"),
        ({"access-token": "ya29", "expiry": "2009-01-01 00:00:00"}, "has expired"),
        ({}, "is missing"),
    ):
        said = told(tokens("gcp", **config, **command), InputError)
        assert f"`gcp`, whose token {words}; kubectl has not known that provider either since 1.26" in said
        assert "gke-gcloud-auth-plugin" in said
    assert not ran.exists()


def test_others_are_not_known():
    """They are told with what else the user has."""
    assert tokens("azure", **{"access-token": "x"}) is None


def test_a_connection_is_made_with_the_providers_token():
    """Each request has it; a token of the user's own goes first, as for kubectl."""
    with KubernetesServer("") as server:
        cluster = yaml.safe_load(server.kubeconfig())
        own = cluster["users"][0]["user"]["token"]
        for more in ({"access-token": own}, {"access-token": "x"}):
            user = {"auth-provider": {"name": "gcp", "config": more}} | (
                {"token": own} if more["access-token"] == "x" else {}
            )
            cluster["users"][0]["user"] = user
            api = connect(settings(yaml.safe_dump(cluster)), Log(), eks=None)
            assert api.served_versions("external-secrets.io")
            api.close()


def test_what_is_wrong_is_told_when_connecting(nobody):
    """Not at the first request."""
    with pytest.raises(ClusterError, match="cannot be reached to renew it"):
        connect(settings(kubeconfig("oidc", **expired(f"https://{nobody}"))), Log(), eks=None)
