"""`path-mismatch`: a key that is no parameter path of this platform."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.paths import suggested
from secret_action.manifest.rules.rule import Flaw, Rule, about, entry, readable
from secret_action.model import Severity
from secret_action.naming import ParameterPath


def _check(overlay: Overlay) -> Iterator[Flaw]:
    asked = [reference for _, reference in readable(overlay)]
    wrong = [reference for reference in asked if overlay.parameter_path.parse(reference.path) is None]
    paths = list(dict.fromkeys(reference.path for reference in wrong))
    if len(paths) > 1 and len(wrong) == len(asked):
        # Another platform's tree: said once, and not of every key.
        template = _template(overlay, paths)
        yield Flaw(
            f"None of the {len(paths)} keys that {overlay.folder} asks for follows {overlay.parameter_path.template}, "
            f"such as {paths[0]}.",
            f"If the whole tree is like that, give the input `parameter-path: {template}`."
            if template
            else "If the whole tree follows another template, give it as the input `parameter-path`; no one template "
            f"fits all of them. Otherwise write paths like {suggested(overlay, wrong[0])}.",
            overlay.where,
            (overlay.environment,),
        )
        return
    for reference in wrong:
        yield Flaw(
            f"{entry(reference)}: the key {reference.path} does not follow {overlay.parameter_path.template}.",
            f"Write key: {suggested(overlay, reference)}, or give the input `parameter-path` where the tree follows "
            "another template.",
            reference.where,
            about(reference),
        )


def _template(overlay: Overlay, paths: Sequence[str]) -> str:
    """The template that all paths follow for this environment and service; empty where they have no common one."""
    split = [path.split("/") for path in paths]
    if len({len(parts) for parts in split}) != 1:
        return ""
    columns = [set(column) for column in zip(*split, strict=True)][:-1]
    parts = [
        "{env}" if column == {overlay.environment} else "{service}" if column == {overlay.service} else min(column)
        for column in columns
    ]
    if any(len(column) != 1 for column in columns) or sorted(set(parts) & {"{env}", "{service}"}) != [
        "{env}",
        "{service}",
    ]:
        return ""
    template = "/".join([*parts, "{key}"])
    return template if all(ParameterPath(template).parse(path) for path in paths) else ""


RULE = Rule(
    "path-mismatch",
    Severity.ERROR,
    "a key that does not follow the path template; one finding where none of an overlay's keys does",
    "Nobody can tell whose it is, so it is never pushed, and the role of the service may not read it.",
    """spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: my-service/database_url
""",
    """spec:
  data:
    - secretKey: DATABASE_URL
      remoteRef:
        key: /zerotouch/prod/my-service/database_url
""",
    check=_check,
)
