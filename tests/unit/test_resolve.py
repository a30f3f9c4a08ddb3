"""Where each value comes from, and what is refused."""

import base64
from dataclasses import replace

import pytest

from secret_action.model import Location, Parameter, Reference
from secret_action.resolve import resolve
from secret_action.settings import ValueSettings
from secret_action.values import SecretValue

SERVICE = "my-service"


def parameter(key, *, env="prod", owned=True, **fields):
    path = f"/zerotouch/{env}/{SERVICE if owned else 'other'}/{key}"
    return Parameter(path, key, owned, (Reference(path, Location("x.yaml", 1)),), **fields)


def values(environment=None, secrets=None, unprefixed=False):
    given = ({name: SecretValue(value) for name, value in (names or {}).items()} for names in (environment, secrets))
    return ValueSettings(*given, unprefixed)


def with_credentials(given, *credentials):
    return replace(given, forbidden=tuple(SecretValue(text) for text in credentials))


def outcome(parameters, given, environment="prod"):
    return resolve(parameters, environment, SERVICE, given)


def only(resolved):
    assert resolved.problems == ()
    ((_, found),) = resolved.given.items()
    return found.source, found.value.reveal()


STEPS = [
    ("environment", "PROD_MY_SERVICE_DATABASE_URL"),
    ("secrets", "PROD_MY_SERVICE_DATABASE_URL"),
    ("environment", "PROD_DATABASE_URL"),
    ("secrets", "PROD_DATABASE_URL"),
    ("secrets", "DATABASE_URL"),
]


@pytest.mark.parametrize("first", range(len(STEPS)))
def test_the_first_step_that_is_present_wins(first):
    """The service's own name before the shared one, the step's environment before `secrets`, plain names last."""
    places = {"environment": {}, "secrets": {}}
    for number, (place, name) in enumerate(STEPS[first:], first):
        places[place][name] = f"value-{number}"
    found = only(outcome([parameter("database_url")], values(**places, unprefixed=True)))
    assert found == (STEPS[first][1], f"value-{first}")


def test_plain_names_count_only_when_asked_for():
    """A repository-wide secret of that name would reach every environment."""
    resolved = outcome([parameter("database_url")], values(secrets={"DATABASE_URL": "x"}))
    assert resolved.given == {}


def test_plain_names_are_never_taken_from_the_environment():
    """PATH and HOME live there."""
    given = values(environment={"PATH": "/bin"}, unprefixed=True)
    assert outcome([parameter("path")], given).given == {}


@pytest.mark.parametrize("key", ["github_token", "app_private_key", "aws_secret_access_key", "kubeconfig"])
def test_the_pipelines_own_credentials_are_no_source(key):
    """Whoever edits a tenant must not be able to carry them into a parameter."""
    given = values(secrets={key.upper(): "credential"}, unprefixed=True)
    assert outcome([parameter(key)], given).given == {}


def test_production_is_another_spelling_of_prod():
    """Both spellings of the environment and of the names go together."""
    given = values(environment={"PRODUCTION_DATABASE_URL": "x"})
    assert only(outcome([parameter("database_url")], given, "production")) == ("PRODUCTION_DATABASE_URL", "x")


def test_two_spellings_with_different_values_are_refused():
    """Which of them is meant cannot be told."""
    given = values(environment={"PROD_DATABASE_URL": "x", "PRODUCTION_DATABASE_URL": "y"})
    resolved = outcome([parameter("database_url")], given)
    (problem,) = resolved.problems
    assert "PROD_DATABASE_URL" in problem.what
    assert "PRODUCTION_DATABASE_URL" in problem.what
    assert "different values" in problem.what


def test_two_spellings_with_one_value_are_fine():
    """Nobody is misled."""
    given = values(environment={"PROD_DATABASE_URL": "x", "PRODUCTION_DATABASE_URL": "x"})
    assert only(outcome([parameter("database_url")], given)) == ("PROD_DATABASE_URL", "x")


def test_a_name_that_could_feed_two_parameters_is_refused():
    """PROD_MY_SERVICE_URL is `url` of my-service, and `my_service_url` of any."""
    resolved = outcome([parameter("url"), parameter("my_service_url")], values())
    (problem,) = resolved.problems
    assert "PROD_MY_SERVICE_URL could be the value of url and of my_service_url" in problem.what


def test_from_takes_a_parameter_out_of_the_guessing():
    """With a name of its own there is no doubt."""
    parameters = [parameter("url"), parameter("my_service_url", source="{ENV}_OTHER")]
    resolved = outcome(parameters, values(environment={"PROD_MY_SERVICE_URL": "x", "PROD_OTHER": "y"}))
    assert resolved.problems == ()
    assert {found.source for found in resolved.given.values()} == {"PROD_MY_SERVICE_URL", "PROD_OTHER"}


def test_present_but_empty_is_an_error_that_names_the_source():
    """A forgotten `environment:` or `secrets: inherit` looks like that."""
    resolved = outcome([parameter("database_url")], values(environment={"PROD_DATABASE_URL": ""}))
    (problem,) = resolved.problems
    assert problem.what.startswith("PROD_DATABASE_URL")
    assert "empty" in problem.what
    assert any("secrets: inherit" in cause for cause in problem.causes)


def test_empty_is_fine_for_an_optional_key():
    """It counts as not given."""
    resolved = outcome([parameter("database_url", optional=True)], values(environment={"PROD_DATABASE_URL": ""}))
    assert (resolved.problems, resolved.given) == ((), {})


def test_a_hyphen_in_a_name_is_refused():
    """GitHub's secret names have none, and the platform's scripts refused them."""
    resolved = outcome([], values(environment={"PROD_DATABASE-URL": "x"}))
    (problem,) = resolved.problems
    assert problem.remedy == "Write PROD_DATABASE_URL."


def test_from_names_another_environment_is_refused():
    """`from: PROD_X` would carry production's value into dev."""
    resolved = outcome([parameter("x", env="dev", source="PROD_X")], values(secrets={"PROD_X": "v"}), "dev")
    (problem,) = resolved.problems
    assert 'from: "{ENV}_X"' in problem.remedy


def test_names_that_nobody_asks_for_are_listed_and_not_pushed():
    """A typo in a source name shows up."""
    resolved = outcome([parameter("x")], values(environment={"PROD_X": "1", "PROD_TYPO": "2", "DEV_Y": "3"}))
    assert resolved.unused == ("PROD_TYPO",)
    assert len(resolved.given) == 1


def test_foreign_parameters_are_never_given_a_value():
    """Even when a name would fit."""
    assert outcome([parameter("x", owned=False)], values(environment={"PROD_X": "1"})).given == {}


def test_base64_is_decoded_before_the_push():
    """`encoding: base64`, line breaks allowed."""
    encoded = base64.encodebytes("dürfen\n".encode()).decode()
    found = only(outcome([parameter("x", encoding="base64")], values(environment={"PROD_X": encoded})))
    assert found == ("PROD_X", "dürfen\n")


@pytest.mark.parametrize(
    ("text", "wrong"), [("not base64!", "is not base64"), (base64.b64encode(b"\xff\xfe").decode(), "is not UTF-8")]
)
def test_wrong_encoding_is_refused_without_the_value(text, wrong):
    """The message says which source and what is wrong."""
    (problem,) = outcome([parameter("x", encoding="base64")], values(environment={"PROD_X": text})).problems
    assert wrong in problem.what
    assert text not in problem.what + problem.remedy


def test_bytes_that_are_no_text_are_refused():
    """The environment may hold any bytes; Parameter Store holds text."""
    raw = b"\xff\xfe".decode("utf-8", "surrogateescape")
    (problem,) = outcome([parameter("x")], values(environment={"PROD_X": raw})).problems
    assert "is not UTF-8 text" in problem.what


def test_all_problems_come_at_once():
    """Not only the first."""
    given = values(environment={"PROD_A": "", "PROD_B": "", "PROD_C-D": "x"})
    assert len(outcome([parameter("a"), parameter("b")], given).problems) == 3


@pytest.mark.parametrize("value", ["\n", "-x", "file:///etc/passwd", "YQ=", '"quoted"', "😀", " a ", "a\r\nb\n"])
def test_bytes_are_kept(value):
    """Line breaks, leading dashes, file://, trailing =, quotes, emoji."""
    assert only(outcome([parameter("x")], values(environment={"PROD_X": value}))) == ("PROD_X", value)


@pytest.mark.parametrize("encoding", ["", "base64"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_the_pipelines_credentials_are_refused_under_any_name(encoding, end):
    """`toJSON(secrets)` holds the App's key under any name, and whoever edits a tenant could ask for it."""
    credential = "-----BEGIN THE APP'S OWN KEY-----"
    text = base64.b64encode(credential.encode()).decode() if encoding else credential + end
    given = with_credentials(values(secrets={"RELEASE_BOT_KEY": text}), credential)
    resolved = outcome([parameter("x", source="RELEASE_BOT_KEY", encoding=encoding)], given)
    (problem,) = resolved.problems
    assert "one of the pipeline's own credentials" in problem.what
    assert resolved.given == {}
