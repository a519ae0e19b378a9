"""What a refusal of the API server means for an apply, and the sentence as Flux words it. Pure."""

from agent.kit.errors import CartwheelError
from agent.kube.errors import ApiError, Invalid, NotFound
from agent.model.names import ObjectRef

_IMMUTABLE = ("is immutable", "immutable field")
_UNREADABLE = ("failed to create typed patch object", "failed to convert new object")


def is_immutable(problem: CartwheelError) -> bool:
    """Tell whether maybe only a new object can take the change: servers word it in many ways, so that any Invalid counts."""
    return isinstance(problem, Invalid) or any(text in problem.message for text in _IMMUTABLE)


def is_broken(change: ApiError, new: ApiError) -> bool:
    """Tell whether a manifest cannot be at all: what was refused as a change is refused of a new object for the same cause."""
    if not isinstance(new, Invalid):
        return False
    return not new.causes or any(cause in change.causes for cause in new.causes)


def is_webhook_down(problem: CartwheelError) -> bool:
    """Tell whether the server failed because an admission webhook did: that concerns what the webhook looks at, not the others."""
    return "failed calling webhook" in problem.message


def is_unreadable(problem: CartwheelError) -> bool:
    """Tell whether the server failed over what the object says: to a field of a wrong type servers answer as to a defect of their own."""
    return any(text in problem.message for text in _UNREADABLE)


def dry_run_refused(ref: ObjectRef, problem: CartwheelError) -> str:
    """Say that a dry-run was refused."""
    if isinstance(problem, NotFound):
        return f"{ref} {'not found' if ref.namespace else 'namespace not specified'}: {problem}"
    causes = problem.causes if isinstance(problem, ApiError) else ()
    is_fight = any(cause.get("reason") == "FieldManagerConflict" for cause in causes)
    reason = "FieldManagerConflict" if is_fight else problem.reason
    return f"{ref} dry-run failed ({reason}): {problem}"


def apply_refused(ref: ObjectRef, problem: CartwheelError) -> str:
    """Say that an apply was refused."""
    return f"{ref} apply failed: {problem}"
