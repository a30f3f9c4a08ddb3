"""What a tenant asks for: parameters, and who reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from secret_action.model.findings import Location


@dataclass(frozen=True)
class Reference:
    """One place that asks for a parameter: an entry of an ExternalSecret, or of `secrets.yaml`."""

    path: str
    """The parameter's full path, as rendered."""
    where: Location
    external_secret: str = ""
    """Name of the ExternalSecret; empty for `secrets.yaml`."""
    secret_key: str = ""
    """Key in the Kubernetes Secret; empty for `dataFrom.extract`, which makes many."""
    property: str = ""
    """Property of the JSON object that is read; empty where the whole value is."""
    version: str = ""
    """A pinned version or label; empty for the newest."""
    extract: bool = False
    """True where each property of the JSON object becomes a key (`dataFrom.extract`)."""
    find: bool = False
    """True where all parameters below `path` are searched (`dataFrom.find`): it is a folder, and names none of them."""
    store: str = ""
    """The store that is read, or the generator, where it is another than the platform's."""


@dataclass(frozen=True)
class ExternalSecret:
    """One rendered ExternalSecret of the platform's store."""

    name: str
    namespace: str
    """As rendered; empty where the manifest names none."""
    api_version: str
    managed: bool
    """Carries the label `zerotouch.io/managed: "true"` (a string, not a boolean)."""
    spec: Mapping[str, Any]
    labels: Mapping[str, Any]
    annotations: Mapping[str, Any]
    references: tuple[Reference, ...]
    """The parameters of the platform's store that it asks for."""
    where: Location
    others: tuple[Reference, ...] = ()
    """Its entries that ask for none of these, and are judged all the same: another store's, those that have no key
    (their path is empty), and `dataFrom.find`."""
    of_cluster: bool = False
    """It is what a ClusterExternalSecret makes in other namespaces: judged, and no run's affair."""

    @property
    def entries(self) -> tuple[Reference, ...]:
        """All of both."""
        return self.references + self.others

    @property
    def secret_name(self) -> str:
        """The target Secret: `spec.target.name`, or the ExternalSecret's own name (ESO's default)."""
        target = self.spec.get("target")
        name = target.get("name") if isinstance(target, Mapping) else None
        return name if isinstance(name, str) and name else self.name


@dataclass(frozen=True)
class Parameter:
    """One parameter that the tenant asks for, with all who ask for it."""

    path: str
    key: str
    """Last part of the path."""
    owned: bool
    """Its path is the template rendered for this run's environment and service. Only these are ever written."""
    references: tuple[Reference, ...]
    source: str = ""
    """`from` in `secrets.yaml`: the one source name to take the value from."""
    optional: bool = False
    encoding: str = ""
    """`base64`: decode the source's text before the push."""
    description: str = ""
    tier: str = ""
    """`Standard`, `Advanced` or `Intelligent-Tiering`; empty where none is asked for."""


@dataclass(frozen=True)
class Consumer:
    """A workload or claim of the overlay that reads a Secret."""

    kind: str
    name: str
    secret_name: str
    field: str = ""
    """The field that names the Secret: `secret2Name`, `secretRef`, `secretKeyRef`, `imagePullSecrets`, …"""
    optional: bool = False
    """The pod starts without the Secret as well."""
    namespace: str = ""
    """Empty where the render does not say."""


@dataclass(frozen=True)
class Manifest:
    """All that one overlay of a tenant asks for, together with what `secrets.yaml` adds."""

    service: str
    environment: str
    """As the SSM path says it (`prod`)."""
    overlay: str
    """The overlay's folder relative to the repository's root; empty for a tenant that has only `secrets.yaml`."""
    parameters: tuple[Parameter, ...]
    external_secrets: tuple[ExternalSecret, ...]
    consumers: tuple[Consumer, ...] = ()
    rendered: bool = True
    """False where kustomize did not render the overlay: then what it asks for is not known, and never "nothing"."""
    mentioned: frozenset[str] = frozenset()
    """In a release: all paths of the service's own that the render names, also where `parameters` has them not."""
    finders: tuple[str, ...] = ()
    """In a release: ExternalSecrets that read what matches a pattern, such as `ExternalSecret app`."""
    beside: tuple[str, ...] = ()
    """Folders of the tenant's other overlays that are, or may be, of the same environment."""
