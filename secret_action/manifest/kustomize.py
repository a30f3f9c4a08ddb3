"""kustomize as a child process: a folder in, rendered resources out.

Without a shell, without network, plug-ins or Helm, and with an environment that holds no value and no credential.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from secret_action.errors import ManifestError
from secret_action.manifest.yaml_files import in_one_line, load_documents
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
    # os.path.isfile, since a text of any length and with any character may stand where a folder belongs.
    return next((folder / name for name in KUSTOMIZATION_NAMES if os.path.isfile(folder / name)), None)


def render(command: tuple[str, ...], folder: Path) -> list[dict[str, Any]]:
    """Renders one folder, as `Kustomize.render` does."""
    return Kustomize(command).render(folder)


class Kustomize:
    """Renders folders, several at a time if asked from several threads, and can be ended at once.

    command: as from `find_kustomize`.
    """

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command
        self._running: set[subprocess.Popen[bytes]] = set()
        self._killed = threading.Event()

    def kill(self) -> None:
        """Ends all that runs, and starts nothing more: every `render` raises RenderError."""
        self._killed.set()
        for process in list(self._running):
            _end(process)

    def render(self, folder: Path) -> list[dict[str, Any]]:
        """Renders one folder.

        folder: absolute, with a kustomization file. Returns the resources in kustomize's order; each carries the
        annotation `config.kubernetes.io/origin`, whose path is made relative to `folder`. Raises RenderError.
        """
        with tempfile.TemporaryDirectory(prefix="secret-sync-") as wrapper:
            # A kustomization around the overlay asks for the origins; the overlay itself stays as it is. Only a
            # relative path may name a folder outside of it.
            overlay = os.path.relpath(folder, os.path.realpath(wrapper))
            Path(wrapper, "kustomization.yaml").write_text(
                yaml.safe_dump({"resources": [overlay], "buildMetadata": ["originAnnotations"]})
            )
            code, output, errors = self._run(wrapper)
            if code:  # warnings also go to stderr: only the exit code decides
                raise RenderError(_clean(errors.decode("utf-8", "replace"), wrapper, overlay, folder))
            try:
                documents = load_documents(output.decode("utf-8"))
            except yaml.YAMLError as error:
                raise RenderError(f"kustomize's output is not YAML: {in_one_line(error)}") from None
            except UnicodeDecodeError:
                raise RenderError("kustomize's output is not UTF-8 text") from None
            resources = [document for document in documents if isinstance(document, dict)]
            for resource in resources:
                _relative_origin(resource, overlay)
            return resources

    def _run(self, wrapper: str) -> tuple[int, bytes, bytes]:
        """Exit code, standard output, standard error."""
        if self._killed.is_set():
            raise RenderError("kustomize was ended")
        with subprocess.Popen(  # noqa: S603
            [*self._command, wrapper],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_quiet_environment(wrapper),
            start_new_session=True,  # a group of its own: where kubectl is a script, what it starts ends with it
        ) as process:
            self._running.add(process)
            try:
                if self._killed.is_set():  # after it was added, so that either this or `kill` sees it
                    _end(process)
                output, errors = process.communicate(timeout=_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                raise RenderError(f"kustomize did not finish within {_TIMEOUT_SECONDS:.0f} s") from None
            finally:
                _end(process)
                self._running.discard(process)
        return process.returncode, output, errors


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _quiet_environment(home: str) -> dict[str, str]:
    """No PATH, so neither git nor a plug-in can be started; a proxy that nobody answers, so nothing is fetched."""
    nowhere = "http://127.0.0.1:9"
    return {"HOME": home, "PATH": "", "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere}


def _relative_origin(resource: dict[str, Any], overlay: str) -> None:
    metadata = resource.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    origin = annotations.get(ORIGIN) if isinstance(annotations, dict) else None
    if (
        isinstance(annotations, dict)
        and isinstance(origin, str)
        and (match := re.search(r"^path: (.+)$", origin, re.MULTILINE))
    ):
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
