"""The sandbox's runner reads a step's output as GitHub's does."""

import signal
import sys
import time
from pathlib import Path

import pytest

from sandbox.http import HttpServer, Response
from sandbox.runner import Annotation, RunnerLog, RunResult, parse_file_command, run_action, start_action

STEP = r"""
import json, os, pathlib, sys
env = os.environ
print("::add-mask::two%0A  lines")
print("::group::Values")
print("hidden: two", "and lines")
print("::endgroup::")
print("::error file=a%2Cb.yaml,line=3,title=Wrong%3A it::first%0Asecond 100%25")
print("::warning::two is masked here, too")
print("::stop-commands::tok", "::error::not a command", "::tok::", sep="\n")
print("on stderr ##[notice]old form", file=sys.stderr)
print("progress\r::notice::after a carriage return")
print(sorted(n for n in env if n.startswith(("INPUT", "AWS", "SECRET"))))
pathlib.Path(env["GITHUB_STEP_SUMMARY"]).write_bytes(b"# Done\r\n")
pathlib.Path(env["GITHUB_OUTPUT"]).write_text("result=success\nreport<<X\n_github_home/report.json\nX\nn=a<<b\n")
pathlib.Path(env["HOME"], "report.json").write_text(json.dumps({"secrets": []}))
pathlib.Path("left").write_text("in the workspace")
sys.exit(int(env["INPUT_EXIT-CODE"]))
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run_action(
        inputs={"exit-code": "3", "mode": ""},
        env={"SECRET_VALUE": "x"},
        workdir=tmp_path_factory.mktemp("run"),
        command=[sys.executable, "-c", STEP],
    )


def test_the_child_gets_inputs_and_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    script = "import os; print(*sorted(os.environ), sep='\\n')"
    names = run_action(inputs={"app-id": "1"}, workdir=tmp_path, command=[sys.executable, "-c", script]).stdout.split()
    assert "INPUT_APP-ID" in names
    assert not [name for name in names if name.startswith("AWS_")]


def test_exit_code_summary_outputs_and_report_are_read(result: RunResult) -> None:
    assert result.exit_code == 3
    assert result.summary == "# Done\r\n"
    assert result.outputs == {"result": "success", "report": "_github_home/report.json", "n": "a<<b"}
    assert result.report == {"secrets": []}
    assert [path.name for path in result.files_left] == ["report.json", "left"]
    assert 0 < result.seconds < 10


def test_annotations_are_unescaped(result: RunResult) -> None:
    by_level = {(annotation.level, annotation.message): annotation for annotation in result.annotations}
    assert set(by_level) == {
        ("error", "first\nsecond 100%"),
        ("warning", "two is masked here, too"),
        ("notice", "old form"),
        ("notice", "after a carriage return"),
    }
    error = by_level["error", "first\nsecond 100%"]
    assert error == Annotation("error", "first\nsecond 100%", title="Wrong: it", file="a,b.yaml", line=3)


def test_masks_hide_the_value_and_each_of_its_lines(result: RunResult) -> None:
    assert result.masks == ["two\n  lines", "two", "lines"]
    log = result.log_as_shown()
    assert "▼ Values\nhidden: *** and ***\n" in log
    assert "Warning: *** is masked here, too" in log
    assert "add-mask" not in log
    assert "::error::not a command" in log


def test_a_command_is_obeyed_at_the_start_of_a_line_only() -> None:
    log = RunnerLog()
    for line in ("text ::error::no", "::unknown::no", "::error no end", "  ::ERROR::yes"):
        log.feed(line)
    assert [annotation.message for annotation in log.annotations] == ["yes"]


@pytest.mark.parametrize("text", ["name<<X\nvalue\n", "no separator\n"])
def test_an_output_that_would_fail_the_step_fails(text: str) -> None:
    with pytest.raises(ValueError):
        parse_file_command(text)


def test_a_run_can_be_stopped_once_a_server_saw_its_request(tmp_path: Path) -> None:
    script = (
        "import signal, sys, urllib.request\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit('stopped'))\n"
        "urllib.request.urlopen(sys.argv[1] + '/slow')\n"
    )
    with HttpServer() as server:
        server.route("GET", "/slow", lambda *_: Response(200))
        server.faults.add(("GET", "/slow"), delay=30)
        command = [sys.executable, "-c", script]
        with start_action(inputs={}, workdir=tmp_path, command=command, args=[server.url]) as running:
            server.wait_for(lambda request: request.path == "/slow")
            running.signal(signal.SIGTERM)
            result = running.wait(timeout=10)
    assert (result.exit_code, result.stderr) == (1, "stopped\n")


def test_a_run_that_does_not_end_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('here', flush=True); import time; time.sleep(60)"]
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="here"):
        run_action(inputs={}, workdir=tmp_path, command=command, timeout=1)
    assert time.monotonic() - started < 5
