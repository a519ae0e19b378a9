"""`hub demo`: the tour comes out as it should with nobody there, and leaves nothing behind, also when somebody ends it."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub.build.adapter import renderer

HUB = Path(sys.executable).parent / "hub"
MEMORY = Path("/dev/shm")


def tour(*options: str) -> list[str]:
    return [str(HUB), "demo", "--render", str(renderer()), *options]


def left_by(pid: int) -> list[Path]:
    return list(MEMORY.glob(f"cartwheel-{pid}-*"))


def test_the_tour_comes_out_as_it_should() -> None:
    with subprocess.Popen(
        tour("--unattended"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        said, problems = running.communicate(timeout=120)
    assert running.returncode == 0, said[-5000:] + problems
    assert (problems, "Traceback" in said, "\033" in said) == ("", False, False)
    assert "7 steps came out as they should" in said
    assert left_by(running.pid) == []


def test_ended_in_between_it_leaves_nothing_behind() -> None:
    here, there = pty.openpty()
    with subprocess.Popen(tour(), stdin=there, stdout=there, stderr=there) as running:
        os.close(there)
        said = b""
        while b"Enter goes on" not in said:
            said += os.read(here, 4096)
        assert left_by(running.pid)
        running.send_signal(signal.SIGINT)
        try:
            while piece := os.read(here, 4096):
                said += piece
        except OSError:  # the other end is closed
            pass
        assert running.wait(timeout=30) == 130
    os.close(here)
    assert b"taking everything down" in said
    assert b"Traceback" not in said
    assert left_by(running.pid) == []


def test_without_a_renderer_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARTWHEEL_RENDER", raising=False)
    done = subprocess.run([str(HUB), "demo"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "make demo" in done.stderr
