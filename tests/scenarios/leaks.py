"""The leak check that wraps every scenario: no form of any value anywhere but in AWS."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from sandbox.runner import RunResult
from sandbox.world import World
from secret_action.masking import forms_of


def assert_no_leak(result: RunResult, world: World, values: Iterable[str]) -> None:
    """Fails with the place and a position, never with the value.

    Looks at everything that the process printed as the runner shows it, told GitHub or the cluster, or left on disk.
    """
    texts = dict(_places(result, world))
    for number, value in enumerate(values):
        for form in forms_of(value):
            for place, text in texts.items():
                # Not a plain assert: pytest would print both sides.
                if form in text:
                    raise AssertionError(f"value number {number} leaked to {place}, at character {text.index(form)}")


def _places(result: RunResult, world: World) -> Iterator[tuple[str, str]]:
    yield "the log", result.log_as_shown()
    yield "standard error", result.stderr
    yield "the summary", result.summary
    yield "the outputs", json.dumps(result.outputs)
    yield "the report", json.dumps(result.report, ensure_ascii=False)
    for number, annotation in enumerate(result.annotations):
        yield f"annotation {number}", f"{annotation.title} {annotation.message}"
    for path in result.files_left:
        if path.is_file() and not path.is_symlink():
            yield f"the file {path.name}", path.read_bytes().decode("utf-8", "backslashreplace")
    servers = {"GitHub": world.github, "the OIDC server": world.oidc, "the cluster": world.cluster}
    for name, server in servers.items():
        for request in getattr(server, "requests", ()):
            body = request.body.decode("utf-8", "backslashreplace")
            yield f"a request to {name}: {request}", f"{request.path} {request.query} {body}"
