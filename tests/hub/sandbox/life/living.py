"""A cluster that lives, in virtual time, and what tests do to it and ask of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from agent.health.assess import assess, compute
from agent.health.replicas import assess_with_pods, needs_pods
from agent.kit.tasks import Tasks
from agent.kube.api import Object
from agent.model.health import Health
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.drafts import STRATEGIC_PATCH, Options
from hub.sandbox.life import kinds as of
from hub.sandbox.life.life import Life
from hub.sandbox.server import Server
from hub.sandbox.storage import KindKey
from hub.sandbox.verbs import Deletion
from tests.fakes.clock import FakeClock

NAMESPACE = "default"
USER = Options(manager="kubectl")
LABELS = {"app": "web"}


class Living:
    """One cluster with life in it."""

    def __init__(self, server: Server, clock: FakeClock, life: Life) -> None:
        self.server = server
        self.life = life
        self.clock = clock

    async def settle(self, seconds: float = 0.001) -> None:
        """Let time pass, and all that it brings happen."""
        await self.clock.sleep(seconds)

    async def create(self, kind: KindKey, value: Object, *, after_s: float = 0.001) -> Object:
        metadata = (
            {"namespace": NAMESPACE, **value["metadata"]} if _is_namespaced(kind) else value["metadata"]
        )
        target = self.server.target(kind, (metadata.get("namespace", ""), ""))
        made = self.server.verbs.create(target, {**value, "metadata": metadata}, USER).value
        await self.settle(after_s)
        return made

    async def change(self, kind: KindKey, name: str, patch: Object, *, after_s: float = 0.001) -> None:
        target = self.server.target(kind, self._place(kind, name))
        self.server.verbs.patch(target, patch, STRATEGIC_PATCH, USER)
        await self.settle(after_s)

    async def delete(
        self,
        kind: KindKey,
        name: str,
        *,
        after_s: float = 0.001,
        grace_s: int | None = None,
        propagation: str = "",
    ) -> None:
        target = self.server.target(kind, self._place(kind, name))
        self.server.verbs.delete(target, Deletion(grace_s=grace_s, propagation=propagation))
        await self.settle(after_s)

    def get(self, kind: KindKey, name: str) -> Any:
        """Return an object, None when there is none."""
        found = self.server.storage.get(kind, self._place(kind, name))
        return None if found is None else self._shown(kind, found)

    def all(self, kind: KindKey) -> list[Any]:
        return [self._shown(kind, value) for _, value in self.server.storage.all(kind)]

    def health(self, kind: KindKey, name: str, *, of_kstatus: bool = False) -> Health:
        """Judge an object as the agent does, by its Pods too where they have a say."""
        value = self.get(kind, name)
        now = self.clock.now()
        found = (compute if of_kstatus else assess)(value, now)
        return assess_with_pods(found, self.all(of.PODS), now) if needs_pods(value, found) else found

    def conditions(self, kind: KindKey, name: str) -> dict[str, tuple[str, str]]:
        """Return status and reason of each condition."""
        found = self.get(kind, name)["status"].get("conditions", [])
        return {one["type"]: (one["status"], one.get("reason", "")) for one in found}

    def reasons(self) -> set[str]:
        """Return why there are events."""
        return {one["reason"] for one in self.all(of.EVENTS)}

    def age_s(self, text: str) -> float:
        return (self.clock.now() - datetime.fromisoformat(text)).total_seconds()

    def _place(self, kind: KindKey, name: str) -> tuple[str, str]:
        return (NAMESPACE if _is_namespaced(kind) else "", name)

    def _shown(self, kind: KindKey, value: Object) -> Object:
        resource = self.server.target(kind, ("", "")).behaviour.resource
        return {"kind": resource.kind, "apiVersion": resource.api_version, **value}


@asynccontextmanager
async def living() -> AsyncIterator[Living]:
    """Have a cluster live as long as the test needs it; a life that fails fails the test."""
    clock = FakeClock()
    server = new_cluster(clock, {"secret": admin()})
    async with Tasks() as tasks:
        life = Life(server, clock)
        running = tasks.start(life.run(), name="life")
        await clock.sleep(0)
        yield Living(server, clock, life)
        if running.done():
            running.result()


def template(image: str = "web:1", *, policy: str = "Always", **spec: Any) -> Object:
    containers = [{"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]
    return {
        "metadata": {"labels": dict(LABELS)},
        "spec": {"containers": containers, "restartPolicy": policy, **spec},
    }


def workload(image: str = "web:1", *, name: str = "web", **spec: Any) -> Object:
    """Return what Deployment, ReplicaSet, StatefulSet and DaemonSet have in common."""
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": dict(LABELS)}, "template": template(image), **spec},
    }


def image_patch(image: str) -> Object:
    return {"spec": {"template": template(image)}}


def _is_namespaced(kind: KindKey) -> bool:
    return kind not in (of.NAMESPACES, of.NODES, of.VOLUMES, of.CLASSES)
