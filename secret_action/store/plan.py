"""What a run would do to each parameter, and what is wrong with that. Pure: it decides, and asks nobody.

A text made here never holds a value, its length or a hash of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from secret_action.model import (
    Action,
    Location,
    Parameter,
    Plan,
    PlannedParameter,
    Problem,
    SourcedValue,
    StoredParameter,
)
from secret_action.store.limits import (
    STANDARD,
    STANDARD_BYTES,
    Fault,
    byte_count,
    description_fault,
    name_fault,
    value_fault,
)
from secret_action.store.metadata import Metadata
from secret_action.store.reading import Reading
from secret_action.store.shapes import shape_problems

SECURE = "SecureString"


def make_plan(parameters: Sequence[Parameter], given: Mapping[str, SourcedValue], reading: Reading) -> Plan:
    """What a run would do, in the order of `parameters`.

    given: the pipeline's values by path. A value for a foreign parameter is never used.
    """
    return Plan(tuple(_planned(parameter, given, reading) for parameter in parameters))


def _planned(parameter: Parameter, given: Mapping[str, SourcedValue], reading: Reading) -> PlannedParameter:
    stored = reading.stored.get(parameter.path)
    if not parameter.owned:
        return PlannedParameter(parameter, _foreign_action(parameter, stored, reading), stored)
    value = given.get(parameter.path)
    wrong = stored is not None and stored.type != SECURE
    if value is None:
        absent = Action.SKIP if parameter.optional else Action.MISSING
        note = f"is a {stored.type}; hand its value over to make it a {SECURE}" if stored and wrong else ""
        return PlannedParameter(parameter, Action.KEEP if stored else absent, stored, None, note)
    if stored is None:
        return PlannedParameter(parameter, Action.CREATE, None, value)
    if wrong:
        note = f"was a {stored.type}, becomes a {SECURE}"
        return PlannedParameter(parameter, Action.UPDATE, stored, value, note)
    same = stored.value == value.value
    return PlannedParameter(parameter, Action.UNCHANGED if same else Action.UPDATE, stored, value)


def _foreign_action(parameter: Parameter, stored: StoredParameter | None, reading: Reading) -> Action:
    if stored:
        return Action.FOREIGN
    if parameter.path in reading.unchecked:
        return Action.UNCHECKED
    return Action.SKIP if parameter.optional else Action.MISSING


def judge_tiers(plan: Plan, metadata: Metadata) -> Plan:
    """The plan with those marked whose value does not fit their tier. metadata: as for `check_plan`."""
    return replace(
        plan,
        entries=tuple(
            replace(entry, tier_too_small=_is_written(entry) and _too_small(entry, metadata)) for entry in plan.entries
        ),
    )


def check_plan(
    plan: Plan, *, looked_for: Mapping[str, Sequence[str]], region: str, metadata: Metadata
) -> tuple[Problem, ...]:
    """All that stands against carrying out the plan, found before anything is written.

    looked_for: by path, the names under which a value was looked for, in words.
    metadata: of the parameters that would be overwritten, as far as it is known.
    """
    return tuple(
        problem
        for entry in plan.entries
        for problem in (
            *_missing(entry, looked_for.get(entry.parameter.path, ()), region),
            *_refused(entry, region, metadata),
            *_misshapen(entry),
        )
    )


def _missing(entry: PlannedParameter, names: Sequence[str], region: str) -> Iterator[Problem]:
    if entry.action is not Action.MISSING:
        return
    path, where = entry.parameter.path, _first_place(entry.parameter)
    fault = name_fault(path, region)
    if fault is not None:
        yield Problem(f"{path} {fault.what}.", fault.remedy, where=where)
    elif not entry.parameter.owned:
        yield Problem(
            f"{path} does not exist, and belongs to another service or environment: this run may not create it.",
            "Release its owner first, or mend the key in the manifest. External Secrets Operator would fail on it.",
            ("A spelling mistake in the key.", "It is in another region or account."),
            where,
        )
    else:
        yield Problem(
            f"{path} has no value: it is not in SSM, and nothing was handed over as {'; '.join(names)}.",
            "Set one of these names in the step's `env:`, or in `secrets`; "
            "or mark the key `optional: true` in secrets.yaml.",
            ("The secret is not defined for this GitHub environment.", "The job names no `environment:`."),
            where,
        )


def _refused(entry: PlannedParameter, region: str, metadata: Metadata) -> Iterator[Problem]:
    """What SSM would refuse of a write."""
    if not _is_written(entry) or entry.given is None:
        return
    parameter, source = entry.parameter, entry.given.source
    text = entry.given.value.reveal()
    name, description, value = (
        name_fault(parameter.path, region),
        description_fault(parameter.description),
        value_fault(text) or _tier_fault(entry, metadata),
    )
    for fault, origin in ((name, ""), (description, ""), (value, f" (from {source})")):
        if fault is not None:
            yield Problem(f"{parameter.path}{origin} {fault.what}.", fault.remedy, where=_first_place(parameter))


def _is_written(entry: PlannedParameter) -> bool:
    return entry.action in (Action.CREATE, Action.UPDATE)


def _tier_fault(entry: PlannedParameter, metadata: Metadata) -> Fault | None:
    if entry.parameter.tier == STANDARD and _is_advanced(entry, metadata):
        return Fault(
            f"asks for the tier {STANDARD}, and is Advanced: AWS does not take a parameter back",
            "Write `tier: Advanced` for it in secrets.yaml, or delete the parameter and run again.",
        )
    if _too_small(entry, metadata):
        return Fault(
            f"would get a value over {STANDARD_BYTES:,} bytes, the most that the tier {STANDARD} takes",
            "Write `tier: Advanced` for it in secrets.yaml (AWS charges for it).",
        )
    return None


def _too_small(entry: PlannedParameter, metadata: Metadata) -> bool:
    if entry.given is None or byte_count(entry.given.value.reveal()) <= STANDARD_BYTES:
        return False
    asked = entry.parameter.tier
    return asked == STANDARD or not (asked or _is_advanced(entry, metadata))


def _is_advanced(entry: PlannedParameter, metadata: Metadata) -> bool:
    has = metadata.of(entry.parameter.path).tier
    # A stored value over the limit shows the tier where DescribeParameters may not be asked.
    old = entry.stored.value if entry.stored else None
    return has not in ("", STANDARD) or (old is not None and byte_count(old.reveal()) > STANDARD_BYTES)


def _misshapen(entry: PlannedParameter) -> Iterator[Problem]:
    """What the readers of a value would not find in it: in the one that is given, else in the one that stays."""
    parameter = entry.parameter
    if entry.given is not None:
        value, given_as = entry.given.value, f"the value from {entry.given.source}"
    elif entry.stored is not None and entry.stored.value is not None:
        value, given_as = entry.stored.value, "the stored value"
    else:
        return
    yield from shape_problems(parameter.path, value.reveal(), given_as, parameter.references)


def _first_place(parameter: Parameter) -> Location | None:
    return parameter.references[0].where if parameter.references else None
