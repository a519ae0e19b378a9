"""What a refusal of the API server means for an apply, and the sentence as Flux words it. Pure."""

from agent.kit.errors import CartwheelError
from agent.kube.errors import ApiError, Conflict, Invalid, NotFound
from agent.model.names import ObjectRef

_IMMUTABLE = ("is immutable", "immutable field")


def is_immutable(problem: CartwheelError) -> bool:
    """Tell whether only a new object can take the change; as Flux does, any Conflict and Invalid counts, too."""
    return isinstance(problem, Conflict | Invalid) or any(text in problem.message for text in _IMMUTABLE)


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
