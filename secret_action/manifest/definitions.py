"""`secrets.yaml`: what ExternalSecrets cannot say of a tenant's parameters. Checked against its published schema."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from secret_action.errors import ManifestError
from secret_action.manifest.yaml_files import (
    MAX_BYTES,
    get,
    in_one_line,
    items,
    leads_outside,
    line_of,
    load_documents,
    source_nodes,
    where_it_fails,
)
from secret_action.model import Location, Problem
from secret_action.naming import is_reserved_source, normalised_key

FILE_NAME = "secrets.yaml"


@dataclass(frozen=True)
class Definition:
    """What the file says of one key."""

    key: str
    where: Location
    source: str = ""
    optional: bool = False
    encoding: str = ""
    description: str = ""
    tier: str = ""


@dataclass(frozen=True)
class Ignore:
    """A rule that is silenced: for what it covers (`*` stands for any characters), and why."""

    rule: str
    covers: str
    reason: str
    where: Location


@dataclass(frozen=True)
class Definitions:
    """The whole file; empty where there is none. where: the line of `environments`."""

    environments: tuple[str, ...] = ()
    ignores: tuple[Ignore, ...] = ()
    parameters: Mapping[str, Definition] = field(default_factory=dict)
    where: Location | None = None


NONE = Definitions()


def read_definitions(tenant: Path, root: Path) -> Definitions:
    """Reads `secrets.yaml` of a tenant's folder.

    tenant, root: absolute folders of the tenant and of the repository. Raises ManifestError with all that is wrong.
    """
    path = tenant / FILE_NAME
    if not os.path.lexists(path):
        return NONE
    shown = path.relative_to(root).as_posix()
    if not path.is_file() or leads_outside(root, path):
        raise ManifestError(
            Problem(
                f"{shown} is no file in the repository, so it is not read.",
                "Put a file in its place, or take it away.",
                where=Location(shown),
            )
        )
    content = _load(path, shown)
    problems = tuple(_unquoted_names(content, shown)) or tuple(_violations(content, path, shown))
    if problems:
        raise ManifestError(*dict.fromkeys(problems))
    node = next(iter(source_nodes(path)), None)
    parameters = {
        key: _definition(key, fields or {}, _place(shown, get(node, "parameters"), key))
        for key, fields in (content.get("parameters") or {}).items()
    }
    reserved = [definition for definition in parameters.values() if is_reserved_source(definition.source)]
    if reserved:
        raise ManifestError(
            *(
                Problem(
                    f"{definition.key}: `from: {definition.source}` names one of the pipeline's own credentials or "
                    "of the runner's variables, which are never a source.",
                    "Hand the value over under a name of its own, such as {ENV}_" + definition.key.upper() + ".",
                    where=definition.where,
                )
                for definition in reserved
            )
        )
    return Definitions(
        environments=tuple(content.get("environments", ())),
        ignores=tuple(_ignores(content, get(node, "ignore"), shown)),
        parameters=parameters,
        where=_place(shown, node, "environments"),
    )


def _ignores(content: Mapping[str, Any], node: yaml.Node | None, shown: str) -> Iterator[Ignore]:
    entries = content.get("ignore", ())
    for fields, place in zip_longest(entries, items(node)):
        where = Location(shown, line_of(place) if place is not None else None)
        yield Ignore(fields["rule"], fields["covers"], " ".join(fields["reason"].split()), where)


def _load(path: Path, shown: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ManifestError(Problem(f"{shown} is larger than 1 MiB.", "Make it smaller.", where=Location(shown)))
        documents = load_documents(path.read_text(encoding="utf-8-sig"), aliases=False)
    except yaml.YAMLError as error:
        place = Location(shown, where_it_fails(error))
        raise ManifestError(
            Problem(f"{shown} is not YAML: {in_one_line(error)}.", "Mend the YAML.", where=place)
        ) from None
    except UnicodeDecodeError:
        raise ManifestError(
            Problem(f"{shown} is not UTF-8 text.", "Save it as UTF-8.", where=Location(shown))
        ) from None
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise ManifestError(
            Problem(f"{shown} must hold one YAML mapping.", "Begin it with `version: 1`.", where=Location(shown))
        )
    return documents[0]


def _unquoted_names(node: Any, shown: str, depth: int = 3) -> Iterator[Problem]:
    """YAML takes `1`, `yes` and `null` for no texts; as a name they could be meant or not.

    depth: of the format; an alias may lead round in a circle.
    """
    for name, value in node.items() if isinstance(node, dict) and depth else ():
        if not isinstance(name, str):
            yield Problem(f"{shown}: the name {name} is not a text.", f'Quote it: "{name}".', where=Location(shown))
        yield from _unquoted_names(value, shown, depth - 1)


def _violations(content: Mapping[str, Any], path: Path, shown: str) -> Iterator[Problem]:
    # Loaded here, since most tenants have no such file and validation should start quickly.
    import jsonschema

    schema = json.loads(resources.files(__package__).joinpath("secrets.schema.json").read_text(encoding="utf-8"))
    node = next(iter(source_nodes(path)), None)
    for error in jsonschema.Draft202012Validator(schema).iter_errors(content):
        place = ".".join(str(part) for part in error.absolute_path)
        parent = _node_at(node, error.absolute_path)
        if error.validator == "additionalProperties":
            known = list(error.schema.get("properties", {}))
            for name in sorted(set(map(str, error.instance)) - set(known)):
                nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
                yield Problem(
                    f"{shown}: {f'{place}: ' if place else ''}“{name}” is not a field.",
                    f"Did you mean “{nearest[0]}”? Known are: {', '.join(known)}.",
                    where=_place(shown, parent, name),
                )
        elif error.validator == "required" and not place:
            yield Problem(f"{shown} has no `version`.", "Begin it with `version: 1`.", where=Location(shown))
        elif error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield Problem(
                f"{shown}: {place}: {' and '.join(f'`{name}`' for name in missing)} must be there.",
                f"Write {', '.join(f'{name}: …' for name in missing)}.",
                where=Location(shown, line_of(parent) if parent is not None else None),
            )
        elif "propertyNames" in error.schema_path:
            yield Problem(
                f"{shown}: {place}: “{error.instance[:80]}” is no key: it may have a–z, 0–9 and _ only.",
                f"Write {normalised_key(error.instance) or 'a key'}.",
                where=_place(shown, parent, error.instance),
            )
        else:
            yield Problem(
                f"{shown}: {place or 'the file'}: {_words(error)}",
                f"What belongs there: {error.schema['description']}"
                if "description" in error.schema
                else f"See {schema['$id']}.",
                where=Location(shown, line_of(parent) if parent is not None else None),
            )


def _node_at(node: yaml.Node | None, path: Iterable[str | int]) -> yaml.Node | None:
    for part in path:
        node = get(node, part) if isinstance(part, str) else next(iter(items(node)[part : part + 1]), None)
    return node


def _words(error: Any) -> str:
    """What is wrong, without the instance: a person may have written a value where a name belongs."""
    wanted = error.validator_value
    match error.validator:
        case "type":
            return f"must be of type {wanted if isinstance(wanted, str) else ' or '.join(wanted)}."
        case "enum":
            return f"must be one of {', '.join(map(str, wanted))}."
        case "const":
            return f"must be {wanted}."
        case "pattern" | "minLength" if error.instance.strip() == "":
            return "must not be empty."
        case "pattern":
            return f"must match `{wanted}`."
        case "propertyNames" | "additionalProperties":
            return "has a name that is not allowed."
        case "maxLength":
            return f"must be at most {wanted} characters."
        case other:
            return f"breaks the schema's `{other}`."


def _definition(key: str, fields: Mapping[str, Any], where: Location) -> Definition:
    return Definition(
        key=key,
        where=where,
        source=fields.get("from", ""),
        optional=fields.get("optional", False),
        encoding=fields.get("encoding", ""),
        description=fields.get("description", ""),
        tier=fields.get("tier", ""),
    )


def _place(shown: str, parent: yaml.Node | None, key: str) -> Location:
    """Line of a key in a mapping node, or just the file."""
    for name, _ in parent.value if isinstance(parent, yaml.MappingNode) else ():
        if name.value == key:
            return Location(shown, line_of(name))
    return Location(shown)
