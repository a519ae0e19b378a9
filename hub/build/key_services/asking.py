"""How a service is asked, and how its answers come to a keyring. Nothing here shows a key or a credential."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from agent.kit.tasks import all_of
from hub.build.sops.errors import KeyRefused
from hub.build.sops.keyring import Answers
from hub.build.sops.metadata import KeyKind, SealedKey

AT_ONCE = 8
MAX_ANSWER = 64 << 10


class KeyService(Protocol):
    """One service, as one of its users."""

    async def open(self, sealed: SealedKey) -> bytes:
        """Return what is encrypted with one of its keys. Raises KeyRefused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a service answered."""

    status: int
    body: bytes


async def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float) -> Reply:
    """Send a request. Raises KeyRefused when there is no answer, or a long one."""
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            found = await answer.content.read(MAX_ANSWER)
            if not answer.content.at_eof():
                raise KeyRefused("its answer is too long")
            return Reply(status=answer.status, body=found)
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as problem:
        raise KeyRefused(f"it cannot be reached: {type(problem).__name__}") from problem


async def answer(
    services: Mapping[KeyKind, KeyService], wanted: Sequence[SealedKey], answers: Answers
) -> None:
    """Ask for keys, and note what the services say of each."""

    async def ask(sealed: SealedKey) -> None:
        try:
            answers[sealed] = await services[sealed.kind].open(sealed)
        except KeyRefused as problem:
            answers[sealed] = str(problem)

    await all_of([ask(one) for one in dict.fromkeys(wanted)], at_once=AT_ONCE)
