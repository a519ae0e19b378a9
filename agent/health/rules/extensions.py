"""Health of CustomResourceDefinitions."""

from datetime import datetime

from agent.health.reading import Object, Rule, condition, current, failed, in_progress, text
from agent.model.health import Health


def assess_definition(value: Object, now: datetime) -> Health:
    """Judge a CustomResourceDefinition: current when its kind is served."""
    accepted = condition(value, "NamesAccepted") or {}
    if accepted.get("status") == "False":
        return failed(text(accepted, "reason"), text(accepted, "message"))
    established = condition(value, "Established") or {}
    if established.get("status") == "True":
        return current("CRD is established")
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return failed(text(established, "reason"), text(established, "message"))
    return in_progress("Installing", "Install in progress")


RULES: dict[tuple[str, str], Rule] = {("apiextensions.k8s.io", "CustomResourceDefinition"): assess_definition}
