"""`add-secret` and `new-service`: what they choose, and what they refuse before anything is written."""

import json
from pathlib import Path

import pytest

from secret_action.authoring import cli, consumers
from secret_action.authoring.consumers import Added
from secret_action.authoring.request import read_request
from secret_action.authoring.tenant import Document, Side
from secret_action.cancellation import Cancellation
from secret_action.errors import InputError
from secret_action.manifest.draft import Draft
from secret_action.manifest.overlay import Overlay
from secret_action.manifest.read import read_tenant
from secret_action.manifest.sources import Sources
from secret_action.manifest.yaml_files import load_documents
from secret_action.model import Consumer, Location, Manifest
from secret_action.naming import ParameterPath

pytestmark = pytest.mark.thorough

TENANT = "tenants/shop"
ENTRY = "- secretKey: URL\n    remoteRef: {key: /zerotouch/%s/shop/url}\n"
HEAD = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata:\n  name: db\n"
DEFINITION = (
    HEAD
    + '  labels: {zerotouch.io/managed: "true"}\n'
    + "spec:\n  secretStoreRef: {name: aws-parameter-store, kind: SecretStore}\n  data:\n  "
    + ENTRY % "_ENV_"
)
FILES = {
    "base/kustomization.yaml": "resources: [es.yaml]\n",
    "base/es.yaml": DEFINITION,
    "overlays/dev/kustomization.yaml": "resources:\n- ../../base\n- claim.yaml\npatches:\n- path: patch.yaml\n",
    "overlays/dev/patch.yaml": HEAD + "spec:\n  data:\n  " + ENTRY % "dev",
    "overlays/dev/claim.yaml": "apiVersion: platform.zerotouch.io/v1alpha1\nkind: WebService\nmetadata: {name: shop}\n"
    "spec: {secret1Name: db}\n",
}
# Of every ExternalSecret, whichever it is.
OPERATIONS = """\
resources:
- ../../base
- claim.yaml
patches:
- target: {kind: ExternalSecret}
  patch: |
    - op: replace
      path: /spec/data/0/remoteRef/key
      value: /zerotouch/dev/shop/url
"""


def tenant(root, **changes):
    """A small tenant on disk; a file is named with `__` for a slash, without its end."""
    files = {**FILES, **{f"{name.replace('__', '/')}.yaml": text for name, text in changes.items()}}
    for name, text in files.items():
        if text is not None:
            path = root / TENANT / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


def files(root):
    """All files with their bytes."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def run(capsys, root, *arguments):
    """Exit code, standard output and standard error of a command in a tenants repository."""
    code = cli.main([*arguments, "--tenants-directory", str(root)], Cancellation())
    said = capsys.readouterr()
    return code, said.out, said.err


# --- what is asked for ---


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("add-secret ../x K --secret a", "no service's name"),
        ("add-secret shop K-Y --secret a", "cannot be a key"),
        ("add-secret shop __ --secret a", "no letter or digit"),
        ("add-secret shop K K --secret a", "K is there twice"),
        ("add-secret shop K --secret A_b", "--secret “A_b”"),
        ("add-secret shop K --secret a --file ../x.yaml", "--file"),
        ("add-secret shop K --secret a --file /x.yaml", "--file"),
        ("add-secret shop K --secret a --file x.txt", "--file"),
        ("add-secret shop K --secret a --parameter /zerotouch/prod/x/y", "no parameter"),
        ("add-secret shop K --secret a --parameter x/../y", "no parameter"),
        ("add-secret shop K --secret a --parameter Upper", "no parameter"),
        ("add-secret shop K L --secret a --parameter x", "one key"),
        ("add-secret shop K --secret a --namespace A", "--namespace"),
        ("add-secret shop K --secret a --tenant-path ../{service}", "tenant-path"),
        ("add-secret shop K --secret a --parameter-path /x", "parameter-path"),
        ("add-secret nope K --secret a", "no folder tenants/nope"),
        ("new-service sh/op", "no service's name"),
        ("new-service new --environments Dev", "no environment's name"),
        ("new-service new --environments prod,production", "twice"),
        ("new-service new --environments ,", "no overlay"),
        ("new-service shop", "there already"),
        ("new-service new K --file kustomization.yaml", "--file"),
        ("add-secret shop K --secret a --file external-secrets/kustomization.yml", "--file"),
        ("add-secret shop K --secret a..b", "--secret"),
        ("add-secret shop K --secret a --namespace a.b", "--namespace"),
        ("new-service my_service K", "“my_service” cannot be a service's name"),
        ("new-service my.service", "cannot be a service's name"),
        (f"new-service {64 * 'a'}", "cannot be a service's name"),
    ],
)
def test_bad_input_ends_with_one_clear_error_and_nothing_written(capsys, tmp_path, arguments, says):
    """Exit code 2, no traceback."""
    root = tenant(tmp_path)
    before = files(root)
    code, out, err = run(capsys, root, *arguments.split())
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("error:") == 1
    assert files(root) == before


def request(*keys, **given):
    """A request as the command line makes it."""
    return read_request({"service": "shop", "keys": keys, "secret": "a", **given})


@pytest.mark.parametrize(
    ("parameter", "path"),
    [
        ("", "/zerotouch/_ENV_/shop/jwks_url"),
        ("other_key", "/zerotouch/_ENV_/shop/other_key"),
        ("zerotouch-platform/jwks", "/zerotouch/_ENV_/zerotouch-platform/jwks"),
        ("/zerotouch/_ENV_/zerotouch-platform/jwks", "/zerotouch/_ENV_/zerotouch-platform/jwks"),
    ],
)
def test_the_parameter_follows_from_the_key_unless_another_is_named(parameter, path):
    """Normalised, or as it is given; with the property where one is asked for."""
    asked = request("JWKS_URL", parameter=parameter, property="keys")
    (item,) = asked.items("_ENV_")
    assert item == {"secretKey": "JWKS_URL", "remoteRef": {"key": path, "property": "keys"}}
    (item,) = asked.items("production")
    assert item["remoteRef"]["key"] == path.replace("_ENV_", "prod")


@pytest.mark.parametrize("service", ["true", "null", "1e3", "007", "2024-01-01"])
def test_a_name_that_yaml_takes_for_no_text_is_quoted(capsys, tmp_path, service):
    """Kubernetes would refuse it, or kustomize make another of it."""
    code, _, err = run(capsys, tmp_path, "new-service", service, "URL", "--secret", service, "--environments", "dev")
    assert (code, err) == (0, "")
    (deployed,) = load_documents((tmp_path / f"tenants/{service}/overlays/dev/deployment.yaml").read_text())
    assert deployed["metadata"] == {"name": service, "namespace": service}
    assert deployed["spec"]["secret1Name"] == service


# --- who reads it ---


def side(*documents, name="dev", consumers=()):
    """One overlay that is made of these documents, the nearest first."""
    folder = f"{TENANT}/overlays/{name}"
    template = ParameterPath("/zerotouch/{env}/{service}/{key}")
    overlay = Overlay("shop", name, folder, Location(folder), template, "store", Sources(Path(), Path(folder)))
    return Side(overlay, Manifest("shop", name, folder, (), (), consumers), documents)


def claim(name="shop", folder=f"{TENANT}/overlays/dev", **spec):
    """A claim of the platform."""
    value = {
        "apiVersion": "platform.zerotouch.io/v1alpha1",
        "kind": "WebService",
        "metadata": {"name": name},
        "spec": spec,
    }
    return Document(f"{folder}/{name}.yaml", 0, value)


def consumed(root, *sides, consumer=""):
    """Where `new` is named, in files that hold the documents."""
    draft = Draft(root)
    for each in sides:
        for document in each.documents:
            draft.put(document.file, json.dumps(document.value))
    return consumers.consume(draft, sides, "new", request("K", consumer=consumer))


def test_a_claim_gets_the_number_behind_its_last(tmp_path):
    """Counting those that the base gives it; another overlay's do not matter."""
    base = claim(folder=f"{TENANT}/base", secret3Name="x", replicas=1)
    dev, prod = side(claim(secret1Name="a"), base), side(base, name="prod")
    (own,) = consumed(tmp_path, dev)
    assert own == Added(f"{TENANT}/overlays/dev/shop.yaml", "WebService shop", "secret4Name")
    (shared,) = consumed(tmp_path, prod)
    assert shared == Added(f"{TENANT}/base/shop.yaml", "WebService shop", "secret4Name")


def test_a_claim_in_the_base_is_changed_once_behind_all_numbers(tmp_path):
    """Two overlays build on it, and one of them has a patch with a number more."""
    base = claim(folder=f"{TENANT}/base", secret1Name="x")
    (added,) = consumed(tmp_path, side(base), side(base, name="prod"))
    assert added.field == "secret2Name"


def test_a_claim_without_secrets_gets_its_first(tmp_path):
    """It is the definition that gets it, not the patch that sets replicas."""
    patch, base = claim(replicas=2), claim(folder=f"{TENANT}/base", image="x")
    (added,) = consumed(tmp_path, side(patch, base))
    assert added == Added(f"{TENANT}/base/shop.yaml", "WebService shop", "secret1Name")


def test_of_several_workloads_the_one_that_is_named_as_the_service_reads_it(tmp_path):
    """Or the one that was asked for; where neither helps, it asks."""
    worker, web = claim("worker", secret1Name="a"), claim("shop", secret1Name="a")
    assert [each.who for each in consumed(tmp_path, side(worker, web))] == ["WebService shop"]
    assert [each.who for each in consumed(tmp_path, side(worker, web), consumer="worker")] == ["WebService worker"]
    with pytest.raises(InputError, match="more than one workload"):
        consumed(tmp_path, side(worker, claim("web", secret1Name="a")))
    with pytest.raises(InputError, match="no “nobody”"):
        consumed(tmp_path, side(worker), consumer="nobody")


def test_what_reads_it_already_is_left_alone(tmp_path):
    """In that overlay; the others still get it."""
    reads = side(claim(secret1Name="new"), consumers=(Consumer("WebService", "shop", "new"),))
    assert consumed(tmp_path, reads) == []


def variable(secret, key):
    """A variable that takes one key of a Secret."""
    return {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def deployment(*env, name="shop", folder=f"{TENANT}/overlays/dev", field="env"):
    """A Deployment of two containers, of which the first has these variables."""
    containers = [{"name": "app", field: list(env)}, {"name": "proxy", "env": [{"name": "PORT", "value": "1"}]}]
    value = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": containers}}},
    }
    return Document(f"{folder}/{name}.yaml", 0, value)


def test_pods_that_take_keys_one_by_one_get_the_new_ones_so(tmp_path):
    """In the containers that do; also where a key is added to a Secret which they take so."""
    old = variable("old", "URL")
    assert consumed(tmp_path, side(deployment(old))) == [
        Added(f"{TENANT}/overlays/dev/shop.yaml", "Deployment shop", "env")
    ]
    mine = (Consumer("Deployment", "web", "new", "secretKeyRef"),)
    both = side(deployment(variable("new", "URL"), name="web"), deployment(old), consumers=mine)
    assert [each.who for each in consumed(tmp_path, both)] == ["Deployment web"]
    with pytest.raises(InputError, match="variable K already"):
        consumed(tmp_path, side(deployment(old, {"name": "K", "value": "x"})))


def test_a_claim_or_envfrom_comes_before_single_keys(tmp_path):
    """A migration's Job that takes one key is no reason to ask; by its name it can be asked for."""
    job = deployment(variable("old", "URL"), name="migrate")
    for web in (claim(replicas=1), deployment({"secretRef": {"name": "old"}}, field="envFrom")):
        assert [each.who for each in consumed(tmp_path, side(job, web))] == [f"{web.kind} shop"]
        assert [each.who for each in consumed(tmp_path, side(job, web), consumer="migrate")] == ["Deployment migrate"]


# --- whole tenants ---

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      containers:
      - name: app
        %s
"""


def test_variables_from_single_keys_are_added_as_those_that_are_there(capsys, tmp_path):
    """Two keys of a new Secret, then one of it more; nothing is left to be read."""
    env = "env:\n        - name: URL  # the database\n          valueFrom: {secretKeyRef: {name: db, key: URL}}"
    root = tenant(tmp_path, overlays__dev__claim=DEPLOYMENT % env)
    for keys in (["TOKEN", "SALT"], ["PEPPER"]):
        code, out, err = run(capsys, root, "add-secret", "shop", *keys, "--secret", "keys")
        assert (code, err) == (0, "")
        assert "Nothing in" not in out
    text = (root / TENANT / "overlays/dev/claim.yaml").read_text()
    assert text.startswith(DEPLOYMENT.replace("%s\n", env))
    (deployed,) = load_documents(text)
    (container,) = deployed["spec"]["template"]["spec"]["containers"]
    wanted = [variable("db", "URL"), *(variable("keys", key) for key in ("TOKEN", "SALT", "PEPPER"))]
    assert container["env"] == wanted


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"overlays__dev__claim": DEPLOYMENT % "image: shop"},
            f"Name token in Deployment shop ({TENANT}/overlays/dev/claim.yaml): no container there takes a Secret by "
            "envFrom or env.",
        ),
        (
            {
                "overlays__dev__kustomization": "resources:\n- ../../base\npatches:\n- path: patch.yaml\n",
                "overlays__dev__deployment": FILES["overlays/dev/claim.yaml"],
            },
            f"Name token in {TENANT}/overlays/dev/deployment.yaml: no kustomization lists that file, so it was left "
            "alone.",
        ),
    ],
)
def test_what_is_left_to_a_person_is_said_with_its_place(capsys, tmp_path, changes, says):
    """Where it cannot be known how the pods are to read it."""
    code, out, err = run(capsys, tenant(tmp_path, **changes), "add-secret", "shop", "TOKEN", "--secret", "token")
    assert (code, err) == (0, "")
    assert says in out
    assert "Nothing in" not in out


def test_where_nothing_reads_secrets_it_says_so_and_goes_on(capsys, tmp_path):
    """The person is told to name it."""
    root = tenant(
        tmp_path,
        overlays__dev__kustomization="resources:\n- ../../base\npatches:\n- path: patch.yaml\n",
        overlays__dev__claim=None,
    )
    code, out, err = run(capsys, root, "add-secret", "shop", "TOKEN", "--secret", "token")
    assert (code, err) == (0, "")
    assert "Nothing in the tenant reads Secrets yet: name token where it is needed." in out


def test_it_writes_as_the_tenant_does(capsys, tmp_path):
    """API version, namespace, kind of the store, interval, and the folder's own kustomization."""
    definition = (
        DEFINITION.replace("/v1\n", "/v1beta1\n")
        .replace("  name: db\n", "  name: db\n  namespace: web\n")
        .replace("spec:\n", "spec:\n  refreshInterval: 5m\n")
    )
    root = tenant(
        tmp_path,
        base__kustomization="resources: [external-secrets]\n",
        base__es=None,
        **{"base__external-secrets__db": definition, "base__external-secrets__kustomization": "resources: [db.yaml]\n"},
        overlays__dev__patch=FILES["overlays/dev/patch.yaml"]
        .replace("/v1\n", "/v1beta1\n")
        .replace("  name: db\n", "  name: db\n  namespace: web\n"),
    )
    code, _, err = run(capsys, root, "add-secret", "shop", "TOKEN", "--secret", "shop-token")
    assert (code, err) == (0, "")
    folder = root / TENANT / "base/external-secrets"
    assert (folder / "kustomization.yaml").read_text() == "resources: [db.yaml, token-es.yaml]\n"
    (made,) = load_documents((folder / "token-es.yaml").read_text())
    assert made["apiVersion"] == "external-secrets.io/v1beta1"
    assert made["metadata"]["namespace"] == "web"
    assert made["spec"]["refreshInterval"] == "5m"
    assert made["spec"]["secretStoreRef"] == {"name": "aws-parameter-store", "kind": "SecretStore"}


@pytest.mark.parametrize(
    ("changes", "arguments", "says"),
    [
        ({}, "URL --secret db", "has the key URL already"),
        ({}, "T --secret db --file x.yaml", "Leave --file out"),
        ({}, "T --secret x --file es.yaml", "there already"),
        ({"base__es": DEFINITION + "---\n" + DEFINITION}, "T --secret db", "Mend that first"),
        ({"overlays__dev__patch": "x: [\n"}, "T --secret x", "Mend that first"),
        (
            {
                "base__kustomization": "resources: []\n",
                "overlays__dev__kustomization": "resources:\n- ../../base\n- claim.yaml\n- own.yaml\n",
                "overlays__dev__own": DEFINITION.replace("_ENV_", "dev"),
            },
            "T --secret db",
            "not from the base",
        ),
        (
            {"overlays__prod__kustomization": "resources: [own.yaml]\n", "overlays__prod__own": FILES["base/es.yaml"]},
            "T --secret x",
            "no base",
        ),
        (
            {
                "overlays__dev__kustomization": OPERATIONS,
                "overlays__dev__patch": None,
                "overlays__dev__patches__secrets-patch": "{}",
            },
            "T --secret x",
            "is no file of such patches that the kustomization lists",
        ),
        (
            {
                "overlays__dev__kustomization": OPERATIONS.replace("/dev/", "/prod/").replace(
                    "patches:\n", "patches:\n- path: patch.yaml\n"
                )
            },
            "T --secret x",
            "(wrong-environment)",
        ),
    ],
)
def test_what_is_there_or_cannot_be_done_is_refused_with_words(capsys, tmp_path, changes, arguments, says):
    """And nothing is written."""
    root = tenant(tmp_path, **changes)
    before = files(root)
    code, out, err = run(capsys, root, "add-secret", "shop", *arguments.split())
    assert (code, out) == (2, "")
    assert says in err
    assert files(root) == before


def test_findings_that_were_there_before_do_not_hold_it_up(capsys, tmp_path):
    """Only what is new counts."""
    root = tenant(tmp_path, base__es=DEFINITION.replace('  labels: {zerotouch.io/managed: "true"}\n', ""))
    code, _, err = run(capsys, root, "add-secret", "shop", "TOKEN", "--secret", "token")
    assert (code, err) == (0, "")


def test_a_finding_that_moves_with_its_entry_is_no_new_one(capsys, tmp_path):
    """An overlay's patch of ours repeats the entries of the base and of operations, with what is wrong with them."""
    replica = (
        "    - op: add\n      path: /spec/data/-\n"
        "      value: {secretKey: REPLICA, remoteRef: {key: /zerotouch/prod/shop/replica}}\n"
    )
    root = tenant(
        tmp_path,
        base__es=DEFINITION + "  - secretKey: OLD\n    remoteRef: {key: /zerotouch/all/platform/old, version: '3'}\n",
        overlays__dev__kustomization=OPERATIONS,
        overlays__dev__patch=None,
        overlays__production__kustomization=OPERATIONS.replace("/dev/", "/prod/") + replica,
        overlays__production__claim=FILES["overlays/dev/claim.yaml"],
    )

    def found(rule):
        judged = read_tenant(root.resolve(), request("TOKEN").scope)
        return [
            (each.overlay.rpartition("/")[2], each.where.file.removeprefix(f"{TENANT}/"))
            for each in judged.findings
            if each.rule == rule
        ]

    assert found("never-refreshes") == [("", "base/es.yaml")]
    assert found("key-lost") == [("", "overlays/production/kustomization.yaml")]
    code, _, err = run(capsys, root, "add-secret", "shop", "TOKEN", "--secret", "db")
    assert (code, err) == (0, "")
    patch = "patches/secrets-patch.yaml"
    assert found("never-refreshes") == [(each, f"overlays/{each}/{patch}") for each in ("dev", "production")]
    assert found("key-lost") == [("", f"overlays/production/{patch}")]


DELETION = HEAD.replace("db", "old") + "$patch: delete\n"


@pytest.mark.parametrize("name", ["patch", "patches/secrets-patch"])
def test_nothing_is_added_behind_a_patch_that_takes_a_resource_out(capsys, tmp_path, name):
    """kustomize would panic; a file of its own is what it takes. A second secret goes there as well."""
    root = tenant(
        tmp_path,
        base__kustomization="resources: [es.yaml, old.yaml]\n",
        base__old=DEFINITION.replace("name: db", "name: old").replace("/url", "/old_url"),
        overlays__dev__kustomization=FILES["overlays/dev/kustomization.yaml"].replace("patch.yaml", f"{name}.yaml"),
        overlays__dev__patch=None,
        **{f"overlays/dev/{name}": f"{FILES['overlays/dev/patch.yaml']}---\n{DELETION}"},
    )
    before = (root / TENANT / f"overlays/dev/{name}.yaml").read_bytes()
    for secret in ("token", "second"):
        code, _, err = run(capsys, root, "add-secret", "shop", "TOKEN", "--secret", secret)
        assert (code, err) == (0, "")
    assert (root / TENANT / f"overlays/dev/{name}.yaml").read_bytes() == before
    own = "secrets-patch" if name == "patch" else "token-patch"
    content = (root / TENANT / f"overlays/dev/patches/{own}.yaml").read_text()
    assert [each["metadata"]["name"] for each in load_documents(content)] == ["token", "second"]


def test_a_base_outside_of_the_tenants_folder_comes_along_for_the_proof(capsys, tmp_path):
    """A component that tenants share."""
    root = tenant(tmp_path, base__kustomization="resources: [es.yaml]\ncomponents: [../../../shared]\n")
    (root / "shared").mkdir()
    (root / "shared/kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnamespace: web\n"
    )
    code, _, err = run(capsys, root, "add-secret", "shop", "TOKEN", "--secret", "token")
    assert (code, err) == (0, "")


def test_texts_of_the_repository_are_shown_escaped(capsys, tmp_path):
    """A name with control characters moves no cursor."""
    evil = FILES["overlays/dev/claim.yaml"].replace("shop}", '"s\\e[2Jp"}')
    root = tenant(tmp_path, overlays__dev__claim=evil)
    code, out, err = run(capsys, root, "add-secret", "shop", "TOKEN", "--secret", "token", "--consumer", "x")
    assert code == 2
    assert "\x1b" not in out + err


def test_colours_are_for_terminals_that_want_them(capsys, tmp_path, monkeypatch):
    """NO_COLOR is heeded."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out, _ = run(capsys, tmp_path, "new-service", "new", "--dry-run", "--environments", "dev")
    assert "\033[32m+kind: Kustomization\033[0m" in out
    monkeypatch.setenv("NO_COLOR", "1")
    _, out, _ = run(capsys, tmp_path, "new-service", "new", "--dry-run", "--environments", "dev")
    assert "\033" not in out
    assert list(tmp_path.iterdir()) == []


def test_a_defect_of_ours_ends_in_one_line_and_writes_nothing(tmp_path, capsys, monkeypatch):
    """No traceback, and not the message, which nobody has looked at."""

    def explode(request):
        raise KeyError("whatever-it-was")

    monkeypatch.setitem(cli.COMMANDS, "add-secret", explode)
    assert (
        cli.main(["add-secret", "shop", "URL", "--secret", "db", "--tenants-directory", str(tmp_path)], Cancellation())
        == 2
    )
    told = capsys.readouterr().err
    assert "secret-sync has a defect: KeyError at test_authoring_choices.py:" in told
    assert "whatever-it-was" not in told


# --- overlays that lie otherwise ---


def test_overlays_in_parts_and_called_otherwise_are_written_to(capsys, tmp_path):
    """With the environment that the rest of their keys says."""
    patch = FILES["overlays/dev/patch.yaml"]
    changes = {"overlays__production__kustomization": "resources: [secrets]\n"}
    changes["overlays__production__secrets__kustomization"] = (
        "resources: [../../../base]\npatches: [{path: patch.yaml}]\n"
    )
    changes["overlays__production__secrets__patch"] = patch.replace("/dev/", "/prod/")
    for name in ("dev-eu", "nonprod"):
        changes[f"overlays__{name}__kustomization"] = "resources: [../../base]\n"
    changes["overlays__dev-eu__kustomization"] = "resources: [../nonprod]\npatches: [{path: patch.yaml}]\n"
    changes["overlays__dev-eu__patch"] = patch
    root = tenant(tmp_path, **changes)
    code, out, err = run(capsys, root, "add-secret", "shop", "CA", "--secret", "db")
    assert (code, err) == (0, "")
    done = out.partition("Done:")[2]
    for overlay, environment in (("dev", "dev"), ("dev-eu", "dev"), ("production", "prod")):
        assert f"{TENANT}/overlays/{overlay}: the same with {environment}\n" in done
    assert "nonprod" not in done
