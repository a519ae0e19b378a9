"""What processes used: CPU seconds, memory, bytes over their connections. Read from the kernel, from outside."""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from e2e.planes.process import descendants

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RECEIVED = re.compile(r"bytes_received:(\d+)")
_SENT = re.compile(r"bytes_acked:(\d+)")


def tree(pid: int) -> tuple[int, ...]:
    """Return a process and all below it."""
    return (pid, *descendants(pid))


def cpu_s(pids: Iterable[int]) -> float:
    """Return the CPU seconds that processes, and children of theirs that ended, have used."""
    return sum(sum(map(int, _stat(pid)[11:15])) for pid in pids) / _TICKS


def rss_mb(pids: Iterable[int]) -> float:
    """Return the resident memory; what processes share counts for each."""
    return sum(int(_stat(pid)[21]) for pid in pids) * _PAGE_BYTES / 1e6


def private_mb(pid: int) -> float:
    """Return the memory that is a process's alone: what it would give back by ending."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000


def connection_bytes(pid: int, port: int) -> dict[str, int]:
    """Return what went both ways over each of a process's open connections to a local port, TLS included."""
    command = ["ss", "--tcp", "--info", "--processes", "--numeric", "--no-header", f"dport = :{port}"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {
        head.split()[3]: sum(
            int(found) for pattern in (_RECEIVED, _SENT) for found in pattern.findall(detail)
        )
        for head, detail in zip(lines[::2], lines[1::2], strict=True)
        if f"pid={pid}," in head
    }


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat behind the program's name, which may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
