"""Inputs become one frozen value, and everything that is wrong with them is told at once."""

import base64
import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.github_model import make_app_key
from secret_action import contract
from secret_action.errors import InputError
from secret_action.inputs import parse
from secret_action.values import SecretValue

GOOD = {"environment": "production", "service": "my-service"}
ENVIRON = {"GITHUB_REPOSITORY": "zerotouch/my-service", "GITHUB_REPOSITORY_OWNER": "zerotouch"}


def wrong(inputs, environ=ENVIRON):
    with pytest.raises(InputError) as caught:
        parse({**GOOD, **inputs}, environ)
    return [problem.what for problem in caught.value.problems]


def test_defaults_are_those_of_the_contract():
    """An empty input has its default."""
    settings = parse(GOOD | {"timeout": "", "refresh": " "}, ENVIRON)
    assert settings.mode.name == "release"
    assert settings.cluster.timeout == 300
    assert settings.cluster.refresh == "always"
    assert settings.parameter_path.template == "/zerotouch/{env}/{service}/{key}"
    assert settings.github.repository == "zerotouch/zerotouch-tenants"
    with pytest.raises(FrozenInstanceError):
        settings.service = "other"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("mode", "relase", "is not one of"),
        ("environment", "Prod", "no environment's name"),
        ("prune", "all", "neither true, false nor a number"),
        ("prune", "-1", "neither true, false nor a number"),
        ("tags", "team payments", "has no “=”"),
        ("tags", "team=a\nteam=b", "there twice"),
        ("tags", "aws:team=payments", "is taken"),
        ("tags", "managed-by=me", "is taken"),
        ("tags", "te;am=payments", "no tag that AWS takes"),
        ("tags", "team=" + "x" * 257, "no tag that AWS takes"),
        ("tags", "\n".join(f"t{n}=x" for n in range(47)), "more than AWS takes"),
        ("environment", "", "is required"),
        ("environment", "github", "cannot be one"),
        ("service", "../etc", "no service's name"),
        ("timeout", "5m", "no number of seconds"),
        ("timeout", "0", "no number of seconds"),
        ("label-selector", "a=b=c", "not a label requirement"),
        ("parameter-path", "/x/{env}/{key}", "must name"),
        ("parameter-path", "/{env}/{service}/{key}/x", "must name"),
        ("parameter-path", "x /{env}/{service}/{key}", "no parameter path"),
        ("tenant-path", "../{service}", "must stay inside"),
        ("tenants-repository", "a/b/c", "no repository"),
        ("aws-region", "Frankfurt", "not of the right form"),
        ("aws-role-to-assume", "my-role", "not of the right form"),
        ("aws-kms-key-id", "a key", "not of the right form"),
        ("app-id", "12 34", "neither an App ID"),
        ("secrets", "{", "is not JSON"),
        ("secrets", "[]", "not an object"),
        ("secrets", "null", "not an object"),
        ("secrets", '{"A": 1}', "not a text"),
        ("secrets", '{"A": "x", "a": "y"}', "different values"),
        ("dry-run", "yes", "is not one of"),
    ],
)
def test_a_wrong_input_is_named_with_what_is_wrong(name, value, says):
    """One message: the input, what is wrong."""
    (problem,) = wrong({name: value})
    assert problem.startswith(f"Input `{name}`")
    assert says in problem


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"eks-cluster": "shop", "kubeconfig": "/kube/config"}, "`kubeconfig`: is given beside eks-cluster"),
        ({"eks-cluster": "shop", "kube-context": "prod"}, "`kube-context`: is given beside eks-cluster"),
        ({"refresh": "never", "restart": "changed"}, "`restart`: is `changed` and refresh is `never`"),
    ],
)
def test_an_input_that_would_be_passed_over_is_refused(inputs, says):
    """Two that do not go together: one of them would do nothing, in silence."""
    (problem,) = wrong(inputs)
    assert says in problem


def test_a_runners_own_kubeconfig_does_not_stand_against_eks_cluster():
    """The variable is not the pipeline's doing; the input is."""
    settings = parse(GOOD | {"eks-cluster": "shop", "kubeconfig": " "}, ENVIRON | {"KUBECONFIG": "/kube/config"})
    assert settings.cluster.eks_cluster == "shop"


def test_all_that_is_wrong_is_told_at_once():
    """Not only the first."""
    assert len(wrong({"environment": "", "timeout": "x", "secrets": "{"})) == 3


@given(st.text())
def test_wrong_secrets_are_never_quoted(text):
    """The parser's excerpt would be a piece of a value."""
    secret = "hunter2-and-more"
    for broken in (f'{{"A": "{secret}" {text}', f'["{secret}"]', f'{{"A": {{"b": "{secret}"}}}}'):
        said = ""
        try:
            parse(GOOD | {"secrets": broken}, ENVIRON)
        except InputError as error:
            said = "".join(problem.what + problem.remedy for problem in error.problems)
        assert secret not in said


def test_the_private_key_is_taken_in_every_usual_form():
    """PEM, PEM with literal \\n, base64 of the PEM."""
    pem, pkcs8, _ = make_app_key()
    for text in (pem, pkcs8, pem.replace("\n", "\\n"), base64.b64encode(pem.encode()).decode()):
        settings = parse(GOOD | {"app-id": " 1234\u200b ", "app-private-key": text}, ENVIRON)
        assert settings.github.credentials is not None
        assert settings.github.credentials.app_id == "1234"
        assert settings.github.credentials.private_key.reveal().startswith("-----BEGIN")


def test_a_broken_private_key_is_named_and_not_shown():
    """Which input, and what to store instead."""
    (problem,) = wrong({"app-id": "1", "app-private-key": "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n"})
    assert problem.startswith("Input `app-private-key`")
    assert "c2VjcmV0" not in problem


def test_only_the_environments_names_are_kept_as_values():
    """The rest of the process environment is none of our business."""
    environ = ENVIRON | {"PROD_A": "1", "PRODUCTION_B": "2", "DEV_C": "3", "PATH": "/bin", "GITHUB_TOKEN": "x"}
    assert set(parse(GOOD, environ).values.environment) == {"PROD_A", "PRODUCTION_B"}


def test_secrets_keep_their_bytes():
    """Nothing is trimmed inside the JSON."""
    text = json.dumps({"PROD_A": " a\n", "unset": None, "prod_b": "x"})
    found = parse(GOOD | {"secrets": text}, ENVIRON).values.secrets
    assert found == {"PROD_A": SecretValue(" a\n"), "PROD_B": SecretValue("x")}


def test_validate_needs_no_environment_and_in_the_tenants_repository_no_service():
    """Then it takes every overlay of every tenant."""
    environ = ENVIRON | {"GITHUB_REPOSITORY": "zerotouch/zerotouch-tenants"}
    settings = parse({"mode": "validate"}, environ)
    assert (settings.environment, settings.service) == ("", "")
    assert parse({"mode": "validate"}, ENVIRON).service == "my-service"


def test_variables_stand_in_for_empty_inputs():
    """APP_ID, APP_PRIVATE_KEY, KUBECONFIG, AWS_REGION."""
    pem, _, _ = make_app_key()
    environ = ENVIRON | {"APP_ID": "7", "APP_PRIVATE_KEY": pem, "KUBECONFIG": "/k", "AWS_DEFAULT_REGION": "eu-west-1"}
    settings = parse(GOOD, environ)
    assert settings.github.credentials is not None
    assert settings.cluster.kubeconfig == SecretValue("/k")
    assert settings.cluster.kubeconfig_from == "variable KUBECONFIG"
    assert settings.aws.region == "eu-west-1"


def test_every_input_of_the_contract_is_read():
    """An input that settings do not look at would be ignored silently."""

    asked = set()

    class Spy(dict):
        def get(self, key, default=None):
            asked.add(key)
            return super().get(key, default)

    parse(Spy(GOOD), ENVIRON)
    assert asked == {definition.name for definition in contract.INPUTS}


@pytest.mark.parametrize(
    ("mode", "prune", "most"),
    [
        ("release", "", 0),
        ("release", "false", 0),
        ("release", "true", 10),
        ("push", "3", 3),
        ("push", "0", 0),
        ("cleanup", "", 100),
        ("cleanup", "250", 250),
    ],
)
def test_how_much_may_be_deleted(mode, prune, most):
    """Nothing unless asked for; in a preview environment all, up to a limit."""
    assert parse(GOOD | {"mode": mode, "environment": "pr-7", "prune": prune}, ENVIRON).prune == most


@pytest.mark.parametrize("environment", ["prod", "production", "dev", "preview", "prx"])
def test_cleanup_is_for_preview_environments_only(environment):
    """It deletes everything."""
    (problem,) = wrong({"mode": "cleanup", "environment": environment})
    assert "no preview environment" in problem


def test_an_environment_in_capitals_is_met_with_the_name_that_is_meant():
    """Folders and paths have it in lower case."""
    with pytest.raises(InputError) as caught:
        parse({**GOOD, "environment": "Production"}, ENVIRON)
    assert caught.value.problems[0].remedy == "Did you mean “production”?"


def test_tags_are_lines():
    """White space around them does not matter."""
    assert parse(GOOD | {"tags": "\n team = payments \ncost-centre=42=a\n"}, ENVIRON).aws.tags == {
        "team": "payments",
        "cost-centre": "42=a",
    }
