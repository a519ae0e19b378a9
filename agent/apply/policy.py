"""What labels and annotations of an object say about how it is to be treated. Pure.

Flux looks in labels and annotations alike, compares values without regard to case, and listens to the live object, too: whoever annotates
an object in the cluster is heard.
"""

from collections.abc import Mapping
from typing import Any

from agent.model.names import OWNER_NAME, OWNER_NAMESPACE, HomeName

PREFIX = "kustomize.toolkit.fluxcd.io/"

Rules = tuple[tuple[str, str], ...]
EXCLUDED: Rules = ((PREFIX + "reconcile", "disabled"), (PREFIX + "ssa", "Ignore"))
"""Neither applied nor deleted."""
IF_NOT_PRESENT: Rules = ((PREFIX + "ssa", "IfNotPresent"),)
KEPT: Rules = ((PREFIX + "prune", "disabled"), *EXCLUDED)
"""Not deleted when it leaves the source."""
FORCED: Rules = ((PREFIX + "force", "enabled"),)

Object = Mapping[str, Any]


def says(value: Object | None, rules: Rules) -> bool:
    """Tell whether a label or annotation of an object has the value of one of the rules."""
    if value is None:
        return False
    metadata = value.get("metadata") or {}
    places = (metadata.get("labels") or {}, metadata.get("annotations") or {})
    return any(
        str(place.get(key, "")).lower() == wanted.lower()
        for key, wanted in rules
        for place in places
        if place.get(key)
    )


def is_skipped(desired: Object, live: Object | None) -> bool:
    """Tell whether an object is left as it is."""
    if says(desired, EXCLUDED) or says(live, EXCLUDED):
        return True
    return live is not None and says(desired, IF_NOT_PRESENT)


def is_owned(live: Object, owner: HomeName) -> bool:
    """Tell whether the live object carries the owner labels of this delivery."""
    labels = (live.get("metadata") or {}).get("labels") or {}
    return (labels.get(OWNER_NAMESPACE), labels.get(OWNER_NAME)) == (owner.namespace, owner.name)
