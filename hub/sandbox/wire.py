"""A request to an API server in memory and its answer, however they travel. Pure values."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

JSON = "application/json"


class Broken(Exception):
    """A connection that ends before its answer does; `sent` is what had come of the body, or of a line of it."""

    def __init__(self, sent: bytes = b"") -> None:
        super().__init__(f"the connection broke after {len(sent)} bytes" if sent else "the connection broke")
        self.sent = sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the name, the groups and what else an authenticator knows."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. Names of headers are in lower case; `path` is decoded, `query` has every value of a name in order."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def asked(self, name: str) -> str:
        """Return the first value of a query parameter, empty when there is none."""
        values = self.query.get(name) or ("",)
        return values[0]

    def is_asked(self, name: str) -> bool:
        """Tell whether a query parameter that is a truth value says yes, by Go's rule for such."""
        return self.asked(name).lower() in ("1", "t", "true")

    @property
    def media_type(self) -> str:
        """Return the type of the body without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered: a value as JSON, text, bytes, or a stream of values, each a line; or, later, what another server answers."""

    status: int = 200
    value: Any = None
    stream: AsyncGenerator[Any] | None = None
    text: str | None = None
    content: bytes | None = None
    later: Callable[[], Awaitable["Answer"]] | None = None
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """Return the bytes of an answer that is no stream."""
        if self.content is not None:
            return self.content
        return self.text.encode() if self.text is not None else msgspec.json.encode(self.value)

    async def settled(self) -> "Answer":
        """Return what is answered in the end: of a group that is served elsewhere, what is said there."""
        return self if self.later is None else await self.later()
