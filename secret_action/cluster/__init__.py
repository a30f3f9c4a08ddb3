"""The cluster: connect to it, make External Secrets Operator read again, prove that it did, and say why where not.

Importing this loads no Kubernetes client; `connect` does.
"""

from secret_action.cluster.api import KubernetesApi
from secret_action.cluster.connect import connect
from secret_action.cluster.deployers import NOWHERE
from secret_action.cluster.inspection import Inspection, inspect
from secret_action.cluster.outside import Threads
from secret_action.cluster.preparation import prepare
from secret_action.cluster.refresh import follow, refresh
from secret_action.cluster.rollout import restart
from secret_action.cluster.workloads import Survey, look, survey

__all__ = [
    "NOWHERE",
    "Inspection",
    "KubernetesApi",
    "Survey",
    "Threads",
    "connect",
    "follow",
    "inspect",
    "look",
    "prepare",
    "refresh",
    "restart",
    "survey",
]
