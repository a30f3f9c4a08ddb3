"""Runs every linter and type checker of this repository, and reports all that fail, not only the first.

    python tools/lint/run.py [NAME…]      NAME: only these, such as `ruff` or `actionlint`

Never changes a file of the checkout. All run without a network but for the first build of actionlint.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


@dataclass(frozen=True)
class Outcome:
    """What a linter said; `passed` is None where it could not run on this machine."""

    passed: bool | None
    output: str


@dataclass(frozen=True)
class Linter:
    """A linter and its command line, relative to the repository's root."""

    name: str
    command: tuple[str, ...]


def linters() -> list[Linter]:
    """All linters, in the order of their report."""
    workflows, examples = (
        [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(pattern))]
        for pattern in (".github/workflows/*.yml", "examples/*.yml")
    )
    return [
        Linter("ruff", ("ruff", "check", ".")),
        Linter("ruff-format", ("ruff", "format", "--check", ".")),
        Linter("mypy", ("mypy", "--strict")),
        Linter("import-linter", ("lint-imports", "--no-logo", "--no-cache")),
        # shellcheck and pyflakes would run only where they happen to be installed.
        Linter("actionlint", ("actionlint", "-shellcheck=", "-pyflakes=", *workflows, *examples)),
        # Offline: no look-up at GitHub, so the result depends neither on a token nor on the day.
        Linter("zizmor", ("zizmor", "--offline", "--quiet", *workflows, "action.yml", *examples)),
        Linter("hadolint", ("hadolint", "Dockerfile")),
    ]


def run(linter: Linter) -> Outcome:
    """Run one linter and collect what it says."""
    program, *arguments = linter.command
    if program == "actionlint":
        built = actionlint()
        if isinstance(built, Outcome):
            return built
        program = str(built)
    else:
        program = str(Path(sys.executable).parent / program)
    try:
        return call([program, *arguments], ROOT)
    except FileNotFoundError:
        return Outcome(False, f"{program} is not installed: pip install -r requirements/dev.txt --require-hashes\n")


def call(command: list[str], folder: Path) -> Outcome:
    """Run a command in a folder; both of its streams in one text."""
    done = subprocess.run(command, cwd=folder, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return Outcome(done.returncode == 0, done.stdout)


def actionlint() -> Path | Outcome:
    """The program, built once per pin from its Go module (go.mod and go.sum beside this file)."""
    pin = hashlib.sha256((HERE / "go.mod").read_bytes() + (HERE / "go.sum").read_bytes()).hexdigest()[:16]
    home = os.environ.get("SECRET_SYNC_CACHE")
    cache = Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "secret-sync"
    program = cache.expanduser().absolute() / "bin" / f"actionlint-{pin}"
    if program.is_file():
        return program
    if not shutil.which("go"):
        return Outcome(None, "Go is not installed, and actionlint is built from its Go module.\n")
    program.parent.mkdir(parents=True, exist_ok=True)
    unfinished = program.with_suffix(f".{os.getpid()}")
    built = call(["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(unfinished), "tool"], HERE)
    if not built.passed:
        return Outcome(False, f"actionlint could not be built:\n{built.output}")
    unfinished.replace(program)
    return program


def main(names: list[str]) -> int:
    """Run the named linters, or all; 0 when none of them failed."""
    known = linters()
    if unknown := sorted(set(names) - {linter.name for linter in known}):
        print(f"no linter {', '.join(unknown)}; there are {', '.join(linter.name for linter in known)}")
        return 2
    chosen = [linter for linter in known if not names or linter.name in names]
    failed = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for linter, outcome in zip(chosen, pool.map(run, chosen), strict=True):
            if outcome.passed:
                print(f"{linter.name:<14} ok", flush=True)
            elif outcome.passed is None:
                print(f"{linter.name:<14} skipped: {outcome.output}", end="", flush=True)
            else:
                print(f"{linter.name:<14} FAILED\n{outcome.output.rstrip()}\n", flush=True)
                failed.append(linter.name)
    print(f"failed: {', '.join(failed)}" if failed else "nothing to mend")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
