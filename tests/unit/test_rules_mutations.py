"""Random tenants are right; one named mistake in them, and exactly that rule speaks, at exactly that line.

SECRET_SYNC_EXAMPLES: how many tenants to try for each mistake; few where it is not set, since each takes some renders.
"""

import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

from secret_action.report.diff import patches
from tests.unit.edits import apply_edits
from tests.unit.manifest_samples import TENANT, judged, judged_again

pytestmark = pytest.mark.thorough

EXAMPLES = int(os.environ.get("SECRET_SYNC_EXAMPLES", "2"))
ENVIRONMENTS = ["dev", "pr", "staging", "prod"]
HEADER = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata:\n"


@dataclass
class Secret:
    """An ExternalSecret: which keys it has, and where it is defined."""

    name: str
    keys: list[str]
    extract: bool
    named_target: bool
    home: str


@dataclass
class Made:
    """A tenant, and how it came about."""

    environments: list[str]
    secrets: list[Secret]
    operations: bool
    prefix: str
    claims: bool
    files: dict[str, str] = field(default_factory=dict)

    def folder(self, environment):
        """As the overlay's folder is called."""
        return "overlays/production" if environment == "prod" else f"overlays/{environment}"

    def patch_file(self, environment, secret):
        """The file of the overlay's patch of an ExternalSecret."""
        name = secret.name if self.operations else "secrets-patch"
        return f"{self.folder(environment)}/patches/{name}.yaml"

    def target(self, secret):
        """The Secret that an ExternalSecret makes."""
        return f"{secret.name}-target" if secret.named_target else self.prefix + secret.name

    def lay_out(self):
        """Writes all files."""
        homes = {secret.home: None for secret in self.secrets}
        for home in homes:
            listed = "".join(f"  - es/{each.name}.yaml\n" for each in self.secrets if each.home == home)
            kind = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n" if home != "base" else ""
            self.files[f"{home}/kustomization.yaml"] = f"{kind}resources:\n{listed}"
        self.files.setdefault("base/kustomization.yaml", "resources: []\n")
        for secret in self.secrets:
            self.files[f"{secret.home}/es/{secret.name}.yaml"] = self._definition(secret)
        for environment in self.environments:
            self._overlay(environment, [home for home in homes if home != "base"])
        return self

    def _definition(self, secret):
        target = f"  target:\n    name: {self.target(secret)}\n" if secret.named_target else ""
        return (
            f"{HEADER}  name: {secret.name}\n  labels:\n    zerotouch.io/managed: 'true'\nspec:\n"
            "  refreshInterval: 1h\n  secretStoreRef:\n    name: aws-parameter-store\n    kind: ClusterSecretStore\n"
            f"{target}{entries(secret, '_ENV_')}"
        )

    def _overlay(self, environment, components):
        folder = self.folder(environment)
        lines = ["resources:", "  - ../../base", "  - deployment.yaml"]
        lines += ["components:", *(f"  - ../../{home}" for home in components)] if components else []
        lines += [f"namePrefix: {self.prefix}"] if self.prefix else []
        lines += ["patches:"]
        for secret in self.secrets:
            file = self.patch_file(environment, secret)
            if self.operations:
                self.files[file] = operations(secret, environment)
                lines += [f"  - path: patches/{secret.name}.yaml"]
                lines += [f"    target: {{kind: ExternalSecret, name: {secret.name}}}"]
            else:
                patch = f"{HEADER}  name: {secret.name}\nspec:\n{entries(secret, environment)}"
                self.files[file] = self.files[file] + f"---\n{patch}" if file in self.files else patch
        lines += [] if self.operations else ["  - path: patches/secrets-patch.yaml"]
        self.files[f"{folder}/kustomization.yaml"] = "\n".join(lines) + "\n"
        self.files[f"{folder}/deployment.yaml"] = self._deployment()

    def _deployment(self):
        targets = [self.target(secret) for secret in self.secrets]
        if self.claims:
            names = "".join(f"  secret{number}Name: {target}\n" for number, target in enumerate(targets, 1))
            return f"apiVersion: platform.zerotouch.io/v1\nkind: WebService\nmetadata:\n  name: shop\nspec:\n{names}"
        names = "".join(f"        - secretRef:\n            name: {target}\n" for target in targets)
        return (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\nspec:\n  template:\n    spec:\n"
            f"      containers:\n      - name: app\n        envFrom:\n{names}"
        )


def path_of(secret, key, environment):
    return f"/zerotouch/{environment}/shop/{secret.name}_{key}".replace("-", "_").replace("_ENV__", "_ENV_")


def entries(secret, environment):
    if secret.extract:
        lines = "".join(f"  - extract:\n      key: {path_of(secret, key, environment)}\n" for key in secret.keys)
        return f"  dataFrom:\n{lines}"
    lines = "".join(
        f"  - secretKey: {secret.name.upper()}_{key.upper()}\n    remoteRef:\n"
        f"      key: {path_of(secret, key, environment)}\n"
        for key in secret.keys
    )
    return f"  data:\n{lines}"


def operations(secret, environment):
    where = "dataFrom/{}/extract/key" if secret.extract else "data/{}/remoteRef/key"
    return "".join(
        f"- op: replace\n  path: /spec/{where.format(number)}\n  value: {path_of(secret, key, environment)}\n"
        for number, key in enumerate(secret.keys)
    )


@st.composite
def tenants(draw):
    names = draw(st.lists(st.sampled_from(["db", "llm", "mail", "jwks"]), min_size=1, max_size=4, unique=True))
    keys = st.lists(st.sampled_from(["url", "ca", "user"]), min_size=1, max_size=3, unique=True)
    homes = st.sampled_from(["base", "components/extra"])
    secrets = [Secret(name, draw(keys), draw(st.booleans()), draw(st.booleans()), draw(homes)) for name in names]
    environments = draw(st.lists(st.sampled_from(ENVIRONMENTS), min_size=1, max_size=4, unique=True))
    prefix = draw(st.sampled_from(["", "eu-"]))
    return Made(environments, secrets, draw(st.booleans()), prefix, draw(st.booleans())).lay_out()


class Mistakes:
    """One method per mistake: changes the files, and returns the rule and the place: file, and a text of the line."""

    def __init__(self, made, draw):
        self.made, self.draw, self.files = made, draw, made.files
        self.environment = draw(st.sampled_from(made.environments))
        self.secret = draw(st.sampled_from(made.secrets))
        self.key = draw(st.sampled_from(self.secret.keys))
        self.path = path_of(self.secret, self.key, self.environment)
        self.definition = f"{self.secret.home}/es/{self.secret.name}.yaml"
        self.patch = made.patch_file(self.environment, self.secret)
        self.folder = made.folder(self.environment)
        self.kustomization = f"{self.folder}/kustomization.yaml"

    def change(self, file, old, new):
        assert self.files[file].count(old) == 1
        self.files[file] = self.files[file].replace(old, new)

    def wrong_environment(self):
        wrong = self.path.replace(self.environment, self.draw(st.sampled_from(["qa", "dev0", "production"])), 1)
        self.change(self.patch, f"{self.path}\n", f"{wrong}\n")
        return "wrong-environment", self.patch, wrong

    def placeholder_left(self):
        wrong = self.path.replace(self.environment, self.draw(st.sampled_from(["_ENV_", "${ENVIRONMENT}"])), 1)
        self.change(self.patch, f"{self.path}\n", f"{wrong}\n")
        return "placeholder-left", self.patch, wrong

    def key_not_normalised(self):
        wrong = self.path.replace("_", "-")
        self.change(self.patch, f"{self.path}\n", f"{wrong}\n")
        return "key-not-normalised", self.patch, wrong

    def path_mismatch(self):
        wrong = self.path.removeprefix("/zerotouch")
        self.change(self.patch, f" {self.path}\n", f" {wrong}\n")
        return "path-mismatch", self.patch, f" {wrong}"

    def base_names_environment(self):
        wrong = path_of(self.secret, self.key, "dev")
        self.change(self.definition, f"{path_of(self.secret, self.key, '_ENV_')}\n", f"{wrong}\n")
        return "base-names-environment", self.definition, wrong

    def key_lost(self):
        assume(len(self.secret.keys) > 1 and not self.made.operations)
        kept = [key for key in self.secret.keys if key != self.key]
        smaller = Secret(**{**vars(self.secret), "keys": kept})
        self.change(self.patch, entries(self.secret, self.environment), entries(smaller, self.environment))
        return "key-lost", self.patch, path_of(self.secret, kept[0], self.environment)

    def overlay_missing(self):
        if self.made.operations:
            target = f"    target: {{kind: ExternalSecret, name: {self.secret.name}}}\n"
            self.change(self.kustomization, f"  - path: patches/{self.secret.name}.yaml\n{target}", "")
            del self.files[self.patch]
        else:
            documents = self.files[self.patch].split("---\n")
            kept = [each for each in documents if f"  name: {self.secret.name}\n" not in each]
            self.files[self.patch] = "---\n".join(kept)
            if not kept:
                del self.files[self.patch]
                self.change(self.kustomization, "  - path: patches/secrets-patch.yaml\n", "")
        self.files[self.kustomization] = self.files[self.kustomization].removesuffix("patches:\n")
        return "overlay-missing", self.kustomization, None

    def duplicate_key(self):
        assume(not self.made.operations and not self.secret.extract)
        item = f"  - secretKey: {self.secret.name.upper()}_{self.key.upper()}\n    remoteRef:\n      key: "
        self.change(self.patch, f"{item}{self.path}\n", f"{item}{self.path}\n{item}{self.path}_2\n")
        return "duplicate-key", self.patch, f"{self.path}_2"

    def label_missing(self):
        wrong = self.draw(st.sampled_from(["", "    zerotouch.io/managed: yes-please\n"]))
        self.change(self.definition, "    zerotouch.io/managed: 'true'\n", wrong or "    tier: one\n")
        return "label-missing", self.definition, wrong.strip() or f"  name: {self.secret.name}"

    def never_refreshes(self):
        self.change(self.definition, "refreshInterval: 1h", "refreshInterval: 0s")
        return "never-refreshes", self.definition, "refreshInterval: 0s"

    def store_unknown(self):
        assume(len(self.made.secrets) > 1)
        self.change(self.definition, "name: aws-parameter-store", "name: aws-parameters")
        return "store-unknown", self.definition, "name: aws-parameters"

    def no_store(self):
        store = "  secretStoreRef:\n    name: aws-parameter-store\n    kind: ClusterSecretStore\n"
        self.change(self.definition, store, "")
        return "store-unknown", self.definition, f"  name: {self.secret.name}"

    def api_version_retired(self):
        for file in (self.definition, *(self.made.patch_file(each, self.secret) for each in self.made.environments)):
            documents = [
                each.replace("io/v1\n", "io/v1beta1\n") if f"  name: {self.secret.name}\n" in each else each
                for each in self.files[file].split("---\n")
            ]
            self.files[file] = "---\n".join(documents)
        return "api-version-retired", None, "external-secrets.io/v1beta1"

    def not_in_kustomization(self):
        file = f"{self.secret.home}/es/forgotten.yaml"
        self.files[file] = self.files[self.definition].replace(f"name: {self.secret.name}\n", "name: forgotten\n")
        return "not-in-kustomization", file, "  name: forgotten"

    def not_consumed(self):
        file, target = f"{self.folder}/deployment.yaml", self.made.target(self.secret)
        if self.made.claims:
            line = next(line for line in self.files[file].splitlines(keepends=True) if line.endswith(f": {target}\n"))
            self.change(file, line, "")
        else:
            self.change(file, f"        - secretRef:\n            name: {target}\n", "")
        if len(self.made.environments) > 1:
            return "not-consumed", file, "  name: shop"
        return "not-consumed", self.definition, f"  name: {self.secret.name}"

    def unknown_secret(self):
        file, target = f"{self.folder}/deployment.yaml", self.made.target(self.secret)
        wrong = self.draw(st.sampled_from(["somebody-elses-secret", f"{target}s"]))
        if wrong.endswith("elses-secret"):
            line = (
                f"  secret9Name: {wrong}\n"
                if self.made.claims
                else f"        - secretRef:\n            name: {wrong}\n"
            )
            self.files[file] += line
        else:
            self.change(file, f": {target}\n", f": {wrong}\n")
        return "unknown-secret", file, f": {wrong}"

    def value_in_git(self):
        file = f"{self.folder}/config.yaml"
        self.change(self.kustomization, "  - deployment.yaml\n", "  - deployment.yaml\n  - config.yaml\n")
        self.files[file] = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  DB_PASSWORD: hunter2b\n"
        return "value-in-git", file, "DB_PASSWORD"

    def does_not_render(self):
        self.change(self.kustomization, "  - deployment.yaml\n", "  - deploy.yaml\n")
        return "does-not-render", self.kustomization, None


NAMES = sorted(name for name in vars(Mistakes) if name[0] != "_" and name != "change")
TRY = settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate] if EXAMPLES < 5 else list(Phase),
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@TRY
@given(made=tenants())
def test_a_right_tenant_has_no_finding(made):
    """However it is laid out."""
    with tempfile.TemporaryDirectory() as root:
        assert [(each.rule, each.message) for each in judged(Path(root), made.files, "").findings] == []


@pytest.mark.parametrize("name", NAMES)
@TRY
@given(data=st.data())
def test_one_mistake_one_rule_one_place(name, data):
    """And its remedy, where it is exact, makes the tenant right again."""
    made = data.draw(tenants())
    rule, file, line = getattr(Mistakes(made, data.draw), name)()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        findings = judged(root, made.files, "").findings
        assert [each.rule for each in findings] == [rule], findings
        (finding,) = findings
        assert file is None or finding.where.file == f"{TENANT}/{file}"
        text = (root / finding.where.file).read_text().splitlines()
        assert line is None or text[finding.where.line - 1].endswith(line) or line in text[finding.where.line - 1]
        if finding.edits:
            apply_edits(root, finding.edits)
            assert [(each.rule, each.message) for each in judged_again(root).findings if each.rule == rule] == []


def mistaken(made, draw):
    """Makes up to four mistakes, each where the ones before have left it a place."""
    names = st.sampled_from([name for name in NAMES if name != "does_not_render"])
    for name in draw(st.lists(names, min_size=2, max_size=4, unique=True)):
        try:
            getattr(Mistakes(made, draw), name)()
        except (AssertionError, KeyError, UnsatisfiedAssumption):
            continue


def mended(root, findings):
    """Applies what the report prints, as it says how, and returns the findings of which it says that this mends them.

    Those that it leaves for the next time are not among them.
    """
    made, left = patches(findings)
    for patch in made:
        command = ["git", "apply", "--unidiff-zero", "--ignore-whitespace", "-"]
        subprocess.run(command, input=patch.diff.encode(), cwd=root, check=True)
    taken = []
    for finding in (each for each in findings if each.edits):
        # One by one, as they were fitted: a finding fits where none is left out with it.
        if patches([*taken, finding])[1] == 0:
            taken.append(finding)
    assert len(taken) + left == sum(bool(finding.edits) for finding in findings)
    return taken


@settings(TRY, max_examples=3 * EXAMPLES)
@given(data=st.data())
def test_all_remedies_at_once_leave_nothing_that_they_said_they_mend(data):
    """And whoever applies and checks again is done at last."""
    made = data.draw(tenants())
    mistaken(made, data.draw)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        findings = judged(root, made.files, "").findings
        for _ in range(5):
            taken = mended(root, findings)
            after = judged_again(root).findings
            names = {(each.rule, each.overlay, each.about) for each in taken}
            assert [each for each in after if (each.rule, each.overlay, each.about) in names] == [], taken
            assert "does-not-render" not in {each.rule for each in after}, taken
            findings = after
            if not taken:
                break
        assert not taken
