"""Runs of the product on the real cluster, as a library and as a child process, and what they claim."""

from __future__ import annotations

import random
import re
import sys
import time
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.real.cluster import RealCluster
from sandbox.real.door import Door
from sandbox.runner import ENTRYPOINT
from sandbox.world import SERVICE, VALUES
from secret_action.cluster import follow, prepare, refresh
from secret_action.errors import SecretSyncError
from secret_action.model import ContentState, RefreshState
from secret_action.ports import Clock, SystemClock
from secret_action.values import SecretValue
from tests.conformance.lab import Lab, Object
from tests.conformance.product import MANAGED, Log, Product, rendered
from tests.conformance.test_least_rights import user
from tests.real.site import Site, otherwise
from tests.scenarios.conftest import CheckedWorld

PROVEN = {str(RefreshState.PROVEN), str(RefreshState.WEAKLY_PROVEN)}
TOLD = re.compile(rf"\b[a-z0-9-]+/([a-z0-9-]+): ({'|'.join(map(str, RefreshState))}) after ")
# A child process whose clock is an hour off.
OFF = (
    "import runpy, sys, time; real = time.time; time.time = lambda: real() + {hours} * 3600; "
    f"sys.argv = [{str(ENTRYPOINT)!r}]; sys.path.insert(0, {str(ENTRYPOINT.parent)!r}); "
    f"runpy.run_path({str(ENTRYPOINT)!r}, run_name='__main__')"
)


@dataclass
class Claims:
    """What one run said of each ExternalSecret, and when, by `time.monotonic`."""

    states: dict[str, tuple[str, str]] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)
    ended: str = ""
    """How it ended, where it gave no states."""
    clock_off: bool = False
    """Its clock was an hour off."""
    success: bool = False
    """It said that all is proven."""

    def hear(self, line: str) -> None:
        """One line of its log."""
        if found := TOLD.search(line):
            self.at[found[1]] = time.monotonic()

    def claimed(self) -> list[str]:
        """Those whose Secret holds what the manifest demands, as it says."""
        return [
            name
            for name, (state, content) in self.states.items()
            if content == str(ContentState.PROVEN) or (state in PROVEN and content != str(ContentState.DIFFERS))
        ]


class Hearing(Log):
    """Notes when the product says something."""

    def __init__(self, claims: Claims) -> None:
        super().__init__()
        self._claims = claims

    def line(self, text: str) -> None:
        super().line(text)
        self._claims.hear(text)


class JumpingClock(SystemClock):
    """An hour passes at once, as when a machine sleeps."""

    def __init__(self, after: float) -> None:
        self._at = time.monotonic() + after

    def now(self) -> float:
        now = time.monotonic()
        return now + 3600 if now > self._at else now


class Library:
    """Runs of the cluster's half alone, of ExternalSecrets of many shapes, as admin and with no more than the rights
    of the example."""

    def __init__(self, world: CheckedWorld, door: Door) -> None:
        assert isinstance(world.cluster, RealCluster)
        self._lab = lab = Lab(world.cluster, world.aws)
        self._tokens = (None, user(lab))
        self._products = {
            (token, through): Product(
                lab, token, **({"kubeconfig": SecretValue(door.kubeconfig(token))} if through else {})
            )
            for token in self._tokens
            for through in (False, True)
        }
        manifests = {name: self._manifest(name, spec) for name, spec in self._specs().items()}
        self.site = Site(world.cluster, world.aws, door, lab.namespace, manifests)
        self.renew(0)

    def renew(self, number: int) -> None:
        """The values of a round."""
        for name in self.site.manifests:
            for letter in "ab":
                value = f'{{"password":"{letter}-{number}-of-{name}","user":"u-{number}"}}'
                self.site.values[self._path(name, letter)] = value

    def late(self, name: str, chance: random.Random) -> None:
        """Git asks for something else today, of which the cluster does not know yet."""
        spec = chance.choice([spec for shape, spec in self._specs(name).items() if shape not in ("never", "once")])
        self.site.manifests[name] = self._manifest(name, spec)

    def run(self, number: int, chance: random.Random, through: bool, timeout: float) -> Claims:
        """A release: what is found before the write, the write, the proof."""
        claims = Claims()
        product = self._products[chance.choice(self._tokens), through]
        how = chance.choice(["always", "changed", "force", "force"])
        settings = replace(product.settings, refresh=how, timeout=timeout)
        never = ("never", "once")
        chosen = [name for name in self.site.manifests if how == "force" or name not in never]
        wanted = tuple(rendered(self.site.manifests[name]) for name in chosen)
        claims.clock_off = chance.random() < 0.05
        clock: Clock = JumpingClock(chance.uniform(0.2, 3)) if claims.clock_off else SystemClock()
        known = {path: SecretValue(value) for path, value in self.site.values.items()}
        # Some it writes itself, and of some it only knows that others have changed them.
        known = known if chance.random() < 0.6 else {}
        changed = frozenset(self.site.values)
        try:
            seen = prepare(product.api, product.inspect(*wanted), known, changed, settings)
            for path, value in self.site.values.items():
                self.site.aws.put(path, value)
            results = refresh(
                product.api, wanted, seen, known, settings, Hearing(claims), clock,
                token=f"chaos-{number}-{time.monotonic_ns()}", changed_paths=changed,
                ssm_exists=lambda path: path in self.site.aws.parameters(), following=follow(product.api, seen),
            )  # fmt: skip
        except SecretSyncError as error:
            claims.ended = type(error).__name__
            return claims
        claims.states = {result.name: (str(result.state), str(result.content)) for result in results}
        return claims

    def _path(self, name: str, letter: str) -> str:
        return f"/zerotouch/{self._lab.namespace}/{name}-{letter}"

    def _manifest(self, name: str, spec: dict[str, Any]) -> Object:
        return self._lab.manifest(name, metadata={"labels": MANAGED}, **spec)

    def _specs(self, name: str = "") -> dict[str, dict[str, Any]]:
        """By name of a shape its spec, all for one ExternalSecret or each for the one of its name."""

        def key(shape: str, letter: str = "a", **more: str) -> dict[str, str]:
            return {"key": self._path(name or shape, letter), **more}

        def data(shape: str, **more: str) -> list[Object]:
            return [{"secretKey": "key", "remoteRef": key(shape, **more)}]

        two = [{"secretKey": letter, "remoteRef": key("partial", letter)} for letter in "ab"]
        opaque = {"mergePolicy": "Merge", "data": {"more": "{{ .key | upper }}"}}
        return {
            "plain": {"data": data("plain")},
            "other": {"data": data("other", letter="b")},
            "property": {"data": data("property", property="password")},
            "whole": {"dataFrom": [{"extract": key("whole")}]},
            "partial": {"data": two, "target": {"deletionPolicy": "Merge"}},
            "filled": {"data": data("filled"), "target": {"template": {"data": {"url": "x://{{ .key }}"}}}},
            "opaque": {"data": data("opaque"), "target": {"template": opaque}},
            "never": {"data": data("never"), "refreshInterval": "0"},
            "once": {"data": data("once"), "refreshPolicy": "CreatedOnce"},
        }


class EntryPoint:
    """Whole releases as a child process, with the rights of the example."""

    def __init__(self, world: CheckedWorld, door: Door) -> None:
        assert isinstance(world.cluster, RealCluster)
        self._world, self._door = world, door
        manifests = {each["metadata"]["name"]: each for each in world.deploy()}
        self.site = Site(world.cluster, world.aws, door, SERVICE, manifests)
        self.renew(0)

    def renew(self, number: int) -> None:
        """The values of a round."""
        self._given = {name: value.replace("-77", f"-77-{number}") for name, value in VALUES.items()}
        for name, value in self._given.items():
            if value == VALUES[name]:
                self._given[name] = f"{value}#{number}"
            self.site.values[f"/zerotouch/prod/{SERVICE}/{name.lower()}"] = self._given[name]
        self.site.values |= {
            path: one["value"] for path, one in self.site.aws.parameters().items() if path.endswith("/jwks_url")
        }

    def late(self, name: str, chance: random.Random) -> None:
        """The cluster does not know yet what Git asks for."""
        self.site.deploy(name, otherwise(self.site.manifests[name], chance, sorted(self.site.values)))

    def run(self, number: int, chance: random.Random, through: bool, timeout: float) -> Claims:
        """A release, as a workflow makes it."""
        claims = Claims()
        kubeconfig = (self._door if through else self.site.cluster).kubeconfig(self._world.token)
        claims.clock_off = chance.random() < 0.15
        result = self._world.run(
            self._given,
            kubeconfig=kubeconfig,
            timeout=str(int(timeout)),
            refresh=chance.choice(["always", "changed"]),
            on_line=claims.hear,
            command=[sys.executable, "-c", OFF.format(hours=chance.choice([-1, 1]))] if claims.clock_off else None,
        )
        assert "Traceback" not in result.stdout + result.stderr, result.log_as_shown() + result.stderr
        claims.success = result.exit_code == 0
        if result.report:
            listed = result.report["external_secrets"]
            claims.states = {each["name"]: (each["state"], each["content"]) for each in listed}
        if not claims.states:
            off = " with a clock that is off" if claims.clock_off else ""
            claims.ended = f"exit code {result.exit_code}{off}: {result.summary.splitlines()[0][:120]}"
        return claims
