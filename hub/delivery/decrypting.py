"""Reads the keys that a delivery is decrypted with, and tells of what was changed after it was encrypted.

State: per delivery what was told last, so that it is told once. Keys are returned, never kept or shown here.
"""

from collections.abc import Mapping
from typing import Protocol

from agent.kube.watch import Key
from agent.model.content import canonical, digest_of
from hub.build.decrypt import Decryption
from hub.build.errors import BuildFailed
from hub.build.sops.errors import SopsFailed
from hub.build.sops.keyring import AGE, Keyring
from hub.delivery.settings import SopsSettings
from hub.model.events import Severity, event
from hub.model.kinds import TYPES, Kind
from hub.model.kustomization import Kustomization
from hub.store import Store

MAC_MISMATCH = "MACMismatch"


class Reader(Protocol):
    """Where Secrets are."""

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        """Return a Secret's data, None when it does not exist."""
        ...


async def read_decryption(
    reader: Reader, delivery: Kustomization, settings: SopsSettings
) -> Decryption | None:
    """Return what the delivery is decrypted with, None when it is not. Raises BuildFailed for keys that are missing or none."""
    asked = delivery.spec.decryption
    if asked is None:
        return None
    entries: Mapping[str, bytes] = {}
    where = ""
    if asked.secret_ref is not None:
        where = f"{delivery.metadata.namespace}/{asked.secret_ref.name}"
        entries = await _secret(reader, where)
    elif settings.age_secret:
        # Of what is for everybody, age keys alone, as in Flux: cloud credentials there would be everybody's.
        where = settings.age_secret
        entries = {name: data for name, data in (await _secret(reader, where)).items() if name.endswith(AGE)}
    try:
        keys = Keyring.of(entries)
    except SopsFailed as problem:
        raise BuildFailed(
            f"failed to import data from sops decryption Secret '{where}': {problem}"
        ) from problem
    identity = digest_of(canonical({name: data.hex() for name, data in entries.items()}))
    return Decryption(keys=keys, identity=identity, requires_mac=settings.requires_mac)


async def _secret(reader: Reader, where: str) -> Mapping[str, bytes]:
    namespace, _, name = where.partition("/")
    found = await reader.secret(namespace, name)
    if found is None:
        raise BuildFailed(f"cannot get sops decryption Secret '{where}': secrets \"{name}\" not found")
    return found


class Changes:
    """What of each delivery was changed after it was encrypted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: dict[Key, tuple[str, ...]] = {}

    def forget(self, key: Key) -> None:
        """Drop what was told of a delivery that is gone."""
        self._told.pop(key, None)

    async def tell(self, delivery: Kustomization, revision: str, changed: tuple[str, ...]) -> None:
        """Record an event on the delivery when another revision or others than before do not have their MAC."""
        key = (delivery.metadata.namespace, delivery.metadata.name)
        now = (revision, *changed) if changed else ()
        if self._told.get(key, ()) == now:
            return
        self._told[key] = now
        if changed:
            await self._store.record_event(
                event(
                    TYPES[Kind.KUSTOMIZATION].api_version,
                    str(Kind.KUSTOMIZATION),
                    delivery.metadata,
                    severity=Severity.ERROR,
                    reason=MAC_MISMATCH,
                    message=f"{', '.join(changed)}: changed after being encrypted, or values were added, moved or left out;"
                    " encrypt anew with sops if that was meant",
                )
            )
