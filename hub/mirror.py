"""What the management cluster has, mirrored: all objects of one kind as values, and which variables changed.

State: the newest known of every object. News that is older than what is known is left out. Reads and writes nothing by itself.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from agent.kube.api import Object, Resource
from agent.kube.watch import Key, is_newer, key_of
from hub.model.kustomization import VariablesKind
from hub.model.metadata import Metadata
from hub.model.value import MalformedResource, Value


class Stored(Protocol):
    """What every resource has."""

    @property
    def metadata(self) -> Metadata: ...


class WithStatus(Stored, Protocol):
    """A resource whose status the hub writes."""

    @property
    def status(self) -> Value: ...


R = TypeVar("R", bound=Stored)
S = TypeVar("S", bound=WithStatus)
N = TypeVar("N", bound=Hashable)
Listener = Callable[[Key], None]


class Collection(Generic[R]):
    """All objects of one kind, as values; those that are malformed are told apart."""

    def __init__(self, resource: Resource, parse: Callable[[Mapping[str, object]], R]) -> None:
        self.resource = resource
        self.is_complete = False
        self._parse = parse
        self._values: dict[Key, R] = {}
        self._malformed: dict[Key, MalformedResource] = {}
        self._unread: dict[Key, Object] = {}
        self._versions: dict[Key, tuple[str, str]] = {}
        self._listeners: list[Listener] = []

    def get(self, key: Key) -> R | None:
        """Return one, None when there is none. Raises MalformedResource for one that cannot be read."""
        if key in self._malformed:
            raise self._malformed[key]
        return self._values.get(key)

    def holds(self, key: Key) -> bool:
        """Tell whether there is such an object, even one that cannot be read."""
        return key in self._values or key in self._malformed

    def readable(self, key: Key) -> R | None:
        """Return one that is there and can be read."""
        return self._values.get(key)

    def unread(self, key: Key) -> Object | None:
        """Return one that is there and cannot be read, as the API server has it."""
        return self._unread.get(key)

    def __iter__(self) -> Iterator[R]:
        return iter(tuple(self._values.values()))

    @property
    def keys(self) -> tuple[Key, ...]:
        """Return namespace and name of every object, malformed ones included."""
        return (*self._values, *self._malformed)

    @property
    def malformed(self) -> Mapping[Key, MalformedResource]:
        return self._malformed

    def listen(self, listener: Listener) -> None:
        """Be told the key of every object that appears, changes or goes, from now on."""
        self._listeners.append(listener)

    def changed(self, value: Object) -> None:
        """Take what a watch or a write gave, unless something newer is known."""
        key, metadata = key_of(value), value["metadata"]
        uid, version = metadata.get("uid", ""), metadata["resourceVersion"]
        known = self._versions.get(key)
        if known is not None and known[0] == uid and not is_newer(version, known[1]):
            return
        self._versions[key] = (uid, version)
        self._values.pop(key, None)
        self._malformed.pop(key, None)
        self._unread.pop(key, None)
        try:
            self._values[key] = self._parse(value)
        except MalformedResource as problem:
            self._malformed[key], self._unread[key] = problem, value
        self._tell(key)

    def written(self, value: Object) -> None:
        """Take the answer to a write of our own; what has gone since stays gone."""
        metadata = value["metadata"]
        known = self._versions.get(key_of(value))
        ended = metadata.get("deletionTimestamp") and not metadata.get("finalizers")
        if known is not None and known[0] == metadata.get("uid", "") and not ended:
            self.changed(value)

    def removed(self, key: Key, last: Object | None = None) -> None:
        """Forget an object that is gone."""
        self._versions.pop(key, None)
        found = self._values.pop(key, None) is not None
        found = self._malformed.pop(key, None) is not None or found
        self._unread.pop(key, None)
        if found:
            self._tell(key)

    def listed(self) -> None:
        """Everything that there is has been told."""
        self.is_complete = True

    def _tell(self, key: Key) -> None:
        for listener in self._listeners:
            listener(key)


class Index(Generic[R, N]):
    """Which objects of a collection name something, kept up as they change, so that nobody has to look at all of them."""

    def __init__(self, collection: Collection[R], names_of: Callable[[R], Iterable[N]]) -> None:
        self._collection = collection
        self._names_of = names_of
        self._named: dict[Key, frozenset[N]] = {}
        self._keys: dict[N, dict[Key, None]] = {}
        collection.listen(self._changed)
        for key in collection.keys:
            self._changed(key)

    def of(self, name: N) -> tuple[Key, ...]:
        """Return the keys of the objects that name it, those that can be read."""
        return tuple(self._keys.get(name, ()))

    def _changed(self, key: Key) -> None:
        value = self._collection.readable(key)
        now = frozenset(self._names_of(value)) if value is not None else frozenset()
        before = self._named.pop(key, frozenset())
        if now:
            self._named[key] = now
        for gone in before - now:
            del self._keys[gone][key]
            if not self._keys[gone]:
                del self._keys[gone]
        for new in now - before:
            self._keys.setdefault(new, {})[key] = None


@dataclass(slots=True)
class Watched:
    """Tells of changed ConfigMaps or Secrets that ask for it by label; keeps no content."""

    kind: VariablesKind
    listeners: list[Callable[[VariablesKind, Key], None]] = field(default_factory=list)

    def changed(self, value: Object) -> None:
        self.removed(key_of(value))

    def removed(self, key: Key, last: Object | None = None) -> None:
        for listener in self.listeners:
            listener(self.kind, key)

    def listed(self) -> None:
        """What was there before is read when it is needed."""
