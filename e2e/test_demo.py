"""The tour: it comes out as it should with nobody there, and leaves nothing behind when somebody ends it."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.tools import CHECKOUT

pytestmark = pytest.mark.slow

TOUR = [sys.executable, "-m", "e2e.demo"]
MEMORY = Path("/dev/shm")


def folders(pid: int) -> list[Path]:
    return list(MEMORY.glob(f"cartwheel-{pid}-*"))


def processes_below(folder: Path) -> list[str]:
    """Return the command lines that name a file below a folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_the_tour_comes_out_as_it_should() -> None:
    done = subprocess.run(
        [*TOUR, "--unattended"], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert (done.stderr, "Traceback" in done.stdout, "\033" in done.stdout) == ("", False, False)
    assert "6 steps came out as they should" in done.stdout


def test_ended_in_between_it_leaves_nothing_behind() -> None:
    here, there = pty.openpty()
    with subprocess.Popen(TOUR, cwd=CHECKOUT, stdin=there, stdout=there, stderr=there) as tour:
        os.close(there)
        said = b""
        while b"hub install" not in said:
            said += os.read(here, 4096)
        (folder,) = folders(tour.pid)
        assert processes_below(folder)
        tour.send_signal(signal.SIGINT)
        try:
            while piece := os.read(here, 4096):
                said += piece
        except OSError:  # the other end is closed
            pass
        assert tour.wait(timeout=60) == 130
    os.close(here)
    assert b"taking everything down" in said
    assert b"Traceback" not in said
    assert (folders(tour.pid), processes_below(folder)) == ([], [])
