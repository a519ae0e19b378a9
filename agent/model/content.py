"""What is to run in a cluster, addressed by its content: manifests, the entries that list them, bundles. Pure values.

A Bundle is a base (entries that are equal in every cluster) and an overlay (entries that used something of this cluster), each
an Index with a digest of its own; the Bundle's digest is over the two. A manifest's digest is over its bytes: canonical JSON as
it is sent to the API server.
"""

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agent.model.inventory import format_id, parse_id
from agent.model.names import Digest, ObjectRef, version_of

_INDEX_FORMAT = 1


def digest_of(data: bytes) -> Digest:
    """Return `sha256:<hex>` of some bytes."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value: keys sorted, no blanks, UTF-8. Raises ValueError for NaN and infinities."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One desired object: what it is, in which API version, and its bytes."""

    ref: ObjectRef
    version: str
    digest: Digest
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, value: Mapping[str, Any], ref: ObjectRef) -> "Manifest":
        """Make the manifest of an object whose identity is known."""
        body = canonical(value)
        return cls(ref=ref, version=version_of(str(value["apiVersion"])), digest=digest_of(body), body=body)

    def entry(self) -> "Entry":
        return Entry(ref=self.ref, version=self.version, digest=self.digest, size_bytes=len(self.body))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Entry:
    """One line of an index: an object and the digest of its manifest."""

    ref: ObjectRef
    version: str
    digest: Digest
    size_bytes: int


@dataclass(frozen=True)
class Index:
    """Entries in the order of their refs, each ref once. Without slots: its bytes and digest are made once, and asked for often."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Index":
        """Bring entries in order. Raises ValueError when two name one object."""
        ordered = tuple(sorted(entries))
        for one, other in itertools.pairwise(ordered):
            if one.ref == other.ref:
                raise ValueError(f"{one.ref} is listed twice")
        return cls(ordered)

    def encode(self) -> bytes:
        """Return the bytes that travel and that the digest is over."""
        return self._encoded

    @cached_property
    def _encoded(self) -> bytes:
        lines = [[format_id(e.ref), e.version, e.digest, e.size_bytes] for e in self.entries]
        return canonical({"format": _INDEX_FORMAT, "entries": lines})

    @classmethod
    def decode(cls, data: bytes) -> "Index":
        """Read `encode`'s bytes. Raises ValueError when they are of another form."""
        try:
            raw = json.loads(data)
            if raw["format"] != _INDEX_FORMAT:
                raise ValueError(f"this version does not read indexes of format {raw['format']}")
            entries = [
                Entry(ref=parse_id(id_), version=version, digest=Digest(digest), size_bytes=size)
                for id_, version, digest, size in raw["entries"]
            ]
        except (KeyError, TypeError, json.JSONDecodeError) as problem:
            raise ValueError(f"this is no index: {problem}") from problem
        return cls.of(entries)

    @cached_property
    def digest(self) -> Digest:
        return digest_of(self.encode())

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


EMPTY = Index(())


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRef:
    """A Bundle by the digests of its two indexes; this is what assignments name."""

    base: Digest
    overlay: Digest

    @property
    def digest(self) -> Digest:
        return digest_of(f"bundle/1\n{self.base}\n{self.overlay}\n".encode())


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Everything that one delivery wants in one cluster. Raises ValueError when base and overlay name one object.

    Without slots: what follows from its indexes is made once, and asked for often.
    """

    base: Index
    overlay: Index

    def __post_init__(self) -> None:
        # Made here, so that what names one object twice is no Bundle.
        _ = self.entries

    @cached_property
    def ref(self) -> BundleRef:
        return BundleRef(base=self.base.digest, overlay=self.overlay.digest)

    @cached_property
    def digest(self) -> Digest:
        return self.ref.digest

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All entries in the order of their refs."""
        return Index.of((*self.base, *self.overlay)).entries
