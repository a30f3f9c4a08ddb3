"""`unused-ignore`: a silencing that silences nothing. Found by `ignores.py`, once all other rules have spoken."""

from __future__ import annotations

from secret_action.manifest.rules.rule import Rule
from secret_action.model import Severity

RULE = Rule(
    "unused-ignore",
    Severity.NOTICE,
    "an `ignore` or an annotation that no longer silences anything, gives no reason, or covers what cannot be silenced",
    "What is silenced for no finding today hides the one of tomorrow, and its reason misleads whoever reads it.",
    """# secrets.yaml, and nothing breaks not-consumed any more
version: 1
ignore:
  - rule: not-consumed
    covers: platform-global-config
    reason: read by an operator of the platform
""",
    """# secrets.yaml
version: 1
""",
    annotated=False,
    silencing="It cannot be.",
)
