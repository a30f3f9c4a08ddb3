"""kustomize as a child process: a folder in, rendered resources out.

Without a shell, without network, plug-ins or Helm, and with an environment that holds no value and no credential.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from secret_action.errors import ManifestError
from secret_action.manifest.yaml_files import load_documents
from secret_action.model import Problem

KUSTOMIZATION_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
ORIGIN = "config.kubernetes.io/origin"
_TIMEOUT_SECONDS = 60.0


class RenderError(Exception):
    """An overlay does not render. The text is kustomize's own message without temporary paths."""


def find_kustomize() -> tuple[str, ...]:
    """The command that renders: `kustomize build`, or `kubectl kustomize`, which is the same engine.

    Raises ManifestError where neither is on the PATH.
    """
    if path := shutil.which("kustomize"):
        return (path, "build")
    if path := shutil.which("kubectl"):
        return (path, "kustomize")
    raise ManifestError(
        Problem(
            "Neither kustomize nor kubectl is on the PATH, so the overlays cannot be rendered.",
            "Install kustomize (https://kubectl.docs.kubernetes.io/installation/kustomize/), or use the action's "
            "image, which has it.",
        )
    )


def kustomization_file(folder: Path) -> Path | None:
    """The folder's kustomization file, under any of its three names."""
    return next((folder / name for name in KUSTOMIZATION_NAMES if (folder / name).is_file()), None)


def render(command: tuple[str, ...], folder: Path) -> list[dict[str, Any]]:
    """Renders one folder.

    command: as from `find_kustomize`. folder: absolute, with a kustomization file.
    Returns the resources in kustomize's order; each carries the annotation `config.kubernetes.io/origin`, whose path
    is made relative to `folder`. Raises RenderError.
    """
    with tempfile.TemporaryDirectory(prefix="secret-sync-") as wrapper:
        # A kustomization around the overlay asks for the origins; the overlay itself stays as it is. Only a relative
        # path may name a folder outside of it.
        overlay = os.path.relpath(folder, os.path.realpath(wrapper))
        Path(wrapper, "kustomization.yaml").write_text(
            yaml.safe_dump({"resources": [overlay], "buildMetadata": ["originAnnotations"]})
        )
        try:
            done = subprocess.run(  # noqa: S603
                [*command, wrapper],
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
                env=_quiet_environment(wrapper),
            )
        except subprocess.TimeoutExpired:
            raise RenderError(f"kustomize did not finish within {_TIMEOUT_SECONDS:.0f} s") from None
        if done.returncode:  # warnings also go to stderr: only the exit code decides
            raise RenderError(_clean(done.stderr.decode("utf-8", "replace"), wrapper, overlay, folder))
        try:
            documents = load_documents(done.stdout.decode("utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            raise RenderError("kustomize's output is not YAML") from None
        resources = [document for document in documents if isinstance(document, dict)]
        for resource in resources:
            _relative_origin(resource, overlay)
        return resources


def _quiet_environment(home: str) -> dict[str, str]:
    """No PATH, so neither git nor a plug-in can be started; a proxy that nobody answers, so nothing is fetched."""
    nowhere = "http://127.0.0.1:9"
    return {"HOME": home, "PATH": "", "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere}


def _relative_origin(resource: dict[str, Any], overlay: str) -> None:
    annotations = (resource.get("metadata") or {}).get("annotations") or {}
    origin = annotations.get(ORIGIN)
    if isinstance(origin, str) and (match := re.search(r"^path: (.+)$", origin, re.MULTILINE)):
        annotations[ORIGIN] = os.path.relpath(match[1], overlay)


def _clean(message: str, wrapper: str, overlay: str, folder: Path) -> str:
    """kustomize's own words, without this machine's paths and without klog's frame."""
    if match := re.search(r'"command failed" err="(.*)"\s*$', message, re.DOTALL):
        message = match[1]
    message = message.replace("\\n", "\n").replace('\\"', '"').removeprefix("Error: ")
    real = os.path.realpath(folder)
    for path in sorted({overlay, str(folder), real}, key=len, reverse=True):
        message = message.replace(path, folder.name)
    for parent in Path(real).parents:
        if len(parent.parts) > 1:
            message = message.replace(f"{parent}/", "")
    for path in {wrapper, os.path.realpath(wrapper)}:
        message = message.replace(path, "")
    lines = [line for line in message.splitlines() if not line.startswith("# Warning")]
    return re.sub(r"\s+", " ", " ".join(lines)).strip() or "kustomize gave no reason"
