"""Random trouble for a real API server and a real operator, for as long as it is told to: no false proof.

SECRET_SYNC_CHAOS_SECONDS says for how long (a few seconds by default), SECRET_SYNC_CHAOS_SEED which one to repeat.
"""

from __future__ import annotations

import os
import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import urllib3

from sandbox.real import build
from sandbox.real.cluster import RealCluster
from sandbox.real.door import Door
from sandbox.real.process import ClusterError as ProgramError
from tests.real.runs import Claims, EntryPoint, Library
from tests.real.site import Site
from tests.real.trouble import SLOW, Troubles
from tests.real.truth import History, demanded
from tests.scenarios.conftest import CheckedWorld

pytestmark = pytest.mark.real

SECONDS = float(os.environ.get("SECRET_SYNC_CHAOS_SECONDS", "8"))
SEED = int(os.environ.get("SECRET_SYNC_CHAOS_SEED", str(random.randrange(10**6))))
LOOK_BACK = 5.0  # seconds between what the product has seen last and its word on it: much on a busy machine
SLACK = 1.0  # seconds that our own watch may be late


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CheckedWorld]:
    if build.binaries() is None:
        pytest.skip("the real cluster's programs are not built: make real-cluster builds them")
    with CheckedWorld(tmp_path, make_cluster=RealCluster) as world:
        yield world


Runs = Library | EntryPoint


class Rounds:
    """One after the other, and what came of them."""

    def __init__(self, history: History, sites: Sequence[Site]) -> None:
        self._sites = sites
        self.number = 0
        self.troubles: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.false: list[str] = []
        self.crashes: list[str] = []
        self._history = history
        self._bag: list[str] = []

    def one(self, runs: Runs) -> None:
        """A run in which something goes wrong, then the truth, then all is mended."""
        self.number += 1
        chance, site = random.Random(f"{SEED}-{self.number}"), runs.site
        kinds = [self._next(chance)] + ([self._next(chance)] if chance.random() < 0.3 else [])
        victims = [chance.choice(list(site.manifests)) for _ in kinds]
        runs.renew(self.number)
        deployed = chance.uniform(0, 3) if chance.random() < 0.6 else None
        late = chance.choice(list(site.manifests)) if chance.random() < 0.5 else ""
        asked = dict(site.manifests)
        if late:
            runs.late(late, chance)
            self.troubles["deployed late or never"] += 1
        timeout = max([chance.uniform(3, 9), *(SLOW.get(kind, 0) for kind in kinds)])
        troubles = Troubles(site, random.Random(f"{SEED}-{self.number}-trouble"))
        acts: list[tuple[str, float, Callable[[], object]]] = [
            (kind, chance.choice([0.0, chance.uniform(0, 0.6), chance.uniform(0, 4)]), _act(troubles, kind, victim))
            for kind, victim in zip(kinds, victims, strict=True)
        ]
        if late and deployed:
            acts.append(("deployed at last", deployed, lambda: site.deploy(late)))
        threads = [threading.Thread(target=self._suffer, args=(site, *act)) for act in acts]
        if chance.random() < 0.7:  # so that much of it happens before the operator is done
            troubles.slow_down(chance.uniform(0.05, 0.4))
        since = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            claims = runs.run(self.number, chance, any(kind.startswith("door") for kind in kinds), timeout)
        except Exception:
            self.crashes.append(f"round {self.number}, {kinds} on {victims}: {traceback.format_exc()}")
            claims = Claims(ended="crash")
        until = time.monotonic()
        site.over.set()
        for thread in threads:
            thread.join()
        self._judge(runs, claims, (since, until), f"round {self.number}, {kinds} on {victims}, late {late}")
        self.troubles["clock an hour off"] += claims.clock_off
        site.manifests.update(asked)
        for each in sorted(self._sites, key=lambda each: each is not site):
            each.mend()

    def _next(self, chance: random.Random) -> str:
        """Each kind comes once before any comes again."""
        if not self._bag:
            self._bag = Troubles.names()
            chance.shuffle(self._bag)
        return self._bag.pop()

    def _suffer(self, site: Site, kind: str, after: float, act: Callable[[], object]) -> None:
        """Something goes wrong, unless the run ends before."""
        if site.over.wait(after):
            return
        self.troubles[kind] += 1
        try:
            act()
        except (urllib3.exceptions.HTTPError, ProgramError):
            self.outcomes["(trouble that met trouble)"] += 1
        except Exception:
            self.crashes.append(f"round {self.number}, not the product: {traceback.format_exc()}")

    def _judge(self, runs: Runs, claims: Claims, span: tuple[float, float], told: str) -> None:
        """Holds what was said against what the Secrets held."""
        time.sleep(0.1)
        who, site = type(runs).__name__, runs.site
        claimed = claims.claimed()
        values = site.values | {path: one["value"] for path, one in site.aws.parameters().items()}
        if claims.ended:
            self.outcomes[f"{who}: {claims.ended}"] += 1
        if claims.success and set(claimed) != set(site.manifests):
            self.false.append(f"{told}: success, although only {claimed} are proven: {claims}")
        self.outcomes.update(f"{who}: {state}, content {content}" for state, content in claims.states.values())
        for name in claimed:
            at = claims.at.get(name, span[1])
            spec = site.manifests[name]["spec"]
            secret = spec.get("target", {}).get("name", name)
            held = self._history.during(site.namespace, secret, max(span[0], at - LOOK_BACK), at + SLACK)
            if (wanted := demanded(spec, values)) not in held:
                self.false.append(f"{told}: {name} is {claims.states[name]}; demanded {wanted}, held {held}")


def _act(troubles: Troubles, kind: str, victim: str) -> Callable[[], object]:
    method: Callable[[str], object] = getattr(troubles, kind.replace(" ", "_"))
    return lambda: method(victim)


def test_no_false_proof(world: CheckedWorld, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is called proven, the Secret has held: what the rendered manifest demands, of the values in SSM."""
    assert isinstance(world.cluster, RealCluster)
    with Door(world.cluster) as door, History(world.cluster) as history:
        library, entry_point = Library(world, door), EntryPoint(world, door)
        sites = (library.site, entry_point.site)
        for site in sites:
            site.mend()
        rounds = Rounds(history, sites)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end or rounds.number < 2:
            rounds.one(entry_point if rounds.number % 4 == 1 else library)
    with capsys.disabled():
        print(f"\nseed {SEED}, {rounds.number} rounds, {len(rounds.false)} false proofs, {len(rounds.crashes)} crashes")
        for counted in (rounds.troubles, rounds.outcomes):
            print(*(f"{number:6}  {what}" for what, number in sorted(counted.items())), sep="\n")
    assert (rounds.false, rounds.crashes) == ([], []), f"SECRET_SYNC_CHAOS_SEED={SEED}"
