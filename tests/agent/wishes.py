"""Wishes for tests: manifests, bundles, assignments and heads with little text."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent.kit.tracing import NO_TRACE
from agent.model.assignment import Assignment, DeliverySpec, Order, PruneLimit
from agent.model.content import EMPTY, Bundle, Index, Manifest, digest_of
from agent.model.head import Head
from agent.model.names import ClusterId, Digest, HomeName, ObjectRef

CLUSTER = ClusterId("cluster-1")
WEB = HomeName("Kustomization", "apps", "web")
OTHER = HomeName("Kustomization", "apps", "other")
LIMIT = PruneLimit()
FIRST = Order(1, 1)
SPEC = DeliverySpec(interval_s=600.0, retry_interval_s=60.0, timeout_s=120.0, prune=True)


class Contents(dict[Digest, bytes]):
    """A hub's content of which all was wished for everywhere."""

    def kept(self, _: object, digest: Digest) -> bytes | None:
        return self.get(digest)


def config_map(
    name: str, text: str = "one", owner: HomeName = WEB, *, annotations: Mapping[str, str] | None = None
) -> Manifest:
    """Return a ConfigMap in namespace apps with the owner labels of a delivery."""
    labels = {
        "kustomize.toolkit.fluxcd.io/name": owner.name,
        "kustomize.toolkit.fluxcd.io/namespace": owner.namespace,
    }
    metadata: dict[str, Any] = {"name": name, "namespace": "apps", "labels": labels}
    if annotations:
        metadata["annotations"] = dict(annotations)
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": text}}
    return Manifest.of(value, ObjectRef("", "ConfigMap", "apps", name))


def bundle(manifests: Iterable[Manifest]) -> Bundle:
    """Return a Bundle without an overlay."""
    return Bundle(base=Index.of(one.entry() for one in manifests), overlay=EMPTY)


def blobs(manifests: Iterable[Manifest]) -> dict[Digest, bytes]:
    """Return manifests by digest."""
    return {one.digest: one.body for one in manifests}


def assignment(
    manifests: Iterable[Manifest] = (),
    *,
    home: HomeName = WEB,
    uid: str = "uid-1",
    order: Order = FIRST,
    spec: DeliverySpec = SPEC,
    cluster: ClusterId = CLUSTER,
    tokens: Mapping[str, str] | None = None,
    prune_limit: PruneLimit = LIMIT,
    source: str = "GitRepository/apps/repo",
) -> Assignment:
    return Assignment(
        cluster=cluster,
        home=home,
        uid=uid,
        generation=1,
        order=order,
        candidate=digest_of(b"candidate"),
        bundle=bundle(manifests).ref,
        source=source,
        spec=spec,
        tokens=tokens or {},
        prune_limit=prune_limit,
    )


def head(manifests: Iterable[Manifest] = (), **named: Any) -> Head:
    """Return a head as it is when the assignment has just come: `revision`, `traceparent` and what `assignment` takes."""
    manifests = tuple(manifests)
    traceparent = named.pop("traceparent", NO_TRACE)
    revision = named.pop("revision", "main@sha1:1")
    wished = bundle(manifests)
    return Head(
        raw_assignment=assignment(manifests, **named).encode(),
        revision=revision,
        base=wished.base.encode(),
        overlay=wished.overlay.encode(),
        traceparent=traceparent,
    )


def reordered(value: Head, order: Order) -> Head:
    """Return a head whose assignment has another order."""
    return replace(value, raw_assignment=replace(value.assignment, order=order).encode())
