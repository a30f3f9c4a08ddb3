"""What can go wrong between SSM and a Secret, on a real API server with a real operator.

Each kind does its harm in the middle of a run; some of it mends by itself, and `Site.mend` does the rest.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.http import Request
from tests.real.site import Site, otherwise


class Troubles:
    """All that can go wrong at a site, by name; each is called with its victim, in a thread of its own."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self._site = site
        self._chance = chance

    @staticmethod
    def names() -> list[str]:
        """Of all kinds."""
        others = ("names", "slow_down")
        return [name.replace("_", " ") for name in vars(Troubles) if name[0] != "_" and name not in others]

    def slow_down(self, seconds: float) -> None:
        """SSM takes its time with every second question of the operator's, to the end of the round."""

        def hit(request: Request) -> bool:
            return _asked_by_operator(request) and self._chance.random() < 0.5

        self._site.aws.faults.add(hit, delay=seconds, times=None)

    def _pause(self, shortest: float, longest: float) -> None:
        self._site.over.wait(self._chance.uniform(shortest, longest))

    def _again_and_again(self, act: Callable[[], object], shortest: float, longest: float) -> None:
        while not self._site.over.is_set():
            act()
            self._pause(shortest, longest)

    # The operator

    def operator_killed_and_back(self, _: str) -> None:
        self._site.take("operator")
        self._pause(0, 2.0)
        self._site.give("operator")

    def operator_never_back(self, _: str) -> None:
        self._site.take("operator")

    def clock_of_the_operator(self, victim: str) -> None:
        """What it writes is an hour ahead, or behind."""
        there = time.time() + self._chance.choice([-3600, 3600])
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(there))
        for _ in range(5):
            path = f"{self._site.path(victim)}/status"
            self._site.cluster.request("PATCH", path, {"status": {"refreshTime": stamp}})
            self._pause(0, 0.3)

    # What ESO reads

    def _ssm(self, code: str, message: str) -> None:
        """It fails for the operator alone."""
        body = json.dumps({"__type": code, "message": message})
        headers = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": code}
        fault = self._site.aws.faults.add(
            _asked_by_operator,
            status=500 if code == "InternalServerError" else 400,
            headers=headers,
            body=body,
            times=self._chance.choice([3, 12, None]),
        )
        self._pause(0, 4.0)
        fault.times = fault.taken

    def ssm_throttles_the_operator(self, _: str) -> None:
        self._ssm("ThrottlingException", "Rate exceeded")

    def ssm_denies_the_operator(self, _: str) -> None:
        self._ssm("AccessDeniedException", "User: x is not authorized to perform: ssm:GetParameter on resource: y")

    def ssm_fails_the_operator(self, _: str) -> None:
        self._ssm("InternalServerError", "An error occurred on the server side.")

    def parameter_away(self, victim: str) -> None:
        spec = self._site.manifests[victim]["spec"]
        read = [each["remoteRef"]["key"] for each in spec.get("data", ())]
        path = self._chance.choice(read or [each["extract"]["key"] for each in spec.get("dataFrom", ())])
        if path in self._site.aws.parameters():
            value = self._site.aws.parameters()[path]["value"]
            self._site.aws.delete(path)
            self._pause(0, 2.0)
            if path not in self._site.aws.parameters():
                self._site.aws.put(path, value)

    # Other actors

    def annotation_taken(self, victim: str) -> None:
        bare = {"metadata": {"annotations": {"force-sync": None}}}
        self._again_and_again(lambda: self._site.change(victim, bare), 0, 0.1)

    def annotation_replaced(self, victim: str) -> None:
        for number in range(10):
            self._site.change(victim, {"metadata": {"annotations": {"force-sync": f"another's {number}"}}})
            self._pause(0, 0.2)

    def label_lost(self, victim: str) -> None:
        self._site.change(victim, {"metadata": {"labels": {"zerotouch.io/managed": None}}})

    def made_anew(self, victim: str) -> None:
        self._site.remove(victim)
        self._pause(0, 0.5)
        self._site.deploy(victim)

    def deleted(self, victim: str) -> None:
        self._site.remove(victim)

    def _elsewise(self, victim: str) -> None:
        other = otherwise(self._site.manifests[victim], self._chance, sorted(self._site.values))
        self._site.deploy(victim, other)

    def spec_changed(self, victim: str) -> None:
        self._elsewise(victim)

    def spec_changed_and_back(self, victim: str) -> None:
        for _ in range(self._chance.randint(1, 4)):
            self._elsewise(victim)
            self._pause(0, 0.7)
            self._site.deploy(victim)
            self._pause(0, 0.7)

    def secret_deleted(self, victim: str) -> None:
        self._site.cluster.request("DELETE", self._site.path(victim, "secrets"))

    def secret_overwritten(self, victim: str) -> None:
        change = {"stringData": {"key": "another's"}}
        self._site.cluster.request("PATCH", self._site.path(victim, "secrets"), change)

    # The ground

    def namespace_deleted(self, _: str) -> None:
        self._site.remove_namespace()

    def definition_removed(self, _: str) -> None:
        """The operator does not start without it."""
        self._site.take("definition")
        self._site.take("operator")
        if self._chance.random() < 0.5:
            self._pause(0, 1.0)
            self._site.give("definition")
            for name in self._site.manifests:
                self._site.deploy(name)
            self._site.give("operator")

    def api_server_restarts(self, _: str) -> None:
        self._site.cluster.restart_apiserver()
        self._site.restart_operator()

    def etcd_lost(self, _: str) -> None:
        self._site.take("etcd")
        self._pause(0.5, 10.0)
        self._site.give("etcd")
        self._site.restart_operator()

    # The way to the API server

    def _answers(self, share: float = 1.0, times: int | None = None, **answer: Any) -> None:
        """For a while, or to the end."""

        def hit(_: Request) -> bool:
            return self._chance.random() < share

        fault = self._site.door.faults.add(hit, times=times, **answer)
        self._pause(0.2, 4.0)
        if self._chance.random() < 0.7:
            fault.times = fault.taken

    def door_401(self, _: str) -> None:
        """As with a token that has expired."""
        self._answers(status=401)

    def door_403(self, _: str) -> None:
        """One verb is allowed no more."""
        matches: list[Callable[[Request], bool]] = [
            lambda request: request.method == "PATCH",
            lambda request: bool(request.query.get("watch")),
            lambda request: request.path.endswith("/externalsecrets") and not request.query.get("watch"),
            lambda request: "/secrets/" in request.path,
            lambda request: request.path.endswith("/events"),
        ]
        self._site.door.faults.add(self._chance.choice(matches), status=403, times=None)

    def door_409(self, _: str) -> None:
        self._site.door.faults.add(lambda request: request.method == "PATCH", status=409, times=self._few())

    def door_429(self, _: str) -> None:
        self._answers(0.4, self._few(), status=429, headers={"Retry-After": "1"})

    def door_500(self, _: str) -> None:
        self._answers(0.5, self._few(), status=self._chance.choice([500, 502, 503, 504]))

    def door_slow(self, _: str) -> None:
        self._answers(0.5, delay=self._chance.uniform(0.1, 1.0))

    def door_loses_connections(self, _: str) -> None:
        self._answers(0.4, self._few(), drop=self._chance.choice(["before", "after"]))

    def door_cuts_watches(self, _: str) -> None:
        self._again_and_again(self._site.door.drop_watches, 0.1, 1.0)

    def door_410_at_each_resume(self, _: str) -> None:
        def gone() -> None:
            config_map = {"metadata": {"name": f"c-{time.monotonic_ns()}"}}
            self._site.cluster.request("POST", "/api/v1/namespaces/default/configmaps", config_map)
            self._site.door.forget()
            self._site.door.drop_watches()

        self._again_and_again(gone, 0.1, 1.0)

    def door_410_always(self, _: str) -> None:
        self._site.door.faults.add(lambda request: bool(request.query.get("watch")), status=410, times=None)

    def _few(self) -> int:
        return self._chance.randint(1, 12)


def _asked_by_operator(request: Request) -> bool:
    return "Credential=test/" in request.headers.get("authorization", "")


SLOW: Mapping[str, float] = {"api server restarts": 25.0, "etcd lost": 25.0, "definition removed": 20.0}
"""How long a run waits at most where this goes wrong, in seconds."""
