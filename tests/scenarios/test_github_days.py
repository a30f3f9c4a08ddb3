"""GitHub's bad days: each ends with one clear message, no token left alive, and nothing written."""

import io
import signal
import tarfile

import pytest

from sandbox.github import GitHubServer
from sandbox.github_model import Commit, Installation, make_app_key
from sandbox.http import make_certificate

pytestmark = pytest.mark.thorough

REPOSITORY = "/repos/zerotouch/zerotouch-tenants"


def told(result):
    """The one problem, in the summary as well as in an annotation."""
    (problem,) = result.report["problems"]
    assert problem["remedy"]
    assert any(
        problem["what"] in annotation.message for annotation in result.annotations if annotation.level == "error"
    )
    assert result.outputs["result"] == "failure"
    assert "Traceback" not in result.log_as_shown() + result.stderr
    return problem["what"]


def nothing_done(world):
    """No token that still works, and nothing written anywhere."""
    assert all(token.revoked for token in world.github.tokens)
    assert "PutParameter" not in map(str, world.aws.calls)
    assert not [request for request in world.cluster.requests if request.method == "PATCH"]


def test_no_app_id_or_key(make_world):
    """Both inputs are named, with what usually is the reason. GitHub is not asked."""
    world = make_world()
    result = world.run(app_id="", app_private_key="")
    assert result.exit_code == 2
    assert "`app-id` and `app-private-key`" in told(result)
    assert "`secrets: inherit`" in result.summary
    assert "`tenants-directory`" in result.summary
    assert world.github.requests == []
    nothing_done(world)


def wrong_key(world):
    return {"app_private_key": make_app_key()[0]}


def not_installed(world):
    world.github.installations.clear()


def not_granted(world):
    world.github.installations[0].repositories[:] = ["another-repository"]


def no_permission(world):
    world.github.installations[0].permissions.clear()


def clock_off(world):
    behind = world.github.clock
    world.github.clock = lambda: behind() - 3600


def saml(world):
    world.github.repositories[0].saml = True


def no_such_ref(world):
    return {"tenants_ref": "feature/gone"}


@pytest.mark.parametrize(
    ("day", "code", "says", "remedy"),
    [
        (wrong_key, 2, "app-private-key is not a key of the App", "Take both from one App's settings page"),
        (not_installed, 1, "is not installed for zerotouch", "Install it"),
        (not_granted, 1, "is not granted the repository zerotouch/zerotouch-tenants", "Repository access"),
        (no_permission, 1, "lacks the permission `contents: read`", "Contents to Read-only"),
        (clock_off, 1, "this machine's clock is", "NTP"),
        (saml, 1, "SAML", ""),
        (no_such_ref, 2, "no branch, tag or commit feature/gone", "Correct tenants-ref"),
    ],
)
def test_a_refusal_is_told_with_its_remedy(make_world, day, code, says, remedy):
    """Which of the many reasons it is, and who can mend it."""
    world = make_world()
    result = world.run(**(day(world) or {}))
    assert result.exit_code == code, result.log_as_shown()
    assert says in told(result)
    assert remedy in result.report["problems"][0]["remedy"]
    nothing_done(world)


def test_what_passes_by_itself_is_waited_for(world):
    """A rate limit as long as GitHub asks, a server error and a dropped connection with growing pauses."""
    world.github.limit_rate(("POST", ".*/access_tokens"), secondary=True, wait=1)
    world.github.faults.add(("GET", f"{REPOSITORY}/commits/.*"), status=502, body="<html>Bad gateway</html>")
    world.github.faults.add(("GET", "/codeload/.*"), drop="before")
    result = world.run(mode="push")
    assert result.exit_code == 0, result.log_as_shown()
    shown = result.log_as_shown()
    assert "rate limit is reached: waiting 1 s" in shown
    assert shown.count("Trying again in") == 2
    nothing_left = [token.revoked for token in world.github.tokens]
    assert nothing_left == [True]


def test_nobody_there_and_a_certificate_that_is_not_trusted(make_world):
    """A refused connection, and TLS with another CA: the host, and the variable that helps."""
    world = make_world()
    with world.start(env={"GITHUB_API_URL": "http://127.0.0.1:9"}) as running:  # it tries again for seven seconds
        with GitHubServer([], [], [], tls=make_certificate()) as other:
            untrusted = world.run(env={"GITHUB_API_URL": other.api_url})
        refused = world.finish(running)
    assert refused.exit_code == 1
    assert "127.0.0.1:9 refuses the connection" in told(refused)
    assert untrusted.exit_code == 1
    assert "its certificate is not trusted here" in told(untrusted)
    assert "REQUESTS_CA_BUNDLE or SSL_CERT_FILE" in untrusted.summary
    nothing_done(world)


def test_an_archive_that_would_write_elsewhere_is_refused(make_world):
    """Nothing of it lands outside; the token is handed back."""
    world = make_world()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("top/tenants/my-service/overlays/production/kustomization.yaml", "top/../../../../escaped.yaml"):
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
    world.github.repositories[0].refs["main"] = Commit(archive=packed.getvalue())
    result = world.run()
    assert result.exit_code == 1
    told(result)
    assert not list(world.workdir.rglob("escaped.yaml"))
    nothing_done(world)


def test_github_enterprise_server(make_world, tmp_path):
    """Another base path and a company's own CA; a client ID names the App as well."""
    world = make_world()
    world.deploy()
    certificate = make_certificate()
    bundle = tmp_path / "ca.pem"
    bundle.write_text(certificate.certificate_pem)
    plain = world.github
    with GitHubServer(
        plain.apps, [Installation(1234, "zerotouch", None)], plain.repositories, base_path="/api/v3", tls=certificate
    ) as enterprise:
        world.github = enterprise
        result = world.run(
            env={"GITHUB_API_URL": enterprise.api_url, "SSL_CERT_FILE": str(bundle)},
            app_id="Iv23sandbox",
            mode="validate",
        )
        assert result.exit_code == 0, result.log_as_shown()
        assert {request.path.split("/repos")[0] for request in enterprise.requests if "/repos" in request.path} == {
            "/api/v3"
        }
        assert [token.revoked for token in enterprise.tokens] == [True]


def test_the_token_is_revoked_after_a_failure_of_the_manifests(make_world):
    """Whatever comes after it."""
    world = make_world()
    result = world.run(environment="nowhere")
    assert result.exit_code == 2
    assert [token.revoked for token in world.github.tokens] == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_token_is_revoked_when_the_run_is_cancelled(world, number):
    """In the middle of the download: the run ends soon, says what it had done, and hands the token back."""
    world.github.faults.add(("GET", "/codeload/.*"), delay=8.0, times=None)
    with world.start() as running:
        world.github.wait_for(lambda request: "/tarball/" in request.path)
        running.signal(number)
        result = world.finish(running)
    assert result.exit_code == 1
    assert [token.revoked for token in world.github.tokens] == [True]
    assert f"The run was cancelled ({number.name})." in result.summary
    assert "Cancelled: nothing was written" in result.summary.splitlines()[0]
    assert result.report["cancelled"] is True
    nothing_done(world)
