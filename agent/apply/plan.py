"""What is to be done with one manifest, and how the answers of the API server decide it. Pure: it reads and writes no cluster."""

from dataclasses import dataclass
from typing import Any

from agent.apply.convergence import Action, Change, Known
from agent.apply.drift import changed_fields, changers
from agent.apply.policy import FORCED, says
from agent.apply.refusal import apply_refused, dry_run_refused
from agent.apply.server import FIELD_MANAGER, version_of
from agent.kit.errors import CartwheelError
from agent.kube.api import Object, Resource
from agent.kube.errors import ApiUnavailable, Forbidden, UnknownKind
from agent.model.content import Manifest


@dataclass(slots=True, kw_only=True)
class Plan:
    """One manifest on its way; `blocks` its stage, `recreate` it anew, `version` is the live one when nothing is to be written, `has_ended`:
    it is a Job that ran and is no more, `is_confidential`: nothing that it says may be told."""

    manifest: Manifest
    resource: Resource | None = None
    action: Action = Action.UNCHANGED
    live: Object | None = None
    version: str = ""
    recreate: bool = False
    has_ended: bool = False
    is_confidential: bool = False
    reason: str = ""
    message: str = ""
    blocks: bool = False
    fields: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()

    @property
    def change(self) -> Change:
        return Change(
            ref=self.manifest.ref,
            action=self.action,
            reason=self.reason,
            message=self.message,
            fields=self.fields,
            managers=self.managers,
        )

    @property
    def known(self) -> Known | None:
        """Return what makes the next look at this manifest cost nothing, None when it must be looked at."""
        if not self.version or self.action.is_failure or self.action is Action.SKIPPED:
            return None
        return Known(resource_version=self.version, digest=self.manifest.digest)

    def compare(self, wished: Object) -> None:
        """Decide by the difference between the live object and what an apply would leave."""
        live = self.live or {}
        self.fields = changed_fields(live, wished)
        self.version = version_of(live)
        if self.fields:
            self.action = Action.CONFIGURED
            self.managers = changers(live, self.fields, FIELD_MANAGER)

    def refuse_dry_run(self, problem: CartwheelError) -> None:
        """Fail by a refused dry-run; only what concerns this one object alone lets the others of its stage go on."""
        self.action, self.reason = Action.FAILED, problem.reason
        self.message = dry_run_refused(self.manifest.ref, problem)
        self.blocks = not isinstance(problem, Forbidden | UnknownKind | ApiUnavailable)

    def refuse_apply(self, problem: CartwheelError) -> None:
        """Fail by a refused write."""
        self.action, self.reason = Action.FAILED, problem.reason
        self.message = apply_refused(self.manifest.ref, problem)

    def hold_back(self, why: str) -> None:
        self.action, self.reason, self.message = Action.HELD_BACK, "HeldBack", why

    def may_recreate(self, desired: dict[str, Any], *, force: bool) -> bool:
        """Tell whether an object that cannot be changed may be deleted and made anew."""
        return self.live is not None and (force or says(desired, FORCED) or says(self.live, FORCED))


def is_known(known: Known, live: Object, manifest: Manifest) -> bool:
    """Tell whether a live object is as it was when this very manifest was found to need no write."""
    return known.digest == manifest.digest and version_of(live) == known.resource_version
