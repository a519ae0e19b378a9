"""Tells which part of an old object a part of the new one was: what did not change is not judged again."""

from dataclasses import dataclass
from typing import Any

from hub.sandbox.crds import schemas
from hub.sandbox.crds.lists import keys_of
from hub.sandbox.crds.schemas import Schema
from hub.sandbox.wording import same


@dataclass(frozen=True, slots=True)
class Correlated:
    """A value and what it was before."""

    new: Any
    old: Any
    schema: Schema

    def at(self, step: str | int) -> "Correlated | None":
        """Return a part with what it was; None when it is new, or its place says nothing about that."""
        inner = schemas.part_of(self.schema, step)
        if inner is None:
            return None
        if isinstance(step, int):
            old = old_item(self.old, self.new[step], self.schema)
            return None if old is None else Correlated(self.new[step], old, inner)
        if not isinstance(self.old, dict) or step not in self.old:
            return None
        return Correlated(self.new[step], self.old[step], inner)

    @property
    def is_unchanged(self) -> bool:
        """Tell whether the value is as before."""
        return same(self.new, self.old)


@dataclass(frozen=True, slots=True)
class Within:
    """A value of which nothing is known but what it is a part of: it is unchanged when that is."""

    whole: Correlated

    @property
    def is_unchanged(self) -> bool:
        """Tell whether the value is surely as before."""
        return self.whole.is_unchanged


def old_item(old: Any, item: Any, schema: Schema) -> Any:
    """Return the old item of a list that had the same keys, None where there was none or the list is no map."""
    if schemas.list_type(schema) != "map" or not isinstance(old, list):
        return None
    keys = schemas.list_keys(schema)
    wanted = keys_of(item, keys)
    return next((one for one in old if same(keys_of(one, keys), wanted)), None)
