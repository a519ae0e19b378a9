"""Reads the keys that a delivery is decrypted with, and tells of what was changed after it was encrypted.

State: per delivery what was told last, so that it is told once; and, in memory only, the data keys that services opened with the credentials
that it has, so that one is asked once.
"""

from collections.abc import Mapping
from typing import Protocol

from agent.kit.clock import Clock
from agent.kube.watch import Key
from agent.model.content import canonical, digest_of
from hub.build.decrypt import Decryption
from hub.build.errors import BuildFailed
from hub.build.key_services.credentials import Asking, services_of
from hub.build.sops.errors import SopsFailed
from hub.build.sops.keyring import AGE, Answers, Keyring
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


class Keys:
    """What deliveries are decrypted with."""

    def __init__(self, reader: Reader, settings: SopsSettings, clock: Clock) -> None:
        self._reader = reader
        self._settings = settings
        self._asking = Asking(
            clock=clock,
            timeout_s=settings.service_timeout_s,
            aws_endpoint=settings.aws_endpoint,
            gcp_endpoint=settings.gcp_endpoint,
        )
        self._answers: dict[Key, tuple[str, Answers]] = {}

    def forget(self, key: Key) -> None:
        """Drop what is kept for a delivery that is gone."""
        self._answers.pop(key, None)

    async def of(self, delivery: Kustomization) -> Decryption | None:
        """Return what the delivery is decrypted with, None when it is not. Raises BuildFailed for keys that are missing or none."""
        asked = delivery.spec.decryption
        key = (delivery.metadata.namespace, delivery.metadata.name)
        if asked is None:
            self.forget(key)
            return None
        where = self._settings.age_secret
        entries: Mapping[str, bytes] = {}
        if asked.secret_ref is not None:
            where = f"{delivery.metadata.namespace}/{asked.secret_ref.name}"
            entries = await self._secret(where)
        elif where:
            # Of what is for everybody, age keys alone, as in Flux: cloud credentials there would be everybody's.
            entries = {name: data for name, data in (await self._secret(where)).items() if name.endswith(AGE)}
        identity = digest_of(canonical({name: data.hex() for name, data in entries.items()}))
        try:
            services = services_of(entries, self._asking)
            keys = Keyring.of(entries, services, self._known(key, identity))
        except SopsFailed as problem:
            raise BuildFailed(
                f"failed to import data from sops decryption Secret '{where}': {problem}"
            ) from problem
        return Decryption(
            keys=keys, identity=identity, services=services, requires_mac=self._settings.requires_mac
        )

    def _known(self, key: Key, identity: str) -> Answers:
        """Return what services opened for the delivery with the same credentials; what they refused is asked again."""
        before, answers = self._answers.get(key, ("", {}))
        known: Answers = {sealed: one for sealed, one in answers.items() if isinstance(one, bytes)}
        self._answers[key] = (identity, known if before == identity else {})
        return self._answers[key][1]

    async def _secret(self, where: str) -> Mapping[str, bytes]:
        namespace, _, name = where.partition("/")
        found = await self._reader.secret(namespace, name)
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
