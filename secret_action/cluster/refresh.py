"""Makes External Secrets Operator (ESO) read again, and proves that it did.

Waits until the cluster holds what is rendered, annotates, and watches: an event decides, never a pause. Only
ExternalSecrets that the manifests name and that carry the platform's mark in the cluster are ever touched, and of
them only one annotation.
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.attempt import Terms
from secret_action.cluster.awaited import Awaited
from secret_action.cluster.deployers import NOWHERE, Deployers, marks_of
from secret_action.cluster.diagnose import SECONDS, Diagnostician, Failure
from secret_action.cluster.evidence import ParameterExists
from secret_action.cluster.gitops_requests import look
from secret_action.cluster.inspection import Inspection, inspect
from secret_action.cluster.live import Key, synced_version_of
from secret_action.cluster.messages import (
    AboutOne,
    Annotated,
    EventsRead,
    HashDropped,
    HashRead,
    RefreshAsked,
    Seen,
    ToolsSeen,
    WatchBroken,
    WatchMended,
)
from secret_action.cluster.outside import Outside, Threads
from secret_action.cluster.proof import settled
from secret_action.errors import SecretSyncError
from secret_action.model import ContentState, ExternalSecret, RefreshResult, RefreshState, Tenants
from secret_action.naming import MANAGED_LABEL
from secret_action.ports import Clock, Log
from secret_action.settings import ClusterSettings
from secret_action.values import SecretValue

_PROGRESS_EVERY = 10.0  # seconds
_CONFIRM_AFTER = 5.0  # seconds between an annotation and the next of the same ExternalSecret, with the usual timeout
_NAMED = 5  # ExternalSecrets that a progress line names

_CONTENT = {
    ContentState.PROVEN: ", and its Secret holds exactly these values",
    ContentState.DIFFERS: ", and its Secret holds something else",
}
_UNHAPPY = {RefreshState.FAILED, RefreshState.NOT_PROVEN, RefreshState.NOT_DEPLOYED}


def refresh(
    api: KubernetesApi,
    external_secrets: tuple[ExternalSecret, ...],
    inspection: Inspection | None,
    values: Mapping[str, SecretValue],
    settings: ClusterSettings,
    log: Log,
    clock: Clock,
    *,
    token: str,
    ssm_exists: ParameterExists | None = None,
    changed_paths: frozenset[str] = frozenset(),
    optional: frozenset[str] = frozenset(),
    tenants: Tenants = NOWHERE,
    notes: Mapping[Key, str] | None = None,
    following: Threads | None = None,
) -> tuple[RefreshResult, ...]:
    """One result for each managed ExternalSecret that `label-selector` leaves in, in the order of the manifests.

    inspection: from before the write (`prepare`); None inspects now. values: by parameter path, those that SSM is
    known to hold. token: unique to this run. changed_paths: the parameters to which this run gave another value.
    optional: those that need not exist. tenants: where the manifests are from. notes: by namespace and name of an
    ExternalSecret, what its token says besides. following: from `follow`, ended here; None lists anew.
    `settings.timeout` covers taking over the manifests, proof and content. Raises what `inspect` raises.
    """
    if inspection is None:
        inspection = inspect(api, external_secrets, settings, log)
    terms = Terms(
        token=token,
        selector=settings.selector,
        values=values,
        only_changed=settings.refresh == "changed",
        changed_paths=changed_paths,
        optional=optional,
        pause=min(_CONFIRM_AFTER, settings.timeout / 10),
        force=settings.refresh == "force",
        hashes=inspection.hashes,
        notes=notes or {},
        defaults=inspection.defaults,
        written_at=_version(api, inspection),
        missing=frozenset(path for path in _read(inspection) if ssm_exists and ssm_exists(path) is False),
    )
    wanted = [found.target for found in inspection.found if found.target.managed]
    if unmarked := [str(found.target) for found in inspection.found if not found.target.managed]:
        log.line(f"Left alone, since their manifests do not carry {MANAGED_LABEL}: {', '.join(unmarked)}")
    if not wanted:
        return ()
    outside = following or Threads(api, inspection.resource, [target.key for target in wanted])
    try:
        outside.skip_to_now()
        awaited = {target.key: Awaited(target, terms, outside) for target in wanted}
        deployers = Deployers(outside, log, tenants)
        with _no_full_collection():
            await_all(awaited, outside, settings.timeout, log, clock, deployers)
        # As the tools stand at the end; where nothing hints at one, nobody is asked.
        marks = marks_of(awaited.values())
        hurried = api.within(SECONDS)
        for tool in look(hurried, awaited.keys(), marks, tenants.sha) if marks or deployers.found else ():
            deployers.tell(tool)
    finally:
        outside.close()
    failures = [failure for one in awaited.values() if (failure := _failure(one))]
    diagnoses = Diagnostician(api, inspection.resource, ssm_exists).explain(failures)
    return tuple(
        replace(one.outcome, diagnosis=diagnoses.get(key, one.outcome.diagnosis), deployer=deployers.of(one))
        for key, one in awaited.items()
    )


def _version(api: KubernetesApi, inspection: Inspection) -> float:
    """The resourceVersion that the cluster is at, where that matters: for ExternalSecrets that sync just once."""
    for found in inspection.found:
        fresh = found.live is None or not synced_version_of(found.live)
        if found.target.managed and fresh and settled({"spec": found.spec}):
            with contextlib.suppress(SecretSyncError):
                return api.version(inspection.resource.at(found.target.namespace))
            break
    return math.inf


def _read(inspection: Inspection) -> set[str]:
    return {reference.path for found in inspection.found for reference in found.external_secret.references}


@contextlib.contextmanager
def _no_full_collection() -> Iterator[None]:
    """No garbage collection of everything: a tenth of a second with a thousand objects alive, and none is to be found.

    What is short-lived is collected as ever.
    """
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, 1_000_000)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)


def follow(api: KubernetesApi, inspection: Inspection) -> Threads:
    """Goes on seeing the managed ExternalSecrets of an inspection from where it left off, and lists none again."""
    keys = [found.target.key for found in inspection.found if found.target.managed]
    return Threads(api, inspection.resource, keys, inspection.listing)


def _failure(one: Awaited) -> Failure | None:
    """What is to be explained: whatever has no cause yet, and what is not there."""
    result = one.outcome
    known = result.diagnosis is not None
    if result.state not in _UNHAPPY or (known and one.live is not None):
        return None
    attempt = one.attempt
    return Failure(one.target, one.live, answered=attempt.answered, dropped=attempt.dropped > 0, known=known)


def await_all(
    awaited: Mapping[Key, Awaited],
    outside: Outside,
    timeout: float,
    log: Log,
    clock: Clock,
    deployers: Deployers | None = None,
) -> None:
    """Drives them until each is done, the timeout (seconds) has passed, or nothing is left to hope for."""
    start = clock.now()
    deployers = deployers or Deployers(outside, log, NOWHERE)
    pending = dict(awaited)
    pause = min(one.terms.pause for one in awaited.values()) / 10
    next_tick = start + pause
    next_progress = start + _PROGRESS_EVERY
    troubles: dict[Key, SecretSyncError] = {}
    """What keeps the watch from telling of an ExternalSecret."""
    while pending and (now := clock.now()) - start < timeout:
        message = outside.next(min(next_tick, start + timeout) - now)
        now = clock.now()
        touched: Iterable[Key] = ()
        match message:
            case WatchBroken(keys=keys, error=error, ended=ended):
                troubles |= dict.fromkeys(keys, error)
                if ended:
                    # The hash of a Secret comes without a watch.
                    touched = [key for key in pending if key in keys and not pending[key].comparing]
                    for key in touched:
                        pending[key].give_up(error)
            case WatchMended(keys=keys):
                for key in keys:
                    troubles.pop(key, None)
            case ToolsSeen(tools=tools):
                deployers.seen(tools, pending.values(), now)
                touched = list(pending)
            case RefreshAsked(place=place, error=error):
                deployers.asked(place, error)
            case None:
                pass
            case _ if message.key in pending:
                _tell(pending[message.key], message, now)
                touched = (message.key,)
        for key in touched:
            if pending[key].done:
                log.line(_outcome(pending.pop(key), now - start))
        if now < next_tick:
            continue
        next_tick = now + pause
        deployers.tick(pending.values(), now)
        for one in pending.values():
            one.tick(now)
        if now >= next_progress:
            next_progress = now + _PROGRESS_EVERY
            log.progress(_progress(pending, now - start, troubles))
        if all(one.hopeless(now) for one in pending.values()):
            break
    for one in pending.values():
        one.give_up(troubles.get(one.target.key))
        log.line(_outcome(one, clock.now() - start))


def _tell(one: Awaited, message: AboutOne, now: float) -> None:
    match message:
        case Seen(live=live):
            one.seen(live, now)
        case Annotated(result=result):
            one.annotated(result, now)
        case HashRead(result=result):
            one.hash_read(result, now)
        case HashDropped(result=result):
            one.hash_dropped(result, now)
        case EventsRead(events=events):
            one.events_read(events)


def _outcome(one: Awaited, seconds: float) -> str:
    result = one.outcome
    words = f". {result.detail}" if result.detail else ""
    return f"{one.target}: {result.state} after {seconds:.1f} s{_CONTENT.get(result.content, '')}{words}"


def _progress(pending: Mapping[Key, Awaited], seconds: float, troubles: Mapping[Key, SecretSyncError]) -> str:
    named = [f"{one.target} ({one.words.rstrip('.')})" for one in list(pending.values())[:_NAMED]]
    more = f" and {len(pending) - _NAMED} more" if len(pending) > _NAMED else ""
    said = dict.fromkeys(f". {troubles[key]}" for key in pending if key in troubles)
    return f"Still awaited after {seconds:.0f} s: {', '.join(named)}{more}{''.join(said)}"
