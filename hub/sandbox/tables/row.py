"""An object whose row is made, and the small texts that rows of many kinds have in common. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.kube.api import Object
from hub.sandbox.crds.columns import age, short
from hub.sandbox.kinds.values import at, items_at, mapping_at
from hub.sandbox.selectors import text_of_labels

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One object at the time it is shown. What is missing reads as the empty value that a typed object would have."""

    value: Object
    now: datetime

    @property
    def name(self) -> str:
        return self.text("metadata", "name")

    @property
    def age(self) -> str:
        return self.since(self.at("metadata", "creationTimestamp"))

    @property
    def is_leaving(self) -> bool:
        return bool(self.at("metadata", "deletionTimestamp"))

    def at(self, *path: str) -> Any:
        return at(self.value, *path)

    def text(self, *path: str) -> str:
        return str(at(self.value, *path) or "")

    def number(self, *path: str) -> int:
        return int(at(self.value, *path) or 0)

    def items(self, *path: str) -> list[Any]:
        return items_at(self.value, *path)

    def mapping(self, *path: str) -> Object:
        return mapping_at(self.value, *path)

    def since(self, moment: Any) -> str:
        """Return how long ago a moment was."""
        return age(moment, self.now) if moment else UNKNOWN


Cells = Callable[[Row], list[Any]]


def lasted(start: str, end: str) -> str:
    """Return how long something took."""
    return short(int((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()))


def labels_text(labels: Mapping[str, str] | None) -> str:
    """Return labels as one text."""
    return text_of_labels(labels) or NONE


def containers_texts(pods: Mapping[str, Any]) -> list[str]:
    """Return the names and the images of the containers in the spec of Pods."""
    containers = items_at(pods, "containers")
    return [",".join(str(one.get(key) or "") for one in containers) for key in ("name", "image")]


def some(texts: Iterable[str], most: int = 3, *, empty: str = UNSET) -> str:
    """Return the first of many texts, and how many there are more."""
    found = list(texts)
    shown = ",".join(found[:most])
    return f"{shown} + {len(found) - most} more..." if len(found) > most else shown or empty


def truth(value: bool | None) -> str:
    """Return a truth value as a word."""
    return UNSET if value is None else str(value)


def condition(value: Object, kind: str) -> Object:
    """Return a condition of an object, an empty one when it has none of that type."""
    found: Sequence[Object] = items_at(value, "status", "conditions")
    return next((one for one in found if one.get("type") == kind), {})
