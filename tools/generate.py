"""Writes what follows from the code: `action.yml`, the tables in README.md, the command line's page, and those of
the rules and the diagnoses.

python tools/generate.py            writes the files
python tools/generate.py --check    says which of them differ, and exits with 1
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from secret_action import contract
from secret_action.cli import parser
from secret_action.cluster.causes import CAUSES
from secret_action.manifest.rules import Rule, all_rules

ROOT = Path(__file__).resolve().parent.parent


def action_yml() -> str:
    """The action's metadata file."""
    lines = [
        "# Generated from secret_action/contract.py by tools/generate.py.",
        "name: secret-sync",
        "description: >-",
        "  Puts a release's secret values into AWS SSM Parameter Store, makes External Secrets Operator refresh, and",
        "  proves that it did.",
        "author: zerotouch",
        "branding:",
        "  icon: lock",
        "  color: blue",
        "inputs:",
    ]
    for definition in contract.INPUTS:
        shown = definition.shown_default or (f"`{definition.variable}`" if definition.variable else "")
        text = definition.meaning + (f" Default: {shown}." if shown else "")
        lines += [f"  {definition.name}:", f"    description: {_quoted(text)}", "    required: false"]
        if definition.default:
            lines.append(f"    default: {_quoted(definition.default)}")
    lines.append("outputs:")
    for output in contract.OUTPUTS:
        lines += [f"  {output.name}:", f"    description: {_quoted(output.meaning)}"]
    lines += ["runs:", "  using: docker", "  image: Dockerfile"]
    return "\n".join(lines) + "\n"


def tables() -> dict[str, str]:
    """The generated parts of README.md by name."""
    inputs = ["| input | default | meaning |", "|---|---|---|"]
    for definition in contract.INPUTS:
        default = f"`{definition.default}`" if definition.default else definition.shown_default
        if definition.variable:
            default = f"`{definition.variable}`"
        inputs.append(f"| `{definition.name}` | {default} | {definition.meaning} |")
    outputs = [
        "| output | meaning |",
        "|---|---|",
        *(f"| `{each.name}` | {each.meaning} |" for each in contract.OUTPUTS),
    ]
    codes = [
        "| exit code | meaning |",
        "|---|---|",
        *(f"| `{code}` | {text} |" for code, text in contract.EXIT_CODES.items()),
    ]
    return {"inputs": "\n".join(inputs), "outputs": "\n".join(outputs), "exit codes": "\n".join(codes)}


def readme(text: str) -> str:
    """README.md with its generated parts renewed."""
    for name, table in tables().items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        text = re.sub(
            f"{re.escape(begin)}.*?{re.escape(end)}",
            lambda _, table=table, begin=begin, end=end: f"{begin}\n{table}\n{end}",  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    return text


def help_text() -> str:
    """What `secret-sync --help` prints, at a width that does not depend on the terminal."""
    import os

    os.environ["COLUMNS"] = "100"
    return parser().format_help()


def rules_page() -> str:
    """The page of the rules: one section each, whose anchor its findings link to."""
    rules = all_rules()
    overview = ["| rule | severity | finds |", "|---|---|---|"]
    overview += [f"| [{rule.id}](#{rule.id}) | {rule.severity} | {rule.finds} |" for rule in rules]
    parts = [
        "# Rules",
        "What `secret-sync validate` looks for, and what stops a release before anything is read from AWS. Each is one "
        "file in `secret_action/manifest/rules/`, from which this page is generated. "
        "[Pull requests](pull-requests.md) says where findings are shown and how one is silenced.",
        "\n".join(overview),
    ]
    for rule in rules:
        in_release = f", in a release **{rule.in_release}**" if rule.in_release not in (None, rule.severity) else ""
        parts += [
            f"## {rule.id}",
            f"**{rule.severity}**{in_release} · {rule.finds}",
            rule.why,
            f"Breaks it:\n\n```yaml\n{rule.example.strip()}\n```",
            f"Mended:\n\n```yaml\n{rule.mended.strip()}\n```",
            f"Silencing it: {rule.silencing or _silencing(rule)}",
        ]
    return "\n\n".join(parts) + "\n"


def _silencing(rule: Rule) -> str:
    return "By `ignore` or by an annotation." if rule.annotated else "By `ignore`."


class _Dots(dict[str, str]):
    """Words for a text whose other words are known in a run only."""

    def __missing__(self, key: str) -> str:
        return "…"


def diagnosis_page() -> str:
    """The page of the causes that a failed refresh is put down to."""
    words = _Dots(
        store="store …", key_or_parameter="the parameter …", missing="the parameter …",
        account="the service account …", role="the IAM role …", store_near="", operator_version="", operator_trouble="",
        subject="system:serviceaccount:…:…", api_version="only …",
    )  # fmt: skip
    rows = ["| what is seen | likeliest cause | remedy |", "|---|---|---|"]
    for cause in CAUSES:
        told = (cause.seen, cause.cause.format_map(words), cause.remedy.format_map(words))
        rows.append("| " + " | ".join(text[:1].upper() + text[1:].replace("|", "\\|") for text in told) + " |")
    return (
        "\n\n".join(
            [
                "# Why a Secret did not arrive",
                "What a refresh that failed is put down to, from what the cluster shows: the ExternalSecret's "
                "condition and events, the store's, the service account that it signs in with, ESO's pods and their "
                "last log lines, and the parameter as the run's own credentials see it. The first line that fits is "
                "taken; what ESO said last counts before what it said earlier. Rights that the run lacks only make "
                "the answer less exact: [pipeline-rbac.yaml](../examples/cluster/pipeline-rbac.yaml) says which are "
                "used for what. `secret_action/cluster/causes.py` has the table that this page is generated from.",
                "\n".join(rows),
                "What the run knows by itself is said without this table: a manifest that the cluster has not "
                "taken over (with what differs, and what Argo CD or Flux says about it), an annotation that "
                "something removes, a Secret that holds other bytes than were written, a right of the run's own "
                "account that is missing, an admission webhook or policy that refuses the run's own patch, and an "
                "ExternalSecret that never refreshes.",
                "## What “content proven” means",
                "ESO leaves on each Secret a hash of the data that it meant to write; a run that knows the values "
                "computes the same hash, and no value leaves the cluster. Where the API server notes that somebody "
                "else wrote the data after that (`kubectl get secret … -o yaml --show-managed-fields`), ESO is made "
                "to sync again, which puts right what it looks after; what is still in doubt then, and a Secret that "
                "never refreshes, is “content not checked”.",
                "What it cannot see: an admission webhook that changes the Secret in the very moment in which ESO "
                "writes it (ESO counts as the writer, and its hash is of what it meant), a writer whose traces were "
                "removed from `managedFields`, and what is read from the Secret later by other ways than its data, "
                "such as a sidecar that rewrites files.",
            ]
        )
        + "\n"
    )


def generated() -> dict[Path, str]:
    """All generated files with the text that they should have."""
    readme_path = ROOT / "README.md"
    return {
        ROOT / "action.yml": action_yml(),
        readme_path: readme(readme_path.read_text(encoding="utf-8")),
        ROOT / "docs" / "rules.md": rules_page(),
        ROOT / "docs" / "diagnosis.md": diagnosis_page(),
        ROOT / "docs" / "command-line.md": "# Command line\n\n"
        "The same program as the action, for a laptop and for scripts; `python entrypoint.py` is the same as "
        f"`secret-sync`.\n\n```text\n{help_text()}```\n",
    }


def main() -> int:
    """Writes or checks. Returns the exit code."""
    stale = [
        path for path, text in generated().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} differs from the contract: run python tools/generate.py")
        return bool(stale)
    for path in stale:
        path.write_text(generated()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    sys.exit(main())
