"""`does-not-render`: an overlay that kustomize refuses. Never to be read as "no secrets"."""

from __future__ import annotations

from collections.abc import Iterator

from secret_action.manifest.overlay import Overlay
from secret_action.manifest.rules.rule import Flaw, Rule
from secret_action.model import Severity

# What kustomize says (lower case) when it would need what it is not given here.
_NEEDS = (
    (
        ("git fetch", 'no "git" program', "executable file not found", "dial tcp", "proxyconnect", "needs the network"),
        "the network",
    ),
    (("--enable-helm", "helm"), "Helm"),
    (("plugin", "--enable-alpha-plugins", "exec"), "a plug-in"),
)


def _check(overlay: Overlay) -> Iterator[Flaw]:
    if overlay.error:
        said = overlay.error.lower()
        need = next((need for words, need in _NEEDS if any(word in said for word in words)), "")
        yield Flaw(
            f"{overlay.folder} does not render: {overlay.error}",
            f"It needs {need}, which is not used here: keep what it needs in the repository."
            if need
            else f"See for yourself: kubectl kustomize {overlay.folder}",
            overlay.error_at or overlay.where,
            (overlay.environment,),
        )


RULE = Rule(
    "does-not-render",
    Severity.ERROR,
    "an overlay that kustomize does not render",
    "Nothing can be said of what it asks for, and Argo CD or Flux will not deploy it either.",
    """# overlays/prod/kustomization.yaml
resources:
  - ../../bse # misspelt
""",
    """# overlays/prod/kustomization.yaml
resources:
  - ../../base
""",
    check=_check,
    annotated=False,
    silencing="By `ignore`, where it cannot be otherwise here: what is not rendered is not judged, which each summary "
    "says, and no release begins with it.",
)
