"""The part of a GitHub runner that an action can tell apart: environment, file commands, log and masks.

It runs the entry point as a child process and reads what comes out the way the runner does, so that a test
holds exactly what a user would see. Nothing of this process's environment reaches the child but PATH.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ENTRYPOINT = Path(__file__).resolve().parent.parent / "entrypoint.py"

_ANNOTATIONS = ("error", "warning", "notice")
_COMMANDS = frozenset(
    (*_ANNOTATIONS, "debug", "add-mask", "group", "endgroup", "stop-commands", "echo", "add-matcher",
     "remove-matcher", "add-path", "set-env", "set-output", "save-state")
)  # fmt: skip
_FILE_COMMANDS = ("OUTPUT", "ENV", "STATE", "STEP_SUMMARY", "PATH")


@dataclass(frozen=True)
class Annotation:
    """An `::error`, `::warning` or `::notice` as the runner understood it."""

    level: str
    message: str
    title: str = ""
    file: str = ""
    line: int | None = None


@dataclass(frozen=True)
class RunResult:
    """What one run left behind. `seconds` is how long it took, start of the process included.

    `masks` are what the runner would hide: each masked value, and each of its lines. `report` is the JSON
    report that the outputs name. `files_left` is everything that the process created and that is still there,
    in its home, its temporary folders and the workspace.
    """

    exit_code: int
    # Not in the representation, which a failing test prints: the masks are the values.
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    summary: str = field(repr=False)
    outputs: dict[str, str]
    annotations: list[Annotation]
    masks: list[str] = field(repr=False)
    report: dict[str, Any] | None
    files_left: list[Path]
    seconds: float
    shown: list[str] = field(repr=False)

    def log_as_shown(self) -> str:
        """The log as a user reads it: masked, and without the commands that the runner swallows."""
        return "\n".join(self.shown)


class RunnerLog:
    """Reads a step's output line by line, as the runner does: commands are obeyed, the rest is shown.

    Source: actions/runner, `ActionCommand.cs`, `ActionCommandManager.cs` and `OutputManager.cs`.
    """

    def __init__(self) -> None:
        self.annotations: list[Annotation] = []
        self.masks: list[str] = []
        self.shown: list[str] = []
        self._stop_token: str | None = None
        self._lock = threading.Lock()

    def feed(self, line: str) -> str | None:
        """Takes one line; returns what is shown of it, or None where nothing is."""
        with self._lock:
            shown = self._obey(line)
            if shown is not None:
                for mask in sorted(self.masks, key=len, reverse=True):
                    shown = shown.replace(mask, "***")
                self.shown.append(shown)
            return shown

    def _obey(self, line: str) -> str | None:
        if self._stop_token is not None:
            if line.strip() == f"::{self._stop_token}::":
                self._stop_token = None
                return None
            return line
        command = _parse_command(line)
        if not command:
            return line
        name, properties, data = command
        if name == "add-mask":
            lines = [part.strip() for part in re.split(r"[\r\n]", data)]
            self.masks += [mask for mask in (data, *lines) if mask and mask not in self.masks]
            return None
        if name in _ANNOTATIONS:
            number = properties.get("line", "")
            self.annotations.append(
                Annotation(
                    level=name,
                    message=data,
                    title=properties.get("title", ""),
                    file=properties.get("file", ""),
                    line=int(number) if number.isdigit() else None,
                )
            )
            return f"{name.capitalize()}: {data}"
        if name == "stop-commands":
            self._stop_token = data
        return f"▼ {data}" if name == "group" else None


class RunningAction:
    """A run that has been started; use it in a `with` block, which ends the process if it still runs."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folders: "_Folders",
        on_line: Callable[[str], None] | None,
    ) -> None:
        self._folders = folders
        self._log = RunnerLog()
        self._on_line = on_line
        self._before = folders.files()
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=folders.workspace,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that its children can be ended with it
        )
        self._stdout: list[str] = []
        self._stderr: list[str] = []
        assert self.process.stdout
        assert self.process.stderr
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._stdout), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self._stderr), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> "RunningAction":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self._end()

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Sends a signal to the process alone, as the runner does to PID 1 of the container."""
        self.process.send_signal(number)

    def wait(self, timeout: float = 60.0) -> RunResult:
        """Waits for the end; raises TimeoutError after `timeout` seconds, and ends the process."""
        try:
            exit_code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._end()
            shown = "\n".join(self._log.shown[-20:])
            raise TimeoutError(f"still running after {timeout} s; its last lines were:\n{shown}") from None
        seconds = time.monotonic() - self._started
        for reader in self._readers:
            reader.join(timeout=5)
        outputs = parse_file_command(self._folders.written("OUTPUT"))
        return RunResult(
            exit_code=exit_code,
            stdout="".join(self._stdout),
            stderr="".join(self._stderr),
            summary=self._folders.written("STEP_SUMMARY"),
            outputs=outputs,
            annotations=self._log.annotations,
            masks=self._log.masks,
            report=self._report(outputs),
            files_left=sorted(self._folders.files() - self._before),
            seconds=seconds,
            shown=self._log.shown,
        )

    def _end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _read(self, stream: IO[bytes], lines: list[str]) -> None:
        for raw in stream:
            line = raw.decode(errors="replace")
            lines.append(line)
            # The runner's reader ends a line at a lone carriage return, too.
            for part in line.removesuffix("\n").removesuffix("\r").split("\r"):
                shown = self._log.feed(part)
                if shown is not None and self._on_line:
                    self._on_line(shown)

    def _report(self, outputs: Mapping[str, str]) -> dict[str, Any] | None:
        path = self._folders.temp / outputs["report"] if outputs.get("report") else None
        if not path or not path.is_file():
            return None
        report: dict[str, Any] = json.loads(path.read_text())
        return report


@dataclass(frozen=True)
class _Folders:
    """A runner's folders. HOME lies within its temporary folder, as it does for a container action."""

    root: Path

    def __post_init__(self) -> None:
        for folder in (self.temp, self.home, self.tmp, self.workspace, self.commands):
            folder.mkdir(parents=True, exist_ok=True)
        for name in _FILE_COMMANDS:
            self.command_file(name).write_text("")

    @property
    def temp(self) -> Path:
        return self.root / "_temp"

    @property
    def home(self) -> Path:
        return self.temp / "_github_home"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @property
    def commands(self) -> Path:
        return self.root / "_runner_file_commands"

    def command_file(self, name: str) -> Path:
        return self.commands / name.lower()

    def written(self, name: str) -> str:
        """What the action wrote into a file command, byte for byte (`read_text` would change newlines)."""
        return self.command_file(name).read_bytes().decode()

    def files(self) -> set[Path]:
        places = (self.temp, self.tmp, self.workspace)
        return {path for place in places for path in place.rglob("*") if not path.is_dir() or path.is_symlink()}


def start_action(
    *,
    inputs: Mapping[str, str],
    env: Mapping[str, str] | None = None,
    workdir: Path,
    args: Sequence[str] = (),
    command: Sequence[str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> RunningAction:
    """Starts the action with these inputs and this step environment, and returns at once.

    `workdir` holds the runner's folders (`workdir/workspace` is GITHUB_WORKSPACE; a run after another in the
    same one finds the files that the first left). `env` goes over the runner's own variables. `command`
    replaces `python entrypoint.py`, `args` follow it. `on_line` is given each line as it is shown.
    """
    folders = _Folders(workdir.resolve())
    environment = {
        **_runner_environment(folders),
        **{f"INPUT_{name.replace(' ', '_').upper()}": value for name, value in inputs.items()},
        **(env or {}),
    }
    return RunningAction([*(command or (sys.executable, str(ENTRYPOINT))), *args], environment, folders, on_line)


def run_action(
    *,
    inputs: Mapping[str, str],
    env: Mapping[str, str] | None = None,
    workdir: Path,
    args: Sequence[str] = (),
    command: Sequence[str] | None = None,
    on_line: Callable[[str], None] | None = None,
    timeout: float = 60.0,
) -> RunResult:
    """Runs the action to its end: `start_action` and `RunningAction.wait`."""
    with start_action(inputs=inputs, env=env, workdir=workdir, args=args, command=command, on_line=on_line) as running:
        return running.wait(timeout)


def parse_file_command(text: str) -> dict[str, str]:
    """Reads a GITHUB_OUTPUT file, `name=value` and `name<<DELIMITER` alike.

    Raises ValueError where the runner would fail the step.
    """
    values: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, values[name] = line.partition("=")
        elif heredoc > 0:
            name, _, delimiter = line.partition("<<")
            content: list[str] = []
            for part in lines:
                if part == delimiter:
                    break
                content.append(part)
            else:
                raise ValueError(f"Invalid value. Matching delimiter not found '{delimiter}'")
            values[name] = "\n".join(content)
        else:
            raise ValueError(f"Invalid format '{line}'")
    return values


def _runner_environment(folders: _Folders) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folders.home),
        "TMPDIR": str(folders.tmp),
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTOR": "octocat",
        "GITHUB_API_URL": "https://api.github.com",
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_JOB": "release",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_REPOSITORY": "zerotouch/my-service",
        "GITHUB_REPOSITORY_OWNER": "zerotouch",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_RUN_ID": "1234567890",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": "f" * 40,
        "GITHUB_WORKFLOW": "release",
        "GITHUB_WORKSPACE": str(folders.workspace),
        "RUNNER_OS": "Linux",
        "RUNNER_TEMP": str(folders.temp),
        **{f"GITHUB_{name}": str(folders.command_file(name)) for name in _FILE_COMMANDS},
    }


def _parse_command(line: str) -> tuple[str, dict[str, str], str] | None:
    """A workflow command's name, properties and data, from `::name p=v::data` or `##[name p=v]data`."""
    trimmed = line.lstrip()
    if match := re.match(r"::(?P<name>[^\s:]+)(?:\s+(?P<properties>.*?))?::(?P<data>.*)", trimmed):
        separator, escapes = ",", {"%3A": ":", "%2C": ",", "%0D": "\r", "%0A": "\n", "%25": "%"}
        data = _unescaped(match["data"], {"%0D": "\r", "%0A": "\n", "%25": "%"})
    elif match := re.search(r"##\[(?P<name>[^\s\]]+)(?:\s+(?P<properties>[^\]]*))?\](?P<data>.*)", line):
        # The older form, which the runner still obeys, wherever in a line it stands.
        separator, escapes = ";", {"%3B": ";", "%5D": "]", "%0D": "\r", "%0A": "\n", "%25": "%"}
        data = _unescaped(match["data"], escapes)
    else:
        return None
    name = match["name"].lower()
    if name not in _COMMANDS:
        return None
    pairs = (pair.partition("=") for pair in (match["properties"] or "").split(separator))
    return (
        name,
        {key.strip().lower(): _unescaped(value, escapes) for key, equals, value in pairs if equals},
        data,
    )


def _unescaped(text: str, escapes: Mapping[str, str]) -> str:
    for escaped, plain in escapes.items():  # the per cent sign comes last
        text = text.replace(escaped, plain)
    return text
