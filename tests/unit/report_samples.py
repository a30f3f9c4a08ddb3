"""Reports of runs as people will meet them, for the tests of `secret_action/report/`."""

from __future__ import annotations

from dataclasses import replace

from secret_action.model import (
    Action,
    Consumer,
    ContentState,
    Deployer,
    Diagnosis,
    Edit,
    ExternalSecret,
    Finding,
    Location,
    Manifest,
    Parameter,
    Plan,
    PlannedParameter,
    Problem,
    Reference,
    RefreshResult,
    RefreshState,
    RunReport,
    Severity,
    Silenced,
    SourcedValue,
    StoredParameter,
    Tenants,
    WriteResult,
    WriteState,
)
from secret_action.values import SecretValue

SECRET = "correct-horse-battery-staple"
"""The text of every value in these reports; it must be in none of what is made of them."""

TENANTS = Tenants("/tmp/tenants", "4f9c2a7d1e0b8c6f5a4d3e2b1c0f9a8b7c6d5e4f", "acme/zerotouch-tenants", "main")
KEYS = ("database_url", "database_password", "openai_api_key", "stripe_api_key", "tls_certificate")
EXTERNAL_SECRETS = {
    "my-service-db": ("database_url", "database_password"),
    "my-service-llm": ("openai_api_key",),
    "my-service-payments": ("stripe_api_key",),
    "my-service-tls": ("tls_certificate",),
    "my-service-jwks": ("jwks_url",),
}


def parameter(key: str, external_secret: str, folder: str = "/zerotouch/prod/my-service") -> Parameter:
    """An owned parameter that one ExternalSecret asks for; `jwks_url` is the platform's."""
    owned = key != "jwks_url"
    path = f"{folder}/{key}" if owned else "/zerotouch/prod/zerotouch-platform/jwks_url"
    where = Location("tenants/my-service/overlays/prod/patches/secrets.yaml", 12)
    return Parameter(path, key, owned, (Reference(path, where, external_secret, key.upper()),))


def external_secret(name: str, parameters: tuple[Parameter, ...]) -> ExternalSecret:
    """A managed ExternalSecret without a namespace of its own."""
    references = tuple(reference for asked in parameters for reference in asked.references)
    where = Location("tenants/my-service/base/external-secrets.yaml", 1)
    return ExternalSecret(name, "", "external-secrets.io/v1", True, {}, {}, {}, references, where)


def manifest(environment: str = "prod") -> Manifest:
    """`my-service` with five keys of its own and one of the platform's."""
    folder = f"/zerotouch/{environment}/my-service"
    by_name = {name: tuple(parameter(key, name, folder) for key in keys) for name, keys in EXTERNAL_SECRETS.items()}
    return Manifest(
        "my-service",
        environment,
        f"tenants/my-service/overlays/{environment}",
        tuple(asked for parameters in by_name.values() for asked in parameters),
        tuple(external_secret(name, parameters) for name, parameters in by_name.items()),
        (
            Consumer("Deployment", "my-service", "my-service-db"),
            Consumer("CronJob", "my-service-report", "my-service-db"),
            Consumer("Deployment", "my-service", "my-service-llm"),
            Consumer("Deployment", "my-service", "my-service-payments"),
        ),
    )


def planned(asked: Parameter, action: Action, version: int = 3) -> PlannedParameter:
    """One line of the plan; what has a value has it from the environment's name."""
    exists = action not in (Action.CREATE, Action.MISSING, Action.SKIP)
    given = action in (Action.CREATE, Action.UPDATE, Action.UNCHANGED)
    return PlannedParameter(
        asked,
        action,
        StoredParameter(asked.path, version, "SecureString", "2025-11-03T08:15:30Z", SecretValue(SECRET))
        if exists
        else None,
        SourcedValue(SecretValue(SECRET), f"PROD_{asked.key.upper()}") if given else None,
    )


def plan(asked: Manifest, *actions: Action) -> Plan:
    """A plan with these actions for the owned parameters in their order, the last for all that follow."""
    owned = [one for one in asked.parameters if one.owned]
    found = [*actions, *[actions[-1]] * len(owned)]
    foreign = [one for one in asked.parameters if not one.owned]
    return Plan(
        (
            *(planned(one, action) for one, action in zip(owned, found, strict=False)),
            *(planned(one, Action.FOREIGN) for one in foreign),
        )
    )


def written(made: Plan, state: WriteState = WriteState.WRITTEN) -> tuple[WriteResult, ...]:
    """The outcome of each planned write, all alike."""
    return tuple(
        WriteResult(entry.parameter.path, entry.action, state, (entry.stored.version if entry.stored else 0) + 1)
        for entry in made.of(Action.CREATE, Action.UPDATE)
    )


def proven(asked: Manifest) -> tuple[RefreshResult, ...]:
    """Each ExternalSecret proven, by content but for the platform's."""
    return tuple(
        RefreshResult(
            "my-service",
            one.name,
            one.secret_name,
            RefreshState.PROVEN,
            ContentState.PROVEN,
            0.4 + 0.3 * number,
        )
        for number, one in enumerate(asked.external_secrets)
    )


def _report(mode: str = "release", **fields: object) -> RunReport:
    base = RunReport(
        mode,
        "my-service",
        "prod",
        tenants=TENANTS,
        manifests=(manifest(),),
        seconds=6.3,
        stage_seconds={"tenants": 1.1, "manifests": 0.6, "SSM": 0.9, "cluster": 3.4},
        context={"region": "eu-central-1", "cluster": "platform-prod", "store": "aws-parameter-store"},
    )
    return replace(base, **fields)  # type: ignore[arg-type]  # a builder for tests


def first_release() -> RunReport:
    """Everything created and proven."""
    made = plan(manifest(), Action.CREATE)
    return _report(plan=made, writes=written(made), refreshes=proven(manifest()))


def second_release() -> RunReport:
    """Nothing to write, everything deployed by Argo and proven; one key kept, one name that nobody asked for."""
    made = plan(manifest(), *[Action.UNCHANGED] * 4, Action.KEEP)
    title = "Argo CD Application argocd/my-service"
    deployer = Deployer(title, TENANTS.sha, f"{title} is Synced at commit {TENANTS.sha[:7]}, Healthy")
    deployed = tuple(replace(one, deployer=deployer) for one in proven(manifest()))
    return _report(plan=made, refreshes=deployed, unused_sources=("PROD_OLD_TOKEN",))


def store_not_ready() -> RunReport:
    """One value changed, and ESO's store cannot log in."""
    made = plan(manifest(), Action.UPDATE, Action.UNCHANGED)
    diagnosis = Diagnosis(
        "The store aws-parameter-store is not ready: ESO cannot assume its role.",
        "Check the role that the service account `external-secrets/external-secrets` names and its trust policy, "
        "then run this again.",
        (
            "ClusterSecretStore aws-parameter-store: Ready=False InvalidProviderConfig: unable to create client",
            "event UpdateFailed: error processing spec.data[0] (key: /zerotouch/prod/my-service/database_url), err: "
            "operation error STS: AssumeRoleWithWebIdentity, https response error StatusCode: 403",
        ),
    )
    failed = tuple(
        replace(one, state=RefreshState.FAILED, content=ContentState.NOT_CHECKED, seconds=None, diagnosis=diagnosis)
        for one in proven(manifest())
    )
    return _report(plan=made, writes=written(made), refreshes=failed, exit_code=1)


def not_taken_over() -> RunReport:
    """One ExternalSecret is not in the cluster as the manifest has it."""
    made = plan(manifest(), Action.UPDATE, Action.UNCHANGED)
    first, *rest = proven(manifest())
    late = replace(
        first,
        state=RefreshState.NOT_DEPLOYED,
        content=ContentState.NOT_CHECKED,
        seconds=None,
        diagnosis=Diagnosis(
            "The cluster still has the ExternalSecret of an earlier commit.",
            "See whether Argo CD has synced the tenant's Application.",
        ),
    )
    return _report(plan=made, writes=written(made), refreshes=(late, *rest), exit_code=1)


def planning() -> RunReport:
    """What a person must approve."""
    made = plan(manifest(), Action.CREATE, Action.UPDATE, Action.UPDATE, Action.UNCHANGED, Action.KEEP)
    create, update, *rest = made.entries
    return _report("plan", plan=Plan((create, replace(update, note="was a String"), *rest)))


def missing() -> RunReport:
    """Two values are missing, so nothing was written."""
    made = plan(manifest(), Action.MISSING, Action.MISSING, Action.UPDATE)
    problems = tuple(
        Problem(
            f"No value for `/zerotouch/prod/my-service/{key}`, and SSM has none.",
            f"Hand it over as `PROD_MY_SERVICE_{key.upper()}` or `PROD_{key.upper()}` in the step's `env:`.",
            where=Location("tenants/my-service/overlays/prod/patches/secrets.yaml", 12),
        )
        for key in KEYS[:2]
    )
    return _report(plan=made, problems=problems, exit_code=2)


def nothing_given() -> RunReport:
    """The step was given no value at all."""
    return _report(plan=plan(manifest(), Action.KEEP), refreshes=proven(manifest()))


def undone() -> RunReport:
    """The third write failed; one was put back, one was not, one was never begun."""
    made = plan(manifest(), Action.UPDATE, Action.CREATE, Action.UPDATE, Action.UPDATE, Action.UNCHANGED)
    first, second, third, fourth = written(made)
    return _report(
        plan=made,
        writes=(
            replace(first, state=WriteState.UNDONE, version=5, detail="the value of version 3 is version 5 now"),
            replace(
                second,
                state=WriteState.LEFT,
                detail="no permission for ssm:DeleteParameter",
                command=f"aws ssm delete-parameter --name {second.path}",
            ),
            replace(third, state=WriteState.FAILED, version=None, detail="KMS key is disabled"),
            replace(fourth, state=WriteState.NOT_STARTED, version=None),
        ),
        problems=(
            Problem(
                "SSM refused to write `/zerotouch/prod/my-service/openai_api_key`: the KMS key is disabled.",
                "Enable the key, or name another with `aws-kms-key-id`:\naws kms enable-key --key-id 1234abcd",
                ("The key was disabled or is to be deleted.", "`aws-kms-key-id` names the key of another account."),
            ),
        ),
        exit_code=1,
    )


def pruned() -> RunReport:
    """Nothing to write, and one parameter that no manifest asks for was deleted."""
    made = plan(manifest(), Action.UNCHANGED)
    leftover = parameter("old_token", "")
    leftover = replace(leftover, references=())
    entry = replace(planned(leftover, Action.PRUNE), note="no manifest asks for it")
    deleted = WriteResult(leftover.path, Action.PRUNE, WriteState.DELETED)
    return _report(plan=Plan((*made.entries, entry)), writes=(deleted,), refreshes=proven(manifest()))


def cancelled() -> RunReport:
    """A signal came between the writes and the proof."""
    made = plan(manifest(), Action.UPDATE, Action.UNCHANGED)
    return _report(
        plan=made,
        writes=written(made),
        cancelled=True,
        problems=(Problem("The run was cancelled (SIGTERM).", "Run it again."),),
        exit_code=1,
    )


def finding(number: int = 0, severity: Severity = Severity.ERROR) -> Finding:
    """One finding in the overlay of prod."""
    file = "tenants/my-service/overlays/prod/patches/secrets.yaml"
    return Finding(
        "placeholder-left" if severity is Severity.ERROR else "never-refreshes",
        severity,
        "The key `/zerotouch/_ENV_/my-service/database_url` still names `_ENV_`.",
        "Patch it in the overlay: `/zerotouch/prod/my-service/database_url`.",
        Location(file, 10 + number),
        "tenants/my-service/overlays/prod",
        "my-service",
        ("my-service-db", "DATABASE_URL", "/zerotouch/_ENV_/my-service/database_url"),
        (
            Edit(
                file,
                10 + number,
                ("      key: /zerotouch/_ENV_/my-service/database_url",),
                ("      key: /zerotouch/prod/my-service/database_url",),
            ),
        )
        if severity is Severity.ERROR
        else (),
    )


def silenced(number: int = 0) -> Silenced:
    """A finding that the tenant chose to live with."""
    reason = f"read by operator number {number} of the platform"
    return Silenced(finding(number, Severity.WARNING), reason, Location("tenants/my-service/secrets.yaml", 4))


def validating() -> RunReport:
    """Four overlays, three errors and a warning; one finding is silenced."""
    return _report(
        "validate",
        environment="",
        tenants=replace(TENANTS, root="/github/workspace", workflow_root="/github/workspace"),
        manifests=tuple(manifest(environment) for environment in ("dev", "pr", "staging", "prod")),
        findings=(finding(4, Severity.WARNING), *(finding(number) for number in range(3))),
        silenced=(silenced(),),
        stage_seconds={"manifests": 0.8},
        seconds=0.8,
        context={},
        exit_code=2,
    )


def many(number: int = 10_000, action: Action = Action.CREATE) -> RunReport:
    """A service with very many secrets, each with an ExternalSecret of its own."""
    parameters = tuple(parameter(f"some_rather_long_key_number_{i}", f"my-service-number-{i}") for i in range(number))
    asked = replace(
        manifest(),
        parameters=parameters,
        external_secrets=tuple(external_secret(one.references[0].external_secret, (one,)) for one in parameters),
    )
    made = Plan(tuple(planned(one, action) for one in parameters))
    return _report(manifests=(asked,), plan=made, writes=written(made), refreshes=proven(asked))


def hostile(name: str = "a|b`c\n<b>@octocat</b> [x](https://evil.example) #1 :key: \u202e") -> RunReport:
    """Every text that comes from outside is the same awkward one."""
    where = Location(name, 3)
    asked = Parameter(name, name, False, (Reference(name, where, name, name),))
    one = replace(external_secret(name, (asked,)), where=where)
    tenant = Manifest(name, name, name, (asked,), (one,), (Consumer(name, name, name),))
    diagnosis = Diagnosis(name, name, (name, f"```\n{name}\n```"))
    # One edit of a file that is there, with tabs and all, and one that makes a file.
    edits = (Edit(f"a{name}", 7, (name, f"\t{name}"), (f"```{name}", name)), Edit(f"b{name}", 1, (), (f"```\n{name}",)))
    found = Finding(name, Severity.ERROR, name, name, where, name, name, (name,), edits)
    entry = PlannedParameter(
        asked,
        Action.UPDATE,
        StoredParameter(name, 3, "String", name),
        SourcedValue(SecretValue(SECRET), name),
        name,
    )
    return RunReport(
        "release",
        name,
        name,
        tenants=Tenants(name, name, name, name),
        manifests=(tenant,),
        findings=(found, replace(found, service="another")),
        silenced=(Silenced(found, name, where),),
        unused_sources=(name,),
        plan=Plan((entry,)),
        writes=(WriteResult(name, Action.UPDATE, WriteState.LEFT, 4, name, name),),
        refreshes=(
            RefreshResult(
                name,
                name,
                name,
                RefreshState.FAILED,
                detail=name,
                diagnosis=diagnosis,
                deployer=Deployer(name, name, name),
            ),
        ),
        warnings=(name,),
        notices=(name,),
        problems=(Problem(name, name, (name, name), where),),
        exit_code=1,
        stage_seconds={name: 1.0},
        context={name: name},
    )


ALL = {
    sample.__name__: sample
    for sample in (
        first_release,
        second_release,
        store_not_ready,
        not_taken_over,
        planning,
        missing,
        nothing_given,
        undone,
        pruned,
        cancelled,
        validating,
        many,
        hostile,
    )
}
