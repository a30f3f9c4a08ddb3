"""What the parts of a report have in common: counts, warnings, and failures told one way. Decides, prints nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from secret_action.contract import mode
from secret_action.model import (
    Action,
    Finding,
    Location,
    RefreshResult,
    RefreshState,
    RunReport,
    Severity,
    WorkloadResult,
    WorkloadState,
    WriteResult,
    WriteState,
)
from secret_action.report.words import count, listed, quoted, some


@dataclass(frozen=True)
class Failure:
    """One thing that failed, told so that the reader can mend it. Texts may hold backticks around names."""

    what: str
    causes: tuple[str, ...] = ()
    remedy: str = ""
    names: tuple[str, ...] = ()
    """The ExternalSecrets that failed alike, where it was more than one."""
    observed: tuple[str, ...] = ()
    where: Location | None = None
    service: str = ""
    """The tenant that could not be judged for it."""


def is_preview(report: RunReport) -> bool:
    """True where the report tells what a run would do: a plan, a dry run, or one that stopped before it began."""
    stopped = bool(report.exit_code) and not report.writes and not report.refreshes
    return report.mode == "plan" or report.dry_run or stopped


def subject(report: RunReport, names: Sequence[str] = ()) -> str:
    """`my-service in prod`, as far as both are known. names: the tenants that it is about; none for all of the run."""
    tenants = _tenants(names or services(report)) if report.mode == "validate" else "the service"
    service = report.service or tenants
    return f"{service} in {report.environment}" if report.environment else service


_FEW_TENANTS = 3
_FEW_WORKLOADS = 5
_SHOWN = 7  # characters of a commit


def _tenants(names: Sequence[str]) -> str:
    if not names:
        return "every tenant"
    return listed(names) if len(names) <= _FEW_TENANTS else count(len(names), "tenant")


def services(report: RunReport) -> tuple[str, ...]:
    """The tenants of the run, in their order: those that anything was read or found of, or that could not be read."""
    return tuple(sorted({*judged(report), *not_judged(report)}))


def judged(report: RunReport) -> tuple[str, ...]:
    """The tenants that anything was read or found of, in their order."""
    found = [*report.findings, *(silenced.finding for silenced in report.silenced)]
    names = {*(manifest.service for manifest in report.manifests), *(finding.service for finding in found)}
    return tuple(sorted(names - {""}))


def not_judged(report: RunReport) -> tuple[str, ...]:
    """The tenants of which nothing could be judged, or not all, in their order."""
    return tuple(sorted({problem.service for problem in report.problems} - {""}))


def of_tenants_with_errors(report: RunReport) -> RunReport:
    """The report with what was judged of those tenants only."""
    wrong = {finding.service for finding in report.findings if finding.severity is Severity.ERROR}
    return replace(
        report,
        manifests=tuple(manifest for manifest in report.manifests if manifest.service in wrong),
        findings=tuple(finding for finding in report.findings if finding.service in wrong),
        silenced=(),
        problems=(),
    )


def written(report: RunReport, action: Action) -> int:
    """How many parameters were created or updated, and stand."""
    return sum(1 for write in report.writes if write.action is action and write.state is WriteState.WRITTEN)


def writes_in(report: RunReport, *states: WriteState) -> tuple[WriteResult, ...]:
    """The writes that ended in one of these states."""
    return tuple(write for write in report.writes if write.state in states)


def planned(report: RunReport, action: Action) -> int:
    """How many parameters the plan has for this action."""
    return report.plan.count(action) if report.plan else 0


def findings_of(report: RunReport, severity: Severity) -> int:
    """How many findings are this severe."""
    return sum(1 for finding in report.findings if finding.severity is severity)


def findings_in_order(report: RunReport) -> tuple[Finding, ...]:
    """The most severe first, otherwise as found."""
    order = list(Severity)
    return tuple(sorted(report.findings, key=lambda finding: order.index(finding.severity)))


def nothing_given(report: RunReport) -> bool:
    """True where the plan has owned keys and the pipeline handed over a value for none of them."""
    owned = [entry for entry in report.plan.entries if entry.parameter.owned] if report.plan else []
    return bool(owned) and all(entry.given is None for entry in owned)


def not_refreshed(report: RunReport) -> tuple[RefreshResult, ...]:
    """The ExternalSecrets for which a release may not be called done."""
    return tuple(result for result in report.refreshes if not result.ok)


def not_rolled(report: RunReport) -> tuple[WorkloadResult, ...]:
    """The workloads for which a release may not be called done."""
    return tuple(result for result in report.workloads if not result.ok)


def workloads_in(report: RunReport, *states: WorkloadState) -> tuple[WorkloadResult, ...]:
    """The workloads that ended in one of these states."""
    return tuple(result for result in report.workloads if result.state in states)


def workload_name(result: WorkloadResult) -> str:
    """`Deployment shop/web`."""
    return f"{result.kind} {result.namespace}/{result.name}" if result.name else result.kind


def _not_renewed(report: RunReport) -> Iterator[str]:
    """A sentence on the workloads whose pods do not have the newest data, and one on those that may not have it."""
    if old := workloads_in(report, WorkloadState.STILL_OLD):
        verb = "runs" if len(old) == 1 else "run"
        how = (
            "As they are defined no roll renews them; the commands that do are in the job summary."
            if report.restarts
            else "The commands that roll them are in the job summary; `restart: changed` does it in the run."
        )
        yield f"{count(len(old), 'workload')} still {verb} with the data from before: {_names(old)}. {how}"
    if unknown := not_checked(report):
        found = f"{count(len(unknown), 'workload')} not checked for the data from before: {_names(unknown)}."
        yield f"{found} Why is in the job summary."


def not_checked(report: RunReport) -> tuple[WorkloadResult, ...]:
    """The workloads of which a run that was to roll them does not know whether it had to."""
    return workloads_in(report, WorkloadState.NOT_CHECKED) if report.restarts else ()


def _names(workloads: Iterable[WorkloadResult]) -> str:
    return some([quoted(workload_name(one)) for one in workloads], _FEW_WORKLOADS)


def warnings(report: RunReport) -> tuple[str, ...]:
    """The run's warnings, the one that no owned key was given a value, and those on old pods."""
    told = (*report.warnings, *_not_renewed(report))
    if not nothing_given(report):
        return told
    return (
        "No owned key was given a value, so this run could not change any. A forgotten `environment:` on the job "
        "or `secrets: inherit` on its caller looks like this, and so does a step without `env:`.",
        *told,
    )


def notices(report: RunReport) -> tuple[str, ...]:
    """The source names that nobody asked for, the run's own notices, and who deploys."""
    told = (*report.notices, *_deployers(report))
    if not report.unused_sources:
        return told
    names = [quoted(name) for name in report.unused_sources]
    return (f"{count(len(names), 'source name')} that no manifest asks for, not pushed: {some(names)}.", *told)


def _deployers(report: RunReport) -> Iterator[str]:
    """A sentence on each GitOps tool that deploys any of this, with its commit beside ours."""
    deploys = Counter(result.deployer for result in report.refreshes if result.deployer)
    judged = report.tenants.sha if report.tenants else ""
    for deployer, number in deploys.items():
        same = {"": "", judged: ", the same"}.get(deployer.commit, ", another one")
        ours = f" This run judged commit {judged[:_SHOWN]}{same}." if judged else ""
        yield f"{deployer.words}; it deploys {count(number, 'ExternalSecret')}.{ours}"


def kept(report: RunReport) -> tuple[str, ...]:
    """A sentence on the parameters that were given no value, unless the warning says that none was."""
    keys = [quoted(entry.parameter.key) for entry in report.plan.of(Action.KEEP)] if report.plan else []
    if not keys or nothing_given(report):
        return ()
    return (f"{count(len(keys), 'parameter')} given no value, and left as before: {some(keys)}.",)


def failures(report: RunReport) -> tuple[Failure, ...]:
    """All that failed: what ended the run, each ExternalSecret (those that failed alike are one), each workload."""
    ended = [
        Failure(problem.what, problem.causes, problem.remedy, where=problem.where, service=problem.service)
        for problem in report.problems
    ]
    return tuple(dict.fromkeys([*ended, *_refresh_failures(report), *map(_workload_failure, not_rolled(report))]))


def _workload_failure(result: WorkloadResult) -> Failure:
    remedy = (
        f"Mend its pods, then run again: it is rolled once only. Look: `{result.command}`" if result.command else ""
    )
    return Failure(f"{quoted(workload_name(result))} does not run with the new data.", (result.detail,), remedy)


def _refresh_failures(report: RunReport) -> Iterator[Failure]:
    alike: dict[tuple[str, str, str], list[RefreshResult]] = {}
    for result in not_refreshed(report):
        diagnosis = result.diagnosis
        told = (diagnosis.cause, diagnosis.remedy) if diagnosis else (result.detail, "")
        alike.setdefault((_trouble(result), *told), []).append(result)
    for (trouble, cause, remedy), results in alike.items():
        names = tuple(f"{result.namespace}/{result.name}" for result in results)
        first = results[0]
        one = len(results) == 1
        yield Failure(
            f"{quoted(names[0])} {trouble}." if one else f"Each of {count(len(results), 'ExternalSecret')} {trouble}.",
            (cause,) if cause else (),
            remedy,
            () if one else names,
            first.diagnosis.observed if first.diagnosis else (),
        )


_TROUBLES = {
    RefreshState.FAILED: "could not be synced by External Secrets Operator",
    RefreshState.NOT_PROVEN: "was not proven to be refreshed before the timeout",
    RefreshState.NOT_DEPLOYED: "is not in the cluster as the manifest has it",
    RefreshState.NOT_MANAGED: "has no label in the cluster that allows a refresh, and was not touched",
}


def _trouble(result: RefreshResult) -> str:
    return _TROUBLES.get(result.state, "was refreshed, but its Secret holds other values than this run has")


def store_counts(report: RunReport) -> str:
    """`3 parameters created, 1 updated, 12 unchanged`; in a preview `3 parameters to create, …`."""
    if is_preview(report):
        counts = {
            "to create": planned(report, Action.CREATE),
            "to update": planned(report, Action.UPDATE),
            "to delete": planned(report, Action.PRUNE),
        }
    else:
        counts = {
            "created": written(report, Action.CREATE),
            "updated": written(report, Action.UPDATE),
            "deleted": len(writes_in(report, WriteState.DELETED)),
        }
    counts["unchanged"] = planned(report, Action.UNCHANGED)
    counts["kept"] = planned(report, Action.KEEP)
    counts["missing"] = planned(report, Action.MISSING)
    told = [(number, word) for word, number in counts.items() if number]
    if not told:
        return "no parameters"
    (number, word), *rest = told
    return ", ".join([f"{count(number, 'parameter')} {word}", *(f"{n:,} {w}" for n, w in rest)])


def overlays(report: RunReport) -> str:
    """`4 overlays`."""
    return count(len(report.manifests), "overlay")


def severities(report: RunReport) -> str:
    """`3 errors and 1 warning`; empty without findings."""
    numbers = [(findings_of(report, severity), severity.value) for severity in Severity]
    return listed([count(number, word) for number, word in numbers if number])


def refreshes_cluster(report: RunReport) -> bool:
    """True where the mode has a cluster stage."""
    return mode(report.mode).refreshes and not report.dry_run
