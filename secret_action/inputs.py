"""Inputs → `Settings`: the one place where input is checked.

Everything that is wrong with the inputs is reported at once. Nothing here does I/O.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping

from secret_action import contract
from secret_action.contract import Mode
from secret_action.errors import InputError
from secret_action.model import Problem
from secret_action.naming import (
    ENVIRONMENT_PATTERN,
    OWN_TAGS,
    SERVICE_PATTERN,
    ParameterPath,
    is_preview_environment,
    is_reserved_source,
    source_prefixes,
)
from secret_action.private_key import parse_private_key
from secret_action.selector import Selector, parse_selector
from secret_action.settings import (
    AppCredentials,
    AwsSettings,
    ClusterSettings,
    GitHubSettings,
    OidcSettings,
    Settings,
    ValueSettings,
)
from secret_action.values import SecretValue

_DEFINITIONS = {definition.name: definition for definition in contract.INPUTS}

_BOOLEANS = {"true": True, "false": False}
_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]+")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")
_KMS_KEY = re.compile(r"[a-zA-Z0-9:/_-]{1,256}")
_APP_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PATH_TEMPLATE = re.compile(r"(/[A-Za-z0-9_.{}-]+)+")
_LONGEST_TIMEOUT = 6 * 3600
# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#id_tags_naming_best_practices
_TAG_KEY = re.compile(r"[\w\s+\-=.:/@]{1,128}")
_TAG_VALUE = re.compile(r"[\w\s+\-=.:/@]{0,256}")
_MOST_TAGS = 50
# In a release a left-over is an exception; a preview environment goes as a whole.
_MOST_PRUNED = {False: 10, True: 100}
_SHORTEST_CREDENTIAL = 16
_CREDENTIAL_VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "GITHUB_TOKEN",
)


def parse(inputs: Mapping[str, str], environ: Mapping[str, str], paths: tuple[str, ...] = ()) -> Settings:
    """Inputs and environment → settings.

    inputs: by name as in the contract; an absent or empty one has its default. environ: the process environment.
    Raises InputError with everything that is wrong.
    """
    reader = _Reader(inputs, environ)
    settings = reader.settings(paths)
    if reader.problems:
        raise InputError(*reader.problems)
    return settings


class _Reader:
    """Reads the inputs one by one and collects what is wrong with them."""

    def __init__(self, inputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._inputs = inputs
        self._environ = environ
        self.problems: list[Problem] = []

    def settings(self, paths: tuple[str, ...]) -> Settings:
        mode = contract.mode(self._choice("mode"))
        github = self._github()
        environment = self._environment(mode)
        service = self._service(mode, github)
        return Settings(
            mode=mode,
            environment=environment,
            service=service,
            dry_run=self._boolean("dry-run"),
            prune=self._prune(mode),
            parameter_path=self._parameter_path(),
            store=self._text("store"),
            github=github,
            aws=self._aws(service, environment),
            cluster=self._cluster(),
            values=self._values(environment, github),
            paths=paths,
        )

    # --- one kind of input each ---

    def _wrong(self, name: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(f"Input `{name}`: {what}", remedy))

    def _text(self, name: str) -> str:
        """The input, or the variable that stands in for it, or its default; without outer white space."""
        definition = _DEFINITIONS[name]
        given = self._inputs.get(name, "").strip()
        if not given and definition.variable:
            given = self._environ.get(definition.variable, "").strip()
        return given or definition.default

    def _choice(self, name: str) -> str:
        text, definition = self._text(name), _DEFINITIONS[name]
        if text in definition.choices:
            return text
        near = difflib.get_close_matches(text, definition.choices, n=1)
        self._wrong(
            name,
            f"“{text}” is not one of {', '.join(definition.choices)}.",
            f"Did you mean “{near[0]}”?" if near else "Write one of these.",
        )
        return definition.default

    def _boolean(self, name: str) -> bool:
        return _BOOLEANS[self._choice(name)]

    def _matching(self, name: str, pattern: re.Pattern[str], remedy: str) -> str:
        text = self._text(name)
        if text and not pattern.fullmatch(text):
            self._wrong(name, f"“{text}” is not of the right form.", remedy)
        return text

    # --- one group of inputs each ---

    def _environment(self, mode: Mode) -> str:
        text = self._text("environment")
        if not text:
            if mode.name != "validate":
                self._wrong(
                    "environment", "is required in this mode and is empty.", "Write dev, staging, production, …"
                )
        elif not ENVIRONMENT_PATTERN.fullmatch(text):
            lower = text.lower()
            self._wrong(
                "environment",
                f"“{text}” is no environment's name.",
                f"Did you mean “{lower}”?"
                if ENVIRONMENT_PATTERN.fullmatch(lower)
                else "Use lower-case letters, digits and hyphens.",
            )
        elif mode.name == "cleanup" and not is_preview_environment(text):
            self._wrong(
                "environment",
                f"“{text}” is no preview environment: `cleanup` removes all that a service has in one.",
                "Name `pr`, or one that begins with pr-, such as pr-123.",
            )
        elif is_reserved_source(source_prefixes(text)[0] + "X"):
            self._wrong(
                "environment",
                f"“{text}” cannot be one: names that begin with {source_prefixes(text)[0]} are the runner's own.",
                "Give the environment another name.",
            )
        return text

    def _service(self, mode: Mode, github: GitHubSettings) -> str:
        text = self._text("service")
        repository = self._environ.get("GITHUB_REPOSITORY", "")
        if not text:
            if mode.name == "validate" and (not repository or repository.lower() == github.repository.lower()):
                return ""
            text = repository.rpartition("/")[2].lower()
        if not text:
            self._wrong("service", "is empty, and there is no repository to take it from.", "Name the service.")
        elif not SERVICE_PATTERN.fullmatch(text):
            self._wrong(
                "service",
                f"“{text}” is no service's name.",
                "Use lower-case letters, digits, dots, hyphens and underscores.",
            )
        return text

    def _github(self) -> GitHubSettings:
        repository = self._text("tenants-repository")
        owner = self._environ.get("GITHUB_REPOSITORY_OWNER", "")
        if "/" not in repository and owner:
            repository = f"{owner}/{repository}"
        tenant_path = self._text("tenant-path")
        if tenant_path.startswith("/") or ".." in tenant_path.split("/"):
            self._wrong(
                "tenant-path", "must stay inside the repository.", "Write a relative path such as tenants/{service}."
            )
        if "/" in repository and not _REPOSITORY.fullmatch(repository):
            self._wrong("tenants-repository", f"“{repository}” is no repository.", "Write a name, or owner/name.")
        return GitHubSettings(
            api_url=self._environ.get("GITHUB_API_URL", "").rstrip("/") or "https://api.github.com",
            repository=repository,
            ref=self._text("tenants-ref"),
            directory=self._text("tenants-directory"),
            tenant_path=tenant_path,
            credentials=self._credentials(),
            workspace=self._environ.get("GITHUB_WORKSPACE", ""),
        )

    def _credentials(self) -> AppCredentials | None:
        # Hidden characters come with copying: a zero-width space in an id reads as "issuer must be an integer".
        app_id = "".join(character for character in self._text("app-id") if character.isprintable())
        app_id = app_id.strip().strip("\u200b\ufeff\"'")
        key = self._text("app-private-key")
        if app_id and not _APP_ID.fullmatch(app_id):
            self._wrong(
                "app-id",
                "is neither an App ID (digits) nor a client ID (Iv…).",
                "Copy it from the App's settings page.",
            )
        if not (app_id and key):
            return None
        try:
            return AppCredentials(app_id, SecretValue(parse_private_key(key)))
        except ValueError as error:
            self._wrong(
                "app-private-key",
                f"{error}",
                "Store the whole .pem file that GitHub gave when the key was made, and pass it unchanged.",
            )
            return None

    def _parameter_path(self) -> ParameterPath:
        template = self._text("parameter-path")
        names = re.findall(r"\{([^{}]*)\}", template)
        if sorted(names) != ["env", "key", "service"] or not template.endswith("/{key}"):
            self._wrong(
                "parameter-path",
                f"“{template}” must name {{env}}, {{service}} and {{key}} once each and end in /{{key}}.",
                f"The platform's is {_DEFINITIONS['parameter-path'].default}.",
            )
        elif not _PATH_TEMPLATE.fullmatch(template):
            self._wrong("parameter-path", f"“{template}” is no parameter path.", "Begin it with /, without spaces.")
        return ParameterPath(template)

    def _aws(self, service: str, environment: str) -> AwsSettings:
        region = self._matching("aws-region", _REGION, "Write one such as eu-central-1.")
        region = region or self._environ.get("AWS_REGION", "") or self._environ.get("AWS_DEFAULT_REGION", "")
        url, token = (self._environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{name}", "") for name in ("URL", "TOKEN"))
        run = self._environ.get("GITHUB_RUN_ID", "local")
        return AwsSettings(
            region=region,
            role=self._matching("aws-role-to-assume", _ROLE, "Write the role's ARN, arn:aws:iam::ACCOUNT:role/NAME."),
            kms_key_id=self._matching("aws-kms-key-id", _KMS_KEY, "Write a key's id, ARN or alias/NAME."),
            oidc=OidcSettings(url, SecretValue(token)) if url and token else None,
            tags=self._tags(),
            session_name=re.sub(r"[^\w+=,.@-]", "-", f"secret-sync-{service}-{environment}")[:40] + f"-{run}"[:24],
        )

    def _cluster(self) -> ClusterSettings:
        kubeconfig, source = self._inputs.get("kubeconfig", "").strip(), "input `kubeconfig`"
        if not kubeconfig:
            kubeconfig, source = self._environ.get("KUBECONFIG", "").strip(), "variable KUBECONFIG"
        settings = ClusterSettings(
            kubeconfig=SecretValue(kubeconfig) if kubeconfig else None,
            kubeconfig_from=source if kubeconfig else "",
            context=self._text("kube-context"),
            eks_cluster=self._text("eks-cluster"),
            namespace=self._text("namespace"),
            selector=self._selector(),
            store=self._text("store"),
            refresh=self._choice("refresh"),
            restart=self._choice("restart"),
            timeout=self._timeout(),
        )
        # Each of these would be passed over in silence. The variable KUBECONFIG may be the runner's own.
        if settings.eks_cluster:
            for name in ("kubeconfig", "kube-context"):
                if self._inputs.get(name, "").strip():
                    self._wrong(name, "is given beside eks-cluster, which needs none.", "Keep one of the two.")
        if settings.restart == "changed" and settings.refresh == "never":
            self._wrong(
                "restart",
                "is `changed` and refresh is `never`: workloads are rolled after the proof that a refresh gives.",
                "Leave restart out, or refresh as well.",
            )
        return settings

    def _tags(self) -> dict[str, str]:
        tags: dict[str, str] = {}
        for number, line in enumerate(self._inputs.get("tags", "").splitlines(), start=1):
            name, equals, value = (part.strip() for part in line.partition("="))
            if not line.strip():
                continue
            if not equals or not _TAG_KEY.fullmatch(name) or not _TAG_VALUE.fullmatch(value):
                what = f"line {number} is no tag that AWS takes." if equals else f"line {number} has no “=”."
                self._wrong("tags", what, "Write key=value, of letters, digits, spaces and + - = . _ : / @.")
            elif name.lower().startswith("aws:") or name in OWN_TAGS:
                self._wrong("tags", f"the key {name} is taken.", "Give the tag another key.")
            elif tags.setdefault(name, value) != value:
                self._wrong("tags", f"{name} is there twice with different values.", "Keep one of them.")
        if len(tags) > (most := _MOST_TAGS - len(OWN_TAGS)):
            self._wrong("tags", f"{len(tags)} are more than AWS takes.", f"Keep {most}.")
        return tags

    def _prune(self, mode: Mode) -> int:
        text = self._text("prune")
        if text in _BOOLEANS:
            return _MOST_PRUNED[mode.name == "cleanup"] if _BOOLEANS[text] or mode.name == "cleanup" else 0
        if re.fullmatch(r"[0-9]{1,5}", text):
            return int(text)
        self._wrong(
            "prune",
            f"“{text}” is neither true, false nor a number.",
            f"Write true (at most {_MOST_PRUNED[False]} a run), or the most that a run may delete.",
        )
        return 0

    def _selector(self) -> Selector:
        text = self._text("label-selector")
        try:
            return parse_selector(text)
        except ValueError as error:
            self._wrong("label-selector", f"{error}.", "Write it as for `kubectl get -l`: key=value,other in (a,b).")
            return Selector(text, ())

    def _timeout(self) -> float:
        text = self._text("timeout")
        if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) <= _LONGEST_TIMEOUT:
            self._wrong(
                "timeout",
                f"“{text}” is no number of seconds from 1 to {_LONGEST_TIMEOUT}.",
                "Write seconds, such as 300.",
            )
            return 0.0
        return float(text)

    def _values(self, environment: str, github: GitHubSettings) -> ValueSettings:
        prefixes = source_prefixes(environment) if environment else ()
        return ValueSettings(
            environment={
                name: SecretValue(value)
                for name, value in self._environ.items()
                if prefixes and name.startswith(prefixes) and not is_reserved_source(name)
            },
            secrets=(secrets := self._secrets()),
            unprefixed=self._boolean("unprefixed-secrets"),
            forbidden=tuple(self._own_credentials(secrets, github)),
        )

    def _own_credentials(self, secrets: Mapping[str, SecretValue], github: GitHubSettings) -> Iterator[SecretValue]:
        texts = [self._text("app-private-key"), self._inputs.get("kubeconfig", ""), self._environ.get("KUBECONFIG", "")]
        texts += [self._environ.get(name, "") for name in _CREDENTIAL_VARIABLES]
        texts += [value.reveal() for name, value in secrets.items() if is_reserved_source(name)]
        if github.credentials:
            texts.append(github.credentials.private_key.reveal())
        # A path or a short word is no credential, and may well be somebody's value.
        yield from (
            SecretValue(text) for text in texts if len(text) >= _SHORTEST_CREDENTIAL and not text.startswith("/")
        )

    def _secrets(self) -> dict[str, SecretValue]:
        # Not stripped: a value may end in a line break. Neither the text nor the parser's excerpt is ever quoted.
        text = self._inputs.get("secrets", "")
        if not text.strip():
            return {}
        remedy = "Write `secrets: ${{ toJSON(secrets) }}`, or name the values one by one in the step's env."
        try:
            pairs = json.loads(text, object_pairs_hook=list)
        except (ValueError, RecursionError) as error:
            place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            self._wrong("secrets", f"is not JSON{place}.", remedy)
            return {}
        if not isinstance(pairs, list) or not text.lstrip().startswith("{"):
            self._wrong("secrets", "is JSON, but not an object of names and values.", remedy)
            return {}
        found: dict[str, SecretValue] = {}
        for name, value in pairs:
            # GitHub's names are the same in upper and lower case, and toJSON writes them in upper case.
            upper = name.upper()
            if not isinstance(value, str):
                if value is not None:
                    self._wrong(
                        "secrets", f"the value of {name} is not a text.", "Quote it: values are kept byte by byte."
                    )
            elif upper in found and found[upper] != SecretValue(value):
                self._wrong("secrets", f"{upper} is there twice with different values.", "Keep one of them.")
            else:
                found[upper] = SecretValue(value)
        return found
