"""A cluster for tests of tokens: a few objects, a clock that is set by hand, and who may come."""

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.kube.api import Object
from hub.sandbox.access.identities import Identities
from hub.sandbox.access.token_request import answer_token_request
from hub.sandbox.access.tokens import API_AUDIENCES, AccountTokens, Rejected
from hub.sandbox.wire import Caller


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


class Cluster:
    """One cluster with a ServiceAccount, a Secret, a Node and a Pod."""

    def __init__(self, seed: str = "a") -> None:
        self.clock = Clock()
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.add("serviceaccounts", "plain", uid="u1")
        self.add("secrets", "bound", uid="u2")
        self.add("nodes", "n1", uid="u3", namespace="")
        self.add("pods", "p1", uid="u4", spec={"serviceAccountName": "plain", "nodeName": "n1"})
        self.add("pods", "p2", uid="u5", spec={"serviceAccountName": "other"})
        self._ids = iter(f"{seed}{number}" for number in range(100))
        self.tokens = AccountTokens(clock=self.clock, read=self.read, new_id=lambda: next(self._ids))
        self.identities = Identities(
            fixed={"root": Caller(name="admin", uid="admin", groups=("cartwheel:admins",))},
            accounts=self.tokens,
        )

    def add(self, plural: str, name: str, *, uid: str, namespace: str = "access", **fields: Any) -> None:
        metadata = {"name": name, "uid": uid, **({"namespace": namespace} if namespace else {})}
        self.objects[plural, namespace, name] = {"metadata": metadata, **fields}

    def read(self, plural: str, namespace: str, name: str) -> Object | None:
        return self.objects.get((plural, namespace, name))

    def request(self, name: str = "plain", metadata: Any = None, **spec: Any) -> Object:
        body = {"metadata": metadata or {}, "spec": spec}
        return answer_token_request(
            body, namespace="access", name=name, tokens=self.tokens, clock=self.clock, read=self.read
        )

    def token(self, **spec: Any) -> str:
        return str(self.request(**spec)["status"]["token"])

    def said_of(self, token: str, *audiences: str) -> str:
        with pytest.raises(Rejected) as caught:
            self.identities.authenticate(token, audiences or API_AUDIENCES)
        return str(caught.value)
