"""Keeps a session with the hub: enrols when there is no good certificate, renews it in time, dials again when a session ends.

State: the credentials. A refused agent keeps trying at the slowest rate: whoever refused it may change their mind, or bring it another join
token, which enrols it anew whatever certificate it has.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.kit.clock import Clock, Randomness
from agent.kit.errors import CartwheelError, Stalled
from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.link.channel import Channel, enroll
from agent.link.identity import Credentials, IdentityStore
from agent.link.session import Session
from agent.model.names import ClusterId, timestamp

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialSettings:
    """Where the hub is, and the link's times. `bootstrap` is the folder with token, ca.crt."""

    address: str
    enrol_address: str
    bootstrap: Path
    keepalive_s: float = 30.0
    call_timeout_s: float = 60.0
    backoff: Backoff
    renew_at: float = 0.66


class Dial:
    """The agent's side of the link."""

    def __init__(
        self,
        settings: DialSettings,
        identities: IdentityStore,
        session: Callable[[ClusterId, Channel], Session],
        *,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._settings = settings
        self._identities = identities
        self._session = session
        self._clock = clock
        self._randomness = randomness
        self.is_connected = False

    async def identify(self) -> Credentials:
        """Return credentials with a good certificate, enrolling until the hub gives one."""
        failures = 0
        while True:
            try:
                return await self._newest(await self._identities.load())
            except CartwheelError as problem:
                failures += 1
                await self._pause("not enrolled", problem, failures)

    async def run(self, credentials: Credentials) -> None:
        """Hold sessions for ever."""
        failures = 0
        while True:
            started = self._clock.monotonic_s()
            problem: CartwheelError | None = None
            try:
                credentials = await self._newest(credentials)
                await self._hold(credentials)
            except CartwheelError as broken:
                problem = broken
            if self._clock.monotonic_s() - started > self._settings.backoff.last_s:
                failures = 0
            failures += 1
            await self._pause("session ended", problem, failures)
            try:
                # It may have been renewed meanwhile, or saved though saving it was not answered.
                credentials = await self._identities.load()
            except CartwheelError as unread:
                _LOG.warning("identity not read", extra={"reason": unread.reason, "error": str(unread)})

    async def _newest(self, credentials: Credentials) -> Credentials:
        """Return the credentials, enrolled anew when there is another join token or their certificate is not good any more."""
        is_good = credentials.is_enrolled and self._clock.now() < credentials.lifetime[1]
        # Each time anew: whoever brings another token replaces the files.
        token = await asyncio.to_thread(_read, self._settings.bootstrap)
        if is_good and (token is None or credentials.token_id in ("", token.id)):
            return credentials
        try:
            return await self._enrol(credentials, token)
        except CartwheelError as problem:
            if is_good:
                _LOG.warning("not enrolled anew", extra={"reason": problem.reason, "error": str(problem)})
                return credentials
            if not credentials.is_enrolled:
                raise
            raise Stalled(
                f"the certificate ended at {timestamp(credentials.lifetime[1])}, and there is no other: {problem}",
                reason="CertificateExpired",
            ) from problem

    async def _hold(self, credentials: Credentials) -> None:
        """Hold one session until it ends, renewing the certificate meanwhile."""
        settings = self._settings
        channel = Channel(
            settings.address,
            credentials,
            keepalive_s=settings.keepalive_s,
            call_timeout_s=settings.call_timeout_s,
        )
        session = self._session(credentials.cluster, channel)
        stream = channel.open()
        try:
            async with Tasks() as tasks:
                tasks.start(self._renew(credentials, channel), name="renew")
                serving = tasks.start(session.run(stream), name="session")
                self.is_connected = True
                await tasks.run_until(serving)
        finally:
            self.is_connected = False
            await stream.close()
            await channel.close()

    async def _renew(self, credentials: Credentials, channel: Channel) -> None:
        """Renew again and again; a failure is tried again while the certificate lasts."""
        failures = 0
        while True:
            start, end = credentials.lifetime
            due = start + (end - start) * self._settings.renew_at
            wait_s = (due - self._clock.now()).total_seconds()
            if failures:
                wait_s = max(wait_s, self._settings.backoff.delay_s(failures, self._randomness))
            await self._clock.sleep(max(wait_s, 0.0))
            try:
                certificate, ca = await channel.renew(credentials.request())
                credentials = await self._identities.enrolled(credentials, certificate, ca)
                failures = 0
            except CartwheelError as problem:
                failures += 1
                _LOG.warning("not renewed", extra={"reason": problem.reason, "error": str(problem)})

    async def _enrol(self, credentials: Credentials, token: "_Token | None") -> Credentials:
        if token is None:
            raise Stalled(
                f"there is no join token in {self._settings.bootstrap}; run `hub cluster add` again",
                reason="NoToken",
            )
        certificate, ca = await enroll(
            self._settings.enrol_address,
            token.ca,
            token=token.text,
            request=credentials.request(),
            timeout_s=self._settings.call_timeout_s,
        )
        _LOG.info("enrolled")
        return await self._identities.enrolled(credentials, certificate, ca, token_id=token.id)

    async def _pause(self, event: str, problem: CartwheelError | None, failures: int) -> None:
        delay_s = self._settings.backoff.delay_s(failures, self._randomness)
        extra: dict[str, object] = {"retry_s": round(delay_s, 1)}
        if problem is not None:
            extra |= {"reason": problem.reason, "error": str(problem)}
        _LOG.warning(event, extra=extra)
        await self._clock.sleep(delay_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """A join token and the CA by which the hub is known that made it."""

    text: str = field(repr=False)
    ca: bytes

    @property
    def id(self) -> str:
        return self.text.partition(".")[0]


def _read(folder: Path) -> _Token | None:
    try:
        return _Token(text=(folder / "token").read_text().strip(), ca=(folder / "ca.crt").read_bytes())
    except OSError:
        return None
