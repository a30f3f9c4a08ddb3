"""`secret-sync add-secret` and `secret-sync new-service`: arguments in, edits, a diff and an exit code out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from secret_action import contract
from secret_action.authoring.add_secret import add_secret
from secret_action.authoring.new_service import new_service
from secret_action.authoring.proof import prove
from secret_action.authoring.request import SHARED_INPUTS, Request, read_request
from secret_action.authoring.tenant import read
from secret_action.authoring.work import Work
from secret_action.cancellation import Cancellation
from secret_action.errors import CancelledError, InputError, SecretSyncError, defect
from secret_action.manifest.draft import Draft
from secret_action.manifest.yaml_edit import EditError
from secret_action.model import Problem
from secret_action.report.diff import unified
from secret_action.report.words import visible

_COLOURS = {"+": "\033[32m", "-": "\033[31m", "@": "\033[36m"}
_RESET = "\033[0m"


def _add_secret(request: Request) -> Work:
    draft = Draft(request.root)
    tenant = read(request, draft)
    work = add_secret(request, tenant, draft)
    prove(request, work, tenant.judged, tenant.folders)
    return work


def _new_service(request: Request) -> Work:
    work = new_service(request, Draft(request.root))
    prove(request, work, None, ())
    return work


COMMANDS: dict[str, Callable[[Request], Work]] = {"add-secret": _add_secret, "new-service": _new_service}


def main(argv: Sequence[str], cancellation: Cancellation) -> int:
    """Runs one command and returns its exit code: 0 done, 2 refused and nothing written.

    A signal ends it until the first file is written, and no more after that: a few files are soon done.
    """
    command, *rest = argv
    arguments = _parser(command).parse_intermixed_args(rest)
    try:
        work = COMMANDS[command](read_request(vars(arguments)))
        cancellation.close()
        if not arguments.dry_run:
            work.draft.write()
    except CancelledError:
        return _refuse([Problem("Interrupted; nothing was written.")])
    except SecretSyncError as error:
        return _refuse(error.problems)
    except EditError as error:
        return _refuse([Problem(str(error), "Make the change there by hand; nothing was written.")])
    except OSError as error:
        return _refuse([Problem(f"{error.filename or 'A file'}: {error.strerror}.", "Nothing was written.")])
    except Exception as error:
        return _refuse([defect(error, "Nothing was written: add the secret by hand meanwhile.")])
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    try:
        print("\n".join(_told(work, arguments.dry_run, colour)), flush=True)
    except BrokenPipeError:  # whoever read it has seen enough; the edit is made
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _refuse(problems: Sequence[Problem]) -> int:
    for problem in problems:
        print(f"error: {visible(problem.what)}", file=sys.stderr)
        if problem.remedy:
            print(f"  what to do: {visible(problem.remedy)}", file=sys.stderr)
    return InputError.exit_code


def _told(work: Work, dry_run: bool, colour: bool) -> Iterator[str]:
    for line in unified(work.draft.edits()).splitlines():
        paint = _COLOURS.get(line[:1], "") if colour else ""
        yield f"{paint}{line}{_RESET}" if paint else line
    yield ""
    yield "Nothing was written (--dry-run). It would be:" if dry_run else "Done:"
    yield from (f"  {visible(line)}" for line in work.done)
    yield "Next:"
    yield from (f"  {visible(line)}" for line in work.following)


# --- arguments ---


def _parser(command: str) -> argparse.ArgumentParser:
    new = command == "new-service"
    parser = argparse.ArgumentParser(
        prog=f"secret-sync {command}",
        description="Lays out a tenant for a new service."
        if new
        else "Adds keys to a service: to its ExternalSecret, to the patch of every overlay, and to what reads it.",
        allow_abbrev=False,
    )
    parser.add_argument("service", metavar="SERVICE", help="the tenant's folder and segment of the parameters' paths")
    parser.add_argument(
        "keys",
        metavar="KEY",
        nargs="*" if new else "+",
        help="key of the Secret, as pods see it (DATABASE_URL); its parameter is called database_url",
    )
    parser.add_argument(
        "--secret",
        metavar="NAME",
        required=not new,
        help="the ExternalSecret and its Secret" + (" (default: SERVICE-secrets)" if new else "; made where missing"),
    )
    parser.add_argument("--parameter", metavar="PATH", help="another parameter: key, SERVICE/key, or a path with _ENV_")
    parser.add_argument("--property", metavar="NAME", help="of the JSON object that the parameter holds")
    parser.add_argument("--file", metavar="FILE", help="of a new ExternalSecret, below the base's folder")
    if new:
        default = "dev,pr,staging,production"
        parser.add_argument(
            "--environments", metavar="LIST", default=default, help=f"with commas between (default: {default})"
        )
    else:
        parser.add_argument(
            "--consumer", metavar="NAME", help="the workload that is to read it, where there are several"
        )
    parser.add_argument("--dry-run", action="store_true", help="shows the diff and writes nothing")
    for definition in contract.INPUTS:
        if definition.name in SHARED_INPUTS:
            parser.add_argument(f"--{definition.name}", metavar="TEXT", help=_help(definition))
    return parser


def _help(definition: contract.Input) -> str:
    shown = "the current folder" if definition.name == "tenants-directory" else definition.default
    return definition.meaning.replace("%", "%%") + (f" (default: {shown})" if shown else "")
