"""From rendered resources to the Bundle of each cluster: substituted once per distinct set of values that a resource references.

State: per Candidate, in memory only, the rendered resources and the manifests made of them, which may hold values of Secrets. What used
no value of the cluster is in the base, all else in the overlay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent.kit.tracing import NO_TRACE, Traceparent
from agent.model.content import Bundle, Index, Manifest
from agent.model.inventory import format_id, is_exact
from agent.model.names import Digest, ObjectRef, group_of
from hub.build.envsubst import Budget
from hub.build.errors import BuildFailed
from hub.build.objects import Marks, check_identity, finish
from hub.build.render import Rendered
from hub.build.substitute import Substitution, check_names, referenced, substitute
from hub.delivery.variables import Variables

_Used = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A Bundle, the bytes that it names (manifests and both indexes), and the ids of the objects that hold values of Secrets."""

    bundle: Bundle
    blobs: Mapping[Digest, bytes] = field(repr=False)
    confidential: tuple[str, ...] = ()


class Assembly:
    """The resources of one Candidate. Raises BuildFailed when one of them is no object of Kubernetes."""

    def __init__(
        self,
        rendered: Sequence[Rendered],
        marks: Marks,
        traceparent: Traceparent = NO_TRACE,
        changed: tuple[str, ...] = (),
    ) -> None:
        for resource in rendered:
            check_identity(resource.object)
        self.traceparent = traceparent
        """Of the step that made it."""
        self.changed = changed
        """What was changed after it was encrypted, by name."""
        self._rendered = rendered
        self._marks = marks
        self._names: list[frozenset[str]] | None = None
        self._manifests: dict[tuple[int, bool, _Used], tuple[Manifest, ...]] = {}
        self._built: dict[tuple[frozenset[Manifest], frozenset[Manifest]], Built] = {}
        self._made_for: dict[object, Built] = {}

    @property
    def substitutions(self) -> int:
        """Return how many resources were made into manifests, for measuring."""
        return len(self._manifests)

    @property
    def bundles(self) -> int:
        """Return how many different Bundles were made."""
        return len(self._built)

    def ready(self, variables: Variables) -> Built | None:
        """Return what `build` would, at once, if it was made for the same values before. Raises BuildFailed."""
        if variables.runs and self._names is None:
            return None
        if variables.runs and self._rendered:
            self._check(variables)
        return self._made_for.get(self._what_matters(variables))

    def _what_matters(self, variables: Variables) -> object:
        """Return what of the variables a Bundle follows from."""
        names = frozenset().union(*self._names or ()) if variables.runs else frozenset()
        used = tuple((name, variables.values[name]) for name in sorted(names) if name in variables.values)
        return variables.runs, used, names & variables.of_cluster, names & variables.confidential

    def build(self, variables: Variables) -> Built:
        """Return the Bundle for a cluster with these variables, which takes long for many resources. Raises BuildFailed."""
        if variables.runs and self._rendered:
            self._check(variables)
        base: list[Manifest] = []
        overlay: list[Manifest] = []
        confidential: set[str] = set()
        budget = Budget()
        for number in range(len(self._rendered)):
            names = self._referenced(number) if variables.runs else frozenset()
            used = tuple((name, variables.values[name]) for name in sorted(names) if name in variables.values)
            place = overlay if names & variables.of_cluster else base
            made = self._made(number, variables.runs, used, budget)
            place.extend(made)
            if names & variables.confidential or self._rendered[number].is_confidential:
                confidential.update(format_id(one.ref) for one in made)
        built = replace(self._bundle(base, overlay), confidential=tuple(sorted(confidential)))
        self._made_for[self._what_matters(variables)] = built
        return built

    def _check(self, variables: Variables) -> None:
        """Refuse names that no expression could name, worded as Flux words it for the first resource."""
        try:
            check_names(variables.values)
        except BuildFailed:
            substitute(self._rendered[0], Substitution(variables=variables.values))
            raise

    def _referenced(self, number: int) -> frozenset[str]:
        if self._names is None:
            self._names = [referenced(resource) for resource in self._rendered]
        return self._names[number]

    def _made(self, number: int, runs: bool, used: _Used, budget: Budget) -> tuple[Manifest, ...]:
        key = (number, runs, used)
        if key not in self._manifests:
            resource = self._rendered[number]
            value = (
                substitute(resource, Substitution(variables=dict(used), always=True, budget=budget))
                if runs
                else resource.object
            )
            self._manifests[key] = tuple(_manifest(one) for one in finish([value], self._marks))
        return self._manifests[key]

    def _bundle(self, base: Sequence[Manifest], overlay: Sequence[Manifest]) -> Built:
        key = (frozenset(base), frozenset(overlay))
        if key not in self._built:
            try:
                bundle = Bundle(
                    base=Index.of(one.entry() for one in base),
                    overlay=Index.of(one.entry() for one in overlay),
                )
            except ValueError as problem:
                raise BuildFailed(f"the build gives one object twice: {problem}") from problem
            indexes = {index.digest: index.encode() for index in (bundle.base, bundle.overlay)}
            manifests = {one.digest: one.body for one in (*base, *overlay)}
            self._built[key] = Built(bundle=bundle, blobs={**manifests, **indexes})
        return self._built[key]


def _manifest(value: dict[str, Any]) -> Manifest:
    metadata = value["metadata"]
    ref = ObjectRef(
        group=group_of(str(value["apiVersion"])),
        kind=str(value["kind"]),
        namespace=str(metadata.get("namespace") or ""),
        name=str(metadata["name"]),
    )
    if not is_exact(ref):
        # Whoever reads the id would take it for another object, or for none, and would end a cluster's session.
        raise BuildFailed(
            f"{ref} cannot be an object of Kubernetes: a kind or namespace with '_', or a name with '__', cannot be listed"
        )
    try:
        return Manifest.of(value, ref)
    except (TypeError, ValueError) as problem:
        raise BuildFailed(f"{ref} cannot be written as JSON: {problem}") from problem
