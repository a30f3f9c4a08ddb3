"""What a field of an ExternalSecret's spec means where it is absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Defaults = Mapping[str, Any]
"""By a field's name: whichever object it stands in, its default is the same."""

ESO: Defaults = {
    "apiVersion": "generators.external-secrets.io/v1alpha1",
    "conflictPolicy": "Error",
    "conversionStrategy": "Default",
    "creationPolicy": "Owner",
    "decodingStrategy": "None",
    "deletionPolicy": "Retain",
    "engineVersion": "v2",
    "kind": "SecretStore",
    "mergePolicy": "Replace",
    "metadataPolicy": "None",
    "nullBytePolicy": "Ignore",
    "priorityPolicy": "Strict",
    "refreshInterval": "1h",
    "refreshPolicy": "Periodic",
    "strategy": "Extract",
    "target": "Data",
    "templateAs": "Values",
}
"""Those of ESO's CRDs and, for `kind` and `refreshPolicy`, of its code: v1beta1 and v1, releases 0.9 to 2.9."""
