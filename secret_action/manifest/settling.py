"""Overlays whose folder does not bear an environment's name: what they render says which one they are for.

`overlays/prod-eu` may be one of prod, or of an environment of its own, and `overlays/nonprod` may be no overlay but
what others build on. It renders nothing itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secret_action.manifest.external_secrets import read_external_secrets, read_of_cluster
from secret_action.manifest.layers import is_component
from secret_action.manifest.layout import listed_environments, word_in
from secret_action.manifest.paths import names_environment
from secret_action.model import Location
from secret_action.naming import ParameterPath, canonical_environment, is_preview_environment


@dataclass(frozen=True)
class Unsure:
    """An overlay of which only its path has been looked at.

    folder: absolute. name: the environment by its path, which is none that is known; empty where it says none.
    word: the known one that is a word of its path; empty where none is. is_built_on: other overlays build on it.
    """

    folder: Path
    name: str
    word: str
    is_built_on: bool


def unsure(
    tenant: Path, overlays: Mapping[str, Sequence[Path]], environment: str, built_on: Collection[Path]
) -> Iterator[Unsure]:
    """Those of a tenant's overlays whose environment, or whether they are overlays, their render decides.

    environment: the one that the run names, if any, which is thereby known. built_on: folders, resolved.
    """
    listed = listed_environments(tenant)
    known = {canonical_environment(name) for name in (*listed, environment) if name}
    for name, folders in overlays.items():
        for folder in () if name in known or names_environment(name) else folders:
            each = Unsure(folder, name, word_in(tenant, folder, listed), folder.resolve() in built_on)
            if each.word or each.is_built_on:
                yield each


def environments_named(
    resources: Sequence[Mapping[str, Any]], service: str, template: ParameterPath, store: str
) -> frozenset[str]:
    """What stands for the environment in the keys of a service that were rendered; where there are none, in others'."""
    found = [
        *read_external_secrets(resources, store, lambda *_: Location("")),
        *read_of_cluster(resources, store, lambda *_: Location("")),
    ]
    entries = [entry for external_secret in found for entry in external_secret.entries if not entry.store]
    said = ((template.at(entry.path) if entry.find else template).parse(entry.path) for entry in entries)
    parts = [each for each in said if each]
    own = [each for each in parts if each.service == service]
    return frozenset(each.environment for each in own or parts if each.environment)


def settled(found: Iterable[tuple[Unsure, frozenset[str] | None]]) -> dict[Path, str | None]:
    """The environments of overlays by their folders; None for one that is none, but a layer of others.

    found: each with the environments that its keys name; None where it does not render.

    Its own name counts where a key says it, else the word. Where no key says either, it is as its neighbours are; alone
    it keeps its name, as preview environments do. Who builds on it has its keys as well, so that of a layer nothing is
    missed; it is an overlay all the same where its keys leave nothing open.
    """
    pairs = list(found)
    by_word = any(said and each.word in said and each.name not in said for each, said in pairs)
    environments: dict[Path, str | None] = {}
    for each, said in pairs:
        own = next((name for name in (each.name, each.word) if said and name in said), "")
        if each.is_built_on and (said not in (None, {own}) or is_component(each.folder)):
            environments[each.folder] = None
            continue
        word = each.word if (by_word or said is None) and not is_preview_environment(each.name) else ""
        environments[each.folder] = own or word or each.name
    return environments


def regrouped(overlays: Mapping[str, Sequence[Path]], environments: Mapping[Path, str | None]) -> dict[str, list[Path]]:
    """The overlays by environment, once it is settled for some of them."""
    found: dict[str, list[Path]] = {}
    for name, folders in overlays.items():
        for folder in folders:
            environment = environments.get(folder, name)
            if environment is not None:
                found.setdefault(environment, []).append(folder)
    return found
