"""Users of the real API server with exactly the rights that a test gives them."""

from __future__ import annotations

import csv
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.real.client import Client
from sandbox.real.process import POLL, ClusterError

RBAC = "rbac.authorization.k8s.io"
Rule = Mapping[str, Sequence[str]]
"""An RBAC PolicyRule: ``{"apiGroups": [...], "resources": [...], "verbs": [...]}``."""


class Tokens:
    """The tokens that the API server knows. It reads them at its start only, so all are made before."""

    def __init__(self, spare: int) -> None:
        """Make the admin's token and ``spare`` tokens of users without any right."""
        self.admin = secrets.token_urlsafe(24)
        self.users = {f"u{number}": secrets.token_urlsafe(24) for number in range(spare)}

    def write(self, file: Path) -> None:
        """Write the file for the API server's ``--token-auth-file``."""
        with file.open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow([self.admin, "admin", "admin", "system:masters"])
            rows.writerows([token, user, user, ""] for user, token in self.users.items())


class Users:
    """Hands out the spare tokens and binds rules to them."""

    def __init__(self, client: Client, tokens: Tokens) -> None:
        self._client = client
        self._spare = list(tokens.users.items())
        self._named: dict[str, tuple[str, str]] = {}
        self._grants = 0

    def add(self, name: str, rules: Sequence[Rule], namespaces: Sequence[str] | None = None) -> str:
        """Give the user of that name (a new one, or one added before) these rights besides those it has.

        The rules hold in the namespaces given, which must exist, or in the whole cluster where that is
        None. Returns the user's token, when the API server already honours them.
        Raises ``ClusterError`` when all tokens are taken, or the rules are refused.
        """
        if name not in self._named:
            if not self._spare:
                raise ClusterError(f"no token is left for the user {name}")
            self._named[name] = self._spare.pop(0)
        user, token = self._named[name]
        for namespace in [None] if namespaces is None else namespaces:
            self._grants += 1
            self._bind(f"{name}-{self._grants}", user, rules, namespace)
            for rule in rules:
                self._wait_for(rule, token, namespace)
        return token

    def _bind(self, role: str, user: str, rules: Sequence[Rule], namespace: str | None) -> None:
        prefix = "" if namespace else "Cluster"
        metadata = {"name": role} | ({"namespace": namespace} if namespace else {})
        head = {"apiVersion": f"{RBAC}/v1", "metadata": metadata}
        self._client.apply({**head, "kind": f"{prefix}Role", "rules": [dict(rule) for rule in rules]})
        self._client.apply(
            {
                **head,
                "kind": f"{prefix}RoleBinding",
                "roleRef": {"apiGroup": RBAC, "kind": f"{prefix}Role", "name": role},
                "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
            }
        )

    def _wait_for(self, rule: Rule, token: str, namespace: str | None) -> None:
        """The API server learns of new rules by a watch: a moment after it has stored them."""
        if "resources" not in rule:
            return
        resource, _, subresource = rule["resources"][0].partition("/")
        asked: dict[str, Any] = {
            "verb": rule["verbs"][0],
            "group": rule["apiGroups"][0],
            "resource": resource,
            "subresource": subresource,
            "name": next(iter(rule.get("resourceNames", ())), ""),
            "namespace": namespace or "",
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
            status, answer = self._client.request("POST", path, review, token=token)
            if status == 201 and answer["status"]["allowed"]:
                return
            time.sleep(POLL)
        raise ClusterError(f"the API server does not honour {dict(rule)}")
