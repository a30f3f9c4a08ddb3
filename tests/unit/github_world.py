"""A GitHub with one App, one tenants repository, and a log and a clock that remember."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sandbox.github import GitHubServer
from sandbox.github_model import App, Commit, Installation, Repository, make_app_key
from secret_action.github.app import AppSession
from secret_action.settings import AppCredentials, GitHubSettings
from secret_action.values import SecretValue

OWNER = "zerotouch"
NAME = "zerotouch-tenants"
REPOSITORY = f"{OWNER}/{NAME}"
FILES = {"README.md": b"tenants", "tenants/shop/base/kustomization.yaml": b"resources: []\n"}
TOKEN_PATH = r"/app/installations/\d+/access_tokens"


@cache
def app_key() -> tuple[str, str, str]:
    """One App's key for the whole test process: PKCS#1, PKCS#8, public."""
    return make_app_key()


@cache
def other_key() -> tuple[str, str, str]:
    """Another App's key."""
    return make_app_key()


class MemoryLog:
    """Remembers lines and masks in the order in which they came."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        yield

    def line(self, text: str) -> None:
        self.events.append(("line", text))

    def progress(self, text: str) -> None:
        self.events.append(("progress", text))

    def mask(self, text: str) -> None:
        self.events.append(("mask", text))

    @property
    def text(self) -> str:
        return "\n".join(text for kind, text in self.events if kind != "mask")


class JumpingClock:
    """Sleeps without waiting; remembers for how long."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class World:
    """The server, and what a run has to talk to it."""

    def __init__(self, base_path: str = "", clock: Callable[[], float] | None = None, **installation: Any) -> None:
        self.app = App(id=4711, client_id="Iv23abcDEF", public_key_pem=app_key()[2])
        self.commit = Commit(FILES)
        self.installation = Installation(4711, OWNER, **installation)
        self.repository = Repository(REPOSITORY, {"main": self.commit})
        self.server = GitHubServer(
            [self.app],
            [self.installation],
            [self.repository],
            base_path=base_path,
            **({"clock": clock} if clock else {}),
        )
        self.log = MemoryLog()
        self.clock = JumpingClock()

    def session(self, **given: str) -> AppSession:
        return app_session(self.server.api_url, self.log, self.clock, **given)

    def settings(self, *, ref: str = "", repository: str = REPOSITORY) -> GitHubSettings:
        return github_settings(api_url=self.server.api_url, ref=ref, repository=repository)

    @property
    def requests(self) -> list[str]:
        return [str(request) for request in self.server.requests]


def app_session(
    api_url: str,
    log: MemoryLog,
    clock: JumpingClock,
    *,
    app_id: str = "4711",
    key: str = "",
    repository: str = REPOSITORY,
) -> AppSession:
    """A session of the App with its own key, unless another is given."""
    return AppSession(AppCredentials(app_id, SecretValue(key or app_key()[0])), repository, api_url, log, clock)


def github_settings(**given: Any) -> GitHubSettings:
    """Settings of a run that fetches; each field can be given."""
    fields: dict[str, Any] = {
        "api_url": "https://api.github.com",
        "repository": REPOSITORY,
        "ref": "",
        "directory": "",
        "tenant_path": "tenants/{service}",
        "credentials": None,
        "workspace": "",
    }
    return GitHubSettings(**{**fields, **given})
