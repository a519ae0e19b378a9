"""Keeps a session with the hub: enrols, renews the certificate in time, recovers one that has ended, dials again when a session ends.

State: the credentials. A refused agent keeps trying at the slowest rate: whoever refused it may change their mind, or bring it another join
token, which enrols it anew whatever certificate it has.

The hub's clock decides whether a certificate is good. Where this cluster's says otherwise the hub is asked, and what comes next is timed from
when the last certificate came, so that a clock that is wrong on either side costs questions, neither writes nor the identity.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from agent.kit.clock import Clock, Randomness
from agent.kit.errors import CartwheelError, Stalled
from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.link.channel import Channel, enroll, recover
from agent.link.identity import Credentials, IdentityStore
from agent.link.session import Session
from agent.model.link import CLUSTER_REMOVED
from agent.model.names import ClusterId, timestamp

_LOG = logging.getLogger(__name__)
DOUBT_AFTER = 3
"""So many sessions in a row that the hub did not even refuse: it may be the certificate, which TLS refuses without a word."""
_ENDED = "CertificateExpired"
_SILENT = frozenset({"UNAVAILABLE", "Ended"})


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
        removed: Callable[[str], Awaitable[None]],
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._settings = settings
        self._identities = identities
        self._session = session
        self._removed = removed
        self._clock = clock
        self._randomness = randomness
        self._serving: Session | None = None
        self._problem = "not enrolled"

    @property
    def problem(self) -> str:
        """Return what a person has to settle, empty when nothing."""
        return "" if self._serving is not None and self._serving.is_welcome else self._problem

    async def identify(self) -> Credentials:
        """Return credentials with a good certificate, enrolling until the hub gives one."""
        failures = 0
        while True:
            try:
                credentials = await self._newest(await self._identities.load())
            except CartwheelError as problem:
                failures += 1
                await self._heed(problem)
                await self._pause("not enrolled", problem, failures)
            else:
                self._problem = ""
                return credentials

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
            await self._heed(problem)
            await self._doubt(credentials, problem, failures)
            await self._pause("session ended", problem, failures)
            try:
                # It may have been renewed meanwhile, or saved though saving it was not answered.
                credentials = await self._identities.load()
            except CartwheelError as unread:
                _LOG.warning("identity not read", extra={"reason": unread.reason, "error": str(unread)})

    async def _newest(self, credentials: Credentials) -> Credentials:
        """Return the credentials, enrolled anew when there is another join token, recovered when their certificate is not good any more."""
        is_good = credentials.is_good_at(self._clock.now())
        # Each time anew: whoever brings another token replaces the files.
        token = await asyncio.to_thread(_read, self._settings.bootstrap)
        if not credentials.is_enrolled:
            return await self._enrol(credentials, token)
        if token is not None and token.id != credentials.token_id and (credentials.token_id or not is_good):
            try:
                return await self._enrol(credentials, token)
            except CartwheelError as problem:
                _LOG.warning("not enrolled anew", extra={"reason": problem.reason, "error": str(problem)})
        if is_good:
            return credentials
        try:
            return await self._recover(credentials)
        except CartwheelError as problem:
            ended = timestamp(credentials.lifetime[1])
            raise Stalled(
                f"the certificate ended at {ended}, and there is no other: {problem}", reason=problem.reason
            ) from problem

    async def _recover(self, credentials: Credentials) -> Credentials:
        """Return credentials whose certificate is good by the hub's clock: another one over the same key, if this one is not."""
        settings = self._settings
        found = await recover(settings.enrol_address, credentials, timeout_s=settings.call_timeout_s)
        if found is None:
            times = {"ends": timestamp(credentials.lifetime[1]), "clock": timestamp(self._clock.now())}
            _LOG.warning("certificate good by the hub's clock", extra=times)
            return credentials
        _LOG.info("recovered", extra={"ended": timestamp(credentials.lifetime[1])})
        return await self._identities.enrolled(credentials, *found)

    async def _doubt(self, credentials: Credentials, problem: CartwheelError | None, failures: int) -> None:
        """Ask the hub for a certificate when sessions end as they do when only its clock says that this one has ended."""
        is_silent = problem is not None and problem.reason in _SILENT and failures >= DOUBT_AFTER
        if not is_silent and (problem is None or problem.reason != _ENDED):
            return
        if not credentials.is_good_at(self._clock.now()):
            return  # It is asked for before the next session.
        try:
            await self._recover(credentials)
        except CartwheelError as unanswered:
            await self._heed(unanswered)
            _LOG.info("not recovered", extra={"reason": unanswered.reason, "error": str(unanswered)})

    async def _heed(self, problem: CartwheelError | None) -> None:
        """Guard nothing any more when the hub says that the cluster was removed; it is told again and again, so it may fail."""
        if problem is None or problem.reason != CLUSTER_REMOVED:
            return
        try:
            await self._removed(str(problem))
        except CartwheelError as unsaved:
            _LOG.warning("still guarding", extra={"reason": unsaved.reason, "error": str(unsaved)})
        self._problem = str(problem)

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
                self._serving = session
                await tasks.run_until(serving)
        finally:
            self._serving = None
            if session.is_welcome:
                self._problem = ""
            await stream.close()
            await channel.close()

    async def _renew(self, credentials: Credentials, channel: Channel) -> None:
        """Renew again and again; a failure is tried again while the certificate lasts."""
        failures = 0
        is_new = False
        while True:
            wait_s = until_renewal_s(
                credentials.lifetime, self._clock.now(), self._settings.renew_at, is_new=is_new
            )
            if failures:
                wait_s = max(wait_s, self._settings.backoff.delay_s(failures, self._randomness))
            await self._clock.sleep(wait_s)
            try:
                certificate, ca = await channel.renew(credentials.request())
                credentials = await self._identities.enrolled(credentials, certificate, ca)
                failures, is_new = 0, True
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


def until_renewal_s(
    lifetime: tuple[datetime, datetime], now: datetime, renew_at: float, *, is_new: bool
) -> float:
    """Return how long a certificate can wait for its renewal, by a clock that may be wrong.

    Never longer than the share of its life at which it is renewed, and at least half of that when it came just now.
    """
    start, end = lifetime
    whole_s = (end - start).total_seconds() * renew_at
    due_s = whole_s - (now - start).total_seconds()
    return min(max(due_s, whole_s / 2 if is_new else 0.0), whole_s)


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
