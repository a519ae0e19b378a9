"""Builds each delivery once per state of its inputs.

State: per delivery the last assembly, so that a changed variable costs no new run of kustomize; in memory only.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from agent.kit.tasks import Offload
from agent.kit.telemetry import Telemetry
from agent.kit.tracing import Step, Traceparent
from agent.kube.watch import Key
from agent.model.content import canonical, digest_of
from agent.model.names import Digest, HomeName
from hub.artifacts.contents import ContentLost, TreeDigest
from hub.build import kustomize
from hub.build.decrypt import Decryption, Opening, render_opened, with_keys
from hub.build.errors import BuildFailed
from hub.build.files import Files
from hub.build.objects import Marks
from hub.delivery.bundle import Assembly
from hub.delivery.candidate import Candidate
from hub.model.kustomization import Kustomization


class Trees(Protocol):
    """Where the files of sources are."""

    def opened(self, digest: TreeDigest) -> Files | None:
        """Return a tree that was opened before, at once."""
        ...

    def tree(self, digest: TreeDigest) -> Files | None:
        """Open a tree, which takes long for large ones; None when it is not here."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """An assembly and what it follows from: the spec, the marks, and what is at or below some paths of the tree."""

    spec: Digest
    marks: Marks
    paths: tuple[str, ...]
    contents: Digest
    assembly: Assembly

    def follows_from(self, spec: Digest, marks: Marks, files: Files) -> bool:
        """Tell whether the same would come of these."""
        # What follows from the whole tree is not looked for: another tree is another one.
        return (
            (self.spec, self.marks) == (spec, marks)
            and "." not in self.paths
            and files.digest(self.paths) == self.contents
        )


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
            "Runs of kustomize, and Bundles that a cluster was given without one, because another had them.",
            result=("run", "failed", "shared"),
        )
        self._kept: dict[Key, tuple[Digest, _Made]] = {}
        self._refused: dict[Key, Digest] = {}
        self.runs = 0
        """How often kustomize ran."""

    async def assembly(
        self,
        delivery: Kustomization,
        candidate: Candidate,
        home: HomeName,
        cause: Traceparent,
        decryption: Decryption | None = None,
    ) -> Assembly:
        """Return the rendered resources of a Candidate. Raises BuildFailed, TreeMissing, RenderUnavailable."""
        key = (delivery.metadata.namespace, delivery.metadata.name)
        # Other keys may decrypt what these do not, so they are an input like the spec.
        spec = digest_of(canonical([candidate.spec, decryption.identity if decryption else ""]))
        identity = digest_of(canonical([candidate.tree, spec, candidate.tools, home.namespace, home.name]))
        before, kept = self._kept.get(key, (None, None))
        if kept is not None and before == identity:
            return kept.assembly
        files, marks = await self._files(candidate), _marks(delivery, home)
        if kept is not None and kept.follows_from(spec, marks, files):
            self._kept[key] = (identity, kept)
            return kept.assembly
        span = self._tracer.span(Step.BUILD, cause, delivery=str(home), revision=candidate.revision)
        try:
            selection, outcome, changed = await self._render(files, delivery, decryption)
            assembly = Assembly(outcome.rendered, marks, span.traceparent, changed)
        except BuildFailed as problem:
            if self._refused.get(key) != identity:
                # What fails again and again is one step that failed.
                span.end(problem=type(problem).__name__)
            self._refused[key] = identity
            self._counted.labels("failed").inc()
            raise
        span.end()
        self._counted.labels("run").inc()
        self._refused.pop(key, None)
        paths = selection.paths if outcome.of_few else (".",)
        made = _Made(spec=spec, marks=marks, paths=paths, contents=files.digest(paths), assembly=assembly)
        self._kept[key] = (identity, made)
        return assembly

    async def _files(self, candidate: Candidate) -> Files:
        digest = TreeDigest(candidate.tree)
        files = self._trees.opened(digest) or await self._offload(lambda: self._trees.tree(digest))
        if files is None:
            raise TreeMissing(f"the files of {candidate.revision} are not here yet")
        return files

    async def _render(
        self, files: Files, delivery: Kustomization, decryption: Decryption | None
    ) -> tuple[kustomize.Selection, kustomize.Outcome, tuple[str, ...]]:
        """Return what was built of what, and the names of what was changed since it was encrypted."""
        try:
            selection = await self._offload(lambda: kustomize.select(files, delivery.raw_spec))
            self.runs += 1
            if decryption is None:
                return selection, await kustomize.render(self._renderer, selection), ()
            opening = Opening(decryption)
            opened = await with_keys(decryption, self._offload, lambda: opening.sources(selection))
            outcome = await render_opened(self._renderer, selection, opened)
            used = selection.used(outcome)
            rendered = await with_keys(
                decryption, self._offload, lambda: opening.resources(outcome.rendered, used)
            )
            return selection, replace(outcome, rendered=rendered), tuple(opening.changed)
        except ContentLost as problem:
            raise TreeMissing(str(problem)) from problem

    def shared(self) -> None:
        """Note that a cluster is given a Bundle that was made before."""
        self._counted.labels("shared").inc()

    def forget(self, key: Key) -> None:
        """Drop what is kept for a delivery that is gone."""
        self._kept.pop(key, None)
        self._refused.pop(key, None)


def _marks(delivery: Kustomization, home: HomeName) -> Marks:
    common = delivery.spec.common_metadata
    return Marks(
        name=home.name, namespace=home.namespace, labels=common.labels, annotations=common.annotations
    )
