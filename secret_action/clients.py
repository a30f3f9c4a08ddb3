"""The systems' client libraries: loaded by whoever needs them, and by one thread at a time.

Python lets two threads import parts of one package at once. Where the parts need one another, as in requests, which
all three clients share, one of the threads then sees a module that is only half there: an ImportError, once in many
runs. It costs nothing to wait: imports do not run in parallel anyway.
"""

from __future__ import annotations

import importlib
import threading

GITHUB = ("requests", "github", "github.Auth", "secret_action.github.transport")
AWS = ("requests", "boto3.session", "botocore.config", "botocore.exceptions", "secret_action.store")
KUBERNETES = ("kubernetes.config", "kubernetes.client.rest", "secret_action.store.eks", "secret_action.cluster")

_one_at_a_time = threading.RLock()


def load(modules: tuple[str, ...]) -> None:
    """Imports these modules; other threads that load wait meanwhile."""
    with _one_at_a_time:
        for name in modules:
            importlib.import_module(name)
