"""Build the programs of a real cluster (and kustomize) from their Go modules, once per machine.

Each program is built in its own published source tree, with the requirements and checksums that come
with it, so that an exact version is all there is to pin here. Standard library only.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CANNOT_BUILD = 3
"""Exit code where this machine cannot build: no Go, an old Go, or no way to its modules."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A program and the published Go module whose source it is built from."""

    name: str
    module: str
    version: str
    package: str = "."
    siblings: str = ""
    """Version of the modules that the source replaces by folders of its repository: not in its zip."""
    rewritten: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Source files (path in the module) that get another text before the build."""
    kept: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Files of the module that are wanted beside the program: path in the module -> name."""
    ldflags: str = ""


CRDS = "external-secrets-crds.yaml"
PROGRAMS = (
    Program("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", "v5.5.0"),
    Program("etcd", "go.etcd.io/etcd/server/v3", "v3.6.5", siblings="v3.6.5"),
    Program(
        "kube-apiserver",
        "k8s.io/kubernetes",
        "v1.34.4",
        package="./cmd/kube-apiserver",
        siblings="v0.34.4",
        ldflags="-X k8s.io/component-base/version.gitVersion=v1.34.4",
    ),
    Program(
        # v0.20.4 is the last version that is one module: later ones are tied by folder replacements.
        "external-secrets",
        "github.com/external-secrets/external-secrets",
        "v0.20.4",
        # Only what this product talks to, as later versions' build tag `aws` does: the other thirty-odd
        # providers and their SDKs are most of the build, and change nothing in the controllers.
        rewritten={
            "pkg/provider/register/register.go": (
                'package register\n\nimport _ "github.com/external-secrets/external-secrets/pkg/provider/aws"\n'
            ),
            "pkg/generator/register/register.go": "package register\n",
        },
        kept={"deploy/crds/bundle.yaml": CRDS},
    ),
)
CLUSTER = ("etcd", "kube-apiserver", "external-secrets", CRDS)
"""The files that a cluster is started from: all but kustomize."""


class BuildError(Exception):
    """A program that cannot be built on this machine; the text says why, in one line."""


@functools.cache
def folder() -> Path:
    """The folder of the built programs: it outlives the checkout, and another pin makes another folder."""
    home = os.environ.get("SECRET_SYNC_CACHE")
    cache = Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "secret-sync"
    pins = json.dumps([dataclasses.asdict(program) for program in PROGRAMS])
    machine = f"{platform.system()}/{platform.machine()}"
    digest = hashlib.sha256(f"{pins}\n{machine}".encode()).hexdigest()[:16]
    return cache.expanduser().absolute() / "real-cluster" / digest


def binary(name: str) -> Path | None:
    """The built program (or kept file) of that name, or None where it is not built yet."""
    path = folder() / name
    return path if path.is_file() else None


def binaries() -> dict[str, Path] | None:
    """Every file of ``CLUSTER`` by name, or None unless all are built."""
    found = {name: path for name in CLUSTER if (path := binary(name))}
    return found if len(found) == len(CLUSTER) else None


def build(program: Program) -> None:
    """Build one program into ``folder()``; raises ``BuildError``. Nothing half-made is ever seen there."""
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="secret-sync-build-") as name:
        work = Path(name)
        module = f"{program.module}@{program.version}"
        downloaded = json.loads(_go("mod", "download", "-json", module, cwd=work))
        with zipfile.ZipFile(downloaded["Zip"]) as source:  # its checksum is verified by now
            source.extractall(work)
        tree = work / module
        _require_published_siblings(tree, program.siblings)
        for path, text in program.rewritten.items():
            (tree / path).write_text(text)
        built = work / "built"
        _go("build", "-ldflags", f"-s -w {program.ldflags}", "-o", str(built), program.package, cwd=tree)
        for path, name in program.kept.items():
            _place(tree / path, name)
        _place(built, program.name)


def _require_published_siblings(tree: Path, version: str) -> None:
    """Turn each requirement on a folder of the repository into one on that module as it was published."""
    go_mod: dict[str, Any] = json.loads(_go("mod", "edit", "-json", cwd=tree))
    required = {requirement["Path"] for requirement in go_mod["Require"]}
    edits: list[str] = []
    for replacement in go_mod["Replace"] or []:
        if "Version" in replacement["New"]:
            continue  # another published module: resolves anywhere
        module = replacement["Old"]["Path"]
        edits.append(f"-dropreplace={module}")
        if module in required:
            edits.append(f"-require={module}@{version}")
    if edits:
        _go("mod", "edit", *edits, cwd=tree)


def _place(file: Path, name: str) -> None:
    """Put a file into ``folder()`` under its name, so that others see it whole or not at all."""
    partial = folder() / f".{name}.{os.getpid()}"
    shutil.copy(file, partial)
    partial.replace(folder() / name)


def _go(*arguments: str, cwd: Path) -> str:
    """Run the go command in a folder and return what it prints; raises ``BuildError`` with its reason."""
    own = {"GOWORK": "off", "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -trimpath -buildvcs=false"}
    command = ["go", *arguments]
    try:
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **own}, capture_output=True, text=True)
    except FileNotFoundError:
        raise BuildError("Go is not installed (there is no `go` command)") from None
    if done.returncode:
        raise BuildError(f"`go {arguments[0]}` failed: {_reason(done)}")
    return done.stdout


def _reason(failed: subprocess.CompletedProcess[str]) -> str:
    """One line on why the go command failed: with ``-json`` it says so on stdout, else at stderr's end."""
    if failed.stdout.startswith("{"):
        return str(json.loads(failed.stdout).get("Error"))
    return failed.stderr.strip().rpartition("\n")[2] or f"exit code {failed.returncode}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what is not built yet; returns the exit code: 0, or 3 where this machine cannot build."""
    names = [program.name for program in PROGRAMS]
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.real.build",
        description="Build the programs of a real cluster, and kustomize, unless they are built already.",
    )
    parser.add_argument("program", nargs="*", help=f"what to build: {', '.join(names)} (all of them)")
    parser.add_argument("--print", action="store_true", help="only print the folder of the built programs")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.program) - set(names):
        parser.error(f"no program is named {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if chosen.print:
        print(folder())
        return 0
    wanted = [program for program in PROGRAMS if program.name in (chosen.program or names)]
    missing = [program for program in wanted if not _is_built(program)]
    if not missing:
        print(f"{', '.join(program.name for program in wanted)}: already built, in {folder()}")
    for program in missing:
        print(f"{program.name} {program.version}: building", end=" ", flush=True)
        started = time.monotonic()
        try:
            build(program)
        except BuildError as error:
            print(f"- cannot be built here: {error}", flush=True)
            return CANNOT_BUILD
        print(f"- built in {time.monotonic() - started:.0f} s", flush=True)
    return 0


def _is_built(program: Program) -> bool:
    return all(binary(name) for name in (program.name, *program.kept.values()))


if __name__ == "__main__":
    sys.exit(main())
