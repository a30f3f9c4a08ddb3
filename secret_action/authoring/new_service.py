"""`new-service`: a whole tenant, laid out as the platform wants it, with or without its first keys."""

from __future__ import annotations

from dataclasses import replace

from secret_action.authoring import manifests
from secret_action.authoring.manifests import Habits
from secret_action.authoring.request import LABEL, Request
from secret_action.authoring.work import Work, next_steps
from secret_action.errors import InputError
from secret_action.manifest.draft import Draft
from secret_action.manifest.yaml_edit import dump
from secret_action.manifest.yaml_style import inline
from secret_action.model import Problem

_REPEAT = (
    "# A strategic merge patch replaces a custom resource's list as a whole: repeat every entry of the base here.\n"
)
_CLAIM = """\
# What is marked with FILL IN is yours to say before the first deployment.
apiVersion: platform.zerotouch.io/v1alpha1
kind: WebService
metadata:
  name: {name}
  namespace: {namespace}
spec:
  image: registry.example/{service}:0.0.0 # FILL IN: the image and its tag
  port: 8080 # FILL IN: where the container listens
  replicas: 1
  hostname: {service}.{environment}.example # FILL IN: where users find it
"""


def new_service(request: Request, draft: Draft) -> Work:
    """Lays out a tenant. Raises InputError for a name that cannot be deployed, or where its folder is there already."""
    if not LABEL.fullmatch(request.service):
        raise InputError(
            Problem(
                f"“{request.service}” cannot be a service's name: Kubernetes takes it neither for a namespace nor for "
                "what runs there.",
                "Use at most 63 lower-case letters, digits and hyphens.",
            )
        )
    folder = request.folder
    if (request.root / folder).exists():
        raise InputError(
            Problem(f"{folder} is there already.", "Use add-secret for a service that exists, or choose another name.")
        )
    if request.entries and not request.secret:
        request = replace(request, secret=f"{request.service}-secrets")
    habits = Habits(namespace=request.namespace or request.service)
    files = {}
    resources = []
    if request.secret:
        name = request.file or f"external-secrets/{manifests.file_name(request.service, request.secret)}"
        files[f"base/{name}"] = dump(manifests.external_secret(request, habits))
        resources.append(name)
    labels = {"app.kubernetes.io/name": request.service, "tenant": request.service}
    files["base/kustomization.yaml"] = dump(manifests.kustomization(resources, labels=[{"pairs": labels}]))
    for environment in request.environments:
        overlay = f"overlays/{environment}"
        patches = []
        if request.secret:
            patches.append({"path": "patches/secrets-patch.yaml"})
            files[f"{overlay}/patches/secrets-patch.yaml"] = _REPEAT + dump(
                manifests.patch(request, habits, environment)
            )
        files[f"{overlay}/kustomization.yaml"] = dump(
            manifests.kustomization(["../../base", "deployment.yaml"], patches=patches)
        )
        claim = _CLAIM.format(
            name=inline(request.service),
            namespace=inline(habits.namespace),
            service=request.service,
            environment=environment,
        )
        secret = f"  secret1Name: {inline(request.secret)}\n" if request.secret else ""
        files[f"{overlay}/deployment.yaml"] = claim + secret
    for name, text in files.items():
        draft.put(f"{folder}/{name}", text)
    done = [f"{folder}/base: the kustomization" + (f", and ExternalSecret {request.secret}" if request.secret else "")]
    done += [f"{folder}/overlays/{environment}: the deployment and its paths" for environment in request.environments]
    steps = [f"Fill in what {folder}/overlays/*/deployment.yaml marks with FILL IN."]
    if not request.secret:
        steps.append(f"Add its secrets: secret-sync add-secret {request.service} KEY --secret NAME.")
    return Work(draft, tuple(done), (*steps, *next_steps(request, request.environments)))
