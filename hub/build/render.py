"""Runs kustomize's own library in processes that hold no file, no network and no environment.

Owns the processes of the renderer (`deploy/tools/render`). It decides nothing about a tree: `kustomize.py` makes the tree
and gives the result its meaning. One process answers one request at a time; a process whose request did not end well
(too slow, too large, cancelled, dead) is killed and never asked again, so that no answer reaches another request.
"""

import asyncio
import base64
import os
import shutil
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from hub.build.errors import BuildFailed, LimitExceeded

_LENGTH: Final = struct.Struct(">I")
_COMMAND: Final = "cartwheel-render"
# A crash names itself in its first lines; the stacks that follow help nobody here.
_CRASH_BYTES: Final = 4096


class RenderUnavailable(Exception):
    """The renderer cannot be started or found; says how to get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderLimits:
    """What one build may use. What it reads and gives is in the hub's own memory too, several times as large."""

    time_s: float = 60.0
    memory_bytes: int = 768 << 20
    output_bytes: int = 64 << 20
    input_bytes: int = 128 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One resource as kustomize emits it: its YAML text and the object that the text says.

    `is_confidential`: it is made of what was encrypted, and nothing that is in it may be told.
    """

    text: str = field(repr=False)
    object: dict[str, Any] = field(repr=False)
    is_confidential: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """A tree and the directory to build; see `buildRequest` in the renderer for the fields."""

    files: Mapping[str, bytes]
    path: str
    rewrite: str = ""
    manifests: tuple[str, ...] = ()


class _Resource(msgspec.Struct):
    object: dict[str, Any]
    text: str


class _Answer(msgspec.Struct):
    resources: list[_Resource] | None = None
    error: str = ""
    step: str = ""


def find_render(configured: str | None) -> Path:
    """Find the renderer: as configured, else CARTWHEEL_RENDER, else beside the interpreter, else on PATH."""
    named = configured or os.environ.get("CARTWHEEL_RENDER")
    if named:
        path = Path(named)
        if not os.access(path, os.X_OK):
            raise RenderUnavailable(
                f"the renderer {path} is not there or not executable: build it with `make tools`"
            )
        return path
    beside = Path(sys.executable).parent / _COMMAND
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(_COMMAND)
    if found is None:
        raise RenderUnavailable(
            f"the renderer was not found: build it with `make tools` and name it in CARTWHEEL_RENDER or put it on PATH as {_COMMAND}"
        )
    return Path(found)


@dataclass(slots=True)
class RenderPool:
    """At most `size` renderers, started when they are needed and kept until `close`."""

    command: Path
    size: int
    limits: RenderLimits = field(default_factory=RenderLimits)
    _idle: list["_Process"] = field(default_factory=list, init=False)
    _busy: set["_Process"] = field(default_factory=set, init=False)
    _places: asyncio.Semaphore = field(init=False)
    _closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.size)

    async def build(self, request: BuildRequest) -> list[Rendered]:
        """Build a directory of a tree; raises BuildFailed as kustomize words it, LimitExceeded, RenderUnavailable."""
        frame = await asyncio.to_thread(_encode, request, self.limits.input_bytes)
        async with self._places:
            answer = await self._ask(frame)
        if answer.error:
            prefix = "kustomize build failed: " if answer.step == "build" else ""
            raise BuildFailed(prefix + answer.error)
        return [Rendered(text=resource.text, object=resource.object) for resource in answer.resources or []]

    async def _ask(self, frame: bytes) -> _Answer:
        if self._closed:
            raise RenderUnavailable("the hub is stopping")
        process = await self._take()
        self._busy.add(process)
        healthy = False
        try:
            async with asyncio.timeout(self.limits.time_s):
                body = await process.exchange(frame, self.limits.output_bytes)
            healthy = True
        except TimeoutError as e:
            raise LimitExceeded(f"kustomize build failed: not finished after {self.limits.time_s:g} s") from e
        finally:
            self._busy.discard(process)
            if healthy and not self._closed:
                self._idle.append(process)
            else:
                process.kill()
        return await asyncio.to_thread(msgspec.json.decode, body, type=_Answer)

    async def _take(self) -> "_Process":
        while self._idle:
            process = self._idle.pop()
            if process.alive():
                return process
            process.kill()
        return await _Process.start(self.command, self.limits.memory_bytes)

    async def close(self) -> None:
        """Kill every renderer; builds that run fail."""
        self._closed = True
        stopped = [*self._idle, *self._busy]
        self._idle.clear()
        for process in stopped:
            process.kill()
        for process in stopped:
            await process.gone()


class _Process:
    """One renderer and its two streams."""

    __slots__ = ("_process", "_reader", "_writer")

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._writer = process.stdin
        self._reader = process.stdout

    @classmethod
    async def start(cls, command: Path, memory_bytes: int) -> "_Process":
        try:
            process = await asyncio.create_subprocess_exec(
                command,
                f"-memory={memory_bytes}",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"GOTRACEBACK": "none"},
                cwd="/",
                start_new_session=True,
            )
        except OSError as e:
            raise RenderUnavailable(f"the renderer {command} does not start: {e.strerror}") from e
        return cls(process)

    def alive(self) -> bool:
        return self._process.returncode is None

    def kill(self) -> None:
        self._writer.close()
        if self.alive():
            self._process.kill()

    async def gone(self) -> None:
        await self._process.wait()

    async def exchange(self, frame: bytes, output_bytes: int) -> bytes:
        """Send a request and read its answer; the caller kills the process unless this returns."""
        try:
            self._writer.write(frame)
            await self._writer.drain()
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            if length > output_bytes:
                raise LimitExceeded(
                    f"kustomize build failed: the result has {length} bytes, {output_bytes} are allowed"
                )
            return await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as e:
            raise await self._died() from e

    async def _died(self) -> Exception:
        assert self._process.stderr is not None
        said = (await self._process.stderr.read(_CRASH_BYTES)).decode(errors="replace")
        # Not killed: that would take the status away from the loop, which reports 255 then. The time limit still holds.
        self._writer.close()
        code = await self._process.wait()
        if "out of memory" in said or "cannot allocate memory" in said:
            return LimitExceeded("kustomize build failed: the tree needs more memory than a build may use")
        first = said.strip().splitlines()[:1]
        return RenderUnavailable(
            f"the renderer ended during a build (status {code}): {''.join(first) or 'no reason given'}"
        )


def _encode(request: BuildRequest, input_bytes: int) -> bytes:
    size = sum(map(len, request.files.values()))
    if size > input_bytes:
        raise LimitExceeded(f"the files to build have {size} bytes, {input_bytes} are allowed")
    texts: dict[str, str] = {}
    binary: dict[str, str] = {}
    for name, content in request.files.items():
        try:
            texts[name] = content.decode()
        except UnicodeDecodeError:
            binary[name] = base64.b64encode(content).decode()
    body = msgspec.json.encode(
        {
            "op": "build",
            "files": texts,
            "binary": binary,
            "path": request.path,
            "rewrite": request.rewrite,
            "manifests": request.manifests,
        }
    )
    return _LENGTH.pack(len(body)) + body
