"""The desk: the cluster's assignments, saved in the cluster, so that the agent goes on without the hub and across restarts.

State: Secrets in the agent's own namespace. One *head* per delivery, and immutable *packs* of blobs that are too large for it. The order
of writes is safety: packs, then the head (which is the acknowledgement), then the work; what nobody names is collected last. A head that
cannot be read is told of and never overwritten: it may be all that is known of objects that exist.

Every write is conditional on the head being as this process knows it, so that of two agents one fails. What somebody else left there, a
person's hand or an agent that is no more, is gone on from only by the agent that acts: nothing that either of them held is forgotten.
"""

import asyncio
import base64
import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec
import zstandard

from agent.kit.errors import Stalled, Transient
from agent.kit.telemetry import Telemetry
from agent.kube.api import Api, Object
from agent.kube.errors import AlreadyExists, ApiError, NotFound
from agent.kube.resources import SECRETS
from agent.kube.secrets import Changed, OwnSecrets
from agent.model.assignment import root_of
from agent.model.content import digest_of
from agent.model.head import Head
from agent.model.names import Digest, HomeName, ObjectRef

_LOG = logging.getLogger(__name__)

FIELD_MANAGER = "cartwheel-agent"
TERM_SECRET = "cartwheel-desk"  # noqa: S105  (a name)
PART_LABEL = "fleet.cartwheel.dev/desk"
HOME_ANNOTATION = "fleet.cartwheel.dev/home"
MAX_INLINE_BYTES = 128 << 10
MAX_PACK_BYTES = 700 << 10
MAX_PACKS = 8
_LEVEL = 3
_MAX_UNPACKED = 256 << 20


class DeskUnreadable(Stalled):
    """A head was written by a newer version or is damaged; it is left as it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="DeskUnreadable")


class Overtaken(Transient):
    """A head was made from one that is not the newest any more; make it anew."""

    def __init__(self, home: HomeName) -> None:
        super().__init__(f"{home} was saved anew meanwhile; tried again with that", reason="Overtaken")


class ContentMissing(Transient):
    """Blobs that a head names are in none of its packs, and were not given."""

    def __init__(self, home: HomeName, digests: Iterable[Digest]) -> None:
        self.digests = tuple(sorted(digests))
        super().__init__(
            f"{home}: {len(self.digests)} manifests are not on the desk, first {self.digests[0]}; they are fetched from the hub again",
            reason="ContentMissing",
        )


@dataclass(slots=True)
class _Saved:
    head: Head
    refs: frozenset[ObjectRef]

    @classmethod
    def of(cls, head: Head) -> "_Saved":
        return cls(head, frozenset(entry.ref for entry in head.entries))


def _never() -> bool:
    return False


class Desk:
    """The assignments of one cluster. `load` comes first. `acts` tells whether this agent alone may write now."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        *,
        acts: Callable[[], bool] = _never,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._writes = (telemetry or Telemetry()).counter(
            "cartwheel_desk_writes", "Secrets of the desk that were written.", part=("head", "pack", "term")
        )
        self._api = api
        self._namespace = namespace
        self._saved: dict[HomeName, _Saved] = {}
        self._namers: dict[ObjectRef, set[HomeName]] = {}
        self._unreadable: dict[str, str] = {}
        self._secrets = OwnSecrets(api, namespace, field_manager=FIELD_MANAGER, acts=acts)
        self._damaged: set[HomeName] = set()
        self._coming: dict[HomeName, frozenset[ObjectRef]] = {}
        self._locks: dict[HomeName, asyncio.Lock] = {}
        self._term = 0

    @property
    def term(self) -> int:
        """Return the highest session term that this cluster has seen."""
        return self._term

    @property
    def heads(self) -> Mapping[HomeName, Head]:
        return {home: saved.head for home, saved in self._saved.items()}

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Return the names of Secrets that could not be read, with the reason."""
        return dict(self._unreadable)

    @property
    def root(self) -> Digest:
        """Return the digest over all assignments that count as held, equal on both ends when they agree."""
        return root_of({head.home: head.assignment.substance for head in self.held})

    @property
    def held(self) -> tuple[Head, ...]:
        """Return the heads that the hub need not send again: not those that leave, were released, or whose content is damaged."""
        return tuple(
            saved.head
            for home, saved in self._saved.items()
            if not (saved.head.leaving or saved.head.released or home in self._damaged)
        )

    @property
    def arriving(self) -> frozenset[HomeName]:
        """Return the deliveries that are saved for the first time; they may be on the desk or not."""
        return frozenset(self._coming.keys() - self._saved.keys())

    def names(self, ref: ObjectRef) -> bool:
        """Tell whether any assignment that stays may name an object, or one that is being saved."""
        return self.surely_names(ref) or any(ref in refs for refs in self._coming.values())

    def named(self) -> Iterator[ObjectRef]:
        """Yield all that `names` tells of, some of it more than once."""
        for saved in self._saved.values():
            if not saved.head.leaving:
                yield from saved.refs
        for refs in self._coming.values():
            yield from refs

    def surely_names(self, ref: ObjectRef) -> bool:
        """Tell whether an assignment that is on the desk and stays names an object, as one may that cannot be read."""
        return bool(self._unreadable) or any(not head.leaving for head in self._heads_naming(ref))

    def is_awaited(self, ref: ObjectRef) -> bool:
        """Tell whether an assignment that is worked on names an object, or may: it is going to be taken over."""
        return bool(self._unreadable) or any(
            not (head.leaving or head.released or head.assignment.spec.suspend)
            for head in self._heads_naming(ref)
        )

    def _heads_naming(self, ref: ObjectRef) -> Iterator[Head]:
        for home in self._namers.get(ref, ()):
            yield self._saved[home].head

    async def make_certain(self) -> None:
        """Write what is known over writes whose answers were lost; what was never acknowledged is sent again by the hub."""
        for home in tuple(self._coming):
            async with self._locks.setdefault(home, asyncio.Lock()):
                saved, name = self._saved.get(home), head_name(home)
                if saved is not None:
                    await self._save(home, saved.head, None)
                elif await self._secrets.find_written(name):
                    await self._secrets.delete(name)
                self._coming.pop(home, None)

    def get(self, home: HomeName) -> Head | None:
        saved = self._saved.get(home)
        return saved.head if saved else None

    async def load(self) -> None:
        """Read every head, and collect packs that an interrupted write left behind."""
        listing = await self._api.list(SECRETS, self._namespace, label_selector=f"{PART_LABEL}=head")
        self._saved, self._namers, self._unreadable = {}, {}, {}
        self._secrets.begin()
        for value in listing.items:
            self._take(value)
        self._damaged.clear()
        await self._load_term()
        packs = await self._api.list(SECRETS, self._namespace, label_selector=f"{PART_LABEL}=pack")
        await self._collect(value["metadata"]["name"] for value in packs.items)

    def _take(self, value: Object) -> None:
        """Take a head from its Secret, or note that it cannot be read."""
        name = value["metadata"]["name"]
        try:
            head = Head.decode(_unpack(_data(value, "head")))
            home = head.home
        except ValueError as problem:
            self._unreadable[name] = str(problem)
            _LOG.error("desk unreadable", extra={"secret": name, "error": str(problem)})
            return
        self._unreadable.pop(name, None)
        self._secrets.note(value)
        self._keep(home, _Saved.of(head))

    async def look_again(self) -> None:
        """Look at the heads that could not be read: somebody may have put them right, or deleted them, to forget what they hold."""
        for name in tuple(self._unreadable):
            try:
                self._take(await self._api.get(SECRETS, self._namespace, name))
            except NotFound:
                self._unreadable.pop(name, None)
                self._secrets.forget(name)

    def _keep(self, home: HomeName, saved: _Saved | None) -> None:
        """Know a head as it is saved, None when it is gone, and under every object that it names."""
        before = self._saved.get(home)
        if saved is not None:
            self._saved[home] = saved
        elif before is not None:
            del self._saved[home]
        old, new = (one.refs if one else frozenset() for one in (before, saved))
        for ref in old - new:
            self._namers[ref].discard(home)
            if not self._namers[ref]:
                del self._namers[ref]
        for ref in new - old:
            self._namers.setdefault(ref, set()).add(home)

    async def save_term(self, term: int) -> None:
        """Remember a session's term; a lower one than the known is a defect of the caller."""
        if term <= self._term:
            raise ValueError(f"term {term} is not newer than {self._term}")
        body = self._secret(TERM_SECRET, "term", "term", str(term).encode())
        try:
            await self._write(body)
        except Changed as changed:
            if not self._secrets.may_decide:
                raise
            # Of another agent that acted, or of a hand: a session that is older is not begun.
            self._take_term(changed.found)
            if term <= self._term:
                raise
            await self._write(body)
        self._term = term

    async def save(self, head: Head, blobs: Mapping[Digest, bytes] | None = None) -> Head:
        """Save a head durably, with blobs that are not saved yet. Returns it as it was saved.

        Raises Overtaken when the delivery is saved anew while this waits, ContentMissing when a manifest of its Bundle is neither saved nor
        given, DeskUnreadable, and what the API raises.
        """
        home = head.home
        known = self._saved.get(home)
        if head_name(home) in self._unreadable:
            await self.look_again()
        async with self._locks.setdefault(home, asyncio.Lock()):
            if self._saved.get(home) is not known:
                raise Overtaken(home)
            return await self._save(home, head, blobs)

    async def _save(self, home: HomeName, head: Head, blobs: Mapping[Digest, bytes] | None) -> Head:
        name = head_name(home)
        self._check_readable(home)
        saved = self._saved.get(home)
        if blobs is not None:
            head = await self._place(head, blobs)
        head = head.following(saved.head if saved else None)
        if saved is not None and saved.head == head and self._secrets.is_certain(name):
            return head
        if not head.leaving:
            # From here on it may be on the desk, whether or not there will be an answer.
            self._coming[home] = frozenset(entry.ref for entry in head.entries)
        head = await self._write_head(name, head)
        self._keep(home, _Saved.of(head))
        self._coming.pop(home, None)
        if blobs is not None:
            self._damaged.discard(home)
        if saved is not None:
            await self._collect(set(saved.head.packs) - set(head.packs))
        return head

    def _check_readable(self, home: HomeName) -> None:
        name = head_name(home)
        if name in self._unreadable:
            raise DeskUnreadable(
                f"Secret {self._namespace}/{name} holds {home} in a form that this version cannot read "
                f"({self._unreadable[name]}); run the newer agent, or delete the Secret to forget what it holds"
            )

    async def _write_head(self, name: str, head: Head) -> Head:
        """Write a head, with what is found of it where somebody else wrote. Returns it as it was written."""
        try:
            await self._write(self._head_secret(name, head))
        except Changed as changed:
            head = self._reconcile(head, changed)
            await self._write(self._head_secret(name, head))
        return head

    def _head_secret(self, name: str, head: Head) -> Object:
        body = self._secret(name, "head", "head", _pack(head.encode()))
        body["metadata"]["annotations"] = {HOME_ANNOTATION: str(head.home)}
        return body

    def _reconcile(self, head: Head, changed: Changed) -> Head:
        """Return what is to be written over what somebody else wrote, when that is older; the newer one is taken instead.

        Raises Changed unless this agent acts, DeskUnreadable when it is not known what was written, Overtaken when that is newer.
        """
        home, found = head.home, changed.found
        if not self._secrets.may_decide:
            raise changed
        saved = self._saved.get(home)
        self._take(found)
        self._check_readable(home)
        theirs = self._saved[home].head
        if theirs.home != home or theirs.assignment.order <= head.assignment.order:
            self._keep(home, saved)
            _LOG.warning(
                "head was changed; written anew", extra={"delivery": str(home), "error": str(changed)}
            )
            return head.holding(theirs.held)
        _LOG.warning("head was changed; taken as it is", extra={"delivery": str(home), "error": str(changed)})
        if saved is not None:
            self._keep(home, _Saved.of(theirs.holding(saved.head.held)))
        raise Overtaken(home) from changed

    async def drop(self, home: HomeName) -> None:
        """Forget a delivery. Its objects are the caller's business. Raises Overtaken."""
        saved = self._saved.get(home)
        if saved is None:
            return
        async with self._locks.setdefault(home, asyncio.Lock()):
            if self._saved.get(home) is not saved:
                raise Overtaken(home)
            await self._drop(home, saved)

    async def _drop(self, home: HomeName, saved: _Saved) -> None:
        try:
            await self._secrets.delete(head_name(home))
        except Changed as changed:
            head = self._reconcile(saved.head, changed)
            # What else is held by it now is to be deleted before that can be forgotten.
            self._keep(home, _Saved.of(head))
            raise Overtaken(home) from changed
        self._keep(home, None)
        self._coming.pop(home, None)
        self._damaged.discard(home)
        await self._collect(saved.head.packs)

    async def blobs(self, head: Head, digests: Iterable[Digest]) -> Mapping[Digest, bytes]:
        """Return blobs that a head names. Raises ContentMissing."""
        wanted = set(digests)
        found = {digest: data for digest, data in head.inline.items() if digest in wanted}
        for name in head.packs:
            if len(found) == len(wanted):
                break
            pack = await self._read_pack(name)
            found.update({digest: data for digest, data in pack.items() if digest in wanted})
        missing = wanted - found.keys()
        if missing:
            self._damaged.add(head.home)
            raise ContentMissing(head.home, missing)
        return found

    async def _place(self, head: Head, blobs: Mapping[Digest, bytes]) -> Head:
        """Decide where the blobs go, and write packs. A few are kept with the head; many packs are made into few."""
        needed = head.needed()
        saved = self._saved.get(head.home)
        old = saved.head if saved else None
        known: dict[Digest, bytes] = dict(old.inline) if old else {}
        known.update(blobs)
        packed: dict[Digest, str] = {}
        for name in old.packs if old else ():
            packed.update(dict.fromkeys(await self._read_pack(name), name))
        loose = {digest: known[digest] for digest in sorted(needed & known.keys()) if digest not in packed}
        missing = needed - known.keys() - packed.keys()
        if missing:
            raise ContentMissing(head.home, missing)
        packs = tuple(sorted({name for digest, name in packed.items() if digest in needed}))
        if sum(map(len, loose.values())) <= MAX_INLINE_BYTES:
            return head.with_blobs(loose, packs)
        if len(packs) >= MAX_PACKS and old:
            loose.update(await self.blobs(old, needed & packed.keys()))
            packs = ()
        return head.with_blobs({}, (*packs, *await self._write_packs(loose)))

    async def _write_packs(self, blobs: Mapping[Digest, bytes]) -> tuple[str, ...]:
        names = []
        for part in _split(blobs):
            data = _pack(msgspec.msgpack.encode(part))
            name = f"cartwheel-pack-{hashlib.sha256(data).hexdigest()[:32]}"
            body = self._secret(name, "pack", "pack", data)
            body["immutable"] = True
            # Named by its content: when it exists, an earlier attempt wrote it.
            with contextlib.suppress(AlreadyExists):
                await self._api.create(SECRETS, self._namespace, body, field_manager=FIELD_MANAGER)
                self._writes.labels("pack").inc()
            names.append(name)
        return tuple(names)

    async def _read_pack(self, name: str) -> Mapping[Digest, bytes]:
        try:
            value = await self._api.get(SECRETS, self._namespace, name)
            pack = msgspec.msgpack.decode(_unpack(_data(value, "pack")), type=dict[str, bytes])
        except NotFound:
            return {}
        except (ValueError, msgspec.MsgspecError) as problem:
            _LOG.error("pack damaged", extra={"secret": name, "error": str(problem)})
            return {}
        return {Digest(digest): data for digest, data in pack.items() if digest_of(data) == digest}

    async def _collect(self, names: Iterable[str]) -> None:
        """Delete packs that no head names any more; none while nobody knows which ones an unreadable head names.

        What cannot be deleted now is collected at the next start: whoever saved or dropped a head has done so all the same.
        """
        if self._unreadable:
            return
        if not (names := set(names)):
            return
        used = {pack for saved in self._saved.values() for pack in saved.head.packs}
        for name in sorted(names - used):
            try:
                await self._secrets.delete(name)
            except ApiError as problem:
                _LOG.info("pack not collected", extra={"secret": name, "error": str(problem)})

    async def _load_term(self) -> None:
        self._term = 0
        with contextlib.suppress(NotFound):
            self._take_term(await self._api.get(SECRETS, self._namespace, TERM_SECRET))

    def _take_term(self, value: Object) -> None:
        try:
            self._term = int(_data(value, "term"))
        except ValueError as problem:
            raise DeskUnreadable(
                f"Secret {self._namespace}/{TERM_SECRET} holds no term ({problem}); delete it, and the hub's next session sets it anew"
            ) from problem
        self._secrets.note(value)

    async def _write(self, body: Object) -> None:
        await self._secrets.write(body)
        self._writes.labels(body["metadata"]["labels"][PART_LABEL]).inc()

    def _secret(self, name: str, part: str, key: str, data: bytes) -> Object:
        metadata: Object = {
            "name": name,
            "namespace": self._namespace,
            "labels": {PART_LABEL: part, "app.kubernetes.io/part-of": "cartwheel"},
        }
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": f"fleet.cartwheel.dev/{part}",
            "data": {key: base64.b64encode(data).decode()},
        }


def head_name(home: HomeName) -> str:
    """Return the name of a delivery's head."""
    return f"cartwheel-head-{hashlib.sha256(str(home).encode()).hexdigest()[:32]}"


def replace_assignment(old: Head | None, new: Head, *, was_healthy: bool) -> Head:
    """Return the head that follows: it keeps what the old one knows of the cluster, and enters the new ids ahead."""
    if old is None:
        return replace(new, ahead=new.wanted).following(new)
    ahead = {id_: version for id_, version in {**old.ahead, **new.wanted}.items() if id_ not in old.inventory}
    healthy, indexes = old.healthy, old.healthy_indexes
    if was_healthy:
        healthy, indexes = old.assignment.bundle, (old.base, old.overlay)
    return replace(
        new,
        inventory=old.inventory,
        ahead=ahead,
        ended=old.ended,
        applied=old.applied,
        applied_at=old.applied_at,
        healthy=healthy,
        healthy_indexes=indexes,
        handled=old.handled,
    ).following(new)


def _split(blobs: Mapping[Digest, bytes]) -> Iterable[dict[str, bytes]]:
    """Cut blobs into packs whose raw size stays below the limit, unless one alone is larger."""
    part: dict[str, bytes] = {}
    size = 0
    for digest, data in sorted(blobs.items()):
        if part and size + len(data) > MAX_PACK_BYTES:
            yield part
            part, size = {}, 0
        part[digest] = data
        size += len(data)
    if part:
        yield part


def _data(value: Object, key: str) -> bytes:
    try:
        return base64.b64decode((value.get("data") or {})[key], validate=True)
    except KeyError as problem:
        raise ValueError(f"it has no key {key}") from problem


def _pack(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress(data)


def _unpack(data: bytes) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=_MAX_UNPACKED)
    except zstandard.ZstdError as problem:
        raise ValueError(f"it cannot be unpacked: {problem}") from problem
