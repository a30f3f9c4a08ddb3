"""The first sentence says what happened, to which environment, and whether it is proven."""

from __future__ import annotations

from dataclasses import replace

import pytest
import report_samples as samples

from secret_action.model import (
    Action,
    ContentState,
    Problem,
    RefreshState,
    RunReport,
    WorkloadResult,
    WorkloadState,
    WriteState,
)
from secret_action.report.headline import headline


def with_states(*states: RefreshState, content: ContentState = ContentState.NOT_CHECKED) -> RunReport:
    """A release whose first ExternalSecrets have these states, and whose others are left out."""
    report = samples.second_release()
    results = zip(report.refreshes, states, strict=False)
    return replace(report, refreshes=tuple(replace(one, state=state, content=content) for one, state in results))


def failing(report: RunReport, *problems: str, exit_code: int = 1) -> RunReport:
    return replace(report, problems=tuple(Problem(what) for what in problems), exit_code=exit_code)


def writes(report: RunReport, *states: WriteState) -> RunReport:
    results = zip(report.writes, states, strict=False)
    return replace(report, writes=tuple(replace(one, state=state) for one, state in results))


def of_tenants(*services: str) -> RunReport:
    manifests = tuple(replace(samples.manifest(), service=service) for service in services)
    report = replace(samples.validating(), service="", manifests=manifests)
    return replace(report, findings=(), silenced=(), exit_code=0)


def unrendered(report: RunReport) -> RunReport:
    """The last overlay does not render, which is silenced."""
    *others, last = report.manifests
    return replace(report, manifests=(*others, replace(last, rendered=False)))


def not_judged(service: str, error_in: str = "") -> RunReport:
    """Three tenants, of which one has a finding; and why one, perhaps another one, could not be judged."""
    problem = Problem(f"tenants/{service}/secrets.yaml: version: must be 1.", service=service)
    findings = (replace(samples.finding(), service=error_in),) if error_in else ()
    return replace(of_tenants("a", "b", "c"), problems=(problem,), findings=findings, exit_code=2)


REFRESHED = replace(samples.first_release(), mode="refresh", plan=None, writes=())
BEFORE_THE_PLAN = replace(samples.first_release(), plan=None, writes=(), refreshes=())
WORKLOADS = tuple(
    WorkloadResult("Deployment", "shop", state, state)
    for state in (WorkloadState.RESTARTED, WorkloadState.STILL_OLD, WorkloadState.NOT_CHECKED)
)
PROVEN, NOT_PROVEN = RefreshState.PROVEN, RefreshState.NOT_PROVEN


@pytest.mark.parametrize(
    ("report", "wanted"),
    [
        (
            samples.first_release(),
            "Released my-service to prod: 5 parameters created; all 5 ExternalSecrets proven to hold the new values.",
        ),
        (
            samples.second_release(),
            "Released my-service to prod: 4 parameters unchanged, 1 kept; "
            "all 5 ExternalSecrets proven to hold the wanted values.",
        ),
        (
            samples.many(),
            "Released my-service to prod: 10,000 parameters created; "
            "all 10,000 ExternalSecrets proven to hold the new values.",
        ),
        (
            with_states(PROVEN, content=ContentState.PROVEN),
            "Released my-service to prod: 4 parameters unchanged, 1 kept; "
            "its ExternalSecret proven to hold the wanted values.",
        ),
        (
            with_states(PROVEN, RefreshState.WEAKLY_PROVEN),
            "Released my-service to prod: 4 parameters unchanged, 1 kept; "
            "both ExternalSecrets proven to be refreshed, 1 by status alone.",
        ),
        (
            with_states(PROVEN, RefreshState.NEVER_REFRESHES),
            "Released my-service to prod: 4 parameters unchanged, 1 kept; "
            "1 ExternalSecret proven to be refreshed, 1 ExternalSecret left alone, never refreshing by definition.",
        ),
        (
            with_states(),
            "Released my-service to prod: 4 parameters unchanged, 1 kept; no ExternalSecret was refreshed.",
        ),
        (
            samples.nothing_given(),
            "No value was given for any key of my-service in prod: 5 parameters kept as before; "
            "all 5 ExternalSecrets proven to hold the wanted values.",
        ),
        (
            replace(samples.first_release(), mode="push", refreshes=()),
            "Pushed the values of my-service to prod: 5 parameters created. "
            "The cluster is proven to have them only when `refresh` has run.",
        ),
        (REFRESHED, "Refreshed my-service in prod: all 5 ExternalSecrets proven to hold the wanted values."),
        (
            replace(samples.first_release(), restarts=True, workloads=WORKLOADS),
            "Released my-service to prod: 5 parameters created; all 5 ExternalSecrets proven to hold the new values; "
            "1 workload restarted, 1 workload still with the data from before and 1 workload not checked.",
        ),
        (
            replace(samples.first_release(), workloads=WORKLOADS[1:]),
            "Released my-service to prod: 5 parameters created; all 5 ExternalSecrets proven to hold the new values; "
            "1 workload still with the data from before.",
        ),
        (
            samples.planning(),
            "Plan for my-service in prod: 1 parameter to create, 2 to update, 1 unchanged, 1 kept. "
            "Nothing was written.",
        ),
        (
            replace(samples.second_release(), dry_run=True, refreshes=()),
            "A release of my-service in prod would write nothing: 4 parameters unchanged, 1 kept.",
        ),
        (
            replace(samples.nothing_given(), mode="plan", refreshes=()),
            "No value was given for any key of my-service in prod: a release would write nothing.",
        ),
        (
            replace(REFRESHED, dry_run=True, refreshes=()),
            "Dry run: nothing was refreshed for my-service in prod.",
        ),
        (
            replace(samples.validating(), findings=(), silenced=(), exit_code=0),
            "The manifests of my-service are valid: 4 overlays, no findings.",
        ),
        (
            replace(samples.validating(), findings=(), exit_code=0),
            "The manifests of my-service are valid: 4 overlays, no findings, 1 silenced.",
        ),
        (
            unrendered(of_tenants("a", "a")),
            "The manifests of a are valid: 2 overlays, no findings; "
            "not judged, for want of a render: tenants/my-service/overlays/prod.",
        ),
        (
            of_tenants("a", "b", "c"),
            "The manifests of a, b and c are valid: 3 overlays, no findings.",
        ),
        (
            of_tenants("a", "b", "c", "d"),
            "The manifests of 4 tenants are valid: 4 overlays, no findings.",
        ),
        (
            replace(of_tenants(), environment="prod"),
            "The manifests of every tenant in prod are valid: 0 overlays, no findings.",
        ),
        (
            replace(samples.validating(), cancelled=True, exit_code=1),
            "Cancelled: the manifests of my-service were not judged to the end.",
        ),
        (
            samples.pruned(),
            "Released my-service to prod: 1 parameter deleted, 5 unchanged; "
            "all 5 ExternalSecrets proven to hold the wanted values.",
        ),
        (
            failing(writes(samples.pruned(), WriteState.FAILED), "SSM said no."),
            "Released my-service to prod: 5 parameters unchanged; all 5 ExternalSecrets proven to hold the wanted "
            "values. But what is left over was not all deleted: SSM said no.",
        ),
        (
            samples.validating(),
            "The manifests of my-service are not valid: 3 errors and 1 warning in 4 overlays.",
        ),
        (
            failing(replace(samples.validating(), findings=()), "There is no tenant `my-servce`.", exit_code=2),
            "The manifests of my-service could not be judged: There is no tenant `my-servce`.",
        ),
        (
            not_judged("b"),
            "The manifests of b could not be judged in full: tenants/b/secrets.yaml: version: must be 1.",
        ),
        (
            not_judged("d"),
            "The manifests of d could not be judged: tenants/d/secrets.yaml: version: must be 1.",
        ),
        (
            not_judged("d", error_in="b"),
            "The manifests of b are not valid: 1 error in 1 overlay. "
            "Those of d could not be judged: tenants/d/secrets.yaml: version: must be 1.",
        ),
        (
            replace(not_judged("b", error_in="b"), mode="release", service="b", environment="prod"),
            "Nothing was written for b in prod: tenants/b/secrets.yaml: version: must be 1.",
        ),
        (samples.missing(), "Nothing was written: 2 values are missing for my-service in prod."),
        (
            replace(samples.missing(), findings=(samples.finding(),)),
            "Nothing was written: 2 values are missing and 1 error is in the manifests for my-service in prod.",
        ),
        (
            replace(samples.missing(), mode="plan"),
            "my-service in prod cannot be released: 2 values are missing.",
        ),
        (
            failing(BEFORE_THE_PLAN, "No route to AWS."),
            "Nothing was written for my-service in prod: No route to AWS.",
        ),
        (
            failing(RunReport("relese"), "`mode` is `relese`.", exit_code=2),
            "Nothing was written: `mode` is `relese`.",
        ),
        (
            failing(replace(samples.first_release(), mode="push", refreshes=()), "x moved."),
            "my-service in prod: the values are in SSM, but something failed: x moved.",
        ),
        (
            failing(BEFORE_THE_PLAN, "a", "b", exit_code=2),
            "Nothing was written for my-service in prod: 2 things went wrong.",
        ),
        (
            samples.store_not_ready(),
            "my-service in prod: the values are in SSM, but none of its 5 ExternalSecrets is proven to hold them.",
        ),
        (
            samples.not_taken_over(),
            "my-service in prod: the values are in SSM, but the cluster has not taken over 1 of its 5 ExternalSecrets.",
        ),
        (
            replace(with_states(PROVEN, PROVEN, NOT_PROVEN, NOT_PROVEN), exit_code=1),
            "my-service in prod: the values are in SSM, but 2 of its 4 ExternalSecrets are not proven to hold them.",
        ),
        (
            replace(with_states(NOT_PROVEN), exit_code=1),
            "my-service in prod: the values are in SSM, but its ExternalSecret is not proven to hold them.",
        ),
        (
            replace(with_states(NOT_PROVEN), mode="refresh", plan=None, exit_code=1),
            "my-service in prod: its ExternalSecret is not proven to be refreshed.",
        ),
        (
            failing(replace(samples.first_release(), refreshes=()), "No route to the cluster."),
            "my-service in prod: the values are in SSM, "
            "but the cluster is not proven to have them: No route to the cluster.",
        ),
        (
            samples.undone(),
            "my-service in prod was not released: a write failed; "
            "1 earlier write was put back, 1 could not be put back and needs you.",
        ),
        (
            writes(samples.undone(), WriteState.FAILED),
            "my-service in prod was not released: a write failed, and nothing was changed.",
        ),
        (
            samples.cancelled(),
            "Cancelled: the values of my-service in prod are in SSM; that the cluster has them is not proven.",
        ),
        (
            writes(samples.cancelled(), WriteState.UNDONE),
            "Cancelled: what had been written for my-service in prod was put back.",
        ),
        (
            writes(samples.cancelled(), WriteState.LEFT),
            "Cancelled: 1 parameter of my-service in prod could not be put back and needs you.",
        ),
        (
            replace(samples.cancelled(), writes=()),
            "Cancelled: nothing was written for my-service in prod.",
        ),
    ],
)
def test_headline(report: RunReport, wanted: str) -> None:
    assert headline(report) == wanted


def test_a_key_of_another_service_does_not_count_as_a_key_without_a_value() -> None:
    report = samples.first_release()
    assert report.plan
    foreign = replace(report, plan=replace(report.plan, entries=report.plan.of(Action.FOREIGN)), writes=())
    assert "No value was given" not in headline(foreign)
