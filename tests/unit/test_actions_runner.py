"""What the runner reads of us: no text from outside becomes a command, an output, or shows a value."""

import io
import json
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.runner import RunnerLog, parse_file_command
from secret_action.github.runner import Runner
from secret_action.masking import Redactor
from secret_action.model import Annotation, Severity

VALUE = "hunter2-and-more"

# Pieces of commands, so that hypothesis meets them often.
TRICKS = st.lists(
    st.one_of(
        st.text(max_size=5),
        st.sampled_from(
            ["::", "::error::", "##[", "##[error]", "::add-mask::x", "::stop-commands::x", "\n", "\r", "%0A", "%25",
             ",", "]", ":", ";", "=", "<<", "\u2028", "\x85", "\x1b[31m", " ", "\u00a0", "\u3000::error::", "file="]
        ),
    ),
    max_size=8,
).map("".join)  # fmt: skip


def runner(out=None, environ=None, **more):
    redactor = Redactor()
    redactor.add(VALUE)
    return Runner({"GITHUB_ACTIONS": "true", **(environ or {}), **more}, redactor, out or io.StringIO())


def read(out):
    """What the runner makes of it: commands obeyed, and the lines that are shown."""
    log = RunnerLog()
    for line in out.getvalue().split("\n")[:-1]:
        for part in line.split("\r"):
            log.feed(part)
    return log


@given(TRICKS)
def test_no_text_in_the_log_starts_a_command(text):
    """One line in, one line shown; no annotation, no mask, nothing stopped."""
    out = io.StringIO()
    target = runner(out)
    target.line(text)
    target.text(text)
    target.line("the last line")
    log = read(out)
    assert (log.annotations, log.masks) == ([], [])
    assert log.shown[-1] == "  the last line"
    assert len(log.shown) == 2 + len(text.splitlines())


@given(TRICKS)
def test_a_stages_title_is_one_line_and_its_group_is_closed(text):
    """Whatever the title holds."""
    out = io.StringIO()
    target = runner(out)
    with ExitStack() as stack:
        stack.enter_context(target.stage(text))
        target.line("x")
    lines = out.getvalue().split("\n")
    assert lines[0].startswith("::group::")
    assert lines[1:] == ["  x", "::endgroup::", ""]
    assert "\r" not in lines[0]


@given(TRICKS, TRICKS, TRICKS)
def test_an_annotation_arrives_as_it_was_meant(message, title, file):
    """No property breaks out into another, none into the message, and none is lost; controls are shown, not obeyed."""
    shown = "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape").decode() for one in message
    )
    out = io.StringIO()
    runner(out).annotate([Annotation(Severity.ERROR, message, title, file, 7)])
    assert out.getvalue().count("\n") == 1
    (found,) = read(out).annotations
    assert (found.level, found.message, found.title, found.file, found.line) == ("error", shown, title, file, 7)


@given(st.dictionaries(st.sampled_from(["result", "report", "failed"]), TRICKS))
def test_outputs_cannot_be_injected(tmp_path_factory, outputs):
    """Each is read back as it was written, and no other one appears."""
    path = tmp_path_factory.mktemp("runner") / "output"
    runner(GITHUB_OUTPUT=str(path)).set_outputs(outputs)
    assert parse_file_command(path.read_bytes().decode()) == outputs


@given(TRICKS, TRICKS)
def test_no_way_out_shows_a_value(tmp_path_factory, before, after):
    """Log, stage, annotation, output, summary and report are redacted."""
    folder = tmp_path_factory.mktemp("runner")
    out, text = io.StringIO(), f"{before}{VALUE}{after}"
    target = runner(
        out, GITHUB_OUTPUT=f"{folder}/output", GITHUB_STEP_SUMMARY=f"{folder}/summary", RUNNER_TEMP=f"{folder}"
    )
    with target.stage(text):
        target.line(text)
        target.text(text)
    target.annotate([Annotation(Severity.ERROR, text, text, text)])
    target.set_outputs({"result": text})
    target.add_summary(text)
    path = target.write_report({"what": text, "also": [text]})
    written = [(folder / name).read_bytes().decode() for name in ("output", "summary", path)]
    assert all(VALUE not in each for each in (out.getvalue(), *written))


@given(st.text(min_size=6))
def test_masks_come_first_and_are_one_line_each(text):
    """Each form that the redactor knows is told to the runner, in one command."""
    out = io.StringIO()
    Runner({"GITHUB_ACTIONS": "true"}, Redactor(), out).mask(text)
    lines = out.getvalue().split("\n")[:-1]
    assert all(line.startswith("::add-mask::") for line in lines)
    log = read(out)
    assert log.shown == []
    assert all(len(mask.strip()) >= 6 for mask in log.masks)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_a_log_that_cannot_show_a_character_shows_an_escape(encoding):
    """It never ends the run."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)
    target = runner(out)
    target.line("proven ✓ 😀 \udcff")
    target.annotate([Annotation(Severity.NOTICE, "✓ \udcff")])
    out.flush()
    assert b"proven" in raw.getvalue()


def test_without_a_runner_nothing_is_a_command(tmp_path):
    """A laptop sees plain lines; no mask, no annotation, no file."""
    out = io.StringIO()
    target = Runner({"RUNNER_TEMP": str(tmp_path)}, Redactor(), out)
    target.mask(VALUE)
    with target.stage("Values"):
        target.line(f"x {VALUE}")
    target.annotate([Annotation(Severity.ERROR, "x")])
    target.set_outputs({"result": "x"})
    target.add_summary("x")
    assert target.write_report({}) == ""
    assert out.getvalue() == "• Values\n  x ***\n"
    assert list(tmp_path.iterdir()) == []


def test_the_report_is_named_as_later_steps_find_it(tmp_path):
    """Relative to runner.temp: directly, and in a container by the mounted home."""
    path = runner(RUNNER_TEMP=str(tmp_path)).write_report({"a": "✓"})
    assert json.loads((tmp_path / path).read_text()) == {"a": "✓"}
    assert not path.startswith("/")
    assert runner(RUNNER_TEMP=str(tmp_path)).write_report({}) != path
    assert runner().write_report({}) == ""
