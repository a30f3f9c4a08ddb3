"""kustomize as a child process: a folder in, rendered resources out.

Without a shell, without network, plug-ins or Helm, with an environment that holds no value and no credential, and
with no more time and memory than a large tenant needs: whoever writes a tenant writes kustomize's input.
"""

from __future__ import annotations

import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from secret_action.errors import InputError
from secret_action.manifest.yaml_files import in_one_line, load_documents
from secret_action.model import Location, Problem

KUSTOMIZATION_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
ORIGIN = "config.kubernetes.io/origin"
_ANY_FILE = ("--load-restrictor", "LoadRestrictionsNone")
"""Else a kustomization names only files below it. What is in reach at all is checked before."""
_TIMEOUT_SECONDS = 60.0
_CPU_SECONDS = 3
"""Of the processor. A tenant's overlay takes a seventh of a second, one with 1,000 resources half a second."""
_DATA_BYTES = 176 * 1024 * 1024
"""Of memory that Go reserves, in steps of 64 MiB: it then uses about 110 MiB. An overlay takes 50 MiB, one with all
of ESO's CRDs 90 MiB."""
_OUTPUT_BYTES = 8 * 1024 * 1024
_MESSAGE_LENGTH = 1000


class RenderError(Exception):
    """An overlay does not render. The text is kustomize's own message without temporary paths.

    where: the place that has to change, where it is known and is not the overlay itself.
    """

    def __init__(self, message: str, where: Location | None = None) -> None:
        super().__init__(message)
        self.where = where


class Exhausted(RenderError):
    """kustomize took all the time or memory that it is given."""


def find_kustomize() -> tuple[str, ...]:
    """The command that renders: `kustomize build`, or `kubectl kustomize`, which is the same engine.

    Raises InputError where neither is on the PATH: nothing can be judged then, whosever it is.
    """
    if path := shutil.which("kustomize"):
        return (path, "build")
    if path := shutil.which("kubectl"):
        return (path, "kustomize")
    raise InputError(
        Problem(
            "Neither kustomize nor kubectl is on the PATH, so the overlays cannot be rendered.",
            "Install kustomize (https://kubectl.docs.kubernetes.io/installation/kustomize/), or use the action's "
            "image, which has it.",
        )
    )


def kustomization_file(folder: Path) -> Path | None:
    """The folder's kustomization file, under any of its three names."""
    return next((folder / name for name in KUSTOMIZATION_NAMES if _is_kustomization(folder / name)), None)


def _is_kustomization(file: Path) -> bool:
    """Whether kustomize takes it for one: it must lie in the folder or below it, so a link seldom is one."""
    # os.path, since a text of any length and with any character may stand where a folder belongs.
    if not os.path.islink(file):
        return os.path.isfile(file)
    below = os.path.join(os.path.realpath(file.parent), "")
    return os.path.realpath(file).startswith(below) and os.path.isfile(file)


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

    def render(self, folder: Path, added: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Renders one folder.

        folder: absolute, with a kustomization file. added: fields of it, where only these are to be rendered; they
        may name files and folders. Returns the resources in kustomize's order; each carries the annotation
        `config.kubernetes.io/origin`: the file that it comes from (for what a generator makes, the kustomization that
        configures it), relative to `folder`. Raises RenderError.
        """
        with tempfile.TemporaryDirectory(prefix="secret-sync-") as wrapper:
            # A kustomization around the overlay asks for the origins; the overlay itself stays as it is. Only a
            # relative path may name a folder outside of it.
            overlay = os.path.relpath(folder, os.path.realpath(wrapper))
            fields = {"resources": [overlay]} if added is None else _moved(added, overlay)
            Path(wrapper, "kustomization.yaml").write_text(
                yaml.safe_dump({**fields, "buildMetadata": ["originAnnotations"]})
            )
            code, output, errors = self._run(wrapper, [] if added is None else _ANY_FILE)
            if code:  # warnings also go to stderr: only the exit code decides
                raise _error(code, errors.decode("utf-8", "replace"), wrapper, overlay, folder)
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

    def _run(self, wrapper: str, options: Sequence[str]) -> tuple[int, bytes, bytes]:
        """Exit code, standard output, standard error."""
        if self._killed.is_set():
            raise RenderError("kustomize was ended")
        with subprocess.Popen(  # noqa: S603  # our own command, without a shell
            [*self._command, *options, wrapper],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_quiet_environment(wrapper),
            start_new_session=True,  # a group of its own: where kubectl is a script, what it starts ends with it
        ) as process:
            _limit(process.pid)
            self._running.add(process)
            try:
                if self._killed.is_set():  # after it was added, so that either this or `kill` sees it
                    _end(process)
                output, errors = _read(process)
                process.wait()
            finally:
                _end(process)
                self._running.discard(process)
        if self._killed.is_set():
            raise RenderError("kustomize was ended")
        return process.returncode, output, errors


def _moved(fields: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The fields of a folder's kustomization as another folder's has them; lists are names of files and folders."""
    return {
        field: [os.path.normpath(os.path.join(folder, name)) for name in value] if isinstance(value, list) else value
        for field, value in fields.items()
    }


def _limit(pid: int) -> None:
    """From outside, since code between fork and exec is not safe in a process with threads. Linux only."""
    if hasattr(resource, "prlimit"):
        with suppress(OSError):  # it has ended already, or we may not
            resource.prlimit(pid, resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
            resource.prlimit(pid, resource.RLIMIT_DATA, (_DATA_BYTES, _DATA_BYTES))


def _read(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Standard output and standard error to their ends, as `communicate` does, but not of any length."""
    read: dict[int, bytearray] = {}
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                read[selector.register(stream, selectors.EVENT_READ).fd] = bytearray()
        while selector.get_map():
            ready = selector.select(deadline - time.monotonic())
            if not ready and time.monotonic() >= deadline:
                raise RenderError(f"kustomize did not finish within {_TIMEOUT_SECONDS:.0f} s")
            for key, _ in ready:
                if chunk := os.read(key.fd, 65536):
                    read[key.fd] += chunk
                else:
                    selector.unregister(key.fileobj)
                if len(read[key.fd]) > _OUTPUT_BYTES:
                    raise RenderError(f"it renders to more than {_OUTPUT_BYTES // 1024 // 1024} MiB")
    output, errors = read.values()
    return bytes(output), bytes(errors)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _quiet_environment(home: str) -> dict[str, str]:
    """No PATH, so neither git nor a plug-in can be started; a proxy that nobody answers, so nothing is fetched.

    Go collects garbage only when memory gets short: that is half of the processor time that a small overlay takes.
    """
    nowhere = "http://127.0.0.1:9"
    memory = {"GOGC": "off", "GOMEMLIMIT": f"{_DATA_BYTES // 2}"}
    return {"HOME": home, "PATH": "", "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, **memory}


def _relative_origin(resource: dict[str, Any], overlay: str) -> None:
    metadata = resource.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    origin = annotations.get(ORIGIN) if isinstance(annotations, dict) else None
    if (
        isinstance(annotations, dict)
        and isinstance(origin, str)
        and (match := re.search(r"^(?:path|configuredIn): (.+)$", origin, re.MULTILINE))
    ):
        annotations[ORIGIN] = os.path.relpath(match[1], overlay)


def _error(code: int, message: str, wrapper: str, overlay: str, folder: Path) -> RenderError:
    """Why it did not end well: its own words, or the limit that it ran into."""
    if code == -signal.SIGKILL:
        return Exhausted(
            f"kustomize was ended when it had taken {_CPU_SECONDS} s of the processor, or the machine's last memory: "
            "something in it is far too large, or grows by being used many times"
        )
    # Go's own last words, followed by all its stacks; kustomize's begin with “Error: ” or with klog's mark.
    if message.startswith(("fatal error: ", "runtime: ", "SIG")):
        return Exhausted(
            f"kustomize was ended when it had taken {_DATA_BYTES // 1024 // 1024} MiB of memory: something in it is "
            "far too large, or grows by being used many times"
        )
    if message.startswith("panic: "):
        message = "kustomize itself failed: " + message.partition("\n")[0].removeprefix("panic: ")
    said = _clean(message[: 16 * _MESSAGE_LENGTH], wrapper, overlay, folder)
    return RenderError(said if len(said) <= _MESSAGE_LENGTH else f"{said[:_MESSAGE_LENGTH]}…")


def _clean(message: str, wrapper: str, overlay: str, folder: Path) -> str:
    """kustomize's own words, without this machine's paths and without klog's frame."""
    # klog quotes what is one line, and indents what is more.
    if match := re.search(r'"command failed" err=(?:"(.*)"|<\n(.*)\n >)\s*$', message, re.DOTALL):
        message = match[1] or match[2].strip()
    message = message.replace("\\n", "\n").replace('\\"', '"').removeprefix("Error: ")
    real = os.path.realpath(folder)
    for path in sorted({overlay, str(folder), real}, key=len, reverse=True):
        message = message.replace(path, folder.name)
    for parent in Path(real).parents:
        if len(parent.parts) > 1:
            message = message.replace(f"{parent}/", "")
    for path in {wrapper, os.path.realpath(wrapper)}:
        message = message.replace(path, "")
    # The outermost frame is our own wrapper's.
    message = re.sub(
        r"\Aaccumulating resources: accumulation err='accumulating resources from '[^']*': '[^']*' must resolve to a "
        r"file': (?:recursed accumulation of path '[^']*': )?",
        "",
        message,
    )
    lines = [line for line in message.splitlines() if not line.startswith("# Warning")]
    return re.sub(r"\s+", " ", " ".join(lines)).strip() or "kustomize gave no reason"
