"""Lists of a strategic merge patch: items found by their key, and the order that a merged list has."""

from typing import Any

from hub.sandbox.patches.errors import PatchError
from hub.sandbox.wording import plain, type_name


class Items:
    """The items of an object's list and of the patch for it. Raises PatchError unless all are of one type."""

    def __init__(self, original: list[Any], patch: list[Any], *, key: str) -> None:
        kinds = [type_name(item) for item in (*original, *patch)]
        if kinds and kinds[0] == type_name([]):
            raise PatchError("lists of lists are not supported", 422)
        if len(set(kinds)) > 1:
            raise PatchError(f"list element types are not identical: {plain([original, patch])}")
        if not kinds:
            raise PatchError("no elements in any of the given slices")
        self.are_maps = kinds[0] == type_name({})
        self.key = key if self.are_maps else ""
        self.original = original
        self.patch = patch

    def united(self) -> list[Any]:
        """Return the values of both lists, each once. The last value takes the place of one that is there already."""
        values = [*self.original, *self.patch]
        at = 0
        while at < len(values) - 1:
            other = at + 1
            while other < len(values):
                if values[at] == values[other]:
                    values[other] = values[-1]
                    values.pop()
                else:
                    other += 1
            at += 1
        return values

    def ordered(self, merged: list[Any], order: list[Any], live: list[Any]) -> list[Any]:
        """Return merged items in order: those named in `order` as there, the others as in the live list, woven together by it."""
        if self.are_maps:
            self._check_keys(merged, order, live)
        wanted = {self._name(item) for item in order}
        asked = self._sorted([item for item in merged if self._name(item) in wanted], order)
        others = self._sorted([item for item in merged if self._name(item) not in wanted], live)
        places = _places([self._name(item) for item in live])
        result = []
        while asked and others:
            left, right = places.get(self._name(others[0])), places.get(self._name(asked[0]))
            first = left is not None and right is not None and left < right
            result.append((others if first else asked).pop(0))
        return [*result, *asked, *others]

    def overwritten(self) -> list[Any]:
        """Return the live list as a real server reads its order once it has merged: new items stand where deleted ones were.

        It merges in place, so the list whose order it asks for afterwards is no longer the one that it was given.
        """
        live, length = list(self.original), len(self.original)
        if not self.are_maps or any(item.get("$patch") == "replace" for item in self.patch):
            return live
        for gone in (item for item in self.patch if item.get("$patch") == "delete"):
            while gone.get(self.key) in (names := [item.get(self.key) for item in live[:length]]):
                at = names.index(gone.get(self.key))
                live[at : length - 1] = live[at + 1 : length]
                length -= 1
        for item in self.patch:
            known = any(one.get(self.key) == item.get(self.key) for one in live[:length])
            if "$patch" not in item and not known and length < len(live):
                live[length] = item
                length += 1
        return live

    def _sorted(self, items: list[Any], order: list[Any]) -> list[Any]:
        places = _places([self._name(item) for item in order])
        return sorted(items, key=lambda item: places.get(self._name(item), -1))

    def _check_keys(self, merged: list[Any], order: list[Any], live: list[Any]) -> None:
        for item in merged:
            if self.key not in item:
                raise lacks_key(item, self.key)
        for position, item in enumerate(order if merged else ()):
            if not isinstance(item, dict):
                raise PatchError(f"value for key {position} is not a map")
        for item in (*order, *live):
            if not isinstance(item, dict):
                raise bad_type({}, item)
            if self.key not in item:
                raise lacks_key(item, self.key)

    def _name(self, item: Any) -> Any:
        found = item[self.key] if self.are_maps else item
        return type_name(found), found if not isinstance(found, dict | list) else plain(found)


def lacks_key(item: Any, key: str) -> PatchError:
    """Return the error of an item without the key that tells it apart."""
    return PatchError(f"map: {plain(item)} does not contain declared merge key: {key}")


def bad_type(expected: Any, actual: Any) -> PatchError:
    """Return the error of a value of another type than it must have."""
    return PatchError(f"expected a {type_name(expected)}, but received a {type_name(actual)}")


def _places(names: list[Any]) -> dict[Any, int]:
    places: dict[Any, int] = {}
    for position, name in enumerate(names):
        places.setdefault(name, position)
    return places
