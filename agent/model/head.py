"""The head of a delivery: all that an agent must remember of it, as one saved value. Pure.

`ahead` are ids that may exist although no finished apply has told of them: they were entered before their first write. The
inventory proper is `inventory`; what may have to be deleted is both. `ended` are Jobs that ran and that the cluster removed in due time,
with the digests of the manifests they ran by. `healthy` is the last Bundle that was seen healthy, kept so that a rollback needs nobody. `inline` are blobs small enough to be saved with the head, `packs` name where the others are.
`traceparent` is the trace that led here; it makes no head another, so that it alone is never saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import msgspec

from agent.kit.tracing import NO_TRACE, Traceparent, read_traceparent
from agent.model.assignment import Assignment
from agent.model.content import BundleRef, Index, digest_of
from agent.model.inventory import format_id
from agent.model.names import Digest, HomeName

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Head:
    """One delivery on the desk. `applied` is the digest of the Bundle last applied in full, `applied_at` when (RFC 3339).

    Without slots: what its bytes say is read once, and asked for often; `following` keeps it for the heads that come after.
    """

    raw_assignment: bytes
    signatures: tuple[bytes, ...] = ()
    revision: str = ""
    base: bytes
    overlay: bytes
    inventory: Mapping[str, str] = field(default_factory=dict)
    ahead: Mapping[str, str] = field(default_factory=dict)
    ended: Mapping[str, Digest] = field(default_factory=dict)
    applied: str = ""
    applied_at: str = ""
    healthy: BundleRef | None = None
    healthy_indexes: tuple[bytes, ...] = ()
    handled: Mapping[str, str] = field(default_factory=dict)
    released: bool = False
    leaving: str = ""
    packs: tuple[str, ...] = ()
    inline: Mapping[Digest, bytes] = field(default_factory=dict, repr=False)
    traceparent: Traceparent = field(default=NO_TRACE, compare=False)

    @cached_property
    def assignment(self) -> Assignment:
        return Assignment.decode(self.raw_assignment)

    @property
    def home(self) -> HomeName:
        return self.assignment.home

    @property
    def held(self) -> Mapping[str, str]:
        """Return every id that may exist because of this delivery, with its version."""
        return {**self.ahead, **self.inventory}

    @cached_property
    def entries(self) -> Index:
        """Return all entries of the assigned Bundle."""
        return Index.of((*Index.decode(self.base), *Index.decode(self.overlay)))

    @cached_property
    def wanted(self) -> Mapping[str, str]:
        """Return the ids of all entries, with their versions."""
        return {format_id(entry.ref): entry.version for entry in self.entries}

    def holding(self, ids: Mapping[str, str]) -> "Head":
        """Return this head with more ids that may exist because of the delivery."""
        more = {id_: version for id_, version in ids.items() if id_ not in self.held}
        return replace(self, ahead={**self.ahead, **more}).following(self) if more else self

    def following(self, before: "Head | None") -> "Head":
        """Return this head with what the one before it has read already of the bytes that both have."""
        if before is None:
            return self
        if before.raw_assignment == self.raw_assignment:
            self._take(before, "assignment")
        if (before.base, before.overlay) == (self.base, self.overlay):
            self._take(before, "entries")
            self._take(before, "wanted")
        return self

    def _take(self, before: "Head", name: str) -> None:
        if name in before.__dict__:
            self.__dict__.setdefault(name, before.__dict__[name])

    def needed(self) -> frozenset[Digest]:
        """Return the digests of all manifests that the assigned and the last healthy Bundle list."""
        indexes = (self.base, self.overlay, *self.healthy_indexes)
        return frozenset(entry.digest for data in indexes for entry in Index.decode(data))

    def with_blobs(self, inline: Mapping[Digest, bytes], packs: tuple[str, ...]) -> "Head":
        return replace(self, inline=inline, packs=packs).following(self)

    def encode(self) -> bytes:
        """Return the bytes to save."""
        return msgspec.msgpack.encode(
            {"format": FORMAT, "head": {one.name: getattr(self, one.name) for one in fields(self)}}
        )

    @classmethod
    def decode(cls, data: bytes) -> "Head":
        """Read `encode`'s bytes. Raises ValueError when they are of another form or do not hold together."""
        try:
            outer = msgspec.msgpack.decode(data, type=_Outer)
            if outer.format != FORMAT:
                raise ValueError(f"this version does not read desks of format {outer.format}")
            head = msgspec.msgpack.decode(outer.head, type=cls)
        except msgspec.MsgspecError as problem:
            raise ValueError(f"this is no head: {problem}") from problem
        head = replace(head, traceparent=read_traceparent(head.traceparent))
        bundle = head.assignment.bundle
        if (digest_of(head.base), digest_of(head.overlay)) != (bundle.base, bundle.overlay):
            raise ValueError("its indexes are not those of its assignment")
        return head


class _Outer(msgspec.Struct):
    format: int
    head: msgspec.Raw
