"""`value-in-git`: what looks like a secret value is found, what only sounds like one is not, and none is repeated."""

import pytest

from secret_action.manifest.credentials import is_value, looks_like, names_credential
from tests.unit.manifest_samples import external_secret, judged, kustomization, one_overlay, other

# Put together here, so that no scanner takes this file for a leak.
TOKENS = {
    "a private key": "-----BEGIN RSA PRIVATE" + " KEY-----",
    "an AWS access key": "AKIA" + "QYLPMN5HFIQR7XYA",
    "a GitHub token": "ghp_" + "Zx8Kq2Lm4Np6Rs0Tv1Wx3Yz5Ab7Cd9Ef1Gh2",
    "a Slack token": "xoxb-" + "2384720394-Kj3Hs8Dk2Ls9",
    "a Stripe key": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "an OpenAI key": "sk-proj-" + "a8Fh2kL9mNq4Rt7Vx1Zb3Cd5",
    "an Anthropic key": "sk-ant-" + "api03-Lk2Jh4Gf6Ds8Aq1Wz3Xc5",
    "a Google API key": "AIza" + "SyD3k9Lm2Nq8Rt4Vw6Xz1Yb5Cc7Df0Gg2Hh",
    "an npm token": "npm_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "a URL with a password": "postgres://shop:" + "h4rd2guess@db.internal:5432/shop",
}


@pytest.mark.parametrize(("kind", "text"), TOKENS.items())
def test_well_known_forms(kind, text):
    """Anywhere in a line."""
    assert looks_like(f"  token: {text} # for now") == kind


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "X" * 16,
        "AKIAIOSFODNN7EXAMPLE",
        "postgres://user:password@db/shop",
        "postgres://$(USER):$(PASSWORD)@db/shop",
        "postgres://shop:${DB_PASSWORD}@db/shop",
        "postgres://shop:<password>@db/shop",
        "https://example.org:8080/a@b",
        "https://auth.example.org/.well-known/jwks.json",
        "-----BEGIN PUBLIC KEY-----",
        "git@github.com:zerotouch/shop.git",
        "image: ghcr.io/zerotouch/shop@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "task-description-that-is-rather-long-but-harmless",
        "ghp_${TOKEN}",
    ],
)
def test_what_only_resembles_them(text):
    """Documented examples, variables, public things."""
    assert looks_like(text) == ""


@pytest.mark.parametrize(
    "name", ["DB_PASSWORD", "password", "api-key", "apiKey", "spring.datasource.password", "TOKEN"]
)
def test_names_of_credentials(name):
    """In any spelling."""
    assert names_credential(name)


@pytest.mark.parametrize(
    "name", ["JWT_PUBLIC_KEY", "DB_PASSWORD_FILE", "SECRET_NAME", "TOKEN_URL", "KEY", "MONKEY", "KEYBOARD", "TOKENIZER"]
)
def test_names_of_other_things(name):
    """A path, a URL, a name of a Secret, a word that ends alike."""
    assert not names_credential(name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DB_PASSWORD", "hunter2b"),
        ("DB_PASSWORD", "correcthorse"),
        ("API_KEY", "9f8e7d6c5b4a"),
        ("TOKEN", "Zx8-Kq2_Lm4"),
        # They only begin like a reference.
        ("DB_PASSWORD", "arn:h4rd2guess"),
        ("DB_PASSWORD", "alias/h4rd+guess=="),
        ("DB_PASSWORD", "ssm:h4rd2guess"),
        ("DB_PASSWORD", "h4rd:/2gu+ess=="),
        ("TOKEN", "sk/Zx8:/Kq2_Lm4"),
    ],
)
def test_values(name, text):
    """What a person would take for one."""
    assert is_value(name, text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "changeme", "CHANGE_ME", "<password>", "${DB_PASSWORD}", "$(PASSWORD)", "{{ .Values.password }}", "true"),
        *("password", "your-password-here", "xxxxxxxx", "********", "/etc/secrets/password", "file:///run/x", "12345"),
        *(
            "shop-db-credentials",
            "shop-db-2",
            "DATABASE_PASSWORD",
            "https://auth.example.org/token",
            "ENC[AES256,data:x]",
        ),
        *("arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", "alias/app-key"),
        *("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:shop/token-Zx8Kq2", "op://shop/database/password"),
        *("ssm:/zerotouch/prod/shop/token", "ssm:///zerotouch/prod/shop/token#url", "vault:kv/data/shop#token"),
    ],
)
def test_no_values(text):
    """Placeholders, variables, paths, references, and names of Secrets or keys."""
    assert not is_value("DB_PASSWORD", text)


def findings(tmp_path, files):
    tree = one_overlay(external_secret()) | files
    return [finding for finding in judged(tmp_path, tree, "").findings if finding.rule == "value-in-git"]


def config(**data):
    return other("v1", "ConfigMap", "c", data=data)


def templated(**data):
    target = {"template": {"data": data}}
    return other(
        "external-secrets.io/v1", "ClusterExternalSecret", "x", spec={"externalSecretSpec": {"target": target}}
    )


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: app
    env:
    - name: DB_PASSWORD
      value: h4rd2guess
"""
GENERATED = kustomization("es.yaml", configMapGenerator=[{"name": "c", "literals": ["A=1", "DB_PASSWORD=h4rd2guess"]}])


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("config.yaml", config(DB_PASSWORD="h4rd2guess"), "DB_PASSWORD"),
        ("config.yaml", config(url=TOKENS["a URL with a password"]), "url"),
        ("config.yaml", f"# old: {TOKENS['a GitHub token']}\n" + config(a="b"), "# old"),
        ("pod.yaml", POD, "value: "),
        ("x.yaml", templated(DB_PASSWORD="h4rd2guess"), "DB_PASSWORD"),
        (".env", "A=1\nexport DB_PASSWORD='h4rd2guess'\n", "export"),
        ("prod.env", "DB_PASSWORD=h4rd2guess\n", "DB_PASSWORD"),
        ("overlays/prod/kustomization.yaml", GENERATED, "DB_PASSWORD"),
        ("broken.yaml", f"a: [\n  {TOKENS['a Stripe key']}\n", "  sk_live"),
        ("app.properties", "spring.datasource.password=h4rd2guess\r\n", "spring"),
    ],
)
def test_a_credential_in_any_file_of_the_tenant(tmp_path, file, text, line):
    """A warning with its line, and without the value."""
    (finding,) = findings(tmp_path, {file: text})
    assert finding.severity == "warning"
    assert finding.where.file == f"tenants/shop/{file}"
    assert line in (tmp_path / finding.where.file).read_text().splitlines()[finding.where.line - 1]
    assert finding.edits == ()
    shown = repr(finding)
    assert "h4rd2guess" not in shown
    assert not any(token in shown for token in TOKENS.values())


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.yaml", config(JWT_PUBLIC_KEY="MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE")),
        ("config.yaml", config(DB_SECRET="shop-db", TOKEN_URL="https://auth.example.org/oauth2/token")),
        ("config.yaml", config(DB_PASSWORD="${DB_PASSWORD}")),
        ("x.yaml", templated(DB_PASSWORD="{{ .DB_PASSWORD | toString }}")),
        (
            "sealed.yaml",
            other("bitnami.com/v1alpha1", "SealedSecret", "s", spec={"encryptedData": {"TOKEN": "AgBy3i4O"}}),
        ),
        ("s.yaml", other("v1", "Secret", "s", stringData={"TOKEN": "ENC[AES256_GCM,data:x]"}, sops={"version": "3"})),
        (".env", "DB_PASSWORD=ENC[AES256_GCM,data:x,type:str]\nsops_version=3.8.1\n"),
        ("charts/x/values.env.tpl", "DB_PASSWORD=h4rd2guess\n"),
        ("README.md", "Set DB_PASSWORD=h4rd2guess\n"),
        ("es.yaml", external_secret("other").replace("URL", "DB_PASSWORD").replace("kind: ExternalSecret", "kind: X")),
    ],
)
def test_what_only_sounds_like_a_credential(tmp_path, file, text):
    """Public keys, names of Secrets, variables, what is encrypted, and files that are none of this."""
    assert findings(tmp_path, {file: text}) == []


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_secret_says_which_keys_and_never_their_values(tmp_path, field):
    """Where it is defined; the file is told of once."""
    values = {"PASSWORD": "aDRyZDJndWVzcw==", "URL": TOKENS["a URL with a password"]}
    tree = {
        "overlays/prod/kustomization.yaml": kustomization("es.yaml", "s.yaml"),
        "overlays/prod/s.yaml": other("v1", "Secret", "s", **{field: values}),
    }
    (finding,) = findings(tmp_path, tree)
    assert finding.severity == "error"
    assert str(finding.where) == "tenants/shop/overlays/prod/s.yaml:4"
    assert "PASSWORD, URL" in finding.message
    assert not any(value in repr(finding) for value in values.values())


def test_a_generated_secret_bears_its_own_name(tmp_path):
    """Not the one with kustomize's hash, which changes."""
    generator = [{"name": "shop-env", "literals": ["TOKEN=h4rd2guess"]}]
    tree = {"overlays/prod/kustomization.yaml": kustomization("es.yaml", secretGenerator=generator)}
    (finding,) = findings(tmp_path, tree)
    assert finding.about == ("shop-env", "TOKEN")
    assert finding.where.file == "tenants/shop/overlays/prod/kustomization.yaml"
    assert "secretGenerator" in finding.message
    assert "h4rd2guess" not in repr(finding)


def test_no_fix_shows_a_value_that_stands_beside(tmp_path):
    """A diff takes lines as they are, so one that would show a value is not made."""
    text = external_secret().replace(
        "key: /zerotouch/prod/shop/url", f"key: /zerotouch/dev/shop/url # {TOKENS['a GitHub token']}"
    )
    found = judged(tmp_path, one_overlay(text), "").findings
    (wrong,) = [finding for finding in found if finding.rule == "wrong-environment"]
    assert wrong.edits == ()
    assert TOKENS["a GitHub token"] not in repr(found)


@pytest.mark.parametrize("text", ["a." * 300_000, "sk-" * 200_000, "eyJ-" * 200_000, "x://" * 200_000, "SG." * 200_000])
def test_a_hostile_line_takes_no_time(text):
    """The forms are searched for in bounded steps."""
    assert looks_like(text) == ""
