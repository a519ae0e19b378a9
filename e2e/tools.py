"""Builds the Go programs of this repository, once per machine.

Each tool is a Go module in this checkout. Its binary is kept in the user's cache folder under the hash of the
module's own files, so clones share it and a changed module is built anew. Standard library only: this runs before
any environment exists (`python -m e2e.tools ensure controlplane kwok registry render`).
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

_RELEASE = "v1.36.3"
_RELEASE_FLAGS = (
    "-s -w "
    f"-X k8s.io/component-base/version.gitVersion={_RELEASE} "
    "-X k8s.io/component-base/version.gitMajor=1 "
    "-X k8s.io/component-base/version.gitMinor=36 "
    f"-X k8s.io/client-go/pkg/version.gitVersion={_RELEASE}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One Go program: where its module is, which package is built, and how long that takes on two cores."""

    name: str
    module: Path
    package: str = "."
    ldflags: str = "-s -w"
    expected: str

    def key(self) -> str:
        """Hash the module's own files: go.mod, go.sum and every Go source."""
        names = [self.module / "go.mod", self.module / "go.sum", *self.module.rglob("*.go")]
        digest = hashlib.sha256()
        for file in sorted(file for file in names if file.is_file()):
            digest.update(file.relative_to(self.module).as_posix().encode() + b"\0")
            digest.update(file.read_bytes() + b"\0")
        return digest.hexdigest()[:16]

    def binary(self) -> Path:
        """Return where the binary belongs, whether or not it is built."""
        return cache_folder() / f"{self.name}-{self.key()}" / self.name


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            name="controlplane",
            module=CHECKOUT / "e2e" / "controlplane",
            ldflags=_RELEASE_FLAGS,
            expected="about 5 minutes",
        ),
        Tool(
            name="kwok",
            module=CHECKOUT / "e2e" / "kwok",
            package="sigs.k8s.io/kwok/cmd/kwok",
            expected="about 90 seconds",
        ),
        Tool(
            name="registry",
            module=CHECKOUT / "e2e" / "registry",
            package="github.com/distribution/distribution/v3/cmd/registry",
            expected="about 90 seconds",
        ),
        Tool(
            name="render",
            module=CHECKOUT / "deploy" / "tools" / "render",
            expected="about 2 minutes",
        ),
        Tool(
            name="sops",
            module=CHECKOUT / "e2e" / "sops",
            package="github.com/getsops/sops/v3/cmd/sops",
            expected="about 2 minutes",
        ),
        Tool(
            name="age-keygen",
            module=CHECKOUT / "e2e" / "sops",
            package="filippo.io/age/cmd/age-keygen",
            expected="a few seconds",
        ),
    )
}


class ToolMissing(Exception):
    """A tool is not built, or can't be built; the message says what to do."""


def cache_folder() -> Path:
    """Return the folder in which every clone on this machine keeps its built tools."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "cartwheel" / "tools"


def path(name: str) -> Path:
    """Return the built binary of a tool; raises ToolMissing when it has to be built first."""
    binary = TOOLS[name].binary()
    if not binary.is_file():
        raise ToolMissing(f"the tool {name} is not built: run `python -m e2e.tools ensure {name}`")
    return binary


def ensure(name: str) -> Path:
    """Build a tool unless its binary is there, showing progress; return the binary."""
    tool = TOOLS[name]
    binary = tool.binary()
    if binary.is_file():
        return binary
    if not (tool.module / "go.mod").is_file():
        raise ToolMissing(f"the tool {name} has no Go module in {tool.module}")
    if shutil.which("go") is None:
        raise ToolMissing(f"the tool {name} needs Go 1.26 or newer on PATH: install it and run this again")
    with _only_builder(name):
        if not binary.is_file():  # another clone may have built it while this one waited
            _build(tool, binary)
    return binary


def _build(tool: Tool, binary: Path) -> None:
    """Build into a folder of its own and rename it, so that nobody ever sees half a binary."""
    staging = Path(tempfile.mkdtemp(prefix=f".{tool.name}-", dir=cache_folder()))
    try:
        command = [
            "go",
            "build",
            "-trimpath",
            "-ldflags",
            tool.ldflags,
            "-o",
            str(staging / tool.name),
            tool.package,
        ]
        _run_with_progress(tool, command)
        if binary.parent.exists():  # a folder without its binary: left by hand, never by this program
            shutil.rmtree(binary.parent)
        staging.chmod(0o755)
        staging.rename(binary.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _run_with_progress(tool: Tool, command: list[str]) -> None:
    started = time.monotonic()
    _say(f"{tool.name}: building ({tool.expected} the first time on this machine)")
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen(command, cwd=tool.module, stdout=output, stderr=output) as build:
            while True:
                try:
                    build.wait(timeout=15)
                    break
                except subprocess.TimeoutExpired:
                    _say(
                        f"{tool.name}: still building, {time.monotonic() - started:.0f} s so far ({tool.expected})"
                    )
                except BaseException:
                    build.kill()
                    raise
        if build.returncode != 0:
            output.seek(0)
            raise ToolMissing(
                f"the tool {tool.name} did not build in {tool.module}:\n{output.read().strip()}"
            )
    _say(f"{tool.name}: built in {time.monotonic() - started:.0f} s")


@contextmanager
def _only_builder(name: str) -> Iterator[None]:
    """Hold the machine-wide lock of one tool; the kernel frees it when the holder dies."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"{name}: another build of it is running on this machine, waiting for that")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m e2e.tools", description="Build the Go tools of this checkout."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    ensure_parser = commands.add_parser("ensure", help="build what is not built yet")
    ensure_parser.add_argument("names", nargs="+", choices=sorted(TOOLS))
    path_parser = commands.add_parser("path", help="print where the built binary is")
    path_parser.add_argument("name", choices=sorted(TOOLS))
    options = parser.parse_args(arguments)
    try:
        if options.command == "path":
            print(path(options.name))
            return 0
        for name in options.names:
            _say(f"{name}: ready, {ensure(name)}")
    except ToolMissing as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
