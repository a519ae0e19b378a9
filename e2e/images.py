"""Makes an image's environment without a container engine: plays the instructions of its Dockerfile in a folder of the host.

    image = Image.build("agent", folder)
    image.run("agent", "--help")
    plane.pods.images["cartwheel-agent"] = image.commands      # Pods of that image run from it

What a RUN line does to /venv, /src and /wheel it does below the folder. The base images' Python is a bare environment of this interpreter,
and the stage that compiles the renderer is taken as done: the harness has built the same module.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e import tools

_ROOTS = re.compile(r"(?<![\w./-])/(venv|src|wheel)\b")


class BuildFailed(RuntimeError):
    """An instruction ended with an error; the text has what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that was made: `commands` is the folder its PATH begins with."""

    commands: Path
    python: Path

    @classmethod
    def build(cls, name: str, folder: Path) -> "Image":
        """Play `deploy/Dockerfile.NAME` in an empty folder. Raises BuildFailed."""
        folder.mkdir(parents=True)
        base = folder / "base"
        _run([sys.executable, "-m", "venv", str(base)], folder, {})
        env = {"PATH": f"{base / 'bin'}:/usr/local/bin:/usr/bin:/bin", "HOME": str(Path.home())}
        stage = ""
        for word, rest in _instructions((tools.CHECKOUT / "deploy" / f"Dockerfile.{name}").read_text()):
            if word == "FROM":
                stage = rest.partition(" AS ")[2]
            elif stage == "build" and word == "COPY":
                _copy(shlex.split(rest), folder)
            elif stage == "build" and word == "RUN":
                _run(["sh", "-e", "-c", _placed(rest, folder)], folder / "src", env)
        return cls(commands=folder / "venv" / "bin", python=folder / "venv" / "bin" / "python")

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of the image from outside of any checkout, and return how it ended."""
        found = {"PATH": f"{self.commands}:/usr/bin:/bin", "HOME": "/nonexistent", **(env or {})}
        return subprocess.run(
            [str(self.commands / command[0]), *command[1:]],
            cwd="/",
            env=found,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield (word, rest) of each instruction, continued lines joined."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word, rest


def _copy(words: list[str], folder: Path) -> None:
    """COPY [--from=render] SOURCE... DESTINATION."""
    is_renderer = words[0] == "--from=render"
    *sources, destination = words[1:] if is_renderer else words
    target = folder / "src" / _placed(destination, folder)
    for source in sources:
        origin = tools.path("render") if is_renderer else tools.CHECKOUT / source
        if origin.is_dir():
            shutil.copytree(
                origin,
                target,
                symlinks=True,
                ignore=shutil.ignore_patterns("__pycache__"),
                dirs_exist_ok=True,
            )
        else:
            into = target if is_renderer else target / origin.name
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(origin, into)


def _placed(text: str, folder: Path) -> str:
    return _ROOTS.sub(lambda found: f"{folder}/{found[1]}", text)


def _run(command: list[str], folder: Path, env: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command, cwd=folder, env=env or dict(os.environ), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildFailed(f"{command[-1]}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
