"""Secrets that are this process's own: each is written and deleted only as this process knows it, so that of two processes one fails.

State: of each Secret the resourceVersion and the digest of what it held when it was last seen or written, and what writes without an answer
would have left: they may have taken effect, and then count as known when they are found there.

Other hands write Secrets, too: a backup's annotation, `kubectl edit`. Labels and annotations make no Secret another. What a Secret holds is
another matter: who is to go on from there decides what becomes of it (`Changed`). One that was deleted is made anew only by a process that
acts alone.
"""

import base64
import logging
from collections.abc import Callable

from agent.kube.api import Api, Object
from agent.kube.errors import ApiError, Conflict, NotFound, ServerFailed, Unreachable
from agent.kube.resources import SECRETS
from agent.model.content import digest_of
from agent.model.names import Digest

_LOG = logging.getLogger(__name__)


class Changed(Conflict):
    """Somebody else changed what a Secret holds. `found` is how it is now."""

    def __init__(self, found: Object) -> None:
        metadata = found["metadata"]
        self.found = found
        super().__init__(
            f"Secret {metadata['namespace']}/{metadata['name']} does not hold what this process wrote: it was changed by "
            f"{_changed_by(found)}; where no other process has taken over, restart this one to go on from what is there",
            status=409,
            reason="SecretChanged",
        )


class OwnSecrets:
    """The Secrets of one namespace that this process writes. `acts` tells whether, by its Lease, no other one may write them now."""

    def __init__(self, api: Api, namespace: str, *, field_manager: str, acts: Callable[[], bool]) -> None:
        self._api = api
        self._namespace = namespace
        self._field_manager = field_manager
        self._acts = acts
        self._known: dict[str, tuple[str, Digest]] = {}
        self._unanswered: dict[str, set[Digest]] = {}

    @property
    def may_decide(self) -> bool:
        """Tell whether this process alone acts, so that what others left is its to decide on."""
        return self._acts()

    def begin(self) -> None:
        """Know nothing."""
        self._known.clear()
        self._unanswered.clear()

    def note(self, found: Object) -> None:
        """Know a Secret as it was found: the next write is over that."""
        name = found["metadata"]["name"]
        self._known[name] = (str(found["metadata"]["resourceVersion"]), _digest(found))
        self._unanswered.pop(name, None)

    def forget(self, name: str) -> None:
        """Know that a Secret is not there."""
        self._known.pop(name, None)
        self._unanswered.pop(name, None)

    def is_certain(self, name: str) -> bool:
        """Tell whether every write of a Secret was answered."""
        return name not in self._unanswered

    async def write(self, body: Object) -> None:
        """Create a Secret, or replace it as it is known. Raises Changed, Conflict when it is gone, and what the API raises."""
        name = body["metadata"]["name"]
        try:
            written = await self._put(body, await self._version(name))
        except (Conflict, NotFound) as problem:
            written = await self._put(body, await self._version_after(name, problem))
        self.note(written)

    async def delete(self, name: str) -> None:
        """Delete a Secret as it is known, or as it is when nothing is known of it. Raises Changed, and what the API raises."""
        try:
            await self._remove(name, await self._version(name))
        except Conflict as problem:
            await self._remove(name, await self._version_after(name, problem))
        self.forget(name)

    async def find_written(self, name: str) -> bool:
        """Tell whether a Secret of which nothing is known is there by a write that was not answered."""
        return bool(await self._version(name))

    async def _version(self, name: str) -> str:
        """Return the resourceVersion to write over: the known one, or that of our own write whose answer was lost."""
        known = self._known[name][0] if name in self._known else ""
        if name not in self._unanswered:
            return known
        found = await self._find(name)
        is_ours = found is not None and _digest(found) in self._unanswered[name]
        return str(found["metadata"]["resourceVersion"]) if found is not None and is_ours else known

    async def _version_after(self, name: str, problem: ApiError) -> str:
        """Return what to write over after a refusal, empty when the Secret is to be made anew. Raises Changed, and the refusal itself."""
        found = await self._find(name)
        if found is None:
            if not self._acts():
                raise problem
            _LOG.warning("secret was deleted; made anew", extra={"secret": name})
            return ""
        ours = {self._known[name][1]} if name in self._known else set[Digest]()
        if _digest(found) not in ours | self._unanswered.get(name, set()):
            raise Changed(found) from problem
        _LOG.info("secret was annotated", extra={"secret": name, "by": _changed_by(found)})
        return str(found["metadata"]["resourceVersion"])

    async def _find(self, name: str) -> Object | None:
        try:
            return await self._api.get(SECRETS, self._namespace, name)
        except NotFound:
            return None

    async def _put(self, body: Object, version: str) -> Object:
        metadata = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
        if version:
            metadata["resourceVersion"] = version
        change = self._api.replace if version else self._api.create
        whole = {**body, "metadata": metadata}
        try:
            return await change(SECRETS, self._namespace, whole, field_manager=self._field_manager)
        except BaseException as problem:
            # Cancelled, too: a session that ends while a write is under way does not call it back.
            if not isinstance(problem, ApiError) or isinstance(problem, Unreachable | ServerFailed):
                self._unanswered.setdefault(body["metadata"]["name"], set()).add(_digest(body))
            raise

    async def _remove(self, name: str, version: str) -> None:
        try:
            await self._api.delete(SECRETS, self._namespace, name, resource_version=version)
        except NotFound:
            return


def _digest(value: Object) -> Digest:
    """Return the digest of what a Secret holds."""
    data = sorted((value.get("data") or {}).items())
    return digest_of(b"\n".join(f"{key} ".encode() + _decoded(text) for key, text in data))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode()


def _changed_by(found: Object) -> str:
    """Return who wrote last, by the server's own notes."""
    notes = found["metadata"].get("managedFields") or ()
    by_time = sorted(notes, key=lambda one: str(one.get("time", "")))
    return str(by_time[-1].get("manager") or "somebody") if by_time else "somebody"
