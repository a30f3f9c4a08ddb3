"""The command line and the action's entry: environment and arguments in, exit code out.

Reads the outside (environment, arguments, standard input, signals) and hands it to functions that know nothing of it.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TextIO

from secret_action import __version__, contract
from secret_action.cancellation import Cancellation
from secret_action.errors import CancelledError, InputError, SecretSyncError, defect
from secret_action.github.runner import Runner
from secret_action.inputs import parse
from secret_action.masking import Redactor, activate
from secret_action.model import Problem, RunReport
from secret_action.pipeline import Run
from secret_action.ports import SystemClock
from secret_action.settings import Settings

# Never on a command line, where `ps` and audit logs show them: only `-`, for standard input.
_SECRET_INPUTS = ("app-private-key", "secrets")
_FORMATS = ("text", "json", "sarif")
_AGAIN = "Run it again meanwhile: a second run completes what this one did not."
_AUTHORING = ("add-secret", "new-service")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs once and returns the exit code of the contract."""
    given = sys.argv[1:] if argv is None else argv
    cancellation = Cancellation()
    if given and given[0] in _AUTHORING:
        from secret_action.authoring.cli import main as author  # a run needs nothing of it

        cancellation.install()
        return author(given, cancellation)
    # Intermixed: pre-commit passes its paths last, behind the flags.
    arguments = parser().parse_intermixed_args(argv)
    if not arguments.mode and os.environ.get("GITHUB_ACTIONS") != "true":
        parser().print_help()
        return 2
    _close_side_doors()
    cancellation.install()
    redactor = Redactor()
    activate(redactor)
    runner = Runner(os.environ, redactor, sys.stdout if arguments.format == "text" else sys.stderr)
    report = _run(arguments, os.environ, runner, redactor, cancellation)
    cancellation.close()
    # Before any of it is shortened or escaped: what is cut in two is found no more.
    told = _tell(redactor.redact_all(report), runner, arguments.format, os.environ, sys.stdout)
    return report.exit_code or (0 if told else 1)


def parser() -> argparse.ArgumentParser:
    """The command line, generated from the contract."""
    result = argparse.ArgumentParser(
        prog="secret-sync",
        description="Puts a release's secret values into AWS SSM Parameter Store, makes External Secrets Operator "
        "refresh, and proves that it did.",
        epilog=f"To edit a tenant: secret-sync {' | '.join(_AUTHORING)} (each has its own --help).\n\nExit codes: "
        + " · ".join(f"{code} {meaning}" for code, meaning in contract.EXIT_CODES.items())
        + ".",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument("--version", action="version", version=f"secret-sync {__version__}")
    result.add_argument(
        "mode", nargs="?", metavar="MODE", help=", ".join(f"{mode.name} ({mode.meaning})" for mode in contract.MODES)
    )
    result.add_argument("paths", nargs="*", metavar="PATH", help="validate only: tenant folders, or files in them")
    result.add_argument("--format", choices=_FORMATS, default="text", help="how the result is printed (text)")
    for definition in contract.INPUTS:
        if definition.name != "mode":
            switch: dict[str, Any] = {"nargs": "?", "const": "true"} if definition.choices == ("true", "false") else {}
            result.add_argument(f"--{definition.name}", metavar="TEXT", help=_help(definition), **switch)
    return result


def _help(definition: contract.Input) -> str:
    shown = definition.shown_default or definition.default or (definition.variable and f"${definition.variable}")
    stdin = " Only “-”: read from standard input." if definition.name in _SECRET_INPUTS else ""
    return (definition.meaning + stdin + (f" (default: {shown})" if shown else "")).replace("%", "%%")


def _run(
    arguments: argparse.Namespace,
    environ: Mapping[str, str],
    runner: Runner,
    redactor: Redactor,
    cancellation: Cancellation,
) -> RunReport:
    mode = arguments.mode or environ.get("INPUT_MODE", "").strip() or "release"
    try:
        if arguments.format == "sarif" and mode != "validate":
            raise InputError(_no_sarif(mode))
        inputs = _inputs(arguments, environ, sys.stdin)
        settings = parse(inputs, environ, tuple(arguments.paths))
        redactor.allow(_public_words(settings))
        _mask_all(settings, runner)
        run = Run(settings, environ, runner, SystemClock(), cancellation)
        try:
            return run.execute()
        except SecretSyncError as error:  # a signal between two stages
            return _failed(run.report, error)
        except Exception as error:
            return _failed(run.report, SecretSyncError(defect(error, _AGAIN)))
    except SecretSyncError as error:
        return _failed(RunReport(mode=mode, context={"version": __version__}), error)


def _no_sarif(mode: str) -> Problem:
    return Problem(
        f"--format sarif tells what validate finds; {mode} has more to tell than it can hold.",
        "Write --format json, or: secret-sync validate --format sarif",
    )


def _failed(report: RunReport, error: SecretSyncError) -> RunReport:
    return replace(
        report,
        problems=(*report.problems, *error.problems),
        exit_code=error.exit_code,
        cancelled=isinstance(error, CancelledError),
    )


def _inputs(arguments: argparse.Namespace, environ: Mapping[str, str], stdin: TextIO) -> dict[str, str]:
    """Inputs by name: flags, else the runner's INPUT_ variables (upper case, hyphens kept).

    Raises InputError for a secret on the command line, or paths in another mode than validate.
    """
    problems = []
    inputs = {}
    read_for = ""
    for definition in contract.INPUTS:
        flag = getattr(arguments, definition.name.replace("-", "_"))
        if definition.name in _SECRET_INPUTS and flag is not None:
            if flag != "-":
                problems.append(
                    Problem(
                        f"--{definition.name} was given on the command line, where other users of the machine see it.",
                        f"Write --{definition.name} - and pass it on standard input, or use an environment variable.",
                    )
                )
            elif read_for:
                problems.append(
                    Problem(
                        f"--{read_for} and --{definition.name} cannot both be read from standard input.",
                        "Pass one of them in an environment variable.",
                    )
                )
            else:
                read_for, flag = definition.name, stdin.read()
        inputs[definition.name] = flag if flag is not None else environ.get(f"INPUT_{definition.name.upper()}", "")
    if arguments.paths and inputs["mode"] in {mode.name for mode in contract.MODES} - {"validate"}:
        problems.append(Problem("Only validate takes paths.", "Leave them out, or write: secret-sync validate PATH…"))
    if problems:
        raise InputError(*problems)
    return inputs


def _public_words(settings: Settings) -> list[str]:
    """Texts that every reader of this run knows: a value that is part of one is not hidden wherever it occurs."""
    return [
        settings.environment,
        settings.service,
        settings.store,
        settings.parameter_path.template,
        settings.github.repository,
        settings.aws.region,
        settings.cluster.namespace,
        settings.cluster.eks_cluster,
        *("success", "failure", "version", "problems", "secret-sync"),
        *(output.name for output in contract.OUTPUTS),
        *(mode.name for mode in contract.MODES),
        *(definition.name for definition in contract.INPUTS),
    ]


def _mask_all(settings: Settings, runner: Runner) -> None:
    """Before anything else is printed: every value, used or not, and the credentials."""
    values = settings.values
    for value in (*values.environment.values(), *values.secrets.values(), *values.forbidden):
        runner.mask(value.reveal())


def _tell(report: RunReport, runner: Runner, form: str, environ: Mapping[str, str], out: TextIO) -> bool:
    """Summary, annotations, outputs, JSON report or SARIF; on a terminal the same facts as tables.

    Each on its own: a full disk must not take the annotations with it. Returns whether all could be told.
    """
    from secret_action.manifest.rules import all_rules
    from secret_action.report import (
        annotate,
        document,
        finding_lines,
        headline,
        outputs,
        render_summary,
        render_terminal,
        sarif,
    )

    failures: list[OSError] = []

    def attempt(telling: Callable[[], object]) -> None:
        try:
            telling()
        except OSError as error:
            failures.append(error)

    content, paths = document(report), [""]
    attempt(lambda: paths.append(runner.write_report(content)))
    attempt(lambda: runner.set_outputs(outputs(report, paths[-1])))
    attempt(lambda: runner.add_summary(render_summary(report)))
    if runner.in_actions and (lines := finding_lines(report)):
        with runner.stage("Findings"):
            for line in lines:
                runner.line(line)
    runner.annotate(annotate(report))
    if form == "json":
        attempt(lambda: (out.write(runner.document_text(content)), out.flush()))
    elif form == "sarif":
        log = sarif(report, all_rules(), environ.get("GITHUB_SERVER_URL") or "https://github.com")
        attempt(lambda: (out.write(runner.document_text(log)), out.flush()))
        runner.line(headline(report))
    elif runner.in_actions:
        runner.line(headline(report))
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        runner.text(render_terminal(report, colour=out.isatty() and "NO_COLOR" not in environ, width=width))
    failures += [runner.broken] if runner.broken else []
    for error in failures:
        place = error.filename or "the output"
        print(f"secret-sync cannot write its result: {error.strerror} ({place})", file=sys.stderr)
    if failures:
        # What is still buffered cannot be written either, and Python would say so with a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return not failures


def _close_side_doors() -> None:
    """Ways in which a value could leave without our doing.

    botocore's and urllib3's debug logs hold values, also under ACTIONS_STEP_DEBUG; warnings hold URLs; a traceback of
    a thread holds texts from outside, and a core dump all of the memory.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.excepthook = lambda failure: print(
        f"secret-sync has a defect in a thread: {failure.exc_type.__name__}", file=sys.stderr
    )
    logging.basicConfig(level=logging.CRITICAL, handlers=[logging.NullHandler()])
    for name in ("boto3", "botocore", "urllib3", "github", "kubernetes"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")
