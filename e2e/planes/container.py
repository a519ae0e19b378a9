"""One container of ours as a host process: its command from this checkout, with its own view of files and processes.

The root is an overlay over the host's, so that volumes are at their real paths and nothing that the process writes outlives it. A process
namespace of its own makes everything that the container started end with it. The network is the host's, the user is the harness's.
"""

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e import tools
from e2e.planes.process import Program, descendants

_ENTER = """\
set -e
mount -t tmpfs tmpfs {scratch}
mkdir {scratch}/upper {scratch}/work {scratch}/root
mount -t overlay overlay -o lowerdir=/,upperdir={scratch}/upper,workdir={scratch}/work {scratch}/root
cd {scratch}/root
for part in dev sys; do mount --rbind /$part $part; done
mount -t proc proc proc
bind() {{
  if [ -d "$1" ]; then mkdir -p ".$2"; else mkdir -p "$(dirname ".$2")"; touch ".$2"; fi
  mount --bind "$1" ".$2"
  if [ "$3" = ro ]; then mount -o "remount,bind,ro" ".$2"; fi
}}
{binds}
{protect}
exec chroot . env -C {folder} {command}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file or folder of the host at a path of the container."""

    source: Path
    path: str
    is_writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlan:
    """What to run and what it sees."""

    command: Sequence[str]
    env: Mapping[str, str]
    mounts: Sequence[Mount]
    working_folder: str = "/"
    is_root_writable: bool = True
    commands: Path | None = None
    """The commands of an image that was made (e2e/images.py); without it those of this checkout."""


class Container:
    """A started container."""

    def __init__(self, name: str, plan: ContainerPlan, folder: Path) -> None:
        scratch = folder / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        entry = folder / "enter.sh"
        entry.write_text(_script(plan, scratch))
        unshare = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL")
        self._program = Program(
            name, [*unshare, "sh", entry], folder / "log", env={**_image_env(plan.commands), **plan.env}
        )
        self._program.start()

    @property
    def exit_code(self) -> int | None:
        """How it ended, None while it runs; 128 plus the signal when one ended it, as container runtimes say it."""
        code = self._program.exit_code()
        return code if code is None or code >= 0 else 128 - code

    @property
    def pid(self) -> int | None:
        """The container's first process, None when it is gone."""
        return next(descendants(self._program.pid), None)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal: stopping, going on and killing reach every process of the container, others the first."""
        if self._program.exit_code() is not None:
            return
        if number == signal.SIGKILL:
            # The kernel takes the container with its parent, whose own end is then told as a kill.
            self._program.signal(number)
            return
        pids = list(descendants(self._program.pid))
        for pid in pids if number in (signal.SIGSTOP, signal.SIGCONT) else pids[:1]:
            # The first that goes on may at once end those that it started.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """Kill -9 everything in it, and wait until it is gone."""
        self._program.kill()


def _script(plan: ContainerPlan, scratch: Path) -> str:
    # The overlay shows one file system of the host; what we need of it may lie on another.
    ours = plan.commands.parent if plan.commands else Path(sys.prefix)
    own = [str(part) for part in (tools.CHECKOUT, ours, sys.base_prefix, tools.cache_folder())]
    mounts = [Mount(source=Path(path), path=path, is_writable=False) for path in own if Path(path).is_dir()]
    # Resolved as the host has them: an absolute link below the new root would lead out of it before it is the root.
    binds = [
        shlex.join(["bind", str(one.source), os.path.realpath(one.path), "rw" if one.is_writable else "ro"])
        for one in sorted((*mounts, *plan.mounts), key=lambda one: one.path)
    ]
    return _ENTER.format(
        scratch=shlex.quote(str(scratch)),
        binds="\n".join(binds),
        protect="" if plan.is_root_writable else "mount -o remount,ro .",
        folder=shlex.quote(plan.working_folder),
        command=shlex.join(plan.command),
    )


def _image_env(commands: Path | None) -> dict[str, str]:
    """Return what the images set: our commands and the renderer are found, and nothing of the caller's environment is."""
    ours = commands or Path(sys.executable).parent
    found = {
        "PATH": f"{ours}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }
    render = tools.TOOLS["render"].binary()
    # An image has the renderer beside its interpreter.
    return found | ({"CARTWHEEL_RENDER": str(render)} if commands is None and render.is_file() else {})
