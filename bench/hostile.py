"""What `validate` takes for repositories that mean harm, beside the example tenant in the same run.

    python -m bench.hostile [NAME…]

Each is one mistake or attack by itself, in a tenant that is right otherwise. Time is of the whole process, memory of
the process and all that it started, at most. The goals are printed, not enforced: 5 s and 300 MiB. Linux only.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.watched import validate
from sandbox.world import EXAMPLE, SERVICE

GOAL_SECONDS, GOAL_MEBIBYTES = 5.0, 300.0
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
LAUGHS = "a: &a [l, l, l, l, l, l, l, l, l]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def _resource(text: str, *, overlays: int = 1) -> Callable[[Path], None]:
    """A base that holds this text, and so many overlays on it."""

    def make(tenant: Path) -> None:
        _write(tenant / "large/kustomization.yaml", "resources: [r.yaml]\n")
        _write(tenant / "large/r.yaml", text)
        for number in range(overlays):
            _write(tenant / f"overlays/e{number}/kustomization.yaml", "resources: [../../large]\n")

    return make


def _kustomization(text: str) -> Callable[[Path], None]:
    return lambda tenant: _write(tenant / "overlays/e/kustomization.yaml", text)


def _inline(tenant: Path) -> None:
    patch = "".join(
        f"    {line}\n" for line in f"{CONFIG_MAP}data:\n  {LAUGHS.replace(chr(10), chr(10) + '  ')}".split("\n")
    )
    for number in range(12):
        folder = tenant / f"overlays/e{number}"
        _write(folder / "kustomization.yaml", f"resources: [r.yaml]\npatches:\n- patch: |\n{patch}")
        _write(folder / "r.yaml", CONFIG_MAP)


def _large_file(tenant: Path) -> None:
    for name in ("overlays/e/r.yaml", "stray.yaml"):
        _write(tenant / name, "")
        os.truncate(tenant / name, 200 * 1000 * 1000)
    _write(tenant / "overlays/e/kustomization.yaml", "resources: [r.yaml]\n")


def _links(tenant: Path) -> None:
    (tenant / "overlays/round").symlink_to("round")
    (tenant / "overlays/out").symlink_to("/etc")
    _write(tenant / "overlays/e/kustomization.yaml", "resources: [r.yaml]\n")
    (tenant / "overlays/e/r.yaml").symlink_to("/dev/zero")


def _many_files(tenant: Path) -> None:
    for number in range(20_000):
        _write(tenant / f"files/{number // 1000}/{number}.yaml", CONFIG_MAP)


TREES: dict[str, Callable[[Path], None]] = {
    "the example": lambda _: None,
    "billion laughs in a resource": _resource(CONFIG_MAP + "data:\n" + "".join(f"  {x}\n" for x in LAUGHS.split("\n"))),
    "billion laughs in 12 patches": _inline,
    "billion laughs in secrets.yaml": lambda tenant: _write(tenant / "secrets.yaml", LAUGHS),
    "100,000 documents": _resource("---\n".join([CONFIG_MAP] * 100_000)),
    "1,900 resources, 4 overlays": _resource(
        "---\n".join(CONFIG_MAP.replace("x", f"x{number}") + "data: {a: b, c: d}\n" for number in range(1900)),
        overlays=4,
    ),
    "nested 100,000 deep": _resource(f"{CONFIG_MAP}data: {'[' * 100_000}"),
    "nested 3,000 deep, 16 overlays": _resource(f"{CONFIG_MAP}data: {'{a: ' * 3000}1{'}' * 3000}\n", overlays=16),
    "two files of 200 MB": _large_file,
    "20,000 files": _many_files,
    "links out, in a circle, to a device": _links,
    "includes itself": _kustomization("resources: [.]\n"),
}


def main() -> int:
    """Measures and prints. Returns 0."""
    print(f"{'':38}   time   to the example      MiB")
    usual = 0.0
    for name, make in TREES.items():
        if sys.argv[1:] and name not in ("the example", *sys.argv[1:]):
            continue
        folder = Path(tempfile.mkdtemp(prefix="secret-sync-bench-"))
        try:
            (folder / ".git").mkdir()
            tenant = folder / "tenants" / SERVICE
            shutil.copytree(EXAMPLE / "tenants" / SERVICE, tenant)
            make(tenant)
            measured, code, output = validate(folder)
        finally:
            shutil.rmtree(folder)
        if "Traceback" in output or code not in (0, 2):
            print(f"{name}: exit code {code}\n{output}")
            return 1
        usual = usual or measured.seconds
        both = measured.own + measured.children
        print(f"{name:38} {measured.seconds:4.1f} s {measured.seconds / usual:15.1f} x {both:8.0f}", flush=True)
    print(f"goals: {GOAL_SECONDS:.0f} s, {GOAL_MEBIBYTES:.0f} MiB")
    return 0


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
