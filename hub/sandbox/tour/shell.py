"""Runs the tour's commands as a person would type them, and shows what they print as it comes."""

import os
import signal
import subprocess
from pathlib import Path

from hub.sandbox.tour.screen import Screen

_END = {signal.SIGINT, signal.SIGTERM}


class CommandFailed(RuntimeError):
    """A command that should succeed ended with an error; what it said is on the screen."""


class Shell:
    """A shell of the tour: its programs, its kubeconfig, its folder."""

    def __init__(self, screen: Screen, folder: Path) -> None:
        self._screen = screen
        self.folder = folder
        self.programs = folder / "bin"
        self.kubeconfig = folder / "kubeconfig"
        self.programs.mkdir(parents=True)

    @property
    def path(self) -> str:
        """Return where programs are looked for."""
        return f"{self.programs}:{os.environ['PATH']}"

    def run(self, command: str, *, within: str = "") -> str:
        """Show a command, run it in the tour's folder or one below, show what it prints, and return that. Raises CommandFailed."""
        self._screen.command(command)
        said = self._stream(command, self.folder / within)
        self._screen.set_apart()
        return said

    def ask(self, command: str) -> str:
        """Run a command in the tour's folder without showing it, and return what it prints."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout

    def _stream(self, command: str, folder: Path) -> str:
        lines = []
        # An end that is asked for while the command is being started waits until there is something to end. The command itself has a session
        # of its own, hears of no end and is killed.
        signal.pthread_sigmask(signal.SIG_BLOCK, _END)
        with subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            try:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _END)
                for line in process.stdout:
                    self._screen.output(line)
                    lines.append(line)
            except BaseException:
                # Somebody ends the tour: what was started for it ends first.
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            raise CommandFailed(f"`{command}` ended with status {process.returncode}")
        return "".join(lines)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": self.path,
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.kubeconfig),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
