"""The sentences of notices about what an apply changed. Pure."""

from collections.abc import Iterable

from agent.apply.convergence import Action, Change


def list_changes(changes: Iterable[Change], *actions: Action) -> str:
    """Return a line for each object of which one of these became."""
    return "\n".join(f"{change.ref} {change.action}" for change in changes if change.action in actions)


def describe_drift(changes: Iterable[Change]) -> str:
    """Return a line for each object that was put back: what of it had been changed, and by whom."""
    lines = []
    for change in changes:
        if change.action is Action.CREATED:
            lines.append(f"{change.ref} was deleted and is created again")
        elif change.action is Action.CONFIGURED:
            by = f" by {', '.join(change.managers)}" if change.managers else ""
            lines.append(f"{change.ref}: {', '.join(change.fields)} was changed{by} and is put back")
    return "\n".join(lines)
