"""A program ends as it is asked to: with what it does for an ending, and at once when it is asked twice."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys
from agent.kit.program import until_stopped

async def work():
    print("working", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("ending", flush=True)
        await asyncio.sleep({ending_s})
        print("ended", flush=True)
        raise

sys.exit(until_stopped(work))
"""


def begin(ending_s: float) -> subprocess.Popen[str]:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(ending_s=ending_s)], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "working\n"
    return program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_asked_to_stop_ends_what_goes_on_and_is_no_failure(number: signal.Signals) -> None:
    program = begin(0.1)
    program.send_signal(number)
    out, _ = program.communicate(timeout=10)
    assert (out, program.returncode) == ("ending\nended\n", 0)


def test_who_is_asked_twice_does_not_wait_for_it() -> None:
    program = begin(3600)
    program.send_signal(signal.SIGTERM)
    assert program.stdout is not None
    assert program.stdout.readline() == "ending\n"
    program.send_signal(signal.SIGTERM)
    out, _ = program.communicate(timeout=10)
    assert (out, program.returncode) == ("", 0)


LIMITED = """
import resource, sys
from agent.kit.program import until_stopped

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))

async def work():
    print(resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most))

sys.exit(until_stopped(work))
"""


def test_as_many_files_may_be_open_as_is_permitted() -> None:
    # A session is one, and container runtimes begin with 1,024.
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("True\n", 0)
