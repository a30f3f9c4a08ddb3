"""Sees to it that there is a kustomize: the one on the PATH, else the pinned release, else built from its Go module.

    python tools/kustomize.py FOLDER      prints the folder that has it; exit code 1 where there is none

FOLDER: where to put it. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

VERSION = "v5.5.0"
RELEASES = "https://github.com/kubernetes-sigs/kustomize/releases/download/kustomize%2F"
# From the release's checksums.txt.
SHA256 = {
    "linux_amd64": "6703a3a70a0c47cf0b37694030b54f1175a9dfeb17b3818b623ed58b9dbc2a77",
    "linux_arm64": "b4170d1acb8cfacace9f72884bef957ff56efdcd4813b66e7604aabc8b57e93d",
    "darwin_amd64": "874224e75229821b1e571aefa45703789b77336302a34692eac65adbe0dc1cee",
}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def fetch(folder: Path) -> bool:
    """The pinned release, checked against its checksum. False where it cannot be had for this machine."""
    system = f"{platform.system().lower()}_{_MACHINES.get(platform.machine().lower(), '')}"
    if system not in SHA256:
        return False
    try:
        with urllib.request.urlopen(f"{RELEASES}{VERSION}/kustomize_{VERSION}_{system}.tar.gz", timeout=60) as answer:
            archive = answer.read()
    except OSError as error:
        print(f"kustomize {VERSION} cannot be fetched ({error})", file=sys.stderr)
        return False
    if hashlib.sha256(archive).hexdigest() != SHA256[system]:
        print(f"kustomize {VERSION} was fetched, but its checksum is wrong: not used", file=sys.stderr)
        return False
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.extractfile("kustomize")
        if member is None:
            return False
        program = folder / "kustomize"
        program.write_bytes(member.read())
        program.chmod(0o755)
    return True


def build(folder: Path) -> bool:
    """Built from its Go module, which Go's checksum database verifies. False where there is no Go."""
    go = shutil.which("go")
    if go is None:
        return False
    module = f"sigs.k8s.io/kustomize/kustomize/v5@{VERSION}"
    print(f"building kustomize {VERSION} from its Go module (about a minute)", file=sys.stderr)
    environment = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
    return subprocess.run([go, "install", "-ldflags=-s -w", module], env=environment, check=False).returncode == 0


def main() -> int:
    """Prints where kustomize is. Returns the exit code."""
    folder = Path(sys.argv[1]).resolve()
    if shutil.which("kustomize") or shutil.which("kubectl"):
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "kustomize").exists() or fetch(folder) or build(folder):
        print(folder)
        return 0
    print(
        "There is no kustomize: install kustomize or kubectl "
        "(https://kubectl.docs.kubernetes.io/installation/kustomize/), or Go, and run this again.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
