"""The one sentence that anyone can read: what happened, to which environment, proven or not."""

from __future__ import annotations

from secret_action.contract import mode
from secret_action.model import (
    Action,
    ContentState,
    RefreshResult,
    RefreshState,
    RunReport,
    Severity,
    WorkloadState,
    WriteState,
)
from secret_action.report import facts
from secret_action.report.words import be, count, listed, shorten, some, visible

_REASON_LIMIT = 300
_FEW_OVERLAYS = 3


def headline(report: RunReport) -> str:
    """One sentence, plain text, for the summary, the log and the JSON report."""
    if report.cancelled:
        return _cancelled(report)
    if report.exit_code:
        return _failed(report)
    if report.mode == "validate":
        return _valid(report)
    if facts.is_preview(report):
        return _planned(report)
    return _done(report)


def _done(report: RunReport) -> str:
    subject = facts.subject(report)
    cluster = _cluster(report)
    cluster += _workloads(report)
    if report.mode == "refresh":
        return f"Refreshed {subject}: {cluster}."
    if facts.nothing_given(report):
        kept = facts.planned(report, Action.KEEP)
        store = f"No value was given for any key of {subject}: {count(kept, 'parameter')} kept as before"
    else:
        verb = "Released" if report.mode == "release" else "Pushed the values of"
        store = f"{verb} {report.service} to {report.environment}: {facts.store_counts(report)}"
    if report.mode == "push":
        return f"{store}. The cluster is proven to have them only when `refresh` has run."
    return f"{store}; {cluster}."


def _cluster(report: RunReport) -> str:
    """`all 5 ExternalSecrets proven to hold the new values`, or less where less was proven."""
    results = report.refreshes
    if not results:
        return "no ExternalSecret was refreshed"
    held = sum(1 for result in results if result.content is ContentState.PROVEN)
    if held == len(results):
        new = "new" if facts.writes_in(report, WriteState.WRITTEN) else "wanted"
        return f"{_all(held)} proven to hold the {new} values"
    never = _count(results, RefreshState.NEVER_REFRESHES)
    weak = _count(results, RefreshState.WEAKLY_PROVEN)
    synced = len(results) - never
    which = count(synced, "ExternalSecret") if never else _all(synced)
    told = [f"{which} proven to be refreshed"] if synced else []
    if held:
        told.append(f"{held:,} of them by content")
    if weak:
        told.append(f"{weak:,} by status alone")
    if never:
        told.append(f"{count(never, 'ExternalSecret')} left alone, never refreshing by definition")
    return ", ".join(told)


def _workloads(report: RunReport) -> str:
    """`; 2 workloads restarted`, and how many have old data, or may have; empty where there is nothing to tell."""
    restarted, old = (
        len(facts.workloads_in(report, state)) for state in (WorkloadState.RESTARTED, WorkloadState.STILL_OLD)
    )
    told = [f"{count(restarted, 'workload')} restarted"] if restarted else []
    if old:
        told.append(f"{count(old, 'workload')} still with the data from before")
    if unknown := len(facts.not_checked(report)):
        told.append(f"{count(unknown, 'workload')} not checked")
    return f"; {listed(told)}" if told else ""


def _all(number: int) -> str:
    return {1: "its ExternalSecret", 2: "both ExternalSecrets"}.get(number, f"all {number:,} ExternalSecrets")


def _count(results: tuple[RefreshResult, ...], state: RefreshState) -> int:
    return sum(1 for result in results if result.state is state)


def _planned(report: RunReport) -> str:
    subject = facts.subject(report)
    if facts.nothing_given(report):
        return f"No value was given for any key of {subject}: a release would write nothing."
    if report.mode == "refresh":
        return f"Dry run: nothing was refreshed for {subject}."
    if not facts.planned(report, Action.CREATE) and not facts.planned(report, Action.UPDATE):
        return f"A release of {subject} would write nothing: {facts.store_counts(report)}."
    return f"Plan for {subject}: {facts.store_counts(report)}. Nothing was written."


def _valid(report: RunReport) -> str:
    told = [facts.overlays(report), facts.severities(report) or "no findings"]
    if report.silenced:
        told.append(f"{len(report.silenced):,} silenced")
    return f"The manifests of {facts.subject(report)} are valid: {', '.join(told)}{_unseen(report)}."


def _unseen(report: RunReport) -> str:
    """The overlays of which nothing is known; a tenant may silence that they do not render."""
    folders = [visible(manifest.overlay) for manifest in report.manifests if not manifest.rendered]
    return f"; not judged, for want of a render: {some(folders, _FEW_OVERLAYS)}" if folders else ""


def _failed(report: RunReport) -> str:
    failed = {write.action for write in facts.writes_in(report, WriteState.FAILED, WriteState.UNDONE, WriteState.LEFT)}
    if failed - {Action.PRUNE}:
        return _write_failed(report)
    if failed and not facts.not_refreshed(report):
        return f"{_done(report)} But what is left over was not all deleted: {_reason(report)}"
    if report.exit_code == 1 and facts.refreshes_cluster(report) and _stored(report):
        return _cluster_failed(report)
    if report.writes:
        return f"{facts.subject(report)}: the values are in SSM, but something failed: {_reason(report)}"
    if report.mode == "validate":
        return _not_valid(report)
    return _nothing_written(report)


def _stored(report: RunReport) -> bool:
    """True where the store stage was done with, so that what failed is the cluster."""
    if report.refreshes or report.writes or not mode(report.mode).reads_cloud:
        return True
    waiting = report.plan.of(Action.CREATE, Action.UPDATE, Action.MISSING) if report.plan else ()
    return report.plan is not None and not waiting


def _not_valid(report: RunReport) -> str:
    """What is not valid, then what could not be judged, each with the tenants that it is true of."""
    told = []
    if facts.findings_of(report, Severity.ERROR):
        wrong = facts.of_tenants_with_errors(report)
        subject, overlays = facts.subject(wrong), facts.overlays(wrong)
        told.append(f"The manifests of {subject} are not valid: {facts.severities(wrong)} in {overlays}.")
    names = facts.not_judged(report)
    if names or not told:
        which = "Those" if told else "The manifests"
        in_full = " in full" if set(names) & set(facts.judged(report)) else ""
        told.append(f"{which} of {facts.subject(report, names)} could not be judged{in_full}: {_reason(report)}")
    return " ".join(told)


def _nothing_written(report: RunReport) -> str:
    subject = facts.subject(report)
    missing = facts.planned(report, Action.MISSING)
    errors = facts.findings_of(report, Severity.ERROR)
    wrong = [f"{count(missing, 'value')} {be(missing)} missing"] if missing else []
    if errors and not facts.not_judged(report):
        wrong.append(f"{count(errors, 'error')} {be(errors)} in the manifests")
    if report.mode == "plan":
        return f"{subject} cannot be released: {f'{listed(wrong)}.' if wrong else _reason(report)}"
    done = "Nothing was refreshed" if report.mode == "refresh" else "Nothing was written"
    if wrong:
        return f"{done}: {listed(wrong)} for {subject}."
    whose = f" for {subject}" if report.service else ""
    return f"{done}{whose}: {_reason(report)}"


def _reason(report: RunReport) -> str:
    if len(report.problems) == 1:
        return shorten(report.problems[0].what.partition("\n")[0], _REASON_LIMIT)
    return f"{count(len(report.problems), 'thing')} went wrong." if report.problems else "see below."


def _write_failed(report: RunReport) -> str:
    undone = len(facts.writes_in(report, WriteState.UNDONE))
    left = len(facts.writes_in(report, WriteState.LEFT))
    start = f"{facts.subject(report)} was not released: a write failed"
    if not undone and not left:
        return f"{start}, and nothing was changed."
    told = [f"{count(undone, 'earlier write')} {_was(undone)} put back"] if undone else []
    if left:
        told.append(f"{left:,} could not be put back and {_needs(left)} you")
    return f"{start}; {', '.join(told)}."


def _needs(number: int) -> str:
    return "needs" if number == 1 else "need"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _cluster_failed(report: RunReport) -> str:
    subject = facts.subject(report)
    store = "the values are in SSM, but " if mode(report.mode).reads_cloud else ""
    bad = facts.not_refreshed(report)
    if not bad and (stuck := facts.not_rolled(report)):
        which = facts.workload_name(stuck[0]) if len(stuck) == 1 else count(len(stuck), "workload")
        return f"{subject}: {store}{which} {be(len(stuck))} not running with them: the new pods did not come up."
    if not bad:
        return f"{subject}: {store}the cluster is not proven to have them: {_reason(report)}"
    total = len(report.refreshes)
    its = "its ExternalSecret" if total == 1 else f"its {total:,} ExternalSecrets"
    some = its if len(bad) == total == 1 else f"{len(bad):,} of {its}"
    if all(result.state is RefreshState.NOT_DEPLOYED for result in bad):
        which = f"any of {its}" if len(bad) == total > 1 else some
        return f"{subject}: {store}the cluster has not taken over {which}."
    which, verb = (f"none of {its}", "is") if len(bad) == total > 1 else (some, f"{be(len(bad))} not")
    return f"{subject}: {store}{which} {verb} proven to {'hold them' if store else 'be refreshed'}."


def _cancelled(report: RunReport) -> str:
    subject = facts.subject(report)
    left = len(facts.writes_in(report, WriteState.LEFT))
    if report.mode == "validate":
        return f"Cancelled: the manifests of {subject} were not judged to the end."
    if left:
        return f"Cancelled: {count(left, 'parameter')} of {subject} could not be put back and {_needs(left)} you."
    if facts.writes_in(report, WriteState.UNDONE):
        return f"Cancelled: what had been written for {subject} was put back."
    if facts.writes_in(report, WriteState.WRITTEN):
        return f"Cancelled: the values of {subject} are in SSM; that the cluster has them is not proven."
    return f"Cancelled: nothing was written for {subject}."
