"""`file-not-judged`: a file that the rules cannot look into. Silence would read as "nothing found"."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from secret_action.manifest.overlay import Tenant
from secret_action.manifest.rules.rule import Flaw, Rule
from secret_action.manifest.written import MOST_FILES, judged_files, tenant_files, why_not_judged
from secret_action.model import Location, Severity


def _compare(tenant: Tenant) -> Iterator[Flaw]:
    folder = tenant.root / tenant.folder
    for file in judged_files(folder):
        if why := why_not_judged(file):
            shown = file.relative_to(tenant.root).as_posix()
            yield Flaw(
                f"{shown} is not searched for values and for ExternalSecrets that nothing lists: {why}.",
                "Mend it, or move it out of the tenant's folder.",
                Location(shown),
                (shown,),
            )
    if next(islice(tenant_files(folder), MOST_FILES - 1, None), None):
        yield Flaw(
            f"{tenant.folder} has {MOST_FILES:,} files or more: those beyond are not searched for values and for "
            "ExternalSecrets that nothing lists.",
            "Move what is no manifest out of the tenant's folder.",
            Location(tenant.folder),
            (tenant.folder,),
        )


RULE = Rule(
    "file-not-judged",
    Severity.NOTICE,
    "a file of the tenant that the rules cannot look into: no YAML although its name says so, no text, or too large",
    "A value or a forgotten ExternalSecret in it would not be found by `value-in-git` and `not-in-kustomization`. What "
    "kustomize renders is judged all the same.",
    """# overlays/prod/notes.yaml
remember: to tell them: all
""",
    """# overlays/prod/notes.yaml
remember: "to tell them: all"
""",
    compare=_compare,
    annotated=False,
)
