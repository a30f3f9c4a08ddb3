"""The GitHub Actions runner as seen from a step: workflow commands, command files, and the log.

The only place that prints. Everything printed or written here is redacted first, then escaped for where it goes,
so a text from outside can neither show a value nor give the runner a command.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from secret_action.masking import Redactor
from secret_action.model import Annotation

# Where the runner mounts HOME for container actions; on the host it is `_github_home` below `runner.temp`, on every
# runner version, which RUNNER_TEMP itself is not.
_CONTAINER_HOME = "/github/home"
_HOST_HOME = "_github_home"


class Runner:
    """Log, annotations, outputs, summary and report file of one step; plain lines where no runner is around.

    environ: the process environment. out: where log and commands go. redactor: what must never be shown.
    """

    def __init__(self, environ: Mapping[str, str], redactor: Redactor, out: TextIO = sys.stdout) -> None:
        self._environ = environ
        self._redactor = redactor
        self._out = out
        self._lock = threading.RLock()
        self.in_actions = environ.get("GITHUB_ACTIONS") == "true"
        self.broken: OSError | None = None
        """Why a line could not be printed, where one could not."""

    # --- log ---

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """A group of lines that folds in the log; on a terminal a heading."""
        self._print(f"::group::{_data(self._clean(title))}" if self.in_actions else f"• {self._clean(title)}")
        try:
            yield
        finally:
            if self.in_actions:
                self._print("::endgroup::")

    def line(self, text: str) -> None:
        """One thing that happened. Line breaks and control characters in it are shown, not obeyed."""
        self._print("  " + _defused(self._clean(text)))

    progress = line

    def text(self, text: str) -> None:
        """A block of several lines, each printed as it is."""
        for line in text.splitlines():
            self._print(_defused(self._clean(line)) if self.in_actions else self._redactor.redact(line))

    def mask(self, text: str) -> None:
        """Registers every form of a text with the runner and with the redactor, before it can be printed."""
        forms = self._redactor.add(text)
        if self.in_actions and forms:
            self._print("\n".join(f"::add-mask::{_data(form)}" for form in forms))

    # --- what the runner reads ---

    def annotate(self, annotations: Iterable[Annotation]) -> None:
        """Prints annotations as workflow commands; on a terminal they are not needed (the table says it all)."""
        if not self.in_actions:
            return
        for annotation in annotations:
            properties = {"title": annotation.title, "file": annotation.file, "line": annotation.line}
            shown = ",".join(
                f"{name}={_property(self._redactor.redact(str(value)))}" for name, value in properties.items() if value
            )
            message = _data("\n".join(map(self._clean, annotation.message.split("\n"))))
            self._print(f"::{annotation.level}{' ' + shown if shown else ''}::{message}")

    def set_outputs(self, outputs: Mapping[str, str]) -> None:
        """Writes the step's outputs to the file that the runner names; nothing where there is none."""
        blocks = []
        for name, value in outputs.items():
            # A delimiter that cannot be guessed, so that no value can end its block and begin another output.
            delimiter = f"end_{secrets.token_hex(16)}"
            blocks.append(f"{name}<<{delimiter}\n{self._redactor.redact(value)}\n{delimiter}\n")
        self._append("GITHUB_OUTPUT", "".join(blocks))

    def add_summary(self, markdown: str) -> None:
        """Appends to the job summary; nothing where there is none."""
        self._append("GITHUB_STEP_SUMMARY", self._redactor.redact(markdown) + "\n")

    def write_report(self, document: Mapping[str, Any]) -> str:
        """Writes the JSON report where later steps can read it.

        Returns its path relative to `runner.temp`, or an empty text where there is no runner.
        """
        home, temp = self._environ.get("HOME", ""), self._environ.get("RUNNER_TEMP", "")
        if not self.in_actions or not (home == _CONTAINER_HOME or temp):
            return ""
        root, shown = (home, f"{_HOST_HOME}/") if home == _CONTAINER_HOME else (temp, "")
        name = f"secret-sync/report-{secrets.token_hex(4)}.json"
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.document_text(document), encoding="utf-8", errors="backslashreplace")
        return shown + name

    def document_text(self, document: Mapping[str, Any]) -> str:
        """The JSON report as text, redacted."""
        return json.dumps(self._redactor.redact_all(document), indent=2, ensure_ascii=False) + "\n"

    # --- one place that writes ---

    def _append(self, variable: str, text: str) -> None:
        path = self._environ.get(variable)
        if path:
            with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)

    def _clean(self, text: str) -> str:
        return _visible(self._redactor.redact(text))

    def _print(self, line: str) -> None:
        # Unencodable characters must not end a run: a log in latin-1 shows them as escapes.
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        whole = line.encode(encoding, "backslashreplace").decode(encoding) + "\n"
        # One write under one lock: a mask that another thread's line runs into is no command, and shows its value.
        with self._lock:
            try:
                self._out.write(whole)
                self._out.flush()
            except OSError as error:
                # A reader that went away must not stop a run between two writes to SSM; `broken` tells at the end.
                self.broken = error


def _visible(text: str) -> str:
    """Control characters as escapes: a line stays one line, and a terminal is not driven by a text from outside."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _defused(line: str) -> str:
    """A log line that the runner does not take for a command (`::…` at its beginning, `##[…` anywhere)."""
    stripped = line.lstrip()
    if stripped.startswith("::"):
        line = line.replace("::", ": :", 1)
    return line.replace("##[", "# #[")


def _data(text: str) -> str:
    """Escapes the data of a workflow command (actions/toolkit, command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escapes a property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")
