"""One workload on its way to new pods: what is to be done about it, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from secret_action.cluster.changes import after
from secret_action.cluster.errors import NotFound, may_pass
from secret_action.cluster.live import Object, section
from secret_action.cluster.pods import Pod
from secret_action.cluster.progress import Progress, completed, progress
from secret_action.cluster.standing import Standing, Step, deletion, keeping
from secret_action.cluster.workload import KINDS, Workload
from secret_action.errors import ClusterError
from secret_action.model import WorkloadResult, WorkloadState


@dataclass
class Roll:
    """It is rolled by us, by Reloader, or was by somebody before us."""

    standing: Standing
    progress: Progress = field(default_factory=lambda: Progress("not yet looked at"))
    error: ClusterError | None = None
    """Why it could not be rolled, or seen any more."""
    gone: bool = False
    patched: bool = False
    ended: float = 0.0
    workload: Workload = field(init=False)
    """As it was seen last."""

    def __post_init__(self) -> None:
        self.workload = self.standing.workload

    @property
    def over(self) -> bool:
        """Nothing more is to be done or awaited, however it ended."""
        return self.gone or self.error is not None or self.progress.done or self.progress.failed

    @property
    def due(self) -> bool:
        """It is still to be rolled."""
        return self.standing.step is Step.ROLL and not self.patched

    @property
    def wanted(self) -> str:
        """The time that its roll asks for."""
        return after(self.standing.newest) if self.standing.newest else ""

    @property
    def awaited(self) -> str:
        """Why it is waited for and not rolled."""
        return "is being rolled already" if self.standing.ours else "is left to Reloader"

    def begun(self, answer: Object | ClusterError) -> None:
        """What the API server said when it was to be rolled."""
        self.patched = True
        if isinstance(answer, NotFound):
            self.gone = True
        elif isinstance(answer, ClusterError):
            self.error = answer
        else:
            self.standing = replace(self.standing, workload=replace(self.standing.workload, live=answer))

    def unseen(self, error: ClusterError) -> None:
        """It could not be looked at."""
        self.progress = Progress(error.problems[0].what.rstrip("."))
        self.error = None if may_pass(error) else error

    def seen(self, live: Object | None, pods: Sequence[Pod], now: float) -> None:
        """The workload and its pods as they are now; None where it is not there."""
        if live is None:
            self.gone = True
            return
        one = self.standing
        template = section(live, "spec", "template") or one.workload.template
        workload = self.workload = replace(one.workload, live=live, template=template)
        self.progress = progress(workload, pods, one.old)
        over = progress(workload, pods, ()).done or completed(workload, pods)
        left = any(pod.runs and pod.uid in one.old for pod in pods)
        if over and not left:
            self.progress, self.ended = Progress(""), now
        elif not one.ours and self.progress.failed and not self._reloaded(live):
            self.progress = replace(self.progress, failed=False)  # what ails it is not the roll that is awaited
        elif one.ours and over:
            # The roll that was on its way is over, and was from before the change by another clock than the cluster's.
            self.standing = replace(one, workload=workload, step=Step.ROLL)

    def _reloaded(self, live: Object) -> bool:
        return not self.standing.old or section(live, "spec") != section(self.standing.workload.live, "spec")

    def told(self, start: float, now: float) -> WorkloadResult:
        """Its result. start, now: of the whole restart, by the run's clock."""
        one = self.standing
        if self.gone:
            return one.result(WorkloadState.UP_TO_DATE, since="", detail="It was deleted meanwhile.", command="")
        if self.error is not None:
            problem = self.error.problems[0]
            said = " ".join([problem.what, *problem.causes, problem.remedy]).strip()
            return one.result(WorkloadState.FAILED, detail=said)
        if not self.progress.done:
            return one.result(WorkloadState.FAILED, detail=self._why(now - start), command=self._command())
        seconds = self.ended - start
        if one.kept:
            return one.result(seconds=seconds, detail=keeping(one.workload), command=deletion(one.workload, one.kept))
        if not one.ours:
            return one.result(seconds=seconds, detail="Reloader has rolled it.", command="")
        words = "" if self.patched else "It was being rolled already."
        return one.result(WorkloadState.RESTARTED, seconds=seconds, detail=words, command="")

    def _why(self, seconds: float) -> str:
        words = self.progress.words
        if self.progress.failed:
            return f"Its new pods do not become available: {words}."
        if self.standing.ours or not self.standing.old:
            return f"Its new pods were not available after {seconds:.0f} s: {words}."
        return f"Reloader has not rolled it within {seconds:.0f} s: {words}."

    def _command(self) -> str:
        """What shows more of the trouble, or rolls what Reloader did not."""
        workload, pod = self.standing.workload, self.progress.pod
        if self.progress.crashed:
            return f"kubectl -n {workload.namespace} logs {pod} --all-containers --previous"
        if pod:
            return f"kubectl -n {workload.namespace} describe pod {pod}"
        if not self.standing.ours:
            return workload.restart_command
        return f"kubectl -n {workload.namespace} describe {KINDS[workload.kind].plural}/{workload.name}"
