"""One scenario = the real entry point as a child process in a world of local servers, with a leak check around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox.runner import RunningAction, RunResult
from sandbox.world import VALUES, World
from tests.scenarios.leaks import assert_no_leak


class CheckedWorld(World):
    """A world in which nothing that a run writes or sends may hold a value."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.secret_texts: set[str] = set(VALUES.values())

    def run(
        self, values: Mapping[str, str] | None = None, *, env: Mapping[str, str] | None = None, **inputs: Any
    ) -> RunResult:
        """Runs the action, then looks for leaks."""
        result = super().run(values, env=env, **inputs)
        self.check(result, values, inputs)
        return result

    def finish(self, running: RunningAction, values: Mapping[str, str] | None = None) -> RunResult:
        """Waits for an action that was started, then looks for leaks."""
        result = running.wait()
        self.check(result, values, {})
        return result

    def check(self, result: RunResult, values: Mapping[str, str] | None, inputs: Mapping[str, Any]) -> None:
        """Remembers the values of this run, and looks for those of all runs so far."""
        self.secret_texts.update((values or {}).values())
        self.secret_texts.update(str(inputs[name]) for name in ("app_private_key",) if inputs.get(name))
        self.secret_texts.update(parameter["value"] for parameter in self.aws.parameters().values())
        self.secret_texts.discard("https://platform.example/.well-known/jwks.json")  # public, and a String
        tokens = {token.value for token in self.github.tokens}
        assert_no_leak(result, self, sorted(self.secret_texts | tokens | {self.app_key}))


MakeWorld = Callable[..., CheckedWorld]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """Opens worlds that are closed when the test ends. Options as for `World`."""
    opened: list[CheckedWorld] = []

    def make(**options: Any) -> CheckedWorld:
        world = CheckedWorld(tmp_path / f"world-{len(opened)}", **options)
        opened.append(world.__enter__())
        return world

    yield make
    for world in reversed(opened):
        world.__exit__(None, None, None)


@pytest.fixture
def world(make_world: MakeWorld) -> CheckedWorld:
    """A world with the example tenant, its production overlay deployed."""
    world = make_world()
    world.deploy()
    return world
