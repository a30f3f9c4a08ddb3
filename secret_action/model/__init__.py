"""The words of the product as frozen values. They hold facts and decide nothing.

Nothing here does I/O, and nothing here holds a secret value except inside a `SecretValue`.
"""

from secret_action.model.delivery import (
    ContentState,
    Deployer,
    Diagnosis,
    RefreshResult,
    RefreshState,
    WorkloadResult,
    WorkloadState,
)
from secret_action.model.findings import Edit, Finding, Location, Problem, Severity, Silenced
from secret_action.model.manifest import Consumer, ExternalSecret, Manifest, Parameter, Reference
from secret_action.model.parameters import (
    Action,
    Plan,
    PlannedParameter,
    SourcedValue,
    StoredParameter,
    WriteResult,
    WriteState,
)
from secret_action.model.report import Annotation, RunReport, Tenants

__all__ = [
    "Action",
    "Annotation",
    "Consumer",
    "ContentState",
    "Deployer",
    "Diagnosis",
    "Edit",
    "ExternalSecret",
    "Finding",
    "Location",
    "Manifest",
    "Parameter",
    "Plan",
    "PlannedParameter",
    "Problem",
    "Reference",
    "RefreshResult",
    "RefreshState",
    "RunReport",
    "Severity",
    "Silenced",
    "SourcedValue",
    "StoredParameter",
    "Tenants",
    "WorkloadResult",
    "WorkloadState",
    "WriteResult",
    "WriteState",
]
