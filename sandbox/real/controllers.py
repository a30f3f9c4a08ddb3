"""The real controllers of workloads: kube-controller-manager, beside a real API server.

Built apart from the other programs of the cluster, since few tests need it; `python -m sandbox.real.controllers`
builds it. Nodes and containers are played by `sandbox.kubelet`.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Self

from sandbox.kubelet import Kubelet
from sandbox.real import build
from sandbox.real.cluster import RealCluster
from sandbox.real.process import Process

NAME = "kube-controller-manager"
_APISERVER = next(program for program in build.PROGRAMS if program.name == "kube-apiserver")
PROGRAM = build.Program(
    NAME,
    _APISERVER.module,
    _APISERVER.version,
    package="./cmd/kube-controller-manager",
    siblings=_APISERVER.siblings,
    ldflags=_APISERVER.ldflags,
)
_CONTROLLERS = ("deployment", "replicaset", "statefulset", "daemonset")


class RealControllers:
    """They work on a cluster from `with` to the end of the block."""

    def __init__(self, cluster: RealCluster) -> None:
        self._cluster = cluster
        self._kubelet = Kubelet(cluster.request)

    @property
    def troubles(self) -> dict[str, str]:
        """By namespace how its pods that start from now on fail: `crash` or `image`."""
        return self._kubelet.troubles

    def __enter__(self) -> Self:
        program = build.binary(NAME)
        if program is None:
            raise build.BuildError(f"{NAME} is not built: run `python -m sandbox.real.controllers`")
        self._folder = Path(tempfile.mkdtemp(prefix="secret-sync-controllers-"))
        kubeconfig = self._folder / "kubeconfig"
        kubeconfig.write_text(self._cluster.kubeconfig())
        self._process = Process(
            [
                str(program),
                f"--kubeconfig={kubeconfig}",
                f"--controllers={','.join(f'{name}-controller' for name in _CONTROLLERS)}",
                "--leader-elect=false",
                "--secure-port=0",
            ],
            log=self._folder / "log",
            environment={"HOME": str(self._folder), "TMPDIR": str(self._folder)},
        )
        self._kubelet.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._kubelet.__exit__(*exception)
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


if __name__ == "__main__":
    if build.binary(NAME) is None:
        build.build(PROGRAM)
    sys.exit(0)
