"""Builds each delivery once per state of its inputs.

State: per delivery the last assembly, so that a changed variable costs no new run of kustomize; in memory only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from agent.kit.tasks import Offload
from agent.kit.telemetry import Telemetry
from agent.kit.tracing import Step, Traceparent
from agent.kube.watch import Key
from agent.model.content import canonical, digest_of
from agent.model.names import Digest, HomeName
from hub.artifacts.contents import ContentLost, TreeDigest
from hub.build import kustomize
from hub.build.errors import BuildFailed
from hub.build.objects import Marks
from hub.delivery.bundle import Assembly
from hub.delivery.candidate import Candidate
from hub.model.kustomization import Kustomization


class Trees(Protocol):
    """Where the files of sources are."""

    def tree(self, digest: TreeDigest) -> Mapping[str, bytes] | None:
        """Return a tree's files by name, None when it is not here."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """An assembly, its marks, and the digest of the files that sufficed for it; None when the whole tree was needed."""

    files: Digest | None
    marks: Marks
    assembly: Assembly


class TreeMissing(Exception):
    """The files of the source's artifact are not here; they are fetched again."""


class Builds:
    """The assemblies of all deliveries."""

    def __init__(
        self, renderer: kustomize.Renderer, trees: Trees, telemetry: Telemetry, offload: Offload
    ) -> None:
        self._renderer = renderer
        self._trees = trees
        self._offload = offload
        self._tracer = telemetry.tracer
        self._counted = telemetry.counter(
            "cartwheel_builds",
            "Runs of kustomize, and Bundles that were there already, for this cluster or another.",
            result=("run", "failed", "shared"),
        )
        self._kept: dict[Key, tuple[Digest, _Made]] = {}
        self._refused: dict[Key, Digest] = {}
        self.runs = 0
        """How often kustomize ran."""

    async def assembly(
        self, delivery: Kustomization, candidate: Candidate, home: HomeName, cause: Traceparent
    ) -> Assembly:
        """Return the rendered resources of a Candidate. Raises BuildFailed, TreeMissing, RenderUnavailable."""
        key = (delivery.metadata.namespace, delivery.metadata.name)
        inputs = [candidate.tree, candidate.spec, candidate.tools, home.namespace, home.name]
        identity = digest_of(canonical(inputs))
        before, kept = self._kept.get(key, (None, None))
        if kept is not None and before == identity:
            return kept.assembly
        span = self._tracer.span(Step.BUILD, cause, delivery=str(home), revision=candidate.revision)
        try:
            made = await self._build(delivery, candidate, home, kept, span.traceparent)
        except BuildFailed as problem:
            if self._refused.get(key) != identity:
                # What fails again and again is one step that failed.
                span.end(problem=type(problem).__name__)
            self._refused[key] = identity
            self._counted.labels("failed").inc()
            raise
        if kept is None or made.assembly is not kept.assembly:
            span.end()
            self._counted.labels("run").inc()
        self._refused.pop(key, None)
        self._kept[key] = (identity, made)
        return made.assembly

    async def _build(
        self,
        delivery: Kustomization,
        candidate: Candidate,
        home: HomeName,
        kept: _Made | None,
        traceparent: Traceparent,
    ) -> _Made:
        """Render the Candidate; what is kept is returned when it was made of the very same files."""
        files = await self._offload(lambda: self._trees.tree(TreeDigest(candidate.tree)))
        if files is None:
            raise TreeMissing(f"the files of {candidate.revision} are not here yet")
        common = delivery.spec.common_metadata
        marks = Marks(
            name=home.name, namespace=home.namespace, labels=common.labels, annotations=common.annotations
        )
        try:
            selection, digest = await self._offload(lambda: _select(files, delivery.raw_spec))
            if kept is not None and (kept.files, kept.marks) == (digest, marks):
                return kept
            self.runs += 1
            outcome = await kustomize.render(self._renderer, selection)
        except ContentLost as problem:
            raise TreeMissing(str(problem)) from problem
        return _Made(
            files=digest if outcome.of_few else None,
            marks=marks,
            assembly=Assembly(outcome.rendered, marks, traceparent),
        )

    def shared(self) -> None:
        """Note that a cluster gets a Bundle that was made before."""
        self._counted.labels("shared").inc()

    def forget(self, key: Key) -> None:
        """Drop what is kept for a delivery that is gone."""
        self._kept.pop(key, None)
        self._refused.pop(key, None)


def _select(files: Mapping[str, bytes], spec: Mapping[str, object]) -> tuple[kustomize.Selection, Digest]:
    selection = kustomize.select(files, spec)
    return selection, selection.digest
