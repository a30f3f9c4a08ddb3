"""Which value each parameter is given: source names → values. Pure; decides all refusals of the contract at once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from secret_action.model import Parameter, Problem, SourcedValue
from secret_action.naming import is_reserved_source, source_names, source_prefixes
from secret_action.settings import ValueSettings
from secret_action.values import SecretValue

_ENV_PREFIX = "{ENV}_"
_KNOWN_ENVIRONMENTS = ("dev", "pr", "staging", "prod")


@dataclass(frozen=True)
class Step:
    """Names that are looked up together, and where. The first step of a parameter that is present wins."""

    names: tuple[str, ...]
    in_secrets: bool

    def __str__(self) -> str:
        return f"{' or '.join(self.names)} {'in `secrets`' if self.in_secrets else 'in the environment'}"


@dataclass(frozen=True)
class Resolved:
    """given: values by parameter path. unused: names with the environment's prefix that nobody asks for.

    names: by path, the names that each owned parameter was looked for under.
    refused: paths whose value was found and is not to be used; `problems` says why.
    """

    given: Mapping[str, SourcedValue]
    names: Mapping[str, tuple[str, ...]]
    unused: tuple[str, ...]
    refused: frozenset[str]
    problems: tuple[Problem, ...]


def resolve(parameters: Iterable[Parameter], environment: str, service: str, values: ValueSettings) -> Resolved:
    """Finds the value of every owned parameter.

    parameters: of one manifest. environment: any spelling. Nothing is raised: what is refused is in `problems`.
    """
    owned = [parameter for parameter in parameters if parameter.owned]
    steps = {parameter.path: tuple(_steps(parameter, environment, service, values.unprefixed)) for parameter in owned}
    problems = [
        *_hyphens(values, environment),
        *_wrong_sources(owned, environment),
        *_shared_names(owned, steps),
    ]
    given: dict[str, SourcedValue] = {}
    refused: set[str] = set()
    for parameter in owned:
        found = _first_present(parameter, steps[parameter.path], values)
        if isinstance(found, Problem):
            problems.append(found)
            refused.add(parameter.path)
        elif found is not None:
            given[parameter.path] = found
    asked = {name for each in steps.values() for step in each for name in step.names}
    return Resolved(
        given=given,
        names={
            path: tuple(dict.fromkeys(name for step in each for name in step.names)) for path, each in steps.items()
        },
        unused=tuple(sorted(_prefixed(values, environment) - asked)),
        refused=frozenset(refused),
        problems=tuple(problems),
    )


def _steps(parameter: Parameter, environment: str, service: str, unprefixed: bool) -> Iterator[Step]:
    if parameter.source.startswith(_ENV_PREFIX):
        rest = parameter.source.removeprefix(_ENV_PREFIX).upper()
        names = tuple(prefix + rest for prefix in source_prefixes(environment))
        yield from (Step(names, False), Step(names, True))
    elif parameter.source:
        name = parameter.source.upper()
        if name.startswith(source_prefixes(environment)):
            yield Step((name,), False)
        yield Step((name,), True)
    else:
        for names in source_names(environment, service, parameter.key):
            yield from (Step(names, False), Step(names, True))
        # Never from the process environment, where PATH and HOME live.
        if unprefixed and not is_reserved_source(parameter.key):
            yield Step((parameter.key.upper(),), True)


def _first_present(parameter: Parameter, steps: Iterable[Step], values: ValueSettings) -> SourcedValue | Problem | None:
    for step in steps:
        place = values.secrets if step.in_secrets else values.environment
        present = {name: place[name] for name in step.names if name in place}
        if parameter.optional:
            present = {name: value for name, value in present.items() if value.reveal()}
        if not present:
            continue
        name, value = next(iter(present.items()))
        if any(other != value for other in present.values()):
            return Problem(
                f"{' and '.join(present)} give {parameter.key} two different values.",
                "Keep one of the two names.",
            )
        if _is_own_credential(value, values):
            return _credential_problem(parameter, name)
        if not value.reveal():
            return Problem(
                f"{name}, the value of {parameter.key}, is present but empty.",
                f"Give it a value. Or say `optional: true` for {parameter.key} in secrets.yaml.",
                causes=(
                    "The job has no `environment:`, so the environment's own secrets are not there.",
                    "The caller does not pass it on: `secrets: inherit` or the name under `secrets:` is missing.",
                    "The secret does not exist, or the run comes from a fork or from Dependabot.",
                ),
            )
        found = _decoded(parameter, name, value)
        if isinstance(found, SourcedValue) and _is_own_credential(found.value, values):
            return _credential_problem(parameter, name)
        return found
    return None


def _is_own_credential(value: SecretValue, values: ValueSettings) -> bool:
    """By value, since `toJSON(secrets)` holds the pipeline's credentials under any name."""
    mine = value.reveal().strip()
    return any(SecretValue(mine) == SecretValue(other.reveal().strip()) for other in values.forbidden)


def _credential_problem(parameter: Parameter, name: str) -> Problem:
    return Problem(
        f"{name}, the value of {parameter.key}, is one of the pipeline's own credentials.",
        "Those are never put into a parameter: hand over another value, or take the key out of the tenant.",
    )


def _decoded(parameter: Parameter, name: str, value: SecretValue) -> SourcedValue | Problem:
    try:
        if parameter.encoding == "base64":
            raw = base64.b64decode("".join(value.reveal().split()), validate=True)
            return SourcedValue(SecretValue(raw.decode("utf-8")), name)
        value.reveal().encode("utf-8")  # the environment may hold bytes that are no text
    except (binascii.Error, ValueError) as error:
        base64_is_wrong = isinstance(error, binascii.Error)
        return Problem(
            f"{name}, the value of {parameter.key}, is not {'base64' if base64_is_wrong else 'UTF-8 text'}.",
            "secrets.yaml says `encoding: base64` for it: hand it over encoded."
            if base64_is_wrong
            else "Parameter Store holds text only: hand it over as base64, and decode it where it is used.",
        )
    return SourcedValue(value, name)


def _prefixed(values: ValueSettings, environment: str) -> set[str]:
    prefixes = source_prefixes(environment)
    names = {*values.environment, *values.secrets}
    return {name for name in names if name.startswith(prefixes) and not is_reserved_source(name)}


def _hyphens(values: ValueSettings, environment: str) -> Iterator[Problem]:
    for name in sorted({*values.secrets, *_prefixed(values, environment)}):
        if "-" in name:
            yield Problem(f"The source name {name} has a hyphen.", f"Write {name.replace('-', '_')}.")


def _wrong_sources(owned: Iterable[Parameter], environment: str) -> Iterator[Problem]:
    """A literal `from` that names another environment's value would carry it over."""
    own = source_prefixes(environment)
    others = tuple(prefix for known in _KNOWN_ENVIRONMENTS for prefix in source_prefixes(known) if prefix not in own)
    for parameter in owned:
        name = parameter.source.upper()
        if not name.startswith("{") and name.startswith(others) and not name.startswith(own):
            yield Problem(
                f"{parameter.key}: `from: {parameter.source}` names another environment's value, and this run is "
                f"for {environment}.",
                f'Write `from: "{_ENV_PREFIX}{name.partition("_")[2]}"` in secrets.yaml.',
            )


def _shared_names(owned: Iterable[Parameter], steps: Mapping[str, tuple[Step, ...]]) -> Iterator[Problem]:
    """Two parameters that one name could feed: which one it is meant for cannot be told."""
    claims: dict[str, list[str]] = {}
    for parameter in owned:
        for name in dict.fromkeys(name for step in steps[parameter.path] for name in step.names):
            claims.setdefault(name, []).append(parameter.key)
    shared = {tuple(keys): name for name, keys in reversed(claims.items()) if len(keys) > 1}
    for keys, name in shared.items():
        yield Problem(
            f"The source name {name} could be the value of {' and of '.join(keys)}.",
            "Give one of them a name of its own with `from:` in secrets.yaml.",
        )
