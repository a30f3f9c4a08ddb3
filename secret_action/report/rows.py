"""One row per secret across its whole life: source → SSM parameter → ExternalSecret → Secret → workload."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from secret_action.model import (
    Action,
    Consumer,
    ExternalSecret,
    Manifest,
    Parameter,
    PlannedParameter,
    RefreshResult,
    RunReport,
    WriteResult,
    WriteState,
)


@dataclass(frozen=True)
class Delivery:
    """The way of a parameter into the cluster by one ExternalSecret."""

    name: str
    secret_name: str
    consumers: tuple[Consumer, ...] = ()
    result: RefreshResult | None = None


@dataclass(frozen=True)
class Row:
    """One parameter with all that is known of it; `parameter` is None for an ExternalSecret that names none."""

    parameter: Parameter | None
    entry: PlannedParameter | None = None
    write: WriteResult | None = None
    deliveries: tuple[Delivery, ...] = ()

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The workloads that read it, each once."""
        return tuple(dict.fromkeys(consumer for way in self.deliveries for consumer in way.consumers))

    @property
    def trouble(self) -> bool:
        """Something about this secret failed or is missing."""
        return (
            (self.entry is not None and self.entry.action is Action.MISSING)
            or (self.write is not None and self.write.state not in (WriteState.WRITTEN, WriteState.DELETED))
            or any(delivery.result is not None and not delivery.result.ok for delivery in self.deliveries)
        )

    @property
    def quiet(self) -> bool:
        """Nothing happened to it that a reader would look for."""
        changing = self.entry is not None and self.entry.action in (Action.CREATE, Action.UPDATE, Action.PRUNE)
        return not changing and not self.trouble


def rows(report: RunReport) -> tuple[Row, ...]:
    """All rows: those in trouble first, then those that change, then the quiet ones; each in the manifest's order."""
    entries = {entry.parameter.path: entry for entry in report.plan.entries} if report.plan else {}
    writes = {write.path: write for write in report.writes}
    results: dict[str, list[RefreshResult]] = defaultdict(list)
    for result in report.refreshes:
        results[result.name].append(result)
    found: list[Row] = []
    for manifest in report.manifests:
        ways = _ways(manifest, results)
        found += [
            Row(
                parameter,
                entries.get(parameter.path),
                writes.get(parameter.path),
                _deliveries(parameter, ways),
            )
            for parameter in manifest.parameters
        ]
    known = {parameter.path for manifest in report.manifests for parameter in manifest.parameters}
    found += [Row(entry.parameter, entry, writes.get(path)) for path, entry in entries.items() if path not in known]
    shown = {id(way.result) for row in found for way in row.deliveries}
    found += [
        Row(None, deliveries=(Delivery(result.name, result.secret_name, result=result),))
        for result in report.refreshes
        if id(result) not in shown
    ]
    return tuple(sorted(found, key=lambda row: (not row.trouble, row.quiet)))


def common_folder(found: Iterable[Row]) -> str:
    """`/zerotouch/prod/my-service/` when all owned parameters of the rows lie there, otherwise empty."""
    folders = {
        row.parameter.path.removesuffix(row.parameter.key) for row in found if row.parameter and row.parameter.owned
    }
    return folders.pop() if len(folders) == 1 else ""


_Ways = Mapping[str, tuple[Delivery, ...]]


def _ways(manifest: Manifest, results: Mapping[str, list[RefreshResult]]) -> _Ways:
    consumers: dict[str, list[Consumer]] = defaultdict(list)
    for consumer in manifest.consumers:
        consumers[consumer.secret_name].append(consumer)
    ways: dict[str, tuple[Delivery, ...]] = defaultdict(tuple)
    for external in manifest.external_secrets:
        readers = tuple(consumers[external.secret_name])
        mine = [result for result in results.get(external.name, ()) if _same(external, result)]
        for result in mine or (None,):
            ways[external.name] += (Delivery(external.name, external.secret_name, readers, result),)
    return ways


def _same(external: ExternalSecret, result: RefreshResult) -> bool:
    """Names are equal already; a manifest without namespace got the one that the run chose."""
    return external.namespace in ("", result.namespace)


def _deliveries(parameter: Parameter, ways: _Ways) -> tuple[Delivery, ...]:
    names = dict.fromkeys(reference.external_secret for reference in parameter.references)
    return tuple(way for name in names for way in ways.get(name, ()))
