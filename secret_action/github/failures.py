"""What GitHub's refusals mean, told so that the reader can mend them.

Pure: answers in, errors out. GitHub's own words are quoted cleaned. Where there is none: `no_answer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from secret_action.errors import GitHubError, InputError, SecretSyncError
from secret_action.github.answers import Answer, clean, host_of
from secret_action.model import Problem

CLOCK_TOLERANCE = 60.0
"""Seconds. PyGithub dates a JWT 60 s back and lets it live 300 s, so a smaller difference is never the cause."""


@dataclass(frozen=True)
class Subject:
    """What a conversation is about. repository: owner/name. app_id: the App ID or client ID."""

    api_url: str
    repository: str
    app_id: str = ""

    @property
    def owner(self) -> str:
        """The organisation or user that owns the repository."""
        return self.repository.partition("/")[0]

    @property
    def web_url(self) -> str:
        """Where people see this GitHub in a browser.

        GitHub's REST API has `api.github.com`, `api.SUBDOMAIN.ghe.com` (data residency) and `HOST/api/v3` (GHES).
        """
        parts = urlsplit(self.api_url)
        return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}{parts.path.removesuffix('/api/v3')}"

    @property
    def installations(self) -> str:
        """Where an owner sees the Apps that are installed, in words and as an address."""
        return (
            f"{self.owner} → Settings → GitHub Apps "
            f"({self.web_url}/organizations/{self.owner}/settings/installations for an organisation)"
        )


# --- refusals of the App's JWT and of its installation ---


def app_refused(answer: Answer, subject: Subject, now: float) -> SecretSyncError:
    """Why the App itself was refused. now: this machine's time, seconds since the epoch."""
    said = answer.message
    if answer.status == 401:
        return _jwt_refused(answer, subject, now)
    if unknown_app(answer):
        return InputError(
            Problem(
                f"There is no GitHub App {subject.app_id} on {host_of(subject.api_url)}{_quote(said)}.",
                "Set app-id to the App's ID or client ID, as its settings page shows it (not the installation's "
                "number), and app-private-key to a key of the same App.",
                (
                    "app-id is another number than the App ID.",
                    "The App was deleted, or lives on another GitHub (GITHUB_API_URL).",
                ),
            )
        )
    if answer.status == 403 and "suspended" in said.lower():
        return suspended(subject, said)
    return refused(answer, subject, f"the App's installation for {subject.repository}")


def unknown_app(answer: Answer) -> bool:
    """True where GitHub knows no App of that ID; its other 404s say `Not Found` alone."""
    return answer.status == 404 and "integration not found" in answer.message.lower()


def _jwt_refused(answer: Answer, subject: Subject, now: float) -> SecretSyncError:
    said = answer.message
    ahead = now - answer.date if answer.date is not None else 0.0
    off = f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} GitHub's"
    if abs(ahead) < 1:  # or GitHub does not say what time it has
        off = "its times do not fit GitHub's clock"
    # GitHub judges the signature first, so these words mean that the key is right and the time is not.
    if any(word in said.lower() for word in ("'exp'", "'iat'", "expiration time", "issued at")):
        return GitHubError(
            Problem(
                f"GitHub refused the App's JWT: {off}{_quote(said)}.",
                "Set the runner's clock by NTP (`timedatectl set-ntp true`), or use a GitHub-hosted runner.",
            )
        )
    if "issuer" in said.lower() or "'iss'" in said.lower():
        return InputError(
            Problem(
                f"GitHub does not take app-id ({subject.app_id}) for an App's ID{_quote(said)}.",
                "Set app-id to the App ID (digits) or the client ID (begins with `Iv`) from the App's settings page.",
            )
        )
    return InputError(
        Problem(
            f"app-private-key is not a key of the App that app-id names ({subject.app_id}){_quote(said)}.",
            "Take both from one App's settings page: its ID, and a private key that is still listed there.",
            (
                "app-id and app-private-key belong to two Apps.",
                "The key was deleted from the App's settings (rotated) and the secret still holds the old one.",
                "app-id is another number, such as the installation's.",
                *((f"Perhaps the time: {off}.",) if abs(ahead) > CLOCK_TOLERANCE else ()),
            ),
        )
    )


def suspended(subject: Subject, said: str = "") -> GitHubError:
    """The owner has suspended the App's installation."""
    return GitHubError(
        Problem(
            f"The GitHub App {subject.app_id} is suspended for {subject.owner}{_quote(said)}.",
            f"An owner of {subject.owner} can lift that: {subject.installations} → the App → Unsuspend.",
        )
    )


def no_installation(subject: Subject, owner_has: bool | None, all_repositories: bool = False) -> SecretSyncError:
    """The App has no installation that reaches the repository.

    owner_has: whether it is installed for the owner at all; None where that could not be found out.
    all_repositories: it is, and for all of the owner's repositories.
    """
    if owner_has is False:
        return GitHubError(
            Problem(
                f"The GitHub App {subject.app_id} is not installed for {subject.owner}, the owner of "
                f"{subject.repository}.",
                f"Install it: the App's settings → Install App → {subject.owner}, for {subject.repository}. "
                f"Where another owner is meant, write tenants-repository as owner/name.",
                (
                    f"The App was never installed for {subject.owner}, or was removed.",
                    "tenants-repository names no owner, and the workflow's own owner is another one.",
                    "The App is private to another organisation.",
                ),
            )
        )
    if all_repositories:
        return InputError(
            Problem(
                f"tenants-repository: {subject.repository} does not exist. The GitHub App {subject.app_id} may read "
                f"all repositories of {subject.owner}, and has none of that name.",
                "Correct tenants-repository (a name, or owner/name).",
                ("The name is misspelt.", "The repository was renamed, moved or deleted."),
            )
        )
    return _not_granted(subject, sure=bool(owner_has))


def _not_granted(subject: Subject, said: str = "", *, sure: bool = True) -> GitHubError:
    """sure: False where the App may not be installed for the owner at all."""
    return GitHubError(
        Problem(
            f"The GitHub App {subject.app_id} is not granted the repository {subject.repository}{_quote(said)}.",
            f"Grant it: {subject.installations} → the App → Configure → Repository access → add "
            f"{subject.repository}. Or correct tenants-repository.",
            (
                "The installation is for selected repositories, and this is none of them.",
                "tenants-repository is misspelt, or the repository was renamed.",
                *(() if sure else (f"The App is not installed for {subject.owner} at all.",)),
            ),
        )
    )


def token_refused(answer: Answer, subject: Subject, now: float) -> SecretSyncError:
    """Why the installation token was refused. now: this machine's time, seconds since the epoch."""
    said = answer.message
    if answer.status == 422 and "permission" in said.lower():
        return GitHubError(
            Problem(
                f"The GitHub App {subject.app_id} lacks the permission `contents: read` for "
                f"{subject.repository}{_quote(said)}.",
                "In the App's settings → Permissions & events → Repository permissions set Contents to Read-only; "
                f"then an owner of {subject.owner} accepts it: {subject.installations} → the App → Review request.",
                (
                    "The App was never given Contents.",
                    "It was, and the new permission still waits for the owner's consent.",
                ),
            )
        )
    if answer.status in (404, 422) and not unknown_app(answer):
        return _not_granted(subject, said)
    return app_refused(answer, subject, now)


# --- refusals of what the installation token asks for ---


def repository_refused(answer: Answer, subject: Subject) -> SecretSyncError:
    """Why the repository's own entry was refused."""
    return refused(answer, subject, f"the repository {subject.repository}")


def commit_refused(answer: Answer, subject: Subject, ref: str) -> SecretSyncError:
    """Why no commit was found for the ref."""
    said = answer.message
    if answer.status == 409:
        return GitHubError(
            Problem(
                f"The tenants repository {subject.repository} has no commits yet{_quote(said)}.",
                f"Push the tenants to {subject.repository}, or correct tenants-repository.",
            )
        )
    if answer.status in (404, 422):
        return InputError(
            Problem(
                f"tenants-ref: {subject.repository} has no branch, tag or commit {clean(ref)}{_quote(said)}.",
                "Correct tenants-ref, or leave it empty for the default branch.",
                ("It is misspelt.", "The branch was merged and deleted.", "The commit was never pushed."),
            )
        )
    return refused(answer, subject, f"the commit of {subject.repository}")


def archive_refused(answer: Answer, subject: Subject, sha: str) -> SecretSyncError:
    """Why the archive of a commit was refused."""
    return refused(answer, subject, f"the archive of {subject.repository} at commit {sha}")


def refused(answer: Answer, subject: Subject, what: str) -> SecretSyncError:
    """A refusal that may meet any request. what: what was asked for (`the commit of owner/name`)."""
    said, headers, lower = answer.message, answer.headers, answer.message.lower()
    if answer.rate_limited:
        return GitHubError(
            Problem(
                f"GitHub's rate limit is reached: it asks to wait {answer.seconds_to_wait:.0f} s, which is longer "
                f"than this run waits{_quote(said)}.",
                "Run it again after that time.",
                ("Other jobs use the same App at the same time.",),
            )
        )
    if answer.status == 401:
        return GitHubError(
            Problem(
                f"GitHub refused the installation token for {what}{_quote(said)}.",
                "Run it again: every run mints its own token.",
                (
                    "The token was revoked, or its hour is over (the job was suspended).",
                    "The App was removed or suspended in this moment.",
                ),
            )
        )
    if "x-github-sso" in headers or "saml" in lower:
        return GitHubError(
            Problem(
                f"{subject.owner} enforces SAML single sign-on and does not let this App in{_quote(said)}.",
                f"An owner of {subject.owner} approves the App: {subject.installations}. Where SAML was turned on "
                "after the App was installed, install it anew.",
            )
        )
    if "ip allow list" in lower or "ip address" in lower:
        return GitHubError(
            Problem(
                f"{subject.owner} has an IP allow list, and this runner is not on it{_quote(said)}.",
                f"Add the runner's address ({subject.owner} → Settings → Authentication security → IP allow list), "
                "or run on a runner that has an allowed one.",
            )
        )
    if answer.status == 403:
        needed = clean(headers.get("x-accepted-github-permissions", "")) or "contents=read"
        return GitHubError(
            Problem(
                f"The GitHub App {subject.app_id} may not read {what}{_quote(said)}.",
                f"Grant the App the permission that GitHub names ({needed}) in its settings → Permissions & events, "
                f"and accept it: {subject.installations}.",
            )
        )
    if answer.status in (404, 451):
        return InputError(
            Problem(
                f"tenants-repository: GitHub has not found {what}{_quote(said)}.",
                "Correct tenants-repository (a name, or owner/name), or give the App access to it.",
                ("The repository was renamed, moved or deleted.", "The App's access was withdrawn."),
            )
        )
    if answer.status >= 500:
        return GitHubError(
            Problem(
                f"GitHub answered {answer.status} when asked for {what}, also after several tries{_quote(said)}.",
                "Look at https://www.githubstatus.com (or ask who runs your GitHub Enterprise Server); run it again.",
            )
        )
    return not_github(subject.api_url, f"it answered {answer.status} when asked for {what}{_quote(said)}")


def not_github(url: str, why: str) -> GitHubError:
    """Whoever answered does not answer as GitHub's API does. why: a clause (`it answered 302 …`)."""
    return GitHubError(
        Problem(
            f"{host_of(url)} does not answer as GitHub's API does: {why}.",
            "Check GITHUB_API_URL (https://api.github.com, or https://HOST/api/v3 for GitHub Enterprise Server) and "
            "HTTPS_PROXY: a proxy or sign-in page may be answering in GitHub's place.",
        )
    )


def oidc_refused(answer: Answer, audience: str) -> GitHubError:
    """The runner's token service handed out no OIDC token."""
    return GitHubError(
        Problem(
            f"GitHub handed out no OIDC token for the audience {clean(audience)}: it answered "
            f"{answer.status}{_quote(answer.message)}.",
            "Give the job `permissions: id-token: write` (and `contents: read` beside it where it checks out), and "
            "run the job again.",
            (
                "The job's own token has expired: the job has run for too long.",
                "The repository or organisation does not allow OIDC tokens for this run.",
            ),
        )
    )


def _quote(said: str) -> str:
    """GitHub's own words as an aside, or nothing."""
    return f" (GitHub: “{said}”)" if said else ""
